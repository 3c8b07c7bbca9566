"""A model that cannot be sampled from or trained as asked is refused in one sentence, before
anything is drawn."""

import json
import shutil

import pytest

from selftrain_assets.domain.errors import ModelError, UserError
from selftrain_assets.models import finiteness
from selftrain_assets.models.digests import weights_digest
from selftrain_assets.models.fitness import require_device, require_trainable, require_usable
from selftrain_assets.models.loading import ModelRef, load_model, resolve_model
from selftrain_assets.trainers.sft import Lora

SIZES = {
    "vocab_size": 40,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
NAN, INFINITE = float("nan"), float("inf")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(finiteness, "_noted", set())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Returns a function that gives a tiny model of a class, made once."""
    import transformers

    from selftrain_assets.models.tokenization import quiet

    quiet()
    folder = tmp_path_factory.mktemp("made")

    def make(name: str, **settings):
        path = folder / "-".join([name, *map(str, settings.values())])
        if not path.exists():
            kind = getattr(transformers, name)
            kind(kind.config_class(**settings)).save_pretrained(path)
        return path

    return make


@pytest.fixture
def model(made, tmp_path):
    """Returns a function that gives a copy of a tiny Llama, with its configuration or its
    weights changed."""

    def copy(config=(), weights=None, kind="LlamaForCausalLM", sizes=SIZES):
        from safetensors.torch import load_file, save_file

        folder = shutil.copytree(made(kind, **sizes), tmp_path / "model")
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | dict(config)))
        if weights is not None:
            tensors = load_file(folder / "model.safetensors")
            weights(tensors)
            save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return ModelRef(folder, weights_digest(folder))

    return copy


def spoiled(name, value):
    def change(tensors):
        tensors[name].view(-1)[-1] = value

    return change


def test_a_whole_model_is_usable_and_trainable(model, embedded):
    for ref in (embedded, model()):
        require_trainable(ref, Lora(), "trainer.lora")
        require_trainable(ref, Lora(target_modules=("q_proj", "mlp.up_proj")), "trainer.lora")
        require_trainable(ref, None, "trainer.lora")


@pytest.mark.parametrize(
    ("config", "weights", "said"),
    [
        (
            {},
            lambda t: t.pop("model.layers.1.mlp.up_proj.weight"),
            r"lack model\.layers\.1\.mlp\.up_proj\.weight; restore",
        ),
        ({}, lambda t: t.pop("lm_head.weight"), r"lack lm_head\.weight"),
        (
            {"num_hidden_layers": 1},
            None,
            (
                r"hold, beyond what config\.json describes,"
                r" model\.layers\.1\.input_layernorm\.weight.* and 6 more"
            ),
        ),
        (
            {"num_hidden_layers": 3},
            None,
            r"lack model\.layers\.2\.input_layernorm\.weight.* and 6 more",
        ),
        (
            {"vocab_size": 48},
            None,
            r"have another shape than config\.json describes: lm_head\.weight \(40x8, not 48x8\)",
        ),
        ({"attention_bias": True}, None, r"lack model\.layers\.0\.self_attn\.k_proj\.bias"),
        ({"num_attention_heads": 3}, None, r"cannot be loaded: .*hidden size .* attention heads"),
    ],
    ids=[
        "a tensor less",
        "no head",
        "more layers",
        "fewer layers",
        "other vocabulary",
        "no biases",
        "odd heads",
    ],
)
def test_weights_that_do_not_fit_their_configuration_are_refused(model, config, weights, said):
    with pytest.raises(ModelError, match=said) as caught:
        require_usable(model(config, weights))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "int8"])
def test_numbers_that_stand_for_others_are_refused(model, dtype):
    import torch

    ref = model(
        weights=lambda t: t.update(
            {name: weight.to(getattr(torch, dtype)) for name, weight in t.items()}
        )
    )
    with pytest.raises(
        ModelError, match=r"is of type .*no quantization_config.*float32, float16 or bfloat16"
    ):
        require_usable(ref)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_any_floating_point_will_do(model, dtype):
    import torch

    require_usable(
        model(
            weights=lambda t: t.update(
                {name: weight.to(getattr(torch, dtype)) for name, weight in t.items()}
            )
        )
    )


def test_quantised_weights_are_not_trained(model):
    ref = model({"quantization_config": {"quant_method": "awq", "bits": 4}})
    for lora in (None, Lora()):
        with pytest.raises(
            ModelError,
            match=(
                r"quantised weights \(awq\), which cannot be trained; give the original,"
                r" unquantized model"
            ),
        ):
            require_trainable(ref, lora, "trainer.lora")


@pytest.mark.parametrize(
    "said", ["{", "[]", "{}", '{"weight_map": ["a"]}', '{"weight_map": {"a": 1}}']
)
def test_an_index_that_names_no_files_is_refused(model, said):
    ref = model()
    (ref.directory / "model.safetensors").rename(ref.directory / "model-00001-of-00001.safetensors")
    (ref.directory / "model.safetensors.index.json").write_text(said)
    with pytest.raises(
        ModelError,
        match=(
            r"model\.safetensors\.index\.json does not say which file holds which weight;"
            r" restore it"
        ),
    ):
        require_usable(ref)


def test_a_loss_of_the_router_is_not_left_out_in_silence(model):
    with pytest.raises(
        ModelError,
        match=(
            r"config\.json asks for a loss of its router \(output_router_logits\).*set it to false"
            r" there"
        ),
    ):
        require_trainable(model({"output_router_logits": True}), None, "trainer.lora")


SMALL = {
    "vocab_size": 40,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}


@pytest.mark.parametrize(
    ("kind", "sizes", "said"),
    [
        ("BertForMaskedLM", SMALL, "but BertForMaskedLM; give a model that goes on with a text"),
        ("BertLMHeadModel", SMALL, "but an encoder, whose words see those behind them"),
        ("LlamaModel", SIZES, "but LlamaModel"),
        ("LlamaForSequenceClassification", SIZES, "but LlamaForSequenceClassification"),
        (
            "T5ForConditionalGeneration",
            {"vocab_size": 40, "d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2},
            "an encoder with a decoder",
        ),
    ],
)
def test_other_kinds_of_models_are_refused(made, kind, sizes, said):
    folder = made(kind, **sizes)
    with pytest.raises(ModelError, match=f"is no causal language model .*{said}"):
        require_usable(ModelRef(folder, weights_digest(folder)))


def test_a_model_that_sees_is_refused(model):
    with pytest.raises(
        ModelError,
        match=r"but one with vision \(qwen2_5_vl\), which is neither sampled nor trained here",
    ):
        require_usable(model({"model_type": "qwen2_5_vl", "vision_config": {"depth": 2}}))


def test_an_encoder_may_be_a_decoder(made):
    folder = made("BertLMHeadModel", **SMALL, is_decoder=True)
    require_usable(ModelRef(folder, weights_digest(folder)))


def test_code_of_a_model_is_never_run_and_nobody_is_asked(model, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked a person"))
    own = {
        "auto_map": {
            "AutoConfig": "configuration_own.Own",
            "AutoModelForCausalLM": "modeling_own.Own",
        }
    }
    ref = model(own | {"model_type": "own", "architectures": ["OwnForCausalLM"]})
    (ref.directory / "configuration_own.py").write_text("raise SystemExit('was run')")
    for refused in (require_usable, load_model):
        with pytest.raises(
            ModelError,
            match=r"Python code of its own \(auto_map in config\.json\), which is never run here",
        ):
            refused(ref)


def test_where_transformers_has_the_architecture_that_one_is_taken(model):
    require_usable(model({"auto_map": {"AutoModelForCausalLM": "modeling_own.Own"}}))


def test_an_unknown_architecture_and_damaged_configurations_are_named(model):
    with pytest.raises(
        ModelError, match='architecture "lama", which the installed transformers does not have'
    ):
        require_usable(ref := model({"model_type": "lama"}))
    for text, said in (
        ("{", "cannot be read as JSON"),
        ("[]", "holds no object"),
        ("{}", "has no model_type"),
    ):
        (ref.directory / "config.json").write_text(text)
        with pytest.raises(ModelError, match=said):
            require_usable(ref)


def test_a_model_with_an_adapter_beside_it_is_refused(model):
    ref = model()
    (ref.directory / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "owner/other"})
    )
    with pytest.raises(
        ModelError, match=r"holds an adapter \(adapter_config\.json\) beside a model"
    ):
        require_usable(ref)


@pytest.mark.parametrize("value", [NAN, INFINITE, -INFINITE])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_weights_that_are_no_numbers_are_refused_by_name(model, value, dtype):
    import torch

    def change(tensors):
        tensors.update({name: weight.to(getattr(torch, dtype)) for name, weight in tensors.items()})
        spoiled("model.layers.1.self_attn.o_proj.weight", value)(tensors)

    ref = model(weights=change)
    for refused in (require_usable, load_model):  # found finite is noted, found otherwise is not
        with pytest.raises(
            ModelError,
            match=(
                r"model\.safetensors: the weight model\.layers\.1\.self_attn\.o_proj\.weight holds"
                r" NaN or inf"
            ),
        ):
            refused(ref)


def test_the_largest_numbers_of_a_type_are_numbers(model):
    import torch

    require_usable(model(weights=spoiled("model.norm.weight", torch.finfo(torch.float32).max)))


def test_so_are_those_in_parts_and_those_of_torch(made, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    whole = AutoModelForCausalLM.from_pretrained(made("LlamaForCausalLM", **SIZES))
    whole.model.layers[1].mlp.down_proj.weight.data[0, 0] = NAN
    whole.save_pretrained(tmp_path / "parts", max_shard_size="3KB")
    assert len([*(tmp_path / "parts").glob("*.safetensors")]) > 1
    whole.config.save_pretrained(tmp_path / "bin")
    torch.save(whole.state_dict(), tmp_path / "bin" / "pytorch_model.bin")
    for folder in (tmp_path / "parts", tmp_path / "bin"):
        with pytest.raises(
            ModelError, match=r"the weight model\.layers\.1\.mlp\.down_proj\.weight holds NaN"
        ):
            require_usable(ModelRef(folder, weights_digest(folder)))


def test_so_is_an_adapter(embedded, tmp_path):
    from peft import get_peft_model

    adapted = get_peft_model(load_model(embedded, "cpu", "float32"), Lora(r=2).config())
    adapted.save_pretrained(tmp_path / "fine")
    next(weight for name, weight in adapted.named_parameters() if "lora_B" in name).data[0, 0] = (
        INFINITE
    )
    adapted.save_pretrained(tmp_path / "bad")
    require_usable(ModelRef(embedded.directory, "fine", tmp_path / "fine"))
    with pytest.raises(
        ModelError,
        match=r"bad/adapter_model\.safetensors: the weight \S+lora_B\.weight holds NaN or infinity",
    ):
        load_model(ModelRef(embedded.directory, "bad", tmp_path / "bad"))


def test_weights_are_read_once_for_a_digest(model, monkeypatch):
    read, ref = [], model()
    monkeypatch.setattr(finiteness, "is_finite", lambda weight: read.append(weight) or True)
    require_usable(ref)
    assert read
    known = len(read)
    monkeypatch.setattr(finiteness, "_noted", set())  # as in another process
    require_usable(ref)
    assert len(read) == known


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (("q_porj",), r'no layer q_porj that takes an adapter; did you mean "q_proj"\?'),
        (
            ("q_proj", "c_attn"),
            r"no layer c_attn that takes an adapter; known: .*down_proj.*q_proj",
        ),
        (("mlp",), r"no layer mlp that takes an adapter"),
        (("input_layernorm",), r"no layer input_layernorm that takes an adapter"),
    ],
)
def test_an_adapter_for_layers_that_the_model_lacks_is_refused(model, targets, said):
    with pytest.raises(
        UserError, match=rf"base\.trainer\.lora\.target_modules: the model has {said}"
    ):
        require_trainable(model(), Lora(target_modules=targets), "base.trainer.lora")


@pytest.mark.parametrize(
    ("target", "other"), [("lm_head", r"model\.embed_tokens"), ("embed_tokens", "lm_head")]
)
def test_an_adapter_on_a_weight_that_two_layers_share_is_refused(model, embedded, target, other):
    """Folded into it, it would change what both of them do, where in training it changed one."""
    adapter = Lora(target_modules=("q_proj", target))
    with pytest.raises(
        UserError,
        match=(
            rf"target_modules: {target} shares its weight with another layer \({other}\).*leave"
            r" it out"
        ),
    ):
        require_trainable(embedded, adapter, "trainer.lora")
    require_trainable(model(), adapter, "trainer.lora")


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match=r"engine\.device: cuda, and torch finds no GPU"):
        require_device("engine.device", "cuda")


# Whole experiments: nothing is drawn, whatever the engine


LORA = {"steps": 1, "batch_size": 4, "lora": {"r": 4}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"trainer": {"lora": {"target_modules": ["query"]}}},
            r"trainer\.lora\.target_modules: the model has no layer query",
        ),
        (
            {"base": {"fine_tune": "human", "trainer": {"lora": {"target_modules": ["c_fc"]}}}},
            r"base\.trainer\.lora\.target_modules: the model has no layer c_fc",
        ),
        (
            {"base": {"fine_tune": "human", "trainer": LORA | {"lora": {"r": 8}}}, "trainer": LORA},
            (
                r"trainer\.lora\.r: 4 cannot continue from the adapter of the base, which has 8;"
                r" set the same, or recipe\.init_from: pretrained"
            ),
        ),
        (
            {
                "recipe": {"init_from": "previous"},
                "trainer": LORA,
                "forks": [{"lora": {"r": 4, "alpha": 99}}],
            },
            (
                r"from round 2 on: trainer\.lora\.alpha: 99 cannot continue from the adapter of"
                r" round 1, which has 32"
            ),
        ),
        (
            {"trainer": {"execution": {"device": "cuda"}}},
            r"trainer\.execution\.device: cuda, and torch finds no GPU",
        ),
    ],
    ids=["targets", "targets of the base", "rank", "scale after a fork", "device"],
)
def test_an_experiment_that_cannot_train_draws_nothing(opened, changes, said):
    from selftrain_assets.pipeline.loop import run_rounds
    from tests.lab import SETTINGS

    settings = {**changes, "recipe": SETTINGS["recipe"] | changes.get("recipe", {})}
    if "forks" in settings:
        settings["forks"] = [
            {"experiment": "other", "iteration": 1, "changes": {"trainer": each}}
            for each in settings["forks"]
        ]
    run = opened(**settings)
    with pytest.raises(UserError, match=said):
        run_rounds(run, [1, 2])
    assert not [*run.store.root.glob("samples/**/*.parquet")]
    assert not run.manifest("base", "evaluation")


@pytest.mark.parametrize("engine", ["transformers", "vllm", "scripted"])
def test_so_does_one_whose_base_is_no_numbers(opened, embedded, tmp_path, engine):
    from safetensors.torch import load_file, save_file

    from selftrain_assets.pipeline.loop import run_rounds

    folder = shutil.copytree(embedded.directory, tmp_path / "spoiled")
    tensors = load_file(folder / "model.safetensors")
    spoiled("model.norm.weight", NAN)(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    run = opened(
        model=str(folder), **({} if engine == "scripted" else {"engine": {"type": engine}})
    )
    with pytest.raises(
        ModelError,
        match=r"spoiled/model\.safetensors: the weight model\.norm\.weight holds NaN or infinity",
    ):
        run_rounds(run, [1])
    assert not run.manifest("base", "evaluation")
    assert resolve_model(str(folder)).digest == run.need("base", "checkpoint").digest
