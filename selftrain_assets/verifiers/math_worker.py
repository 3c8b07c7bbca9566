"""Compares mathematical answers with math-verify, a line of JSON for each pair; runs as a process of its own, by its path.

The kernel ends it when a comparison has used its CPU time, whatever code is running then: a signal handler of Python's would wait for
one multiplication of huge numbers to end. Answers are read as LaTeX alone, by a parser: none reaches Python's `eval`.
"""

import contextlib
import json
import logging
import resource
import signal
import sys

MIB = 1024 * 1024


def main(cpu_seconds: float, memory_mib: int) -> None:
    """Answer requests from standard input until it ends. The first line that is written says that it is ready."""
    import psutil
    from math_verify import LatexExtractionConfig, parse, verify

    logging.disable(logging.CRITICAL)
    latex = [LatexExtractionConfig(try_extract_without_anchor=False, boxed_match_priority=0)]

    def read(text: str) -> list:
        # The box as a whole or nothing: math-verify would else take any fraction in it that it can read.
        found = parse(f"\\boxed{{{text}}}", latex, fallback_mode="no_fallback", extraction_mode="first_match", parsing_timeout=None)
        return [value for value in found if value is not None]

    def compare(reference: str, answer: str) -> str:
        given, wanted = read(answer), read(reference)
        if not given:
            return "unreadable"
        same = bool(wanted) and verify(wanted, given, float_rounding=12, allow_set_relation_comp=True, timeout_seconds=None)
        return "equal" if same else "unequal"

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
            found = compare(reference, answer)
        except MemoryError:
            found = "memory"
        except RecursionError:
            found = "unreadable"
        except Exception:  # math-verify lets through what sympy raises on terms that make no sense
            found = "unequal"
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
