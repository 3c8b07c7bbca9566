"""A middle round made again under another filter and another verifier: only what changed is new,
and what was is still there."""

import shutil
from dataclasses import astuple, replace
from hashlib import sha256

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.types import Problem, Row, SampleMembership, Score, VerdictMembership
from selftrain_assets.engines.scripted import ScriptedEngine
from selftrain_assets.operations.catalog import query
from selftrain_assets.operations.lineage import Lineage
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.run import Run
from selftrain_assets.reports import summarize
from selftrain_assets.store import Store
from selftrain_assets.tasks import WordProblems
from selftrain_assets.trainers import ScriptedTrainer
from selftrain_assets.verifiers import NumericVerifier
from tests import lab
from tests.operations.test_audit import audited, files

NARROW = {"recipe": lab.SETTINGS["recipe"] | {"cap": 1}}
STRICT = {"verifier": {"type": "numeric", "require_mark": True}}
RECORDS = {
    "problems": Problem,
    "samples": SampleMembership,
    "verifications": VerdictMembership,
    "rows": Row,
    "scores": Score,
}
SAMPLES = 48  # of a round


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Returns a function that opens the experiment on a folder; changes are top-level settings."""
    # Half of the right answers have no mark, so that a strict verifier differs on them.
    texts = {
        p.id: [f"#### {p.answer}", f"It is {p.answer}", "#### 0", "none"]
        for p in WordProblems(**lab.TASK).load()
    }

    def open_run(folder, **changes) -> Run:
        folder.mkdir(exist_ok=True)
        return Run(
            "lab",
            parse_experiment(lab.write_experiment(folder, texts=texts, rounds=3, **changes), "lab"),
            Store(folder / "runs"),
        )

    return open_run


@pytest.fixture(scope="module")
def three_rounds(experiment, tmp_path_factory):
    """The folder of three finished rounds. Not to be changed."""
    folder = tmp_path_factory.mktemp("three")
    run_rounds(experiment(folder), [1, 2, 3])
    return folder


@pytest.fixture
def again(experiment, three_rounds, tmp_path):
    """Returns a function that opens a copy of the three rounds, always the same one, with
    changed settings."""
    shutil.copytree(three_rounds / "runs", tmp_path / "again" / "runs")
    return lambda **changes: experiment(tmp_path / "again", **changes)


@pytest.fixture
def drawn(monkeypatch):
    """Keys of all that the engine is asked, with repetitions."""
    keys, whole = [], ScriptedEngine.generate

    def noting(self, requests, sampling):
        keys.extend(r.key for r in requests)
        return whole(self, requests, sampling)

    monkeypatch.setattr(ScriptedEngine, "generate", noting)
    return keys


@pytest.fixture
def trainings(monkeypatch):
    """One entry for each training that begins."""
    begun, whole = [], ScriptedTrainer.train

    def noting(self, job):
        begun.append(len(job.rows))
        return whole(self, job)

    monkeypatch.setattr(ScriptedTrainer, "train", noting)
    return begun


def manifests(run):
    """The current ones, by scope and stage."""
    found = Lineage(run.store)
    return {(m.scope, m.stage): m for m in found.manifests if found.is_current(m)}


def changed(before, after):
    """Stages whose work is another."""
    assert before.keys() == after.keys()
    return {place for place in before if before[place].key != after[place].key}


def tables(run):
    """Every current table, sorted, as one checksum; and the digest of every stage's result."""
    found = {}
    for place, manifest in manifests(run).items():
        rows = [
            astuple(r)
            for name in manifest.files
            for r in run.store.read_table(manifest, name, RECORDS[name])
        ]
        found[place] = (
            manifest.digest,
            sha256("\n".join(sorted(map(repr, rows))).encode()).hexdigest(),
        )
    return found


def is_whole(run):
    """Nothing is lost and no key is there twice."""
    found = audited(run)
    assert {(line.duplicated, line.lost, line.quarantined) for line in found.lines} == {(0, 0, 0)}
    return found


def states(found):
    return {(line.scope, line.stage): line.state for line in found.lines}


def everything(node):
    """The nodes of a lineage."""
    return [node, *(inner for edge in node.edges for inner in everything(edge))]


def test_another_filter_makes_new_what_follows_from_it_and_later_rounds_stale(
    again, drawn, trainings
):
    before = manifests(again())
    run = again(**NARROW)
    run_rounds(run, [2])
    after = manifests(run)
    assert changed(before, after) == {
        ("iter-002", stage) for stage in ("dataset", "checkpoint", "evaluation")
    }
    assert (
        after["iter-002", "dataset"].counts["rows"] < before["iter-002", "dataset"].counts["rows"]
    )
    assert trainings == [after["iter-002", "dataset"].counts["rows"]]
    # by the evaluation of the new weights alone
    assert set(drawn) == run.store.samples(after["iter-002", "checkpoint"].digest).keys()
    found = is_whole(run)
    assert [(f.kind, f.sentence.partition(" is stale")[0]) for f in found.findings] == [
        ("stale", "lab: iter-003 policy")
    ]
    assert states(found)["iter-003", "policy"] == states(found)["iter-001", "dataset"] == "owed"


