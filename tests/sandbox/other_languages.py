"""Programs in C++ and JavaScript for the tests: what contests use, and what hostile ones try."""

from sandbox import Limits, StdinCase, StdinTask
from tests.sandbox.conftest import QUICK


def cpp(source, *pairs, limits=QUICK):
    return StdinTask(
        source,
        tuple(StdinCase(*pair) for pair in pairs or [("", "")]),
        limits=limits,
        language="cpp",
    )


def js(source, *pairs, limits=QUICK):
    return StdinTask(
        source,
        tuple(StdinCase(*pair) for pair in pairs or [("", "")]),
        limits=limits,
        language="javascript",
    )


STD = "#include <bits/stdc++.h>\nusing namespace std;\n"
CONTESTS = [
    STD + "int main() { map<int, int> m; m[1] = 2; cout << m[1]; }",
    '#pragma GCC optimize("O3,unroll-loops")\n#pragma GCC target("avx2,popcnt")\n'
    + STD
    + "int main() { cout << __builtin_popcount(3); }",
    (
        "#include <ext/pb_ds/assoc_container.hpp>\n#include <ext/pb_ds/tree_policy.hpp>\n#include"
        " <iostream>\nusing namespace __gnu_pbds;\nint main() { tree<int, null_type,"
        " std::less<int>, rb_tree_tag, tree_order_statistics_node_update> t; t.insert(1);"
        " t.insert(3); std::cout << t.order_of_key(9); }"
    ),
    STD
    + "int main() { vector<int> v{3, 1, 2}; ranges::sort(v); cout << v[1] << (set{1}.contains(1) ?"
    ' "" : "no"); }',
    STD + "int main() { auto f = async(launch::async, [] { return 2; }); cout << f.get(); }",
    (
        "#include <stdio.h>\n#include <sys/resource.h>\nint main() { struct rlimit r;"
        " getrlimit(RLIMIT_STACK, &r); r.rlim_cur = 256L << 20; setrlimit(RLIMIT_STACK, &r);"
        ' printf("2"); }'
    ),
    (
        "#include <iostream>\nint a[60000000];\nint main() { for (int& x : a) x = 1; std::cout <<"
        " a[0] + a[1000]; }"
    ),
]

SHORT = Limits(cpu_seconds=1, wall_seconds=3)
HOSTILE = [
    cpp("#include <unistd.h>\nint main() { for (;;) fork(); }", limits=SHORT),
    cpp("#include <unistd.h>\nint main() { if (!fork()) { setsid(); if (!fork()) for (;;) pause(); } }"),  # noqa: E501
    cpp("#include <csignal>\nint main() { for (int s = 1; s < 65; s++) signal(s, SIG_IGN); for (;;); }", limits=SHORT),  # noqa: E501
    cpp("#include <unistd.h>\n#include <fcntl.h>\nint main() { for (int n = 3; n < 300; n++) if (write(n, \"{}\", 2) == 2) return 1; }"),  # noqa: E501
    cpp("int a[-1u >> 3] = {1};\nint main() {}"),
    cpp("template <int n> struct A { A<n + 1> a; };\nA<0> a;\nint main() {}"),
    cpp('#include "/dev/zero"\nint main() {}', limits=QUICK),
    cpp('#include "/proc/1/environ"\n#include "/proc/1/mem"\nint main() {}'),
    cpp('asm(".incbin \\"/proc/1/mem\\"");\nint main() {}'),
    js("for (;;) require('child_process').spawn('node', ['-e', 'for(;;);'])", limits=SHORT),
]  # fmt: skip

LIBC = "".join(
    f"#include <{name}.h>\n"
    for name in (
        "fcntl",
        "sched",
        "signal",
        "string",
        "sys/mman",
        "sys/prctl",
        "sys/syscall",
        "unistd",
    )
)
FILL = """
    int f = memfd_create("x", 0);
    ftruncate(f, 30 << 20);
    void* p = mmap(0, 30 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
    if (p != MAP_FAILED) memset(p, 1, 30 << 20);
"""
SHARE = """
    void* p = mmap(0, 64 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED) memset(p, 1, 64 << 20);
"""
UNCHARGED = (
    'int main() { prctl(4, 1); write(open("/proc/self/oom_score_adj", O_WRONLY), "0", 1); for'
    f" (;;) {{ {FILL} }} }}"
)
ADOPTED = (
    "int main() { for (int n = 0; n < 9; n++) syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0,"
    " 0); pause(); }"
)
ENDLESS = (
    "constexpr int f() { int s = 0; for (long i = 0; i < 1000000000000; i++) s ^= i; return s;"
    " }\nstatic_assert(f() == 3);\nint main() {}"
)
LONG_HOSTILE = [
    cpp(LIBC + UNCHARGED, limits=SHORT),
    cpp(LIBC + f"int main() {{ for (;;) {{ {SHARE} }} }}", limits=SHORT),
    cpp(
        LIBC
        + "int main() { fork(); fork(); for (;;) for (int p = 2; p < 400; p++) kill(p, SIGSTOP); }",
        limits=SHORT,
    ),
    cpp(LIBC + ADOPTED, limits=SHORT),
    cpp(LIBC + "int main() { for (;;) if (!vfork()) _exit(0); }", limits=SHORT),
    cpp(LIBC + "int main() { kill(-1, SIGKILL); }"),
    cpp(
        "#include <sys/stat.h>\n"
        + LIBC
        + 'int main() { for (int n = 0; n < 1900; n++) { mkdir("dddddddd", 0700);'
        ' chdir("dddddddd"); } }'
    ),
    cpp(
        "".join(f"#define {b} {f'{a} ' * 10}\n" for a, b in zip("xABCDEF", "ABCDEFG", strict=True))
        + "G G G"
    ),
    cpp(ENDLESS),
    cpp("".join(f"int x{n} = undefined_{n};\n" for n in range(200_000))),
    js(
        "for (let n = 0; n < 60; n++) new (require('worker_threads').Worker)('for (;;);', {eval:"
        " true})",
        limits=SHORT,
    ),
    js("const kept = []; for (;;) kept.push(Buffer.alloc(1 << 26, 1))", limits=SHORT),
    js(
        "const kept = []; for (;;) { const s = new SharedArrayBuffer(1 << 26); new"
        " Uint8Array(s).fill(1); kept.push(s) }",
        limits=SHORT,
    ),
]
"""What takes longer, or would take a container down."""
