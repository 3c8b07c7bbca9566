"""A verifier that is a function: problem and completion in, a verdict out."""

from __future__ import annotations

import base64
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any, ClassVar, overload

from pydantic import Field

from selftrain_assets.domain.errors import TaskError, UserError
from selftrain_assets.domain.types import Exchange, Execution, Outcome, Resource, Verdict
from selftrain_assets.functions import member_of
from selftrain_assets.runtime.worker import Message
from selftrain_assets.runtime.worker_pool import Failure, WorkerPool
from selftrain_assets.verifiers.context import VerifierContext
from selftrain_assets.verifiers.protocol import Judge, Verifier

CheckFunction = Callable[..., bool | float | Verdict]
OPTIONAL = ("prompt", "method")
"""Parameters of a function that are part of the exchange."""
SECONDS = 30.0
NETWORK_WORKERS = 8  # of a function that waits for a service most of the time
MOST_FAILURES = 10
"""Completions for which a function may fail before it has given its first verdict."""
Seconds = Annotated[float, Field(gt=0, description="wall time of one call of the function")]
Threshold = Annotated[
    float, Field(ge=0, le=1, description="what the function must return for a pass, if a number")
]


log = logging.getLogger(__name__)


class FunctionVerifier(Verifier):
    """Base of every verifier that `verifier` makes.

    Attributes:
        function: The function itself.
    """

    function: ClassVar[CheckFunction]
    seconds: Seconds = SECONDS
    threshold: Threshold = 1.0

    def arguments(self) -> dict[str, Any]:
        """The settings that the function is given."""
        own = type(self).model_fields.keys() - FunctionVerifier.model_fields.keys()
        return {name: getattr(self, name) for name in own}

    @contextmanager
    def open(self, context: VerifierContext) -> Iterator[Judge]:
        workers = {"gpu": 1, "network": NETWORK_WORKERS}.get(self.resource, context.workers)
        search_path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
        with WorkerPool(
            [sys.executable, "-m", "selftrain_assets.verifiers.function_worker"],
            workers,
            self.seconds,
            f"calls the verifier {type(self).__name__}",
            {"PYTHONPATH": search_path},
            self._setup(),
        ) as pool:
            yield _FunctionJudge(self, pool)

    def _setup(self) -> Message:
        """How a worker comes by the function: by its name, or else as a value."""
        kind = type(self)
        if kind.__module__ != "__main__" and "<locals>" not in kind.__qualname__:
            settings = self.model_dump(mode="json")
            return {"settings": settings, "identity": dict(self.identity_of_class())}
        import cloudpickle

        call = self.function, self.arguments(), self.threshold
        try:
            pickled = cloudpickle.dumps(call)
        except Exception as error:  # pickling calls code of any object
            raise UserError(
                f"verifier {kind.__name__} cannot be given to its worker processes"
                f" ({type(error).__name__}: {error}); define it in a file of its own"
            ) from error
        return {"pickled": base64.b64encode(pickled).decode()}


class _FunctionJudge:
    """Worker processes that call the function."""

    def __init__(self, verifier: FunctionVerifier, pool: WorkerPool) -> None:
        self._verifier, self._pool = verifier, pool
        self.name = f"{verifier.type} {verifier.version}"
        self._succeeded, self._failures = False, 0

    def stream(self, exchanges: Iterable[Exchange]) -> Iterator[tuple[int, Verdict]]:
        """Judge with every worker.

        Raises:
            TaskError: The function has failed many times, and never succeeded.
        """
        requests = [asdict(exchange) for exchange in exchanges]
        for position, reply in self._pool.replies(requests):
            verdict = self._verdict(reply)
            self._note(verdict)
            yield position, verdict

    def _verdict(self, reply: Message | Failure) -> Verdict:
        name = type(self._verifier).__name__
        if not isinstance(reply, Failure):
            execution = reply.pop("execution")
            outcome = Outcome(reply.pop("outcome"))
            measured = Execution(**execution) if execution else None
            return Verdict(outcome, execution=measured, **reply)
        if reply.kind == "wall":
            reason = f"{name} took more than {self._verifier.seconds:g} s"
            return Verdict(Outcome.TIMEOUT, 0.0, None, reason)
        return Verdict(Outcome.INFRA_ERROR, 0.0, None, f"the process of {name} {reply.detail}")

    def _note(self, verdict: Verdict) -> None:
        if verdict.outcome != Outcome.INFRA_ERROR:
            self._succeeded = True
            return
        self._failures += 1
        if self._failures == 1:
            log.warning("a completion is not judged: %s", verdict.reason)
        if self._failures >= MOST_FAILURES and not self._succeeded:
            raise TaskError(
                f"verifier {type(self._verifier).__name__} fails for every completion, the first"
                f" {self._failures} of them: {verdict.reason}; correct it and run again"
            )


@overload
def verifier(function: CheckFunction) -> type[FunctionVerifier]: ...


@overload
def verifier(
    *,
    version: str | None = None,
    resource: Resource = "cpu",
    seconds: float = SECONDS,
    threshold: float = 1.0,
) -> Callable[[CheckFunction], type[FunctionVerifier]]: ...


def verifier(
    function: CheckFunction | None = None,
    *,
    version: str | None = None,
    resource: Resource = "cpu",
    seconds: float = SECONDS,
    threshold: float = 1.0,
) -> type[FunctionVerifier] | Callable[[CheckFunction], type[FunctionVerifier]]:
    """Make a verifier of a function.

        @verifier(version="1")
        def close(problem, completion, *, tolerance: float = 0.01) -> bool:
            "Right if within `tolerance` of the answer."
            return abs(float(completion) - float(problem.answer)) <= tolerance

    The function takes a problem and a completion; if it names parameters `prompt` and `method`, it
    is given these too. Its keyword-only parameters are the settings of the verifier. It returns
    True or False; or a number from 0 to 1, the reward, which passes from `threshold` on; or a
    Verdict. It runs in worker processes. What it raises says nothing about the completion, which is
    judged again later. A verdict is kept for the problem's question, answer and tests, so that it
    should depend on nothing else of the problem.

    Args:
        function: The function; given by Python where the decorator has no brackets.
        version: Raised whenever the function may judge otherwise. None: the hash of its file, which
            a function in a notebook does not have.
        resource: What the function needs, and so how many verifications run at once.
        seconds: Default of the setting `seconds`, the wall time of one call.
        threshold: Default of the setting `threshold`.

    Returns:
        A class of settings; its `function` is the function.
    """

    def decorate(function: CheckFunction) -> type[FunctionVerifier]:
        return member_of(
            function,
            FunctionVerifier,
            version,
            positional=("problem", "completion"),
            optional=OPTIONAL,
            fields={"seconds": (Seconds, seconds), "threshold": (Threshold, threshold)},
            resource=resource,
        )

    return decorate if function is None else decorate(function)
