"""The program's side of rpc mode: it loads the program and answers calls. Untrusted, as child.py is."""

from __future__ import annotations

import builtins
import json
import os
import socket
from typing import Any

from sandbox.runner.child import find, load, read_payload
from sandbox.runner.codec import decode, encode

CHANNEL = 5
MUTABLE = (list, dict, set)


class Handles:
    """Objects without a plain form stay here; the tester gets their numbers."""

    def __init__(self) -> None:
        self.held: list[Any] = []

    def put(self, value: Any) -> dict[str, Any]:
        """The form that is sent for it."""
        self.held.append(value)
        return {"h": [len(self.held) - 1, type(value).__name__[:60]]}

    def get(self, tag: str, content: Any) -> Any:
        """The object that a number stands for, or a built-in type by its name."""
        if tag == "k":
            return getattr(builtins, content)
        if tag != "h":
            raise ValueError("unknown tag")
        return self.held[content]


def main(limits: dict[str, Any]) -> None:
    """Load, say so, then serve until the tester hangs up."""
    job = read_payload()
    space = load(job["source"], job["entry"], "program")  # imported by its tests, as it were
    channel = socket.socket(fileno=CHANNEL)
    handles = Handles()
    with channel.makefile("rwb") as stream:
        stream.write(b'{"ready":true}\n')
        stream.flush()
        for line in stream:
            stream.write(json.dumps(answer(json.loads(line), space, handles)).encode() + b"\n")
            stream.flush()
    os._exit(0)


def answer(request: dict[str, Any], space: dict[str, Any], handles: Handles) -> dict[str, Any]:
    """One request's reply: `v` a value and `m` the arguments as they are afterwards, or `e` an error."""
    try:
        value: Any
        args, kwargs = decode(request["a"], handles.get), decode(request["k"], handles.get)
        target = handles.held[request["h"]] if request["h"] is not None else None
        if request["op"] == "get":
            value = getattr(target, *args)
        elif request["op"] == "set":
            setattr(target, *args)
            value = None
        elif request["op"] == "has":
            value = args[0].partition(".")[0] in space
        else:
            value = (find(space, request["name"]) if target is None else target)(*args, **kwargs)
        changed = [encode(arg, handles.put) if type(arg) in MUTABLE else None for arg in args]
        return {"v": encode(value, handles.put), "m": changed}
    except BaseException as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        return {"e": [kinds[:20], str(error)[:300]]}
