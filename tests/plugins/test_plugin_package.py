"""A plug-in of each kind from another distribution, named by entry point: at home in the command
line, in Python and in Dagster, in audits, lineage, retractions and exports."""

import hashlib
import json

import dagster as dg
import pytest

import selftrain_assets as st
from selftrain_assets.component import experiment_definitions
from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.dagster.partitions import latest_materialization
from selftrain_assets.dagster.resources import LaunchSettings, StoreResource
from selftrain_assets.domain.errors import UserError
from selftrain_assets.pipeline.loop import run_rounds
from tests import lab
from tests.cli.command import selftrain

SETTINGS = {
    "rounds": 1,
    "task": {"type": "sums", "problems": 20},
    "verifier": {"type": "last_number"},
    "recipe": {
        "type": "second_look",
        "sampling": {"samples_per_problem": 4, "temperature": 1.0, "max_tokens": 32},
        "dedup": "none",
        "cap": 0,
    },
    "engine": {"type": "calculator", "errs_one_in": 2},
    "trainer": {"type": "jitter", "steps": 2},
}


@pytest.fixture(scope="module")
def done(sample_plugins, tmp_path_factory):
    """A folder in which the command line has run an experiment of the recipe."""
    folder = tmp_path_factory.mktemp("outside")
    lab.write_experiment(folder, "looks", **SETTINGS)
    environment = {
        "SELFTRAIN_DEFS": str(folder / "defs"),
        "SELFTRAIN_STORE": str(folder / "runs"),
        "HOME": str(folder),
    }
    ran = selftrain("run", "looks", env=environment)
    assert ran.returncode == 0, ran.stderr
    return environment


def answered(done, *arguments):
    """What a command says, as JSON."""
    ran = selftrain(*arguments, "--json", env=done)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def rows_of(done, sql):
    return answered(done, "sql", sql)


def test_its_stages_run_in_their_place_and_their_rows_are_learnt(done):
    (status,) = answered(done, "status", "looks")
    stages = list(status["finished"]["iter-001"])
    assert stages.index("verifications") < stages.index("revisions") < stages.index("tallies")
    assert stages.index("tallies") < stages.index("dataset")
    assert all(status["finished"]["iter-001"].values())
    sources = rows_of(done, "select source, count(*) as n from rows group by all order by all")
    assert [row["source"] for row in sources] == ["revised", "self"]


def test_a_second_run_finds_everything_done(done):
    before = rows_of(done, "select stage, key, finished from manifests order by all")
    assert selftrain("run", "looks", env=done).returncode == 0
    assert rows_of(done, "select stage, key, finished from manifests order by all") == before


def test_its_tables_can_be_asked(done):
    (tallied,) = rows_of(done, "select count(*) as n, sum(tries) as tries from tallies")
    (trained,) = rows_of(done, "select count(*) as n from problems where split = 'train'")
    assert tallied["n"] == trained["n"] > 9
    (drawn,) = rows_of(done, "select count(*) as n from samples")
    assert tallied["tries"] == drawn["n"] > 4 * trained["n"]
    assert rows_of(done, "select distinct stage from samples order by 1") == [
        {"stage": "revised_samples"},
        {"stage": "samples"},
    ]


def test_an_audit_knows_what_its_stages_want(done):
    ran = selftrain("audit", "looks", env=done)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for stage in ("revised_samples", "revisions", "tallies"):
        assert stage in ran.stdout


def test_lineage_goes_through_its_stages_both_ways(done):
    (row,) = rows_of(done, "select sample_key from rows where source = 'revised' limit 1")
    back = json.dumps(answered(done, "lineage", "sample", row["sample_key"]))
    assert "second look at" in back
    forward = json.dumps(answered(done, "lineage", "sample", row["sample_key"], "--forward"))
    assert "looks iter-001" in forward
    whole = json.dumps(answered(done, "lineage", "checkpoint", "looks", "1"))
    assert '"revisions"' in whole
    assert '"revised_samples"' in whole


def test_python_does_the_same_work(done, tmp_path):
    settings = lab.write_experiment(tmp_path, "looks", **SETTINGS)
    run = st.open(settings, name="looks", store=tmp_path / "runs")
    assert [event.stage for event in run.rounds() if event.iteration == 1].count("tallies") == 1
    theirs = rows_of(done, "select key from rows order by 1")
    assert sorted(run.rows(1)["key"].to_pylist()) == [row["key"] for row in theirs]
    assert run.audit().clean


def test_dagster_shows_its_stages_with_checks_and_previews(sample_plugins, tmp_path, small_heap):
    config = parse_experiment(lab.write_experiment(tmp_path, "looks", **SETTINGS), "looks")
    resources = {
        "store": StoreResource(root=str(tmp_path / "runs")),
        "launch": LaunchSettings.configure_at_launch(),
    }
    shared = dg.Definitions(resources=resources, executor=dg.in_process_executor)
    definitions = dg.Definitions.merge(experiment_definitions("looks", config), shared)
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_job_def("looks_round")
        result = job.execute_in_process(partition_key="iter-001", instance=instance)
        checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
        metadata = latest_materialization(
            instance, dg.AssetKey(["looks", "tallies"]), "iter-001"
        ).asset_materialization.metadata
    assert checks["some_right"]
    assert "tries" in metadata["preview"].value
    assert 0 < metadata["share of right tries"].value < 1
    columns = {c.name: c.description for c in metadata["dagster/column_schema"].schema.columns}
    assert columns["tries"] == "samples and revisions"


def test_its_rows_are_exported_with_what_they_are(done, tmp_path):
    ran = selftrain("export", "looks", "1", "--to", str(tmp_path / "out"), env=done)
    assert ran.returncode == 0, ran.stderr
    cards = "".join(card.read_text() for card in (tmp_path / "out").rglob("README.md"))
    assert "right at a second look" in cards
    assert "what stands before a question asked again" in cards


def test_its_keys_depend_on_the_source_of_its_work(sample_plugins):
    from sample_plugins.second_look import SecondLook

    settings, work = SecondLook.source_files()
    assert (settings.name, work.name) == ("settings.py", "implementation.py")
    digests = [hashlib.sha256(path.read_bytes()).hexdigest()[:32] for path in (settings, work)]
    version = SecondLook.identity_of_class()["version"]
    assert version == "+".join(digests)


def test_its_rows_can_be_taken_back(done):
    affected = answered(done, "retract", "looks", "--source", "revised", "--reason", "a trial")
    assert affected["scopes"]["iter-001"] > 0
    unknown = selftrain("retract", "looks", "--source", "translatd", env=done)
    assert unknown.returncode == 2
    assert "revised" in unknown.stderr
    assert selftrain("run", "looks", env=done).returncode == 0
    assert rows_of(
        done,
        "select distinct source from rows join manifests using (experiment, scope)"
        " where manifests.stage = 'dataset'",
    ) == [{"source": "self"}]


def test_a_recipe_cannot_learn_from_a_stage_that_judges_nothing(sample_plugins, opened):
    from sample_plugins.second_look import SecondLook

    class FromTallies(SecondLook):
        version = "1"

        @property
        def learns_from(self):
            return ("verifications", "tallies")

    recipe = SETTINGS["recipe"] | {"type": FromTallies().type}
    run = opened(**SETTINGS | {"recipe": recipe})
    with pytest.raises(UserError, match="learns from its stage tallies, which judges no samples"):
        run_rounds(run, [1])
