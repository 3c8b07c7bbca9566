"""Several methods on one task: each is drawn, verified, translated, selected and measured as
itself."""

import json
from collections import Counter
from pathlib import Path

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.errors import TaskError, UserError
from selftrain_assets.domain.types import Row, Score, VerdictMembership
from selftrain_assets.operations.audit import audit
from selftrain_assets.operations.catalog import query
from selftrain_assets.operations.garbage import collect
from selftrain_assets.operations.inspector import Inspector
from selftrain_assets.operations.lineage import Lineage
from selftrain_assets.operations.retract import retract
from selftrain_assets.operations.reverify import reverify
from selftrain_assets.pipeline import evaluation, inputs
from selftrain_assets.pipeline.loop import human_only, run_rounds, walk
from selftrain_assets.pipeline.metrics import measure
from selftrain_assets.pipeline.run import Run
from selftrain_assets.pipeline.weights import resolve
from selftrain_assets.recipes.mmst.report import method_tables
from selftrain_assets.reports import summarize, write_report
from selftrain_assets.store import Store
from selftrain_assets.tasks import WordProblems
from tests import lab

DRAWN = {"samples_per_problem": 6, "temperature": 1.0, "max_tokens": 32}
MARKED = {
    "name": "marked",
    "prompt": {"template": "Q: {question} A:"},
    "sampling": DRAWN,
    "verifier": {"type": "numeric", "require_mark": True},
    "translation": "Q: {question} = {solution} A:",
}
BARE = {
    "name": "bare",
    "prompt": {"template": "Q: {question} ="},
    "sampling": DRAWN,
    "verifier": {"type": "text"},
    "translation": "Q: {question} A: {solution} =",
}
CODE = BARE | {"name": "code", "verifier": {"type": "code", "program": "whole"}}
MMST = {
    "type": "mmst",
    "methods": [MARKED, BARE],
    "translation": DRAWN | {"samples_per_problem": 2},
    "dedup": "none",
    "cap": 0,
}
EVALUATION = lab.SETTINGS["evaluation"] | {"pass_at": [1], "majority_at": [1]}


@pytest.fixture(scope="module")
def texts():
    """For every problem what each method calls right, and what it does not."""
    return {
        p.id: [p.answer, f"#### {p.answer}", "#### 0", "0"] for p in WordProblems(**lab.TASK).load()
    }


@pytest.fixture
def mmst(opened, texts):
    """Returns a function that opens an experiment whose engine gives these."""

    def open_run(name="lab", recipe=None, **changes):
        return opened(
            name,
            texts=texts,
            recipe=MMST | (recipe or {}),
            **({"evaluation": EVALUATION} | changes),
        )

    return open_run


@pytest.fixture(scope="module")
def finished(texts, tmp_path_factory, small_heap):
    """One round of it, to be looked at."""
    folder = tmp_path_factory.mktemp("methods")
    settings = lab.write_experiment(folder, texts=texts, recipe=MMST, evaluation=EVALUATION)
    run = Run("lab", parse_experiment(settings, "lab"), Store(folder / "runs"))
    run_rounds(run, [1])
    return run


TRANSLATED = """SELECT s.key, s.translates, s.method, s.origin, v.outcome FROM samples AS s JOIN verdicts AS v ON v.sample_key = s.key
    WHERE s.translates IS NOT NULL"""  # noqa: E501


def is_right(run, problem_id, method, completion):
    """The marked answer is right by both methods, the bare one by the other alone."""
    answer = next(p.answer for p in run.problems if p.id == problem_id)
    return completion == f"#### {answer}" or (method == "bare" and completion == answer)


def table(run, stage, record, scope="iter-001", name=None):
    return run.store.read_table(run.need(scope, stage), name or stage, record)


def test_each_method_is_drawn_by_its_prompt_and_judged_by_its_verifier(finished):
    run = finished
    samples = {s.key: s for s in lab.read_samples(run, run.need("iter-001", "samples"))}
    judged = table(run, "verifications", VerdictMembership)
    assert Counter(j.method for j in judged) == {"marked": 72, "bare": 72}
    for j in judged:
        sample = samples[j.sample_key]
        assert sample.prompt.endswith(" A:" if j.method == "marked" else " =")
        assert (j.outcome == "pass") == is_right(run, j.problem_id, j.method, sample.completion)
    assert len(run.need("iter-001", "verifications").detail["verifiers"]) == 2


