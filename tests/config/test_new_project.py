"""The project that `selftrain init` writes."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.config.experiment_files import settings_in
from selftrain_assets.config.new_project import write_project
from selftrain_assets.domain.errors import UserError
from selftrain_assets.project import Project
from selftrain_assets.tasks import read

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "my-project"
    write_project(folder)
    return folder


def test_its_experiment_can_be_read_and_its_verifiers_test_passes(root, monkeypatch):
    assert Project.at(root) == Project(root, root / "defs")
    file = root / "defs" / "first" / "defs.yaml"
    config = parse_experiment(settings_in(file), str(file))
    monkeypatch.chdir(root / "tests")
    monkeypatch.setenv("SELFTRAIN_HOME", str(root))
    assert len(read(config.task).problems) == 10
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert "4 passed" in done.stdout, done.stdout + done.stderr


def test_dagster_runs_it_as_it_runs_the_checkout(root):
    theirs, ours = (yaml.safe_load((at / "dagster.yaml").read_text()) for at in (root, ROOT))
    assert theirs == ours
    place = yaml.safe_load((root / "workspace.yaml").read_text())["load_from"][0]["python_file"]
    assert (root / place["relative_path"]).is_file()
    assert place["location_name"] == "my-project"


def test_nothing_is_overwritten(root, tmp_path):
    with pytest.raises(UserError, match="my-project is not empty"):
        write_project(root)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file is a file"):
        write_project(tmp_path / "file")
    with pytest.raises(UserError, match="cannot be written"):
        write_project(tmp_path / "file" / "inner")
    (tmp_path / "empty").mkdir()
    assert len(write_project(tmp_path / "empty")) == len(list(root.rglob("*.*")))


@pytest.mark.parametrize("name", ["a b", "-x", "é", "x.y", "x_"])
def test_a_name_that_no_project_can_have_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=f'project name "{name}"'):
        write_project(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
