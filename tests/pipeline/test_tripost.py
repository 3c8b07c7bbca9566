"""TriPosT on the embedded model: trajectories, the rows made of them, and answers with
self-improvement."""

import json
import shutil
from collections import Counter
from dataclasses import asdict

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.errors import TaskError, UserError
from selftrain_assets.domain.types import Improvement, Row, Score, Trajectory, Turn
from selftrain_assets.engines.transformers_engine import TransformersEngine
from selftrain_assets.models.tokenization import load_tokenizer
from selftrain_assets.operations.audit import audit
from selftrain_assets.operations.catalog import query
from selftrain_assets.operations.export import export
from selftrain_assets.operations.garbage import collect
from selftrain_assets.operations.inspector import Inspector
from selftrain_assets.operations.lineage import Lineage
from selftrain_assets.operations.retract import retract
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.run import Run
from selftrain_assets.recipes.tripost.dataset import turn_rows
from selftrain_assets.store import Store
from selftrain_assets.trainers.examples import IGNORED, tokenize
from tests import lab

TASK = {
    "type": "multistep_arithmetic",
    "train": 24,
    "human": 40,
    "validation": 6,
    "test": 6,
    "transfer": 6,
}
TASK |= {"seen": [[3, 0]], "unseen": [[4, 0]]}
RECIPE = {
    "type": "tripost",
    "sampling": {"samples_per_problem": 2, "temperature": 1.0, "max_tokens": 40},
    "max_updates": 3,
}
SETTINGS = {
    "rounds": 2,
    "task": TASK,
    "recipe": RECIPE,
    "base": {
        "fine_tune": "human",
        "trainer": {"steps": 60, "batch_size": 8, "learning_rate": 0.003},
    },
    "trainer": {"steps": 40, "batch_size": 8, "learning_rate": 0.002},
    "evaluation": lab.SETTINGS["evaluation"] | {"train_problems": 0},
    "execution": {"shard_size": 8},
    "human_only": False,
}
SCOPES = ("iter-001", "iter-002")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small_heap):
    """Two rounds; nobody writes to it."""
    run = Run(
        "lab",
        parse_experiment(SETTINGS, "lab"),
        Store(tmp_path_factory.mktemp("finished") / "runs"),
    )
    run_rounds(run, [1, 2])
    return run


@pytest.fixture
def copy(finished, tmp_path):
    """The same on a copy of the store, under other settings if some are given."""
    shutil.copytree(finished.store.root, tmp_path / "runs")

    def open_run(**changes):
        return Run("lab", parse_experiment(SETTINGS | changes, "lab"), Store(tmp_path / "runs"))

    return open_run


def told(run, scope):
    """Trajectories by their samples, and turns, of a round."""
    made = run.need(scope, "trajectories")
    whole = run.store.read_table(made, "trajectories", Trajectory)
    return (
        made,
        {each.sample_key: each for each in whole},
        run.store.read_table(made, "turns", Turn),
    )


def rows_of(run, scope):
    return run.store.read_table(run.need(scope, "dataset"), "rows", Row)


def digests(run):
    return {(m.scope, m.stage): m.digest for m in run.store.manifests(run.name)}


def findings(run):
    inspector = Inspector(run.store)
    lines = audit(inspector, run)
    return inspector.findings, lines


# -- trajectories ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", SCOPES)
def test_the_funnel_adds_up(finished, scope):
    made, whole, turns = told(finished, scope)
    counts, endings = made.counts, Counter(each.ending for each in whole.values())
    assert (
        counts["attempted"] == finished.need(scope, "samples").counts["samples"] == len(whole) == 48
    )
    assert counts["parsable"] == 48 - endings["unparsable"] - endings["cut_off"]
    assert (
        counts["successful"]
        == counts["correct"] + counts["improved"]
        == sum(each.kept for each in whole.values())
    )
    assert counts["turns"] == len(turns) == sum(each.turns for each in whole.values())
    assert counts["edited"] == len({turn.sample_key for turn in turns if turn.update})
    assert counts["correct"] > 0
    assert counts["improved"] > 0
    assert counts["attempted"] >= counts["parsable"] >= counts["edited"] >= counts["improved"]
    assert made.metrics["endings"] == endings
    assert sum(made.metrics["errors"].values()) == counts["turns"] - counts["successful"]


