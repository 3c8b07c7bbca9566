"""Mathematical answers: which text is the answer, agreement with labels, and comparisons that go
too far."""

import json
import os
from pathlib import Path

import psutil
import pytest

from benchmarks.altered_answers import altered, rewritten
from selftrain_assets.domain.boxed import last_boxed
from selftrain_assets.domain.errors import InfraError
from selftrain_assets.domain.mathematics.comparison import at_once, same
from selftrain_assets.domain.mathematics.reading import read
from selftrain_assets.domain.types import Outcome, Problem
from selftrain_assets.verifiers import MathVerifier, SandboxSettings, math_pool
from selftrain_assets.verifiers.math_pool import MathPool
from selftrain_assets.verifiers.math_text import answer_text
from tests.judging import verdicts

BRIEF = MathVerifier(cpu_seconds=1.0, memory_mib=200)
POWERS, FACTORIAL = r"\boxed{\prod_{k=1}^{10^{7}} (k^2+\sin k)}", r"\boxed{(10^{9})!}"
NESTED = r"\boxed{\frac{1}{2}^{" + "{(" * 60 + "x" + ")}" * 60 + "}}"
WIDE = r"\boxed{" + "+".join(rf"\sqrt{{{n}}}" for n in range(2, 70)) + "}"


def judged(verifier, answer, *completions, workers=2):
    problem = Problem("p", "?", answer)
    return verdicts(
        verifier,
        SandboxSettings(workers=workers),
        [(problem, completion) for completion in completions],
    )


