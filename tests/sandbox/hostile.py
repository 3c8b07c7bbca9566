# ruff: noqa: E501
"""Programs that misbehave. They are only ever run inside the sandbox.

MESSY ones get "3" and are right to print "4", but try to leave something behind or to hurt others.
DENIALS name the outcome beside the program; none may cost a container. ASKED_FOR do what their
tests ask for. Those that try to forge a pass are in selftrain_assets/testing/forging_programs.py.
"""

MESSY = {
    "daemon after a right answer": (
        """
import os, time
print(4, flush=True)
if not os.fork():
    os.setsid()
    if not os.fork():
        while True:
            os.write(1, b'5'); time.sleep(0.01)
    os._exit(0)
"""
    ),
    "background thread": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,),"
        " daemon=True).start(); print(4)"
    ),
    "subprocess left running": (
        "import subprocess; subprocess.Popen(['python3', '-c', 'import time; time.sleep(60)']);"
        " print(4)"
    ),
    "files left": (
        "open('/tmp/a', 'w').write('x'); import os; os.makedirs('/tmp/b/c/d'); os.symlink('/etc',"
        " '/tmp/b/link'); print(4)"
    ),
    "locked folders left": (
        """
import os
os.makedirs('/tmp/a/b/c'); open('/tmp/a/b/c/d', 'w')
for name in ('/tmp/a/b/c', '/tmp/a/b', '/tmp/a'): os.chmod(name, 0)
print(4)
"""
    ),
    "very deep folders left": (
        """
import os
for _ in range(1900):
    os.mkdir('d'); os.chdir('d')
print(4)
"""
    ),
    "scratch full of bytes": (
        """
try:
    for n in range(100): open(f'/tmp/{n}', 'wb').write(b'x' * 10**6)
except OSError: pass
print(4)
"""
    ),
    "scratch full of files": (
        """
try:
    for n in range(10**5): open(f'/tmp/{n}', 'w').close()
except OSError: pass
print(4)
"""
    ),
    "queue left": (
        """
try: open('/dev/mqueue/x', 'w').write('x')
except OSError: pass
print(4)
"""
    ),
    "shared memory left": (
        """
import ctypes
ctypes.CDLL(None).shmget(1234, 4096, 0o1666)
try: open('/dev/shm/x', 'w').write('x')
except OSError: pass
print(4)
"""
    ),
    "memory files": (
        """
import os
held = []
try:
    for n in range(100):
        fd = os.memfd_create('x'); held.append(fd); os.write(fd, b'x' * 10**6)
except OSError: pass
print(4)
"""
    ),
    "sealed output": (
        "import fcntl\nprint(4, flush=True)\nfor fd in (1, 2): fcntl.fcntl(fd, 1033, 15)"
    ),
    "output rewritten by a child that stays": (
        """
import os
print(4, flush=True)
if not os.fork():
    os.setsid()
    while True: os.pwrite(1, b'5', 0); os.ftruncate(1, 0); os.pwrite(1, b'4', 0)
"""
    ),
    "patched builtins": (
        "import builtins, sys, json, os\nbuiltins.open = builtins.len = json.dumps = os.fork ="
        " None\nprint(4)"
    ),
    "altered zygote modules": (
        "import sys\nfor name in list(sys.modules):\n    if 'sandbox' in name:"
        " sys.modules[name].__dict__.clear()\nprint(4)"
    ),
}

