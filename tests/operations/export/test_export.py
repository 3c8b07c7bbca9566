"""An export: what it holds loads as the checkpoint does, its rows are those of the round, its
capsule makes it again."""

import json
import re
import shutil
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

import selftrain_assets.operations.export as exporting
from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.config.experiment_files import load_experiment
from selftrain_assets.domain.errors import IntegrityError, TaskError, UserError
from selftrain_assets.domain.types import Row
from selftrain_assets.domain.weights import NOTES_FILE
from selftrain_assets.models import loading
from selftrain_assets.models.loading import load_model
from selftrain_assets.models.tokenization import load_tokenizer
from selftrain_assets.operations import retract
from selftrain_assets.operations.export import export
from selftrain_assets.operations.export.capsule import CAPSULE
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.run import Run, iteration_scope
from selftrain_assets.pipeline.weights import resolve
from selftrain_assets.reports import summarize
from selftrain_assets.store import Store
from selftrain_assets.store.tables import file_digest
from tests.operations.export.conftest import KINDS

PROMPT = "Q: ( 12 + 5 ) * 3 A:"


@pytest.fixture
def copied(exported_runs, tmp_path):
    """Returns a function that opens a finished experiment of a kind on a store of the test's
    own."""

    def open_run(kind: str, **changes) -> Run:
        run = exported_runs(kind)
        root = shutil.copytree(run.store.root, tmp_path / "runs")
        return Run(run.name, run.config.model_copy(update=changes), Store(root))

    return open_run


def run_snippet(folder, monkeypatch):
    """What the code of a card leaves behind, run where the card lies."""
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)[1]
    monkeypatch.chdir(folder)
    found: dict = {}
    exec(code, found)
    return found


def logits(model, tokenizer):
    import torch

    with torch.no_grad():
        return model(input_ids=tokenizer(PROMPT, return_tensors="pt").input_ids).logits


# -- weights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[] if kind == "adapter" else pytest.mark.kills) for kind in KINDS],
)
def test_the_code_of_the_card_loads_the_checkpoint(
    exported_runs, tmp_path, monkeypatch, capsys, kind, merge
):
    import torch

    run = exported_runs(kind)
    if merge and kind == "full":
        with pytest.raises(UserError, match=r"--merge: .* whole weights already"):
            export(run, run.config.rounds, tmp_path / "out", merge=True)
        return
    export(run, run.config.rounds, tmp_path / "out", merge=merge)
    found = run_snippet(tmp_path / "out" / "model", monkeypatch)
    assert capsys.readouterr().out.strip()
    policy = resolve(
        run.store, run.need(iteration_scope(run.config.rounds), "checkpoint").references.weights
    )
    ref = policy.by(run.methods[0].name)
    expected = logits(load_model(ref, "cpu", merge=merge), load_tokenizer(ref))
    actual = logits(found["model"].eval(), found["tokenizer"])
    assert torch.equal(actual, expected)
    assert not torch.allclose(
        expected, logits(load_model(loading.resolve_model("embedded"), "cpu"), load_tokenizer(ref))
    )
    if merge:
        assert torch.allclose(
            actual, logits(load_model(ref, "cpu", merge=False), load_tokenizer(ref)), atol=1e-4
        )
    assert not list((tmp_path / "out").rglob(NOTES_FILE))


@pytest.mark.kills
def test_each_method_has_a_folder_that_loads(exported_runs, tmp_path):
    import torch
    from peft import PeftModel

    run = exported_runs("adapter of each method")
    export(run, 1, tmp_path / "out")
    policy = resolve(run.store, run.need("iter-001", "checkpoint").references.weights)
    for method in ("marked", "bare"):
        folder = tmp_path / "out" / "model" / method / "adapter"
        base = load_model(loading.ModelRef(folder.parent / "base", ""), "cpu")
        found = PeftModel.from_pretrained(base, folder).eval()
        ref = policy.by(method)
        assert torch.equal(
            logits(found, load_tokenizer(ref)),
            logits(load_model(ref, "cpu", merge=False), load_tokenizer(ref)),
        )