@pytest.mark.parametrize(
    ("completion", "text"),
    [
        (r"So \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"\boxed{1} and then \boxed{2}", "2"),
        (r"\boxed 7.", "7"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\frac{1}{", None),
        (r"\boxed{}", None),
        ("The answer is $x^2$.", "x^2"),
        ("The answer is $1$, $2$, and $3$.", "1, 2, 3"),
        ("The answer is: 3/4 of it", "3/4 of it"),
        ("the answer is \\(5\\)\nbecause", "5"),
        ("#### 12", "12"),
        (r"The answer is 3. No: \boxed{4}", "4"),
        (r"\boxed{3}. No: the answer is 4", "4"),
        ("It follows that $y = 3$.", "y = 3"),
        ("x = 12", "x = 12"),
        ("A: 18", "18"),
        ("The answer is **42**.", "42"),
        ("The answer is 42!", "42"),
        ("The answer is $\\$40$.", "\\$40"),
        ("Thus x = \\frac{3}{4}.", "\\frac{3}{4}"),
        ("The solution is $x != 5$", "x != 5"),
        ("Final Answer: The largest $n$ is 34.", "34"),
        ("As $n$ grows, the error increases by 100%.", "100%"),
        ("AZYUK2A", None),
        ("even", "even"),
        ("It is neither odd nor even.", None),
        ("2 and 1", "2 and 1"),
        ("So x=1 or x=2", "1, 2"),
        ("x=1 or x=2", "x=1 or x=2"),
        ("The answer is 7 (since 2+5=7).", "7"),
        ("The answer is $x+1$ (by symmetry)", "x+1"),
        ("There are 12 apples and 4 pears", "4"),
        ("I have no idea", None),
        ("", None),
    ],
)
def test_which_text_is_the_answer(completion, text):
    assert answer_text(completion) == text


def test_a_box_ends_where_its_brace_does():
    assert last_boxed(r"\boxed{a \} b}") == r"a \} b"
    assert last_boxed(r"\fbox{3}") == "3"
    assert last_boxed("none") is None


@pytest.mark.parametrize("hostile", [FACTORIAL, NESTED, WIDE], ids=["factorial", "nested", "wide"])
def test_an_expression_that_goes_too_far_costs_itself_alone(hostile):
    first, second, third = judged(
        BRIEF,
        r"\frac{1}{2}",
        r"\boxed{\frac{\sqrt{4}}{4}}",
        hostile,
        r"\boxed{\frac{\sqrt{9}}{9}}",
        workers=1,
    )
    assert (first.outcome, third.outcome) == (Outcome.PASS, Outcome.WRONG)
    assert second.outcome in (Outcome.TIMEOUT, Outcome.RESOURCE, Outcome.MALFORMED, Outcome.WRONG)
    assert second.reward == 0.0


def test_the_kernel_ends_a_comparison_at_its_cpu_time():
    before = os.times()
    [verdict] = judged(BRIEF, "5", POWERS)
    used = (
        os.times().children_user
        + os.times().children_system
        - before.children_user
        - before.children_system
    )
    assert verdict.outcome == Outcome.TIMEOUT
    assert "took more than 1 s of CPU time" in verdict.reason
    assert used < 10


def test_a_comparison_that_waits_is_ended_by_the_clock(monkeypatch, tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import sys, time\nprint('\"ready\"', flush=True)\nsys.stdin.readline()\ntime.sleep(600)\n"
    )
    monkeypatch.setattr(math_pool, "WORKER", worker)
    [verdict] = judged(MathVerifier(wall_seconds=0.3), "5", r"\boxed{\sqrt{26}}")
    assert verdict.outcome == Outcome.TIMEOUT
    assert "0.3 s of wall time" in verdict.reason


@pytest.mark.parametrize(
    ("end", "reason"),
    [("print('\"memory\"', flush=True)", "MiB of memory"), ("sys.exit(3)", "exit code 3")],
)
def test_what_fills_or_kills_a_worker_is_tried_in_a_fresh_one_and_then_a_verdict(
    monkeypatch, tmp_path, end, reason
):
    worker, starts = tmp_path / "worker.py", tmp_path / "starts"
    worker.write_text(
        f"import sys\nopen({str(starts)!r}, 'a').write('x')\nprint('\"ready\"', flush=True)\nfor"
        f" line in sys.stdin:\n    if '26' in line:\n        {end}\n    print('\"equal\"',"
        " flush=True)\n"
    )
    monkeypatch.setattr(math_pool, "WORKER", worker)
    first, second = judged(
        MathVerifier(), "5", r"\boxed{\sqrt{25}}", r"\boxed{\sqrt{26}}", workers=1
    )
    assert (first.outcome, second.outcome) == (Outcome.PASS, Outcome.RESOURCE)
    assert reason in second.reason
    assert len(starts.read_text()) == 2


def test_a_worker_that_does_not_start_is_an_infra_error(monkeypatch, tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text("raise ModuleNotFoundError('no module math_verify')\n")
    monkeypatch.setattr(math_pool, "WORKER", worker)
    with pytest.raises(
        InfraError,
        match=(
            "does not start: it ended with exit code 1; it says: ModuleNotFoundError: no module"
            " math_verify"
        ),
    ):
        judged(MathVerifier(), "5", r"\boxed{\sqrt{25}}")


def test_workers_are_gone_when_the_pool_is_closed_and_none_starts_without_need():
    with MathPool(2, 1.0, 10.0, 200) as pool:
        assert not pool._slots
        assert dict(pool.stream([("x+1", "1+x")] * 3)) == dict.fromkeys(range(3), ("equal", ""))
        pids = [worker.pid for worker in pool._slots]
    assert pids
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_stream_that_is_left_leaves_no_question_behind():
    with MathPool(1, 5.0, 10.0, 200) as pool:
        stream = pool.stream([("x+1", "1+x"), ("x+1", "x+2"), ("x", "y")])
        next(stream)
        stream.close()
        assert dict(pool.stream([("x+1", "x+2")])) == {0: ("unequal", "")}


@pytest.mark.parametrize("answer", [r"\frac{1}{2", "...", "", r"\text{}"])
def test_a_reference_that_cannot_be_compared_with_is_told(answer):
    assert MathVerifier().check_problem(Problem("p", "?", answer)) is not None


PAIRS = [
    json.loads(line)
    for line in Path(__file__).with_name("math_pairs.jsonl").read_text().splitlines()
]
LABELS = {Outcome.PASS: "equal", Outcome.MALFORMED: "unparseable"}


def test_the_pairs_are_enough_and_each_is_there_once():
    assert len(PAIRS) >= 200
    assert (
        len({pair["id"] for pair in PAIRS})
        == len({(pair["gold"], pair["answer"]) for pair in PAIRS})
        == len(PAIRS)
    )
    assert {pair["label"] for pair in PAIRS} == {"equal", "unequal", "unparseable"}


BOUNDED = [pair for pair in PAIRS if pair["kind"] != "hostile"]


@pytest.mark.parametrize(
    "pairs", [BOUNDED[::5], pytest.param(BOUNDED, marks=pytest.mark.kills)], ids=["some", "all"]
)
def test_verdicts_are_the_labels_given_by_hand(pairs):
    """Without the hostile ones, which take their seconds: benchmarks/math_answers.py has all."""
    asked = [
        (Problem(pair["id"], "?", pair["gold"]), f"\\boxed{{{pair['answer']}}}") for pair in pairs
    ]
    said = [
        LABELS.get(v.outcome, "unequal")
        for v in verdicts(MathVerifier(), SandboxSettings(workers=1), asked)
    ]
    assert {
        pair["id"]: label for pair, label in zip(pairs, said, strict=True) if label != pair["label"]
    } == {}


def test_altered_answers_are_wrong_and_rewritten_ones_right():
    """A few of those that benchmarks/math_answers.py --alterations measures."""
    wrong, right = list(altered(1)), list(rewritten(1))
    at_once_wrong = [each for each in wrong if told_at_once(each)]
    assert at_once_wrong == []
    asked = [*wrong[::60], *right[::8]]
    judged = verdicts(
        MathVerifier(),
        SandboxSettings(workers=1),
        [(Problem("p", "?", a.gold), f"\\boxed{{{a.answer}}}") for a in asked],
    )
    passed = [
        each for each, verdict in zip(asked, judged, strict=True) if verdict.outcome == Outcome.PASS
    ]
    assert passed == right[::8]


def told_at_once(each):
    answer, gold = read(each.answer), read(each.gold)
    return answer is not None and same(answer, gold, at_once)
