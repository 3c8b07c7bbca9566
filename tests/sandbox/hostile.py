# ruff: noqa: E501
"""Programs that misbehave. They are only ever run inside the sandbox.

SCRIPTS get "3" and would be right to print "4"; none does so honestly, so none may pass.
MESSY ones may be right, but try to leave something behind or to hurt others.
DENIALS name the outcome beside the program; none may cost a container.
FORGERIES define `f`, which should return its argument plus one, and return something else; none may pass.
"""

SCRIPTS = {
    "exit before any output": "raise SystemExit(0)",
    "os._exit(0)": "import os; os._exit(0)",
    "busy loop": "while True: pass",
    "sleep": "import time; time.sleep(60)",
    "ignore all signals": """
import signal
for n in range(1, 65):
    try: signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass
""",
    "stop itself": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "fork bomb": """
import os
while True:
    try: os.fork()
    except OSError: pass
""",
    "thread bomb": """
import threading, time
while True: threading.Thread(target=time.sleep, args=(60,)).start()
""",
    "memory hog": "x = []\nwhile True: x.append(bytearray(10**7))",
    "memory hog in children": """
import os, time
for _ in range(12):
    if not os.fork():
        try: x = bytearray(b"x") * (300 * 2**20)
        finally: time.sleep(60)
os.wait()
""",
    "endless output": "while True: print('4' * 1000)",
    "endless errors": "import sys\nwhile True: sys.stderr.write('x' * 1000)",
    "closed output": "import os; os.close(1); print(4)",
    "right answer, then a crash": "print(4); raise ValueError",
    "right answer, then a signal": "import os; print(4, flush=True); os.kill(os.getpid(), 11)",
    "null pointer": "import ctypes; ctypes.string_at(0)",
    "kill everyone": "import os; os.kill(-1, 9); print(5)",
    "kill the runner": """
import os, signal
for pid in (1, os.getppid()):
    for n in (9, 15, 19): 
        try: os.kill(pid, n)
        except PermissionError: pass
""",
    "read the runner's memory": """
import os
for pid in (1, os.getppid()):
    for name in ("mem", "environ", "maps", "fd/0", "fd/1", "root"):
        try: print(open(f"/proc/{pid}/{name}", "rb").read(100))
        except OSError: pass
""",
    "write to every descriptor": """
import os
for fd in range(256):
    for text in (b'4\\n', b'{"id": 1, "end": true, "clean": true}\\n', b'{"pass": true}\\n'):
        try: os.write(fd, text)
        except OSError: pass
""",
    "write to the runner's channel": """
import os
for pid in (1, os.getppid()):
    for fd in range(10):
        try: open(f"/proc/{pid}/fd/{fd}", "wb").write(b'{"id": 1, "case": 0, "out": "4"}\\n')
        except OSError: pass
""",
    "fake protocol": 'print(\'{"id": 1, "case": 0, "program": {"exit": 0}, "out": "4"}\'); print("PASSED")',
    "become root": "import os\nfor call in (os.setuid, os.setgid):\n    call(0)\nprint(4)",
    "become a neighbour": "import os; os.setresuid(10001, 10001, 10001); os.setresuid(10002, 10002, 10002); print(4)",
    "network": "import socket; socket.create_connection(('1.1.1.1', 53), 1); print(4)",
    "vsock": "import socket; socket.socket(40, socket.SOCK_STREAM); print(4)",
    "netlink": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW); print(4)",
    "raw packets": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW); print(4)",
    "raise own limits": "import resource; resource.setrlimit(resource.RLIMIT_CPU, (60, 60)); print(4)",
    "user namespace": "import ctypes, os\nif ctypes.CDLL(None, use_errno=True).unshare(0x10000000): raise OSError\nprint(4)",
    "io_uring": "import ctypes\nif ctypes.CDLL(None).syscall(425, 8, ctypes.create_string_buffer(200)) < 0: raise OSError\nprint(4)",
    "ptrace": "import ctypes\nif ctypes.CDLL(None).ptrace(16, 1, 0, 0): raise OSError\nprint(4)",
    "bpf": "import ctypes\nif ctypes.CDLL(None).syscall(321, 0, 0, 0) < 0: raise OSError\nprint(4)",
    "mount": "import ctypes\nif ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, 0): raise OSError\nprint(4)",
    "write to the image": "open('/opt/start.py', 'a').write('x'); print(4)",
    "giant constant": "x = (1 << 10**12)",
    "deep recursion": "import sys; sys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
    "parser bomb": "(" * 50_000 + ")" * 50_000,
    "compiler bomb": "-" * 200_000 + "1",
    "null byte": "print(4)\0",
    "not utf-8": "import sys; sys.stdout.buffer.write(b'4\\xff')",
    "lone surrogate": "print('4\\ud800')",
    "escape codes": "print('\\x1b[2J4')",
    "rewritten input": "import os; os.ftruncate(0, 0); print(4)",
    "million digits": "print('4' * 10**6)",
    "search memory for the answer": """
import gc, sys
frame = sys._getframe()
while frame:
    for name, value in {**frame.f_globals, **frame.f_locals}.items():
        if "expected" in name: print(value)
    frame = frame.f_back
print([o for o in gc.get_objects() if isinstance(o, dict) and "expected" in o])
""",
}