def test_an_adapter_on_a_hub_model_names_it_and_its_commit(tmp_path, monkeypatch, opened):
    """The hub's cache holds it, as after a download."""
    from huggingface_hub import constants

    commit = "c" * 40
    cached = tmp_path / "cache" / "models--someone--tiny"
    shutil.copytree(loading.EMBEDDED_DIRECTORY, cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SELFTRAIN_DEFS", str(tmp_path / "defs"))
    run = opened(model="someone/tiny", rounds=1, trainer=KINDS["adapter"]["trainer"])
    run_rounds(run, [1])
    export(run, 1, tmp_path / "out")
    model = tmp_path / "out" / "model"
    named = json.loads((model / "adapter_config.json").read_text())
    assert (named["base_model_name_or_path"], named["revision"]) == ("someone/tiny", commit)
    assert not [p for p in model.iterdir() if p.is_dir()]
    card = ModelCard.load(model / "README.md")
    assert (card.data.base_model, card.data.base_model_relation, card.data.license) == (
        "someone/tiny",
        "adapter",
        "apache-2.0",
    )
    assert f'AutoModelForCausalLM.from_pretrained("someone/tiny", revision="{commit}")' in card.text


@pytest.mark.kills
def test_the_base_is_exported_where_the_store_holds_it(exported_runs, tmp_path, monkeypatch):
    made = export(exported_runs("adapter on a trained base"), 0, tmp_path / "out")
    assert (made.weights[0].kind, made.rows) == ("full", None)
    assert not (tmp_path / "out" / "dataset").exists()
    assert (
        run_snippet(tmp_path / "out" / "model", monkeypatch)["model"].config.model_type == "llama"
    )
    assert (
        "fine-tuned on 4 rows, worked solutions"
        in (tmp_path / "out" / "model" / "README.md").read_text()
    )
    with pytest.raises(UserError, match="the base is the model embedded as it is"):
        export(exported_runs("full"), 0, tmp_path / "other")


# -- cards and capsule -----------------------------------------------------------------------------


def test_the_model_card_says_what_was_measured(exported_runs, tmp_path):
    run = exported_runs("full")
    made = export(run, 1, tmp_path / "out", model_id="someone/words")
    summary = summarize(run)
    first = summary.iterations[0]
    card = ModelCard.load(tmp_path / "out" / "model" / "README.md")
    measured = {(r.dataset_split, r.metric_type): r.metric_value for r in card.data.eval_results}
    assert measured["test", "accuracy"] == pytest.approx(first.greedy_accuracy.mean, abs=1e-4)
    assert measured["transfer", "accuracy"] == pytest.approx(first.transfer_accuracy.mean, abs=1e-4)
    assert {kind for _, kind in measured} == {"accuracy", "pass@1", "pass@2", "maj@2"}
    assert (card.data.library_name, card.data.datasets, card.data.base_model) == (
        "transformers",
        ["someone/words-data"],
        None,
    )
    gain = first.gain_over_base
    for text in (
        f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]",
        "human rows only, 2 steps",
        "After iteration 1",
        (
            "Not covered by the verifier `numeric`: units, and whether the steps that lead to the"
            " number are right."
        ),
        f"`train` ({made.rows.rows})",
        "none of validation, test, transfer and suite",
        "arXiv 2312.06585",
        f"`{made.capsule['checkpoint']['digest']}`",
        "selftrain run full --rounds 1\nselftrain audit full",
    ):
        assert text in card.text, text
    assert "After iteration 2" not in card.text


def test_several_methods_have_their_tables_and_their_rows(exported_runs, tmp_path):
    run = exported_runs("adapter of each method")
    export(run, 1, tmp_path / "out")
    card = (tmp_path / "out" / "model" / "README.md").read_text()
    assert "### Held-out greedy accuracy by method" in card
    assert "each method has its own, in `marked/` and `bare/`" in card
    assert re.search(r"\| translated \| 1 \| bare \| [1-9]", card)
    rows = [json.loads(line) for line in _jsonl(run, 1, tmp_path / "rows")]
    translated = {row["translates"] for row in rows if row["source"] == "translated"}
    assert translated <= {row["sample_key"] for row in rows if row["source"] == "self"}
    assert translated


