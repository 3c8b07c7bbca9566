"""Which program a completion holds, and what becomes of it in the sandbox."""

import json
from contextlib import nullcontext

import pyarrow as pa
import pytest

from selftrain_assets.domain.errors import InfraError
from selftrain_assets.domain.program_tests import read_tests
from selftrain_assets.domain.types import Outcome, Problem
from selftrain_assets.verifiers import CodeVerifier, SandboxSettings
from tests.judging import verdicts

ADD = "def add(a, b):\n    return a + b\n"
LITERAL = ["assert add(1, 2) == 3", "assert add(-1, 1) == 0"]
LOOP = "for n in range(5):\n    assert add(n, 1) == n + 1"


def with_tests(tests, entry="", context="", question="Add."):
    return Problem("p", question, "", tests=read_tests(tests, entry, context).to_json())


@pytest.fixture(scope="module")
def judge(programs):
    """The verdict on one completion under these settings, in containers that all tests here
    share."""

    class Opened:
        require_room = staticmethod(programs.require_room)

        def pool(self, languages=()):
            return nullcontext(pool)

    def judged(problem, completion, **settings):
        return verdicts(CodeVerifier(**settings), Opened(), [(problem, completion)])[0]

    with programs.pool() as pool:
        yield judged


@pytest.mark.parametrize(
    ("completion", "program"),
    [
        ("x = 1", "x = 1"),
        ("```python\nx = 1\n```", "x = 1\n"),
        ("Text\n```py\nx = 1\n```\nmore", "x = 1\n"),
        ("```\nx = 1\n```\nBetter:\n```\nx = 2\n```", "x = 2\n"),
        (
            "```python\ndef add(): pass\n```\nUse:\n```python\nprint(add())\n```",
            "def add(): pass\n",
        ),
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
        with_tests(
            [{"args": [1, 2], "expected": 3}, {"args": [2], "kwargs": {"b": 2}, "expected": 4}],
            "add",
        ),
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


CHECKER = """
import sys
given, expected, printed = (open(name).read().split() for name in sys.argv[1:])
try:
    a, b = map(int, printed)
except ValueError:
    print(0.0)
else:
    print(float(a + b == int(given[0])))
"""


def checked(checker, cases=4, **limits):
    tests = [{"input": str(n + 4), "output": "1 3"} for n in range(cases)]
    return Problem(
        "p",
        "Two numbers that make n.",
        "",
        tests=read_tests(tests, checker=checker, **limits).to_json(),
    )


CHECKED = [
    (CHECKER, "n = int(input()); print(2, n - 2)", "pass", None, "passes all 4 tests"),
    (CHECKER, "print(2, 2)", "wrong", 1, "to which its checker gives 0"),
    (CHECKER, "print('x' * 900000)", "wrong", 0, "to which its checker gives 0"),
    (
        CHECKER,
        "n = int(input())\nif n == 5: raise KeyError\nprint(2, n - 2)",
        "wrong",
        1,
        "KeyError",
    ),
    (CHECKER, "def", "malformed", 0, "SyntaxError"),
    (
        CHECKER,
        (
            "for n in ('json', 're'): open(n + '.py', 'w').write('print(1); exit()')\nprint('x',"
            " file=open('output.txt', 'w'))"
        ),
        "wrong",
        0,
        "",
    ),
    (
        CHECKER,
        (
            "import subprocess\nsubprocess.Popen(['python3', '-c', 'while 1: open(\"/tmp/json.py\","
            ' "w").write("print(1)")\'])'
        ),
        "wrong",
        0,
        "",
    ),
    (
        "1 / 0",
        "print(2, int(input()) - 2)",
        "unscorable",
        0,
        "its checker failed: ended with status 1: ZeroDivisionError",
    ),
    (
        "print('fine')",
        "print(2, int(input()) - 2)",
        "unscorable",
        0,
        "its checker printed 'fine\\n' and no score",
    ),
    ("print(2)", "print(1)", "unscorable", 0, "no score"),
    ("print('nan')", "print(1)", "unscorable", 0, "no score"),
    ("pass", "print(1)", "unscorable", 0, "no score"),
    (
        "import sys\nif open(sys.argv[1]).read() == '6': sys.exit(2)\nprint(1)",
        "print(1)",
        "unscorable",
        2,
        "failed: ended with status 2",
    ),
    (
        "import sys\nif open(sys.argv[1]).read() == '6': sys.exit(2)\nprint(0)",
        "print(1)",
        "wrong",
        0,
        "gives 0",
    ),
    (
        "import os, sys; print(int(sorted(os.listdir()) == sorted(sys.argv[1:])))",
        "open('left', 'w').write('1')",
        "pass",
        None,
        "",
    ),
    (
        "import sys; print(int(open(sys.argv[3], 'rb').read() == b'\\xc3\\xa9\\r\\n'))",
        "print('\u00e9', end='\\r\\n')",
        "pass",
        None,
        "",
    ),
]


def test_a_checker_says_what_a_printed_text_is_worth(programs):
    found = verdicts(
        CodeVerifier(), programs, [(checked(checker), program) for checker, program, *_ in CHECKED]
    )
    for (_, _, outcome, case, reason), verdict in zip(CHECKED, found, strict=True):
        assert (verdict.outcome, verdict.execution.failed_case) == (outcome, case), verdict
        assert verdict.reward == float(outcome == "pass")
        assert reason in verdict.reason


CALLS = [{"args": [x], "expected": x + 1} for x in range(4)]
LITERALS = [f"assert f({x}) == {x + 1}" for x in range(4)]
NEARLY = [f"assert abs(f({x}) - {x + 1}) < 1" for x in range(4)]


def partly(at_two):
    return f"def f(x):\n    if x == 2:\n        {at_two}\n    return x + 1\n"


PARTIAL = [
    (
        with_tests([{"input": str(n), "output": str(n + 1)} for n in range(4)]),
        "n = int(input()); print(n + 1 if n else 7)",
        0.75,
    ),
    (
        with_tests([{"input": str(n), "output": str(n)} for n in range(4)]),
        "n = int(input())\nif n < 2: 1 / 0\nprint(n)",
        0.5,
    ),
    (with_tests(CALLS, "f"), partly("return 0"), 0.75),
    (with_tests(CALLS, "f"), partly("while True: pass"), 0.5),
    (with_tests(LITERALS, "f"), partly("return 0"), 0.75),
    (with_tests(NEARLY, "f"), partly("return 0"), 0.75),
    (with_tests(NEARLY, "f"), partly("import os; os._exit(0)"), 0.5),
    (with_tests(NEARLY, "f"), "def g(): pass", 0.0),
    (checked(CHECKER), "print(2, 2)", 0.25),
    (checked("print(0.5)"), "print(2, 2)", 0.5),
    (checked("1 / 0"), "print(2, 2)", 0.0),
]


def test_partial_credit_is_the_share_of_cases_and_no_pass(programs):
    pairs = [(problem, program) for problem, program, _ in PARTIAL]
    found = verdicts(CodeVerifier(partial_credit=True, cpu_seconds=0.5), programs, pairs)
    assert [verdict.reward for verdict in found] == [reward for *_, reward in PARTIAL]
    assert {verdict.outcome for verdict in found} & {"pass"} == set()


def test_the_limits_of_a_problem_go_before_those_of_the_verifier(programs):
    busy = "import time\nwhile time.process_time() < 0.6: pass\nprint(2, int(input()) - 2)"
    large = "x = bytearray(100 << 20)\nprint(2, int(input()) - 2)"
    cases = [
        ({}, busy, "timeout"),
        ({"time_limit": 5}, busy, "pass"),
        ({"time_limit": 0.4}, busy, "timeout"),
        ({}, large, "pass"),
        ({"memory_limit": 80}, large, "resource"),
        ({"memory_limit": 4}, "print(2, int(input()) - 2)", "pass"),
    ]
    found = verdicts(
        CodeVerifier(cpu_seconds=0.3),
        programs,
        [(checked(CHECKER, 1, **limits), program) for limits, program, _ in cases],
    )
    assert [verdict.outcome for verdict in found] == [outcome for *_, outcome in cases]
    task = CodeVerifier(cpu_seconds=2, wall_seconds=10).task(
        checked(CHECKER, 1, time_limit=4, memory_limit=256), ""
    )
    assert (task.limits.cpu_seconds, task.limits.wall_seconds, task.limits.memory_bytes) == (
        4,
        20,
        256 << 20,
    )


def test_a_completion_may_go_on_with_the_question(judge):
    prompt = 'def add(a, b):\n    """Add."""\n'
    problem = with_tests(
        "def check(candidate):\n    assert candidate(1, 2) == 3\n", "add", prompt, prompt
    )
    assert judge(problem, "    return a + b\n", continues=True).outcome == Outcome.PASS
    assert judge(problem, "    return a + b\n").outcome == Outcome.MALFORMED
    assert judge(problem, f"```python\n{ADD}```", continues=True).outcome == Outcome.PASS
    assert (
        judge(problem, "```python\n    return a + b\n```", continues=True).outcome == Outcome.PASS
    )


def test_a_block_need_not_repeat_what_the_question_brings(judge):
    given = "from typing import List\n\n\ndef double(x):\n    return 2 * x\n\n\n"
    prompt = f'{given}def total(values: List[int]) -> int:\n    """Of the doubled values."""\n'
    problem = with_tests(
        "def check(candidate):\n    assert candidate([1, 2]) == 6\n", "total", prompt, prompt
    )
    block = (
        "```python\ndef total(values: List[int]) -> int:\n    return sum(map(double, values))\n```"
    )
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


RESULTS = [
    ("1e-07", "7", "wrong"),
    ("print(1e-07)", "7", "wrong"),
    ("print(1 / 10000000)", "0.0000001", "pass"),
    ("7e22", "70000000000000000000000", "pass"),
    ("7e22", "22", "wrong"),
    ("10**16 / 1", "16", "wrong"),
    ("5 + 7j", "7", "malformed"),
    ("complex(7)", "7", "malformed"),
    ("float('inf')", "7", "malformed"),
    ("float('nan')", "7", "malformed"),
    ("0.1 + 0.2", "0.3", "wrong"),
    ("0.1", "0.1", "pass"),
    ("from decimal import Decimal\nDecimal('1E+2')", "100", "pass"),
    ("from decimal import Decimal\nDecimal('0.10')", "0.1", "pass"),
    ("from fractions import Fraction\nFraction(1, 3)", "1/3", "pass"),
    ("10**5000", "7", "wrong"),
    ("10**5000", "1" + "0" * 5000, "pass"),
    ("[7]", "7", "malformed"),
    ("{7: 1}", "7", "malformed"),
    ("'7'", "7", "pass"),
    ("None", "7", "malformed"),
    ("x = 7\nprint('The result:')\nprint(x)", "7", "pass"),
    ("```python\nx = 6\n```\nso\n```python\nx + 1\n```\n```\n8\n```", "7", "pass"),
]


def test_numbers_of_a_result_are_read_by_value(programs):
    found = verdicts(
        CodeVerifier(),
        programs,
        [(Problem("p", "?", answer), program) for program, answer, _ in RESULTS],
    )
    assert [(r, v.reason) for r, v in zip(RESULTS, found, strict=True) if v.outcome != r[2]] == []


TEXTS = [
    ("[10**5000]", "malformed"),
    ("10**5000", "wrong"),
    ("'\\ud800'", "wrong"),
    ("[7, 'a']", "pass"),
    ("print([7, 'a'])", "pass"),
    ("print('[7, \\'a\\']')", "pass"),
]


def test_any_value_of_a_result_can_be_compared_as_a_text(programs):
    found = verdicts(
        CodeVerifier(answers="text"),
        programs,
        [(Problem("p", "?", "[7, 'a']"), program) for program, _ in TEXTS],
    )
    assert [(r, v.reason) for r, v in zip(TEXTS, found, strict=True) if v.outcome != r[1]] == []


def test_a_result_may_be_a_text(judge):
    assert (
        judge(Problem("p", "Capital of France?", "Paris"), "print('paris')", answers="text").outcome
        == Outcome.PASS
    )


def test_an_object_that_equals_everything_does_not_pass(judge):
    forged = "class E:\n    def __eq__(self, other): return True\ndef add(a, b): return E()"
    assert judge(with_tests(LITERAL), forged).outcome == Outcome.WRONG
    assert judge(with_tests([LOOP]), forged).outcome in (Outcome.WRONG, Outcome.UNSCORABLE)


def test_without_an_engine_nothing_is_judged_and_the_sentence_says_what_to_do():
    with pytest.raises(
        InfraError, match=r"no Docker engine answers at unix:///nowhere; .*selftrain doctor"
    ):
        verdicts(
            CodeVerifier(),
            SandboxSettings(hosts=("unix:///nowhere",)),
            [(with_tests(LITERAL), ADD)],
        )


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


UNSTORABLE = {
    "an integer that has no text": "10**5000",
    "one within a list": "[10**5000, '\\ud800']",
    "a lone surrogate": "'\\ud800 7 \\x1b[2J [/x]'",
    "a lone surrogate raised": "raise ValueError('\\ud800[/x]')",
    "a lone surrogate printed": "print('\\ud800')",
    "a megabyte": "'x' * 10**6",
}


@pytest.mark.parametrize("answers", ["numeric", "text"])
@pytest.mark.parametrize("program", UNSTORABLE.values(), ids=UNSTORABLE)
def test_whatever_a_program_makes_its_verdict_can_be_stored(judge, program, answers):
    verdict = judge(Problem("p", "q", "8"), program, answers=answers)
    assert verdict.outcome in (Outcome.WRONG, Outcome.MALFORMED, Outcome.UNSCORABLE)
    for text in (verdict.parsed, verdict.reason, verdict.execution and verdict.execution.output):
        pa.array([text])
        assert len(text or "") <= 200_000
