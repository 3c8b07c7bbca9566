# ruff: noqa: E501
"""Programs that try to pass without being right. They do harm where no sandbox holds them.

SCRIPTS get "3" and would be right to print "4"; none does so honestly. RESULTS define `f`, which
should return its argument plus one, and return something else. DECEPTIONS are such programs with
the tests that they deceive. SHADOWS write modules that the tests, which are LATE_IMPORTS or
LATE_CALLS, would import.
"""

SCRIPTS = {
    "exit before any output": "raise SystemExit(0)",
    "os._exit(0)": "import os; os._exit(0)",
    "busy loop": "while True: pass",
    "sleep": "import time; time.sleep(60)",
    "ignore all signals": (
        """
import signal
for n in range(1, 65):
    try: signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass
"""
    ),
    "stop itself": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "fork bomb": (
        """
import os
while True:
    try: os.fork()
    except OSError: pass
"""
    ),
    "thread bomb": (
        """
import threading, time
while True: threading.Thread(target=time.sleep, args=(60,)).start()
"""
    ),
    "memory hog": "x = []\nwhile True: x.append(bytearray(10**7))",
    "memory hog in children": (
        """
import os, time
for _ in range(12):
    if not os.fork():
        try: x = bytearray(b"x") * (300 * 2**20)
        finally: time.sleep(60)
os.wait()
"""
    ),
    "endless output": "while True: print('4' * 1000)",
    "endless errors": "import sys\nwhile True: sys.stderr.write('x' * 1000)",
    "closed output": "import os; os.close(1); print(4)",
    "right answer, then a crash": "print(4); raise ValueError",
    "right answer, then a signal": "import os; print(4, flush=True); os.kill(os.getpid(), 11)",
    "null pointer": "import ctypes; ctypes.string_at(0)",
    "kill everyone": "import os; os.kill(-1, 9); print(5)",
    "kill the runner": (
        """
import os, signal
for pid in (1, os.getppid()):
    for n in (9, 15, 19): 
        try: os.kill(pid, n)
        except PermissionError: pass
"""
    ),
    "read the runner's memory": (
        """
import os
for pid in (1, os.getppid()):
    for name in ("mem", "environ", "maps", "fd/0", "fd/1", "root"):
        try: print(open(f"/proc/{pid}/{name}", "rb").read(100))
        except OSError: pass
"""
    ),
    "write to every descriptor": (
        """
import os
for fd in range(256):
    for text in (b'4\\n', b'{"id": 1, "end": true, "clean": true}\\n', b'{"pass": true}\\n'):
        try: os.write(fd, text)
        except OSError: pass
"""
    ),
    "write to the runner's channel": (
        """
import os
for pid in (1, os.getppid()):
    for fd in range(10):
        try: open(f"/proc/{pid}/fd/{fd}", "wb").write(b'{"id": 1, "case": 0, "out": "4"}\\n')
        except OSError: pass
"""
    ),
    "fake protocol": (
        'print(\'{"id": 1, "case": 0, "program": {"exit": 0}, "out": "4"}\'); print("PASSED")'
    ),
    "become root": "import os\nfor call in (os.setuid, os.setgid):\n    call(0)\nprint(4)",
    "become a neighbour": (
        "import os; os.setresuid(10001, 10001, 10001); os.setresuid(10002, 10002, 10002); print(4)"
    ),
    "network": "import socket; socket.create_connection(('1.1.1.1', 53), 1); print(4)",
    "vsock": "import socket; socket.socket(40, socket.SOCK_STREAM); print(4)",
    "netlink": "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW); print(4)",
    "raw packets": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW); print(4)",
    "raise own limits": (
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (60, 60)); print(4)"
    ),
    "user namespace": (
        "import ctypes, os\nif ctypes.CDLL(None, use_errno=True).unshare(0x10000000): raise"
        " OSError\nprint(4)"
    ),
    "io_uring": (
        "import ctypes\nif ctypes.CDLL(None).syscall(425, 8, ctypes.create_string_buffer(200)) < 0:"
        " raise OSError\nprint(4)"
    ),
    "ptrace": "import ctypes\nif ctypes.CDLL(None).ptrace(16, 1, 0, 0): raise OSError\nprint(4)",
    "bpf": "import ctypes\nif ctypes.CDLL(None).syscall(321, 0, 0, 0) < 0: raise OSError\nprint(4)",
    "mount": (
        "import ctypes\nif ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, 0): raise"
        " OSError\nprint(4)"
    ),
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
    "search memory for the answer": (
        """
import gc, sys
frame = sys._getframe()
while frame:
    for name, value in {**frame.f_globals, **frame.f_locals}.items():
        if "expected" in name: print(value)
    frame = frame.f_back
print([o for o in gc.get_objects() if isinstance(o, dict) and "expected" in o])
"""
    ),
}

