"""Programs that the publishers' own evaluators accept pass by the verifier that each set brings;
others do not."""

import json

import pytest

from selftrain_assets.config.experiment import parse_experiment
from tests.judging import verdicts
from tests.tasks.published_sets import gold, settings


@pytest.mark.parametrize("name", ["apps", "apps_folders", "humaneval", "mbpp", "livecodebench"])
def test_gold_programs_pass_and_others_do_not(programs, name):
    config = parse_experiment({"task": settings(name)}, name)
    problems = config.task.read().problems
    found = verdicts(
        config.verifier,
        programs,
        [(p, completion) for p in problems for completion in (gold(p), "pass")],
    )
    assert [
        (p.id, v.reason) for p, v in zip(problems, found[::2], strict=True) if v.outcome != "pass"
    ] == []
    assert [
        (p.id, v.outcome)
        for p, v in zip(problems, found[1::2], strict=True)
        if v.outcome not in ("wrong", "malformed")
    ] == []


METHOD = "class Solution:\n    def f(self, x: List[int]) -> int:\n        "
FUNCTION = "def f(x):\n    "


def apps(inputs, outputs, starter=""):
    tests = {"inputs": inputs, "outputs": outputs} | ({"fn_name": "f"} if starter else {})
    return {
        "solutions": "[]",
        "input_output": json.dumps(tests),
        "difficulty": "interview",
        "url": "",
        "starter_code": starter,
    }


APPS = [
    ("a list of one is the answer", apps([[[1, 1]]], [[2]], METHOD), METHOD + "return [2]", True),
    ("a list of one wraps the answer", apps([[3]], [[4]], FUNCTION), FUNCTION + "return 4", True),
    ("a list of two is the answer", apps([[3]], [[2, 4]], FUNCTION), FUNCTION + "return [2, 4]", True),  # noqa: E501
    ("the first of two is none", apps([[3]], [[2, 4]], FUNCTION), FUNCTION + "return 2", False),
    ("an empty list", apps([[3]], [[]], FUNCTION), FUNCTION + "return []", True),
    ("a wrapped empty list", apps([[3]], [[[]]], FUNCTION), FUNCTION + "return []", True),
    ("a list of a list", apps([[3]], [[[5]]], FUNCTION), FUNCTION + "return [[5]]", True),
    ("tuples in a tuple", apps([[3]], [[[[4, 5]]]], FUNCTION), FUNCTION + "return ((4, 5),)", True),
    ("another order is another list", apps([[3]], [[[4, 5]]], FUNCTION), FUNCTION + "return (5, 4)", False),  # noqa: E501
    ("a dict of numbers comes and goes", apps([[{"1": 2}]], [[{"2": 3}]], FUNCTION),
     FUNCTION + "return {k + 1: v + 1 for k, v in x.items()}", True),
    ("a dict of words stays one", apps([[{"a": 2}]], [["a"]], FUNCTION), FUNCTION + "return list(x)[0]", True),  # noqa: E501
    ("names of the evaluator's imports", apps([[4]], [[2.0]], FUNCTION),
     FUNCTION + "heappush([], deque()); return gcd(sqrt(x).__int__(), 2)", True),
    ("a method asked for, a function written", apps([[4]], [[5]], METHOD), FUNCTION + "return x + 1", True),  # noqa: E501
    ("a function asked for, a method written", apps([[4]], [[5]], FUNCTION), METHOD + "return x + 1", True),  # noqa: E501
    ("an integer is exact", apps([[4]], [[1234567890]], FUNCTION), FUNCTION + "return 1234567891", False),  # noqa: E501
    ("an integer is no near float", apps([[4]], [[1234567890]], FUNCTION), FUNCTION + "return 1234567890.4", False),  # noqa: E501
    ("a main guard with a driver", apps([[4]], [[4]], FUNCTION),
     FUNCTION + "return x\nif __name__ == '__main__':\n    print(f(int(input())))", True),
    ("printed", apps(["1 2\n"], ["3\n"]), "print(sum(map(int, input().split())))", True),
    ("printed, lists of lines", apps([["1", "2"]], [["1", "2"]]), "print(input()); print(input())", True),  # noqa: E501
    ("printed, near", apps([""], ["0.33333\n"]), "print(1 / 3)", True),
    ("printed, not near", apps([""], ["0.33333\n"]), "print(0.3334)", False),
    ("printed, an integer is exact", apps([""], ["1234567890\n"]), "print(1234567891)", False),
    ("printed, lines in another order", apps([""], ["a 1\nb 2\n"]), "print('b 2'); print('1 a')", True),  # noqa: E501
    ("printed, a line more", apps([""], ["a\nb\n"]), "print('b'); print('a'); print('a')", False),
    ("printed, lines that are one", apps([""], ["1\n2\n"]), "print(1, 2)", False),
    ("printed, left with a status", apps([""], ["7"]), "import sys\nprint(7)\nsys.exit('done')", True),  # noqa: E501
    ("printed, then failed", apps([""], ["7"]), "print(7)\n1 / 0", False),
    ("printed, math without import", apps(["4"], ["2"]), "print(int(math.sqrt(int(input()))))", True),  # noqa: E501
]  # fmt: skip


