"""The process that calls a function verifier: exchanges in, verdicts out."""

from __future__ import annotations

import base64
import inspect
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.types import Outcome, Problem, Verdict
from selftrain_assets.runtime.worker import Message, open_replies, open_requests
from selftrain_assets.runtime.worker_pool import READY
from selftrain_assets.verifiers import VERIFIERS
from selftrain_assets.verifiers.functions import OPTIONAL, FunctionVerifier

SHOWN = 80  # characters of what a function returned in place of a verdict


@dataclass(frozen=True)
class _Call:
    """A function with its settings."""

    function: Callable[..., object]
    arguments: dict[str, Any]
    threshold: float

    @classmethod
    def of(cls, setup: Message) -> _Call:
        """The call that the parent describes."""
        if "pickled" in setup:
            import cloudpickle

            return cls(*cloudpickle.loads(base64.b64decode(setup["pickled"])))
        kind = VERIFIERS[setup["settings"]["type"]]
        verifier = kind.model_validate(setup["settings"])
        if dict(kind.identity_of_class()) != setup["identity"]:
            raise UserError("its file has changed since the command was started; run it again")
        assert isinstance(verifier, FunctionVerifier)
        return cls(verifier.function, verifier.arguments(), verifier.threshold)

    def verdict(self, request: Message) -> Verdict:
        """The verdict on an exchange; infra_error where the function gives none."""
        name = self.function.__name__
        accepted = inspect.signature(self.function).parameters
        optional = {key: request[key] for key in OPTIONAL if key in accepted}
        problem = Problem(**request["problem"])
        try:
            result = self.function(problem, request["completion"], **optional, **self.arguments)
        except (Exception, SystemExit) as error:
            place = _place(error, self.function.__code__.co_filename)
            reason = f"{name} raised {type(error).__name__}: {error} ({place})"
            return Verdict(Outcome.INFRA_ERROR, 0.0, None, reason)
        return _as_verdict(name, result, self.threshold)


def _place(error: BaseException, file: str) -> str:
    """The last line of the function's own file that the error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file] or frames
    return f"{own[-1].filename}, line {own[-1].lineno}"


def _as_verdict(name: str, result: Any, threshold: float) -> Verdict:
    """What a function returned, as a verdict."""
    if isinstance(result, Verdict):
        if result.outcome in list(Outcome) and 0 <= result.reward <= 1:
            return result
    elif hasattr(result, "item"):  # a number of numpy or torch
        with suppress(Exception):
            result = result.item()
    if isinstance(result, bool):
        outcome = Outcome.PASS if result else Outcome.WRONG
        return Verdict(outcome, float(result), None, f"{name} returned {result}")
    if isinstance(result, int | float) and 0 <= result <= 1:
        reward = float(result)
        passes = reward >= threshold
        relation = "" if passes else f", less than the threshold {threshold:g}"
        outcome = Outcome.PASS if passes else Outcome.WRONG
        return Verdict(outcome, reward, None, f"{name} returned {reward:g}{relation}")
    shown = repr(result)
    shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."
    return Verdict(
        Outcome.INFRA_ERROR,
        0.0,
        None,
        f"{name} returned {shown} ({type(result).__name__}); it must return True or False, a"
        " number from 0 to 1, or a Verdict",
    )


def main() -> None:
    """Answer requests until there are no more."""
    reply = open_replies()
    requests = open_requests()
    call = _Call.of(requests.get())
    reply(READY)
    while True:
        reply(asdict(call.verdict(requests.get())))


if __name__ == "__main__":
    main()
