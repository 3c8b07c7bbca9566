"""Verifiers that are functions."""

import inspect
import subprocess
import sys
import textwrap
import threading
from typing import Annotated

import pytest
from pydantic import Field

from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.domain.errors import InfraError, TaskError, UserError
from selftrain_assets.domain.types import Exchange, Problem
from selftrain_assets.verifiers import (
    VERIFIERS,
    AllOf,
    CodeVerifier,
    NumericVerifier,
    SandboxSettings,
    VerifierContext,
    verifier,
    verifier_fingerprint,
)
from tests.judging import verdicts

PROBLEM = Problem("p", "What?", "12")


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


# -- how they are run ------------------------------------------------------------------------------

SOURCE = """\
import os
import time

import numpy as np

from selftrain_assets.domain.types import Outcome, Verdict
from selftrain_assets.verifiers import verifier


@verifier
def returns(problem, completion):
    print("printed by the function")
    os.system("echo printed by a child")
    return {
        "true": True,
        "false": False,
        "half": 0.5,
        "one": 1,
        "numpy": np.float32(0.25),
        "numpy true": np.bool_(True),
        "verdict": Verdict(Outcome.MALFORMED, 0.0, None, "no answer"),
        "two": 2,
        "nothing": None,
        "text": "yes",
        "nan": float("nan"),
        "reward": Verdict(Outcome.PASS, 7.0, None, "much"),
    }[completion]


@verifier(seconds=1)
def misbehaves(problem, completion):
    if completion == "raise":
        raise ValueError("no number")
    if completion == "crash":
        os._exit(3)
    if completion == "sleep":
        time.sleep(60)
    if completion == "leave":
        raise SystemExit("bye")
    if completion == "read":
        input()
    return len(completion) > 3


@verifier
def sees(problem, completion, prompt, *, method, length: int = 2):
    return Verdict(Outcome.PASS, 1.0, prompt, f"{problem.answer} {method} {length}")
"""


@pytest.fixture(scope="module")
def grading(tmp_path_factory):
    """A file of verifiers."""
    path = tmp_path_factory.mktemp("own") / "grading.py"
    path.write_text(SOURCE)
    return path


def judged(settings, *completions, workers=1):
    return verdicts(
        settings,
        SandboxSettings(workers=workers),
        [(PROBLEM, completion) for completion in completions],
    )


def test_what_a_function_returns_is_a_verdict(grading):
    settings = settings_of(type=f"{grading}:returns", threshold=0.5)
    completions = ("true", "false", "half", "one", "numpy", "numpy true", "verdict")
    found = judged(settings, *completions, workers=2)
    assert [(verdict.outcome, verdict.reward) for verdict in found] == [
        ("pass", 1.0),
        ("wrong", 0.0),
        ("pass", 0.5),
        ("pass", 1.0),
        ("wrong", 0.25),
        ("pass", 1.0),
        ("malformed", 0.0),
    ]
    assert found[4].reason == "returns returned 0.25, less than the threshold 0.5"
    assert found[6].reason == "no answer"
    [graded] = judged(settings_of(type=f"{grading}:returns"), "half")
    assert (graded.outcome, graded.reward) == ("wrong", 0.5), "the default threshold is 1"


def test_what_is_no_verdict_is_owed_and_said(grading):
    completions = ("two", "nothing", "text", "nan", "reward", "true")
    *faulty, right = judged(settings_of(type=f"{grading}:returns"), *completions)
    assert {verdict.outcome for verdict in faulty} == {"infra_error"}
    assert faulty[1].reason.startswith("returns returned None (NoneType); it must return True or")
    assert faulty[2].reason.startswith("returns returned 'yes' (str)")
    assert right.outcome == "pass"


def test_an_error_of_the_function_is_owed_with_its_message_and_line(grading):
    failed, right = judged(settings_of(type=f"{grading}:misbehaves"), "raise", "right")
    line = SOURCE[: SOURCE.index("raise ValueError")].count("\n") + 1
    assert (failed.outcome, right.outcome) == ("infra_error", "pass")
    assert failed.reason == f"misbehaves raised ValueError: no number ({grading}, line {line})"


