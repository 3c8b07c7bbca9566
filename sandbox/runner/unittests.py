"""Tests that are written with unittest, whoever runs them."""

from __future__ import annotations

import unittest
from typing import Any


def run(code: Any, space: dict[str, Any]) -> None:
    """Run a test; then those of its TestCase classes that it has not run itself.

    AssertionError if one of all of them failed.
    """
    known, ran, failed = set(space), set(), []
    original = unittest.TestCase.run

    def counted(
        case: unittest.TestCase, result: unittest.TestResult | None = None
    ) -> unittest.TestResult:
        """As the original; what came of it counts even if the test does not ask."""
        ran.add(type(case))
        result = case.defaultTestResult() if result is None else result
        original(case, result)
        if not result.wasSuccessful():
            failed.append((result.failures + result.errors)[0][1].strip().rpartition("\n")[2])
        return result

    unittest.TestCase.run = counted  # type: ignore[method-assign, assignment]
    try:
        exec(code, space)
    except SystemExit as error:
        # of unittest.main; what the program raises is never that very class
        if error.code or type(error) is not SystemExit:
            raise AssertionError(
                failed[0] if failed else f"the test ended with status {error.code}"
            ) from None
    finally:
        for name in space.keys() - known:
            case = space[name]
            if isinstance(case, type) and issubclass(case, unittest.TestCase) and case not in ran:
                unittest.defaultTestLoader.loadTestsFromTestCase(case).run(unittest.TestResult())
        unittest.TestCase.run = original  # type: ignore[method-assign]
    if failed:
        raise AssertionError(failed[0])
