"""The plug-ins of tests/plugin_package by the suites that a person subclasses for their own."""

import pytest

import selftrain_assets as st
from selftrain_assets.engines import ENGINES
from selftrain_assets.tasks import TASKS
from selftrain_assets.testing import (
    EngineConformance,
    TaskConformance,
    TrainerConformance,
    VerifierConformance,
)
from selftrain_assets.trainers import TRAINERS
from selftrain_assets.verifiers import VERIFIERS

pytestmark = pytest.mark.usefixtures("sample_plugins")


def named(registry, name, **settings):
    """The member, or nothing where its distribution is not installed, which the fixture says."""
    return registry.validate({"type": name, **settings}) if name in registry else None


class TestSums(TaskConformance):
    task = named(TASKS, "sums")
    seeded = True


class TestLastNumber(VerifierConformance):
    verifier = named(VERIFIERS, "last_number")
    problem = st.Problem("p", "12 + 5", "17")
    right = ("17", "12 + 5 = 17 ; #### 17", "It is 17.0.")
    wrong = ("18", "17 - 5 = 12", "-17")
    malformed = ("", "seventeen")
    other = named(VERIFIERS, "last_number", tolerance=0.5)


class TestCalculator(EngineConformance):
    settings = named(ENGINES, "calculator")
    adapters = limited = False


class TestJitter(TrainerConformance):
    settings = named(TRAINERS, "jitter")
