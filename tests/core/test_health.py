"""Checks say what is wrong only where it is."""

import pytest

from selftrain_assets.core.health import CHECKS, infra_errors, unscorable


@pytest.mark.parametrize(("outcome", "check", "blocking"), [("infra_error", infra_errors, True), ("unscorable", unscorable, False)])
@pytest.mark.parametrize(("count", "passed"), [(0, True), (10, True), (11, False), (1000, False)])
def test_one_in_a_hundred_is_the_limit(outcome, check, blocking, count, passed):
    found = check({"verifications": 1000, outcome: count})
    assert (found.passed, found.blocking) == (passed, blocking)
    assert f"{count} of 1000" in found.message
    assert (";" in found.message) == (not passed), "advice where there is something to do"
    assert CHECKS["verifications"][found.name][0] == blocking


def test_nothing_verified_is_nothing_wrong():
    assert unscorable({"verifications": 0, "unscorable": 0}).passed
