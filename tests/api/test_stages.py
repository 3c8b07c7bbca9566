"""Single stages on data of one's own."""

import json

import pytest

import selftrain_assets as st
from tests import lab

COMPLETIONS = [
    {"problem_id": "a", "prompt": "1+1", "answer": "2", "completion": "#### 2"},
    {"problem_id": "a", "prompt": "1+1", "answer": "2", "completion": "so #### 2"},
    {"problem_id": "a", "prompt": "1+1", "answer": "2", "completion": "#### 3"},
    {"problem_id": "b", "prompt": "2+2", "answer": 4, "completion": "no idea"},
    {"problem_id": "b", "prompt": "2+2", "answer": 4, "completion": "#### 4"},
]
OUTCOMES = ["pass", "pass", "wrong", "malformed", "pass"]


def test_completions_of_a_file_are_judged(project):
    path = project / "completions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in COMPLETIONS))
    verdicts = st.verify("completions.jsonl", verifier="numeric")
    assert verdicts["outcome"].to_pylist() == OUTCOMES
    assert verdicts["reward"].to_pylist() == [1.0, 1.0, 0.0, 0.0, 1.0]
    assert verdicts["parsed"].to_pylist()[:3] == ["2", "2", "3"]
    assert verdicts.equals(st.verify(COMPLETIONS, verifier=st.Verifier.registry["numeric"]()))
    assert not [*project.glob("runs*")]


def test_problems_can_be_given_apart():
    problems = [st.Problem("a", "1+1", "2"), st.Problem("b", "2+2", "5", group="hard")]
    bare = [{k: row[k] for k in ("problem_id", "completion")} for row in COMPLETIONS]
    verdicts = st.verify(bare, verifier={"type": "numeric"}, problems=problems)
    assert verdicts["outcome"].to_pylist() == [*OUTCOMES[:4], "wrong"]
    assert verdicts["group"].to_pylist()[-1] == "hard"
    with pytest.raises(st.SelftrainError, match='row 1: there is no problem "a"; known: c'):
        st.verify(bare, verifier="numeric", problems=[st.Problem("c", "", "")])


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"answer": "2"}, 'row 1: the field "completion" is missing'),
        ({"completion": "2"}, 'row 1: the field "answer" is missing'),
        ({"completion": "2", "answer": "many"}, "problem row 1: "),
    ],
)
def test_what_a_row_lacks_is_said(row, sentence):
    with pytest.raises(st.SelftrainError, match=sentence):
        st.verify([row], verifier="numeric")


def test_an_unknown_verifier_is_named():
    with pytest.raises(st.SelftrainError, match=r'no "numerc"; did you mean "numeric"'):
        st.verify(COMPLETIONS, verifier="numerc")


def test_no_completion_is_an_empty_table():
    assert st.verify([], verifier="numeric").num_rows == 0
    assert st.select([]).num_rows == 0


def test_rows_are_selected_by_the_rules():
    verdicts = st.verify(COMPLETIONS, verifier="numeric")
    rows = st.select(verdicts).to_pylist()
    assert [(row["problem_id"], row["completion"]) for row in rows] == [
        *sorted([("a", "#### 2"), ("a", "so #### 2")], key=rows_order(rows)),
        ("b", "#### 4"),
    ]
    assert {row["weight"] for row in rows} == {1.0}
    shortest = st.select(verdicts.to_pandas(), cap=1, choice="shortest").to_pylist()
    assert [row["completion"] for row in shortest] == ["#### 2", "#### 4"]
    assert st.select(verdicts, cap=1, choice="first")["prompt"].to_pylist() == ["1+1", "2+2"]
    balanced = st.select(
        [{**row, "group": row["problem_id"]} for row in verdicts.to_pylist()], balance="group"
    )
    assert balanced.num_rows == 2


def rows_order(rows):
    """The order in which rows of one problem came, which is random."""
    completions = [row["completion"] for row in rows]
    return lambda pair: completions.index(pair[1])


def test_rewards_and_equal_texts_count():
    graded = [
        {"problem_id": "a", "completion": text, "outcome": "pass", "reward": reward}
        for text, reward in (("x y", 0.5), ("x  y", 0.5), ("z", 0.25))
    ]
    assert st.select(graded).num_rows == 0
    rows = st.select(graded, threshold=0.3, weight="reward")
    assert rows["weight"].to_pylist() == [0.5]
    assert st.select(graded, threshold=0.3, dedup="none").num_rows == 2


def test_one_problem_has_one_prompt():
    rows = [
        {"problem_id": "a", "prompt": prompt, "completion": "x", "outcome": "pass"}
        for prompt in ("one", "two")
    ]
    with pytest.raises(st.SelftrainError, match="row 2: problem a has another prompt"):
        st.select(rows)


def test_verdicts_of_a_round_can_be_selected_again(mine):
    mine.finish(1)
    rows = st.select(mine.verdicts(1), cap=10, dedup="none")
    own = mine.rows(1).to_pylist()
    assert sorted(rows["completion"].to_pylist()) == sorted(
        row["completion"] for row in own if row["source"] == "self"
    )


def test_a_model_is_evaluated(project, settings):
    own = settings()
    given = {name: own[name] for name in ("engine", "evaluation")}
    measured = st.evaluate("embedded", task=lab.TASK, **given)
    assert measured.greedy_accuracy.problems == 6
    assert measured.greedy_accuracy.low <= measured.greedy_accuracy.mean
    assert {*measured.pass_at_k} == {"1", "2"}
    assert not (project / "runs").exists()
    kept = st.evaluate("embedded", task=lab.TASK, verifier="numeric", store="kept", **given)
    assert kept == measured or kept.greedy_accuracy == measured.greedy_accuracy
    assert st.sql("select count(*) as n from manifests", "kept")["n"].to_pylist() == [3]
