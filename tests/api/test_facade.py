"""The public names of the package, and what they cost."""

import ast
import inspect
import subprocess
import sys
import time
from pathlib import Path

import pytest

import selftrain_assets as st
from tests.cli.command import selftrain
from tests.test_architecture import HEAVY


def in_a_new_process(program: str) -> list[str]:
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


@pytest.mark.parametrize("name", [name for name in st.__all__ if name != "__version__"])
def test_every_public_name_is_there_and_says_what_it_is_for(name):
    member = getattr(st, name)
    assert inspect.getdoc(member)
    assert name in dir(st)


def test_type_checkers_see_the_same_names_in_the_same_modules():
    tree = ast.parse(Path(st.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: getattr(sys.modules[node.module], alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom) and __import__(node.module)
        for alias in node.names
    }
    assert {*typed, "__version__"} == {*st.__all__, "testing"}  # for which pytest is needed
    assert all(getattr(st, name) is member for name, member in typed.items())
    assert Path(st.__file__).with_name("py.typed").is_file()


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="has no attribute 'Experimemt'"):
        _ = st.Experimemt


def test_the_import_loads_nothing_and_settings_load_nothing_heavy():
    ours = in_a_new_process(
        "import sys, selftrain_assets; print(*(m for m in sys.modules if 'selftrain_assets' in m))"
    )
    assert ours == ["selftrain_assets"]
    settings = "st.Experiment, st.Verifier, st.Task, st.Recipe, st.EngineSettings, st.Trainer"
    heavy = in_a_new_process(
        f"import sys, selftrain_assets as st; {settings}; print(*({HEAVY} & set(sys.modules)))"
    )
    assert heavy == []


def test_the_import_is_fast():
    def seconds(program):
        started = time.perf_counter()
        in_a_new_process(program)
        return time.perf_counter() - started

    python = min(seconds("pass") for _ in range(3))
    assert min(seconds("import selftrain_assets") for _ in range(3)) < python + 0.3


def test_the_command_prints_its_version():
    ran = selftrain("--version")
    assert (ran.returncode, ran.stdout) == (0, f"selftrain {st.__version__}\n")
