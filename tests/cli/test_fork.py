"""Forks by the command line."""

import json
import os

import pytest

from tests import lab
from tests.cli.command import selftrain


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with an experiment of which nothing was run; and an environment without an event
    log."""
    folder = tmp_path_factory.mktemp("forks")
    (folder / "dagster").mkdir()
    lab.write_experiment(folder)
    variables = {"SELFTRAIN_DEFS": "defs", "SELFTRAIN_STORE": "runs", "DAGSTER_HOME": "dagster"}
    return folder, {**os.environ, **{k: str(folder / v) for k, v in variables.items()}}


@pytest.mark.kills
def test_a_fork_is_written_run_and_told(place):
    folder, environment = place

    def ask(*arguments):
        done = selftrain(*arguments, cwd=folder, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = "lab after iteration 1, with recipe.cap 1"
    wrote = ask("fork", "lab", "1", "forked", "--set", "recipe.cap=1")
    assert f"Wrote defs/forked/defs.yaml: forked is forked from {said}; round 1 is shared." in wrote
    assert (
        "base of lab is not finished: whichever of the two runs first does what they share" in wrote
    )
    ask("run", "lab", "--rounds", "1")
    made = json.loads(ask("fork", "lab", "1", "again", "--rounds", "3", "--json"))
    assert (made["fork"], made["unfinished"]) == (
        {"experiment": "lab", "iteration": 1, "changes": {}},
        None,
    )
    assert said in ask("run", "forked", "--json") or said in ask("report", "forked")
    rounds = json.loads(ask("report", "forked", "--json"))["iterations"]
    assert [r["counts"]["samples_reused"] for r in rounds] == [48, 0]
    assert rounds[1]["counts"]["kept_rows"] == rounds[1]["counts"]["problems_solved"]
    assert f"forked from {said}" in ask("status", "forked")
    assert json.loads(ask("status", "forked", "--json"))[0]["forked_from"] == [said]
    assert f"forked from {said}" in " ".join(ask("lineage", "checkpoint", "forked", "2").split())
    assert json.loads(ask("audit", "forked", "--json"))["clean"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ["lab", "1", "lab"],
            "defs/lab/defs.yaml is there already; edit it, or choose another name",
        ),
        (["lab", "1", "a/b"], 'experiment name "a/b": use letters'),
        (
            ["lab", "2", "other"],
            (
                "a fork changes the rounds after round 2, and there are 2; name an earlier round,"
                " or set --rounds"
            ),
        ),
        (
            ["lab", "1", "other", "--set", "recipe.capp=8"],
            '--set: unknown field "forks[0].changes.recipe.capp"; did you mean "cap"?',
        ),
        (
            ["lab", "1", "other", "--set", "evaluation.resamples=200"],
            "--set: forks[0].changes.evaluation: all rounds share it",
        ),
    ],
)
def test_a_fork_that_cannot_be_is_refused_in_a_sentence(place, arguments, reason):
    folder, environment = place
    done = selftrain("fork", *arguments, cwd=folder, env=environment)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith(f"error: {reason}")
    assert not (folder / "defs" / "other").exists()
