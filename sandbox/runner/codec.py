"""Plain values as JSON and back, by exact type; used inside the container and on the host.

The encoder runs where the program can tamper with it, which only changes the answer that is sent. The decoder runs on
the trusted side: whatever it cannot read in full raises ValueError, and that is a wrong answer.
"""

from __future__ import annotations

import collections
import json
from typing import Any

DEEPEST = 60
HEX_DIGITS = 300_000
PLAIN_INT = 2**53
MAPPINGS = (dict, collections.Counter, collections.OrderedDict, collections.defaultdict)


class UnencodableError(Exception):
    """A value has no plain form; the message is the name of its type."""


def encode(value: Any, other: Any = None, depth: int = 0) -> Any:
    """A JSON tree. `other(value)` may encode what is not plain; without it UnencodableError is raised.

    A subclass is not plain: its equality may be anything. The standard library's mappings, equal to dict by content,
    are sent as dict.
    """
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return value if -PLAIN_INT < value < PLAIN_INT else {"i": hex(value)}
    if kind is float:
        return {"f": value.hex()}
    if depth > DEEPEST:
        raise UnencodableError("nested too deep")
    if kind is list:
        return [encode(item, other, depth + 1) for item in value]
    if kind is tuple:
        return {"t": [encode(item, other, depth + 1) for item in value]}
    if kind in MAPPINGS:
        return {"d": [[encode(k, other, depth + 1), encode(v, other, depth + 1)] for k, v in dict.items(value)]}
    if kind is set or kind is frozenset:
        return {"s" if kind is set else "z": [encode(item, other, depth + 1) for item in value]}
    if kind is bytes:
        return {"b": value.hex()}
    if kind is complex:
        return {"c": [value.real.hex(), value.imag.hex()]}
    if other is not None:
        return other(value)
    raise UnencodableError(kind.__name__)


def decode(tree: Any, other: Any = None, depth: int = 0) -> Any:
    """The value of a JSON tree. `other(tag, content)` may decode tags unknown here."""
    if tree is None or type(tree) in (bool, str):
        return tree
    if type(tree) is int:
        return tree
    if depth > DEEPEST + 1:
        raise ValueError("nested too deep")
    if type(tree) is list:
        return [decode(item, other, depth + 1) for item in tree]
    if type(tree) is not dict or len(tree) != 1:
        raise ValueError("no value of the protocol")
    [(tag, content)] = tree.items()
    return _decode_tagged(tag, content, other, depth + 1)


def _decode_tagged(tag: str, content: Any, other: Any, depth: int) -> Any:
    """A value whose type JSON does not have."""
    if tag in ("t", "s", "z") and type(content) is list:
        items = [decode(item, other, depth) for item in content]
        return tuple(items) if tag == "t" else _hashed(set if tag == "s" else frozenset, items)
    if tag == "d" and type(content) is list and all(type(pair) is list and len(pair) == 2 for pair in content):
        return _hashed(dict, [(decode(k, other, depth), decode(v, other, depth)) for k, v in content])
    if tag == "c" and type(content) is list and len(content) == 2 and all(type(part) is str for part in content):
        return complex(float.fromhex(content[0]), float.fromhex(content[1]))
    if type(content) is str:
        if tag == "i" and len(content) <= HEX_DIGITS:
            return int(content, 16)
        if tag == "f" and len(content) <= 40:
            return _float(content)
        if tag == "b":
            return bytes.fromhex(content)
    if other is not None:
        return other(tag, content)
    raise ValueError("no value of the protocol")


def _hashed(kind: Any, items: list[Any]) -> Any:
    """A set or dict; one that names a key that cannot be hashed is refused."""
    try:
        return kind(items)
    except TypeError as error:
        raise ValueError(str(error)) from None


def _float(text: str) -> float:
    try:
        return float.fromhex(text)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def loads(text: str) -> Any:
    """Strict JSON: no NaN, no numbers but short integers; ValueError for anything else."""

    def refuse(_: str) -> Any:
        raise ValueError("a number that the protocol does not have")

    def integer(digits: str) -> int:
        return int(digits) if len(digits) <= 20 else refuse(digits)

    try:
        return json.loads(text, parse_float=refuse, parse_constant=refuse, parse_int=integer)
    except RecursionError:
        raise ValueError("nested too deep") from None
