"""Which program a completion holds, and what becomes of it in the sandbox."""

import json

import pytest

from selftrain_assets.core.errors import InfraError
from selftrain_assets.core.program_tests import read_tests
from selftrain_assets.core.types import Outcome, Problem
from selftrain_assets.verifiers import CodeVerifier, SandboxSettings, verdicts

ADD = "def add(a, b):\n    return a + b\n"
LITERAL = ["assert add(1, 2) == 3", "assert add(-1, 1) == 0"]
LOOP = "for n in range(5):\n    assert add(n, 1) == n + 1"


def with_tests(tests, entry="", context="", question="Add."):
    return Problem("p", question, "", tests=read_tests(tests, entry, context).to_json())


@pytest.fixture
def judge(programs):
    """The verdict on one completion under these settings."""

    def judged(problem, completion, **settings):
        return verdicts(CodeVerifier(**settings), programs, [(problem, completion)])[0]

    return judged


@pytest.mark.parametrize(
    ("completion", "program"),
    [
        ("x = 1", "x = 1"),
        ("```python\nx = 1\n```", "x = 1\n"),
        ("Text\n```py\nx = 1\n```\nmore", "x = 1\n"),
        ("```\nx = 1\n```\nBetter:\n```\nx = 2\n```", "x = 2\n"),
        ("```python\ndef add(): pass\n```\nUse:\n```python\nprint(add())\n```", "def add(): pass\n"),
        ("```python\ndef adder(): pass\n```\n```python\nx\n```", "def adder(): pass\n"),
        ("```bash\nls\n```\n```python\nx = 1\n```", "x = 1\n"),
        ("```bash\nls\n```", None),
        ("~~~python\nx = 1\n~~~", "x = 1\n"),
        ("````python\nx = '''\n```\n'''\n````", "x = '''\n```\n'''\n"),
        ("```python\nx = 1", "x = 1"),
        ("   \n", None),
        ("", None),
    ],
)
def test_where_the_program_stands(completion, program):
    assert CodeVerifier().parse(completion, "add") == program


def test_a_block_can_be_required_or_ignored():
    assert CodeVerifier(program="fenced").parse("x = 1") is None
    assert CodeVerifier(program="whole").parse("```\nx\n```") == "```\nx\n```"


@pytest.mark.parametrize(
    "problem",
    [
        with_tests(LITERAL),
        with_tests([*LITERAL, LOOP]),
        with_tests("def check(candidate):\n    assert candidate(1, 2) == 3\n", "add"),
        with_tests([{"args": [1, 2], "expected": 3}, {"args": [2], "kwargs": {"b": 2}, "expected": 4}], "add"),
    ],
    ids=["literal asserts", "asserts", "check", "calls"],
)
def test_every_form_of_tests_tells_right_from_wrong(judge, problem):
    passed = judge(problem, ADD)
    assert (passed.outcome, passed.reward, passed.parsed) == (Outcome.PASS, 1.0, ADD)
    assert passed.execution.cpu_seconds > 0
    assert passed.execution.peak_memory_bytes > 0
    wrong = judge(problem, ADD.replace("+", "*"))
    assert (wrong.outcome, wrong.reward) == (Outcome.WRONG, 0.0)
    assert wrong.execution.failed_case == 0
    assert wrong.reason
    assert judge(problem, "def other(): pass").outcome == Outcome.MALFORMED
    assert judge(problem, ADD + "while True: pass", cpu_seconds=0.5).outcome == Outcome.TIMEOUT


def test_printed_cases_follow_the_declared_rules(judge):
    problem = with_tests([{"input": "1 2", "output": "3.0"}])
    assert judge(problem, "print(sum(map(float, input().split())))").outcome == Outcome.PASS
    assert judge(problem, "print(3)").outcome == Outcome.WRONG
    assert judge(problem, "print(3)", tolerance=1e-6).outcome == Outcome.PASS
    spread = with_tests([{"output": "1 2"}])
    assert judge(spread, "print(1)\nprint(2)").outcome == Outcome.WRONG
    assert judge(spread, "print(1)\nprint(2)", words=True).outcome == Outcome.PASS


