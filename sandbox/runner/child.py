"""The untrusted side: the process of one case, after it has given up every privilege.

Nothing here is trusted: a program may change any of it. It can then only change what it sends as its answer.
"""

from __future__ import annotations

import ast
import atexit
import builtins
import contextlib
import io
import json
import linecache
import marshal
import os
import sys
import threading
import traceback
import types
from typing import Any, NoReturn

from sandbox.runner.codec import UnencodableError, decode, encode

PAYLOAD, RESULTS = 3, 4
NAME = "program.py"


def open_standard_streams() -> None:
    """Python's streams over descriptors 0 to 2, as a fresh interpreter would have them."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        raw = io.FileIO(fd, "w" if fd else "r", closefd=False)
        buffer = io.BufferedWriter(raw) if fd else io.BufferedReader(raw)
        errors = "backslashreplace" if fd == 2 else "surrogateescape"
        stream = io.TextIOWrapper(buffer, "utf-8", errors, line_buffering=fd == 2)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def read_payload() -> dict[str, Any]:
    """What to run, from the descriptor that the supervisor filled."""
    data = os.read(PAYLOAD, os.fstat(PAYLOAD).st_size)
    os.close(PAYLOAD)
    return marshal.loads(data)


def send(record: dict[str, Any]) -> None:
    """Append one line to the results."""
    data = (json.dumps(record) + "\n").encode()
    while data:
        data = data[os.write(RESULTS, data) :]


def finish(code: int) -> NoReturn:
    """End as an interpreter does: threads joined, exit handlers run, streams flushed; but without tearing it down."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
    except BaseException:
        code = code or 120
    with contextlib.suppress(BaseException):
        sys.stderr.flush()
    os._exit(code)


def compiled(source: str, flags: int = 0) -> Any:
    """The program's code, or its tree; if it has none, say so and end."""
    try:
        return compile(source, NAME, "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, UnicodeError) as error:
        send({"malformed": f"{type(error).__name__}: {error}"[:300]})
        os._exit(0)


def fresh_main(source: str) -> dict[str, Any]:
    """The namespace of a new `__main__`."""
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=NAME, __builtins__=builtins)
    sys.modules["__main__"] = module
    linecache.cache[NAME] = (len(source), None, source.splitlines(keepends=True), NAME)
    return module.__dict__


def guarded(action: Any) -> int:
    """Run it; the exit status that an interpreter would end with."""
    try:
        action()
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        print(error.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def load(source: str, entry: str, name: str) -> dict[str, Any]:
    """The namespace of a program that defines `entry`, as module `name`; where there is none, say so and end."""
    code = compiled(source)
    space = fresh_main(source)
    space["__name__"] = name
    status = guarded(lambda: exec(code, space))
    if status:
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
    finish(guarded(lambda: exec(code, fresh_main(job["source"]))))


def main_run(limits: dict[str, Any]) -> None:
    """Run the program; if its last statement is an expression, send its value and its printed form."""
    job = read_payload()
    compiled(job["source"])  # what only compiling finds, such as `return` outside of a function
    tree = compiled(job["source"], ast.PyCF_ONLY_AST)
    last = ast.Expression(tree.body.pop().value) if tree.body and isinstance(tree.body[-1], ast.Expr) else None  # type: ignore[attr-defined]
    space = fresh_main(job["source"])

    def action() -> None:
        exec(compile(tree, NAME, "exec", dont_inherit=True), space)
        if last is not None:
            value = eval(compile(last, NAME, "eval", dont_inherit=True), space)
            try:
                send({"v": encode(value)})
            except UnencodableError:
                send({"u": str(value)[:1000]})

    finish(guarded(action))


def find(space: dict[str, Any], entry: str) -> Any:
    """`name`, or `Class.method` of a new instance."""
    first, *rest = entry.split(".")
    found = space[first]
    if rest and isinstance(found, type):
        found = found()
    for name in rest:
        found = getattr(found, name)
    return found


def main_func(limits: dict[str, Any]) -> None:
    """Load the program, call its entry point for each case, send each result."""
    job = read_payload()
    space = load(job["source"], job["entry"], "__main__")
    for args, kwargs in job["calls"]:
        try:
            send(call(space, job["entry"], decode(args), decode(kwargs)))
        except MemoryError:
            send({"e": "MemoryError: the result is too large"})
    try:
        sys.stdout.flush()
    finally:
        os._exit(0)


def call(space: dict[str, Any], entry: str, args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """One call's record: `v` a value, `u` a value without plain form, `e` an error."""
    try:
        return {"v": encode(find(space, entry)(*args, **kwargs))}
    except UnencodableError as error:
        return {"u": str(error)[:200]}
    except BaseException as error:
        return {"e": f"{type(error).__name__}: {error}"[:300]}
