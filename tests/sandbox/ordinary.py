# ruff: noqa: E501
"""Right programs as people and models write them. Each passes on an ordinary interpreter and has to
pass here.

SCRIPTS: name -> (program, input, expected output). FUNCTIONS: name -> (program, calls of `f` as
arguments and expected value). ASSERTED: name -> (program, tests). UNSCORABLE: name -> (program,
test), which no plain data decides. ELSEWHERE: what does not pass here, with the outcome, and in
docs/programs.md why.
"""

SCRIPTS = {
    # input
    "sys.stdin.buffer.read": (
        "import sys\nd = sys.stdin.buffer.read().split()\nprint(sum(map(int, d)))",
        "1 2\n3\n",
        "6",
    ),
    "input is sys.stdin.readline": (
        "import sys\ninput = sys.stdin.readline\nprint(int(input()) * int(input()))",
        "6\n7\n",
        "42",
    ),
    "input until it ends": (
        "s = 0\ntry:\n    while True: s += int(input())\nexcept EOFError: print(s)",
        "1\n2\n3",
        "6",
    ),
    "for line in sys.stdin": (
        "import sys\nprint(max(len(line.rstrip()) for line in sys.stdin))",
        "ab\nabcd\n",
        "4",
    ),
    "open(0).read": ("print(sum(map(int, open(0).read().split())))", "4 5\n6\n", "15"),
    "open(0) becomes sys.stdin": (
        "import sys\nsys.stdin = open(0)\nprint(input()[::-1])",
        "abc\n",
        "cba",
    ),
    "open(0) unpacked": ("n, *a = open(0)\nprint(int(n) + len(a))", "3\nx\ny\n", "5"),
    "os.read": ("import os\nprint(len(os.read(0, 1 << 20).split()))", "a b c", "3"),
    "os.read with the size of the file": (
        "import os\nprint(sum(map(int, os.read(0, os.fstat(0).st_size).split())))",
        "1 2 3\n",
        "6",
    ),
    "fileinput": ("import fileinput\nprint(sum(int(x) for x in fileinput.input()))", "1\n2\n", "3"),
    "mmap": (
        (
            "import mmap\nm = mmap.mmap(0, 0,"
            " access=mmap.ACCESS_READ)\nprint(m.readline().decode().strip())"
        ),
        "first\nsecond\n",
        "first",
    ),
    "/dev/stdin": ("print(open('/dev/stdin').read().upper())", "abc", "ABC"),
    "select": (
        "import select, sys\nprint(bool(select.select([sys.stdin], [], [], 1)[0]), input())",
        "x",
        "True x",
    ),
    "lines that end in CR LF": ("print(int(input()) + int(input()))", "1\r\n2\r\n", "3"),
    "lines that end in CR LF, in bytes": (
        "import sys\nprint([int(x) for x in sys.stdin.buffer])",
        "1\r\n2\r\n",
        "[1, 2]",
    ),
    "no new line at the end": ("print(input() + input())", "a\nb", "ab"),
    "5 MB of input": (
        "import sys\nprint(sum(map(int, sys.stdin.buffer.read().split())))",
        "12345 " * 800_000,
        str(12345 * 800_000),
    ),
    "prompts": (
        "import sys\nprint('n?', end=' ', file=sys.stderr)\nprint(int(input()) + 1)",
        "1",
        "2",
    ),
    "async reading": (
        (
            "import asyncio, sys\nasync def main():\n    line = await"
            " asyncio.to_thread(sys.stdin.readline)\n    print(int(line) * 2)\nasyncio.run(main())"
        ),
        "21",
        "42",
    ),
    "fast input of contests": (
        """
import os, sys
from io import BytesIO, IOBase
class Fast(IOBase):
    newlines = 0
    def __init__(self, file):
        self._fd = file.fileno()
        self.buffer = BytesIO()
        self.writable = "x" in file.mode or "r" not in file.mode
        self.write = self.buffer.write if self.writable else None
    def readline(self):
        while self.newlines == 0:
            data = os.read(self._fd, max(os.fstat(self._fd).st_size, 8192))
            self.newlines = data.count(b"\\n") + (not data)
            at = self.buffer.tell()
            self.buffer.seek(0, 2), self.buffer.write(data), self.buffer.seek(at)
        self.newlines -= 1
        return self.buffer.readline()
    def flush(self):
        if self.writable:
            os.write(self._fd, self.buffer.getvalue())
            self.buffer.truncate(0), self.buffer.seek(0)
class Wrapper(IOBase):
    def __init__(self, file):
        self.buffer = Fast(file)
        self.flush = self.buffer.flush
        self.writable = self.buffer.writable
        self.write = lambda s: self.buffer.write(s.encode("ascii"))
        self.readline = lambda: self.buffer.readline().decode("ascii")
sys.stdin, sys.stdout = Wrapper(sys.stdin), Wrapper(sys.stdout)
input = lambda: sys.stdin.readline().rstrip("\\r\\n")
for _ in range(int(input())): print(sum(map(int, input().split())))
""",
        "2\n1 2\n3 4\n",
        "3\n7",
    ),
    "reader and writer over descriptors": (
        (
            "import io, os, sys\nr = io.BufferedReader(io.FileIO(0)); w = io.BytesIO()\nsys.stdout"
            " = io.TextIOWrapper(w)\nfor x in r: print(int(x) * 2)\nsys.stdout.flush(); os.write(1,"
            " w.getvalue())"
        ),
        "1\n2\n",
        "2\n4",
    ),
    "names and modes of the streams": (
        (
            "import sys\nprint(sys.stdin.name, sys.stdin.mode, sys.stdout.name, sys.stdout.mode,"
            " sys.stderr.mode, sys.stdin.fileno())"
        ),
        "",
        "<stdin> r <stdout> w w 0",
    ),
    # output
    "sys.stdout.write and join": (
        "import sys\nsys.stdout.write('\\n'.join(map(str, range(3))))",
        "",
        "0\n1\n2",
    ),
    "sys.stdout.buffer": ("import sys\nsys.stdout.buffer.write(b'7\\n')", "", "7"),
    "os.write": ("import os\nos.write(1, b'7\\n')", "", "7"),
    "other letters": ("print('äöü → 日本')", "", "äöü → 日本"),
    "much output": (
        "print('\\n'.join(str(i * 1000000007 % 998244353) for i in range(150_000)))",
        "",
        "\n".join(str(i * 1000000007 % 998244353) for i in range(150_000)),
    ),
    "much output that is flushed line by line": (
        "for i in range(20_000): print(i, 'x' * 60, flush=True)",
        "",
        "\n".join(f"{i} {'x' * 60}" for i in range(20_000)),
    ),
    "much output for debugging": (
        (
            "import sys\nfor i in range(30_000): print('debug', i, 'x' * 60,"
            " file=sys.stderr)\nprint(7)"
        ),
        "",
        "7",
    ),
    "open(1, 'w')": ("out = open(1, 'w')\nout.write('7\\n')", "", "7"),
    "os.fdopen(1, 'w')": (
        "import os\nw = os.fdopen(1, 'w')\nfor i in range(3): w.write(f'{i}\\n')",
        "",
        "0\n1\n2",
    ),
    "os.fdopen(os.dup(1), 'wb')": (
        "import os\nw = os.fdopen(os.dup(1), 'wb', 0)\nw.write(b'5\\n')",
        "",
        "5",
    ),
    "a writer that is held by a function": (
        (
            "import io, sys\ndef write(x, out=io.TextIOWrapper(io.FileIO(1, 'w', closefd=False))):"
            " out.write(x)\nwrite('8')"
        ),
        "",
        "8",
    ),
    "a writer in a cycle": (
        (
            "class W:\n    def __init__(self): self.me = self; self.out = open(1, 'w',"
            " closefd=False)\nw = W(); w.out.write('9')"
        ),
        "",
        "9",
    ),
    "/dev/stdout": ("with open('/dev/stdout', 'w') as f: print(7, file=f)", "", "7"),
    "print, then /dev/stdout": (
        (
            "import sys\nprint('1'); sys.stdout.flush()\nf = open('/dev/stdout', 'w');"
            " f.write('2\\n'); f.close()"
        ),
        "",
        "1\n2",
    ),
    "print, then /dev/fd/1": (
        "print('1', flush=True)\nwith open('/dev/fd/1', 'a') as f: f.write('2\\n')\nprint('3')",
        "",
        "1\n2\n3",
    ),
    "a TextIOWrapper as sys.stdout": (
        (
            "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, 'utf-8',"
            " line_buffering=False)\nprint('é')"
        ),
        "",
        "é",
    ),
    "a TextIOWrapper after printing": (
        (
            "import io, sys\nprint(1)\nsys.stdout = io.TextIOWrapper(sys.stdout.detach(),"
            " 'utf-8')\nprint(2)"
        ),
        "",
        "1\n2",
    ),
    "a closed sys.stdout": ("import sys\nprint(1)\nsys.stdout.close()", "", "1"),
    "no sys.stdout": (
        "import sys\nsys.stdout.write('1'); sys.stdout.flush(); sys.stdout = None\nprint(2)",
        "",
        "1",
    ),
    "contextlib.redirect_stdout": (
        (
            "import contextlib, io\nb = io.StringIO()\nwith contextlib.redirect_stdout(b):"
            " print('x')\nprint(b.getvalue().strip() * 2)"
        ),
        "",
        "xx",
    ),
    "text that is collected and written at exit": (
        (
            "import atexit, io, sys\nout = sys.stdout = io.StringIO()\natexit.register(lambda:"
            " sys.__stdout__.write(out.getvalue()))\nprint(7)"
        ),
        "",
        "7",
    ),
    "sys.__stdout__": ("import sys\nsys.__stdout__.write('7')", "", "7"),
    "__del__ at the end": (
        "class A:\n    def __del__(self): print('bye', word)\nword = 'now'\na = A()\nprint('hi')",
        "",
        "hi\nbye now",
    ),
    "__del__ in a cycle at the end": (
        "class A:\n    def __del__(self): print('bye')\na = A(); a.a = a\nprint('hi')",
        "",
        "hi\nbye",
    ),
    "a generator's finally at the end": (
        "def g():\n    try: yield 1\n    finally: print('done')\nx = g(); print(next(x))",
        "",
        "1\ndone",
    ),
    "a context that is never left": (
        (
            "import contextlib\n@contextlib.contextmanager\ndef c():\n    try: yield\n    finally:"
            " print('left')\nm = c(); m.__enter__(); print('in')"
        ),
        "",
        "in\nleft",
    ),
    "weakref.finalize": (
        "import weakref\nclass A: pass\na = A(); weakref.finalize(a, print, 'final'); print(1)",
        "",
        "1\nfinal",
    ),
    "a temporary file": (
        (
            "import tempfile\nt = tempfile.NamedTemporaryFile('w+'); t.write('5'); t.seek(0);"
            " print(t.read())"
        ),
        "",
        "5",
    ),
    "logging": (
        (
            "import logging, sys\nlogging.basicConfig(stream=sys.stdout, format='%(message)s');"
            " logging.warning('x')"
        ),
        "",
        "x",
    ),
    "a child process prints": (
        (
            "import subprocess, sys\nprint(1, flush=True); subprocess.run([sys.executable, '-c',"
            " 'print(2)'])"
        ),
        "",
        "1\n2",
    ),
    "os.fork": (
        (
            "import os, sys\npid = os.fork()\nif not pid: print('child');"
            " sys.exit()\nos.waitpid(pid, 0); print('parent')"
        ),
        "",
        "child\nparent",
    ),
    # end
    "exit()": ("print(1); exit()", "", "1"),
    "quit()": ("print(1); quit()", "", "1"),
    "sys.exit(0)": ("import sys\ndef main(): print(1); sys.exit(0)\nmain()", "", "1"),
    "os._exit": ("import os\nprint(1, flush=True); os._exit(0)", "", "1"),
    "main guard": (
        "def main(): print(int(input()) + 1)\nif __name__ == '__main__': main()",
        "1",
        "2",
    ),
    "exit(main())": ("def main(): print(1)\nexit(main())", "", "1"),
    "raise SystemExit": ("print(1)\nraise SystemExit", "", "1"),
    "signal handlers": (
        (
            "import signal\nsignal.signal(signal.SIGPIPE, signal.SIG_DFL);"
            " signal.signal(signal.SIGINT, lambda *_: None); print(1)"
        ),
        "",
        "1",
    ),
    "an exit handler": (
        "import atexit\natexit.register(print, 'last'); print('first')",
        "",
        "first\nlast",
    ),
    "threads that go on": (
        (
            "import threading, time\ndef late(): time.sleep(0.05);"
            " print('late')\nthreading.Thread(target=late).start(); print('early')"
        ),
        "",
        "early\nlate",
    ),
    "threads and daemons": (
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(60,),"
            " daemon=True).start(); print(1)"
        ),
        "",
        "1",
    ),
    # recursion, threads, memory, numbers
    "recursion of 990": (
        "def f(n): return 0 if n == 0 else 1 + f(n - 1)\nprint(f(990))",
        "",
        "990",
    ),
    "recursion of 990 in main": (
        (
            "def f(n): return 0 if n == 0 else 1 + f(n - 1)\ndef main(): print(f(990))\nif __name__"
            " == '__main__': main()"
        ),
        "",
        "990",
    ),
    "recursion as deep as the limit that is set": (
        (
            "import sys\nn = 3000\nsys.setrecursionlimit(n + 10)\ndef f(n): return 0 if n == 0 else"
            " 1 + f(n - 1)\nprint(f(n))"
        ),
        "",
        "3000",
    ),
    "recursion is limited": (
        "def f(n): return f(n + 1)\ntry: f(0)\nexcept RecursionError: print('limited')",
        "",
        "limited",
    ),
    "recursion of 100,000": (
        (
            "import sys\nsys.setrecursionlimit(10**6)\ndef f(n): return 0 if n == 0 else 1 + f(n -"
            " 1)\nprint(f(10**5))"
        ),
        "",
        "100000",
    ),
    "recursion in a thread with a stack of 128 MiB": (
        (
            "import sys, threading\nsys.setrecursionlimit(10**6); threading.stack_size(2**27)\ndef"
            " f(n): return 0 if n == 0 else 1 + f(n - 1)\nt = threading.Thread(target=lambda:"
            " print(f(10**5))); t.start(); t.join()"
        ),
        "",
        "100000",
    ),
    "a thread with a stack of 256 MiB": (
        (
            "import threading\nthreading.stack_size(2**28)\nt = threading.Thread(target=print,"
            " args=(7,)); t.start(); t.join()"
        ),
        "",
        "7",
    ),
    "a thread with a stack of 512 MiB": (
        (
            "import sys, threading\nsys.setrecursionlimit(10**7); threading.stack_size(512 * 1024 *"
            " 1024)\nt = threading.Thread(target=print, args=(7,)); t.start(); t.join()"
        ),
        "",
        "7",
    ),
    "no limit of the stack": (
        (
            "import resource, sys\nresource.setrlimit(resource.RLIMIT_STACK,"
            " (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\nsys.setrecursionlimit(10**6);"
            " print(7)"
        ),
        "",
        "7",
    ),
    "a higher limit of the stack": (
        (
            "import resource\nsoft, hard ="
            " resource.getrlimit(resource.RLIMIT_STACK)\nresource.setrlimit(resource.RLIMIT_STACK,"
            " (2**28, hard)); print(7)"
        ),
        "",
        "7",
    ),
    "a higher limit of the stack, both": (
        "import resource\nresource.setrlimit(resource.RLIMIT_STACK, (2**29, -1)); print(7)",
        "",
        "7",
    ),
    "lru_cache of 50,000": (
        (
            "import sys, functools\nsys.setrecursionlimit(10**6)\n@functools.lru_cache(None)\ndef"
            " f(n): return n if n < 2 else (f(n - 1) + f(n - 2)) % 1000007\nprint(f(30_000) >= 0)"
        ),
        "",
        "True",
    ),
    "functools.cache of 20,000": (
        (
            "import sys\nfrom functools import cache\nsys.setrecursionlimit(10**6)\n@cache\ndef"
            " f(n): return 0 if n == 0 else 1 + f(n - 1)\nprint(f(20_000))"
        ),
        "",
        "20000",
    ),
    "recursion by generators": (
        (
            "from types import GeneratorType\ndef bootstrap(f, stack=[]):\n    def wrapped(*a):\n  "
            "      if stack: return f(*a)\n        to = f(*a)\n        while True:\n            if"
            " type(to) is GeneratorType: stack.append(to); to = next(to)\n            else:\n      "
            "          stack.pop()\n                if not stack: break\n                to ="
            " stack[-1].send(to)\n        return to\n    return wrapped\n@bootstrap\ndef f(n):"
            " yield (0 if n == 0 else 1 + (yield f(n - 1)))\nprint(f(20_000))"
        ),
        "",
        "20000",
    ),
    "16 threads at once": (
        (
            "from concurrent.futures import ThreadPoolExecutor\nimport time\nwith"
            " ThreadPoolExecutor(16) as p: print(sum(p.map(lambda x: time.sleep(.01) or x,"
            " range(100))))"
        ),
        "",
        "4950",
    ),
    "22 threads at once": (
        (
            "import threading, time\nt = [threading.Thread(target=time.sleep, args=(0.1,)) for _ in"
            " range(22)]\nfor x in t: x.start()\nfor x in t: x.join()\nprint(len(t))"
        ),
        "",
        "22",
    ),
    "100 MB of numbers": ("a = [1.5] * 12_000_000\nprint(len(a))", "", "12000000"),
    "300 MB": ("a = bytearray(b'x') * (300 * 2**20)\nprint(len(a))", "", str(300 * 2**20)),
    "integers of 5,000 digits, allowed": (
        "import sys\nsys.set_int_max_str_digits(0)\nprint(len(str(10**5000)))",
        "",
        "5001",
    ),
    "a sieve": (
        (
            "n = 10**6\ns = bytearray([1]) * (n + 1)\nfor i in range(2, 1001):\n    if s[i]:"
            " s[i*i::i] = bytes(len(range(i*i, n + 1, i)))\nprint(sum(s) - 2)"
        ),
        "",
        "78498",
    ),
    "multiprocessing.Pool": (
        (
            "from multiprocessing import Pool\nif __name__ == '__main__':\n    with Pool(2) as p:"
            " print(p.map(abs, [-1, 2]))"
        ),
        "",
        "[1, 2]",
    ),
    "ProcessPoolExecutor": (
        (
            "from concurrent.futures import ProcessPoolExecutor\ndef f(x): return x * 2\nif"
            " __name__ == '__main__':\n    with ProcessPoolExecutor(2) as p: print(list(p.map(f,"
            " [1, 2])))"
        ),
        "",
        "[2, 4]",
    ),
    "multiprocessing.Process and Queue": (
        (
            "from multiprocessing import Process, Queue\ndef work(q): q.put(5)\nif __name__ =="
            " '__main__':\n    q = Queue(); p = Process(target=work, args=(q,)); p.start();"
            " print(q.get()); p.join()"
        ),
        "",
        "5",
    ),
    # the library
    "what solutions import": (
        (
            "import abc, array, bisect, cmath, collections, contextlib, copy, dataclasses,"
            " datetime, decimal, enum, fractions, functools, heapq, itertools, json, math,"
            " operator, os, queue, random, re, secrets, statistics, string, struct, sys, textwrap,"
            " time, typing, uuid, zlib, hashlib, base64, calendar, graphlib, ipaddress, difflib,"
            " shlex, csv, html, urllib.parse, pprint, types, weakref, inspect, threading\nprint(1)"
        ),
        "",
        "1",
    ),
    "ctypes, sqlite3, lzma": (
        (
            "import bz2, ctypes, lzma, sqlite3\nprint(sqlite3.connect(':memory:').execute('select 1"
            " + 1').fetchone()[0], lzma.decompress(lzma.compress(b'x')))"
        ),
        "",
        "2 b'x'",
    ),
    "files beside the program": (
        "open('a.txt', 'w').write('x\\ny\\n')\nprint(len(open('/tmp/a.txt').readlines()))",
        "",
        "2",
    ),
    "a file of 2 MB": (
        "open('a.txt', 'w').write('x' * 2_000_000)\nprint(len(open('a.txt').read()))",
        "",
        "2000000",
    ),
    "a module of its own": (
        "open('helper.py', 'w').write('def f(): return 5')\nimport helper\nprint(helper.f())",
        "",
        "5",
    ),
    "where the program is": (
        (
            "import os, sys\nprint(os.path.dirname(os.path.abspath(__file__)),"
            " os.path.basename(sys.argv[0]), len(sys.argv))"
        ),
        "",
        "/tmp program.py 1",
    ),
    "home and user": (
        (
            "import getpass, os, pathlib\nprint(os.path.expanduser('~'), pathlib.Path.home(),"
            " getpass.getuser())"
        ),
        "",
        "/tmp /tmp program",
    ),
    "platform and tempfile": (
        "import platform, tempfile\nprint(platform.system(), tempfile.gettempdir())",
        "",
        "Linux /tmp",
    ),
    "match statement": (
        "match input().split():\n    case ['add', a, b]: print(int(a) + int(b))",
        "add 1 2",
        "3",
    ),
    "dataclass with order": (
        (
            "from dataclasses import dataclass\n@dataclass(order=True, slots=True)\nclass A:\n   "
            " x: int\nprint(sorted([A(2), A(1)]))"
        ),
        "",
        "[A(x=1), A(x=2)]",
    ),
    "types of dataclass fields": (
        (
            "from dataclasses import dataclass, fields\n@dataclass\nclass A:\n    x: int ="
            " 0\nprint(fields(A)[0].type is int)"
        ),
        "",
        "True",
    ),
    "get_type_hints of a class": (
        "import typing\nclass A(typing.NamedTuple):\n    x: 'int'\nprint(typing.get_type_hints(A))",
        "",
        "{'x': <class 'int'>}",
    ),
    "annotations from the future": (
        "from __future__ import annotations\ndef f(x: Nowhere) -> Nowhere: return x\nprint(f(1))",
        "",
        "1",
    ),
    "walrus, f-strings, generics": (
        "x: list[int] = [y := 3]\nprint(f'{y=} {x!r:>5}')",
        "",
        "y=3   [3]",
    ),
    "pickle of an own class": (
        (
            "import pickle\nclass A:\n    def __eq__(self, o): return"
            " True\nprint(pickle.loads(pickle.dumps(A())) == A())"
        ),
        "",
        "True",
    ),
    "copy.deepcopy of an own class": (
        (
            "import copy\nclass A: x = [1]\na = A(); a.y = [2]; b = copy.deepcopy(a);"
            " b.y.append(3); print(a.y, b.y)"
        ),
        "",
        "[2] [2, 3]",
    ),
    "doctest": (
        (
            "import doctest\ndef f(x):\n    '''\n    >>> f(1)\n    2\n    '''\n    return x +"
            " 1\nprint(doctest.testmod())"
        ),
        "",
        "TestResults(failed=0, attempted=1)",
    ),
    "unittest in a script": (
        (
            "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(1,"
            " 1)\nunittest.main(argv=['x'], exit=False); print('ok')"
        ),
        "",
        "ok",
    ),
    "inspect.getsource": (
        "import inspect\ndef f(): return 1\nprint(inspect.getsource(f).strip())",
        "",
        "def f(): return 1",
    ),
    "globals of the main module": (
        "import __main__\nx = 5\nprint(__main__.x, __name__, __main__.__file__)",
        "",
        "5 __main__ /tmp/program.py",
    ),
    "warnings": (
        "import re, warnings\nwarnings.warn('w')\nprint('\\d' == chr(92) + 'd')",
        "",
        "True",
    ),
    "random with a seed": (
        "import random\nrandom.seed(1); print(random.randint(1, 100), random.random() < 1)",
        "",
        "18 True",
    ),
    "time and dates": (
        (
            "import datetime, time\nprint(datetime.date(2024, 2, 28) + datetime.timedelta(2),"
            " time.perf_counter() > 0)"
        ),
        "",
        "2024-03-01 True",
    ),
    "typing and protocols": (
        (
            "from typing import *\nT = TypeVar('T')\nclass P(Protocol):\n    def go(self) -> int:"
            " ...\nclass S(Generic[T]): pass\nprint(S[int]().__class__.__name__)"
        ),
        "",
        "S",
    ),
    "asyncio": (
        (
            "import asyncio\nasync def f(x): await asyncio.sleep(0); return x\nasync def main():"
            " print(await asyncio.gather(f(1), f(2)))\nasyncio.run(main())"
        ),
        "",
        "[1, 2]",
    ),
}