@pytest.mark.parametrize("scope", SCOPES)
def test_a_trajectory_goes_from_the_sample_to_the_last_update(finished, scope):
    _, whole, turns = told(finished, scope)
    samples = {s.key: s for s in lab.read_samples(finished, finished.need(scope, "samples"))}
    passed = {
        v.sample_key: v.outcome == "pass"
        for v in lab.read_verifications(finished, finished.need(scope, "verifications"))
    }
    for key, each in whole.items():
        own = [turn for turn in turns if turn.sample_key == key]
        assert [turn.turn for turn in own] == list(range(1, each.turns + 1))
        if own:
            assert own[0].attempt == samples[key].completion
            assert [turn.attempt for turn in own[1:]] == [
                turn.update for turn in own if turn.update
            ][: len(own) - 1]
        if each.kept:
            assert (own[-1].step, own[-1].update) == (None, None)
            assert (each.ending == "correct") == (len(own) == 1)
            assert own[-2].outcome == "pass" if len(own) > 1 else passed[key]


def test_from_the_second_round_on_the_policy_gives_feedback_of_its_own(finished):
    (first, _, before), (second, _, turns) = (told(finished, scope) for scope in SCOPES)
    assert (first.metrics["by"]["own feedback"], first.counts["drawn"]) == ({}, 0)
    assert {turn.own for turn in before} == {None}
    assert sum(second.metrics["by"]["own feedback"].values()) == len(turns)
    drawn = dict(query(finished.store, "SELECT key, completion FROM sample_pool")[1])
    for turn in turns:
        assert turn.own is not None
        assert (turn.feedback_by == "self") == (turn.own == "right")
        assert (drawn[turn.feedback_sample].strip() == turn.feedback) == (turn.own == "right")
    assert [turn for turn in turns if turn.own == "right"], (
        "by now it says `all` where all is right"
    )


# -- rows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", SCOPES)
def test_every_row_is_a_turn_of_a_kept_trajectory_or_a_reference_solution(finished, scope):
    _, whole, turns = told(finished, scope)
    by_place = {(turn.sample_key, turn.turn): turn for turn in turns}
    problems = {p.id: p for p in finished.problems}
    wording = finished.config.recipe.wording
    for row in rows_of(finished, scope):
        if row.source == "human":
            assert (row.sample_key, row.turn) == (None, None)
            assert row.completion == f"{problems[row.problem_id].solution}{wording.feedback}all"
            continue
        turn = by_place[row.sample_key, row.turn]
        assert row.problem_id == turn.problem_id
        assert (
            whole[row.sample_key].ending == {"self": "correct", "improved": "improved"}[row.source]
        )
        said = f"{turn.attempt.rstrip()}{wording.feedback}{turn.feedback}"
        assert row.completion == (
            said if row.source == "self" else f"{said}{wording.update}{turn.update.rstrip()}"
        )


@pytest.mark.parametrize("scope", SCOPES)
def test_rows_stand_in_the_ratio_and_are_distinct(finished, scope):
    counts = finished.need(scope, "dataset").counts
    sources = Counter(row.source for row in rows_of(finished, scope))
    assert (sources["self"], sources["improved"], sources["human"]) == (
        counts["self"] - counts["improved"],
        counts["improved"],
        counts["human"],
    )
    unit = min(sources["self"], sources["human"])
    assert sources["self"] == sources["human"] == unit
    assert abs(sources["improved"] - 1.5 * unit) <= 1
    texts = [
        (row.source, row.prompt, " ".join(row.completion.split()))
        for row in rows_of(finished, scope)
    ]
    assert len(texts) == len(set(texts)) == counts["rows"]


@pytest.mark.parametrize("scope", SCOPES)
def test_rows_say_how_varied_they_are(finished, scope):
    rows, found = rows_of(finished, scope), finished.need(scope, "dataset").metrics["diversity"]
    groups = {p.id: p.group for p in finished.problems}
    own = [row for row in rows if row.source != "human"]
    assert (found["distinct_problems"], found["distinct_groups"]) == (
        len({r.problem_id for r in rows}),
        len({groups[r.problem_id] for r in rows}),
    )
    assert found["own_distinct_solutions"] == len(
        {(r.problem_id, " ".join(r.completion.lower().split())) for r in own}
    )
    assert found["near_duplicates_among"] == len(rows)


