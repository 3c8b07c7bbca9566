"""The tests' side of rpc mode: objects that stand for the program's.

What an operation comes to is carried over as plain data, and is then only what the program says, as
anything that it returns. Whether it is right is decided here, on plain data: what the program could
answer for itself, the equality and order of its own objects and what is in them, is not asked for,
and a test that needs it cannot be scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from sandbox.runner.codec import as_base

if TYPE_CHECKING:
    from sandbox.runner.remote import Remote


T = TypeVar("T")
VISIBLE = "__name__ __qualname__ __doc__ __dict__ __annotations__ __wrapped__"
"""Attributes with such names that the tests may read of a program's object."""


class Unscorable(BaseException):
    """The tests need what cannot be carried over.

    Not an Exception, so that tests do not catch it.
    """


class Held(NamedTuple):
    """Where an object is, the name of its class, and the traits of that class.

    Traits are what the class defines for itself (`Objects.traits` in candidate.py).
    """

    remote: Remote
    number: int
    kind: str
    traits: str = ""


class Raised(Exception):
    """An exception of a class that the program defines; its other attributes stay over there."""

    _handle: Held
    _text = ""
    _raised = -1

    def __init__(self, *args: Any, **_: Any) -> None:
        pass

    def __str__(self) -> str:
        return self._text

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self._raised < 0:
            raise AttributeError(name)
        return self._handle.remote.ask("get", self._raised, name)


class Proxy:
    """Attributes of an object of the program's."""

    _handle: Held

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in VISIBLE.split():
            raise AttributeError(name)
        return self._ask("get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._ask("set", name, value)

    def __delattr__(self, name: str) -> None:
        self._ask("delete", name)

    def __str__(self) -> str:
        return self._plain("str", str)

    def __repr__(self) -> str:
        return self._plain("repr", str)

    def __format__(self, spec: str) -> str:
        return self._plain("format", str, spec)

    def _ask(self, op: str, /, *args: Any, **kwargs: Any) -> Any:
        value = self._handle.remote.ask(op, self._handle.number, *args, **kwargs)
        return self._marked(value) if self._handle.number in self._handle.remote.marked else value

    def _marked(self, value: Any) -> Any:
        """The result of an operator that was given the tests' own data.

        The data may be the expected answer: `abs(f(x) - 0.5) < 1e-6` must not be for the program to
        decide. The result may be an object, and never becomes anything plain.
        """
        if not isinstance(value, Handle):
            self._refuse("say how far it is from what a test has")
        self._handle.remote.marked.add(value._handle.number)
        return value

    def _plain(self, op: str, kind: type[T], *args: Any) -> T:
        """An operation whose result Python wants to be of one type."""
        value = self._ask(op, *args)
        if type(value) is not kind:
            raise TypeError(f"{op} of a {self._handle.kind} returned a {type(value).__name__}")
        return value

    def _refuse(self, demand: str) -> NoReturn:
        kind, remote = self._handle.kind, self._handle.remote
        remote.fail(
            Unscorable(
                f"an object of the program's class {kind} would have to {demand}, which no plain"
                " form decides"
            )
        )


def _extended(base: type) -> type:
    """A built-in type whose values have the attributes of one of the program's objects.

    They compare as plain values.
    """
    return type(
        base.__name__,
        (Proxy, base),
        {"__reduce_ex__": lambda self, _: (base, (as_base(self, base),))},
    )


EXTENDED = {
    base: _extended(base)
    for base in (int, float, str, bytes, complex, tuple, list, dict, set, frozenset)
}


class Handle(Proxy):
    """An object of the program's without a plain form."""

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        self._refuse("be copied")

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._ask("call", *args, **kwargs)

    def __eq__(self, other: Any) -> bool:
        """Identity, where its class says no more."""
        if other is not self and (
            "=" in self._handle.traits
            or (isinstance(other, Handle) and "=" in other._handle.traits)
        ):
            self._refuse("say what it equals")
        return other is self

    def __hash__(self) -> int:
        if "=" in self._handle.traits:
            self._refuse("say what it equals")
        return hash(self._handle.number)

    def __lt__(self, other: Any) -> bool:
        self._refuse("say what comes before it")

    __gt__ = __le__ = __ge__ = __lt__

    def __contains__(self, value: Any) -> bool:
        if "i" in self._handle.traits:
            self._refuse("say what is in it")
        return any(item is value or item == value for item in self)

    def __bool__(self) -> bool:
        return self._plain("bool", bool) if "?" in self._handle.traits else True

    def __len__(self) -> int:
        return self._plain("len", int)

    def __int__(self) -> int:
        return self._plain("int", int)

    def __float__(self) -> float:
        return self._plain("float", float)

    def __complex__(self) -> complex:
        return self._plain("complex", complex)

    def __bytes__(self) -> bytes:
        return self._plain("bytes", bytes)

    def __index__(self) -> int:
        return self._plain("index", int)

    def __round__(self, *digits: int) -> Any:
        return self._ask("round", *digits)

    def __iter__(self) -> Iterator[Any]:
        """Item by item, as far as the tests go."""
        return Items(self._ask("iter"))

    def __reversed__(self) -> Iterator[Any]:
        return Items(self._ask("reversed"))

    def __next__(self) -> Any:
        return self._ask("next")

    def __enter__(self) -> Any:
        return self._ask("enter")

    def __exit__(self, *raised: Any) -> None:
        if raised[0] is not None:
            self._refuse("be told what a test raised")
        self._ask("exit")

    def __instancecheck__(self, value: Any) -> bool:
        return self._ask("isinstance", value) is True

    def __subclasscheck__(self, value: Any) -> bool:
        return self._ask("issubclass", value) is True

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return self._ask("class")


class Items:
    """An iteration over something of the program's."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle

    def __iter__(self) -> Items:
        return self

    def __next__(self) -> Any:
        return next(self.handle)


def _operator(op: str) -> Callable[..., Any]:
    def carry_out(self: Handle, *args: Any) -> Any:
        return self._ask(op, *args)

    return carry_out


def _binary(op: str) -> Callable[..., Any]:
    def carry_out(self: Handle, other: Any) -> Any:
        value = self._ask(op, other)
        return value if type(other) is Handle else self._marked(value)

    return carry_out


BINARY = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift"
for _name in BINARY.split():
    setattr(Handle, f"__{_name}__", _binary(f"__{_name}__"))
    setattr(Handle, f"__r{_name}__", _binary(f"r___{_name}__"))
for _name in ("neg", "pos", "abs", "invert", "getitem", "setitem", "delitem"):
    setattr(Handle, f"__{_name}__", _operator(f"__{_name}__"))


class TypeOf:
    """What tests call as `type`: the class of a program's object is on the other side."""

    def __call__(self, *args: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], Proxy):
            return args[0]._ask("class")
        return type(*args)

    def __instancecheck__(self, value: Any) -> bool:
        return isinstance(value, type)

    def __mro_entries__(self, bases: Any) -> tuple[type]:
        return (type,)
