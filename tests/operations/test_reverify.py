"""Another verifier on finished rounds: nothing is sampled, both sets of verdicts stay, and the
difference is exact."""

import pytest

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.types import Outcome, Row, Verdict
from selftrain_assets.engines.scripted import ScriptedSettings
from selftrain_assets.operations.catalog import query
from selftrain_assets.operations.reverify import reverify
from selftrain_assets.pipeline import dataset, inputs, training
from selftrain_assets.pipeline.policy import POLICY
from selftrain_assets.pipeline.run import iteration_scope
from selftrain_assets.pipeline.sampling import SAMPLES, VERIFICATIONS
from selftrain_assets.tasks import WordProblems
from selftrain_assets.verifiers import NumericVerifier
from tests import lab

STRICT = {"type": "numeric", "require_mark": True}


def made(run):
    """Round 1 up to its dataset."""
    inputs.problems(run)
    training.base(run)
    for stage in (POLICY.run, SAMPLES.run, VERIFICATIONS.run, dataset.dataset):
        stage(run, 1)
    return run


@pytest.fixture
def texts():
    """Right answers with and without a mark, so that a strict verifier differs on known ones."""
    return {
        p.id: [f"#### {p.answer}", f"It is {p.answer}", "#### 0", "none"]
        for p in WordProblems(**lab.TASK).load()
    }


def test_the_same_verifier_changes_nothing(opened, texts):
    run = made(opened(texts=texts))
    [found] = reverify(run)
    assert found.judged == 48
    assert (found.changed, found.added, found.removed, found.checkpoint) == ([], [], [], None)


def test_rows_are_not_compared_while_some_samples_have_no_verdict(opened, texts, monkeypatch):
    made(opened(texts=texts))
    run = opened(texts=texts, verifier=STRICT)
    judge = NumericVerifier.verify

    def failing(self, problem, completion):
        if completion == "none":
            return Verdict(Outcome.INFRA_ERROR, 0.0, None, "gone")
        return judge(self, problem, completion)

    with monkeypatch.context() as patched:
        patched.setattr(NumericVerifier, "verify", failing)
        [difference] = reverify(run)
    assert difference.owed > 0
    assert difference.judged + difference.owed == 48
    assert (difference.added, difference.removed) == ([], [])
    [difference] = reverify(run)
    assert (difference.judged, difference.owed) == (48, 0)
    assert difference.removed


def test_a_stage_that_was_never_done_is_told(opened, texts):
    made(opened(texts=texts))
    run = opened(texts=texts, recipe={**lab.SETTINGS["recipe"], "rationalize": True})
    with pytest.raises(TaskError, match="iter-001 has no finished rationalizations yet"):
        reverify(run)


def test_a_stricter_one_takes_away_exactly_what_it_does_not_pass(opened, texts, monkeypatch):
    before = made(opened(texts=texts))
    rows = before.store.read_table(before.need(iteration_scope(1), "dataset"), "rows", Row)
    manifests = {
        stage: before.need("iter-001", stage) for stage in ("samples", "verifications", "dataset")
    }
    monkeypatch.setattr(ScriptedSettings, "open", lambda *_: pytest.fail("something was sampled"))
    run = opened(texts=texts, verifier=STRICT)
    [found] = reverify(run)
    samples = {s.key: s for s in lab.read_samples(before, manifests["samples"])}
    unmarked = {key for key, s in samples.items() if s.completion.startswith("It is")}
    assert {c.sample.key for c in found.changed} == unmarked
    assert {(c.before.outcome, c.now.outcome) for c in found.changed} == {("pass", "malformed")}
    assert {r.key for r in found.removed} == {r.key for r in rows if r.sample_key in unmarked}
    assert found.added == []
    assert {stage: run.need("iter-001", stage) for stage in manifests} == manifests, (
        "no stage is touched"
    )
    _, [(verdicts, verifiers)] = query(
        run.store, "SELECT count(*), count(DISTINCT key) FROM verification_pool"
    )
    assert verdicts == verifiers == 2 * 48, "both sets stay"
    assert [each.changed for each in reverify(run)] == [found.changed]


def test_the_next_run_finds_the_new_verdicts_and_agrees(opened, texts, monkeypatch):
    made(opened(texts=texts))
    run = opened(texts=texts, verifier=STRICT)
    [found] = reverify(run)
    counts = VERIFICATIONS.run(run, 1).counts
    assert counts["reused"] == counts["verifications"] == 48
    rows = run.store.read_table(dataset.dataset(run, 1), "rows", Row)
    assert not {r.key for r in rows} & {r.key for r in found.removed}
    assert {r.key for r in rows} >= {r.key for r in found.added}