LONG = "1" + "0" * 5000


@pytest.mark.parametrize(
    ("tests", "kept"),
    [
        (f'{{"inputs": [[{LONG}]], "outputs": [{LONG}1], "fn_name": "f"}}', True),
        ('{"inputs": ["1", "2"], "outputs": ["1"]}', True),
        ('{"inputs": [1], "outputs": [true]}', True),
        ('{"inputs": ["1"], "outputs": []}', False),
        ('{"inputs": [[["1"], ["2"]]], "outputs": [["1"]]}', False),
        ('{"inputs": [], "outputs": []}', False),
        ("", False),
    ],
)
def test_a_row_of_apps_whose_tests_nobody_can_use_is_left_out(programs, tmp_path, tests, kept):
    rows = [apps([""], ["1"]), apps([], [], "") | {"input_output": tests}]
    file = tmp_path / "test.jsonl"
    file.write_text(
        "".join(
            json.dumps({"problem_id": n, "question": f"Problem {n}.", **row}) + "\n"
            for n, row in enumerate(rows)
        )
    )
    config = parse_experiment({"task": {"type": "apps", "path": str(file)}}, "apps")
    problems = config.task.read().problems
    assert len(problems) == 1 + kept
    if LONG in tests:
        found = verdicts(
            config.verifier,
            programs,
            [(problems[1], "def f(x): return 10 * x + 1"), (problems[1], "def f(x): return x")],
        )
        assert [verdict.outcome for verdict in found] == ["pass", "wrong"]


def contest(given, wanted, starter="", name="f"):
    test = {"input": given, "output": wanted, "testtype": "functional" if starter else "stdin"}
    metadata = json.dumps({"func_name": name} if starter else {})
    return {
        "starter_code": starter,
        "difficulty": "easy",
        "public_test_cases": json.dumps([test]),
        "private_test_cases": "[]",
        "metadata": metadata,
    }


