"""Numbers as people write them: "3" or "0-4", and in settings 3, [1, 4] or [1, 5, 10]."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from selftrain_assets.domain.errors import UserError

ROUNDS = (
    'rounds to do, "2" or "1-3"; 0: the base and its evaluation alone; left out: all of the'
    " experiment"
)
"""What `rounds_between` reads, for whoever is asked for it."""


def numbers(text: str) -> range:
    """What "3" or "0-4" means; nothing where it is neither."""
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        return range(0)
    return range(int(first), int(last or first) + 1)


def rounds_between(text: str | None, last: int, setting: str) -> range:
    """Rounds within 1 to `last`; None is all of them, and "0" none: the base alone.

    UserError names `setting`.
    """
    if text == "0":
        return range(0)
    rounds = range(1, last + 1) if text is None else numbers(text)
    if not rounds or not 1 <= rounds[0] <= rounds[-1] <= last:
        sentence = (
            f"give a round or a range between 1 and the experiment's rounds: {last}, as in 1 or"
            f" 1-{last}; or 0 for the base alone"
        )
        raise UserError(f'{setting} "{text}": {sentence}')
    return rounds


def _both_ends(value: Any) -> Any:
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else value


def _in_order(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] > value[1]:
        raise ValueError("no number lies between them: write the smaller one first")
    return value


def listed(value: Any) -> Any:
    """A list of one, where a plain value stands for it."""
    return (value,) if isinstance(value, (int, str)) else value


Positive = Annotated[int, Field(ge=1)]
Span = Annotated[
    tuple[Positive, Positive],
    AfterValidator(_in_order),
    BeforeValidator(_both_ends, json_schema_input_type=Positive | tuple[Positive, Positive]),
]
"""A number, or the smallest and the largest, as a setting."""
Positives = Annotated[
    tuple[Positive, ...],
    Field(min_length=1),
    BeforeValidator(listed, json_schema_input_type=Positive | tuple[Positive, ...]),
]
"""One number or several, as a setting."""
