"""Verifiers that are functions."""

import inspect
from typing import Annotated

import pytest
from pydantic import Field

from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.domain.errors import UserError
from selftrain_assets.verifiers import VERIFIERS, verifier, verifier_fingerprint


@verifier(version="1")
def close(problem, completion, *, tolerance: Annotated[float, Field(ge=0)] = 0.01) -> bool:
    """Right if within the tolerance."""
    return abs(float(completion) - float(problem.answer)) <= tolerance


def settings_of(**settings):
    return parse_experiment({"verifier": settings}, "mine").verifier


def test_a_function_is_a_class_of_settings():
    assert close(tolerance=0.5).tolerance == 0.5
    assert close.__doc__ == "Right if within the tolerance."
    assert inspect.isfunction(close.function)
    assert VERIFIERS[f"{__name__}:close"] is close
    assert settings_of(type=f"{__name__}:close", tolerance=0.5) == close(tolerance=0.5)
    assert Experiment(verifier=close).verifier == close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tolerance": -1}, "verifier.tolerance: should be greater than or equal to 0"),
        ({"tolerence": 1}, 'unknown field "verifier.tolerence"; did you mean "tolerance"?'),
        ({"seconds": 0}, "verifier.seconds: should be greater than 0"),
    ],
)
def test_settings_are_validated(settings, words):
    with pytest.raises(UserError, match=words):
        settings_of(type=f"{__name__}:close", **settings)


def test_version_and_settings_enter_the_identity():
    @verifier(version="2")
    def close(problem, completion, *, tolerance: Annotated[float, Field(ge=0)] = 0.01) -> bool:
        return False

    assert verifier_fingerprint(globals()["close"]()) != verifier_fingerprint(close())
    assert verifier_fingerprint(close()) != verifier_fingerprint(close(tolerance=0.5))


def test_arguments_of_the_decorator_are_defaults_of_settings():
    @verifier(resource="network", seconds=5, threshold=0.5)
    def graded(problem, completion, *, length=3):
        return len(completion) / length

    settings = graded()
    assert (settings.seconds, settings.threshold, settings.length) == (5, 0.5, 3)
    assert graded.resource == "network"
    assert graded(seconds=1).seconds == 1


def only_a_problem(problem): ...


def everything(problem, completion, **settings): ...


def with_threshold(problem, completion, *, threshold=1): ...


def without_type(problem, completion, *, limit=None): ...


async def later(problem, completion): ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (only_a_problem, "must take problem and completion, and its settings behind a *"),
        (everything, r"takes \*\*settings; name its settings one by one"),
        (with_threshold, "has a parameter threshold, which cannot be a setting; rename it"),
        (without_type, "does not say the type of its setting limit"),
        (later, "is asynchronous"),
        (lambda problem, completion: True, "@verifier is for a function that has a name"),
    ],
)
def test_what_cannot_be_a_verifier_is_refused_where_it_is_decorated(function, words):
    with pytest.raises(TypeError, match=words):
        verifier(function)


def test_a_refusal_names_the_line_of_the_decorator(tmp_path):
    path = tmp_path / "grading.py"
    path.write_text(
        "from selftrain_assets.verifiers import verifier\n\n@verifier\ndef bad(problem): ...\n"
    )
    with pytest.raises(UserError, match=rf"verifier bad must take .*; {path}, line 3\)"):
        settings_of(type=f"{path}:bad")