FUNCTIONS = {
    "class Solution, as a method": (
        "class Solution:\n    def f(self, n: int): return n + 1\nf = Solution().f",
        [((1,), 2)],
    ),
    "tuple": ("def f(n): return n, n + 1", [((1,), (1, 2))]),
    "named tuple": (
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(n): return P(n, n)",
        [((1,), (1, 1))],
    ),
    "named tuples in a list": (
        (
            "from typing import NamedTuple\nclass P(NamedTuple):\n    x: int\n    y: str = 'a'\ndef"
            " f(n): return [P(n)]"
        ),
        [((1,), [(1, "a")])],
    ),
    "IntEnum": (
        "from enum import IntEnum\nclass E(IntEnum):\n    A = 1\ndef f(n): return E(n)",
        [((1,), 1)],
    ),
    "a text of an enum": (
        "from enum import Enum\nclass E(str, Enum):\n    A = 'a'\ndef f(n): return E.A",
        [((1,), "a")],
    ),
    "an own class of int": (
        (
            "class M(int):\n    def __add__(self, o): return M(int(self) + int(o) % 7)\ndef f(n):"
            " return M(n) + 9"
        ),
        [((1,), 3)],
    ),
    "an own class of list and dict": (
        (
            "class L(list): pass\nclass D(dict):\n    def __missing__(self, k): return 0\ndef f(n):"
            " return [L([n]), D(a=n)]"
        ),
        [((1,), [[1], {"a": 1}])],
    ),
    "deque": (
        "from collections import deque\ndef f(n): return deque(range(n), maxlen=3)",
        [((3,), [0, 1, 2])],
    ),
    "Counter and defaultdict": (
        (
            "from collections import Counter, defaultdict\ndef f(s):\n    d = defaultdict(int);"
            " d[s] += 1\n    return Counter(s), d"
        ),
        [(("aab",), ({"a": 2, "b": 1}, {"aab": 1}))],
    ),
    "integer keys": ("def f(n): return {i: i * i for i in range(n)}", [((2,), {0: 0, 1: 1})]),
    "set": ("def f(xs): return set(xs)", [(([1, 1, 2],), {1, 2})]),
    "None": ("def f(x): pass", [((1,), None)]),
    "True for 1": ("def f(x): return x == 1", [((1,), 1)]),
    "Fraction": (
        "from fractions import Fraction\ndef f(x): return Fraction(x, 2)",
        [((4,), 2), ((1,), 0.5)],
    ),
    "Decimal": ("from decimal import Decimal\ndef f(x): return Decimal(x) / 4", [((1,), 0.25)]),
    "helpers and state between calls": (
        "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)",
        [((5,), 1), ((5,), 2)],
    ),
    "a main guard that reads": (
        (
            "import sys\ndef f(n): return n + 1\ndef main():\n    print(f(int(input())),"
            " sys.argv[1])\nif __name__ == '__main__':\n    main()"
        ),
        [((1,), 2)],
    ),
    "a main guard of tests": (
        (
            "def f(n): return n + 1\nif __name__ == '__main__':\n    import unittest\n   "
            " unittest.main()"
        ),
        [((1,), 2)],
    ),
    "an example call at the bottom": ("def f(n): return n + 1\nprint(f(3), 'is 4')", [((1,), 2)]),
    "exit() at the bottom": ("def f(n): return n + 1\nexit()", [((1,), 2)]),
    "pickle in a module that is not main": (
        (
            "import pickle\nclass A:\n    def __init__(self, x): self.x = x\ndef f(n): return"
            " pickle.loads(pickle.dumps(A(n))).x"
        ),
        [((1,), 1)],
    ),
    "dataclasses and type hints in a module that is not main": (
        (
            "from __future__ import annotations\nfrom dataclasses import dataclass, field\nfrom"
            " typing import get_type_hints\n@dataclass\nclass A:\n    x: int\n    y: list[A] ="
            " field(default_factory=list)\ndef f(n): return sorted(get_type_hints(A)), A(n).x"
        ),
        [((1,), (["x", "y"], 1))],
    ),
    "recursion of 985": ("def f(n): return 0 if n == 0 else 1 + f(n - 1)", [((985,), 985)]),
    "static and class methods": (
        (
            "class A:\n    @staticmethod\n    def s(x): return x\n    @classmethod\n    def c(cls,"
            " x): return x\ndef f(x): return A.s(x) + A.c(x)"
        ),
        [((2,), 4)],
    ),
    "lambda": ("f = lambda x: x * 2", [((2,), 4)]),
    "partial and cache": (
        (
            "from functools import cache, partial\n@cache\ndef g(a, b): return a + b\nf ="
            " partial(g, 1)"
        ),
        [((2,), 3)],
    ),
    "much output for debugging": (
        "def f(n):\n    for i in range(n): print('debug', i, 'x' * 60)\n    return n",
        [((30_000,), 30_000)],
    ),
    "a large result": ("def f(n): return ['x' * n]", [((1_500_000,), ["x" * 1_500_000])]),
    "async, run inside": (
        "import asyncio\nasync def g(x): return x\ndef f(x): return asyncio.run(g(x))",
        [((2,), 2)],
    ),
}

