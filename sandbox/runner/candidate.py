"""The program's side of rpc mode: it loads the program and does what the tests ask for.

Untrusted, as child.py is.
"""

from __future__ import annotations

import inspect
import io
import json
import operator
import os
import sys
from collections.abc import Callable
from typing import Any

from sandbox.runner.child import channel, find, load, read_payload
from sandbox.runner.codec import UnencodableError, as_base, base_of
from sandbox.runner.exchange import Exchange

PRINTED = 1 << 20  # of what is printed between two lines; the tests hear of no more
HEAP_TYPE = 1 << 9  # of a class that Python code made

OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": lambda target, *args, **kwargs: target(*args, **kwargs),
    "get": getattr,
    "set": setattr,
    "delete": delattr,
    "isinstance": lambda target, value: isinstance(value, target),
    "issubclass": lambda target, value: issubclass(value, target),
    "class": type,
    "iter": iter,
    "reversed": reversed,
    "await": lambda target: complete(target),
    "enter": lambda target: target.__enter__(),
    "exit": lambda target: target.__exit__(None, None, None),
}
for _carried in (len, str, repr, int, float, complex, bool, bytes, round, format):
    OPERATIONS[_carried.__name__] = _carried


def complete(target: Any) -> Any:
    """What awaiting it comes to."""
    import asyncio  # few programs need it, and it is large

    async def awaited() -> Any:
        return await target

    return asyncio.run(awaited())


class Objects:
    """What the tests hold by number: objects without a plain form."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.held: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.callbacks: dict[int, Any] = {}

    def number(self, value: Any) -> int:
        """Its number, the same each time."""
        if id(value) not in self.numbers:
            self.numbers[id(value)] = len(self.held)
            self.held.append(value)
        return self.numbers[id(value)]

    def encode_other(self, exchange: Exchange, value: Any, depth: int) -> Any:
        """Encode a value that is not plain data.

        A function of the tests, an exception's class, an object with a base type's content, or any
        other object.
        """
        for number, callback in self.callbacks.items():
            if callback is value:
                return {"F": number}
        if isinstance(value, type) and issubclass(value, BaseException):
            return {"X": [self.number(value), self.ancestry(value)]}
        held = [self.number(value), type(value).__name__[:60], self.traits(value)]
        base = base_of(value)
        return (
            {"H": held}
            if base is None
            else {"P": [*held, Exchange(self, numbering=False).encode(as_base(value, base), depth)]}
        )

    def ancestry(self, kind: type) -> list[Any]:
        """An exception's class and its bases: own by number and name, built-in ones by name."""
        return [
            [self.number(k), k.__name__[:60]] if k.__flags__ & HEAP_TYPE else k.__name__
            for k in kind.__mro__[:20]
        ]

    def traits(self, value: Any) -> str:
        """What a class defines for itself that the tests must not decide on their own.

        `=` equality, `in`; and `?` truth, `a`wait.
        """
        kind: Any = type(value)
        own = kind.__eq__ is not object.__eq__
        within = kind.__flags__ & HEAP_TYPE and hasattr(kind, "__contains__")
        truth = hasattr(kind, "__bool__") or hasattr(kind, "__len__")
        return "=" * own + "i" * bool(within) + "?" * truth + "a" * inspect.isawaitable(value)

    def decode_other(self, exchange: Exchange, tag: str, content: Any) -> Any:
        """An object by its number, or a function of the tests."""
        if tag == "H":
            return self.held[content]
        if tag != "F":
            raise ValueError("unknown tag")
        number, name = content
        if number not in self.callbacks:
            self.callbacks[number] = self.callback(number, name)
        return self.callbacks[number]

    def callback(self, number: int, name: str) -> Any:
        """A function here that is carried out by the tests."""

        def callback(*args: Any, **kwargs: Any) -> Any:
            return self.conversation.ask(number, args, kwargs)

        callback.__name__ = callback.__qualname__ = name
        return callback


class Conversation:
    """The line to the tests. Either side may ask while it is being asked."""

    def __init__(self, space: dict[str, Any], stream: Any) -> None:
        self.space = space
        self.stream = stream
        self.objects = Objects(self)
        self.printed = sys.stdout = io.TextIOWrapper(
            io.BytesIO(), "utf-8", "surrogateescape", newline="\n", write_through=True
        )

    def write(self, record: dict[str, Any]) -> None:
        """One line, with what has been printed since the last one."""
        buffer: Any = self.printed.buffer
        if buffer.tell():
            record["o"] = buffer.getvalue()[:PRINTED].decode("utf-8", "replace")
            buffer.seek(0)
            buffer.truncate()
        self.stream.write(json.dumps(record).encode() + b"\n")
        self.stream.flush()

    def serve(self) -> Any:
        """Answer requests until a reply comes; None when the tests hang up."""
        for line in self.stream:
            record = json.loads(line)
            if "op" not in record:
                return record
            self.write(self.answer(record))
        return None

    def ask(self, number: int, args: Any, kwargs: Any) -> Any:
        """Have the tests call one of their functions."""
        exchange = Exchange(self.objects, numbering=False)
        self.write({"call": number, "a": exchange.encode(list(args)), "k": exchange.encode(kwargs)})
        record = self.serve()
        if record is None:
            os._exit(0)
        if "e" in record:
            raise RuntimeError(record["e"])
        return exchange.decode(record["v"])

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request.

        `v` is a value and `m` what the containers hold that came with it, `e` an error, and `end`
        the end of an iteration.
        """
        exchange = Exchange(self.objects)
        try:
            args, kwargs = exchange.decode(request["a"]), exchange.decode(request["k"])
            if request["op"] == "next":
                try:
                    value = next(self.objects.held[request["h"]])
                except StopIteration:
                    return {"end": True}
            else:
                value = self.carry_out(request["op"], request["h"], args, kwargs)
            exchange.numbering = False
            return {"v": exchange.encode(value), "m": exchange.contents()}
        except BaseException as error:
            return {"e": self.error(error), "m": exchange.contents()}

    def carry_out(self, op: str, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """`name` and `entry` by text, the others on an object by its number."""
        if op == "name":
            return self.space[target]
        if op == "entry":
            return find(self.space, target)(*args, **kwargs)
        target = self.objects.held[target]
        if op in OPERATIONS:
            return OPERATIONS[op](target, *args, **kwargs)
        if op.startswith("r_"):
            return getattr(operator, op[2:])(*args, target)
        return getattr(operator, op)(target, *args)

    def error(self, error: BaseException) -> list[Any]:
        """Its class with those above it, text, arguments, and number."""
        try:
            args = Exchange(self.objects, numbering=False).encode(list(error.args))
        except (UnencodableError, AttributeError):
            args = []
        try:
            text = str(error)[:2000]
        except Exception:
            text = ""
        return [self.objects.ancestry(type(error)), text, args, self.objects.number(error)]


def main(limits: dict[str, Any]) -> None:
    """Load, say so, then serve until the tests hang up."""
    job = read_payload()
    space = load(job["source"], job["entry"])  # imported by its tests, as it were
    sys.stdout.flush()
    conversation = Conversation(space, channel())
    conversation.write({"ready": True})
    conversation.serve()
    os._exit(0)