def test_without_a_ratio_every_row_is_kept(finished, copy):
    parts = turn_rows(copy(recipe=RECIPE | {"ratio": None}), 1)
    _, whole, turns = told(finished, "iter-001")
    edited = {
        (t.problem_id, t.attempt, t.feedback, t.update)
        for t in turns
        if t.update and whole[t.sample_key].kept
    }
    assert len(parts["improved"]) == len(edited)
    assert len(parts["gold"]) == sum(
        p.solution is not None for p in finished.problems if p.split in ("train", "human")
    )
    assert {row.key for row in rows_of(finished, "iter-001")} <= {
        row.key for part in parts.values() for row in part
    }


def test_sections_cover_a_completion_and_its_tokens_get_their_weights(finished, embedded):
    tokenizer, seen = load_tokenizer(embedded), set()
    for row in rows_of(finished, "iter-001"):
        lengths = [section["length"] for section in row.sections]
        assert sum(lengths) == len(row.completion)
        attempted = 0.0 if row.source == "improved" else 1.0
        assert [section["factor"] for section in row.sections] == [attempted, 1.5, 1.5, 1.5, 1.5][
            : len(lengths)
        ]
        example = tokenize(row, tokenizer, 512)
        learned = [
            (t, w)
            for t, label, w in zip(example.input_ids, example.labels, example.weights, strict=True)
            if label != IGNORED
        ]
        attempt = len(tokenizer(row.completion[: lengths[0]], add_special_tokens=False).input_ids)
        assert [weight for _, weight in learned] == [attempted] * attempt + [1.5] * (
            len(learned) - attempt
        )
        mark = tokenizer("?", add_special_tokens=False).input_ids
        assert [token for token, _ in learned[attempt:]][: len(mark)] == mark
        assert learned[-1][0] == tokenizer.eos_token_id
        seen.add(len(lengths))
    assert seen == {3, 5}


def test_weights_are_those_of_the_settings(copy):
    recipe = RECIPE | {
        "section_weights": {"attempt": 0.5, "wrong_attempt": 0.0, "feedback": 2.0, "update": 3.0}
    }
    for part, rows in turn_rows(copy(recipe=recipe), 1).items():
        weights = {tuple(section["factor"] for section in row.sections) for row in rows}
        assert weights == {(0.0, 2.0, 2.0, 3.0, 3.0) if part == "improved" else (0.5, 2.0, 2.0)}


def test_a_minimum_of_improved_trajectories_stops_a_round(copy):
    run = copy(recipe=RECIPE | {"minimum": 49})
    with pytest.raises(
        TaskError,
        match=r"lab: round 1 has \d+ .*improved trajectories.*, and recipe.minimum asks for 49",
    ) as caught:
        run_rounds(run, [1])
    assert "\n" not in str(caught.value)


# -- self-improvement ------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["base", *SCOPES])
def test_held_out_problems_are_answered_with_self_improvement(finished, scope):
    made = finished.need(scope, "evaluation")
    improved = {
        each.problem_id: each
        for each in finished.store.read_table(made, "improvements", Improvement)
    }
    scores = {each.problem_id: each for each in finished.store.read_table(made, "scores", Score)}
    assert improved.keys() == scores.keys()
    assert {each.split for each in improved.values()} == {"test", "validation", "transfer"}
    assert all(scores[id].greedy == (each.final == "pass") for id, each in improved.items())
    found = made.metrics["self_improvement"]
    assert {split: of["problems"] for split, of in found.items()} == {
        "test": 6,
        "validation": 6,
        "transfer": 6,
    }
    assert all(sum(of["ended"].values()) == 6 for of in found.values())
    assert all(
        of["final"]
        == pytest.approx(of["direct"] + (of["wrong_to_right"] - of["right_to_wrong"]) / 6)
        for of in found.values()
    )


def test_without_updates_the_first_attempt_counts(finished, copy):
    run = copy(recipe=RECIPE | {"updates_at_test": 0}, rounds=1)
    run_rounds(run, [1])
    made = run.need("iter-001", "evaluation")
    assert "self_improvement" not in made.metrics
    assert set(made.files) == {"scores"}


# -- again, after a loss, and without what is retracted --------------------------------------------