ASSERTED = {
    "list of a generator": (
        "def f(n):\n    for i in range(n): yield i",
        [
            "assert list(f(3)) == [0, 1, 2]",
            "g = f(2)\nassert next(g) == 0 and next(g) == 1\nassert next(g, None) is None",
        ],
    ),
    "list of a map": ("def f(n): return map(str, range(n))", ["assert list(f(2)) == ['0', '1']"]),
    "sorted, set, sum and in": (
        "def f(n): return (i for i in range(n))",
        [
            "assert sorted(f(3)) == [0, 1, 2]",
            "assert set(f(3)) == {0, 1, 2}",
            "assert sum(f(4)) == 6",
            "assert 2 in f(3) and 3 not in f(3)",
        ],
    ),
    "an endless generator": (
        "def f():\n    i = 0\n    while True:\n        yield i\n        i += 1",
        [
            "import itertools\nassert list(itertools.islice(f(), 4)) == [0, 1, 2, 3]",
            "for a, b in zip(f(), 'xyz'): assert 'xyz'[a] == b",
        ],
    ),
    "views of a dict": (
        "def f(n): return {i: str(i) for i in range(n)}.items()",
        [
            "assert list(f(1)) == [(0, '0')]",
            "assert dict(f(2)) == {0: '0', 1: '1'}",
            "assert len(f(2)) == 2",
        ],
    ),
    "zip, enumerate, reversed": (
        "def f(a): return zip(a, reversed(a), enumerate(a))",
        ["assert list(f([1, 2])) == [(1, 2, (0, 1)), (2, 1, (1, 2))]"],
    ),
    "range": (
        "def f(n): return range(n)",
        ["assert f(3) == range(3)", "assert list(f(3)) == [0, 1, 2]", "assert f(3)[1] == 1"],
    ),
    "named tuple": (
        (
            "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(n): return P(n,"
            " n + 1)"
        ),
        [
            "assert f(1) == (1, 2)",
            "assert f(1).y == 2 and f(1)[0] == 1",
            "x, y = f(3)\nassert (x, y) == (3, 4)",
            "assert f(1) == P(1, 2)",
            "assert f(1)._asdict() == {'x': 1, 'y': 2}",
            "assert isinstance(f(1), tuple)",
            "assert str(f(1)) == 'P(x=1, y=2)'",
        ],
    ),
    "enums": (
        (
            "from enum import Enum, IntEnum\nclass C(Enum):\n    RED = 1\n    BLUE = 2\nclass"
            " N(IntEnum):\n    A = 1\ndef f(n): return C(n)\ndef g(n): return N(n)"
        ),
        [
            "assert f(1) == C.RED",
            "assert f(1) is C.RED",
            "assert f(2) != C.RED",
            "assert f(2).name == 'BLUE' and f(2).value == 2",
            "assert g(1) == 1 and g(1) == N.A and g(1).name == 'A'",
            "assert {f(1): 5}[C.RED] == 5",
            "assert len(C) == 2",
        ],
    ),
    "Fraction": (
        "from fractions import Fraction\ndef f(a, b): return Fraction(a, b)",
        [
            "from fractions import Fraction\nassert f(2, 4) == Fraction(1, 2) == 0.5",
            "assert f(1, 3).denominator == 3",
        ],
    ),
    "Decimal": (
        "from decimal import Decimal\ndef f(a): return Decimal(a)",
        [
            "from decimal import Decimal\nassert f('0.1') == Decimal('0.1')",
            "assert f('2') * 2 == 4",
        ],
    ),
    "deque, Counter, OrderedDict": (
        (
            "from collections import *\ndef f(a): return deque(a), Counter(a),"
            " OrderedDict.fromkeys(a), defaultdict(list, {'k': a})"
        ),
        [
            "from collections import Counter, OrderedDict, deque\nq, c, o, d = f('aab')\nassert q"
            " == deque('aab') and q.popleft() == 'a'\nassert c == Counter(a=2, b=1) and"
            " c.most_common(1) == [('a', 2)]\nassert o == OrderedDict(a=None, b=None)\nassert"
            " d['k'] == 'aab'"
        ],
    ),
    "dates": (
        "import datetime\ndef f(y): return datetime.date(y, 1, 31) + datetime.timedelta(days=1)",
        [
            "import datetime\nassert f(2024) == datetime.date(2024, 2, 1)",
            "assert f(2024).weekday() == 3",
        ],
    ),
    "methods, len, iteration and items of a class": (
        (
            "class Stack:\n    def __init__(self, items=()): self.items = list(items)\n    def"
            " push(self, x): self.items.append(x); return self\n    def pop(self): return"
            " self.items.pop()\n    def __len__(self): return len(self.items)\n    def"
            " __iter__(self): return iter(self.items)\n    def __getitem__(self, i): return"
            " self.items[i]\n    def __setitem__(self, i, x): self.items[i] = x\n    def"
            " __repr__(self): return f'Stack({self.items})'\n    def __bool__(self): return"
            " bool(self.items)\nf = Stack"
        ),
        [
            (
                "s = Stack()\ns.push(1).push(2)\nassert len(s) == 2 and list(s) == [1, 2] and s[0]"
                " == 1 and s[-1:] == [2]\ns[0] = 5\nassert s.items == [5, 2] and 5 in"
                " list(s)\nassert str(s) == repr(s) == f'{s}' == 'Stack([5, 2])'\nassert s.pop() =="
                " 2 and s and not Stack()"
            ),
            "assert isinstance(Stack(), Stack) and not isinstance(1, Stack)",
            "assert hasattr(Stack(), 'push') and not hasattr(Stack(), 'peek')",
        ],
    ),
    "operators of a class": (
        (
            "class V:\n    def __init__(self, x, y=0): self.x, self.y = x, y\n    def __add__(self,"
            " o): return V(self.x + o.x, self.y + o.y)\n    def __mul__(self, k): return V(self.x *"
            " k, self.y * k)\n    __rmul__ = __mul__\n    def __neg__(self): return V(-self.x,"
            " -self.y)\n    def __abs__(self): return (self.x ** 2 + self.y ** 2) ** 0.5\n    def"
            " __int__(self): return self.x\n    def __call__(self, k=1): return self.x * k\ndef"
            " f(x): return V(x)"
        ),
        [
            "v = V(1, 2) + V(2, 2)\nassert (v.x, v.y) == (3, 4) and abs(v) == 5.0",
            "assert (-V(1)).x == -1 and int(V(7)) == 7 and V(2)(k=3) == 6",
            "v = f(1)\nv.x = 9\nassert v.x == 9 and f(1).x == 1",
        ],
    ),
    "identity of objects": (
        (
            "class N:\n    def __init__(self, v, n=None): self.v, self.next = v, n\ndef f(n):"
            " return n.next"
        ),
        [
            (
                "a = N(1)\nb = N(2, a)\nassert f(b) is a and f(b) == a and f(b) != b\nassert f(a)"
                " is None"
            ),
            (
                "n = N(1, N(2, N(3)))\nout = []\nwhile n:\n    out.append(n.v)\n    n ="
                " n.next\nassert out == [1, 2, 3]"
            ),
            "assert len({N(1), N(1)}) == 2",
        ],
    ),
    "classes, constants and class methods": (
        (
            "MOD = 10**9 + 7\nclass A:\n    LIMIT = 3\n    @classmethod\n    def make(cls): return"
            " cls()\n    @property\n    def p(self): return 5\ndef f(): return A"
        ),
        [
            "assert MOD == 10**9 + 7 and A.LIMIT == 3 and A.make().p == 5",
            "assert A.__name__ == 'A' and A.make().__class__.__name__ == 'A' and f() is A",
        ],
    ),
    "a function as an argument": (
        "def f(g, xs): return [g(x) for x in xs]",
        [
            "assert f(lambda x: x + 1, [1, 2]) == [2, 3]",
            "assert f(str, [1]) == ['1'] and f(abs, [-1]) == [1]",
            "seen = []\nf(seen.append, [1, 2])\nassert seen == [1, 2]",
            "def double(x): return x * 2\nassert f(double, [4]) == [8]",
        ],
    ),
    "a decorator": (
        (
            "import functools\ndef f(g):\n    @functools.wraps(g)\n    def wrapped(*a, **k): return"
            " g(*a, **k) * 2\n    return wrapped"
        ),
        [
            "@f\ndef three(x, y=0): return x + y\nassert three(1) == 2 and three(1, y=4) == 10 and"
            " three.__name__ == 'three'"
        ],
    ),
    "a function that returns a function": (
        "def f(n):\n    def add(x): return x + n\n    return add",
        [
            "assert f(2)(3) == 5",
            "assert callable(f(1))",
            "assert list(map(f(1), [1, 2])) == [2, 3]",
        ],
    ),
    "a key that calls the program again": (
        "def f(xs, key): return sorted(xs, key=key)\ndef g(x): return -x",
        ["assert f([1, 3, 2], lambda x: g(x)) == [3, 2, 1]"],
    ),
    "an own exception": (
        (
            "class Bad(Exception):\n    def __init__(self, code): super().__init__(f'code {code}');"
            " self.code = code\nclass Worse(Bad): pass\ndef f(n):\n    if n: raise Worse(n) if n >"
            " 1 else Bad(n)"
        ),
        [
            (
                "try:\n    f(1)\n    assert False\nexcept Bad as e:\n    assert str(e) == 'code 1'"
                " and e.code == 1"
            ),
            "try: f(2)\nexcept Bad as e: assert isinstance(e, Worse)\nelse: assert False",
            (
                "try: f(1)\nexcept Worse: assert False\nexcept Exception as e: assert"
                " type(e).__name__ == 'Bad'"
            ),
        ],
    ),
    "an own exception under a built-in one": (
        "class Bad(ValueError): pass\ndef f(n): raise Bad('x', n)",
        [
            "try: f(1)\nexcept ValueError as e: assert e.args == ('x', 1)\nelse: assert False",
            (
                "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        with"
                " self.assertRaises(Bad): f(1)\n        with self.assertRaisesRegex(ValueError,"
                " 'x'): f(1)\nunittest.main(argv=['x'])"
            ),
        ],
    ),
    "built-in exceptions": (
        "def f(x): return {'a': 1}[x] if isinstance(x, str) else 1 / x",
        [
            (
                "try: f('b')\nexcept KeyError as e: assert e.args == ('b',) and str(e) =="
                " \"'b'\"\nelse: assert False"
            ),
            (
                "import contextlib\nwith contextlib.suppress(ZeroDivisionError):\n    f(0)\n   "
                " assert False"
            ),
        ],
    ),
    "printed text": (
        "def f(x): print('hello', x)",
        [
            (
                "import contextlib, io\nb = io.StringIO()\nwith contextlib.redirect_stdout(b):"
                " f(1)\nassert b.getvalue() == 'hello 1\\n'"
            ),
            (
                "import io, sys\nold, sys.stdout = sys.stdout, io.StringIO()\nf('é')\ntext,"
                " sys.stdout = sys.stdout.getvalue(), old\nassert text == 'hello é\\n'"
            ),
            (
                "import io\nfrom unittest.mock import patch\nwith patch('sys.stdout',"
                " new_callable=io.StringIO) as out: f(2)\nassert out.getvalue() == 'hello 2\\n'"
            ),
        ],
    ),
    "an argument changed in place": (
        "def f(x): x.append(1)",
        ["a = [0]\nf(a)\nassert a == [0, 1]"],
    ),
    "a nested argument changed in place": (
        "def f(grid): grid[0][0] = 9",
        [
            (
                "g = [[1, 2], [3]]\nrow = g[0]\nf(g)\nassert g == [[9, 2], [3]] and row == [9, 2]"
                " and g[0] is row"
            ),
            "g = [[0]] * 2\nf(g)\nassert g == [[9], [9]] and g[0] is g[1]",
        ],
    ),
    "a keyword argument changed in place": (
        "def f(*, out): out['k'] = {1}; out['l'] = [out['k']]",
        ["d = {}\nf(out=d)\nassert d == {'k': {1}, 'l': [{1}]}"],
    ),
    "the argument itself is returned": (
        "def f(x): x.sort(); return x",
        ["a = [2, 1]\nassert f(a) is a and a == [1, 2]"],
    ),
    "a list that holds itself": (
        "def f(x): return x[0] is x and len(x)",
        ["a = [None]\na[0] = a\nassert f(a) == 1"],
    ),
    "changed before it raises": (
        "def f(x):\n    x.clear()\n    raise ValueError",
        ["a = [1]\ntry: f(a)\nexcept ValueError: pass\nassert a == []"],
    ),
    "unittest, run by nobody": (
        "def f(x): return x + 1",
        [
            "import unittest\nclass TestF(unittest.TestCase):\n    def setUp(self): self.n = 1\n   "
            " def test_one(self): self.assertEqual(f(self.n), 2)"
        ],
    ),
    "unittest, run by a suite": (
        "def f(x): return x + 1",
        [
            "import unittest\nclass TestF(unittest.TestCase):\n    def test_one(self):"
            " self.assertAlmostEqual(f(1),"
            " 2)\nunittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(TestF))"
        ],
    ),
    "unittest under a main guard": (
        "def f(x): return x + 1",
        [
            "import unittest\nclass TestF(unittest.TestCase):\n    def test_one(self):"
            " self.assertTrue(f(1) == 2)\nif __name__ == '__main__':\n    unittest.main()"
        ],
    ),
    "HumanEval's check": (
        "import math\ndef f(x): return math.sqrt(x)",
        [
            "METADATA = {}\ndef check(candidate):\n    import copy, math\n    assert"
            " math.fabs(candidate(4) - 2) < 1e-9\n    assert candidate(copy.deepcopy(9)) =="
            " 3\ncheck(f)"
        ],
    ),
    "types of own objects": (
        (
            "from enum import IntEnum\nclass A: pass\nclass B(A): pass\nclass N(IntEnum):\n    X ="
            " 1\ndef f(x): return {1: A(), 2: B(), 3: N.X}.get(x, x)"
        ),
        [
            (
                "assert type(f(1)) is A and type(f(2)) == B and type(f(2)) is not A and"
                " type(f(2)).__name__ == 'B'"
            ),
            "assert type(f(3)) is N and type(f(9)) is int and isinstance(int, type)",
            (
                "class M(type): pass\nclass C(metaclass=M): x = 1\nassert type(C) is M and C.x =="
                " f(1 - 0.0 == 1 and 7) - 6"
            ),
        ],
    ),
    "isinstance and types": (
        "def f(x): return x",
        [
            "assert isinstance(f(1), int) and isinstance(f('a'), str) and type(f([])) is list and"
            " not isinstance(f(1.0), int)"
        ],
    ),
    "3,000 asserts": ("def f(x): return x + 1", ["for i in range(3000): assert f(i) == i + 1"]),
    "coroutines": (
        "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x * 2",
        [
            "import asyncio\nassert asyncio.run(f(2)) == 4",
            (
                "import asyncio\nasync def main(): return await asyncio.gather(f(1), f(2))\nassert"
                " asyncio.run(main()) == [2, 4]"
            ),
        ],
    ),
    "a context manager": (
        (
            "class f:\n    def __init__(self): self.open = False\n    def __enter__(self):"
            " self.open = True; return self\n    def __exit__(self, *a): self.open = False"
        ),
        ["with f() as c: assert c.open\nassert not c.open"],
    ),
    "a main guard": (
        "def f(x): return [x][0]\nif __name__ == '__main__':\n    print(f(input()))",
        ["assert [f(1)] == [1]"],
    ),
    "a match of re": (
        "import re\ndef f(s): return re.search('b+', s)",
        [
            "assert f('abb')",
            "assert not f('x')",
            "assert f('abb').group() == 'bb' and f('abb').span() == (1, 3)",
        ],
    ),
}

