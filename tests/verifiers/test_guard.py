"""A sample that cannot be judged gets a verdict; the others get theirs."""

import pytest

from selftrain_assets.domain.errors import InfraError
from selftrain_assets.domain.types import Exchange, Outcome, Problem, Verdict
from selftrain_assets.verifiers.guard import judge_all

PROBLEM = Problem("p", "q", "1")


class Fragile:
    """Judges in batches and in reverse; breaks in the middle of one, for good or for what
    `breaks` says."""

    name = "fragile"

    def __init__(self, breaks):
        self.breaks = breaks

    def stream(self, exchanges):
        for position, exchange in reversed(list(enumerate(exchanges))):
            completion = exchange.completion
            if completion in self.breaks:
                raise self.breaks[completion]
            yield position, Verdict(Outcome.PASS, 1.0, completion, "right")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no \ud800"),
        RecursionError(),
        MemoryError(),
        KeyError("x"),
        UnicodeDecodeError("utf-8", b"", 0, 1, "x"),
    ],
)
def test_only_the_sample_that_breaks_judging_is_unscorable(error):
    exchanges = [Exchange(PROBLEM, text) for text in ("a", "bad", "b", "worse", "c")]
    found = dict(judge_all(Fragile({"bad": error, "worse": error}), exchanges))
    assert [found[n].outcome for n in range(5)] == [
        "pass",
        "unscorable",
        "pass",
        "unscorable",
        "pass",
    ]
    assert found[1].reward == 0
    assert found[1].reason.startswith(f"it cannot be judged: {type(error).__name__}")
    found[1].reason.encode()


def test_infrastructure_that_fails_is_no_verdict():
    fragile = Fragile({"bad": InfraError("the engine is gone")})
    with pytest.raises(InfraError):
        list(judge_all(fragile, [Exchange(PROBLEM, "bad")]))