def test_a_second_run_does_nothing(finished, copy, monkeypatch):
    run = copy()
    monkeypatch.setattr(
        TransformersEngine, "generate", lambda *_: pytest.fail("something was drawn")
    )
    run_rounds(run, [1, 2])
    assert {m.digest: m.finished for m in run.store.manifests("lab")} == {
        m.digest: m.finished for m in finished.store.manifests("lab")
    }


def test_of_a_lost_shard_only_what_was_in_it_is_drawn_again(finished, copy, monkeypatch):
    run = copy()
    pool = run.store.samples(run.need("iter-002", "policy").digest)
    own = {turn.feedback_sample for turn in told(run, "iter-002")[2]}
    before = {record.key: record for record in pool.records()}
    shard = next(
        s for s in pool.shards() if own & {key for (key,) in _keys(pool.directory / s.file)}
    )
    lost = {key for (key,) in _keys(pool.directory / shard.file)}
    (pool.directory / shard.file).unlink()
    asked, whole = [], TransformersEngine.generate

    def counted(self, requests, sampling):
        asked.extend(r.key for r in requests)
        return whole(self, requests, sampling)

    monkeypatch.setattr(TransformersEngine, "generate", counted)
    run_rounds(run, [1, 2])
    assert sorted(asked) == sorted(lost)
    assert {record.key: (record.completion, record.seed) for record in pool.records()} == {
        key: (record.completion, record.seed) for key, record in before.items()
    }
    assert digests(run) == digests(finished)
    assert [f for f in findings(run)[0] if f.wrong] == []


def _keys(file):
    import pyarrow.parquet as pq

    return [(key,) for key in pq.read_table(file, columns=["key"]).column("key").to_pylist()]


def test_a_retracted_sample_takes_its_rows_out(finished, copy):
    row = next(row for row in rows_of(finished, "iter-001") if row.source == "improved")
    run = copy()
    affected = retract(run, "sample", row.sample_key, "a test")
    assert affected.scopes["iter-001"] == sum(
        r.sample_key == row.sample_key for r in rows_of(finished, "iter-001")
    )
    left = turn_rows(copy(), 1)
    assert row.sample_key not in {r.sample_key for rows in left.values() for r in rows}
    assert left["correct"]


def test_a_retracted_feedback_of_the_policy_takes_the_rows_out_that_hold_it(finished, copy):
    chosen = {row.sample_key for row in rows_of(finished, "iter-002") if row.sample_key}
    turn = next(
        turn
        for turn in told(finished, "iter-002")[2]
        if turn.own == "right" and turn.sample_key in chosen
    )
    affected = retract(copy(), "sample", turn.feedback_sample, "a test")
    assert affected.scopes["iter-002"] >= 1
    left = turn_rows(copy(), 2)
    assert turn.sample_key not in {row.sample_key for rows in left.values() for row in rows}


@pytest.mark.parametrize(
    ("source", "part"), [("improved", "improved"), ("human", "gold"), ("self", "correct")]
)
def test_a_part_as_a_source(finished, copy, source, part):
    run = copy(base={"fine_tune": "none"})
    if source == "self":
        with pytest.raises(UserError, match='has no source or round "self"'):
            retract(run, "source", source, "")
        return
    retract(run, "source", source, "a test")
    parts = turn_rows(copy(), 1)
    assert [name for name, rows in parts.items() if not rows] == [part]


# -- what others see of it -------------------------------------------------------------------------


def test_the_audit_is_clean(finished):
    found, lines = findings(finished)
    assert found == ()
    assert {(line.state, line.owed, line.lost, line.duplicated) for line in lines} == {
        ("done", 0, 0, 0)
    }
    assert [line.wanted for line in lines if line.stage == "trajectories"] == [48, 48]


def test_the_audit_tells_a_damaged_table(copy):
    run = copy()
    made = run.need("iter-002", "trajectories")
    (run.store.scope("lab", "iter-002") / made.files["turns"][0]).unlink()
    assert {f.kind for f in findings(run)[0]} == {"missing"}
    run_rounds(run, [1, 2])
    assert findings(run)[0] == ()


def test_nothing_of_it_is_garbage(finished):
    assert collect(finished.store).garbage == ()


def nodes(node, kind):
    found = [node] if node.kind == kind else []
    return found + [inner for edge in node.edges for inner in nodes(edge, kind)]