def test_every_correct_solution_is_translated_and_verified_again(finished):
    run = finished
    own = {s.key: s for s in lab.read_samples(run, run.need("iter-001", "samples"))}
    passed = {
        (own[j.sample_key].problem_id, j.method, own[j.sample_key].completion)
        for j in table(run, "verifications", VerdictMembership)
        if j.outcome == "pass"
    }
    translated = {
        s.key: s for s in lab.read_samples(run, run.need("iter-001", "translated_samples"))
    }
    _, rows = query(run.store, TRANSLATED)
    assert len(rows) == len(translated) == 2 * len(passed)
    for key, source, method, origin, outcome in rows:
        assert (own[source].problem_id, origin, own[source].completion) in passed
        assert method != origin
        assert own[source].completion in translated[key].prompt
        assert (outcome == "pass") == is_right(
            run, own[source].problem_id, method, translated[key].completion
        )
    yields = run.need("iter-001", "translations").metrics["yields"]
    assert {m: {o: cell["samples"] for o, cell in of.items()} for m, of in yields.items()} == {
        "marked": {"bare": 2 * sum(m == "bare" for _, m, _ in passed)},
        "bare": {"marked": 2 * sum(m == "marked" for _, m, _ in passed)},
    }


def test_what_two_methods_found_alike_is_translated_once(mmst):
    """Three methods: a text that two of them found asks the third the same question, and is one
    draw."""
    third = BARE | {
        "name": "third",
        "prompt": {"template": "Q: {question} |"},
        "translation": "Q: {question} {solution} |",
    }
    run = mmst(recipe={"methods": [MARKED, BARE, third]})
    run_rounds(run, [1])
    samples = lab.read_samples(run, run.need("iter-001", "translated_samples"))
    assert len({s.key for s in samples}) == len(samples)
    into_third = Counter(s.prompt for s in samples if s.prompt.endswith("|"))
    assert into_third
    assert set(into_third.values()) == {2}  # samples_per_problem of the translation
    run_rounds(run, [2])


def test_rows_have_the_prompt_of_their_method_and_only_what_is_right(finished):
    run = finished
    rows = table(run, "dataset", Row, name="rows")
    told = run.need("iter-001", "dataset").metrics["rows"]
    assert Counter((r.method, r.origin or r.method) for r in rows) == {
        (m, o): n for m, of in told.items() for o, n in of.items()
    }
    assert {r.source for r in rows} == {"self", "translated"}
    problems, methods = {p.id: p for p in run.problems}, {m.name: m for m in run.methods}
    for r in rows:
        assert r.prompt == methods[r.method].prompt.render(problems[r.problem_id])
        assert is_right(run, r.problem_id, r.method, r.completion)


def test_human_rows_are_by_each_method_and_from_one_into_the_other(mmst):
    run = mmst(
        recipe={"mix_human": 1.0, "methods": [MARKED | {"name": "text"}, BARE | {"name": "code"}]}
    )
    run_rounds(run, [1])
    rows = [r for r in table(run, "dataset", Row, name="rows") if r.source == "human"]
    pairs = [("text", None), ("code", None), ("text", "code"), ("code", "text")]
    assert Counter((r.method, r.origin) for r in rows) == dict.fromkeys(pairs, 4)
    problem = next(p for p in run.problems if p.split == "human")
    solved = problem.solutions
    assert {(r.prompt, r.completion) for r in rows if r.problem_id == problem.id} == {
        (f"Q: {problem.question} A:", solved["text"]),
        (f"Q: {problem.question} =", solved["code"]),
        (f"Q: {problem.question} = {solved['code']} A:", solved["text"]),
        (f"Q: {problem.question} A: {solved['text']} =", solved["code"]),
    }


def test_an_empty_matrix_is_self_training_by_single_methods(mmst):
    run = mmst(recipe={"cross_training": {}, "methods": [MARKED, BARE | {"sampled": False}]})
    run_rounds(run, [1])
    assert run.manifest("iter-001", "translations") is None
    assert {r.method for r in table(run, "dataset", Row, name="rows")} == {"marked"}
    assert run.need("iter-001", "evaluation").metrics["methods"].keys() == {"marked", "bare"}


def test_a_cell_of_the_matrix_that_is_off_is_not_drawn_and_a_weight_is_the_rows(mmst):
    run = mmst(recipe={"cross_training": {"bare": {"marked": 0.25}}})
    run_rounds(run, [1])
    rows = table(run, "dataset", Row, name="rows")
    assert {(r.method, r.origin, r.weight) for r in rows} == {
        ("marked", None, 1.0),
        ("bare", None, 1.0),
        ("marked", "bare", 0.25),
    }


