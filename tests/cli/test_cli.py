"""The command line as a person uses it: right and wrong input, Ctrl-C and a second run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from selftrain_assets.config.experiment_files import COMPONENT
from tests import lab
from tests.cli.command import PROGRAM, process, selftrain


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with experiments, a store and a Dagster home of its own."""
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    for name, value in {
        "SELFTRAIN_DEFS": "defs",
        "SELFTRAIN_STORE": "runs",
        "DAGSTER_HOME": "dagster",
    }.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One experiment run by the command line; returns its folder, environment and the completed
    process."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "dagster").mkdir()
    (folder / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    lab.write_experiment(folder, human_only=True)
    variables = {"SELFTRAIN_DEFS": "defs", "SELFTRAIN_STORE": "runs", "DAGSTER_HOME": "dagster"}
    environment = {**os.environ, **{k: str(folder / v) for k, v in variables.items()}}
    return folder, environment, process("run", "lab", cwd=folder, env=environment)


def test_run_ends_with_the_table_the_report_and_what_to_do_next(finished):
    folder, _, done = finished
    assert done.returncode == 0, done.stderr
    for text in (
        "iter-001 samples: 48 of 48",
        "base",
        "human rows",
        "make ui",
        "selftrain show lab 1",
        "selftrain new",
    ):
        assert text in done.stdout
    report = folder / "runs" / "experiments" / "lab" / "report.html"
    assert "data:image/png;base64," in report.read_text()
    assert "http://" not in report.read_text()
    assert "https://" not in report.read_text()
    assert (report.parent / "report.md").read_text().startswith("# lab")
    assert (report.parent / "overview.png").read_bytes().startswith(b"\x89PNG")


def test_report_json_gives_baseline_and_iterations(finished):
    folder, environment, _ = finished
    summary = json.loads(selftrain("report", "lab", "--json", cwd=folder, env=environment).stdout)
    assert [p["iteration"] for p in summary["iterations"]] == [1, 2]
    for point in (summary["baseline"], *summary["iterations"], *summary["human_only"]):
        low, high = point["greedy_accuracy_interval"]
        assert 0 <= low <= point["greedy_accuracy"] <= high <= 1
        assert set(point["pass_at_k"]) == {"1", "2"}
        assert set(point["maj_at_k"]) == {"2"}
        assert point["seconds"]["evaluation"] > 0
    assert summary["iterations"][0]["counts"]["samples"] == 48
    assert summary["iterations"][1]["policy"] == summary["iterations"][0]["checkpoint"]
    assert [c["steps"] for c in summary["human_only"]] == [2, 4]


def test_every_printing_command_speaks_json(finished):
    folder, environment, _ = finished
    for arguments in (
        ["status"],
        ["show", "lab", "1", "--outcome", "wrong"],
        ["sql", "select outcome, count(*) as n from verdicts group by all"],
    ):
        found = json.loads(selftrain(*arguments, "--json", cwd=folder, env=environment).stdout)
        assert found, arguments
    shown = json.loads(
        selftrain(
            "show", "lab", "1", "--outcome", "wrong", "--json", cwd=folder, env=environment
        ).stdout
    )
    assert {s["outcome"] for s in shown} == {"wrong"}
    assert all(s["prompt"] and s["reason"] and s["seed"] for s in shown)


def test_the_ui_sees_what_the_command_line_made(finished):
    import dagster as dg

    folder, _, _ = finished
    with dg.DagsterInstance.from_config(str(folder / "dagster")) as instance:
        keys = {key.to_user_string() for key in instance.all_asset_keys()}
        assert {
            f"lab/{s}"
            for s in (
                "problems",
                "base",
                "policy",
                "samples",
                "verifications",
                "dataset",
                "checkpoint",
                "evaluation",
            )
        } <= keys
        assert {"lab/human_only", "lab/report"} <= keys
        assert instance.get_materialized_partitions(dg.AssetKey(["lab", "evaluation"])) == {
            "iter-001",
            "iter-002",
        }


def test_a_run_with_nothing_owed_loads_neither_dagster_nor_a_plotter(finished):
    folder, environment, _ = finished
    again = [sys.executable, "-X", "importtime", "-m", "selftrain_assets.cli", "run", "lab"]
    done = subprocess.run(
        again, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert "duckdb" in loaded
    assert loaded.isdisjoint({"dagster", "matplotlib", "torch"})


@pytest.mark.kills
def test_what_was_wiped_in_dagster_or_is_new_to_it_is_reported_again(finished):
    import dagster as dg

    folder, environment, _ = finished
    dataset = dg.AssetKey(["lab", "dataset"])
    with dg.DagsterInstance.from_config(str(folder / "dagster")) as instance:
        instance.wipe_assets([dataset])
    wiped = selftrain("audit", "lab", cwd=folder, env=environment)
    assert "run `selftrain run lab --sync`" in " ".join(wiped.stdout.split())
    (folder / "dagster-2").mkdir()
    other = environment | {"DAGSTER_HOME": str(folder / "dagster-2")}
    for home, arguments, variables in (
        ("dagster", ["--sync"], environment),
        ("dagster-2", [], other),
    ):
        assert selftrain("run", "lab", *arguments, cwd=folder, env=variables).returncode == 0
        with dg.DagsterInstance.from_config(str(folder / home)) as instance:
            assert instance.get_materialized_partitions(dataset) == {"iter-001", "iter-002"}


def attributes(**changes):
    return {"task": {"type": "file", "path": "problems.jsonl"}} | changes


GOOD = (
    '{"id": "a", "question": "1+1?", "answer": 2, "split": "train"}\n{"id": "b", "question":'
    ' "2+2?", "answer": 4, "split": "test"}\n'
)
BAD = {
    "misspelt field": (
        attributes(roundz=3),
        GOOD,
        'defs.yaml: unknown field "roundz"; did you mean "rounds"?',
    ),
    "wrong type": (attributes(seed="x"), GOOD, "defs.yaml: seed: should be a valid integer"),
    "unknown recipe": (attributes(recipe={"type": "rest_me"}), GOOD, "rest_em"),
    "missing model": (
        attributes(model="./nowhere"),
        GOOD,
        'model: there is no directory "./nowhere"',
    ),
    "empty file": (attributes(), "", "problems.jsonl: holds no problem"),
    "duplicate id": (
        attributes(),
        GOOD + GOOD,
        'problems.jsonl, line 3: the id "a" was used before, at problems.jsonl, line 1',
    ),
    "no answer": (
        attributes(),
        '{"id": "a", "question": "1+1?"}\n',
        'problems.jsonl, line 1: the field "answer" is missing or empty',
    ),
    "torn line": (
        attributes(),
        GOOD + '{"id": "c", "quest',
        "problems.jsonl, line 3: not valid JSON",
    ),
    "no rounds": (
        attributes(rounds=0),
        GOOD,
        "defs.yaml: rounds: should be greater than or equal to 1",
    ),
    "k above n": (
        attributes(evaluation={"samples_per_problem": 4, "pass_at": [8]}),
        GOOD,
        "pass_at [8] must lie between 1 and samples_per_problem 4",
    ),
    "no number": (
        attributes(),
        GOOD.replace('"answer": 4', '"answer": "four"'),
        'problem "b": the answer "four" holds no number',
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_input_gives_one_sentence_and_writes_nothing(place, fault):
    settings, problems, sentence = BAD[fault]
    path = place / "defs" / "mine" / "defs.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump({"type": COMPONENT, "attributes": settings}))
    (place / "problems.jsonl").write_text(problems)
    done = selftrain("run", "mine")
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert not [p for p in (place / "runs").rglob("*") if p.is_file()]


def test_bad_names_folders_and_rounds(place):
    lab.write_experiment(place)
    blocker = place / "a-file"
    blocker.write_text("")
    for arguments, sentence in (
        (("run", "a/b"), 'experiment name "a/b": use letters'),
        (("new", "a/b"), 'experiment name "a/b": use letters'),
        (("run", "lba"), 'there is no experiment "lba"; did you mean "lab"?'),
        (("--store", str(blocker / "x"), "run", "lab"), "cannot be written"),
        (("--store", "s3://bucket/runs", "run", "lab"), "must be a folder"),
        (("run", "lab", "--rounds", "3"), "between 1 and the experiment's rounds: 2"),
        (("new", "lab"), "is there already"),
        (("new", "other", "--preset", "rest_me"), 'did you mean "rest_em"?'),
        (
            ("run", "lab", "--preset", "mmst"),
            '--preset: "lab" is there already, and differs from preset mmst',
        ),
        (
            ("run", "lab", "--seeds", "one"),
            '--seeds "one": give one seed or a range of at most 1000, such as 3 or 0-4',
        ),
        (("run", "lab", "--seeds", "4-0"), '--seeds "4-0": give one seed or a range'),
        (("compare", "lab", "lba"), 'there is no experiment "lba"; did you mean "lab"?'),
        (("compare", "lba", "--seeds", "0-1"), 'there is no experiment "lba"; did you mean "lab"?'),
        (("report", "lba-seed-1"), 'there is no experiment "lba"; did you mean "lab"?'),
        (("show", "lab", "1", "--outcome", "pas"), 'did you mean "pass"?'),
        (("sql", "select nonsense"), "sql: "),
    ):
        done = selftrain(*arguments)
        assert (done.returncode, sentence in done.stderr, "Traceback" in done.stderr) == (
            2,
            True,
            False,
        ), (arguments, done.stderr)


def test_a_missing_dagster_home_is_told(place, monkeypatch):
    lab.write_experiment(place)
    monkeypatch.setenv("DAGSTER_HOME", str(place / "gone"))
    done = selftrain("run", "lab", "--rounds", "0")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert f"DAGSTER_HOME: there is no folder {place / 'gone'}" in done.stderr


def test_no_rounds_are_the_base_alone(place):
    lab.write_experiment(place)
    done = selftrain("run", "lab", "--rounds", "0")
    assert done.returncode == 0, done.stderr
    assert "selftrain show" not in done.stdout  # there are no samples of a round
    summary = json.loads(selftrain("run", "lab", "--rounds", "0", "--json").stdout)
    assert 0 <= summary["baseline"]["greedy_accuracy"] <= 1
    assert summary["iterations"] == []
    assert {p.parent.name for p in (place / "runs" / "experiments" / "lab").glob("*/*.json")} == {
        "inputs",
        "base",
    }


@pytest.mark.kills
def test_ctrl_c_is_a_clean_line_and_the_next_run_goes_on(place):
    settings = lab.write_experiment(place, rounds=1)
    slow = settings["engine"] | {"seconds_per_completion": 0.05}
    lab.write_experiment(place, rounds=1, engine=slow)
    running = subprocess.Popen(
        [*PROGRAM, "run", "lab"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # a shell's background jobs have it ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for_shards(place / "runs", 2)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=300)
    assert running.returncode == 130
    assert (
        errors.strip().splitlines()[-1]
        == "Stopped. Finished work is kept; run the same command again to continue."
    )
    assert "Traceback" not in errors
    goes_on(place, settings)


@pytest.mark.kills
def test_kill_9_loses_at_most_the_open_shard(place):
    settings = lab.write_experiment(place, rounds=1)
    lab.write_experiment(
        place, rounds=1, engine=settings["engine"] | {"seconds_per_completion": 0.05}
    )
    running = subprocess.Popen(
        [*PROGRAM, "run", "lab"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    wait_for_shards(place / "runs", 2)
    running.kill()
    running.wait(timeout=60)
    goes_on(place, settings)


def wait_for_shards(runs: Path, count: int) -> None:
    deadline = time.monotonic() + 400
    while (
        sum(
            json.loads(p.read_text())["shards"].__len__()
            for p in runs.glob("samples/*/manifest.json")
        )
        < count
    ):
        assert time.monotonic() < deadline, "no shard was committed"
        time.sleep(0.05)


def goes_on(place: Path, settings: dict) -> None:
    """A second run finishes, keeps what was committed, and holds no key twice."""
    kept = {p.name: p.read_bytes() for p in (place / "runs" / "samples").glob("*/shard-*.parquet")}
    assert kept
    lab.write_experiment(place, rounds=1)
    done = selftrain("run", "lab")
    assert done.returncode == 0, done.stderr
    now = {p.name: p.read_bytes() for p in (place / "runs" / "samples").glob("*/shard-*.parquet")}
    assert kept.items() <= now.items()
    counts = json.loads(
        selftrain(
            "sql", "select count(*) n, count(distinct key) d from sample_pool", "--json"
        ).stdout
    )
    assert counts[0]["n"] == counts[0]["d"] > 0


def test_new_writes_an_experiment_that_runs_on_the_persons_own_problems(place):
    done = selftrain("new", "mine", "--preset", "expert_iteration", "--json")
    path = Path(json.loads(done.stdout)["file"])
    lines = [
        f'{{"id": {i}, "question": "What is {i} + {i}?", "answer": {2 * i}}}' for i in range(1, 21)
    ]
    (place / "problems.jsonl").write_text("\n".join(lines))
    script = place / "script.json"
    script.write_text(
        json.dumps({str(i): [f"{i} + {i} = {2 * i} ; #### {2 * i}"] for i in range(1, 21)})
    )
    text = (
        path.read_text()
        .replace("epochs: 3", "steps: 1")
        .replace("rounds: 3", "rounds: 1")
        .replace("preset: expert_iteration", "preset: rest_em")
    )
    path.write_text(text + f"  engine: {{type: scripted, path: {script}}}\n")
    done = selftrain("run", "mine")
    assert done.returncode == 0, done.stderr
    assert (
        json.loads(selftrain("report", "mine", "--json").stdout)["iterations"][0]["greedy_accuracy"]
        == 1.0
    )


def test_a_preset_is_written_and_run_by_one_command_which_can_be_given_again(place):
    done = selftrain("run", "mine", "--preset", "star", "--json")
    assert done.returncode == 2  # its problems.jsonl is not there yet
    assert "problems.jsonl" in done.stderr
    written = (place / "defs" / "mine" / "defs.yaml").read_text()
    assert "preset: star" in written
    assert "is there already" not in selftrain("run", "mine", "--preset", "star").stderr
    (place / "defs" / "mine" / "defs.yaml").write_text(written.replace("rounds: 3", "rounds: 2"))
    done = selftrain("run", "mine", "--preset", "star")
    assert (done.returncode, "differs from preset star; choose another name" in done.stderr) == (
        2,
        True,
    )


# -- doctor ----------------------------------------------------------------------------------------


@pytest.mark.kills
def test_doctor_proves_the_controls_and_says_that_programs_can_run(place, docker_host):
    environment = {**os.environ} | ({"DOCKER_HOST": docker_host} if docker_host else {})
    done = selftrain("doctor", "--json", env=environment)
    assert done.returncode == 0, done.stderr
    [engine] = json.loads(done.stdout)
    assert len(engine["checks"]) > 40
    assert [check for check in engine["checks"] if not check["ok"]] == []
    assert engine["image"].startswith("selftrain-sandbox:")


def test_doctor_without_an_engine_says_what_to_do(place):
    done = selftrain("doctor", env={**os.environ, "DOCKER_HOST": "unix:///nowhere"})
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: the sandbox: no Docker engine answers at unix:///nowhere; set DOCKER_HOST"
    )
    assert "Traceback" not in done.stderr


def test_a_run_that_needs_the_sandbox_stops_before_anything_is_judged_where_there_is_none(place):
    rows = [
        {"id": s, "question": f"Write f for {s}.", "tests": ["assert f(1) == 2"], "split": s}
        for s in ("train", "test")
    ]
    (place / "programs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = {row["id"]: ["def f(x): return x + 1", "def f(x): return x"] for row in rows}
    lab.write_experiment(
        place,
        texts=texts,
        task={"type": "file", "path": "programs.jsonl"},
        verifier={"type": "code"},
    )
    done = selftrain("run", "lab", env={**os.environ, "DOCKER_HOST": "unix:///nowhere"})
    assert done.returncode == 1
    assert "no Docker engine answers" in done.stderr
    assert "`selftrain doctor` shows what is missing" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(
        selftrain("sql", "SELECT count(*) AS n FROM verifications", "--json").stdout
    ) == [{"n": 0}]


# -- evidence --------------------------------------------------------------------------------------


def test_lineage_from_a_row_to_its_seed_and_forward_again(finished):
    folder, environment, _ = finished
    back = json.loads(
        selftrain(
            "lineage", "checkpoint", "lab", "2", "--row", "1", "--json", cwd=folder, env=environment
        ).stdout
    )
    row = next(edge for edge in back["edges"][0]["edges"] if edge["kind"] == "row")
    sample = row["edges"][0]
    assert sample["facts"]["seed"] >= 0
    forward = json.loads(
        selftrain(
            "lineage",
            "sample",
            sample["name"][:20],
            "--forward",
            "--json",
            cwd=folder,
            env=environment,
        ).stdout
    )
    assert {"dataset", "verdict"} <= {edge["kind"] for edge in forward["edges"]}
    people = selftrain("lineage", "checkpoint", "lab", "2", cwd=folder, env=environment)
    assert people.returncode == 0
    assert "checkpoint lab iter-001" in people.stdout


def test_verify_says_that_the_same_verifier_changes_nothing(finished):
    folder, environment, _ = finished
    done = selftrain("verify", "lab", "--json", cwd=folder, env=environment)
    assert [
        (r["scope"], r["judged"], r["changed"], r["added"], r["removed"])
        for r in json.loads(done.stdout)
    ] == [
        ("iter-001", 48, [], [], []),
        ("iter-002", 48, [], [], []),
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("lineage", "checkpoint", "lab", "9"), "; checkpoints: base, human-all-rounds"),
        (("show", "lab", "9"), "lab: there is no iter-009; its rounds are iter-001 to iter-002"),
        (("sql", "select * from verdict"), "does not exist! There are: verdicts, verifications,"),
        (
            ("sql", "select outcom from verdicts"),
            "FROM clause! verdicts has: outcome,",
        ),
        (("sql", "select v.scop from verdicts v"), '"scop" verdicts has: scope, '),
        (("lineage", "sample", "nope"), 'no sample has a key that begins with "nope"'),
        (("retract", "lab"), "give exactly one of --problem, --sample and --source"),
        (("retract", "lab", "--problem", "nope"), 'there is no problem "nope"; the ids most like'),
        (("verify", "lba"), 'there is no experiment "lba"; did you mean "lab"?'),
    ],
)
def test_evidence_that_is_not_there_is_said(finished, arguments, reason):
    folder, environment, _ = finished
    done = selftrain(*arguments, cwd=folder, env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert reason in done.stderr


def test_verify_of_an_experiment_without_a_finished_round_is_said(place):
    lab.write_experiment(place)
    done = selftrain("verify", "lab", "--diff")
    assert done.returncode != 0
    assert "lab: iter-001 has no finished verifications yet" in done.stderr


@pytest.mark.parametrize("command", [("run", "lab"), ("status",), ("audit",), ("sql", "select 1")])
def test_a_store_of_a_newer_version_is_refused_and_left_alone(place, command):
    lab.write_experiment(place)
    (place / "runs").mkdir()
    (place / "runs" / "store.json").write_text('{"format": 99}')
    done = selftrain(*command)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "has format 99" in done.stderr
    assert "install a newer selftrain, or use another store (--store)" in done.stderr
    assert [path.name for path in (place / "runs").iterdir()] == ["store.json"]
