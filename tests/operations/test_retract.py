"""Bad evidence is marked, what learnt from it is named and owed again, and nothing else is."""

import pytest

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.types import Row
from selftrain_assets.engines.scripted import ScriptedSettings
from selftrain_assets.operations.retract import repair, retract, take_back
from selftrain_assets.pipeline import dataset, inputs, training
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.policy import POLICY
from selftrain_assets.pipeline.sampling import SAMPLES, VERIFICATIONS
from tests import lab


def first_dataset(run):
    """Round 1 up to its dataset."""
    inputs.problems(run)
    training.base(run)
    for stage in (POLICY.run, SAMPLES.run, VERIFICATIONS.run):
        stage(run, 1)
    return dataset.dataset(run, 1)


def rows_of(run, dataset):
    return run.store.read_table(dataset, "rows", Row)


def test_a_problem_leaves_every_round_that_learnt_from_it(opened, finished):
    run = finished(iterations=2)
    before = {scope: run.need(scope, "dataset") for scope in ("iter-001", "iter-002")}
    checkpoints = {run.need(scope, "checkpoint").digest for scope in before}
    problem = rows_of(run, before["iter-001"])[0].problem_id
    affected = retract(opened(), "problem", problem, "the reference answer is wrong")
    held = {
        scope: sum(row.problem_id == problem for row in rows_of(run, dataset))
        for scope, dataset in before.items()
    }
    assert affected.scopes == {scope: count for scope, count in held.items() if count}
    assert affected.first == "iter-001"
    assert set(affected.checkpoints) <= checkpoints
    assert "iter-001 to iter-002" in repair(opened(), affected)
    again = opened()
    run_rounds(again, range(1, 3))
    for scope in before:
        assert problem not in {
            row.problem_id for row in rows_of(again, again.need(scope, "dataset"))
        }
    assert (
        again.need("iter-001", "samples").counts["reused"]
        == again.need("iter-001", "samples").counts["samples"]
        == 44
    )
    assert again.need("iter-001", "checkpoint").digest not in checkpoints


def test_only_the_sample_goes_and_taking_it_back_restores_everything(opened, monkeypatch):
    run = opened()
    original = first_dataset(run)
    row = rows_of(run, original)[0]
    monkeypatch.setattr(ScriptedSettings, "open", lambda *_: pytest.fail("something was sampled"))
    affected = retract(run, "sample", row.sample_key[:16], "")
    assert (affected.scopes, affected.checkpoints) == ({"iter-001": 1}, [])
    without = first_dataset(opened())
    assert {r.sample_key for r in rows_of(run, original)} - {
        r.sample_key for r in rows_of(run, without)
    } == {row.sample_key}
    take_back(opened(), "sample", row.sample_key)
    assert first_dataset(opened()).digest == original.digest


def test_what_no_dataset_holds_needs_no_training(opened):
    run = opened()
    original = first_dataset(run)
    used = {r.sample_key for r in rows_of(run, original)}
    wrong = next(
        v
        for v in lab.read_verifications(run, run.need("iter-001", "verifications"))
        if v.sample_key not in used
    )
    affected = retract(run, "sample", wrong.sample_key, "")
    assert (affected.scopes, affected.first) == ({}, None)
    assert "no dataset of lab holds it" in repair(run, affected)
    assert first_dataset(opened()).digest == original.digest


def test_a_round_as_a_source(opened):
    run = opened()
    original = first_dataset(run)
    affected = retract(run, "source", "iter-001", "the engine was misconfigured")
    assert affected.scopes == {"iter-001": original.counts["self"]}
    assert rows_of(run, first_dataset(opened())) == []


def test_the_base_is_named_where_it_learnt_from_the_problem(opened):
    run = opened(base={"fine_tune": "human"})
    first_dataset(run)
    human = next(p.id for p in run.problems if p.split == "human")
    affected = retract(run, "problem", human, "")
    assert affected.first == "base"
    assert affected.checkpoints == [run.need("base", "checkpoint").digest]
    assert "base, then" in repair(run, affected)


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (
            "problem",
            "train-0000",
            'there is no problem "train-0000"; the ids most like it',
        ),
        ("sample", "zz", "no sample has a key"),
        (
            "source",
            "teacher",
            'lab has no source or round "teacher"; known: human, rationalized, translated, ',
        ),
        ("source", "teacher", ", and the rounds iter-001 to iter-002"),
        ("source", "iter-009", 'lab has no source or round "iter-009"; known: human, '),
        ("source", "human", "the base itself was trained on the human rows"),
    ],
)
def test_what_cannot_be_retracted_is_said(opened, kind, value, reason):
    run = opened(base={"fine_tune": "human"})
    inputs.problems(run)
    with pytest.raises(UserError) as caught:
        retract(run, kind, value, "")
    assert reason in str(caught.value)
    assert run.store.retractions(run.name).listed == ()


def test_twice_or_back_without_is_said(opened):
    run = opened()
    inputs.problems(run)
    retract(run, "source", "iter-002", "")
    with pytest.raises(UserError, match="was retracted before"):
        retract(run, "source", "iter-002", "")
    with pytest.raises(UserError, match="source iter-003 of lab was not retracted; did you mean"):
        take_back(run, "source", "iter-003")
