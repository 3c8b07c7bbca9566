"""The tests' side of rpc mode: the line to the program's process, and what is read from it."""

from __future__ import annotations

import builtins
import json
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from sandbox.runner.codec import UnencodableError, loads
from sandbox.runner.exchange import Exchange
from sandbox.runner.proxies import EXTENDED, Handle, Held, Proxy, Raised, Unscorable

LONGEST = 1 << 25
"""Bytes of one answer."""
CONTROL: dict[str, type[BaseException]] = {
    kind.__name__: type(kind.__name__, (kind,), {})
    for kind in (StopIteration, StopAsyncIteration, GeneratorExit, KeyboardInterrupt, SystemExit)
}
"""What steers loops and the tests' own process. From the program they come only where a test
asks for them (asking.py)."""


def _builtin_exception(name: str) -> type[Exception] | None:
    """Those that say something went wrong."""
    kind = getattr(builtins, name, None)
    return (
        kind
        if isinstance(kind, type)
        and issubclass(kind, Exception)
        and kind is not Exception
        and name not in CONTROL
        else None
    )


class Gone(BaseException):
    """The program's process ended or broke the protocol."""


class Remote:
    """The line to the program's process.

    `fatal` stays set even if a test swallows what was raised.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.is_asked_for: Callable[[str], bool] = lambda _: False
        self.marked: set[int] = set()
        self.fatal: BaseException | None = None
        self.known: dict[int, Any] = {}
        self.functions: list[Callable[..., Any]] = []

    def fail(self, error: BaseException) -> NoReturn:
        """Raise it, and remember the first."""
        self.fatal = self.fatal or error
        raise error

    def receive(self) -> dict[str, Any]:
        """The next line of the program's.

        What it has printed is printed here, where a test may catch it.
        """
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
        """Have the program carry out one operation; its value.

        StopIteration where an iteration is over.
        """
        exchange = Exchange(self)
        try:
            self.write(
                {"op": op, "h": target, "a": exchange.encode(args), "k": exchange.encode(kwargs)}
            )
        except UnencodableError as error:
            self.fail(Unscorable(f"an argument of type {error} cannot be sent to the program"))
        while "call" in (record := self.receive()):
            self.write(self.called(record))
        if op == "next" and record.get("end") is True:
            raise StopIteration
        try:
            value = self.exception(record["e"]) if "e" in record else exchange.decode(record["v"])
            exchange.restore(record["m"])
        except Exception as error:  # whatever it is: a StopIteration would end a loop of the tests
            self.fail(Gone(f"the program's answer cannot be read: {error}"))
        if "e" in record:
            raise value
        return value

    def called(self, record: dict[str, Any]) -> dict[str, Any]:
        """Call one of the tests' functions that the program was given."""
        exchange = Exchange(self, numbering=False)
        try:
            function = (
                self.functions[record["call"]]
                if type(record["call"]) is int and record["call"] >= 0
                else None
            )
            args, kwargs = exchange.decode(record["a"]), exchange.decode(record["k"])
            if function is None or type(args) is not list or type(kwargs) is not dict:
                raise ValueError("no call of the protocol")
        except Exception as error:
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
            number = next(
                (number for number, known in enumerate(self.functions) if known is value),
                len(self.functions),
            )
            if number == len(self.functions):
                self.functions.append(value)
            name = getattr(value, "__name__", "function")
            return {"F": [number, name if type(name) is str else "function"]}
        raise UnencodableError(type(value).__name__)

    def decode_other(self, exchange: Exchange, tag: str, content: Any) -> Any:
        """An object of the program's, or a function that it was given."""
        if tag == "F" and type(content) is int and 0 <= content < len(self.functions):
            return self.functions[content]
        if (
            type(content) is not list
            or len(content) != {"H": 3, "P": 4, "X": 2}.get(tag)
            or type(content[0]) is not int
        ):
            raise ValueError("no value of the protocol")
        if tag == "X":
            return self.exception_class(content[1])
        if type(content[1]) is not str or type(content[2]) is not str:
            raise ValueError("no value of the protocol")
        if content[0] not in self.known or tag == "P":
            self.known[content[0]] = self.proxy(exchange, content)
        return self.known[content[0]]

    def proxy(self, exchange: Exchange, content: list[Any]) -> Any:
        """The stand-in of an object on the other side.

        Something to await, a base type's value that knows more, or a bare handle.
        """
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
        own = [
            k
            for k in ancestry
            if type(k) is list and len(k) == 2 and type(k[0]) is int and type(k[1]) is str
        ]
        names = [k for k in ancestry if type(k) is str]
        if (
            control := next((name for name in names if name in CONTROL), None)
        ) and self.is_asked_for(control):
            return CONTROL[control]
        base: type[BaseException] = next(
            (kind for name in names if (kind := _builtin_exception(name))), Exception
        )
        for number, name in reversed(own):
            if number not in self.known:
                self.known[number] = type(
                    name,
                    (base,) if issubclass(base, Raised) else (Raised, base),
                    {"_handle": Held(self, number, name)},
                )
            base = self.known[number]
            if not (isinstance(base, type) and issubclass(base, BaseException)):
                raise ValueError("no error of the protocol")
        return base

    def exception(self, content: Any) -> BaseException:
        """What the program raised, as an exception of the nearest kind there is here.

        None of them ends an iteration or the tests.
        """
        if (
            type(content) is not list
            or len(content) != 4
            or type(content[1]) is not str
            or type(content[3]) is not int
        ):
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