def test_matched_in_size_a_method_learns_from_no_more_than_it_found(mmst):
    run = mmst(recipe={"size_match": "per_method"})
    run_rounds(run, [1])
    rows = table(run, "dataset", Row, name="rows")
    own = Counter(
        j.method for j in table(run, "verifications", VerdictMembership) if j.outcome == "pass"
    )
    assert Counter(r.method for r in rows) == own
    assert {r.source for r in rows} == {"self", "translated"}


def test_scores_are_by_method_and_of_their_vote(finished):
    run = finished
    scores = table(run, "evaluation", Score, name="scores")
    held_out = {p.id for p in run.problems if p.split in ("test", "validation", "transfer")}
    for method in (None, "marked", "bare"):
        assert held_out <= {s.problem_id for s in scores if s.method == method}
    found = run.need("iter-001", "evaluation").metrics
    # Greedily the engine gives what only the second method calls right, and its answer stands in
    # the vote against none.
    assert [found["methods"][m]["greedy_accuracy"]["mean"] for m in ("marked", "bare")] == [
        0.0,
        1.0,
    ]
    assert (found["greedy_accuracy"]["mean"], found["ranked"]) == (1.0, ["bare", "marked"])
    assert found["agreement"]["test"]["pairs"]["marked, bare"] | {
        "phi": None,
        "phi_of_solved": None,
    } == {
        "both": 0,
        "only_first": 0,
        "only_second": 6,
        "neither": 0,
        "phi": None,
        "phi_of_solved": None,
    }
    assert found["agreement"]["test"]["union"] == 1.0
    assert sum(of["problems"] for of in found["choice"].values()) == 6


def test_what_could_not_be_judged_is_never_wrong(mmst):
    run = mmst()
    inputs.problems(run)
    one, two, three = [p.id for p in run.problems if p.split == "test"][:3]
    told = [
        (m, greedy, id, "pass", "3", 1.0)
        for m in ("marked", "bare")
        for id in (one, two, three)
        for greedy in (True, False)
    ]
    missing = {("marked", True, two), ("bare", False, three)}
    scores, votes = evaluation._scores(
        run, [verdict for verdict in told if verdict[:3] not in missing]
    )
    assert {(s.method, s.problem_id) for s in scores} == {
        *((m, id) for m in (None, "bare") for id in (one, three)),
        *(("marked", id) for id in (one, three)),
        ("bare", two),
    }
    assert {s.greedy for s in scores} == {1}
    assert {(s.method, s.samples) for s in scores if s.problem_id == three} == {
        (None, 1),
        ("marked", 1),
        ("bare", 0),
    }
    measured = measure(run, scores, votes, [])
    assert [measured["methods"][m]["greedy_accuracy"]["problems"] for m in ("marked", "bare")] == [
        2,
        3,
    ]
    assert measured["agreement"]["test"]["pairs"]["marked, bare"]["both"] == 2


def test_the_report_says_what_each_method_did(finished):
    run = finished
    found = {
        title.split(":")[0]: (columns, rows)
        for title, columns, rows in method_tables(summarize(run))
    }
    columns, rows = found[
        "Held-out greedy accuracy by method, of their vote, and of whatever any method solves"
    ]
    assert columns == ["iteration", "marked", "bare", "vote", "any"]
    assert [row[0] for row in rows] == ["base", "1"]
    # Wilson: 6 / (6 + 1.96**2)
    assert rows[1][1:] == ["0.000 [0.000, 0.390]", "1.000 [0.610, 1.000]", "1.000", "1.000"]
    _, flow = found["Samples, and translations of correct ones"]
    kept = Counter(
        (r.origin or r.method, r.method) for r in table(run, "dataset", Row, name="rows")
    )
    assert {row[1]: int(row[-1]) for row in flow} == {
        b if a == b else f"{a} to {b}": n for (a, b), n in kept.items()
    }
    assert found["Test problems that marked and bare solve"][1][1][:5] == ["1", "0", "0", "6", "0"]
    assert found["Which method to use"][1][0][-3:] == ["0.000", "1.000", "1.000"]
    page = write_report(run).read_text()
    assert all(title in page for title in found)


