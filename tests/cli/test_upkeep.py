"""`selftrain audit` and `selftrain gc` as a person uses them."""

import json
import shutil

import pytest

from tests import lab
from tests.cli.command import process

pytestmark = pytest.mark.kills


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One round, run by the command line; returns a function that calls it."""
    folder = tmp_path_factory.mktemp("upkeep")
    (folder / "dagster").mkdir()
    (folder / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    lab.write_experiment(folder, rounds=1)
    variables = {"SELFTRAIN_DEFS": "defs", "SELFTRAIN_STORE": "runs", "DAGSTER_HOME": "dagster"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, str(folder / value))

        def selftrain(*arguments):
            return process(*arguments, cwd=folder)

        assert selftrain("run", "lab").returncode == 0
        yield folder, selftrain


def test_a_finished_experiment_audits_clean_with_dagster_beside_it(finished):
    _, selftrain = finished
    for arguments in (["audit", "lab"], ["audit"]):
        done = selftrain(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Nothing is wrong." in done.stdout
    found = json.loads(selftrain("audit", "lab", "--json").stdout)
    assert found["clean"]
    assert found["findings"] == []
    assert {(s["owed"], s["lost"], s["duplicated"], s["quarantined"]) for s in found["stages"]} == {
        (0, 0, 0, 0)
    }


def test_damage_and_garbage_are_told_and_removed(finished):
    folder, selftrain = finished
    pool = next((folder / "runs" / "samples").glob("*/manifest.json")).parent
    orphan = pool / f"shard-{'e' * 32}.parquet"
    shutil.copy(next(pool.glob("shard-*.parquet")), orphan)
    done = selftrain("audit", "lab", "--json")
    assert done.returncode == 1
    assert [f["kind"] for f in json.loads(done.stdout)["findings"]] == ["orphan"]
    assert "selftrain gc --delete" in selftrain("audit").stdout
    dry = json.loads(selftrain("gc", "--json").stdout)
    assert [g["path"] for g in dry["garbage"]] == [str(orphan.relative_to(folder / "runs"))]
    assert (dry["deleted"], dry["bytes"]) == (False, orphan.stat().st_size)
    done = selftrain("gc")
    assert "Nothing was removed yet: selftrain gc --delete removes them" in done.stdout
    assert orphan.exists()
    done = selftrain("gc", "--delete")
    assert (done.returncode, "Removed 1 things" in done.stdout) == (0, True), done.stdout
    assert not orphan.exists()
    assert selftrain("audit").returncode == 0
    assert "There is nothing to remove." in selftrain("gc").stdout


def test_a_misspelt_name_is_one_sentence(finished):
    _, selftrain = finished
    done = selftrain("audit", "lba", "--json")
    assert done.returncode == 2
    assert done.stderr.strip().endswith(
        'there is no experiment "lba"; did you mean "lab"?; make one with: selftrain new lba'
    )
