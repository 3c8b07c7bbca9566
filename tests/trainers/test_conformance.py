"""The trainers that ship, each by the suite that every trainer passes; those that learn with all
weights and with an adapter."""

import pytest

from selftrain_assets.testing.trainers import LearningConformance, TrainerConformance
from selftrain_assets.trainers import TRAINERS, ScriptedTrainer, SftTrainer
from tests.trainers import lab


@pytest.mark.usefixtures("small_heap")
class TestSft(LearningConformance):
    settings = lab.SETTINGS[SftTrainer]["full"]


@pytest.mark.usefixtures("small_heap")
class TestSftWithAnAdapter(LearningConformance):
    settings = lab.SETTINGS[SftTrainer]["lora"]


class TestScripted(TrainerConformance):
    settings = lab.SETTINGS[ScriptedTrainer]["full"]


def test_every_trainer_has_a_suite():
    suites = (*LearningConformance.__subclasses__(), TestScripted)
    assert {suite.settings.type for suite in suites} == set(TRAINERS.built_in)
