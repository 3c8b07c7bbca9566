"""The untrusted side: the process of one case, after it has given up every privilege.

Nothing here is trusted: a program may change any of it. It can then only change what it sends as
its answer.
"""

from __future__ import annotations

import ast
import atexit
import builtins
import contextlib
import gc
import io
import json
import linecache
import marshal
import os
import socket
import sys
import threading
import traceback
import types
import weakref
from collections.abc import Callable
from typing import Any, NoReturn

from sandbox.runner.codec import UnencodableError, decode, encode

PAYLOAD, RESULTS, CHANNEL = 3, 4, 5
NAME = "program.py"
IMPORTED = "program"
"""Name of a program that is called rather than run: its `if __name__ == "__main__"` is for other
occasions."""
OWN_FRAMES = 4
"""Of Python's recursion limit that are the runner's, below the program's own."""


def open_standard_streams() -> None:
    """Python's streams over descriptors 0 to 2, as a fresh interpreter would have them."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        raw = io.FileIO(fd, "w" if fd else "r", closefd=False)
        raw.name = f"<{name}>"
        buffer = io.BufferedWriter(raw) if fd else io.BufferedReader(raw)
        errors = "backslashreplace" if fd == 2 else "surrogateescape"
        stream = io.TextIOWrapper(buffer, "utf-8", errors, newline="\n", line_buffering=fd == 2)
        stream.mode = "w" if fd else "r"  # type: ignore[misc]
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def read_payload() -> dict[str, Any]:
    """What to run, from the descriptor that the supervisor filled."""
    data = os.read(PAYLOAD, os.fstat(PAYLOAD).st_size)
    os.close(PAYLOAD)
    sys.setrecursionlimit(sys.getrecursionlimit() + OWN_FRAMES)
    payload: dict[str, Any] = marshal.loads(data)
    return payload


def channel() -> Any:
    """Mode rpc: the line between the tests and the program."""
    return socket.socket(fileno=CHANNEL).makefile("rwb")


def send(record: dict[str, Any]) -> None:
    """Append one line to the results."""
    data = (json.dumps(record) + "\n").encode()
    while data:
        data = data[os.write(RESULTS, data) :]


def compiled(source: str, flags: int = 0) -> Any:
    """The program's code, or its tree; if it has none, say so and end."""
    try:
        return compile(source, NAME, "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, UnicodeError) as error:
        send({"malformed": f"{type(error).__name__}: {error}"[:300]})
        os._exit(0)


def fresh_module(source: str, name: str) -> dict[str, Any]:
    """The namespace of a new module of that name, which is the main one too."""
    module = types.ModuleType(name)
    module.__dict__.update(__file__=f"/tmp/{NAME}", __builtins__=builtins)
    sys.modules[name] = sys.modules["__main__"] = module
    linecache.cache[NAME] = (lambda: source,)  # taken apart when a traceback asks for its lines
    return module.__dict__


def exit_status(error: BaseException) -> int:
    """The status that an interpreter ends with for it, after saying what it says."""
    if not isinstance(error, SystemExit):
        traceback.print_exception(error)
        return 1
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def finish(status: int) -> NoReturn:
    """End the process as an interpreter does, except that the interpreter is not torn down.

    Threads are joined, exit handlers run, and the program's objects finalized, so that what its
    files still hold is written.
    """
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        flush(sys.stdout)
    except BaseException:
        status = status or 120
    steps: list[Callable[[], None]] = [
        lambda: flush(sys.stderr),
        drop_program,
        lambda: flush(sys.stdout),
        lambda: flush(sys.stderr),
    ]
    for step in steps:
        with contextlib.suppress(BaseException):
            step()
    os._exit(status)


def flush(stream: Any) -> None:
    """Unless the program has closed it or taken it away."""
    if stream is not None and not getattr(stream, "closed", False):
        stream.flush()


def drop_program() -> None:
    """Let go of the main module as an interpreter does; empty it if something still holds it."""
    atexit._clear()
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
    # as an interpreter does, too: it puts what holds before what is held, so that a writer is
    # flushed before its file closes
    gc.collect()
    held = weakref.ref(sys.modules.pop("__main__", sys))
    gc.collect()
    if (module := held()) is not None and module is not sys:
        space = module.__dict__
        for name in [
            *(n for n in space if n[:1] == "_" != n[1:2]),
            *(n for n in space if n != "__builtins__"),
        ]:
            space[name] = None


def load(source: str, entry: str) -> dict[str, Any]:
    """The namespace of a program that defines `entry`; where there is none, say so and end."""
    code = compiled(source)
    space = fresh_module(source, IMPORTED)
    try:
        exec(code, space)
    except BaseException as error:
        if status := exit_status(error):
            os._exit(status)
    if entry.partition(".")[0] not in space:
        send({"malformed": f"it does not define {entry}"})
        os._exit(0)
    return space


def main_stdin(limits: dict[str, Any]) -> None:
    """Run the program as a script; the host reads what it printed."""
    job = read_payload()
    code = compiled(job["source"])
    os.close(RESULTS)
    status = 0
    try:
        exec(code, fresh_module(job["source"], "__main__"))
    except BaseException as error:
        status = exit_status(error)
    finish(status)


def main_run(limits: dict[str, Any]) -> None:
    """Run the program.

    If its last statement is an expression, its value and its printed form are sent.
    """
    job = read_payload()
    compiled(job["source"])  # what only compiling finds, such as `return` outside of a function
    tree = compiled(job["source"], ast.PyCF_ONLY_AST)
    last = (
        ast.Expression(tree.body.pop().value)
        if tree.body and isinstance(tree.body[-1], ast.Expr)
        else None
    )
    code = compile(tree, NAME, "exec", dont_inherit=True)
    status = 0
    try:
        space = fresh_module(job["source"], "__main__")
        exec(code, space)
        if last is not None:
            send_value(eval(compile(last, NAME, "eval", dont_inherit=True), space))
        del space
    except BaseException as error:
        status = exit_status(error)
    finish(status)


def send_value(value: Any) -> None:
    """`v` a value, or `u` the printed form of one without plain form."""
    try:
        send({"v": encode(value)})
    except UnencodableError:
        send({"u": str(value)[:1000]})


def find(space: dict[str, Any], entry: str) -> Any:
    """`name`, or `Class.method` of a new instance."""
    first, *rest = entry.split(".")
    target = space[first]
    if rest and isinstance(target, type):
        target = target()
    for name in rest:
        target = getattr(target, name)
    return target


def main_func(limits: dict[str, Any]) -> None:
    """Load the program, call its entry point for each case, send each result."""
    job = read_payload()
    space = load(job["source"], job["entry"])
    for args, kwargs in job["calls"]:
        try:
            send(call(space, job["entry"], decode(args), decode(kwargs)))
        except MemoryError:
            send({"e": "MemoryError: the result is too large"})
    try:
        sys.stdout.flush()
    finally:
        os._exit(0)


def call(
    space: dict[str, Any], entry: str, args: list[Any], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """One call's record: `v` a value, `u` a value without plain form, `e` an error."""
    try:
        return {"v": encode(find(space, entry)(*args, **kwargs))}
    except UnencodableError as error:
        return {"u": str(error)[:200]}
    except BaseException as error:
        return {"e": f"{type(error).__name__}: {error}"[:300]}
