"""The trusted side of rpc mode: runs the tests in a process under its own uid.

It alone can write their verdict. The program lives in another process. Here it is a proxy whose
calls send plain data and get plain data back, so that no object of the program's making, with an
equality of its own, is ever compared.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import os
import sys
import types
from typing import Any

from sandbox.runner.asking import Asked
from sandbox.runner.child import channel, read_payload, send
from sandbox.runner.proxies import TypeOf, Unscorable
from sandbox.runner.remote import CONTROL, Remote


def wanted_names(trees: list[ast.Module]) -> set[str]:
    """Names that the tests use and define nowhere.

    A built-in is never among them: the program must not replace one.
    """
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


def main(limits: dict[str, Any]) -> None:
    """Run the context and each test in turn; send one verdict."""
    # away from what the program can write: nothing may be imported from there, however late and by
    # whatever
    os.chdir("/")
    job = read_payload()
    remote = Remote(channel())
    verdict: dict[str, Any] = {"pass": True}
    position, passed = -1, 0
    try:
        space = prepared(job, remote)
        for position, test in enumerate(job["tests"]):
            try:
                run_test(test, f"test {position}", space)
            except Exception as error:
                if remote.fatal or not job["all_cases"]:
                    raise
                verdict = verdict if "wrong" in verdict else _wrong(error, position)
                continue
            if remote.fatal:
                raise remote.fatal
            passed += 1
    except BaseException as error:
        last = error if isinstance(error, Unscorable) else remote.fatal or error
        if isinstance(last, Unscorable):
            verdict = (
                verdict
                if "wrong" in verdict
                else {"unscorable": str(last)[:300], "case": max(position, 0)}
            )
        else:
            verdict = verdict if "wrong" in verdict else _wrong(last, position)
    if verdict != {"pass": True}:
        verdict["passed"] = passed
    send(verdict)
    sys.stdout.flush()
    os._exit(0)


def _wrong(error: BaseException, position: int) -> dict[str, Any]:
    return {"wrong": f"{type(error).__name__}: {_text(error)}"[:300], "case": max(position, 0)}


def run_test(test: str, name: str, space: dict[str, Any]) -> None:
    """Run a test as the script that it is."""
    code = compile(test, name, "exec", dont_inherit=True)
    space["__name__"] = "__main__"
    if "unittest" not in test:
        exec(code, space)
        return
    from sandbox.runner import unittests

    unittests.run(code, space)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:
        return ""


def _entry(remote: Remote, entry: str) -> Any:
    """What the tests call: an object of the program's, or a method of a new one each time."""
    if "." not in entry:
        return remote.ask("name", entry)

    def method(*args: Any, **kwargs: Any) -> Any:
        return remote.ask("entry", entry, *args, **kwargs)

    return method


def prepared(job: dict[str, Any], remote: Remote) -> dict[str, Any]:
    """The names that the tests see, once the program is there.

    Their context, the entry point, and what else they take from the program.
    """
    texts = {
        "context": job["context"],
        **{f"test {n}": test for n, test in enumerate(job["tests"])},
    }
    trees = {name: ast.parse(text) for name, text in texts.items()}
    remote.is_asked_for = Asked(trees, frozenset(CONTROL))
    remote.receive()
    module = sys.modules["__main__"] = types.ModuleType("tests")
    space = module.__dict__
    entry = _entry(remote, job["entry"])
    names = {"candidate", job["entry"].rpartition(".")[2]}
    for name in wanted_names(list(trees.values())) - names:
        # first, lest the program's `math` be taken for the real one
        if name in sys.stdlib_module_names:
            space[name] = importlib.import_module(name)
            continue
        with contextlib.suppress(KeyError):
            space[name] = remote.ask("name", name)
    if any("type(" in test for test in job["tests"]):
        space["type"] = TypeOf()
    space |= dict.fromkeys(names, entry)
    exec(compile(job["context"], "context", "exec", dont_inherit=True), space)
    # again: a prompt's context may hold an empty function of that name
    space |= dict.fromkeys(names, entry)
    return space