def test_the_chain_of_the_capsule_is_closed_from_the_checkpoint_to_the_base(
    exported_runs, tmp_path
):
    run = exported_runs("adapter on a trained base")
    export(run, 2, tmp_path / "out")
    capsule = json.loads((tmp_path / "out" / "model" / CAPSULE).read_text())
    digests = {stage["digest"] for stage in capsule["stages"]}
    pretrained = capsule["stages"][1]["parents"]["start"]
    assert {
        parent for stage in capsule["stages"] for parent in stage["parents"].values()
    } - digests == {pretrained}
    assert capsule["checkpoint"]["digest"] == run.need("iter-002", "checkpoint").digest in digests
    assert parse_experiment(capsule["settings"], "capsule") == run.config
    assert capsule["versions"].keys() >= {
        "selftrain",
        "python",
        "torch",
        "transformers",
        "peft",
        "engine",
        "verifier",
    }
    for part in ("model", "dataset"):
        listed = json.loads((tmp_path / "out" / part / CAPSULE).read_text())["files"]
        there = {
            p.relative_to(tmp_path / "out" / part).as_posix(): p
            for p in (tmp_path / "out" / part).rglob("*")
            if p.is_file()
        }
        assert listed == {
            name: file_digest(path) for name, path in there.items() if name != CAPSULE
        }


def test_what_the_capsule_says_makes_the_same_checkpoint_again(
    exported_runs, tmp_path, monkeypatch
):
    run = exported_runs("adapter on a trained base")
    export(run, 1, tmp_path / "out")
    capsule = json.loads((tmp_path / "out" / "model" / CAPSULE).read_text())
    settings = capsule["settings_file"]
    (tmp_path / "defs" / settings["experiment"]).mkdir(parents=True)
    (tmp_path / "defs" / settings["experiment"] / "defs.yaml").write_text(settings["text"])
    monkeypatch.setenv("SELFTRAIN_DEFS", str(tmp_path / "defs"))
    again = Run(
        capsule["experiment"], load_experiment(capsule["experiment"]), Store(tmp_path / "again")
    )
    run_rounds(again, [1])
    assert again.need("iter-001", "checkpoint").digest == capsule["checkpoint"]["digest"]


def test_a_repetition_is_made_again_by_its_seed(exported_runs, tmp_path):
    run = exported_runs("full")
    repeated = Run("full-seed-3", load_experiment("full-seed-3"), run.store)
    run_rounds(repeated, [1])
    made = export(repeated, 1, tmp_path / "out")
    assert made.capsule["make_again"] == ["selftrain run full --seeds 3 --rounds 1"]
    assert made.capsule["settings_file"]["experiment"] == "full"
    assert made.capsule["seeds"] == {
        "experiment": 3,
        "task": 3,
        "training": repeated.need("iter-001", "checkpoint").detail["seed"],
    }


# -- rows ------------------------------------------------------------------------------------------


def _jsonl(run, iteration, folder):
    made = export(run, iteration, folder, rows="jsonl")
    return (folder / "dataset" / made.rows.file).read_text().splitlines()


def test_the_rows_are_those_of_the_round_each_with_its_sample_and_verdict(exported_runs, tmp_path):
    import pyarrow.parquet as pq

    run = exported_runs("adapter on a trained base")
    made = export(run, 2, tmp_path / "parquet")
    found = pq.read_table(tmp_path / "parquet" / "dataset" / made.rows.file).to_pylist()
    frozen = run.store.read_table(run.need("iter-002", "dataset"), "rows", Row)
    same = (
        "problem_id",
        "prompt",
        "completion",
        "weight",
        "source",
        "sample_key",
        "method",
        "origin",
        "translates",
    )
    assert [[row[name] for name in same] for row in found] == [
        [getattr(row, name) for name in same] for row in frozen
    ]
    policies = {i: run.need(iteration_scope(i), "policy").digest for i in (1, 2)}
    problems = {p.id: p for p in run.problems}
    assert {row["round"] for row in found if row["sample_key"]} == {1, 2}
    for row in found:
        assert (row["question"], row["answer"]) == (
            problems[row["problem_id"]].question,
            problems[row["problem_id"]].answer,
        )
        if row["source"] == "human":
            assert (row["sample_key"], row["policy"], row["outcome"]) == (None, None, None)
        else:
            assert (row["policy"], row["outcome"], row["reward"]) == (
                policies[row["round"]],
                "pass",
                1.0,
            )
            assert row["reason"].endswith(f"equals the reference answer {row['answer']}")
            assert row["seed"] >= 0
    assert [json.loads(line) for line in _jsonl(run, 2, tmp_path / "jsonl")] == found


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_the_code_of_the_dataset_card_loads_the_rows(exported_runs, tmp_path, monkeypatch, format):
    import datasets
    from huggingface_hub import DatasetCard

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    run = exported_runs("full")
    made = export(run, 2, tmp_path / "out", rows=format)
    loaded = run_snippet(tmp_path / "out" / "dataset", monkeypatch)["rows"]
    frozen = run.store.read_table(run.need("iter-002", "dataset"), "rows", Row)
    assert loaded["completion"][:] == [row.completion for row in frozen]
    card = DatasetCard.load(tmp_path / "out" / "dataset" / "README.md")
    assert card.data.size_categories == "n<1K"
    assert [column for column in loaded.column_names if f"| `{column}` |" not in card.text] == []
    assert f"made {made.rows.rows} rows of them" in card.text
    assert f"as a share of the {made.rows.rows} rows that were compared" in card.text
    effective = run.need("iter-002", "dataset").metrics["diversity"]["effective_solutions"]
    assert (
        f"| {effective:.1f} |"
        in card.text.partition("## Diversity of the training rows")[2].partition("##")[0]
    )


