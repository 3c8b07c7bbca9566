"""Problems of several right answers: a trusted script, the checker, scores a printed text.

The program has run and is gone when the checker starts, in a process and under a uid of its own. It
is given three files as its arguments, input, expected output and printed output, and prints a score
from 0 to 1, of which 1 is right: the convention of the checkers that open-r1/codeforces publishes.
The program reaches it by what it printed, which is bounded, and by nothing else. A checker that
fails, takes too long or prints no score makes the problem unscorable: never right, never wrong.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sandbox.compare import excerpt
from sandbox.limits import Limits
from sandbox.protocol import StdinCase, StdinTask, Verdict

FILES = ("input.txt", "expected.txt", "output.txt")
LIMITS = Limits(cpu_seconds=10.0, wall_seconds=60.0)
DRIVER = f"""\
import json, sys
for name, text in zip({FILES!r}, json.load(sys.stdin)):
    with open(name, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        file.write(text)
sys.argv = ["checker.py", *{FILES!r}]
exec(compile({{source!r}}, "checker.py", "exec"), {{{{"__name__": "__main__"}}}})
"""


def checker_task(
    task: StdinTask, places: Sequence[int], reports: Sequence[dict[str, Any]]
) -> StdinTask:
    """The job of the checker: a case for each of these cases of the task."""
    files = [
        (task.cases[place].text, task.cases[place].expected, reports[place]["out"])
        for place in places
    ]
    largest = max(
        (len(text.encode(errors="surrogatepass")) for texts in files for text in texts), default=0
    )
    limits = replace(LIMITS, output_bytes=max(LIMITS.output_bytes, largest))
    source = DRIVER.format(source=task.checker)
    cases = tuple(StdinCase(json.dumps(texts), "") for texts in files)
    # what it prints is compared with nothing either
    return StdinTask(source, cases, checker=task.checker, limits=limits)


def score(printed: str) -> float | None:
    """What a checker printed in its last line, None if that is no score."""
    try:
        value = float(printed.strip().rpartition("\n")[2][:40])
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def with_scores(
    verdict: Verdict, places: Sequence[int], results: Sequence[float | str], printed: Sequence[str]
) -> Verdict:
    """A verdict on a program, corrected by what its checker found.

    The first case that is not right decides, whether the program or the checker says so.

    Args:
        verdict: The verdict before the checker.
        places: Indices of the cases that were checked.
        results: For each of them a score, or why there is none.
        printed: For each of them what was printed.
    """
    total = replace(
        verdict,
        score=sum(result for result in results if isinstance(result, float)) / verdict.cases,
    )
    for place, result in zip(places, results, strict=True):
        if verdict.case is not None and verdict.case < place:
            break
        if isinstance(result, str):
            return replace(total, outcome="unscorable", case=place, reason=f"its checker {result}")
        if result < 1:
            reason = f"printed {excerpt(printed[place])}, to which its checker gives {result:g}"
            return replace(total, outcome="wrong", case=place, reason=reason)
    return total
