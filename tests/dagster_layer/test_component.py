"""The component in a Dagster project of somebody's own: it brings all that it needs."""

import os
import subprocess
import sys

import dagster as dg
import pytest
from click import ClickException

from selftrain_assets import project
from selftrain_assets.component import ExperimentScaffolder, ScaffoldParameters, SelfTraining
from selftrain_assets.config.scaffold import scaffold

CODE = """
import sys
from pathlib import Path
import dagster as dg
root = Path(sys.argv[1])
sys.path.insert(0, str(root))
definitions = dg.load_from_defs_folder(path_within_project=root)
definitions = dg.Definitions.merge(definitions, dg.Definitions(executor=dg.in_process_executor))
with dg.DagsterInstance.ephemeral() as instance:
    for name in ("one", "two"):
        job = definitions.resolve_implicit_global_asset_job_def()
        problems = [dg.AssetKey([name, "problems"])]
        assert job.execute_in_process(instance=instance, asset_selection=problems).success
"""


def test_two_experiments_of_another_project_share_one_store(tmp_path):
    root = tmp_path / "theirs"
    for name in ("one", "two"):
        folder = root / "theirs" / "defs" / name
        folder.mkdir(parents=True)
        (folder / "defs.yaml").write_text(scaffold("mmst"))
    (root / "theirs" / "defs" / "ours.py").write_text(
        "import dagster as dg\n\n\n@dg.asset\ndef ours(): ...\n"
    )
    (root / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "theirs"\n')
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SELFTRAIN_")}
    subprocess.run([sys.executable, "-c", CODE, str(root)], cwd="/", env=environment, check=True)
    stored = {path.parent.parent.name for path in root.glob("runs/experiments/*/inputs/*.json")}
    assert stored == {"one", "two"}


def request(folder, format_="yaml", **params):
    folder.mkdir(parents=True)
    return dg.ScaffoldRequest(
        type_name="selftrain_assets.SelfTraining",
        target_path=folder,
        scaffold_format=format_,
        project_root=folder.parents[1],
        params=ScaffoldParameters(**params),
    )


@pytest.fixture
def defs(tmp_path, monkeypatch):
    monkeypatch.setenv(project.HOME, str(tmp_path))
    return tmp_path / "defs"


def test_dagster_scaffolds_what_new_writes(defs):
    scaffolder = ExperimentScaffolder()
    scaffolder.scaffold(request(defs / "mine", task="gsm8k", preset="star"))
    assert (defs / "mine" / "defs.yaml").read_text() == scaffold("star", task="gsm8k")
    assert scaffolder.get_scaffold_params() is ScaffoldParameters


@pytest.mark.parametrize(
    ("name", "format_", "params", "sentence"),
    [
        ("mine", "yaml", {"task": "gsm9k"}, 'there is no task "gsm9k"; did you mean "gsm8k"'),
        ("mine", "python", {}, "an experiment is a YAML file"),
        ("my experiment", "yaml", {}, 'experiment name "my experiment"'),
    ],
)
def test_a_wrong_request_is_one_sentence_and_leaves_nothing(defs, name, format_, params, sentence):
    with pytest.raises(ClickException, match=sentence):
        ExperimentScaffolder().scaffold(request(defs / name, format_, **params))
    assert list(defs.iterdir()) == []


def test_the_component_has_its_short_name_too():
    import selftrain_assets

    assert selftrain_assets.SelfTraining is SelfTraining
