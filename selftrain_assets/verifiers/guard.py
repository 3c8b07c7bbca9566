"""No sample can end a stage: what goes wrong in judging one is a verdict on that one."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from selftrain_assets.domain.errors import SelftrainError
from selftrain_assets.domain.foreign import visible
from selftrain_assets.domain.types import Exchange, Outcome, Verdict

if TYPE_CHECKING:
    from selftrain_assets.verifiers.protocol import Judge

log = logging.getLogger(__name__)


def judge_all(judge: Judge, exchanges: Sequence[Exchange]) -> Iterator[tuple[int, Verdict]]:
    """Position and verdict of each exchange, as the judge has them done.

    Where its stream breaks, the rest is judged one by one: what breaks it again is `unscorable`. A
    SelftrainError says nothing about a sample, and goes on.
    """
    owed = set(range(len(exchanges)))
    try:
        for position, verdict in judge.stream(exchanges):
            owed.discard(position)
            yield position, verdict
    except SelftrainError:
        raise
    except Exception as error:
        log.warning(
            "judging is interrupted by %s; the remaining %d samples are judged one by one",
            type(error).__name__,
            len(owed),
        )
        for position in sorted(owed):
            yield position, guard(partial(_judge_one, judge, exchanges[position]))


def _judge_one(judge: Judge, exchange: Exchange) -> Verdict:
    [(_, verdict)] = judge.stream([exchange])
    return verdict


def guard(judging: Callable[[], Verdict]) -> Verdict:
    """Its verdict, or that of `failed`."""
    try:
        return judging()
    except SelftrainError:
        raise
    except Exception as error:
        return failure_verdict(error)


def failure_verdict(error: Exception) -> Verdict:
    """The verdict on a sample whose judging raised an error.

    It is never a pass; and it is not owed again, since judging it again would raise the same.
    """
    trace = "".join(traceback.format_exception(error))
    # not by `exc_info`: what a sample raises may hold any character
    log.warning("a sample cannot be judged\n%s", visible(trace))
    return Verdict(
        Outcome.UNSCORABLE, 0.0, None, f"it cannot be judged: {type(error).__name__}: {error}"
    )
