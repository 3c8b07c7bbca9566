"""Compares mathematical answers: one line of JSON for each pair of normal forms.

It runs as a process of its own, by its path. The kernel ends it when a comparison has used its CPU
time, whatever code is running then: a signal handler of Python's would wait for one multiplication
of huge numbers to end. Answers are read as LaTeX alone, by a parser: none reaches Python's `eval`.
"""

import contextlib
import json
import logging
import resource
import signal
import sys
from pathlib import Path

MIB = 1024 * 1024


def main(cpu_seconds: float, memory_mib: int) -> None:
    """Answer requests from standard input until it ends.

    The first line that is written says that it is ready.
    """
    # Python's isolated mode knows installed packages alone
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    import psutil

    from selftrain_assets.domain.mathematics.algebra import Unreadable, algebra
    from selftrain_assets.domain.mathematics.comparison import same
    from selftrain_assets.domain.mathematics.reading import read

    logging.disable(logging.CRITICAL)

    def compare(reference: str, answer: str) -> str:
        answer_term, reference_term = read(answer), read(reference)
        if answer_term is None or reference_term is None:
            return "unreadable"
        return "equal" if same(answer_term, reference_term, algebra) else "unequal"

    compare("\\frac{1}{2}", "x^2")  # loads what is loaded late
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit = psutil.Process().memory_info().vms + memory_mib * MIB
    with contextlib.suppress(ValueError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        reference, answer = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        try:
            outcome = compare(reference, answer)
        except MemoryError:
            outcome = "memory"
        except (RecursionError, Unreadable):
            outcome = "unreadable"
        except Exception:  # sympy and mpmath raise errors of many kinds on terms that make no sense
            outcome = "unequal"
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
