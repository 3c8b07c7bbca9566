"""A task that is a function: it yields problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, overload

from pydantic import Field

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.types import Problem
from selftrain_assets.functions import member_of
from selftrain_assets.tasks.protocol import Card, Task
from selftrain_assets.tasks.splits import hashed_split

ProblemFunction = Callable[..., Iterable[Problem]]


class FunctionTask(Task):
    """Base of every task that `task` makes.

    Where the function names no split at all, that is, where all of its problems are in `train`,
    `validation_share` and `test_share` of them are held out by a hash of their ids.

    Attributes:
        function: The function itself.
    """

    function: ClassVar[ProblemFunction]
    validation_share: float = Field(
        0.1, ge=0, lt=1, description="share held out for choosing settings, where no split is given"
    )
    test_share: float = Field(
        0.2, gt=0, lt=1, description="share held out for reporting, where no split is given"
    )

    def load(self) -> list[Problem]:
        name = type(self).__name__
        arguments = {
            setting: getattr(self, setting)
            for setting in type(self).model_fields
            if setting not in FunctionTask.model_fields
        }
        problems = list(self.function(**arguments))
        ids: set[str] = set()
        for place, problem in enumerate(problems):
            if not isinstance(problem, Problem):
                raise UserError(
                    f"task {name} yields {type(problem).__name__} in place {place}, not a Problem"
                )
            if problem.id in ids:
                raise UserError(
                    f'task {name} yields two problems with the id "{problem.id}"; ids must be'
                    " unique"
                )
            ids.add(problem.id)
        if all(problem.split == "train" for problem in problems):
            seed = int(getattr(self, "seed", 0))
            shares = self.test_share, self.validation_share
            problems = [
                replace(problem, split=hashed_split(seed, problem.id, *shares))
                for problem in problems
            ]
        return problems


@overload
def task(function: ProblemFunction) -> type[FunctionTask]: ...


@overload
def task(
    *,
    version: str | None = None,
    defaults: Mapping[str, Any] | None = None,
    licence: str = "not stated",
) -> Callable[[ProblemFunction], type[FunctionTask]]: ...


def task(
    function: ProblemFunction | None = None,
    *,
    version: str | None = None,
    defaults: Mapping[str, Any] | None = None,
    licence: str = "not stated",
) -> type[FunctionTask] | Callable[[ProblemFunction], type[FunctionTask]]:
    """Make a task of a function that yields problems.

    The function's keyword-only parameters are the settings of the task. The same settings must
    yield the same problems, in the same order.

        @task
        def sums(*, count: int = 100):
            "Sums of two numbers."
            for n in range(count):
                yield Problem(f"sum-{n}", f"What is {n} + {n}?", str(2 * n))

    Args:
        function: The function; given by Python where the decorator has no brackets.
        version: Raised whenever the same settings yield other problems. None: the hash of the
            function's file, which a function in a notebook does not have.
        defaults: Settings of an experiment on this task unless it says otherwise, such as `prompt`,
            `verifier` and `sampling`.
        licence: Of the problems.

    Returns:
        A class of settings; its `function` is the function.
    """

    def decorate(function: ProblemFunction) -> type[FunctionTask]:
        summary = (function.__doc__ or "").strip().partition("\n")[0]
        return member_of(
            function,
            FunctionTask,
            version,
            card=Card(summary or "problems of a function", licence),
            defaults=defaults or {},
        )

    return decorate if function is None else decorate(function)
