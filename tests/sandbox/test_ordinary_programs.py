"""Right programs, as they are found in completions, pass: scripts, functions that are called,
functions that are asserted."""

import pytest

from sandbox import Call, FuncTask, Limits, RpcTask, StdinCase, StdinTask
from tests.sandbox.ordinary import ASSERTED, ELSEWHERE, FUNCTIONS, SCRIPTS, UNSCORABLE

LIMITS = Limits(cpu_seconds=4, wall_seconds=15)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_right_script_passes(pool, name):
    source, text, expected = SCRIPTS[name]
    verdict = pool.judge(StdinTask(source, (StdinCase(text, expected),), limits=LIMITS))
    assert verdict.outcome == "pass", verdict


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_right_function_passes(pool, name):
    source, calls = FUNCTIONS[name]
    verdict = pool.judge(
        FuncTask(
            source, "f", tuple(Call(args, expected) for args, expected in calls), limits=LIMITS
        )
    )
    assert verdict.outcome == "pass", verdict


@pytest.mark.parametrize("name", ASSERTED)
def test_a_right_function_passes_its_asserts(pool, name):
    source, tests = ASSERTED[name]
    verdict = pool.judge(RpcTask(source, "f", tuple(tests), limits=LIMITS))
    assert verdict.outcome == "pass", verdict


@pytest.mark.parametrize("name", UNSCORABLE)
def test_what_only_the_program_could_decide_is_not_held_against_it(pool, name):
    source, test = UNSCORABLE[name]
    assert pool.judge(RpcTask(source, "f", (test,), limits=LIMITS)).outcome == "unscorable"


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_does_not_pass_here_is_known(pool, name):
    source, expected, outcome = ELSEWHERE[name]
    assert (
        pool.judge(StdinTask(source, (StdinCase("", expected),), limits=LIMITS)).outcome == outcome
    )
