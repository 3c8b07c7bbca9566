"""The trusted side of rpc mode: a process under its own uid runs the tests and alone can write their verdict.

The program lives in another process. Here it is a proxy whose calls send plain data and get plain data back, so that no
object of the program's making, with an equality of its own, is ever compared.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import os
import socket
import sys
from typing import Any, NoReturn

from sandbox.runner.child import read_payload, send
from sandbox.runner.codec import UnencodableError, decode, encode, loads

CHANNEL = 5


class Unscorable(BaseException):
    """The tests need what cannot be carried over. Not an Exception, so that tests do not catch it."""


class Gone(BaseException):
    """The program's process ended or broke the protocol."""


class Remote:
    """The line to the program's process. `fatal` stays set even if a test swallows what was raised."""

    def __init__(self, longest: int) -> None:
        self.stream = socket.socket(fileno=CHANNEL).makefile("rwb")
        self.longest = longest
        self.fatal: BaseException | None = None

    def fail(self, error: BaseException) -> NoReturn:
        """Raise it, and remember the first."""
        self.fatal = self.fatal or error
        raise error

    def receive(self) -> dict[str, Any]:
        """One reply."""
        try:
            line = self.stream.readline(self.longest)
            record = loads(line.decode()) if line.endswith(b"\n") else None
        except (OSError, ValueError):
            record = None
        if type(record) is not dict:
            self.fail(Gone("the program ended, or answered with something else than a result"))
        return record

    def ask(self, op: str, name: str, handle: int | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Carry out one operation over there."""
        try:
            request = {"op": op, "name": name, "h": handle, "a": encode(list(args), _known), "k": encode(kwargs, _known)}
        except UnencodableError as error:
            self.fail(Unscorable(f"an argument of type {error} cannot be sent to the program"))
        try:
            self.stream.write((json.dumps(request) + "\n").encode())
            self.stream.flush()
        except OSError:
            self.fail(Gone("the program ended"))
        record = self.receive()
        try:
            if "e" in record:
                raise _exception(record["e"])
            value, changed = decode(record["v"], self.handle), decode(record["m"], self.handle)
        except (ValueError, KeyError, TypeError) as error:
            if "e" in record and not isinstance(error, Malformed):
                raise
            self.fail(Gone(f"the program's answer cannot be read: {error}"))
        _write_back(args, changed)
        return value

    def handle(self, tag: str, content: Any) -> Any:
        """An object that stays over there."""
        if tag != "h" or type(content) is not list or len(content) != 2 or type(content[0]) is not int or type(content[1]) is not str:
            raise Malformed("no value of the protocol")
        return Handle(self, content[0], content[1])


class Malformed(ValueError):
    """An answer outside the protocol, told apart from a ValueError that the program raised."""


class Handle:
    """An object of the program's. It can be called, passed back, read and written, but never compared."""

    def __init__(self, remote: Remote, number: int, kind: str) -> None:
        object.__setattr__(self, "_handle", (remote, number, kind))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        remote, number, _ = self._handle
        return remote.ask("call", "", number, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        remote, number, _ = self._handle
        return remote.ask("get", "", number, (name,), {})

    def __setattr__(self, name: str, value: Any) -> None:
        remote, number, _ = self._handle
        remote.ask("set", "", number, (name, value), {})

    def _refuse(self, *_: Any) -> Any:
        remote, _number, kind = self._handle
        remote.fail(Unscorable(f"a result of type {kind} has no plain form to compare"))

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __len__ = __iter__ = __contains__ = __hash__ = _refuse  # type: ignore[assignment]
    __getitem__ = __add__ = __radd__ = __sub__ = __rsub__ = __int__ = __float__ = __index__ = __str__ = __repr__ = _refuse  # type: ignore[assignment]


def _known(value: Any) -> Any:
    """Of what is not plain, only handles and built-in types can be sent."""
    if type(value) is Handle:
        return {"h": value._handle[1]}
    if isinstance(value, type) and value in vars(builtins).values():
        return {"k": value.__name__}
    if isinstance(value, range):
        return encode(list(value))
    raise UnencodableError(type(value).__name__)


def _exception(content: Any) -> Exception:
    """The nearest built-in exception to what the program raised."""
    if type(content) is not list or len(content) != 2 or type(content[0]) is not list or type(content[1]) is not str:
        raise Malformed("no error of the protocol")
    for name in content[0]:
        kind = getattr(builtins, name, None) if type(name) is str else None
        if isinstance(kind, type) and issubclass(kind, Exception) and kind is not Exception:
            try:
                return kind(content[1])
            except TypeError:
                continue
    return Exception(f"{str(content[0][:1])[2:-2]}: {content[1]}")


def _write_back(args: tuple[Any, ...], changed: Any) -> None:
    """Give the caller's own lists, dicts and sets the content that the program left in its copies."""
    for mine, theirs in zip(args, changed if type(changed) is list else [], strict=False):
        if type(mine) is type(theirs) and isinstance(mine, list):
            mine[:] = theirs
        elif type(mine) is type(theirs) and isinstance(mine, (dict, set)):
            mine.clear()
            mine.update(theirs)


def wanted_names(trees: list[ast.Module]) -> set[str]:
    """Names that the tests use and define nowhere. A built-in is never among them: the program must not replace one."""
    names = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)]
    defined = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                defined.add(node.name)
            elif isinstance(node, ast.arg):
                defined.add(node.arg)
            elif isinstance(node, ast.alias):
                defined.add((node.asname or node.name).partition(".")[0])
    return {node.id for node in names} - defined - set(dir(builtins))


def proxy(remote: Remote, name: str) -> Any:
    """A function of the program's."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return remote.ask("call", name, None, args, kwargs)

    return call


def main(limits: dict[str, Any]) -> None:
    """Run the context and each test in turn; send one verdict."""
    os.chdir("/")  # away from what the program can write: nothing may be imported from there, however late and by whatever
    job = read_payload()
    remote = Remote(4 * int(limits["output_bytes"]))
    verdict: dict[str, Any] = {"pass": True}
    position = -1
    try:
        remote.receive()
        space = _namespace(job, remote)
        for position, test in enumerate(job["tests"]):
            exec(compile(test, f"test {position}", "exec", dont_inherit=True), space)
            if remote.fatal:
                raise remote.fatal
    except Unscorable as error:
        verdict = {"unscorable": str(error)[:300], "case": max(position, 0)}
    except BaseException as error:
        fatal = remote.fatal or error
        kind = "unscorable" if isinstance(fatal, Unscorable) else "wrong"
        verdict = {kind: f"{type(fatal).__name__}: {_text(fatal)}"[:300], "case": max(position, 0)}
    send(verdict)
    sys.stdout.flush()
    os._exit(0)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:
        return ""


def _namespace(job: dict[str, Any], remote: Remote) -> dict[str, Any]:
    """What the tests see: their context, the entry point, and what else they take from the program."""
    space: dict[str, Any] = {"__name__": "tests"}
    entry = proxy(remote, job["entry"])
    names = {"candidate", job["entry"].rpartition(".")[2]}
    for name in wanted_names([ast.parse(text) for text in (job["context"], *job["tests"])]) - names:
        if name in sys.stdlib_module_names:  # first, lest the program's `math` be taken for the real one
            space[name] = importlib.import_module(name)
        elif remote.ask("has", "", None, (name,), {}) is True:
            space[name] = proxy(remote, name)
    space |= dict.fromkeys(names, entry)
    exec(compile(job["context"], "context", "exec", dont_inherit=True), space)
    space |= dict.fromkeys(names, entry)  # again: a prompt's context may hold an empty function of that name
    return space
