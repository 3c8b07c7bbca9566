"""Where commands find experiments and keep results: the project around the working folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from selftrain_assets import project
from selftrain_assets.domain.errors import UserError
from selftrain_assets.project import (
    Project,
    data_path,
    defs_directory,
    enter,
    find_project,
    store_directory,
)
from selftrain_assets.store import Store

PYPROJECT = '[tool.dg.project]\nroot_module = "{}"\n'
MINE = PYPROJECT.format("mine")


@pytest.fixture(autouse=True)
def outside(tmp_path, monkeypatch):
    """A folder in no project, as of a package that was installed."""
    for variable in (project.HOME, project.DEFS, project.STORE):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(project, "CHECKOUT", tmp_path / "site-packages")
    monkeypatch.chdir(tmp_path)


def make(root, settings=MINE, file="pyproject.toml"):
    root.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(settings)
    return root


@pytest.mark.parametrize(
    ("file", "settings", "defs"),
    [
        ("pyproject.toml", MINE, "mine/defs"),
        ("pyproject.toml", MINE + 'defs_module = "mine.lab"\n', "mine/lab"),
        ("pyproject.toml", PYPROJECT.format("defs") + 'defs_module = "defs"\n', "defs"),
        ("dg.toml", 'directory_type = "project"\n[project]\nroot_module = "mine"\n', "mine/defs"),
    ],
)
def test_a_project_is_found_from_any_folder_in_it(tmp_path, monkeypatch, file, settings, defs):
    root = make(tmp_path / "p", settings, file)
    below = root / "some" / "where"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_project() == Project(root, root / defs)
    assert defs_directory() == root / defs
    assert Store.default().root == root / "runs"
    (root / "src").mkdir()
    assert defs_directory() == root / "src" / defs


def test_a_pyproject_without_dagster_is_no_project_and_the_one_above_it_is(tmp_path, monkeypatch):
    root = make(tmp_path / "p")
    inner = make(root / "library", '[project]\nname = "library"\n')
    monkeypatch.chdir(inner)
    assert find_project().root == root
    make(root / "library", "[tool.dg.project\n")
    with pytest.raises(UserError, match=r"library/pyproject.toml: not valid TOML"):
        find_project()


def test_variables_override_the_project(tmp_path, monkeypatch):
    root, other = make(tmp_path / "p"), tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setenv("SELFTRAIN_HOME", str(other))
    assert (defs_directory(), store_directory()) == (other / "defs", other / "runs")
    monkeypatch.setenv("SELFTRAIN_DEFS", str(tmp_path / "d"))
    monkeypatch.setenv("SELFTRAIN_STORE", str(tmp_path / "s"))
    assert defs_directory() == tmp_path / "d"
    assert Store.default().root == tmp_path / "s"
    monkeypatch.setenv("SELFTRAIN_HOME", str(tmp_path / "gone"))
    with pytest.raises(UserError, match=r"SELFTRAIN_HOME: there is no folder .*gone"):
        find_project()


def test_outside_a_project_a_sentence_says_how_to_make_one(tmp_path):
    assert find_project() is None
    for needed, variable in (
        (defs_directory, "SELFTRAIN_DEFS"),
        (Store.default, "SELFTRAIN_STORE"),
    ):
        with pytest.raises(UserError) as error:
            needed()
        assert str(tmp_path) in str(error.value)
        for word in ("in no project", "selftrain init my-project", "SELFTRAIN_HOME", variable):
            assert word in str(error.value)
        assert "\n" not in str(error.value)


def test_a_process_that_dagster_started_elsewhere_works_in_its_project(tmp_path, monkeypatch):
    root = make(tmp_path / "p")
    monkeypatch.setenv("SELFTRAIN_HOME", "")  # so that it is restored
    enter(root)
    assert find_project().root == root
    enter(make(tmp_path / "q"))  # what was said first stays
    assert find_project().root == root


def test_problems_are_found_from_the_working_folder_or_the_project(tmp_path, monkeypatch):
    root = make(tmp_path / "p")
    (root / "problems.jsonl").write_text("")
    (root / "tests").mkdir()
    monkeypatch.chdir(root / "tests")
    assert data_path("problems.jsonl") == root / "problems.jsonl"
    Path("problems.jsonl").write_text("")
    assert data_path("problems.jsonl") == Path("problems.jsonl")
    assert data_path("gone.jsonl") == Path("gone.jsonl")
    assert data_path("/gone.jsonl") == Path("/gone.jsonl")


def test_the_checkout_is_the_project_where_there_is_no_other(monkeypatch):
    """What this package lies in has a pyproject.toml in a checkout, and none in site-packages."""
    checkout = Path(project.__file__).parents[1]
    monkeypatch.setattr(project, "CHECKOUT", checkout)
    assert find_project() == Project(checkout, checkout / "selftrain_assets" / "defs")
    assert Store.default().root == checkout / "runs"


def test_the_command_line_says_it_in_one_line(tmp_path):
    make(tmp_path / "p", PYPROJECT.format("defs") + 'defs_module = "defs"\n')
    (tmp_path / "p" / "tests").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "selftrain_assets.cli", "new", "mine"],
        cwd=tmp_path / "p" / "tests",
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Wrote ../defs/mine/defs.yaml" in done.stdout
    assert (tmp_path / "p" / "defs" / "mine" / "defs.yaml").is_file()