def test_what_a_later_round_was_made_from_can_still_be_followed(again):
    old = {m.digest for m in manifests(again()).values()}
    run = again(**NARROW)
    run_rounds(run, [2])
    lineage = Lineage(run.store)
    nodes = everything(lineage.checkpoint("lab", "iter-003", row=1))
    assert not [n for n in nodes if "missing" in n.facts]
    superseded = {(n.kind, n.name) for n in nodes if n.facts.get("superseded")}
    assert superseded == {("checkpoint", "lab iter-002"), ("dataset", "lab iter-002")}
    assert {n.facts["digest"] for n in nodes if "digest" in n.facts} <= old
    [sample] = [n for n in nodes if n.kind == "sample"]
    forward = everything(lineage.forward(sample.name))
    assert ("checkpoint", "lab iter-003") in {(n.kind, n.name) for n in forward}
    history = sorted(
        p.name.partition("-")[0] for p in run.store.scope("lab", "iter-002").glob("history/*.json")
    )
    assert history == ["checkpoint", "dataset", "evaluation"]


def test_the_filter_of_before_finds_everything_there(again, drawn, trainings):
    before = manifests(again())
    run_rounds(again(**NARROW), [2])
    asked, begun = len(drawn), len(trainings)
    run_rounds(again(), [2])
    after = manifests(again())
    assert (len(drawn), len(trainings)) == (asked, begun)
    assert {place: (m.key, m.digest) for place, m in before.items()} == {
        place: (m.key, m.digest) for place, m in after.items()
    }
    assert is_whole(again()).findings == ()


def test_a_newer_verifier_that_says_the_same_judges_again_and_trains_nothing(
    again, drawn, trainings, monkeypatch
):
    before = manifests(again())
    monkeypatch.setattr(NumericVerifier, "version", "99")
    run, told = again(), []

    def interrupted(stage, done, total):
        told.append(stage)
        if told.count("iter-002 verifications") == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_rounds(replace(run, progress=interrupted), [2])
    run_rounds(run, [2])
    after = manifests(run)
    judged = {
        ("iter-002", "verifications"),
        ("iter-002", "dataset"),
        ("iter-002", "evaluation"),
        ("base", "evaluation"),
    }
    assert changed(before, after) == judged
    assert after["iter-002", "verifications"].counts["reused"] == 10
    assert after["iter-002", "dataset"].digest == before["iter-002", "dataset"].digest
    assert (drawn, trainings) == ([], [])
    assert is_whole(run).findings == ()


def test_after_filter_and_verifier_changed_each_count_is_of_one_version(again, drawn):
    run_rounds(again(**NARROW), [2])
    run = again(**NARROW, **STRICT)
    drawn_before = len(drawn)
    run_rounds(run, [2])
    assert len(drawn) == len(set(drawn)) > drawn_before > 0
    rounds = {point.name: point.counts for point in summarize(run).iterations}
    _, told = query(
        run.store,
        "SELECT scope, count(*), count(DISTINCT sample_key), count(*) FILTER (outcome = 'pass'),"
        " count(DISTINCT problem_id) FILTER (outcome = 'pass') FROM verdicts GROUP BY scope ORDER"
        " BY scope",
    )
    assert [tuple(row) for row in told] == [
        (scope, SAMPLES, SAMPLES, counts.correct, counts.problems_solved)
        for scope, counts in rounds.items()
    ]
    assert rounds["iter-002"].correct < rounds["iter-001"].correct
    assert {
        m.detail["verifiers"][0]
        for (_, stage), m in manifests(run).items()
        if stage == "verifications"
    } == {
        again().need("iter-001", "verifications").detail["verifiers"][0],
        run.need("iter-002", "verifications").detail["verifiers"][0],
    }
    is_whole(run)


@pytest.mark.kills
def test_in_the_end_it_is_the_same_as_if_nothing_else_had_ever_been_asked(
    again, experiment, tmp_path, drawn, trainings
):
    run_rounds(again(**NARROW), [2])
    run = again(**NARROW, **STRICT)
    run_rounds(run, [2])
    run_rounds(run, [1, 2, 3])
    assert len(drawn) == len(set(drawn))
    found = is_whole(run)
    assert found.findings == ()
    assert set(states(found).values()) == {"done"}
    held, begun, asked = files(run.store.root), len(trainings), len(drawn)
    run_rounds(again(**NARROW, **STRICT), [1, 2, 3])
    assert (len(trainings), len(drawn)) == (begun, asked)
    assert files(run.store.root) == held
    straight = experiment(tmp_path / "straight", **NARROW, **STRICT)
    run_rounds(straight, [1, 2, 3])
    assert tables(run) == tables(straight)
