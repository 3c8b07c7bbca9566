"""Distillation: the checkpoint of another experiment is sampled in place of the policy."""

import shutil

import pytest

from selftrain_assets.domain.errors import TaskError, UserError
from selftrain_assets.domain.types import Row
from selftrain_assets.operations.audit import audit
from selftrain_assets.operations.garbage import collect
from selftrain_assets.operations.inspector import Inspector
from selftrain_assets.operations.lineage import Lineage
from selftrain_assets.operations.retract import repair, retract
from selftrain_assets.pipeline.loop import run_rounds
from tests import lab

TAUGHT = lab.SETTINGS["recipe"] | {
    "teacher": {"experiment": "master", "iteration": 1},
    "init_from": "pretrained",
}


def test_a_students_samples_are_from_its_teachers_checkpoint(opened, finished):
    master = finished("master")
    student = opened("student", recipe=TAUGHT, rounds=1, seed=1)
    run_rounds(student, [1])
    taught = master.need("iter-001", "checkpoint")
    assert student.need("iter-001", "policy").digest == taught.digest
    assert {s.policy for s in lab.read_samples(student, student.need("iter-001", "samples"))} == {
        taught.digest
    }
    inspector = Inspector(student.store)
    audit(inspector, student)
    assert list(inspector.findings) == []

    def names(node):
        return {node.name} | {name for edge in node.edges for name in names(edge)}

    assert {"master iter-001", "master base"} <= names(
        Lineage(student.store).checkpoint("student", "iter-001")
    )
    shutil.rmtree(student.store.root / "experiments" / "master")
    weights = f"checkpoints/{taught.key[:16]}"
    assert weights not in {item.path for item in collect(student.store).garbage}


def test_a_new_checkpoint_of_the_teacher_is_noticed(opened, finished):
    finished("master")
    run_rounds(opened("student", recipe=TAUGHT, rounds=1), [1])
    again = opened("master", trainer=lab.SETTINGS["trainer"] | {"steps": 3})
    run_rounds(again, [1])
    student = opened("student", recipe=TAUGHT, rounds=1)
    before = student.need("iter-001", "samples")
    run_rounds(student, [1])
    assert student.need("iter-001", "policy").digest == again.need("iter-001", "checkpoint").digest
    assert student.need("iter-001", "samples").key != before.key


def findings(run):
    inspector = Inspector(run.store)
    audit(inspector, run)
    return [(f.kind, f.sentence) for f in inspector.findings]


@pytest.mark.kills
def test_the_audit_names_a_student_whose_teacher_has_changed(opened, finished):
    finished("master")
    student = opened("student", recipe=TAUGHT, rounds=1)
    run_rounds(student, [1])
    assert findings(student) == []
    run_rounds(opened("master", trainer=lab.SETTINGS["trainer"] | {"steps": 3}), [1])
    [(kind, sentence)] = findings(student)
    assert kind == "stale"
    assert "its teacher master iter-001 has now a checkpoint" in sentence
    run_rounds(opened("student", recipe=TAUGHT, rounds=1), [1])
    assert findings(student) == []


def test_evidence_of_the_teacher_is_followed_into_its_students(opened, finished):
    master = finished("master")
    student = opened("student", recipe=TAUGHT, rounds=1, seed=1)
    run_rounds(student, [1])
    key = next(
        r.sample_key
        for r in master.store.read_table(master.need("iter-001", "dataset"), "rows", Row)
        if r.sample_key
    )

    def names(node):
        return {(node.kind, node.name)} | {name for edge in node.edges for name in names(edge)}

    assert {("policy", "student iter-001"), ("checkpoint", "student iter-001")} <= names(
        Lineage(master.store).forward(key)
    )
    affected = retract(master, "sample", key, "a test")
    assert affected.taught == ["student"]
    assert repair(master, affected).endswith("; then `selftrain run student`, whose teacher it is")


def test_a_student_goes_on_where_its_teachers_experiment_is_gone(opened, finished):
    master = finished("master")
    run_rounds(opened("student", recipe=TAUGHT, rounds=1), [1])
    shutil.rmtree(master.store.root / "experiments" / "master")
    student = opened(
        "student", recipe=TAUGHT, rounds=1, trainer=lab.SETTINGS["trainer"] | {"steps": 3}
    )
    run_rounds(student, [1])
    assert student.need("iter-001", "checkpoint").counts["optimizer_steps"] == 3
    assert findings(student) == []


@pytest.mark.parametrize(
    ("teacher", "sentence"),
    [
        (
            {"experiment": "master", "iteration": 1},
            "round 1 of master has no checkpoint yet; make it first: selftrain run master",
        ),
        ({"experiment": "mad", "iteration": 1}, 'selftrain run mad; did you mean "made"'),
        ({"experiment": "made", "iteration": 9}, "round 9 of made has no checkpoint yet"),
        ({"experiment": "student", "iteration": 1}, "an experiment cannot be its own teacher"),
    ],
)
def test_a_teacher_that_was_never_made_is_told_before_anything_is_written(
    opened, finished, teacher, sentence
):
    finished("made")
    student = opened("student", recipe=TAUGHT | {"teacher": teacher})
    with pytest.raises((TaskError, UserError), match=sentence):
        run_rounds(student, [1])
    assert not (student.store.root / "experiments" / "student").exists()


def test_a_teacher_with_weights_of_other_methods_is_told_before_a_sample_is_drawn(opened):
    drawn = {
        "sampling": {"samples_per_problem": 4, "temperature": 1.0},
        "verifier": {"type": "numeric"},
    }
    methods = [
        {"name": "plain", **drawn},
        {"name": "equals", "prompt": {"template": "Q: {question} ="}, **drawn},
    ]
    apart = {"type": "mmst", "methods": methods, "cross_training": {}, "weights": "per_method"}
    run_rounds(opened("master", recipe=apart, rounds=1), [1])
    student = opened("student", recipe=TAUGHT, rounds=1)
    with pytest.raises(
        UserError, match="are of the methods equals, plain, and none of them is of all"
    ):
        run_rounds(student, [1])
    assert student.manifest("iter-001", "samples") is None