def test_a_completion_may_go_on_with_the_question(judge):
    prompt = 'def add(a, b):\n    """Add."""\n'
    problem = with_tests("def check(candidate):\n    assert candidate(1, 2) == 3\n", "add", prompt, prompt)
    assert judge(problem, "    return a + b\n", continues=True).outcome == Outcome.PASS
    assert judge(problem, "    return a + b\n").outcome == Outcome.MALFORMED
    assert judge(problem, f"```python\n{ADD}```", continues=True).outcome == Outcome.PASS
    assert judge(problem, "```python\n    return a + b\n```", continues=True).outcome == Outcome.PASS


def test_a_block_need_not_repeat_what_the_question_brings(judge):
    given = "from typing import List\n\n\ndef double(x):\n    return 2 * x\n\n\n"
    prompt = f'{given}def total(values: List[int]) -> int:\n    """Of the doubled values."""\n'
    problem = with_tests("def check(candidate):\n    assert candidate([1, 2]) == 6\n", "total", prompt, prompt)
    block = "```python\ndef total(values: List[int]) -> int:\n    return sum(map(double, values))\n```"
    assert judge(problem, block, continues=True).outcome == Outcome.PASS
    assert judge(problem, block).outcome == Outcome.WRONG
    own = f"```python\nfrom typing import List\ndef double(x): return 3 * x\n{block[10:]}"
    assert judge(problem, own, continues=True).outcome == Outcome.WRONG


@pytest.mark.parametrize(
    ("program", "outcome", "parsed"),
    [
        ("6 * 7", "pass", "42"),
        ("6 * 7.0", "pass", "42"),
        ("from fractions import Fraction\nFraction(84, 2)", "pass", "42"),
        ("print('The answer is 42.')", "pass", "42"),
        ("6 * 8", "wrong", "48"),
        ("[42]", "malformed", None),
        ("True", "malformed", None),
        ("x = 42", "malformed", None),
        ("1 / 0", "wrong", None),
        ("6 *", "malformed", None),
    ],
)
def test_without_tests_the_result_is_the_answer(judge, program, outcome, parsed):
    verdict = judge(Problem("p", "6 times 7?", "42"), program)
    assert (verdict.outcome, verdict.parsed) == (outcome, parsed)


def test_a_result_may_be_a_text(judge):
    assert judge(Problem("p", "Capital of France?", "Paris"), "print('paris')", answers="text").outcome == Outcome.PASS


def test_an_object_that_equals_everything_does_not_pass(judge):
    forged = "class E:\n    def __eq__(self, other): return True\ndef add(a, b): return E()"
    assert judge(with_tests(LITERAL), forged).outcome == Outcome.WRONG
    assert judge(with_tests([LOOP]), forged).outcome in (Outcome.WRONG, Outcome.UNSCORABLE)


def test_without_an_engine_nothing_is_judged_and_the_sentence_says_what_to_do():
    with pytest.raises(InfraError, match=r"no Docker engine answers at unix:///nowhere; .*selftrain doctor"):
        verdicts(CodeVerifier(), SandboxSettings(hosts=("unix:///nowhere",)), [(with_tests(LITERAL), ADD)])


def test_problems_with_neither_tests_nor_a_usable_answer_are_told():
    assert CodeVerifier().check_problem(with_tests(LITERAL)) is None
    assert CodeVerifier().check_problem(Problem("p", "?", "12")) is None
    assert "holds no number" in CodeVerifier().check_problem(Problem("p", "?", "twelve"))


def test_tests_enter_the_content_that_a_verdict_is_shared_by():
    verifier, program = CodeVerifier(), f"```python\n{ADD}```"
    same = verifier.content(with_tests(LITERAL), program)
    assert verifier.content(with_tests(LITERAL), f"Here it is:\n{program}") == same
    assert verifier.content(with_tests([LOOP]), program) != same
    assert json.loads(with_tests(LITERAL).tests)["entry"] == "add"