def test_a_second_run_does_nothing_an_audit_is_clean_and_lineage_goes_through_a_translation(mmst):
    run = mmst()
    run_rounds(run, [1, 2])
    before = {p: p.read_bytes() for p in run.store.root.glob("experiments/**/*.json")}
    run_rounds(mmst(), [1, 2])
    assert {p: p.read_bytes() for p in run.store.root.glob("experiments/**/*.json")} == before
    inspector = Inspector(run.store)
    lines = audit(inspector, run)
    assert inspector.findings == ()
    assert {(line.state, line.duplicated, line.lost) for line in lines} == {("done", 0, 0)}
    assert all(line.wanted == line.committed for line in lines), [
        line for line in lines if line.wanted != line.committed
    ]
    row = next(r for r in table(run, "dataset", Row, name="rows") if r.source == "translated")
    verdict, source = Lineage(run.store).sample(row.sample_key).edges
    assert (verdict.kind, verdict.facts["outcome"]) == ("verdict", "pass")
    assert (source.name, source.facts["relation"], source.facts["from"]) == (
        row.translates,
        "translation of",
        row.origin,
    )
    assert source.facts["completion"] in Lineage(run.store).sample(row.sample_key).facts["prompt"]
    assert [(d.changed, d.added, d.removed) for d in reverify(run)] == [([], [], [])] * 2


def test_a_retracted_sample_takes_its_translations_along(mmst):
    run = mmst()
    run_rounds(run, [1])
    row = next(r for r in table(run, "dataset", Row, name="rows") if r.source == "translated")
    affected = retract(run, "sample", row.translates, "a test")
    before = [
        r
        for r in table(run, "dataset", Row, name="rows")
        if row.translates in (r.sample_key, r.translates)
    ]
    assert affected.scopes == {"iter-001": len(before)}
    assert len(before) >= 2
    again = mmst()
    run_rounds(again, [1])
    assert not [
        r
        for r in table(again, "dataset", Row, name="rows")
        if row.translates in (r.sample_key, r.translates)
    ]


def test_a_lost_verdict_of_one_method_is_all_that_is_owed_again(mmst):
    run = mmst()
    run_rounds(run, [1])
    first = run.need("iter-001", "verifications")
    pool = run.store.verifications(first.detail["verifiers"][1], first.detail["policy"])
    lost = pool.files()[0]
    gone = sum(s.records for s in pool.shards() if s.file == lost.name)
    total = len(pool.keys())
    lost.unlink()
    run_rounds(mmst(), [1])
    assert len(pool.keys()) == total
    assert gone
    assert run.need("iter-001", "verifications").digest == first.digest


def test_programs_run_in_the_sandbox_and_teach_text(mmst, programs):
    texts = {
        p.id: [f"#### {p.answer}", f"{p.answer} + 0", "print(", "1 / 0"]
        for p in WordProblems(**lab.TASK).load()
    }
    run = mmst(
        recipe={"methods": [MARKED | {"name": "text"}, CODE]},
        execution={"shard_size": 64, "sandbox": programs.model_dump(mode="json")},
    )
    Path(run.config.engine.path).write_text(json.dumps(texts))
    run_rounds(run, [1])
    rows = table(run, "dataset", Row, name="rows")
    answers = {p.id: p.answer for p in run.problems}
    assert {(r.method, r.origin) for r in rows} == {
        ("text", None),
        ("code", None),
        ("text", "code"),
        ("code", "text"),
    }
    assert {r.completion == f"{answers[r.problem_id]} + 0" for r in rows if r.method == "code"} == {
        True
    }
    _, judged = query(
        run.store,
        "SELECT method, outcome, count(*) FROM verdicts WHERE cpu_seconds IS NOT NULL GROUP BY ALL",
    )
    assert {method for method, _, _ in judged} == {"code"}, (
        "only programs are executed, and all of them in the sandbox"
    )
    assert {outcome for _, outcome, _ in judged} == {"pass", "wrong", "malformed"}


@pytest.mark.parametrize(
    "setting",
    [{"base": {"fine_tune": "human"}}, {"recipe": {"mix_human": 0.5}}, {"human_only": True}],
)
def test_human_rows_without_a_solution_by_a_method_are_told(mmst, setting):
    with pytest.raises(
        UserError,
        match=(
            r'needs problems of the split "human" with a solution by the method "marked" \(field'
            r" solutions\)"
        ),
    ):
        run_rounds(mmst(**setting), [1])


# -- weights of each method ------------------------------------------------------------------------

APART = {
    "recipe": {"weights": "per_method"},
    "trainer": {"steps": 2, "batch_size": 4, "learning_rate": 0.01, "lora": {"r": 2}},
}


