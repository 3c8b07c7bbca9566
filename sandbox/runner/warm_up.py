"""What every case does, done before the first one in the process that they are forked from.

Python writes to what it runs: it specializes code, fills caches of attributes, takes memory. What
has been written here is the same memory for all cases; what a case writes first it pays for, a page
at a time.
"""

from __future__ import annotations

import gc
import json
import linecache
import marshal
import sys

from sandbox.runner import candidate, child, tester
from sandbox.runner.codec import decode, encode, loads
from sandbox.runner.remote import Remote

TIMES = 20
"""More than it takes until Python has specialized a function."""
PROGRAM = (
    "import sys\n\n\ndef f(x):\n    return [str(y) for y in x] + [x[0] + 1]\n\n\nprint(f([1, 2.5]),"
    " len('x'))\n"
)
TEST = (
    "def check(candidate):\n    assert candidate([1, 2.5]) == ['1', '2.5', 2]\ncheck(f)\nfor _ in"
    " range(1): assert f([0])[-1] == 1"
)


class Answers:
    """A line to a program that runs right here."""

    def __init__(self, conversation: candidate.Conversation) -> None:
        self.conversation = conversation
        self.reply = b'{"ready":true}\n'

    def write(self, line: bytes) -> None:
        self.reply = json.dumps(self.conversation.answer(json.loads(line))).encode() + b"\n"

    def flush(self) -> None:
        pass

    def readline(self, _: int) -> bytes:
        return self.reply


def warm_up() -> None:
    """Run a program and its tests as the cases will, without their processes."""
    main, stdout = sys.modules["__main__"], sys.stdout
    job = {
        "source": PROGRAM,
        "entry": "f",
        "context": "",
        "tests": [TEST],
        "calls": [[encode([[1, 2.5]]), encode({})]],
    }
    for _ in range(TIMES):
        job = marshal.loads(marshal.dumps(job))
        space = child.fresh_module(job["source"], child.IMPORTED)
        conversation = candidate.Conversation(space, None)
        exec(child.compiled(job["source"]), space)
        for args, kwargs in job["calls"]:
            decode(loads(json.dumps(child.call(space, "f", decode(args), decode(kwargs))))["v"])
        tests = tester.prepared(job, Remote(Answers(conversation)))
        tester.run_test(TEST, "test 0", tests)
        child.flush(sys.stdout)
        gc.collect()
    sys.modules["__main__"], sys.stdout = main, stdout
    del sys.modules[child.IMPORTED], linecache.cache[child.NAME]
