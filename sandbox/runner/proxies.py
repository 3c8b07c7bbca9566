"""The tests' side of rpc mode: objects that stand for the program's.

What an operation comes to is carried over as plain data, and is then only what the program says, as anything that it
returns. Whether it is right is decided here, on plain data: what the program could answer for itself, the equality and
order of its own objects and what is in them, is not asked for, and a test that needs it cannot be scored.
"""

from __future__ import annotations

import builtins
import json
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

from sandbox.runner.codec import UnencodableError, as_base, loads
from sandbox.runner.exchange import Exchange

CHANNEL = 5
LONGEST = 1 << 25
"""Bytes of one answer."""


class Unscorable(BaseException):
    """The tests need what cannot be carried over. Not an Exception, so that tests do not catch it."""


class Gone(BaseException):
    """The program's process ended or broke the protocol."""


class Remote:
    """The line to the program's process. `fatal` stays set even if a test swallows what was raised."""

    def __init__(self, asked: Callable[[str], bool] = lambda _: False) -> None:
        self.asked = asked
        self.told: set[int] = set()
        self.stream = socket.socket(fileno=CHANNEL).makefile("rwb")
        self.fatal: BaseException | None = None
        self.known: dict[int, Any] = {}
        self.functions: list[Callable[..., Any]] = []

    def fail(self, error: BaseException) -> NoReturn:
        """Raise it, and remember the first."""
        self.fatal = self.fatal or error
        raise error

    def receive(self) -> dict[str, Any]:
        """The next line of the program's. What it has printed is printed here, where a test may catch it."""
        try:
            line = self.stream.readline(LONGEST)
        except OSError:
            line = b""
        if not line:
            self.fail(Gone("the program ended"))
        try:
            record = loads(line.decode()) if line.endswith(b"\n") else None
        except ValueError:
            record = None
        if type(record) is not dict:
            self.fail(Gone("the program answered with something else than a result"))
        if type(printed := record.get("o", "")) is str and printed:
            sys.stdout.write(printed.encode("utf-8", "replace").decode())
        return record

    def write(self, record: dict[str, Any]) -> None:
        """Send one line."""
        try:
            self.stream.write((json.dumps(record) + "\n").encode())
            self.stream.flush()
        except OSError:
            self.fail(Gone("the program ended"))

    def ask(self, op: str, target: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Have the program carry out one operation; its value. StopIteration where an iteration is over."""
        exchange = Exchange(self)
        try:
            self.write({"op": op, "h": target, "a": exchange.encode(args), "k": exchange.encode(kwargs)})
        except UnencodableError as error:
            self.fail(Unscorable(f"an argument of type {error} cannot be sent to the program"))
        while "call" in (record := self.receive()):
            self.write(self.called(record))
        if op == "next" and record.get("end") is True:
            raise StopIteration
        try:
            value = self.exception(record["e"]) if "e" in record else exchange.decode(record["v"])
            exchange.restore(record["m"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self.fail(Gone(f"the program's answer cannot be read: {error}"))
        if "e" in record:
            raise value
        return value

    def called(self, record: dict[str, Any]) -> dict[str, Any]:
        """Call one of the tests' functions that the program was given."""
        exchange = Exchange(self, numbering=False)
        try:
            function = self.functions[record["call"]] if type(record["call"]) is int and record["call"] >= 0 else None
            args, kwargs = exchange.decode(record["a"]), exchange.decode(record["k"])
            if function is None or type(args) is not list or type(kwargs) is not dict:
                raise ValueError("no call of the protocol")
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self.fail(Gone(f"the program's call cannot be read: {error}"))
        try:
            return {"v": exchange.encode(function(*args, **kwargs))}
        except UnencodableError as error:
            self.fail(Unscorable(f"a result of type {error} cannot be sent to the program"))
        except Exception as error:
            return {"e": f"{type(error).__name__}: {error}"[:300]}

    def encode_other(self, exchange: Exchange, value: Any, depth: int) -> Any:
        """An object of the program's goes back by its number, a function of the tests gets one."""
        if isinstance(value, Proxy) or (isinstance(value, type) and issubclass(value, Raised)):
            return {"H": value._handle.number}
        if callable(value):
            number = next((number for number, known in enumerate(self.functions) if known is value), len(self.functions))
            if number == len(self.functions):
                self.functions.append(value)
            name = getattr(value, "__name__", "function")
            return {"F": [number, name if type(name) is str else "function"]}
        raise UnencodableError(type(value).__name__)

    def decode_other(self, exchange: Exchange, tag: str, content: Any) -> Any:
        """An object of the program's, or a function that it was given."""
        if tag == "F" and type(content) is int and 0 <= content < len(self.functions):
            return self.functions[content]
        if type(content) is not list or len(content) != {"H": 3, "P": 4, "X": 2}.get(tag) or type(content[0]) is not int:
            raise ValueError("no value of the protocol")
        if tag == "X":
            return self.exception_class(content[1])
        if type(content[1]) is not str or type(content[2]) is not str:
            raise ValueError("no value of the protocol")
        if content[0] not in self.known or tag == "P":
            self.known[content[0]] = self.proxy(exchange, content)
        return self.known[content[0]]

    def proxy(self, exchange: Exchange, content: list[Any]) -> Any:
        """What stands for an object: something to await, a base type's value that knows more, or a bare handle."""
        number, kind, traits, *plain = content
        if "a" in traits:
            return self.awaited(number)
        made: Any
        if plain:
            value = exchange.decode(plain[0])
            if type(value) not in EXTENDED:
                raise ValueError("no value of the protocol")
            made = EXTENDED[type(value)](value)
        else:
            made = Handle()
        object.__setattr__(made, "_handle", Held(self, number, kind, traits))
        return made

    async def awaited(self, number: int) -> Any:
        """A coroutine of the program's; it has an event loop of its own."""
        return self.ask("await", number)

    def exception_class(self, ancestry: Any) -> type[BaseException]:
        """The program's exception class, made anew here, under the nearest built-in one."""
        if type(ancestry) is not list or not ancestry:
            raise ValueError("no error of the protocol")
        own = [k for k in ancestry if type(k) is list and len(k) == 2 and type(k[0]) is int and type(k[1]) is str]
        names = [k for k in ancestry if type(k) is str]
        if (control := next((name for name in names if name in CONTROL), None)) and self.asked(control):
            return CONTROL[control]
        base: type[BaseException] = next((kind for name in names if (kind := _builtin_exception(name))), Exception)
        for number, name in reversed(own):
            if number not in self.known:
                self.known[number] = type(
                    name, (base,) if issubclass(base, Raised) else (Raised, base), {"_handle": Held(self, number, name)}
                )
            base = self.known[number]
            if not (isinstance(base, type) and issubclass(base, BaseException)):
                raise ValueError("no error of the protocol")
        return base

    def exception(self, content: Any) -> BaseException:
        """What the program raised, as an exception of the nearest kind there is here. None of them ends an iteration or the tests."""
        if type(content) is not list or len(content) != 4 or type(content[1]) is not str or type(content[3]) is not int:
            raise ValueError("no error of the protocol")
        ancestry, text, args, number = content
        kind = self.exception_class(ancestry)
        plain = Exchange(self, numbering=False).decode(args)
        first = ancestry[0] if type(ancestry[0]) is str else ancestry[0][1]
        if kind is Exception and first != "Exception":
            return Exception(f"{first}: {text}")
        try:
            made = kind.__new__(kind, *plain)
            if not issubclass(kind, Raised):
                made.__init__(*plain)  # type: ignore[misc]
            made.args = tuple(plain)
        except Exception:
            return Exception(f"{first}: {text}")
        if isinstance(made, Raised):
            made._text, made._raised = text, number
        return made


CONTROL: dict[str, type[BaseException]] = {
    kind.__name__: type(kind.__name__, (kind,), {})
    for kind in (StopIteration, StopAsyncIteration, GeneratorExit, KeyboardInterrupt, SystemExit)
}
"""What steers loops and the tests' own process. From the program they come only where a test asks for them (asking.py)."""


def _builtin_exception(name: str) -> type[Exception] | None:
    """Those that say something went wrong."""
    kind = getattr(builtins, name, None)
    return kind if isinstance(kind, type) and issubclass(kind, Exception) and kind is not Exception and name not in CONTROL else None


class Held(NamedTuple):
    """Where an object is, the name of its class, and what that class defines for itself (`Objects.traits` in candidate.py)."""

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
        if name.startswith("__") and name not in ("__name__", "__qualname__", "__doc__", "__dict__", "__annotations__", "__wrapped__"):
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
        return self._told(value) if self._handle.number in self._handle.remote.told else value

    def _told(self, value: Any) -> Any:
        """What came of an operator that was given the tests' own data, which may be the expected answer: `abs(f(x) - 0.5) < 1e-6` must
        not be for the program to decide. It may be an object, and never comes to anything plain."""
        if not isinstance(value, Handle):
            self._refuse("say how far it is from what a test has")
        self._handle.remote.told.add(value._handle.number)
        return value

    def _plain(self, op: str, kind: type, *args: Any) -> Any:
        """An operation whose result Python wants to be of one type."""
        value = self._ask(op, *args)
        if type(value) is not kind:
            raise TypeError(f"{op} of a {self._handle.kind} returned a {type(value).__name__}")
        return value

    def _refuse(self, what: str) -> NoReturn:
        kind, remote = self._handle.kind, self._handle.remote
        remote.fail(Unscorable(f"an object of the program's class {kind} would have to {what}, which no plain form decides"))


def _extended(base: type) -> type:
    """A built-in type whose values have the attributes of an object of the program's, and compare as plain ones."""
    return type(base.__name__, (Proxy, base), {"__reduce_ex__": lambda self, _: (base, (as_base(self, base),))})


EXTENDED = {base: _extended(base) for base in (int, float, str, bytes, complex, tuple, list, dict, set, frozenset)}


class Handle(Proxy):
    """An object of the program's without a plain form."""

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        self._refuse("be copied")

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._ask("call", *args, **kwargs)

    def __eq__(self, other: Any) -> bool:
        """Identity, where its class says no more."""
        if other is not self and ("=" in self._handle.traits or (isinstance(other, Handle) and "=" in other._handle.traits)):
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
        return value if type(other) is Handle else self._told(value)

    return carry_out


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift"):
    setattr(Handle, f"__{_name}__", _binary(f"__{_name}__"))
    setattr(Handle, f"__r{_name}__", _binary(f"r___{_name}__"))
for _name in ("neg", "pos", "abs", "invert", "getitem", "setitem", "delitem"):
    setattr(Handle, f"__{_name}__", _operator(f"__{_name}__"))