MESSY = {
    "daemon after a right answer": """
import os, time
print(4, flush=True)
if not os.fork():
    os.setsid()
    if not os.fork():
        while True:
            os.write(1, b'5'); time.sleep(0.01)
    os._exit(0)
""",
    "background thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start(); print(4)",
    "subprocess left running": "import subprocess; subprocess.Popen(['python3', '-c', 'import time; time.sleep(60)']); print(4)",
    "files left": "open('/tmp/a', 'w').write('x'); import os; os.makedirs('/tmp/b/c/d'); os.symlink('/etc', '/tmp/b/link'); print(4)",
    "locked folders left": """
import os
os.makedirs('/tmp/a/b/c'); open('/tmp/a/b/c/d', 'w')
for name in ('/tmp/a/b/c', '/tmp/a/b', '/tmp/a'): os.chmod(name, 0)
print(4)
""",
    "very deep folders left": """
import os
for _ in range(1900):
    os.mkdir('d'); os.chdir('d')
print(4)
""",
    "scratch full of bytes": """
try:
    for n in range(100): open(f'/tmp/{n}', 'wb').write(b'x' * 10**6)
except OSError: pass
print(4)
""",
    "scratch full of files": """
try:
    for n in range(10**5): open(f'/tmp/{n}', 'w').close()
except OSError: pass
print(4)
""",
    "queue left": """
try: open('/dev/mqueue/x', 'w').write('x')
except OSError: pass
print(4)
""",
    "shared memory left": """
import ctypes
ctypes.CDLL(None).shmget(1234, 4096, 0o1666)
try: open('/dev/shm/x', 'w').write('x')
except OSError: pass
print(4)
""",
    "memory files": """
import os
held = []
try:
    for n in range(100):
        fd = os.memfd_create('x'); held.append(fd); os.write(fd, b'x' * 10**6)
except OSError: pass
print(4)
""",
    "sealed output": "import fcntl\nprint(4, flush=True)\nfor fd in (1, 2): fcntl.fcntl(fd, 1033, 15)",
    "output rewritten by a child that stays": """
import os
print(4, flush=True)
if not os.fork():
    os.setsid()
    while True: os.pwrite(1, b'5', 0); os.ftruncate(1, 0); os.pwrite(1, b'4', 0)
""",
    "patched builtins": "import builtins, sys, json, os\nbuiltins.open = builtins.len = json.dumps = os.fork = None\nprint(4)",
    "altered zygote modules": "import sys\nfor name in list(sys.modules):\n    if 'sandbox' in name: sys.modules[name].__dict__.clear()\nprint(4)",
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

FORGERIES = {
    "always equal": "class E:\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\n    __hash__ = None\ndef f(x): return E()",
    "always equal int": "class E(int):\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\n    __hash__ = None\ndef f(x): return E(0)",
    "always equal list": "class E(list):\n    def __eq__(self, o): return True\n    __hash__ = None\ndef f(x): return E()",
    "exit in the call": "def f(x): raise SystemExit(0)",
    "os._exit in the call": "import os\ndef f(x): os._exit(0)",
    "exit at import": "import sys\ndef f(x): return 0\nsys.exit(0)",
    "os._exit at import": "import os\ndef f(x): return 0\nos._exit(0)",
    "no error for a failed assert": "import builtins\nbuiltins.AssertionError = type('A', (BaseException,), {})\ndef f(x): return 0",
    "patched harness": """
import sys
def f(x):
    for name, module in list(sys.modules.items()):
        if 'sandbox' in name:
            for key in list(vars(module)):
                if callable(vars(module)[key]) and not isinstance(vars(module)[key], type): setattr(module, key, lambda *a, **k: True)
    return 0
""",
    "patched encoder": """
import sys
def f(x):
    frame = sys._getframe()
    while frame:
        for space in (frame.f_globals, frame.f_locals):
            for name in ('encode', 'send', 'dumps'):
                if name in space: space[name] = lambda *a, **k: {'pass': True}
        frame = frame.f_back
    return 0
""",
    "pass records on every descriptor": """
import os
def f(x):
    for fd in range(3, 256):
        for text in (b'{"pass": true}\\n', b'{"v": true}\\n', b'{"id": 1, "end": true, "clean": true}\\n'):
            try: os.write(fd, text)
            except OSError: pass
    os._exit(0)
""",
    "extra results": """
import os
def f(x):
    try: os.write(4, b'{"v":1}\\n' * 3)
    except OSError: pass
    return 0
""",
    "new line in a result": "def f(x): return '4\\n{\"v\": 4}'",
    "right results, then a crash": 'import os\ndef f(x):\n    os.write(4, b\'{"v": 4}\\n{"v": 11}\\n\'); os._exit(1)',
    "right results, then a signal": 'import os\ndef f(x):\n    os.write(4, b\'{"v": 4}\\n{"v": 11}\\n\'); os.kill(os.getpid(), 11)',
    "right results, then too many": 'import os\ndef f(x):\n    os.write(4, b\'{"v": 4}\\n{"v": 11}\\n\'); return 4',
    "unhashable keys of a dict": 'import os\ndef f(x):\n    os.write(4, b\'{"v": {"d": [[{"d": []}, 1]]}}\\n\'); os._exit(0)',
    "unhashable items in a tuple in a set": 'import os\ndef f(x):\n    os.write(4, b\'{"v": {"z": [{"t": [[]]}]}}\\n\'); os._exit(0)',
    "endless generator": "def f(x):\n    while True: yield x + 1",
    "200 MB result": "def f(x): return 'x' * 200_000_000",
    "deep result": "def f(x):\n    r = []\n    for _ in range(100_000): r = [r]\n    return r",
    "result that holds itself": "def f(x):\n    r = []\n    r.append(r)\n    return r",
    "not a number": "def f(x): return float('nan')",
    "infinity": "def f(x): return float('inf')",
    "million-digit integer": "def f(x): return 1 << 4_000_000",
    "long integer": "def f(x): return 1 << 400_000",
    "arguments sent back": "def f(x): return x",
    "changed arguments": "def f(x):\n    import gc\n    for o in gc.get_objects():\n        if type(o) is list and x in o: o.clear()\n    return None",
    "unhashable key": 'import os\ndef f(x):\n    os.write(4, b\'{"v": {"s": [[1]]}}\\n\'); os._exit(0)',
    "broken tags": 'import os\ndef f(x):\n    os.write(4, b\'{"v": {"i": "zz"}}\\n{"v": {"f": 1}}\\n{"v": NaN}\\n\'); os._exit(0)',
    "nested JSON bomb": "import os\ndef f(x):\n    os.write(4, b'{\"v\":' + b'[' * 500_000); os._exit(0)",
    "loop in the call": "def f(x):\n    while True: pass",
    "error in the call": "def f(x): raise KeyError(x)",
    "replaced builtins": "import builtins\nbuiltins.abs = builtins.len = lambda *a: 0\ndef isinstance(*a): return True\ndef abs(x): return 0\ndef f(x): return 0",
    "class that hashes to anything": "class E:\n    def __hash__(self): return 0\n    def __getattr__(self, n): return lambda *a: True\ndef f(x): return E()",
}
