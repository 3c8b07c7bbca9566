"""An experiment that goes on from a round of another one: what they share is found, and what is
different begins after that round."""

from dataclasses import replace

import pytest

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.types import Row
from selftrain_assets.engines.scripted import ScriptedSettings
from selftrain_assets.operations.audit import audit
from selftrain_assets.operations.garbage import collect
from selftrain_assets.operations.inspector import Inspector
from selftrain_assets.operations.lineage import Lineage
from selftrain_assets.operations.retract import repair, retract, take_back
from selftrain_assets.operations.reverify import reverify
from selftrain_assets.pipeline.evaluation import evaluation_draws
from selftrain_assets.pipeline.generation import is_drawn
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.reports import findings, summarize
from selftrain_assets.reports.comparison import compare
from selftrain_assets.trainers import ScriptedTrainer
from tests import lab

STAGES = ("policy", "samples", "verifications", "dataset", "checkpoint", "evaluation")
ACCUMULATING = lab.SETTINGS["recipe"] | {"accumulate": "all", "cap": 2}


def fork(iteration, **changes):
    return [{"experiment": "lab", "iteration": iteration, "changes": changes}]


def digests(run, *rounds):
    return {(i, stage): run.need(f"iter-{i:03d}", stage).digest for i in rounds for stage in STAGES}


def is_clean(run):
    inspector = Inspector(run.store)
    lines = audit(inspector, run)
    return not inspector.findings and all(line.state == "done" and not line.owed for line in lines)


@pytest.fixture
def idle(monkeypatch):
    """Returns a function after which nothing can be sampled, judged or trained."""

    def forbid():
        for settings, method in ((ScriptedSettings, "open"), (ScriptedTrainer, "train")):
            monkeypatch.setattr(
                settings, method, lambda *_: pytest.fail("an unaltered fork has nothing to do")
            )
        monkeypatch.setattr(
            "selftrain_assets.pipeline.verification._judged",
            lambda *_: pytest.fail("a verdict was asked for again"),
        )

    return forbid


def test_an_unaltered_fork_draws_judges_and_trains_nothing(opened, idle):
    source = opened(recipe=ACCUMULATING)
    run_rounds(source, [1, 2])
    idle()
    unaltered = opened("unaltered", recipe=ACCUMULATING, forks=fork(1))
    run_rounds(unaltered, [1, 2])
    assert digests(unaltered, 1, 2) == digests(source, 1, 2)
    for scope in ("iter-001", "iter-002"):
        samples, verdicts = (unaltered.need(scope, stage) for stage in ("samples", "verifications"))
        assert (
            samples.counts["reused"] == samples.counts["samples"] == verdicts.counts["reused"] == 48
        )
        assert (
            samples.tokens,
            samples.work_seconds,
            unaltered.need(scope, "checkpoint").work_seconds,
        ) == (0, 0, 0)
    assert is_clean(unaltered)
    assert len(list((source.store.root / "checkpoints").iterdir())) == 2


def test_a_change_holds_from_the_next_round_on(opened):
    source = opened(recipe=ACCUMULATING, rounds=3)
    run_rounds(source, [1, 2, 3])
    changes = {"recipe": {"cap": 1}, "trainer": {"steps": 3}, "seed": 5}
    changed = opened("changed", recipe=ACCUMULATING, rounds=3, forks=fork(1, **changes))
    run_rounds(changed, [1, 2, 3])
    assert digests(changed, 1) == digests(source, 1)
    assert changed.need("iter-002", "policy").digest == source.need("iter-002", "policy").digest
    for i in (2, 3):
        scope = f"iter-{i:03d}"
        samples, dataset, trained = (
            changed.need(scope, stage) for stage in ("samples", "dataset", "checkpoint")
        )
        rows = [r.problem_id for r in changed.store.read_table(dataset, "rows", Row)]
        assert samples.counts["reused"] == 0  # another seed of sampling
        assert len(rows) == len(set(rows))
        assert {r.iteration for r in changed.store.read_table(dataset, "rows", Row)} <= set(
            range(1, i + 1)
        )
        assert (dataset.settings["cap"], trained.counts["steps"], trained.settings["steps"]) == (
            1,
            3,
            3,
        )
        # measured as every round is, by the seed above the fork
        assert is_drawn(source, evaluation_draws(source, trained.digest))
    assert is_clean(changed)
    assert [(d.added, d.removed, d.changed) for d in reverify(changed)] == [([], [], [])] * 3
    before = {p: p.read_bytes() for p in changed.store.root.rglob("*") if p.is_file()}
    run_rounds(replace(changed), [1, 2, 3])
    assert {p: p.read_bytes() for p in changed.store.root.rglob("*") if p.is_file()} == before
    _is_told(source, changed)


