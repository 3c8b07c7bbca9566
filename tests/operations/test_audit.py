"""Audit of finished experiments: clean ones give nothing, and each kind of damage gives its own
sentence."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.operations import audit as stage_audit
from selftrain_assets.operations.findings import Audit
from selftrain_assets.operations.inspector import Inspector
from selftrain_assets.pipeline.inputs import problems
from selftrain_assets.pipeline.loop import prepare, run_rounds
from selftrain_assets.pipeline.run import Run
from selftrain_assets.store import Store
from tests import lab

STAR = {"preset": "star", "sampling": {"samples_per_problem": 2, "max_tokens": 32}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two rounds of one experiment, and one round of STaR beside it; nobody writes to it."""
    folder = tmp_path_factory.mktemp("finished")
    store = Store(folder / "runs")
    run = Run("lab", parse_experiment(lab.write_experiment(folder), "lab"), store)
    run_rounds(run, [1, 2])
    star = Run(
        "star",
        parse_experiment(lab.write_experiment(folder, "star", rounds=1, recipe=STAR), "star"),
        store,
    )
    run_rounds(star, [1])
    return run, star


@pytest.fixture
def copy(finished, tmp_path):
    """The first experiment on a copy of the store, to be damaged."""
    run = finished[0]
    shutil.copytree(run.store.root, tmp_path / "runs")
    return Run(run.name, run.config, Store(tmp_path / "runs"))


def audited(*runs: Run) -> Audit:
    inspector = Inspector(runs[0].store)
    lines = [line for run in runs for line in stage_audit.audit(inspector, run)]
    inspector.all_pools()
    return Audit(tuple(lines), inspector.findings)


def line(found: Audit, scope: str, stage: str):
    (one,) = [each for each in found.lines if (each.scope, each.stage) == (scope, stage)]
    return one


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def sample_pool(run: Run) -> Path:
    """The pool of the base's samples."""
    return run.store.samples(run.need("iter-001", "policy").digest).directory


def first_shard(pool: Path) -> Path:
    return pool / json.loads((pool / "manifest.json").read_text())["shards"][0]["file"]


