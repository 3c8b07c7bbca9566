"""Programs in C++ and JavaScript: compiled once, run for each case, and held as a Python program
is. With the compilers of this machine."""

import io
from dataclasses import replace

import pytest

import sandbox.toolchains
from sandbox import (
    EngineSettings,
    Limits,
    Pool,
    PoolSettings,
    RunTask,
    SandboxError,
    StdinCase,
    StdinTask,
)
from sandbox.__main__ import main
from sandbox.base_image import build_local_base
from sandbox.doctor import diagnose
from sandbox.engine import connect
from sandbox.judge import last_error_line, not_compiled
from sandbox.languages import LANGUAGES
from sandbox.limits import MIB
from tests.sandbox.conftest import QUICK
from tests.sandbox.other_languages import CONTESTS, HOSTILE, LONG_HOSTILE, cpp, js

CPP = LANGUAGES["cpp"]


@pytest.fixture(scope="module")
def settings(docker_engine):
    """Without the header that is compiled in advance, which takes longer than all of these
    tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LANGUAGES, "cpp", replace(CPP, prepare=()))
        yield replace(docker_engine, languages=("cpp", "javascript"))


@pytest.fixture(scope="module")
def pool(settings):
    with Pool(PoolSettings(workers=1, engines=(settings,))) as opened:
        yield opened


READ = 'require("fs").readFileSync(0, "utf8")'
RIGHT = [
    cpp('#include <cstdio>\nint main() { int n; scanf("%d", &n); printf("%d\\n", n + 1); }', ("1", "2"), ("5\n", "6"), ("7", "8")),  # noqa: E501
    cpp('#include <iostream>\nint main() { std::string s; while (std::cin >> s) std::cout << s << "é\\n"; }', ("a b", "aé\nbé")),  # noqa: E501
    cpp('#include <cstdio>\nint main(int n, char** a) { printf("%d %s\\n", n, a[0]); }', ("", "1 ./program")),  # noqa: E501
    cpp(
        '#include <cstdio>\nint f(int n) { volatile int x = n; return n ? f(n - 1) + !!x : 0; }\nint main() { printf("%d", f(500000)); }',  # noqa: E501
        ("", "500000"),
    ),
    cpp('#include <cstdio>\n#include <thread>\nint main() { std::thread t([] { puts("in a thread"); }); t.join(); }', ("", "in a thread")),  # noqa: E501
    cpp(
        '#include <cstdio>\nint main() { FILE* f = fopen("x", "wx"); if (!f) return 1; fputs("kept", f); fclose(f); puts("new"); }',  # noqa: E501
        *[("", "new")] * 2,
    ),
    js(f"const n = Number({READ});\nconsole.log(n + 1)", ("1", "2"), ("5\n", "6")),
    js('require("readline").createInterface({input: process.stdin}).on("line", l => console.log(l + "!"))', ("a\nb\n", "a!\nb!")),  # noqa: E501
    js("const f = n => n ? 1 + f(n - 1) : 0\nconsole.log(f(100000))", ("", "100000")),
    js('setTimeout(() => console.log("later"), 5)', ("", "later")),
]  # fmt: skip


@pytest.mark.parametrize("task", RIGHT, ids=lambda task: f"{task.language}: {task.source[-40:]}")
def test_right_programs_pass(pool, task):
    verdict = pool.judge(task)
    assert verdict.outcome == "pass", verdict
    assert 0 < verdict.cpu_seconds < 1


WRONG = [
    (cpp("int main() { retrun 0; }"), "malformed", "'retrun' was not declared"),
    (cpp("int f(); int main() { return f(); }"), "malformed", "undefined reference"),
    (cpp("no program at all"), "malformed", "error"),
    (cpp("\ud800"), "malformed", "error"),
    (cpp("int main() { return 3; }"), "wrong", "status 3"),
    (cpp("int main() { __builtin_trap(); }"), "wrong", "signal 4 (Illegal instruction)"),
    (cpp("int main() { volatile int* p = 0; *p = 1; }"), "wrong", "signal 11 (Segmentation fault)"),
    (cpp('#include <cstdio>\nint main() { FILE* f = fopen("x", "w"); fseek(f, 1 << 26, 0); fputc(1, f); }'), "resource", "a file of"),  # noqa: E501
    (cpp('#include <cstdio>\nint main() { puts("2"); }', ("", "1")), "wrong", "printed '2"),
    (cpp("int main() { for (;;); }"), "timeout", "CPU time"),
    (cpp("char* p;\nint main() { p = new char[1ul << 32]; p[7] = 1; }"), "resource", "memory"),
    (cpp("#include <cstdio>\nint main() { for (;;) puts(\"endless\"); }"), "resource", "wrote more"),  # noqa: E501
    (js("let x = ;"), "malformed", "SyntaxError"),
    (js('throw new TypeError("not so")'), "wrong", "TypeError: not so"),
    (js("process.exit(4)"), "wrong", "status 4"),
    (js("for (;;);"), "timeout", "CPU time"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("task", "outcome", "said"), WRONG, ids=lambda value: getattr(value, "source", None)
)
def test_others_do_not_and_the_reason_is_the_compilers_or_the_programs(pool, task, outcome, said):
    verdict = pool.judge(task)
    assert verdict.outcome == outcome, verdict
    assert said in verdict.reason


@pytest.mark.parametrize("task", HOSTILE, ids=lambda task: task.source[-50:])
def test_hostile_programs_leave_nothing_and_the_next_program_passes(pool, nothing_left, task):
    pool.judge(task)
    assert pool.judge(RIGHT[0]).outcome == "pass"


@pytest.mark.kills
@pytest.mark.parametrize("task", LONG_HOSTILE, ids=lambda task: task.source[-50:])
def test_no_container_is_lost_to_a_hostile_program(pool, nothing_left, task):
    assert pool.judge(task).attempts == 1
    assert pool.judge(RIGHT[0]).outcome == "pass"


INSIDE = r"""
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <initializer_list>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/mount.h>
#include <unistd.h>
int main() {
    int open_to_it = 0;
    for (int family : {AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, 40}) open_to_it += socket(family, SOCK_DGRAM, 0) >= 0;
    for (const char* path : {"/proc/1/mem", "/proc/1/environ", "/proc/1/fd/0", "/etc/shadow"}) open_to_it += open(path, O_RDONLY) >= 0;
    for (const char* path : {"/opt/x", "/usr/bin/x", "/x", "/proc/self/exe"}) open_to_it += open(path, O_CREAT | O_RDWR, 0700) >= 0;
    open_to_it += setuid(0) == 0;
    open_to_it += ptrace(PTRACE_ATTACH, getppid(), 0, 0) == 0;
    open_to_it += mount("none", "/tmp", "tmpfs", 0, 0) == 0;
    int from = open("/proc/self/exe", O_RDONLY), to = open("/tmp/copy", O_CREAT | O_WRONLY, 0700), n;
    char buffer[4096];
    while ((n = read(from, buffer, sizeof buffer)) > 0) write(to, buffer, n);
    close(to);
    execl("/tmp/copy", "copy", (char*)0);
    printf("%d %s\n", open_to_it, strerror(errno));
}
"""  # noqa: E501


def test_a_compiled_program_finds_the_same_walls(pool, nothing_left):
    """Nothing that it writes can be run: what it was compiled to is no file of the scratch
    folder."""
    verdict = pool.judge(
        StdinTask(INSIDE, (StdinCase("", "0 Permission denied"),) * 2, limits=QUICK, language="cpp")
    )
    assert verdict.outcome == "pass", verdict


def test_a_result_is_what_is_printed(pool):
    source = '#include <cstdio>\nint main() { int n; scanf("%d", &n); printf("%d\\n", n * 7); }'
    verdict = pool.judge(RunTask(source, "6", QUICK, "cpp"))
    assert (verdict.outcome, verdict.output, verdict.value) == ("pass", "42\n", None)
    assert pool.judge(RunTask("int main() {", "", QUICK, "cpp")).outcome == "malformed"


def test_the_doctor_names_the_versions(pool, settings):
    with diagnose(settings) as found:
        assert found.languages.keys() == {"C++", "JavaScript"}
        assert all(any(c.isdigit() for c in version) for version in found.languages.values())
        assert ", C++ " in found.holds


def test_a_file_is_run_by_its_suffix(pool, docker_engine, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("3"))
    path = tmp_path / "p.js"
    path.write_text(f"console.log(2 * {READ})")
    arguments = ["--host", docker_engine.host] if docker_engine.host else []
    # those of the image that is there
    arguments += ["--language", "cpp", "--language", "javascript"]
    assert main([*arguments, "run", "--base", "local", str(path)]) == 0
    assert capsys.readouterr().out == "6\n"


@pytest.mark.parametrize(
    ("language", "why"), [(CPP, "it has no g++"), (LANGUAGES["javascript"], "node: No such file")]
)
def test_an_image_without_the_compiler_is_refused_before_anything_is_judged(
    docker_engine, monkeypatch, language, why
):
    name = language.version[0]
    key = next(key for key, row in LANGUAGES.items() if row.title == language.title)
    # as it is: with what is done when an image is built
    monkeypatch.setitem(LANGUAGES, key, language)
    settings = replace(
        docker_engine, base=build_local_base(connect(docker_engine.host)), languages=(key,)
    )
    with pytest.raises(SandboxError) as caught, Pool(PoolSettings(1, (settings,))):
        pass
    said = str(caught.value)
    assert said.startswith(f"{language.title} cannot be run in the image selftrain-sandbox")
    assert why in said
    assert said.endswith(
        f"set `base` to an image that has python3 and {name}, or to `local`, which takes {name}"
        " from this machine"
    )


def test_a_machine_without_the_compiler_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(
        SandboxError,
        match="this machine has no `node`, so that a local base image gets no JavaScript",
    ):
        sandbox.toolchains.found_versions(["javascript"])
    script = tmp_path / "node"
    script.write_text("#!/bin/sh\n")
    monkeypatch.setattr("shutil.which", lambda name: str(script))
    with pytest.raises(SandboxError, match="is a script"):
        sandbox.toolchains.files(["javascript"])


def test_a_language_that_is_not_there_is_refused():
    with pytest.raises(SandboxError, match='no language "cobol"; there are cpp, javascript'):
        EngineSettings(languages=("cobol",))


def test_limits_reach_the_command():
    command = LANGUAGES["javascript"].command(Limits(memory_bytes=300 * MIB, stack_bytes=64 * MIB))
    assert command["run"] == [
        "node",
        "--max-old-space-size=300",
        "--stack-size=61440",
        "program.js",
    ]
    assert command["limits"]["address_bytes"] is None
    assert LANGUAGES["cpp"].command(Limits())["limits"]["memory_bytes"] == 640 * MIB


def compiling(out="", status=1, late=False, over=False, cpu=0.1):
    end = {"exit": status, "cpu": cpu, "wall": 0.1, "memory": 1}
    return {
        "compiling": True,
        "program": end,
        "out": out,
        "err": "",
        "results": "",
        "late": late,
        "over": over,
    }


@pytest.mark.parametrize(
    ("report", "found"),
    [
        ({"program": {}}, None),
        (compiling("In file included from x:\nx.cpp:1:2: error: no\n   1 | foo\n"), ("malformed", "x.cpp:1:2: error: no")),  # noqa: E501
        (compiling("/usr/bin/ld: undefined reference to `f()'\ncollect2: error: ld returned 1 exit status"), ("malformed", "undefined")),  # noqa: E501
        (compiling("", status=127), ("malformed", "")),
        (compiling(late=True), ("timeout", "compiling it: still there")),
        (compiling(cpu=31), ("timeout", "compiling it: used 31.00 s")),
        (compiling(over=True), ("resource", "compiling it: wrote more")),
        (compiling(status=-9), ("resource", "compiling it: killed")),
    ],
)  # fmt: skip
def test_what_became_of_compiling(report, found):
    result = not_compiled(report)
    assert result == found or (result[0] == found[0] and found[1] in result[1])


def test_the_line_that_says_why_node_failed_is_found():
    trace = (
        "/tmp/program.js:1\nthrow new RangeError('far')\n^\n\nRangeError: far\n    at"
        " Object.<anonymous>\n\nNode.js v20.20.2\n"
    )
    assert last_error_line(trace) == "RangeError: far"
    assert last_error_line("Traceback\nValueError: no\n") == "ValueError: no"
    assert last_error_line("") == ""


@pytest.mark.kills
def test_what_contests_use_compiles_with_the_header_that_is_compiled_in_advance(
    docker_engine, monkeypatch
):
    monkeypatch.setitem(LANGUAGES, "cpp", CPP)
    look = "import os; os.path.getsize('/opt/prepared/bits/stdc++.h.gch')"
    with Pool(PoolSettings(1, (replace(docker_engine, languages=("cpp",)),))) as pool:
        assert [pool.judge(cpp(source, ("", "2"))).reason for source in CONTESTS] == [""] * len(
            CONTESTS
        )
        assert pool.judge(RunTask(look)).value > 10 * MIB
