"""What mode rpc sends besides plain values.

Containers that both sides change, the standard library's own kinds of values, and references to
objects that stay where they are.
"""

from __future__ import annotations

import builtins
import collections
import datetime
from typing import Any

from sandbox.runner.codec import Codec, encode

ACTING = """
    breakpoint compile copyright credits delattr eval exec exit globals help input license locals
    open quit setattr vars
"""
"""What a test calls in its own process, believing it to be the program's, must do nothing there."""
BUILTINS = {
    name: value
    for name, value in vars(builtins).items()
    if callable(value) and not name.startswith("_") and name not in ACTING.split()
}
NAMES = {id(value): name for name, value in BUILTINS.items()}
MAPPINGS = (collections.Counter, collections.OrderedDict, collections.defaultdict)
DATES = {
    datetime.date: ("year", "month", "day"),
    datetime.datetime: ("year", "month", "day", "hour", "minute", "second", "microsecond"),
    datetime.time: ("hour", "minute", "second", "microsecond"),
    datetime.timedelta: ("days", "seconds", "microseconds"),
}


class Exchange(Codec):
    """One request and its reply.

    Lists, dicts and sets among the arguments are numbered, so that what is one object here is one
    object there, and what the program leaves in it can be brought back. `side` has the objects that
    are only referred to.
    """

    def __init__(self, side: Any, numbering: bool = True) -> None:
        self.side = side
        self.shared: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.numbering = numbering

    def encode(self, value: Any, depth: int = 0) -> Any:
        """As a plain value, but for shared containers."""
        kind = type(value)
        if kind is list or kind is dict or kind is set:
            if (number := self.numbers.get(id(value))) is not None:
                return {"r": number}
            if self.numbering:
                return {"m": [self.share(value), super().encode(value, depth)]}
        return super().encode(value, depth)

    def share(self, container: Any) -> int:
        """The number that it gets."""
        self.shared.append(container)
        self.numbers[id(container)] = len(self.shared) - 1
        return len(self.shared) - 1

    def encode_other(self, value: Any, depth: int) -> Any:
        """Encode a value that is not plain data.

        The standard library's values keep their type; the subclasses of both sides encode the
        others.
        """
        kind = type(value)
        if kind is range:
            return {"R": [encode(value.start), encode(value.stop), encode(value.step)]}
        if kind is slice:
            return {
                "S": [self.encode(part, depth) for part in (value.start, value.stop, value.step)]
            }
        if kind is collections.deque:
            return {"Q": [self.encode(list(value), depth), value.maxlen]}
        if kind in MAPPINGS:
            return {"M": [kind.__name__, self._pairs(value, depth)]}
        if kind in DATES and getattr(value, "tzinfo", None) is None:
            return {"D": [kind.__name__, [getattr(value, name) for name in DATES[kind]]]}
        if kind is bytearray:
            return {"y": value.hex()}
        if (name := NAMES.get(id(value))) is not None:
            return {"k": name}
        if kind.__module__ == "numpy":
            return super().encode_other(value, depth)
        return self.side.encode_other(self, value, depth)

    def _pairs(self, mapping: Any, depth: int) -> list[Any]:
        return [
            [self.encode(k, depth + 1), self.encode(v, depth + 1)] for k, v in dict.items(mapping)
        ]

    def decode_tagged(self, tag: str, content: Any, depth: int) -> Any:
        """The same tags back."""
        if tag == "r" and type(content) is int and 0 <= content < len(self.shared):
            return self.shared[content]
        if tag == "k" and type(content) is str and content in BUILTINS:
            return BUILTINS[content]
        if tag == "y" and type(content) is str:
            return bytearray.fromhex(content)
        if type(content) is not list or tag not in ("m", "R", "S", "Q", "M", "D"):
            return (
                self.side.decode_other(self, tag, content)
                if tag in ("H", "P", "X", "F")
                else super().decode_tagged(tag, content, depth)
            )
        if len(content) != (3 if tag in ("R", "S") else 2):
            raise ValueError("no value of the protocol")
        if tag == "R":
            return range(*(_integer(self.decode(part)) for part in content))
        if tag == "S":
            return slice(*(self.decode(part, depth) for part in content))
        if tag == "m":
            return self._container(content[0], content[1], depth)
        if tag == "Q":
            return collections.deque(
                _list(self.decode(content[0], depth)),
                content[1] if content[1] is None else _integer(content[1]),
            )
        if tag == "M":
            made: Any = {kind.__name__: kind for kind in MAPPINGS}[content[0]]()
            made.update(super().decode_tagged("d", content[1], depth))
            return made
        kind = {kind.__name__: kind for kind in DATES}[content[0]]
        try:
            return kind(*(_integer(part) for part in _list(content[1])))
        except (TypeError, OverflowError) as error:
            raise ValueError(str(error)) from None

    def _container(self, number: Any, tree: Any, depth: int) -> Any:
        """A shared container; those in it, and itself, may be referred to in it."""
        kind = list if type(tree) is list else {("d",): dict, ("s",): set}[tuple(tree)]
        made: Any = kind()
        if number != self.share(made):
            raise ValueError("a container out of turn")
        fill(made, super().decode(tree, depth))
        return made

    def contents(self) -> list[Any]:
        """What the shared containers hold now."""
        self.numbering = False
        return [super(Exchange, self).encode(container) for container in self.shared]

    def restore(self, trees: Any) -> None:
        """Give the shared containers here what they hold there.

        All is read before anything is changed.
        """
        if type(trees) is not list or len(trees) != len(self.shared):
            raise ValueError("containers are missing")
        contents = [super(Exchange, self).decode(tree) for tree in trees]
        if any(
            type(mine) is not type(theirs)
            for mine, theirs in zip(self.shared, contents, strict=True)
        ):
            raise ValueError("a container of another type")
        for mine, theirs in zip(self.shared, contents, strict=True):
            fill(mine, theirs)


def fill(container: Any, content: Any) -> None:
    """Make it hold that."""
    container.clear()
    container.extend(content) if type(container) is list else container.update(content)


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise ValueError("no integer")
    return value


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise ValueError("no list")
    return value
