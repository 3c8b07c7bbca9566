"""`selftrain export` as a person uses it, with a hub on this machine in place of the real one."""

import json
import os
from pathlib import Path

import pytest

from tests import lab
from tests.cli.command import process
from tests.operations.export.hub_server import TOKEN, Repository, hub_server

pytestmark = pytest.mark.kills


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One round of LoRA, run by the command line; returns its folder and a function that calls
    it there."""
    folder = tmp_path_factory.mktemp("export")
    (folder / "dagster").mkdir()
    (folder / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    lab.write_experiment(folder, rounds=1, trainer=lab.SFT | {"lora": {"r": 2}})
    variables = {
        "SELFTRAIN_DEFS": "defs",
        "SELFTRAIN_STORE": "runs",
        "DAGSTER_HOME": "dagster",
        "HF_HOME": "hf",
    }
    environment = {k: v for k, v in os.environ.items() if k != "HF_TOKEN"} | {
        k: str(folder / v) for k, v in variables.items()
    }

    def selftrain(*arguments, **more):
        return process(*arguments, cwd=folder, env=environment | more)

    done = selftrain("run", "lab")
    assert done.returncode == 0, done.stderr
    return folder, selftrain


@pytest.fixture
def hub():
    with hub_server() as found:
        yield found


def to(hub, token=TOKEN):
    return {"HF_ENDPOINT": hub.url, "HF_TOKEN": token, "HF_HUB_OFFLINE": "0"}


def test_what_is_written_and_where_is_told(finished):
    folder, selftrain = finished
    done = selftrain("export", "lab", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "model    runs/exports/lab-iter-001/model: a LoRA adapter"
    assert (folder / "runs/exports/lab-iter-001/dataset/data/train.parquet").is_file()
    told = json.loads(
        selftrain(
            "export", "lab", "1", "--merge", "--format", "jsonl", "--to", "out", "--json"
        ).stdout
    )
    assert (told["weights"], told["pushed"]) == ("merged", {})
    assert (Path(told["model"]) / "model.safetensors").is_file()
    assert (
        len((Path(told["dataset"]) / "data/train.jsonl").read_text().splitlines())
        == told["rows"]
        > 0
    )
    assert selftrain("audit", "lab").returncode == 0
    assert "exports" not in selftrain("gc").stdout


def test_what_is_wrong_is_one_sentence(finished, hub):
    _, selftrain = finished
    for arguments, environment, sentence in (
        (["lba", "1"], {}, 'there is no experiment "lba"; did you mean "lab"?'),
        (["lab", "7"], {}, "there is no round 7; give one from 1 to 1, or 0 for the base"),
        (
            ["lab", "1", "--format", "parket"],
            {},
            '--format: there is no "parket"; did you mean "parquet"?',
        ),
        (
            ["lab", "1", "--to", "defs"],
            {},
            "holds lab/defs.yaml, which is not as an export wrote it",
        ),
        (
            ["lab", "1", "--push", "words"],
            to(hub),
            '--push: "words" is not a valid name on the hub; give OWNER/NAME',
        ),
        (
            ["lab", "1", "--push", "a b/c"],
            to(hub),
            ('--push: "a b/c" is not a valid name on the hub ('),
        ),
        (
            ["lab", "1", "--push", "someone/words"],
            {},
            "--push: nobody is logged in to the hub; set HF_TOKEN, or run: hf auth login",
        ),
        (
            ["lab", "1", "--push", "someone/words"],
            to(hub, "hf_wrong"),
            "--push: the hub refuses someone/words (401); set HF_TOKEN",
        ),
    ):
        done = selftrain("export", *arguments, **environment)
        assert (done.returncode, sentence in done.stderr, "Traceback" in done.stderr) == (
            2,
            True,
            False,
        ), (arguments, done.stderr)
    unreachable = selftrain(
        "export",
        "lab",
        "1",
        "--push",
        "someone/words",
        HF_ENDPOINT="http://127.0.0.1:9",
        HF_TOKEN=TOKEN,
        HF_HUB_OFFLINE="0",
    )
    assert unreachable.returncode == 1
    assert "error: --push: someone/words was not pushed (ConnectError" in unreachable.stderr
    assert hub.repositories == {}


def test_model_and_rows_are_pushed_to_private_repositories(finished, hub):
    folder, selftrain = finished
    done = selftrain("export", "lab", "1", "--to", "pushed", "--push", "someone/words", **to(hub))
    assert done.returncode == 0, done.stderr
    assert f"pushed   {hub.url}/datasets/someone/words-data" in done.stdout
    for name, part in (
        ("models/someone/words", "model"),
        ("datasets/someone/words-data", "dataset"),
    ):
        files = {
            p.relative_to(folder / "pushed" / part).as_posix(): p
            for p in (folder / "pushed" / part).rglob("*")
            if p.is_file()
        }
        assert hub.repositories[name] == Repository(
            True, {path: file.read_bytes() for path, file in files.items()}
        )
    assert (
        'place = "someone/words"'
        in hub.repositories["models/someone/words"].files["README.md"].decode()
    )
    again = selftrain(
        "export",
        "lab",
        "1",
        "--to",
        "pushed",
        "--merge",
        "--no-dataset",
        "--push",
        "someone/words",
        **to(hub),
    )
    assert again.returncode == 0, again.stderr
    left = hub.repositories["models/someone/words"].files
    assert "model.safetensors" in left
    assert not [path for path in left if path.startswith(("adapter", "base"))]


def test_nothing_goes_where_others_see_it_or_over_something_else(finished, hub):
    _, selftrain = finished
    hub.repositories["datasets/someone/words-data"] = Repository(False)
    done = selftrain("export", "lab", "1", "--to", "refused", "--push", "someone/words", **to(hub))
    assert (
        done.returncode,
        "someone/words-data is on the hub already, and public" in done.stderr,
    ) == (2, True), done.stderr
    assert hub.repositories["models/someone/words"].files == {}
    hub.repositories["models/someone/words"].files["thesis.pdf"] = b"mine"
    done = selftrain(
        "export", "lab", "1", "--to", "refused", "--push", "someone/words", "--public", **to(hub)
    )
    assert (
        done.returncode,
        "holds something else, such as thesis.pdf; give another name" in done.stderr,
    ) == (2, True), done.stderr
    assert hub.repositories["models/someone/words"].files == {"thesis.pdf": b"mine"}