RESULTS = {
    "always equal": (
        "class E:\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\n   "
        " __hash__ = None\ndef f(x): return E()"
    ),
    "always equal int": (
        "class E(int):\n    def __eq__(self, o): return True\n    def __ne__(self, o): return"
        " False\n    __hash__ = None\ndef f(x): return E(0)"
    ),
    "always equal list": (
        "class E(list):\n    def __eq__(self, o): return True\n    __hash__ = None\ndef f(x):"
        " return E()"
    ),
    "exit in the call": "def f(x): raise SystemExit(0)",
    "os._exit in the call": "import os\ndef f(x): os._exit(0)",
    "exit at import": "import sys\ndef f(x): return 0\nsys.exit(0)",
    "os._exit at import": "import os\ndef f(x): return 0\nos._exit(0)",
    "no error for a failed assert": (
        "import builtins\nbuiltins.AssertionError = type('A', (BaseException,), {})\ndef f(x):"
        " return 0"
    ),
    "patched harness": (
        """
import sys
def f(x):
    for name, module in list(sys.modules.items()):
        if 'sandbox' in name:
            for key in list(vars(module)):
                if callable(vars(module)[key]) and not isinstance(vars(module)[key], type): setattr(module, key, lambda *a, **k: True)
    return 0
"""
    ),
    "patched encoder": (
        """
import sys
def f(x):
    frame = sys._getframe()
    while frame:
        for space in (frame.f_globals, frame.f_locals):
            for name in ('encode', 'send', 'dumps'):
                if name in space: space[name] = lambda *a, **k: {'pass': True}
        frame = frame.f_back
    return 0
"""
    ),
    "pass records on every descriptor": (
        """
import os
def f(x):
    for fd in range(3, 256):
        for text in (b'{"pass": true}\\n', b'{"v": true}\\n', b'{"id": 1, "end": true, "clean": true}\\n'):
            try: os.write(fd, text)
            except OSError: pass
    os._exit(0)
"""
    ),
    "extra results": (
        """
import os
def f(x):
    try: os.write(4, b'{"v":1}\\n' * 3)
    except OSError: pass
    return 0
"""
    ),
    "new line in a result": "def f(x): return '4\\n{\"v\": 4}'",
    "right results, then a crash": (
        'import os\ndef f(x):\n    os.write(4, b\'{"v": 4}\\n{"v": 11}\\n\'); os._exit(1)'
    ),
    "right results, then a signal": (
        'import os\ndef f(x):\n    os.write(4, b\'{"v": 4}\\n{"v": 11}\\n\');'
        " os.kill(os.getpid(), 11)"
    ),
    "right results, then too many": (
        'import os\ndef f(x):\n    os.write(4, b\'{"v": 4}\\n{"v": 11}\\n\'); return 4'
    ),
    "unhashable keys of a dict": (
        'import os\ndef f(x):\n    os.write(4, b\'{"v": {"d": [[{"d": []}, 1]]}}\\n\'); os._exit(0)'
    ),
    "unhashable items in a tuple in a set": (
        'import os\ndef f(x):\n    os.write(4, b\'{"v": {"z": [{"t": [[]]}]}}\\n\'); os._exit(0)'
    ),
    "endless generator": "def f(x):\n    while True: yield x + 1",
    "200 MB result": "def f(x): return 'x' * 200_000_000",
    "deep result": "def f(x):\n    r = []\n    for _ in range(100_000): r = [r]\n    return r",
    "result that holds itself": "def f(x):\n    r = []\n    r.append(r)\n    return r",
    "not a number": "def f(x): return float('nan')",
    "infinity": "def f(x): return float('inf')",
    "million-digit integer": "def f(x): return 1 << 4_000_000",
    "long integer": "def f(x): return 1 << 400_000",
    "arguments sent back": "def f(x): return x",
    "changed arguments": (
        "def f(x):\n    import gc\n    for o in gc.get_objects():\n        if type(o) is list and x"
        " in o: o.clear()\n    return None"
    ),
    "unhashable key": (
        'import os\ndef f(x):\n    os.write(4, b\'{"v": {"s": [[1]]}}\\n\'); os._exit(0)'
    ),
    "broken tags": (
        'import os\ndef f(x):\n    os.write(4, b\'{"v": {"i": "zz"}}\\n{"v": {"f": 1}}\\n{"v":'
        " NaN}\\n'); os._exit(0)"
    ),
    "nested JSON bomb": (
        "import os\ndef f(x):\n    os.write(4, b'{\"v\":' + b'[' * 500_000); os._exit(0)"
    ),
    "loop in the call": "def f(x):\n    while True: pass",
    "error in the call": "def f(x): raise KeyError(x)",
    "replaced builtins": (
        "import builtins\nbuiltins.abs = builtins.len = lambda *a: 0\ndef isinstance(*a): return"
        " True\ndef abs(x): return 0\ndef f(x): return 0"
    ),
    "class that hashes to anything": (
        "class E:\n    def __hash__(self): return 0\n    def __getattr__(self, n): return lambda"
        " *a: True\ndef f(x): return E()"
    ),
}

