"""Experiments repeated with several seeds, and compared, by the command line."""

import json
import os

import pytest

from selftrain_assets.tasks import WordProblems
from tests import lab
from tests.cli.command import selftrain

pytestmark = pytest.mark.kills


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    """Two experiments with two seeds each, run by the command line; returns their folder and
    environment."""
    folder = tmp_path_factory.mktemp("repeated")
    (folder / "dagster").mkdir()
    (folder / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    texts = {}
    for problems in zip(
        *(WordProblems(**lab.TASK, seed=seed).load() for seed in (3, 4)), strict=True
    ):
        texts[problems[0].id] = [f"#### {p.answer}" for p in problems]
    lab.write_experiment(folder, "lab", texts, rounds=1)
    lab.write_experiment(
        folder, "other", texts, rounds=1, trainer=lab.SETTINGS["trainer"] | {"steps": 3}
    )
    variables = {"SELFTRAIN_DEFS": "defs", "SELFTRAIN_STORE": "runs", "DAGSTER_HOME": "dagster"}
    environment = {**os.environ, **{k: str(folder / v) for k, v in variables.items()}}
    for name in ("lab", "other"):
        done = selftrain("run", name, "--seeds", "3-4", cwd=folder, env=environment)
        assert done.returncode == 0, done.stderr
    return folder, environment


def test_a_repetition_is_an_experiment_that_every_command_knows(repeated):
    folder, environment = repeated

    def ask(*arguments):
        return json.loads(selftrain(*arguments, "--json", cwd=folder, env=environment).stdout)

    assert [s["experiment"] for s in ask("status")] == [
        "lab",
        "other",
        "lab-seed-3",
        "lab-seed-4",
        "other-seed-3",
        "other-seed-4",
    ]
    assert ask("report", "lab-seed-4")["seed"] == 4
    audited = ask("audit")
    assert audited["findings"] == []
    assert {line["experiment"] for line in audited["stages"]} >= {"lab-seed-3", "other-seed-4"}
    problems = {
        s: ask(
            "sql", f"SELECT question FROM problems WHERE experiment = 'lab-seed-{s}' ORDER BY ALL"
        )
        for s in (3, 4)
    }
    assert problems[3] != problems[4]
    before = (
        folder / "runs" / "experiments" / "lab-seed-3" / "iter-001" / "checkpoint.json"
    ).read_bytes()
    assert [s["seed"] for s in ask("run", "lab", "--seeds", "3-4")] == [3, 4]
    assert (
        folder / "runs" / "experiments" / "lab-seed-3" / "iter-001" / "checkpoint.json"
    ).read_bytes() == before


def test_compare_shows_the_arms_and_writes_what_it_shows(repeated):
    folder, environment = repeated
    shown = selftrain("compare", "lab", "other", "--seeds", "3-4", cwd=folder, env=environment)
    assert shown.returncode == 0, shown.stderr
    for text in (
        "2 seeds, 95% intervals",
        "Less lab on the test split, paired by seed",
        "Optimizer steps: lab 2, other 3.",
    ):
        assert text in shown.stdout
    found = json.loads(
        selftrain(
            "compare", "lab", "other", "--seeds", "3-4", "--json", cwd=folder, env=environment
        ).stdout
    )
    assert found == json.loads(
        (folder / "runs" / "comparisons" / "lab+other+seeds-3-4" / "comparison.json").read_text()
    )
    one = json.loads(
        selftrain(
            "compare", "lab-seed-3", "other-seed-3", "--json", cwd=folder, env=environment
        ).stdout
    )
    assert one["seeds"] == [3]
    missing = selftrain("compare", "lab", "other", "--seeds", "3-5", cwd=folder, env=environment)
    assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1)
    assert "lab-seed-5: no round is finished" in missing.stderr


def test_a_file_that_has_the_name_of_a_repetition_is_not_taken_for_one(repeated, tmp_path):
    folder, environment = repeated
    lab.write_experiment(folder, "lab-seed-9")
    done = selftrain("run", "lab", "--seeds", "8-9", cwd=folder, env=environment)
    assert done.returncode == 2
    assert (
        '"lab-seed-9" is an experiment with a file of its own; rename it, or leave that seed out'
        in done.stderr
    )
    assert not (folder / "runs" / "experiments" / "lab-seed-8").exists()