@pytest.mark.kills
def test_each_method_can_have_an_adapter_of_its_own(mmst):
    run = mmst(**APART)
    run_rounds(run, [1, 2])
    first = run.need("iter-001", "checkpoint")
    weights = first.references.weights
    assert weights.methods.keys() == {"marked", "bare"}
    rows = table(run, "dataset", Row, name="rows")
    for method, own in weights.methods.items():
        assert own.adapter_on.model == "embedded"
        facts = run.store.checkpoint_facts(own.key)
        assert facts["optimizer_steps"] == 2
        assert any(r.method == method for r in rows)
    assert first.counts == {"rows": len(rows), "steps": 4, "optimizer_steps": 4}
    assert [step for step, _ in first.metrics["losses"]] == [2, 4]
    policy = resolve(run.store, weights)
    assert policy.by("marked").adapter != policy.by("bare").adapter
    with pytest.raises(
        UserError, match="of the methods bare, marked, and none of them is of table"
    ):
        policy.by("table")
    assert run.need("iter-002", "policy").digest == first.digest
    assert audit_findings(run) == []
    tree = Lineage(run.store).checkpoint(run.name, "iter-002")
    assert {"weights of marked", "weights of bare"} <= tree.facts.keys()
    assert collect(run.store).garbage == ()


def audit_findings(run):
    inspector = Inspector(run.store)
    audit(inspector, run)
    inspector.all_pools()
    return [f.sentence for f in inspector.findings]


@pytest.mark.kills
def test_weights_of_a_method_answer_to_its_own_rows_alone(mmst):
    """What is retracted of another method trains nothing of this one again."""
    run = mmst(**APART | {"recipe": APART["recipe"] | {"cross_training": {}}})
    run_rounds(run, [1])
    before = run.need("iter-001", "checkpoint").references.weights.methods
    taken = next(r for r in table(run, "dataset", Row, name="rows") if r.method == "bare")
    retract(run, "sample", taken.sample_key, "a test")
    again = Run(run.name, run.config, run.store)
    run_rounds(again, [1])
    after = again.need("iter-001", "checkpoint").references.weights.methods
    assert after["bare"] != before["bare"]
    assert after["marked"] == before["marked"]


@pytest.mark.kills
def test_the_engine_is_opened_with_the_weights_of_the_method_that_is_asked_for(mmst, monkeypatch):
    run = mmst(**APART)
    run_rounds(run, [1])
    opened, settings = [], type(run.config.engine)
    open_engine = settings.open
    monkeypatch.setattr(
        settings, "open", lambda self, ref: (opened.append(ref), open_engine(self, ref))[1]
    )
    run_rounds(run, [2])
    policy = resolve(run.store, run.need("iter-002", "policy").references.weights)
    assert opened[:2] == [policy.by("marked"), policy.by("bare")]


def test_a_method_without_rows_cannot_have_weights_of_its_own(mmst):
    run = mmst(
        recipe={
            "weights": "per_method",
            "methods": [MARKED, BARE | {"sampled": False}],
            "cross_training": {},
        }
    )
    with pytest.raises(TaskError, match="iter-001 checkpoint: there is no row of method bare"):
        run_rounds(run, [1])


def test_weights_that_nobody_lists_yet_are_no_garbage(mmst):
    """While the second method trains, the first one's weights are published and no manifest
    names them."""
    run = mmst(**APART)
    found = []

    def collecting(stage, done, total):
        if stage == "iter-001 checkpoint of bare" and done:
            found.extend(collect(run.store, delete=True).garbage)

    run.progress = collecting
    run_rounds(run, [1])
    assert [item for item in found if item.kind == "checkpoint"] == []


@pytest.mark.kills
def test_the_controls_have_the_steps_of_each_method(mmst):
    named = {
        "recipe": {
            "weights": "per_method",
            "methods": [MARKED | {"name": "text"}, BARE | {"name": "code"}],
        }
    }
    run = mmst(**APART | named, human_only=True)
    run_rounds(run, [1, 2])
    human_only(run)
    one, every = (
        run.need("human-one-round", "checkpoint"),
        run.need("human-all-rounds", "checkpoint"),
    )
    assert (
        one.counts["optimizer_steps"]
        == run.need("iter-001", "checkpoint").counts["optimizer_steps"]
    )
    assert every.detail["optimizer_steps"] == {"text": 4, "code": 4}


def test_rounds_of_methods_that_were_renamed_are_reported_when_they_are_done_again(mmst):
    run_rounds(mmst(), [1])
    run = mmst(recipe={"methods": [MARKED, BARE | {"name": "plain"}]})
    assert summarize(run).baseline is None
    with pytest.raises(TaskError, match="nothing is finished yet"):
        write_report(run)
    seen = [summarize(run) for manifest in walk(run, [1]) if manifest.stage == "evaluation"]
    assert [len(each.iterations) for each in seen] == [0, 1]
    assert set(seen[-1].iterations[0].methods) == {"marked", "plain"}
