"""Rows of several sources in one dataset, and how a budget of rows is split among instructions.

An instruction is a group of problems (`Problem.group`); a problem without a group is an instruction
of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator

from selftrain_assets.domain.apportion import power_law
from selftrain_assets.domain.seeds import derive_seed
from selftrain_assets.domain.settings import Identity
from selftrain_assets.domain.types import Problem

HUMAN = "human"
"""Among the names of `mix`: the split human of the experiment's own task."""

Amount = Annotated[float, Field(ge=0)]


class Mixing(Identity):
    """Which other rows stand beside those that the recipe makes.

    Part of the settings of a recipe.
    """

    mix: dict[str, Amount] = Field(
        {},
        description=(
            "rows of other sources, by the names of the experiment's `sources`, or human: a share"
            " of the dataset (below 1), or a number of rows; 0 is none"
        ),
    )
    mix_by: Literal["add", "replace"] = Field(
        "add",
        description=(
            "add: beside the recipe's own rows; replace: in place of some of them, so that there"
            " are no more rows than without"
        ),
    )

    @field_validator("mix")
    @classmethod
    def _shares_or_rows(cls, value: dict[str, float]) -> dict[str, float]:
        if broken := [
            name for name, amount in value.items() if amount > 1 and amount != int(amount)
        ]:
            raise ValueError(
                f"{broken[0]}: {value[broken[0]]} is neither a share below 1 nor a whole number of"
                " rows"
            )
        if (total := sum(amount for amount in value.values() if amount < 1)) >= 1:
            raise ValueError(
                f"the shares add up to {total:g}, which leaves nothing to the recipe's own rows;"
                " lower them"
            )
        return value


def amounts(own: int, mix: Mapping[str, float], mix_by: str) -> tuple[int, dict[str, int]]:
    """How many of the recipe's `own` rows stay, and how many rows each source gives.

    ValueError where those of the sources would replace all of them.
    """
    share = sum(amount for amount in mix.values() if amount < 1)
    counted = sum(int(amount) for amount in mix.values() if amount >= 1)
    total = own if mix_by == "replace" else (own + counted) / (1 - share)
    rows_of_sources = {
        name: int(amount) if amount >= 1 else round(amount * total) for name, amount in mix.items()
    }
    if mix_by == "add":
        return own, rows_of_sources
    if (left := own - sum(rows_of_sources.values())) <= 0 < own:
        raise ValueError(
            f"{sum(rows_of_sources.values())} rows of other sources would replace all {own} of the"
            " recipe's own"
        )
    return max(left, 0), rows_of_sources


def sizes(budget: int, instructions: int, alpha: float | None) -> list[int]:
    """Number of rows of each instruction, the most first.

    Args:
        budget: Rows of all instructions together.
        instructions: Number of instructions; each has at least one row.
        alpha: Exponent of a power law (domain/apportion.py); None: equal sizes.

    Raises:
        ValueError: Equal sizes do not come out even, or there are fewer rows than instructions.
    """
    if budget < instructions:
        raise ValueError(
            f"{budget} rows are fewer than {instructions} instructions, of which each needs one"
        )
    if alpha is not None:
        return power_law(budget, instructions, alpha)
    if remainder := budget % instructions:
        nearest = " or ".join(
            str(n) for n in (budget - remainder, budget - remainder + instructions)
        )
        raise ValueError(
            f"{budget} rows cannot be divided evenly among {instructions} instructions;"
            f" {nearest} can"
        )
    return [budget // instructions] * instructions


def split_budget(
    problems: Sequence[Problem], budget: int, instructions: int, alpha: float | None, seed: int
) -> list[Problem]:
    """Choose `budget` problems (0: all) under `instructions` different instructions (0: all).

    The problems keep their order, and each instruction has as many as `sizes` says; with neither a
    number of instructions nor `alpha` they are drawn without regard to instructions. What is chosen
    depends on keyed hashes alone: where every instruction has enough examples, a larger budget for
    as many instructions contains the smaller one.

    Raises:
        ValueError: There are too few problems, or too few of some instruction.
    """
    by_instruction: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        by_instruction[problem.group or problem.id].append(problem)
    if instructions > len(by_instruction):
        raise ValueError(
            f"{instructions} instructions are asked for, and there are {len(by_instruction)}"
        )
    if budget > len(problems):
        raise ValueError(f"{budget} rows are asked for, and there are {len(problems)}")
    shuffled = sorted(by_instruction, key=lambda name: derive_seed(seed, "instruction", name))
    if not budget:
        chosen = {p.id for name in shuffled[: instructions or None] for p in by_instruction[name]}
    elif not instructions and alpha is None:
        chosen = set(_first(problems, budget, seed))
    else:
        chosen = _choose_groups(
            by_instruction,
            shuffled,
            sizes(budget, instructions or len(by_instruction), alpha),
            seed,
        )
    return [p for p in problems if p.id in chosen]


def _choose_groups(
    by_instruction: Mapping[str, list[Problem]],
    order: Sequence[str],
    group_sizes: Sequence[int],
    seed: int,
) -> set[str]:
    """Problems of so many sizes, each of the first instruction left that has as many.

    The largest come first: what is left for a smaller one is never too small because of them.
    """
    free, chosen = list(order), set[str]()
    for done, size in enumerate(group_sizes):
        name = next((name for name in free if len(by_instruction[name]) >= size), None)
        if name is None:
            raise ValueError(
                f"{len(group_sizes)} instructions are to have up to {max(group_sizes)} examples"
                f" each, and {done} have that many"
            )
        free.remove(name)
        chosen.update(_first(by_instruction[name], size, seed))
    return chosen


def _first(problems: Sequence[Problem], count: int, seed: int) -> list[str]:
    return sorted((p.id for p in problems), key=lambda id: derive_seed(seed, "budget", id))[:count]