CONTEST = [
    ("tuple for list", contest("[1, 2]", "[2, 1]", METHOD), METHOD + "return tuple(x[::-1])", True),
    ("names of the evaluator's imports", contest("[3, 1]", "1", METHOD),
     METHOD + "return min(inf, *accumulate(x, min), Counter(x)[1])", True),
    ("modules of the evaluator's imports", contest("[3, 1]", "1", METHOD),
     METHOD + "heapq.heapify(x); return x[bisect.bisect([1], 0)]", True),
    ("recursion", contest("9000", "9000", METHOD), METHOD + "return x and 1 + self.f(x - 1)", True),
    ("a starter without class", contest("4", "[0, 1]", FUNCTION), FUNCTION + "return [0, 1]", True),
    ("a main guard that reads", contest('"ab"\n2', '"abab"', "class Solution:\n    def f(self, s, n):\n        "),  # noqa: E501
     "class Solution:\n    def f(self, s, n): return s * n\nif __name__ == '__main__':\n    print(Solution().f(input(), input()))", True),  # noqa: E501
    ("floats are exact in calls", contest("[0.1, 0.2]", "0.3", METHOD), METHOD + "return sum(x)", False),  # noqa: E501
    ("printed, 1.0 for 1", contest("2", "1\n"), "print(int(input()) / 2)", True),
    ("printed, 0.5 for 0.50", contest("1", "0.50\n"), "print(int(input()) / 2)", True),
    ("printed, 0.00001 for 1.0E-5", contest("", "1.0E-5\n"), "print('0.00001')", True),
    ("printed, near is not equal", contest("", "0.33333\n"), "print(1 / 3)", False),
    ("printed, blank lines around", contest("1 2\n", "\n3\n"), "print(sum(map(int, input().split())))\nprint()", True),  # noqa: E501
    ("printed, lines that are one", contest("", "1\n2"), "print(1, 2)", False),
    ("printed, recursion", contest("9000", "9000"), "def f(n): return n and 1 + f(n - 1)\nprint(f(int(input())))", True),  # noqa: E501
    ("printed, stdin without import", contest("1 2\n", "3\n"), "print(sum(map(int, stdin.readline().split())))", True),  # noqa: E501
    ("printed, left with a status", contest("", "7"), "import sys\nprint(7)\nsys.exit(3)", True),
    ("printed, 1.9 MB", contest("", "7 " * 950_000), "print('7 ' * 950000)", True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rows"), [("apps", APPS), ("livecodebench", CONTEST)])
def test_what_the_evaluators_of_a_set_accept_passes(programs, tmp_path, name, rows):
    file = tmp_path / "test.jsonl"
    questions = {"apps": "question", "livecodebench": "question_content"}
    ids = {"apps": "problem_id", "livecodebench": "question_id"}
    numbered = [
        {questions[name]: f"Problem {n}.", ids[name]: n, **row}
        for n, (_, row, _, _) in enumerate(rows)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in numbered))
    config = parse_experiment({"task": {"type": name, "path": str(file)}}, name)
    problems = config.task.read().problems
    assert len(problems) == len(rows)
    found = verdicts(
        config.verifier,
        programs,
        [(p, f"```python\n{r[2]}\n```") for p, r in zip(problems, rows, strict=True)],
    )
    assert [
        (r[0], v.reason) for r, v in zip(rows, found, strict=True) if (v.outcome == "pass") != r[3]
    ] == []


def test_a_folder_of_apps_is_read_with_the_starter_code_that_it_is_published_with(
    programs, tmp_path
):
    folder = tmp_path / "test" / "0007"
    folder.mkdir(parents=True)
    files = {
        "question.txt": "Twice x.",
        "starter_code.py": METHOD,
        "input_output.json": json.dumps({"fn_name": "f", "inputs": [[2]], "outputs": [4]}),
        "solutions.json": json.dumps([METHOD + "return 2 * x"]),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    config = parse_experiment({"task": {"type": "apps", "path": str(tmp_path)}}, "apps")
    [problem] = config.task.read().problems
    assert problem.question == f"Twice x.\n\nStart from:\n{METHOD.strip()}"
    assert verdicts(config.verifier, programs, [(problem, problem.solution)])[0].outcome == "pass"


def test_an_assert_on_a_match_passes(programs, tmp_path):
    row = {
        "task_id": 700,
        "prompt": "Is there an a?",
        "code": "import re\ndef has_a(text):\n    return re.search('a', text)",
        "test_imports": [],
    }
    file = tmp_path / "sanitized-mbpp.json"
    file.write_text(
        json.dumps([row | {"test_list": ["assert has_a('cat')", "assert not has_a('dog')"]}])
    )
    config = parse_experiment({"task": {"type": "mbpp", "path": str(file)}}, "mbpp")
    [problem] = config.task.read().problems
    right, wrong = verdicts(
        config.verifier,
        programs,
        [(problem, problem.solution), (problem, "def has_a(text): return text")],
    )
    assert (right.outcome, wrong.outcome) == ("pass", "wrong")