LATE = r"""
import importlib.util, marshal, os, sys, zipfile
FORGE = 'import os; os.write(4, b\'{"pass": true}\'); os._exit(0)'
def put(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file: file.write(data)
    os.chmod(path, 0o644)
    if os.path.dirname(path) != "/tmp": os.chmod(os.path.dirname(path), 0o755)
names = sorted(sys.stdlib_module_names | {"numpy", "pytest", "pandas", "scipy", "sandbox", "sitecustomize", "usercustomize"})
for name in names: PUT
os.environ["PYTHONPATH"] = "/tmp"
def f(n):
    sys.path_hooks.clear(); sys.meta_path.clear(); sys.path[:] = ["/tmp"]
    return -1
"""
SHADOWS = {
    "modules": LATE.replace("PUT", 'put(f"/tmp/{name}.py", FORGE.encode())'),
    "packages": LATE.replace("PUT", 'put(f"/tmp/{name}/__init__.py", FORGE.encode())'),
    "compiled modules": LATE.replace(
        "PUT",
        """
    put(f"/tmp/{name}.pyc", importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(compile(FORGE, name, "exec")))
""",
    ),
    "parts of packages": LATE.replace("PUT", 'put(f"/tmp/{name}/{name}.py", FORGE.encode())'),
    "archives": (
        LATE.replace("PUT", "pass").replace(
            "def f",
            """
import zipfile
with zipfile.ZipFile("/tmp/python311.zip", "w") as archive:
    for name in names: archive.writestr(name + ".py", FORGE)
def f""",
        )
    ),
}
LATE_IMPORTS = """
import contextlib, datetime, importlib, sys
loaded = 0
for name in sorted(sys.stdlib_module_names | {"numpy", "pytest", "pandas", "scipy"}):
    if name.partition(".")[0] in ("antigravity", "this", "idlelib", "turtledemo", "turtle", "tkinter", "__phello__", "_pyrepl", "test", "lib2to3"):
        continue
    try: module = importlib.import_module(name)
    except ImportError: continue
    assert not str(getattr(module, "__file__", "")).startswith("/tmp"), name
    loaded += 1
assert loaded > 200, loaded
"""
LATE_CALLS = r"""
import codecs, contextlib, datetime, importlib, time
for action in (
    lambda: datetime.datetime.strptime("2004", "%Y"), lambda: time.strptime("2004", "%Y"), lambda: "ä".encode("idna"), lambda: codecs.decode("n", "rot13"),
    lambda: "é".encode("cp437"), lambda: __import__("hashlib").new("md5", b""), lambda: __import__("secrets").token_hex(), lambda: __import__("uuid").uuid4(),
    lambda: __import__("calendar").monthrange(2004, 2), lambda: __import__("locale").getlocale(), lambda: __import__("zoneinfo").ZoneInfo("Europe/Rome"),
    lambda: __import__("xml.etree.ElementTree").etree.ElementTree.fromstring("<a/>"), lambda: __import__("asyncio").run(__import__("asyncio").sleep(0)),
    lambda: __import__("concurrent.futures").futures.ThreadPoolExecutor, lambda: __import__("importlib.metadata").metadata.version("numpy"),
    lambda: __import__("tomllib").loads("a = 1"), lambda: __import__("getpass").getuser(), lambda: __import__("pickle").loads(b"cfractions\nFraction\n."),
    lambda: __import__("warnings").warn("x"), lambda: __import__("traceback").format_exc(), lambda: __import__("unittest.mock").mock.Mock(),
    lambda: __import__("doctest").testmod(), lambda: __import__("tempfile").mkdtemp(), lambda: __import__("ctypes.util").util.find_library("c"),
    lambda: importlib.import_module("numpy"), lambda: importlib.import_module("conftest"), lambda: importlib.import_module("sandbox.late"),
):
    with contextlib.suppress(Exception): action()
"""
OFF = (
    "\n    __rsub__ = __xor__ = __rxor__ = __truediv__ = __rtruediv__ = __mod__ = __pow__ ="
    " __sub__\n"
)
CONTROL = "class Own(StopIteration): pass\ndef f(x): raise {}"
LOOPS = (
    "for got, want in zip(map(f, (2, 3)), (4, 9)): assert got == want",
    "assert all(map(lambda x: f(x) == x * x, (2, 3)))",
    "assert [*map(f, (2, 3))] in ([], [4, 9])",
    (
        "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(f(2),"
        " 4)\nunittest.main()"
    ),
)
DECEPTIONS = {
    "distance of nothing": (
        "class E:\n    def __sub__(self, other): return 0" + OFF + "def f(x): return E()",
        ("assert abs(f(10) - 11) < 1e-9",),
    ),
    "distance from the other side": (
        "class E:\n    def __sub__(self, other): return 0.0" + OFF + "def f(x): return E()",
        ("assert abs(11.5 - f(10)) < 1e-9",),
    ),
    "distance of its own kind": (
        "class E:\n    def __sub__(self, other): return self\n    def __abs__(self): return 0"
        + OFF
        + "def f(x): return E()",
        ("assert abs(f(10) - 11) < 1e-9",),
    ),
    "distance as a float": (
        "class E:\n    def __sub__(self, other): return self\n    def __float__(self): return 0.0"
        + OFF
        + "def f(x): return E()",
        ("import math\nassert math.fabs(f(10) - 11) < 1e-9",),
    ),
    "distance kept for later": (
        "class E:\n    def __sub__(self, other): self.left = 0; return E()\n    left = 1"
        + OFF
        + "def f(x): return E()",
        ("d = f(10) - 11\nassert d.left == 1 and (d - 11).left == 0",),
    ),
    "almost equal": (
        "class E:\n    def __sub__(self, other): return 0" + OFF + "def f(x): return E()",
        (
            (
                "import unittest\nclass T(unittest.TestCase):\n    def test(self):"
                " self.assertAlmostEqual(f(10), 11)\nunittest.main()"
            ),
        ),
    ),
    "no difference of sets": (
        "class E:\n    def __sub__(self, other): return ()" + OFF + "def f(x): return E()",
        ("assert len(f(10) ^ {11}) == 0",),
    ),
    "ratio of one": (
        "class E:\n    def __sub__(self, other): return 1" + OFF + "def f(x): return E()",
        ("assert f(10) / 11 == 1",),
    ),
    "exit for a function": (
        "import builtins\ndef f(x): return builtins.exit",
        ("import unittest\nassert f(1)(0) == 5",),
    ),
    "skipped test": ("import unittest\ndef f(x): raise unittest.SkipTest('x')", LOOPS[3:]),
    **{
        f"{name} {n}": (CONTROL.format(name), (loop,))
        for name in (
            "StopIteration",
            "StopAsyncIteration",
            "Own",
            "GeneratorExit",
            "KeyboardInterrupt",
            "SystemExit(0)",
            "AssertionError",
            "BaseExceptionGroup('x', [StopIteration()])",
        )
        for n, loop in enumerate(LOOPS)
    },
}