UNSCORABLE = {
    "equality of an own class": (
        (
            "class V:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return"
            " self.x == o.x\ndef f(x): return V(x)"
        ),
        "assert f(1) == V(1)",
    ),
    "order of an own class": (
        (
            "class V:\n    def __init__(self, x): self.x = x\n    def __lt__(self, o): return"
            " self.x < o.x\ndef f(x): return V(x)"
        ),
        "assert sorted([f(2), f(1)])[0].x == 1",
    ),
    "what is in an own class": (
        "class V:\n    def __contains__(self, x): return x == 1\ndef f(): return V()",
        "assert 1 in f()",
    ),
    "an operator that is given a number": (
        (
            "class V:\n    def __init__(self, x): self.x = x\n    def __mul__(self, k): return"
            " V(self.x * k)\ndef f(x): return V(x)"
        ),
        "assert (f(1) * 2).x == 2",
    ),
    "an object of the tests": ("def f(n): return n.v", "class N:\n    v = 1\nassert f(N()) == 1"),
}

ELSEWHERE = {
    "os.system, without a shell": (
        "import os\nprint(1, flush=True); os.system('echo 2')",
        "1\n2",
        "wrong",
    ),
    "time zones by name": (
        "import zoneinfo\nprint(zoneinfo.ZoneInfo('America/New_York'))",
        "America/New_York",
        "wrong",
    ),
    "locales": (
        "import locale\nlocale.setlocale(locale.LC_ALL, 'de_DE.UTF-8'); print(1)",
        "1",
        "wrong",
    ),
    "integers of 5,000 digits, as CPython": ("print(10**5000)", "1" + "0" * 5000, "wrong"),
    "a stack of 1 GiB": (
        (
            "import threading\nthreading.stack_size(2**30)\nt = threading.Thread(target=print,"
            " args=(7,)); t.start(); t.join()"
        ),
        "7",
        "wrong",
    ),
    "a list of users": (
        "import os, pwd\nprint(pwd.getpwuid(os.getuid()).pw_name)",
        "program",
        "wrong",
    ),
}
