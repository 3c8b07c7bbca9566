"""Is a round worth going on with? Each check has a threshold, evidence and one sentence of advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """A finding. A failed blocking one stops the round before the next stage."""

    name: str
    passed: bool
    blocking: bool
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)


INFRA_ERROR_LIMIT = 0.01
UNSCORABLE_LIMIT = 0.01
INFRA_ERROR, UNSCORABLE, CORRECT_SAMPLES, NOT_BELOW_BASE = "infra_errors", "unscorable", "correct_samples", "not_below_base"
# stage -> check name -> (blocking, what it asks)
CHECKS: dict[str, dict[str, tuple[bool, str]]] = {
    "verifications": {
        INFRA_ERROR: (True, f"at most {INFRA_ERROR_LIMIT:.0%} of the samples could not be judged for reasons of infrastructure"),
        UNSCORABLE: (False, f"the tests of the problems can judge all but {UNSCORABLE_LIMIT:.0%} of the samples"),
    },
    "dataset": {CORRECT_SAMPLES: (True, "the round has at least one correct sample to learn from")},
    "evaluation": {NOT_BELOW_BASE: (False, "held-out greedy accuracy is not clearly below the base's")},
}


def infra_errors(counts: Mapping[str, int]) -> Check:
    """Blocks above INFRA_ERROR_LIMIT: verdicts that are missing are not missing at random."""
    share = counts["infra_error"] / max(1, counts["verifications"])
    message = f"{counts['infra_error']} of {counts['verifications']} samples have no verdict because the verifier failed"
    advice = "" if share <= INFRA_ERROR_LIMIT else "; mend it and run again, only these are owed"
    return Check(INFRA_ERROR, share <= INFRA_ERROR_LIMIT, True, message + advice, {"share": share, "limit": INFRA_ERROR_LIMIT})


def unscorable(counts: Mapping[str, int]) -> Check:
    """Warns where tests cannot judge what is asked of them: such samples earn no reward, whether right or not."""
    share = counts["unscorable"] / max(1, counts["verifications"])
    message = f"the tests cannot judge {counts['unscorable']} of {counts['verifications']} samples"
    advice = "" if share <= UNSCORABLE_LIMIT else "; see why (selftrain show NAME ROUND --outcome unscorable) and mend the tests"
    return Check(UNSCORABLE, share <= UNSCORABLE_LIMIT, False, message + advice, {"share": share, "limit": UNSCORABLE_LIMIT})


def correct_samples(counts: Mapping[str, int]) -> Check:
    """Blocks without a single correct sample: training on nothing would quietly give the start model back."""
    if counts["self"]:
        message = f"{counts['self']} rows from correct samples of {counts['problems']} problems"
    else:
        message = (
            f"no correct sample among {counts['verified']}, so there is nothing to learn from; draw more samples_per_problem or "
            "raise the temperature, look at a few samples (selftrain sql) to see whether prompt and verifier fit, or start from a "
            "stronger model. Earlier rounds stay as they are"
        )
    return Check(CORRECT_SAMPLES, counts["self"] > 0, True, message, {"rows": counts["self"], "verified": counts["verified"]})


def not_below_base(gain: Mapping[str, float] | None) -> Check:
    """Warns where the paired interval of the gain over the base lies wholly below zero."""
    if gain is None:
        return Check(NOT_BELOW_BASE, True, False, "this is the base")
    passed = not gain["high"] < 0
    message = f"greedy accuracy changed by {gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}] against the base"
    advice = "" if passed else "; lower the learning rate or the steps, cap the solutions per problem, or mix in human rows"
    return Check(NOT_BELOW_BASE, passed, False, message + advice, dict(gain))
