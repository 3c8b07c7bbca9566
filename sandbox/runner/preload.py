"""Packages of the image, imported once before the first job is read.

So a program that imports them pays nothing.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

PACKAGES = "/opt/packages"
LISTING = "/opt/packages.json"


def listing() -> dict[str, Any]:
    """Versions of all packages, and the modules of each package that was asked for.

    Both are empty in an image without packages.
    """
    try:
        with open(LISTING) as file:
            content: dict[str, Any] = json.load(file)
            return content
    except FileNotFoundError:
        return {"versions": {}, "modules": {}}


def packages() -> dict[str, Any]:
    """Import the packages into this process.

    Returns:
        What of them does not work here and why, and by how much this process has grown, in bytes of
        address space (`mapped`) and of memory (`resident`).
    """
    modules = listing()["modules"]
    if not modules:
        return {"unfit": {}, "mapped": 0, "resident": 0}
    sys.path.append(PACKAGES)
    os.environ["PYTHONPATH"] = PACKAGES  # of the interpreters that a program starts
    before = size()
    unfit = {}
    for package, names in modules.items():
        errors = [error for name in names if (error := load(name))]
        if errors and len(errors) == len(names):
            unfit[package] = f"cannot be imported: {errors[0]}"
        # which a fork leaves behind, with the locks that they hold
        if (threads := len(os.listdir("/proc/self/task"))) > 1:
            unfit[package] = (
                f"starts {threads - 1} threads when it is imported, and a program would run without"
                " them"
            )
            break
    mapped, resident = (max(0, now - then) for now, then in zip(size(), before, strict=True))
    return {"unfit": unfit, "mapped": mapped, "resident": resident}


def load(name: str) -> str | None:
    """Import a module, and what it would import lazily, as scipy does with its parts.

    Returns:
        The reason if that fails, else None.
    """
    try:
        module = importlib.import_module(name)
    except BaseException as error:
        cause = error
        # the first one says which library is missing, where the last one is a page of advice
        while cause.__cause__ is not None:
            cause = cause.__cause__
        return " ".join(f"{type(cause).__name__}: {cause}".split())[:400]
    for offered in getattr(module, "__all__", ()):
        try:
            getattr(module, offered)
        except Exception:
            continue  # what is offered only where something else is installed
    return None


def size() -> tuple[int, int]:
    """Bytes that this process has mapped, which RLIMIT_AS counts, and those in memory."""
    with open("/proc/self/statm") as file:
        mapped, resident = map(int, file.read().split()[:2])
    return mapped * os.sysconf("SC_PAGE_SIZE"), resident * os.sysconf("SC_PAGE_SIZE")
