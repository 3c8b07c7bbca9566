"""Plain values as JSON and back, by exact type; used inside the container and on the host.

The encoder runs where the program can tamper with it, which only changes the answer that is sent.
The decoder runs on the trusted side: whatever it cannot read in full raises ValueError, and that is
a wrong answer.
"""

from __future__ import annotations

import collections
import json
from collections import Counter
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

DEEPEST = 60
COLLIDING = 300
HEX_DIGITS = 300_000
FRACTION_DIGITS = 10_000
PLAIN_INT = 2**53
BASES = (int, float, str, bytes, complex, tuple, list, dict, set, frozenset)


class UnencodableError(Exception):
    """A value has no plain form; the message is the name of its type."""


class Codec:
    """Values without identity: None, bool, numbers, text, bytes, lists, tuples, sets and dicts.

    A subclass (a named tuple, a member of an IntEnum, a Counter) is sent as what it is made of, by
    its base type: what arrives is compared by the base type's equality, never by its own. A deque
    is sent as a list, a numpy value by `tolist`.
    """

    def encode(self, value: Any, depth: int = 0) -> Any:
        """A JSON tree; UnencodableError where the value has none."""
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
            return [self.encode(item, depth + 1) for item in value]
        if kind is tuple:
            return {"t": [self.encode(item, depth + 1) for item in value]}
        if kind is dict:
            return {
                "d": [
                    [self.encode(k, depth + 1), self.encode(v, depth + 1)] for k, v in value.items()
                ]
            }
        if kind is set or kind is frozenset:
            return {"s" if kind is set else "z": [self.encode(item, depth + 1) for item in value]}
        if kind is bytes:
            return {"b": value.hex()}
        if kind is complex:
            return {"c": [value.real.hex(), value.imag.hex()]}
        if kind is Fraction:
            return {"q": [hex(value.numerator), hex(value.denominator)]}
        if kind is Decimal:
            return {"n": str(value)}
        return self.encode_other(value, depth)

    def encode_other(self, value: Any, depth: int) -> Any:
        """The tree of a value of another type."""
        if (base := base_of(value)) is not None:
            return self.encode(as_base(value, base), depth)
        kind = type(value)
        if kind is bytearray:
            return self.encode(bytes(value), depth)
        if kind is collections.deque:
            return self.encode(list(value), depth)
        if kind.__module__ == "numpy" and hasattr(kind, "tolist"):
            return self.encode(value.tolist(), depth)
        raise UnencodableError(kind.__name__)

    def decode(self, tree: Any, depth: int = 0) -> Any:
        """The value of a JSON tree; ValueError where it is none."""
        if tree is None or type(tree) in (bool, str, int):
            return tree
        if depth > DEEPEST + 1:
            raise ValueError("nested too deep")
        if type(tree) is list:
            return [self.decode(item, depth + 1) for item in tree]
        if type(tree) is not dict or len(tree) != 1:
            raise ValueError("no value of the protocol")
        [(tag, content)] = tree.items()
        return self.decode_tagged(tag, content, depth + 1)

    def decode_tagged(self, tag: str, content: Any, depth: int) -> Any:
        """A value whose type JSON does not have."""
        if type(content) is list:
            if tag in ("t", "s", "z"):
                items = [self.decode(item, depth) for item in content]
                return (
                    tuple(items)
                    if tag == "t"
                    else _hashed_container(set if tag == "s" else frozenset, items)
                )
            if tag == "d" and all(type(pair) is list and len(pair) == 2 for pair in content):
                return _hashed_container(
                    dict, [(self.decode(k, depth), self.decode(v, depth)) for k, v in content]
                )
            if (
                tag in ("c", "q")
                and len(content) == 2
                and all(type(part) is str for part in content)
            ):
                return (
                    complex(_float(content[0]), _float(content[1]))
                    if tag == "c"
                    else _fraction(*content)
                )
        if type(content) is str:
            if tag == "i" and len(content) <= HEX_DIGITS:
                return int(content, 16)
            if tag == "f" and len(content) <= 40:
                return _float(content)
            if tag == "b":
                return bytes.fromhex(content)
            if tag == "n":
                return _decimal(content)
        raise ValueError("no value of the protocol")


_plain = Codec()
encode, decode = _plain.encode, _plain.decode


def base_of(value: Any) -> type | None:
    """The built-in type that the value's class is a subclass of."""
    return next((base for base in BASES if isinstance(value, base)), None)


def as_base(value: Any, base: type) -> Any:
    """Its content as that type, whatever its class says of it."""
    if base in (int, float):
        return base.__pos__(value)
    if base is str:
        return str.__str__(value)
    if base is complex:
        return complex.__pos__(value)
    if base is bytes:
        return bytes.__getitem__(value, slice(None))
    if base is dict:
        return dict(dict.items(value))
    return base(base.__iter__(value))  # type: ignore[attr-defined]


def _hashed_container(kind: Any, items: list[Any]) -> Any:
    """A set or dict.

    One with a key that cannot be hashed is refused, and so is one whose keys are made to collide:
    building it would take the square of their number, in one go that nothing can interrupt.
    """
    try:
        hashes = Counter(hash(item[0] if kind is dict else item) for item in items)
        if hashes and max(hashes.values()) > COLLIDING:
            raise ValueError(f"more than {COLLIDING} of its keys have one hash")
        return kind(items)
    except TypeError as error:
        raise ValueError(str(error)) from None


def _float(text: str) -> float:
    try:
        return float.fromhex(text)
    except OverflowError as error:
        raise ValueError(str(error)) from None


def _fraction(above: str, below: str) -> Fraction:
    """Short enough that comparing takes no time."""
    if len(above) + len(below) > FRACTION_DIGITS or int(below, 16) <= 0:
        raise ValueError("no fraction")
    return Fraction(int(above, 16), int(below, 16))


def _decimal(text: str) -> Decimal:
    """Short enough, and of an exponent small enough, that comparing or converting takes no time."""
    try:
        value = Decimal(text[:FRACTION_DIGITS])
    except InvalidOperation:
        raise ValueError("no decimal number") from None
    if (
        len(text) > FRACTION_DIGITS
        or value.is_snan()
        or (value.is_finite() and abs(value.adjusted()) > FRACTION_DIGITS)
    ):
        raise ValueError("no decimal number of a usual size")
    return value


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