def _is_told(source, changed):
    said = "lab after iteration 1, with recipe.cap 1 and seed 5 and trainer.steps 3"
    assert f" Forked from {said}. " in findings(summarize(changed))
    found = compare(["lab", "changed"], [[source], [changed]])
    assert f"changed: forked from {said}." in found.terms
    assert (
        found.arms[0].by_seed["test"]["accuracy"][:2]
        == found.arms[1].by_seed["test"]["accuracy"][:2]
    )
    lineage = Lineage(source.store)
    node = lineage.checkpoint("changed", "iter-002")
    assert node.facts["forked from"] == said
    shared = next(
        edge
        for edge in _below(node)
        if edge.name == "changed iter-001" and edge.kind == "checkpoint"
    )
    assert "forked from" not in shared.facts
    assert shared.facts["digest"] == source.need("iter-001", "checkpoint").digest
    drawn = lab.read_samples(source, source.need("iter-001", "samples"))
    used = {
        r.sample_key
        for r in source.store.read_table(source.need("iter-001", "dataset"), "rows", Row)
    }
    forward = list(_below(lineage.forward(next(s.key for s in drawn if s.key in used))))
    checkpoints = [edge for edge in forward if edge.kind == "checkpoint"]
    assert {edge.name for edge in checkpoints} == {
        f"{name} iter-00{i}" for name in ("lab", "changed") for i in (1, 2, 3)
    }
    assert {edge.name for edge in checkpoints if "forked from" in edge.facts} == {
        "changed iter-002"
    }


def _below(node):
    for edge in node.edges:
        yield edge
        yield from _below(edge)


def test_forks_of_forks_and_from_the_base_on(opened):
    twice = opened("twice", rounds=4, forks=[*fork(2, recipe={"cap": 1}, seed=4), *fork(1, seed=9)])
    assert {i: (twice.at(i).config.recipe.cap, twice.at(i).config.seed) for i in range(1, 5)} == {
        1: (10, 0),
        2: (10, 9),
        3: (1, 9),
        4: (1, 9),
    }
    assert twice.at(1) is twice
    assert twice.at(4) is twice.at(3)
    below = opened("below", forks=fork(0, trainer={"steps": 5}))
    assert (
        below.config.trainer.steps,
        below.at(1).config.trainer.steps,
        below.at(2).config.trainer.steps,
    ) == (2, 5, 5)


def test_a_fork_needs_nothing_of_its_source_and_the_collector_knows_it(opened, idle):
    source = opened(rounds=2)
    run_rounds(source, [1])
    forked = opened("forked", rounds=2, forks=fork(1, seed=5))
    run_rounds(forked, [1])
    for path in sorted((source.store.root / "experiments" / "lab").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    collect(forked.store, delete=True, history=True, quarantine=True)
    idle()
    run_rounds(replace(forked), [1])
    assert all(
        line.state == "done"
        for line in audit(Inspector(forked.store), forked)
        if line.scope != "iter-002"
    )


@pytest.mark.kills
def test_what_the_source_retracted_is_in_no_fork(opened, idle):
    source = opened(recipe=ACCUMULATING)
    run_rounds(source, [1])
    forked = opened("forked", recipe=ACCUMULATING, forks=fork(1))
    run_rounds(forked, [1, 2])
    problem = source.store.read_table(source.need("iter-001", "dataset"), "rows", Row)[0].problem_id
    affected = retract(replace(source), "problem", problem, "")
    assert affected.forks == ["forked"]
    assert "; then `selftrain run forked`, which is forked from it" in repair(source, affected)
    run_rounds(replace(source), [1])
    run_rounds(replace(forked), [1, 2])
    for scope in ("iter-001", "iter-002"):
        assert problem not in {
            r.problem_id
            for r in forked.store.read_table(forked.need(scope, "dataset"), "rows", Row)
        }
    idle()
    later = opened("later", recipe=ACCUMULATING, forks=fork(1))
    run_rounds(later, [1])
    assert digests(later, 1) == digests(source, 1) == digests(forked, 1)
    with pytest.raises(
        UserError,
        match=f"problem {problem} of lab was retracted before, which forked is forked from",
    ):
        retract(replace(forked), "problem", problem, "")
    with pytest.raises(
        UserError,
        match=(
            r"retracted in lab, which forked is forked from; undo it there: selftrain retract lab"
        ),
    ):
        take_back(replace(forked), "problem", problem)
    other = next(p.id for p in source.problems if p.id != problem)
    retract(replace(forked), "problem", other, "")
    assert other not in replace(source).retracted.values("problem")
    assert replace(forked).retracted.values("problem") == {problem, other}


def test_what_later_rounds_need_of_the_problems_is_asked_before_the_first(opened):
    task = lab.TASK | {"human": 0, "validation": 0}
    with pytest.raises(UserError, match=r"recipe.mix_human needs problems of the split \"human\""):
        run_rounds(opened(task=task, forks=fork(1, recipe={"mix_human": 1.0})), [1])
    with pytest.raises(
        UserError, match=r"recipe.early_stopping needs problems of the split \"validation\""
    ):
        run_rounds(
            opened(task=task, forks=fork(1, recipe={"early_stopping": {"rule": "best"}})), [1]
        )