def test_the_others_are_judged_where_one_crashes_or_takes_too_long(grading):
    settings = settings_of(type=f"{grading}:misbehaves")
    completions = ("crash", "sleep", "leave", "read", "right", "no")
    found = dict(zip(completions, judged(settings, *completions), strict=True))
    assert {completion: verdict.outcome for completion, verdict in found.items()} == {
        "crash": "infra_error",
        "sleep": "timeout",
        "leave": "infra_error",
        "read": "infra_error",
        "right": "pass",
        "no": "wrong",
    }
    assert found["crash"].reason == "the process of misbehaves ended with exit code 3"
    assert found["sleep"].reason == "misbehaves took more than 1 s"
    assert "SystemExit: bye" in found["leave"].reason
    assert "EOFError" in found["read"].reason


def test_a_function_sees_the_whole_exchange(grading):
    settings = settings_of(type=f"{grading}:sees", length=3)
    exchange = Exchange(PROBLEM, "12", "What is it?", "code")
    with settings.open(VerifierContext(SandboxSettings(workers=1))) as judge:
        [(_, verdict)] = judge.stream([exchange])
        assert judge.name == f"{settings.type} {settings.version}"
    assert (verdict.parsed, verdict.reason) == ("What is it?", "12 code 3")


def test_one_that_fails_for_all_ends_with_a_sentence(grading):
    settings = settings_of(type=f"{grading}:returns")
    with pytest.raises(
        TaskError, match=r"returns fails for every completion, the first 10 .*KeyError: 'x'"
    ):
        judged(settings, *["x"] * 50)


def test_one_that_cannot_be_imported_is_said(grading, tmp_path):
    path = tmp_path / "grading.py"
    path.write_text(SOURCE)
    settings = settings_of(type=f"{path}:returns")
    path.write_text("import no_such_module")
    with pytest.raises(
        InfraError,
        match=r"calls the verifier returns does not start: .*cannot be imported .*No module",
    ):
        judged(settings, "true")
    path.write_text(SOURCE + "# changed\n")
    with pytest.raises(InfraError, match="its file has changed since the command was started"):
        judged(settings, "true")


def test_a_function_of_a_module_is_imported_by_its_name():
    assert [v.outcome for v in judged(close(tolerance=1), "12.5", "14")] == ["pass", "wrong"]


def test_a_function_within_another_goes_as_a_value():
    limit = 3

    @verifier(version="1")
    def short(problem, completion, *, more: int = 0):
        return len(completion) < limit + more

    assert [v.outcome for v in judged(short(more=1), "abc", "abcd")] == ["pass", "wrong"]


def test_one_that_holds_what_cannot_be_sent_says_where_to_put_it():
    lock = threading.Lock()

    @verifier(version="1")
    def locked(problem, completion):
        with lock:
            return True

    with pytest.raises(
        UserError, match=r"locked cannot be given to its worker processes .*file of"
    ):
        judged(locked(), "a")


def test_a_function_of_a_notebook_is_judged():
    program = """
        from selftrain_assets.config.experiment import Experiment
        from selftrain_assets.domain.types import Exchange, Problem
        from selftrain_assets.verifiers import VerifierContext, verdicts, verifier
        limit = 1
        def distance(text, problem):
            return abs(float(text) - float(problem.answer))
        @verifier(version="1")
        def near(problem, completion):
            return distance(completion, problem) <= limit
        settings = Experiment(verifier=near).verifier
        exchanges = [Exchange(Problem("p", "?", "12"), text) for text in ("12.5", "14", "x")]
        for verdict in verdicts(settings, VerifierContext(), exchanges):
            print(verdict.outcome, verdict.reason)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True
    )
    lines = ran.stdout.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["pass", "wrong", "infra_error"], (
        ran.stderr
    )
    assert "could not convert string to float: 'x'" in lines[2]


def test_cheap_members_are_asked_first():
    verifiers = AllOf(of=(CodeVerifier(), close(), NumericVerifier()))
    assert verifiers.order == [2, 1, 0]
    assert verifiers.resource == "sandbox"
