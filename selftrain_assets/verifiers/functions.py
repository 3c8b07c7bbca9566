"""A verifier that is a function: problem and completion in, a verdict out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, overload

from pydantic import Field

from selftrain_assets.domain.types import Resource, Verdict
from selftrain_assets.functions import member_of
from selftrain_assets.verifiers.protocol import Verifier

CheckFunction = Callable[..., bool | float | Verdict]
SECONDS = 30.0
Seconds = Annotated[float, Field(gt=0, description="wall time of one call of the function")]
Threshold = Annotated[
    float, Field(ge=0, le=1, description="what the function must return for a pass, if a number")
]


class FunctionVerifier(Verifier):
    """Base of every verifier that `verifier` makes.

    Attributes:
        function: The function itself.
    """

    function: ClassVar[CheckFunction]
    seconds: Seconds = SECONDS
    threshold: Threshold = 1.0


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
            optional=("prompt", "method"),
            fields={"seconds": (Seconds, seconds), "threshold": (Threshold, threshold)},
            resource=resource,
        )

    return decorate if function is None else decorate(function)
