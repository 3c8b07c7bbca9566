"""Packages in the image: had from wheels, imported before the first job, and refused in a
sentence where they cannot be had."""

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import pytest

import sandbox.image
from sandbox import (
    Call,
    ContainerLimits,
    FuncTask,
    Limits,
    Pool,
    PoolSettings,
    RpcTask,
    RunTask,
    SandboxError,
    StdinCase,
    StdinTask,
)
from sandbox.doctor import diagnose
from sandbox.image import build
from sandbox.limits import MIB
from sandbox.packages import Target, _reason, install
from sandbox.worker import Worker

HERE = Target(sys.version_info[:2], "x86_64", "2.36")


def wheel(folder, name, files, version="1.0", needs=(), tag="py3-none-any"):
    """A wheel as simple as one can be."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(
        f"Requires-Dist: {need}\n" for need in needs
    )
    files = files | {
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(
            f"{info}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
        )


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """A package that needs another, maps 300 MiB, fills 120, and has a part that it loads when
    it is asked for it."""
    folder = tmp_path_factory.mktemp("wheels")
    lazy = (
        "__all__ = ['part']\ndef __getattr__(name):\n    import importlib\n    return"
        " importlib.import_module(f'greeting.{name}')\n"
    )
    code = (
        f"import mmap\nfrom helping import word\nheld = mmap.mmap(-1, {300 * MIB})\nfull = b'x' *"
        f" {120 * MIB}\n{lazy}"
    )
    wheel(
        folder,
        "greeting",
        {"greeting/__init__.py": code, "greeting/part.py": "six = 6\n"},
        needs=["helping>=2", "spare"],
    )
    wheel(folder, "spare", {"spare.py": "word = 'spare'\n"})
    wheel(folder, "helping", {"helping.py": "word = 'hello'\n"}, version="2.1")
    wheel(folder, "helping", {"helping.py": "word = 'hi'\n"}, version="1.0")
    wheel(folder, "onlyother", {"onlyother.py": ""}, tag="cp27-cp27m-win32")
    return folder


@pytest.fixture(scope="module")
def settings(docker_engine, wheels):
    return replace(
        docker_engine,
        packages=("greeting",),
        wheels=str(wheels),
        container=ContainerLimits(memory_bytes=640 * MIB, scratch_bytes=8 * MIB),
    )


@pytest.fixture(scope="module")
def pool(settings):
    with Pool(PoolSettings(workers=1, engines=(settings,))) as opened:
        yield opened
        client, image = opened.workers[0].client, opened.workers[0].image
    client.images.remove(client.images.get(image).id, force=True)


IMPORTED = [
    RpcTask(
        "open('spare.py', 'w').write('word = 7')\ndef f(): return 7",
        "f",
        ("import spare\nassert f() == 7 and spare.word == 'spare'",),
    ),
    StdinTask("import greeting\nprint(greeting.word)", (StdinCase("", "hello"),)),
    StdinTask(
        "import sys\nprint('greeting' in sys.modules, 'greeting.part' in sys.modules)",
        (StdinCase("", "True True"),),
    ),
    FuncTask(
        "import greeting.part\ndef f(x): return greeting.part.six * x", "f", (Call((7,), 42),)
    ),
    RpcTask(
        "from helping import word\ndef f(): return word",
        "f",
        ("import greeting\nassert f() == greeting.word",),
    ),
    StdinTask(
        "import subprocess, sys\nprint(subprocess.check_output([sys.executable, '-c', 'import"
        " helping; print(helping.word)'], text=True))",
        (StdinCase("", "hello"),),
    ),
]


@pytest.mark.parametrize("task", IMPORTED, ids=lambda task: f"{task.mode}: {task.source[:40]}")
def test_programs_and_tests_import_them(pool, task):
    verdict = pool.judge(task)
    assert verdict.outcome == "pass", verdict


def test_what_packages_hold_is_not_charged_to_a_program(pool):
    limits = Limits(memory_bytes=256 * MIB)
    verdict = pool.judge(RunTask(f"x = b'x' * {200 * MIB}; len(x)", limits=limits))
    assert verdict.value == 200 * MIB, verdict
    assert 200 * MIB < verdict.peak_memory_bytes < 256 * MIB
    assert pool.judge(RunTask(f"x = b'x' * {300 * MIB}", limits=limits)).outcome == "resource"


def test_a_container_has_the_memory_and_the_scratch_that_are_set(pool):
    """The pool has opened: the self-test has found both limits."""
    inside = "import os\ns = os.statvfs('/tmp')\ns.f_blocks * s.f_frsize"
    assert pool.judge(RunTask(inside)).value == 8 * MIB
    inspected = pool.workers[0].client.api.inspect_container(pool.workers[0].line.id)
    assert inspected["HostConfig"]["Memory"] == 640 * MIB


def test_the_image_is_built_once_and_named_by_what_is_in_it(pool, settings, monkeypatch):
    client, image = pool.workers[0].client, pool.workers[0].image
    monkeypatch.setattr(sandbox.image, "install", lambda *_: pytest.fail("it is there"))
    assert build(client, settings) == image == pool.judge(RunTask("1")).image
    assert sandbox.image._source_tag("sha256:base", settings) != sandbox.image._source_tag(
        "sha256:base", replace(settings, packages=("helping",))
    )


def test_the_doctor_names_them(pool, settings, monkeypatch):
    with diagnose(settings) as found:
        assert found.packages == {"greeting": "1.0", "helping": "2.1", "spare": "1.0"}
        assert found.holds.endswith(", greeting 1.0, helping 2.1, spare 1.0")


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        (
            ("nowhere-to-be-had",),
            "No matching distribution|no version|satisfies the requirement nowhere-to-be-had",
        ),
        (("onlyother",), "satisfies the requirement onlyother"),
        (("greeting", "helping<2"), "conflicting dependencies"),
    ],
)
def test_what_cannot_be_had_is_said_with_the_reason_of_pip(wheels, tmp_path, packages, said):
    with pytest.raises(SandboxError, match=said) as caught:
        install(packages, str(wheels), HERE, tmp_path)
    assert "\n" not in str(caught.value)
    assert str(wheels) in str(caught.value)


def test_settings_that_cannot_be_right_are_refused(wheels, tmp_path):
    with pytest.raises(SandboxError, match="option of pip"):
        install(("--pre",), str(wheels), HERE, tmp_path)
    with pytest.raises(SandboxError, match="place of sources"):
        install(("git+https://example.org/x",), str(wheels), HERE, tmp_path)
    with pytest.raises(SandboxError, match="no folder of wheels"):
        sandbox.image.wanted_digest(("greeting",), str(wheels / "nowhere"))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "/usr/bin/python3: No module named pip\n",
            "this Python has no pip (`python -m ensurepip` installs it)",
        ),
        (
            (
                "WARNING: noise\nERROR: Could not find a version that satisfies the requirement"
                " numpy==99 (from versions: 1, 2, 3, 4, 5, 6, 7)\nERROR: No matching distribution"
                " found for numpy==99\n"
            ),
            (
                "Could not find a version that satisfies the requirement numpy==99 (from versions:"
                " ..., 3, 4, 5, 6, 7)"
            ),
        ),
        (
            (
                "WARNING: Retrying (Retry(total=0)) after connection broken by"
                " 'NewConnectionError(...)': /simple/numpy/\nERROR: Could not find a version that"
                " satisfies the requirement numpy (from versions: none)\n"
            ),
            (
                "Could not find a version that satisfies the requirement numpy (from versions:"
                " none); its index did not answer"
            ),
        ),
        ("", "pip said nothing"),
    ],
)
def test_the_reason_of_pip_is_its_first_error(said, reason):
    assert _reason(said) == reason


def test_wheels_of_older_c_libraries_fit():
    options = Target((3, 12), "aarch64", "2.17").options()
    assert "manylinux_2_17_aarch64" in options
    assert "manylinux2014_aarch64" in options
    assert "manylinux_2_18_aarch64" not in options
    assert "musllinux_1_2_x86_64" in Target((3, 12), "x86_64", "").options()


PRELOAD = """
import json, sys
from sandbox.runner import preload
preload.PACKAGES = {folder!r}
preload.listing = lambda: {{"versions": {{}}, "modules": {modules!r}}}
print(json.dumps(preload.packages()))
"""


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("", None),
        (
            "import libnothing",
            "cannot be imported: ModuleNotFoundError: No module named 'libnothing'",
        ),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        (
            (
                "import threading, time\nthreading.Thread(target=time.sleep, args=(9,),"
                " daemon=True).start()"
            ),
            "starts 1 threads when it is imported",
        ),
        (
            (
                "try: import libnothing\nexcept ImportError as e: raise ImportError('read\\nthis')"
                " from e"
            ),
            "cannot be imported: ModuleNotFound",
        ),
        ("__all__ = ['missing']", None),
    ],
)
def test_a_package_that_does_not_work_in_the_sandbox_is_found_before_the_first_job(
    tmp_path, code, why
):
    (tmp_path / "odd.py").write_text(code)
    script = PRELOAD.format(folder=str(tmp_path), modules={"odd": ["odd"]})
    unfit = json.loads(
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        ).stdout
    )["unfit"]
    assert unfit.get("odd", "").startswith(why) if why else unfit == {}


def test_a_pool_with_such_a_package_does_not_open():
    worker = Worker(None, "image:1", SimpleNamespace(), 0)
    with pytest.raises(
        SandboxError,
        match="of no use in the sandbox: numpy cannot be imported: ImportError: libfortran",
    ):
        worker._accept(
            {"hello": 1, "unfit": {"numpy": "cannot be imported: ImportError: libfortran.so"}}
        )


@pytest.mark.kills
def test_numpy_from_the_index_costs_a_program_next_to_nothing(docker_engine):
    """With the shared libraries that it needs and a local base does not have, and in a case of
    less than 10 ms of CPU time."""
    source = "import numpy as np\nprint(round(np.linalg.det(np.eye(3) * int(input()))))"
    cases = tuple(StdinCase(str(n), str(n**3)) for n in range(2, 12))
    with Pool(PoolSettings(1, (replace(docker_engine, packages=("numpy",)),))) as opened:
        verdict = opened.judge(StdinTask(source, cases))
        assert verdict.outcome == "pass", verdict
        assert (
            min(opened.judge(StdinTask(source, cases)).cpu_seconds for _ in range(3)) / len(cases)
            < 0.01
        )
        assert opened.judge(RunTask("import os; len(os.listdir('/proc/self/task'))")).value == 1