def edit(path: Path, change) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def files(root: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_finished_experiments_are_clean_and_an_audit_changes_nothing(finished):
    before = files(finished[0].store.root)
    found = audited(*finished)
    assert found.clean
    assert found.findings == ()
    assert {
        (each.state, each.owed, each.duplicated, each.lost, each.quarantined)
        for each in found.lines
    } == {("done", 0, 0, 0, 0)}
    wanted = {
        each.stage: each.wanted
        for each in found.lines
        if each.experiment == "lab" and each.scope == "iter-001"
    }
    assert (
        wanted["samples"],
        wanted["verifications"],
        wanted["evaluation"],
        wanted["checkpoint"],
    ) == (48, 48, 15, 1)
    assert {"hinted_samples", "rationalizations"} <= {
        each.stage for each in found.lines if each.experiment == "star"
    }
    assert files(finished[0].store.root) == before


def test_nothing_begun_is_not_wrong(opened):
    found = audited(opened())
    assert found.clean
    assert {(each.state, each.committed or 0) for each in found.lines} == {("not begun", 0)}


def test_an_interrupted_round_owes_exactly_the_rest(opened, monkeypatch):
    from selftrain_assets.engines.scripted import ScriptedEngine

    run, whole = opened(), ScriptedEngine.generate
    list(prepare(run))

    def interrupted(self, requests, sampling):
        for count, completion in enumerate(whole(self, requests, sampling)):
            if count == 19:
                raise KeyboardInterrupt
            yield completion

    monkeypatch.setattr(ScriptedEngine, "generate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_rounds(run, [1])
    found = audited(run)
    samples, verdicts, dataset = (
        line(found, "iter-001", stage) for stage in ("samples", "verifications", "dataset")
    )
    assert found.clean
    assert (samples.state, samples.wanted, samples.committed, samples.owed) == ("begun", 48, 19, 29)
    assert (verdicts.state, verdicts.wanted, verdicts.owed) == ("not begun", 48, 48)
    assert (dataset.state, dataset.wanted) == ("not begun", None)


def test_changed_settings_make_work_owed_and_nothing_wrong(copy):
    sampling = copy.config.recipe.sampling.model_copy(update={"samples_per_problem": 6})
    more = copy.config.model_copy(
        update={"recipe": copy.config.recipe.model_copy(update={"sampling": sampling})}
    )
    found = audited(Run(copy.name, more, copy.store))
    assert found.clean
    samples = line(found, "iter-001", "samples")
    assert (samples.state, samples.wanted, samples.committed, samples.owed) == ("owed", 72, 48, 24)
    fewer = audited(Run(copy.name, copy.config.model_copy(update={"rounds": 1}), copy.store))
    assert fewer.clean
    assert {each.state for each in fewer.lines if each.scope == "iter-002"} == {"not asked for"}


def damage_table(run: Run, scope: str, stage: str, name: str) -> Path:
    return run.store.scope(run.name, scope) / run.need(scope, stage).files[name][0]


DAMAGE = {
    "flipped byte in a shard": (
        lambda run: flip(first_shard(sample_pool(run))),
        "damaged",
        "is not as it was committed",
    ),
    "deleted shard": (
        lambda run: first_shard(sample_pool(run)).unlink(),
        "missing",
        "is listed but is not there",
    ),
    "shard listed twice": (
        lambda run: edit(
            sample_pool(run) / "manifest.json", lambda v: v["shards"].append(v["shards"][0])
        ),
        "duplicated",
        "8 keys occur more than once",
    ),
    "shard no longer listed": (
        lambda run: edit(
            sample_pool(run) / "manifest.json",
            lambda v: (sample_pool(run) / v["shards"].pop(4)["file"]).unlink(),
        ),
        "lost",
        "that no committed shard holds",
    ),
    "orphan": (
        lambda run: shutil.copy(
            first_shard(sample_pool(run)), sample_pool(run) / f"shard-{'0' * 32}.parquet"
        ),
        "orphan",
        "is listed by no manifest",
    ),
    "torn pool manifest": (
        lambda run: (sample_pool(run) / "manifest.json").write_text('{"shards": ['),
        "unreadable",
        "is not a pool's",
    ),
    "flipped byte in a table": (
        lambda run: flip(damage_table(run, "iter-002", "dataset", "rows")),
        "damaged",
        "which makes it again",
    ),
    "deleted table": (
        lambda run: damage_table(run, "iter-002", "evaluation", "scores").unlink(),
        "missing",
        "which makes it again",
    ),
    "changed checkpoint": (
        lambda run: flip(
            run.store.checkpoint(run.need("iter-002", "checkpoint").key) / "model.safetensors"
        ),
        "changed",
        "are not those this round was made with",
    ),
    "deleted checkpoint": (
        lambda run: shutil.rmtree(run.store.checkpoint(run.need("iter-002", "checkpoint").key)),
        "changed",
        "is gone; restore it",
    ),
    "deleted manifest": (
        lambda run: (run.store.scope(run.name, "iter-002") / "dataset.json").unlink(),
        "broken",
        "iter-002 checkpoint was made from iter-002 dataset",
    ),
    "torn manifest": (
        lambda run: (run.store.scope(run.name, "iter-002") / "evaluation.json").write_text(
            '{"stage":'
        ),
        "unreadable",
        "evaluation.json is not a manifest",
    ),
    "parent of another digest": (
        lambda run: edit(
            run.store.scope(run.name, "iter-002") / "dataset.json",
            lambda v: v.update(digest="0" * 32),
        ),
        "stale",
        "iter-002 checkpoint is stale",
    ),
    "other start weights": (
        lambda run: edit(
            run.store.scope(run.name, "iter-002") / "checkpoint.json",
            lambda v: v["parents"].update(start="0" * 32),
        ),
        "stale",
        "which no current checkpoint has",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_each_kind_of_damage_gives_exactly_its_finding(copy, damage):
    act, kind, sentence = DAMAGE[damage]
    act(copy)
    found = audited(copy)
    wrong = [f for f in found.findings if f.wrong]
    assert not found.clean
    assert {f.kind for f in wrong} == {kind}, wrong
    assert sentence in wrong[0].sentence
    # two stages may lose keys by it
    assert len(wrong) == 1 or damage == "shard no longer listed", wrong
    assert all("; " in f.sentence and "\n" not in f.sentence for f in wrong)
    lost = sum(each.lost for each in found.lines)
    assert bool(lost) == (
        kind in ("damaged", "missing", "lost", "changed") or damage == "torn pool manifest"
    ), found.lines
    assert bool(sum(each.duplicated for each in found.lines)) == (kind == "duplicated")


def test_quarantined_shards_are_counted_where_their_keys_belong(copy):
    pool = sample_pool(copy)

    def put_aside(values):
        (pool / "quarantine").mkdir()
        entry = values["shards"].pop(4)
        shutil.move(pool / entry["file"], pool / "quarantine" / entry["file"])
        values["quarantined"] = [entry | {"reason": "checksum"}]

    edit(pool / "manifest.json", put_aside)
    found = audited(copy)
    aside = [each for each in found.lines if each.quarantined]
    assert {(each.scope, each.stage) for each in aside} <= {
        ("base", "evaluation"),
        ("iter-001", "samples"),
    }
    assert sum(each.quarantined for each in aside) == sum(each.lost for each in found.lines) == 8


def test_an_experiment_without_its_file_is_still_checked(copy):
    flip(damage_table(copy, "iter-001", "dataset", "rows"))
    inspector = Inspector(copy.store)
    lines = stage_audit.audit_without_settings(inspector, "lab")
    assert {each.state for each in lines} == {"not asked for"}
    assert [f.kind for f in inspector.findings] == ["damaged"]


def test_a_live_writer_leaves_no_orphan(copy):
    pool = copy.store.samples(copy.need("iter-001", "policy").digest)
    with pool.writing("somebody"):
        shutil.copy(first_shard(pool.directory), pool.directory / f"shard-{'1' * 32}.parquet")
        assert audited(copy).clean
    assert [f.kind for f in audited(copy).findings] == ["orphan"]


@pytest.mark.kills
@settings(max_examples=15)
@given(st.data())
def test_any_flipped_byte_of_a_kept_file_is_found(finished, tmp_path_factory, data):
    root = tmp_path_factory.mktemp("flipped") / "runs"
    shutil.copytree(finished[0].store.root, root, ignore=partial(_without, "checkpoints"))
    (root / "checkpoints").symlink_to(finished[0].store.root / "checkpoints")
    path = data.draw(st.sampled_from(sorted(root.rglob("*.parquet"))))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    found = audited(*(Run(run.name, run.config, Store(root)) for run in finished))
    assert [f.kind for f in found.findings] == ["damaged"]
    assert str(path.relative_to(root)) in found.findings[0].sentence


def _without(name: str, folder: str, names: list[str]) -> list[str]:
    return [name] if name in names else []


def test_problems_that_cannot_be_read_are_a_finding(copy):
    table = (
        copy.store.scope(copy.name, "inputs") / copy.need("inputs", "problems").files["problems"][0]
    )
    flip(table)
    found = audited(copy)
    assert [f.kind for f in found.findings] == ["damaged"]
    assert table.name in found.findings[0].sentence


def test_a_task_that_is_gone_is_told(copy, monkeypatch):
    from selftrain_assets.domain.errors import UserError
    from selftrain_assets.tasks import WordProblems

    def gone(self):
        raise UserError("task: problems.jsonl is not there; correct task.path")

    monkeypatch.setattr(WordProblems, "load", gone)
    with pytest.raises(UserError):
        problems(copy)
    assert [f.kind for f in audited(copy).findings] == ["settings"]


REPAIRED_BY_A_RUN = (
    "shard no longer listed",
    "flipped byte in a shard",
    "deleted shard",
    "torn pool manifest",
    "flipped byte in a table",
    "deleted table",
    "torn manifest",
)


@pytest.mark.parametrize("damage", REPAIRED_BY_A_RUN)
def test_doing_what_the_findings_say_ends_clean(copy, damage):
    DAMAGE[damage][0](copy)
    for finding in (f for f in audited(copy).findings if f.wrong):
        if "remove it and run" in finding.sentence:
            (copy.store.root / finding.sentence.split()[0]).unlink()
    run_rounds(Run(copy.name, copy.config, copy.store), [1, 2])
    found = audited(copy)
    assert found.findings == ()
    assert {(each.state, each.owed) for each in found.lines} == {("done", 0)}