def test_rows_can_be_left_out(exported_runs, tmp_path):
    made = export(exported_runs("full"), 1, tmp_path / "out", rows=None)
    assert made.rows is None
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["model"]
    assert (
        "The rows are not handed on with the model."
        in (tmp_path / "out" / "model" / "README.md").read_text()
    )


# -- what is refused -------------------------------------------------------------------------------


def test_a_checkpoint_that_the_settings_of_today_would_not_give_is_not_exported(copied, tmp_path):
    run = copied("full")
    trainer = run.config.trainer.model_copy(update={"learning_rate": 0.5})
    changed = replace(run, config=run.config.model_copy(update={"trainer": trainer}))
    with pytest.raises(
        TaskError,
        match=(
            r"the stage checkpoint of iter-001 is missing; run it first: selftrain run full"
            r" --rounds 1-2"
        ),
    ):
        export(changed, 2, tmp_path / "out")
    unfinished = replace(run, config=run.config.model_copy(update={"rounds": 3}))
    with pytest.raises(
        TaskError, match=r"round 3 is not finished.* the stage policy of iter-003 is missing"
    ):
        export(unfinished, 3, tmp_path / "out")
    with pytest.raises(
        UserError, match="there is no round 4; give one from 1 to 3, or 0 for the base"
    ):
        export(unfinished, 4, tmp_path / "out")
    retract.retract(run, "problem", run.train_problems[1].id, "it is wrong")
    with pytest.raises(
        TaskError, match=r"and retractions: the stage evaluation of base is missing"
    ):
        export(Run(run.name, run.config, run.store), 2, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def test_damaged_weights_and_pools_are_told_and_nothing_is_written(copied, tmp_path):
    run = copied("full")
    pool = run.store.samples(run.need("iter-001", "policy").digest)
    shard = pool.files()[0]
    whole = shard.read_bytes()
    shard.write_bytes(flipped(whole))
    with pytest.raises(IntegrityError, match=r"shard-[-\w]+\.parquet is not as it was committed"):
        export(run, 1, tmp_path / "out")
    shard.write_bytes(whole)
    weights = run.store.checkpoint(run.need("iter-002", "checkpoint").key) / "model.safetensors"
    weights.write_bytes(flipped(weights.read_bytes()))
    with pytest.raises(IntegrityError, match="are not those this round was made with"):
        export(run, 2, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]


def test_an_earlier_export_is_replaced_as_a_whole_and_nothing_else_is(
    exported_runs, tmp_path, monkeypatch
):
    run, out = exported_runs("adapter"), tmp_path / "out"
    out.mkdir()
    export(run, 1, out, merge=True)
    export(run, 2, out, rows=None)
    assert (out / "model" / "adapter" / "adapter_config.json").exists()
    assert not (out / "model" / "model.safetensors").exists()
    assert not (out / "dataset").exists()
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}

    def fail(*_):
        raise RuntimeError("torn")

    monkeypatch.setattr(exporting, "model_card", fail)
    with pytest.raises(RuntimeError, match="torn"):
        export(run, 1, out)
    monkeypatch.undo()
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    (out / "LICENSE").write_text("mine")
    with pytest.raises(UserError, match="holds LICENSE, which is not as an export wrote it"):
        export(run, 1, out)
    (out / "LICENSE").unlink()
    (out / "model" / "README.md").write_text("mine")
    with pytest.raises(
        UserError, match=r"holds model/README.md, which is not as an export wrote it"
    ):
        export(run, 1, out)
    with pytest.raises(UserError, match="is a file; give a folder"):
        export(run, 1, out / "model" / "README.md")
    with pytest.raises(UserError, match="cannot be written"):
        export(run, 1, out / "model" / "README.md" / "below")
