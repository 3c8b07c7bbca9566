"""Is a round worth going on with?

Each check has a threshold, evidence and one sentence of advice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from selftrain_assets.domain.measurements import (
    Concentration,
    Leak,
    SecondOpinion,
    Solutions,
    Thoughts,
    Unparsed,
)
from selftrain_assets.domain.statistics import Estimate
from selftrain_assets.domain.waivers import Waiver


@dataclass(frozen=True, slots=True)
class Check:
    """A finding.

    A failed blocking one stops the round before the next stage. `evidence` are numbers, and rows as
    lists of records.
    """

    name: str
    passed: bool
    blocking: bool
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)


INFRA_ERROR_LIMIT = 0.01
UNSCORABLE_LIMIT = 0.01
MALFORMED_LIMIT = 0.25
NEAR_COPY_LIMIT = 0.01
CUT_OFF_LIMIT = 0.1
SECOND_OPINION_LIMIT = 0.02
UNCLOSED_LIMIT = 0.1
WARN_BELOW, BLOCK_BELOW = 0.5, 0.25  # of the first round's share of distinct solutions
LENGTH_RANGE = (0.5, 2.0)  # of the first round's mean length
TOP_SHARE, TOP_LIMIT = 0.1, 0.5  # so many of the problems, and the share of rows that they may hold
INFRA_ERROR, UNSCORABLE, MALFORMED, CORRECT_SAMPLES, NOT_BELOW_BASE = (
    "infra_errors",
    "unscorable",
    "parse_failures",
    "correct_samples",
    "not_below_base",
)
HELD_OUT_APART, NEAR_COPIES, DISTINCT, LENGTH, TOP_PROBLEMS = (
    "held_out_apart",
    "near_copies",
    "distinct_solutions",
    "length_drift",
    "top_problems",
)
INTACT, LOOP_EDGE, SECOND_OPINION, CUT_OFF, THOUGHTS_CLOSE = (
    "intact",
    "loop_edge",
    "second_opinion",
    "cut_off",
    "thoughts_close",
)


def infra_errors(missing: int, verifications: int) -> Check:
    """Blocks above INFRA_ERROR_LIMIT: verdicts that are missing are not missing at random."""
    share = missing / max(1, verifications)
    message = f"{missing} of {verifications} samples have no verdict because the verifier failed"
    advice = (
        ""
        if share <= INFRA_ERROR_LIMIT
        else ("; fix the cause and run again, which judges only these")
    )
    return Check(
        INFRA_ERROR,
        share <= INFRA_ERROR_LIMIT,
        True,
        message + advice,
        {"share": share, "limit": INFRA_ERROR_LIMIT},
    )


def unscorable(unscored: int, verifications: int) -> Check:
    """Warns where tests cannot judge what they are asked about.

    Such samples earn no reward, whether right or not.
    """
    share = unscored / max(1, verifications)
    message = f"the tests cannot judge {unscored} of {verifications} samples"
    advice = (
        ""
        if share <= UNSCORABLE_LIMIT
        else "; see why (selftrain show NAME ROUND --outcome unscorable) and correct the tests"
    )
    return Check(
        UNSCORABLE,
        share <= UNSCORABLE_LIMIT,
        False,
        message + advice,
        {"share": share, "limit": UNSCORABLE_LIMIT},
    )


def correct_samples(rows: int, problems: int, verified: int, cut_off: int = 0) -> Check:
    """Blocks without a single correct sample: training on no rows would return the start model."""
    if rows:
        message = f"{rows} rows from correct samples of {problems} problems"
    elif cut_off:
        message = (
            f"all {cut_off} correct samples among {verified} were cut off, so"
            " there is nothing whole to learn from; raise max_tokens, or set cut_off: keep."
            " Earlier rounds stay as they are"
        )
    else:
        message = (
            f"no correct sample among {verified}, so there is nothing to learn from; draw"
            " more samples_per_problem or raise the temperature, look at a few samples (selftrain"
            " sql) to see whether prompt and verifier fit, or start from a stronger model. Earlier"
            " rounds stay as they are"
        )
    return Check(
        CORRECT_SAMPLES,
        rows > 0,
        True,
        message,
        {"rows": rows, "verified": verified},
    )


def cut_off(unended: int, samples: int) -> Check:
    """Warns where many samples ran into max_tokens, or ended within a thought.

    Those of them that are right have no end that could be learnt.
    """
    share = unended / max(1, samples)
    message = f"{unended} of {samples} samples ran into max_tokens or ended within a thought"
    advice = (
        ""
        if share <= CUT_OFF_LIMIT
        else (
            '; raise it, or see why they do not end (selftrain sql "select completion from samples'
            " where finish_reason <> 'stop'\")"
        )
    )
    return Check(
        CUT_OFF,
        share <= CUT_OFF_LIMIT,
        False,
        message + advice,
        {"share": share, "limit": CUT_OFF_LIMIT},
    )


def not_below_base(gain: Estimate | None) -> Check:
    """Warns where the paired interval of the gain over the base lies wholly below zero."""
    if gain is None:
        return Check(NOT_BELOW_BASE, True, False, "this is the base")
    passed = not gain.high < 0
    message = (
        f"greedy accuracy changed by {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
        " against the base"
    )
    advice = (
        ""
        if passed
        else (
            "; lower the learning rate or the steps, cap the solutions per problem, or mix in human"
            " rows"
        )
    )
    return Check(NOT_BELOW_BASE, passed, False, message + advice, asdict(gain))


def parse_failures(malformed: int, verifications: int, examples: Sequence[Unparsed] = ()) -> Check:
    """Warns where no answer can be parsed in many samples.

    The format is not learnt, is being lost, or is cut off.
    """
    share = malformed / max(1, verifications)
    message = f"no answer could be read from {malformed} of {verifications} samples"
    advice = (
        ""
        if share <= MALFORMED_LIMIT
        else (
            "; look at some (selftrain show NAME ROUND --outcome malformed), raise max_tokens if"
            " they are cut off, show the format in the prompt, or mix in human rows"
        )
    )
    evidence = {"share": share, "limit": MALFORMED_LIMIT, "examples": list(examples)}
    return Check(MALFORMED, share <= MALFORMED_LIMIT, False, message + advice, evidence)


def second_opinion(opinion: SecondOpinion) -> Check:
    """Warns where the verifier seems to miss right answers.

    That is where the interval of the share that a second reading would pass lies wholly above
    SECOND_OPINION_LIMIT.
    """
    share, left_out = opinion.share, opinion.left_out
    if share is None:
        reasons = [f"there is no other reading of what verifier {name} judges" for name in left_out]
        if opinion.error:
            reasons.append(opinion.error)
        return Check(
            SECOND_OPINION,
            True,
            False,
            "; ".join(["no wrong or malformed sample was read again", *reasons]),
        )
    passed = share.low <= SECOND_OPINION_LIMIT
    message = (
        f"another reading would pass {opinion.turned} of {opinion.read} wrong and malformed"
        f" samples that it was asked about, a share of {share.mean:.3f} [{share.low:.3f},"
        f" {share.high:.3f}]"
    )
    advice = (
        ""
        if passed
        else (
            "; look at them: if they are right, choose another verifier, or several (any_of), and"
            " see what would change (selftrain verify NAME --diff); if they are not, set"
            " second_opinion: false"
        )
    )
    evidence = {
        "share": share.mean,
        "low": share.low,
        "limit": SECOND_OPINION_LIMIT,
        "samples": opinion.examples,
    }
    return Check(SECOND_OPINION, passed, False, message + advice, evidence)


def thoughts_close(thoughts: Thoughts | None) -> Check:
    """Warns where many thoughts never close: such samples have no answer."""
    if thoughts is None:
        return Check(THOUGHTS_CLOSE, True, False, "no sample has a thought before its answer")
    share = thoughts.unclosed / thoughts.think
    message = (
        f"{thoughts.unclosed} of {thoughts.think} thoughts never close, so they have no answer"
    )
    advice = (
        ""
        if share <= UNCLOSED_LIMIT
        else "; raise sampling.max_tokens, or end thoughts in time by sampling.thinking.budget"
    )
    return Check(
        THOUGHTS_CLOSE,
        share <= UNCLOSED_LIMIT,
        False,
        message + advice,
        {"share": share, "limit": UNCLOSED_LIMIT},
    )


def distinct_solutions(now: Solutions, first: Solutions) -> Check:
    """Warns where correct samples repeat one another much more than in the first round.

    Far below the first round's share it blocks: the policy has collapsed onto few solutions, and
    training on them would make it worse.
    """
    if not now.get("correct") or not first.get("correct"):
        return Check(DISTINCT, True, False, "there are no correct samples to compare")
    share, before = now["distinct"] / now["correct"], first["distinct"] / first["correct"]
    message = (
        f"{now['distinct']} of {now['correct']} correct samples are distinct, a share of"
        f" {share:.3f}; {before:.3f} in the first round"
    )
    passed = share >= WARN_BELOW * before
    advice = (
        ""
        if passed
        else (
            "; raise the temperature, cap the solutions per problem (recipe.cap), train from the"
            " base (recipe.init_from) or for fewer steps"
        )
    )
    evidence = {
        "share": share,
        "first round": before,
        "warning below": WARN_BELOW * before,
        "stop below": BLOCK_BELOW * before,
    }
    return Check(
        DISTINCT,
        passed,
        share < BLOCK_BELOW * before,
        message + advice,
        evidence | {"most repeated": now.get("repeated", [])},
    )


def length_drift(now: float | None, first: float | None) -> Check:
    """Warns where correct completions are much shorter or longer than in the first round.

    Args:
        now: Mean length in this round; None where there is none.
        first: Mean length in the first round.
    """
    if not now or not first:
        return Check(LENGTH, True, False, "there are no correct samples to compare")
    low, high = LENGTH_RANGE
    passed = low <= now / first <= high
    message = (
        f"correct completions have {now:.1f} tokens on average, {first:.1f} in the first round"
    )
    advice = (
        ""
        if passed
        else (
            "; look at some (selftrain show NAME ROUND --outcome pass): does the verifier accept"
            " padding, or shortcuts?"
        )
    )
    return Check(
        LENGTH, passed, False, message + advice, {"ratio": now / first, "from": low, "to": high}
    )


def top_problems(concentration: Concentration | None) -> Check:
    """Warns where few problems make most of the rows."""
    share = concentration.get("share") if concentration else None
    if concentration is None or share is None:
        return Check(TOP_PROBLEMS, True, False, "there are no rows of the policy's own")
    passed = share <= TOP_LIMIT
    message = f"the {TOP_SHARE:.0%} of the problems with most rows hold {share:.0%} of the rows"
    advice = (
        ""
        if passed
        else (
            "; lower recipe.cap, so that each problem gives fewer rows, or draw more samples of the"
            " others"
        )
    )
    return Check(
        TOP_PROBLEMS,
        passed,
        False,
        message + advice,
        {"share": share, "limit": TOP_LIMIT, "problems": concentration.get("problems", [])},
    )


def held_out_apart(
    leaks: Sequence[Leak],
    looked_at: str,
    allowed: Sequence[tuple[Waiver, int]] = (),
    unseen: int = 0,
) -> Check:
    """Blocks where a whole held-out question is trained on: its accuracy would be a memory.

    `allowed` are those that a person lets stand, which are not among `leaks`; `unseen` is how many
    were found and are not named.
    """
    exact = [leak for leak in leaks if leak["exact"]]
    message = f"{looked_at}: {len(exact) + unseen or 'none'} with a whole held-out question"
    if exact:
        message += (
            f", for instance {exact[0]['held_out']} in {exact[0]['found_in']}; take them out of the"
            " problem file, or out of this experiment: selftrain retract NAME --problem"
            f" {exact[0]['problem_id']}; or allow them with a reason (contamination.allow)"
        )
    elif unseen:
        message += ", besides those that are named and allowed; take them out of the problem file"
    if allowed:
        message += "; allowed: " + "; ".join(
            f"{count or 'nothing'} of {waiver.problem} ({waiver.reason})"
            for waiver, count in allowed
        )
    evidence = {
        "leaks": exact,
        "allowed": [{**waiver.model_dump(), "found": count} for waiver, count in allowed],
    }
    return Check(HELD_OUT_APART, not exact and not unseen, True, message, evidence)


def near_copies(leaks: Sequence[Leak], total: int, looked_at: str) -> Check:
    """Warns where much training text is a held-out text but for a few words.

    Problems of one template are such near copies.
    """
    near = [leak for leak in leaks if not leak["exact"]]
    passed = len(near) <= NEAR_COPY_LIMIT * total
    message = (
        f"{looked_at}: {len(near) or 'none'} that share a long run of words with held-out text"
    )
    advice = (
        ""
        if passed
        else (
            "; held-out accuracy then says little of problems of another kind: judge on a split"
            " without them (transfer), or retract them"
        )
    )
    return Check(
        NEAR_COPIES, passed, False, message + advice, {"limit": NEAR_COPY_LIMIT, "leaks": near}
    )


def intact(fault: str | None) -> Check:
    """Blocks on what is not as its manifest says."""
    return Check(
        INTACT, fault is None, True, fault or "tables and parents are as the manifest says"
    )


def loop_edge(fault: str | None, message: str, blocking: bool) -> Check:
    """Do the two ends of the loop's edge name the same weights?"""
    return Check(LOOP_EDGE, fault is None, blocking, fault or message)
