"""Distillation: the checkpoint of another experiment is sampled in place of the policy."""

import shutil

import pytest

from selftrain_assets.core.errors import TaskError
from selftrain_assets.stages.audit import audit
from selftrain_assets.stages.loop import run_rounds
from selftrain_assets.store.audit import Inspector
from selftrain_assets.store.garbage import collect
from selftrain_assets.store.lineage import Lineage
from tests import lab

TAUGHT = lab.SETTINGS["recipe"] | {"teacher": {"experiment": "master", "iteration": 1}, "start": "pretrained"}


def test_a_students_samples_are_from_its_teachers_checkpoint(opened):
    master = opened("master")
    run_rounds(master, [1])
    student = opened("student", recipe=TAUGHT, rounds=1, seed=1)
    run_rounds(student, [1])
    taught = master.need("iter-001", "checkpoint")
    assert student.need("iter-001", "policy").digest == taught.digest
    assert {s.policy for s in lab.read_samples(student, student.need("iter-001", "samples"))} == {taught.digest}
    inspector = Inspector(student.store)
    audit(inspector, student)
    assert list(inspector.findings) == []

    def names(node):
        return {node.name} | {name for edge in node.edges for name in names(edge)}

    assert {"master iter-001", "master base"} <= names(Lineage(student.store).checkpoint("student", "iter-001"))
    shutil.rmtree(student.store.root / "experiments" / "master")
    weights = f"checkpoints/{taught.key[:16]}"
    assert weights not in {item.path for item in collect(student.store).garbage}


def test_a_new_checkpoint_of_the_teacher_is_noticed(opened):
    run_rounds(opened("master"), [1])
    run_rounds(opened("student", recipe=TAUGHT, rounds=1), [1])
    again = opened("master", trainer=lab.SETTINGS["trainer"] | {"steps": 3})
    run_rounds(again, [1])
    student = opened("student", recipe=TAUGHT, rounds=1)
    before = student.need("iter-001", "samples")
    run_rounds(student, [1])
    assert student.need("iter-001", "policy").digest == again.need("iter-001", "checkpoint").digest
    assert student.need("iter-001", "samples").key != before.key


def test_a_teacher_that_was_never_made_is_told_before_anything_is_written(opened):
    student = opened("student", recipe=TAUGHT)
    with pytest.raises(
        TaskError, match="teacher is the checkpoint of round 1 of master, which is not there yet; make it first: selftrain run"
    ):
        run_rounds(student, [1])
    assert not (student.store.root / "experiments").exists()