@pytest.mark.parametrize("scope", SCOPES)
def test_every_row_leads_to_its_sample_and_turn(finished, scope):
    lineage = Lineage(finished.store)
    for position, row in list(enumerate(rows_of(finished, scope), 1))[::3]:
        [found] = nodes(lineage.checkpoint("lab", scope, position), "row")
        assert (found.facts["key"], found.facts["turn"]) == (row.key, row.turn)
        samples = [edge for edge in found.edges if edge.kind == "sample"]
        assert [s.facts["key"] for s in samples] == ([row.sample_key] if row.sample_key else [])
        turns = {(t.sample_key, t.turn): t for t in told(finished, scope)[2]}
        said = [edge for edge in found.edges if edge.kind == "turn"]
        assert [turn.facts["feedback"] for turn in said] == (
            [turns[row.sample_key, row.turn].feedback] if row.turn else []
        )
        drawn = {edge.facts["key"] for turn in said for edge in turn.edges}
        assert drawn == {
            turn.facts[name]
            for turn in said
            for name in ("feedback_sample", "update_sample")
            if name in turn.facts
        }
        assert all(
            row.completion.startswith(s.facts["completion"].rstrip()) or row.turn > 1
            for s in samples
        )
    stages = {
        n.kind
        for n in [
            *nodes(lineage.checkpoint("lab", scope), "trajectories"),
            *nodes(lineage.checkpoint("lab", scope), "samples"),
        ]
    }
    assert stages == {"trajectories", "samples"}


def test_a_sample_that_was_feedback_leads_on_to_the_datasets_of_its_trajectory(finished):
    rows = {row.sample_key for row in rows_of(finished, "iter-002")}
    told_by = next(
        t for t in told(finished, "iter-002")[2] if t.feedback_sample and t.sample_key in rows
    )
    forward = Lineage(finished.store).forward(told_by.feedback_sample)
    assert [node.name for node in nodes(forward, "dataset")] == ["lab iter-002"]


def test_sql_knows_the_tables(finished):
    _, [(trajectories, turns, improvements)] = query(
        finished.store,
        "SELECT (SELECT count(*) FROM trajectories), (SELECT count(*) FROM turns), (SELECT count(*)"
        " FROM improvements)",
    )
    assert (trajectories, turns, improvements) == (
        96,
        sum(len(told(finished, scope)[2]) for scope in SCOPES),
        3 * 18,
    )
    columns, rows = query(
        finished.store,
        "SELECT * EXCLUDE (experiment, scope) FROM turns WHERE scope = 'iter-001' ORDER BY ALL",
    )
    turns = [asdict(turn) for turn in told(finished, "iter-001")[2]]
    assert columns == list(turns[0])
    assert {tuple(row) for row in rows} == {tuple(turn.values()) for turn in turns}


def test_the_rows_can_be_handed_on(finished, tmp_path, monkeypatch):
    monkeypatch.setenv("SELFTRAIN_DEFS", str(tmp_path / "defs"))
    lab.write_experiment(tmp_path, texts={}, **SETTINGS)
    made = export(finished, 2, tmp_path / "out", rows="jsonl")
    found = [
        json.loads(line)
        for line in (tmp_path / "out" / "dataset" / made.rows.file).read_text().splitlines()
    ]
    frozen = rows_of(finished, "iter-002")
    assert [(row["row_key"], row["turn"], row["sections"]) for row in found] == [
        (row.key, row.turn, row.sections) for row in frozen
    ]
    assert {row["source"] for row in found} == {"self", "improved", "human"}
    verdicts = {
        v.sample_key: v.outcome
        for v in lab.read_verifications(finished, finished.need("iter-002", "verifications"))
    }
    for row in found:
        assert row["outcome"] == (verdicts[row["sample_key"]] if row["sample_key"] else None)
        assert (
            row["outcome"] == "pass"
            if row["source"] == "self"
            else row["outcome"] is None or row["source"] == "improved"
        )
    card = (tmp_path / "out" / "dataset" / "README.md").read_text()
    assert "a turn that corrects an attempt" in card
    counts = finished.need("iter-002", "dataset").counts
    assert (
        f"come {counts['self'] - counts['improved']} rows that were right at once and"
        f" {counts['improved']} that correct an attempt" in card
    )
    assert "| `ratio` | correct=1.0 improved=1.5 gold=1.0 |" in card