SPARE_ME = """
import ctypes, mmap, os, time
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: its files in /proc are its own
open("/proc/self/oom_score_adj", "w").write("0")
"""
DENIALS = {
    "the killer is stopped": (
        "pass",
        """
import ctypes, mmap, os, time
print(4, flush=True)
me = os.getpid()
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        code = b"".join(b"\\xbf" + (me + n).to_bytes(4, "little") + b"\\xbe\\x13\\0\\0\\0\\xb8\\x3e\\0\\0\\0\\x0f\\x05" for n in range(4, 8))
        code += b"\\xe9" + (-len(code) - 5).to_bytes(4, "little", signed=True)
        page = mmap.mmap(-1, 4096, prot=7)
        page.write(code)
        ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()  # kill(pid, SIGSTOP) for ever
time.sleep(0.3)
""",
    ),
    "everyone else is reniced": (
        "pass",
        """
import os
done = 0
for which in (os.PRIO_USER, os.PRIO_PGRP, os.PRIO_PROCESS):
    for who in (0, 1, os.getppid(), os.getuid()):
        if (which, who) != (os.PRIO_PROCESS, 0):
            try: os.setpriority(which, who, 19); done += 1
            except PermissionError: pass
os.nice(3)  # itself it may
print(4 + done)
""",
    ),
    "a child for the zygote": (
        "pass",
        """
import ctypes, os
if ctypes.CDLL(None).syscall(56, 0x8000 | 17, 0, 0, 0, 0) == 0: os._exit(0)
print(4)
""",
    ),
    "folders deeper than any path": (
        "pass",
        """
import os
try:
    for _ in range(1500): os.mkdir("d" * 200); os.chdir("d" * 200)
except OSError: pass
print(4)
""",
    ),
    "wide and locked folders": (
        "pass",
        """
import os
for n in range(30):
    os.makedirs(f"/tmp/{n}/" + "/".join("abcdefgh"))
    open(f"/tmp/{n}/a/b/file", "w").close()
    os.link(f"/tmp/{n}/a/b/file", f"/tmp/{n}/a/b/c/link")
    for depth in range(8, 0, -1): os.chmod(f"/tmp/{n}/" + "/".join("abcdefgh"[:depth]), 0)
    os.chmod(f"/tmp/{n}", 0)
print(4)
""",
    ),
    "a chain of children that nobody waits for": (
        "timeout",
        """
import os, time
reader, writer = os.pipe()
if os.fork() == 0:
    for _ in range(4):
        started = time.process_time()
        while time.process_time() - started < 0.6: pass
        if os.fork(): os._exit(0)
    os.write(writer, b"4"); os._exit(0)
os.close(writer)
print(os.read(reader, 9).decode())
""",
    ),
    "children whose end is ignored": (
        "timeout",
        """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        while time.process_time() < 0.7: pass
        os._exit(0)
    try: os.wait()
    except ChildProcessError: pass
print(4)
""",
    ),
    "memory files of no process": (
        "resource",
        SPARE_ME
        + """
for _ in range(12):
    if os.fork() == 0:
        try:
            while True: os.write(os.memfd_create("x"), b"x" * 10**6)
        except OSError: time.sleep(60)
time.sleep(4)
print(4)
""",
    ),
    "memory that waits in sockets": (
        "resource",
        SPARE_ME
        + """
import socket
for _ in range(20):
    if os.fork() == 0:
        pairs = []
        try:
            while True:
                pairs.append(socket.socketpair())
                for end in pairs[-1]:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**30)
                    end.setblocking(False)
                    try:
                        while True: end.send(b"x" * 65536)
                    except BlockingIOError: pass
        except OSError: time.sleep(60)
time.sleep(4)
print(4)
""",
    ),
    "shared memory of no process": (
        "resource",
        SPARE_ME
        + """
for _ in range(12):
    if os.fork() == 0:
        shared = mmap.mmap(-1, 200 << 20)
        for start in range(0, 200 << 20, 10 << 20):
            shared[start : start + (10 << 20)] = b"x" * (10 << 20)
            shared.madvise(mmap.MADV_DONTNEED, start, 10 << 20)
        time.sleep(60)
time.sleep(4)
print(4)
""",
    ),
}

ASKED_FOR = {
    "except StopIteration": (
        "def f(x): return next(iter(()))",
        "try:\n    f(1)\n    assert False\nexcept StopIteration: pass",
    ),
    "except a tuple": (
        "def f(x): raise GeneratorExit",
        "try:\n    f(1)\n    assert False\nexcept (ValueError, GeneratorExit): pass",
    ),
    "the status of an exit": (
        "import sys\ndef f(x): sys.exit(3)",
        "try:\n    f(1)\n    assert False\nexcept SystemExit as error: assert error.code == 3",
    ),
    "assertRaises with": (
        "import sys\ndef f(x): sys.exit(3)",
        (
            "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        with"
            " self.assertRaises(SystemExit): f(1)"
        ),
    ),
    "assertRaises of a call": (
        "def f(x): raise KeyboardInterrupt",
        (
            "import unittest\nclass T(unittest.TestCase):\n    def test(self):"
            " self.assertRaises(KeyboardInterrupt, f, 1)"
        ),
    ),
    "suppress": (
        "def f(x): raise StopIteration",
        "import contextlib\nwith contextlib.suppress(StopIteration):\n    f(1)\n    assert False",
    ),
    "an iterator's end": (
        (
            "class f:\n    def __init__(self, n): self.n = n\n    def __iter__(self): return self\n"
            "    def __next__(self):\n        self.n -= 1\n        if self.n < 0: raise"
            " StopIteration\n        return self.n"
        ),
        (
            "assert list(f(3)) == [2, 1, 0]\ntry:\n    next(f(0))\n    assert False\nexcept"
            " StopIteration: pass"
        ),
    ),
    "operators between its own": (
        (
            "class V:\n    def __init__(self, x): self.x = x\n    def __add__(self, other): return"
            " V(self.x + other.x)\ndef f(x): return V(x)"
        ),
        "assert (f(1) + f(2)).x == 3",
    ),
}
