"""Numbers as people write them: "3" or "0-4"."""

from __future__ import annotations

from selftrain_assets.core.errors import UserError


def numbers(text: str) -> range:
    """What "3" or "0-4" means; nothing where it is neither."""
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()):
        return range(0)
    return range(int(first), int(last or first) + 1)


def rounds_between(text: str | None, last: int, setting: str) -> range:
    """Rounds within 1 to `last`; None is all of them. UserError names `setting`."""
    found = range(1, last + 1) if text is None else numbers(text)
    if not found or not 1 <= found[0] <= found[-1] <= last:
        raise UserError(f'{setting} "{text}": give a round or a range between 1 and the experiment\'s rounds: {last}, as in 1 or 1-{last}')
    return found
