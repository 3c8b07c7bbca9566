"""Further arguments of the Trainer change the training, enter keys where they do, and are
refused before it where they cannot."""

import dataclasses

import pytest
from pydantic import ValidationError

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.trainers import SftTrainer, arguments, loss
from tests.trainers import lab

FULL = lab.SETTINGS[SftTrainer]["full"]


def settings(**chosen):
    return lab.changed(FULL, arguments=chosen)


@pytest.fixture(scope="module")
def plain(train):
    return train(FULL)


@pytest.mark.parametrize(
    "chosen",
    [
        {"optim": "adafactor"},
        {"lr_scheduler_type": "linear"},
        {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.5}},
        {"neftune_noise_alpha": 5},
        {"adam_beta2": 0.5},
    ],
    ids=str,
)
def test_what_changes_weights_enters_the_key(train, plain, chosen):
    assert lab.furthest(train(settings(**chosen)), plain) > 1e-5
    assert fingerprint(settings(**chosen)) != fingerprint(FULL)


def test_what_changes_speed_alone_enters_no_key(train, plain):
    quick = settings(dataloader_num_workers=1, dataloader_pin_memory=False)
    assert quick.execution.speed_arguments == {
        "dataloader_num_workers": 1,
        "dataloader_pin_memory": False,
    }
    assert fingerprint(quick) == fingerprint(FULL)
    assert train(quick).ref.digest == plain.ref.digest


def test_noise_on_embeddings_and_the_loss_in_chunks_go_together(train, monkeypatch):
    noisy = settings(neftune_noise_alpha=5)
    whole = train(noisy)
    monkeypatch.setattr(loss, "LOGITS_AT_ONCE", 1000)
    chunked = train(noisy)
    assert chunked.result.loss == loss.CHUNKED
    assert lab.furthest(chunked, whole) < 2e-4


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"optm": "adafactor"}, 'has no "optm"; did you mean "optim"'),
        (
            {"optim": "adafactr"},
            'arguments.optim: there is no "adafactr"; did you mean "adafactor"',
        ),
        ({"lr_scheduler_type": "linaer"}, 'there is no "linaer"; did you mean "linear"'),
        ({"lr_scheduler_kwargs": {"num_cyles": 2}}, "num_cyles"),
        ({"lr_scheduler_type": "constant"}, "set constant_with_warmup, or warmup: 0"),
        (
            {"adam_beta2": "0.9"},
            "arguments.adam_beta2: '0.9' is wrong: Input should be a valid number",
        ),
        ({"adam_beta2": 2}, "adam_beta2: 2 cannot be used: Invalid beta parameter"),
        ({"torch_compile": "yes"}, "arguments.torch_compile"),
        ({"neftune_noise_alpha": float("nan")}, "nan"),
        ({"max_steps": 3}, "arguments.max_steps: set trainer.steps or trainer.epochs instead"),
        ({"fp16": True}, "set trainer.execution.dtype instead"),
        (
            {"label_smoothing_factor": 0.1},
            "arguments.label_smoothing_factor: this trainer sets it itself or makes no use of it",
        ),
        ({"optim": "lomo"}, "lomo"),
        ({"use_liger_kernel": True}, "pip install liger-kernel"),
        ({"deepspeed": {"zero_optimization": {"stage": 2}}}, "deepspeed"),
        ({"lr_scheduler_kwargs": {"num_cycles": print}}, "JSON"),
        (
            {"lr_scheduler_type": "polynomial", "lr_scheduler_kwargs": {"lr_end": 0.1}},
            r"lr_end \(0.1\) must be smaller",
        ),
        (
            {"optim": "sgd", "adam_beta1": 0.5},
            "adam_beta1: 0.5 has no effect with this optimizer; leave it out",
        ),
        (
            {"optim_args": "momentum=0.9"},
            "optim_args: momentum=0.9 has no effect with this optimizer",
        ),
        (
            {"optim_target_modules": ["q_proj"]},
            "optim_target_modules: .* has no effect with this optimizer",
        ),
        ({"liger_kernel_config": {"rope": True}}, "has no effect without use_liger_kernel"),
        ({"neftune_noise_alpha": -5}, "neftune_noise_alpha: -5 cannot be used"),
        ({"torch_compile_backend": "inductr"}, "INDUCTR"),
        ({"torch_compile_mode": "fast"}, "Unrecognized mode=fast"),
        ({"dataloader_num_workers": -1}, "num_workers option should be non-negative"),
        (
            {"dataloader_in_order": False},
            "dataloader_in_order: this trainer sets it itself or makes no use of it",
        ),
        ({"dataloader_persistent_workers": True}, "makes no use of it"),
        ({"debug": "underflow_overflow"}, "makes no use of it"),
        ({"log_level": "loud"}, "log_level: loud cannot be used"),
        ({"do_evl": True}, r'has no "do_evl"(?!.*did you mean "do_eval")'),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_refused_when_settings_are_read(chosen, message):
    with pytest.raises(ValidationError, match=message):
        settings(**chosen)


def test_nothing_that_changes_weights_hides_among_what_enters_no_key():
    with pytest.raises(
        ValidationError, match=r"optim does not change speed alone; set it in trainer.arguments"
    ):
        lab.SftExecution(speed_arguments={"optim": "adafactor"})


def test_an_end_below_the_rate_that_is_set_will_do():
    assert (
        settings(lr_scheduler_type="polynomial", lr_scheduler_kwargs={"lr_end": 1e-3}).learning_rate
        == 2e-3
    )


def test_workers_that_load_batches_change_no_draw_of_the_training(train):
    with_dropout = lab.SETTINGS[SftTrainer]["lora"]
    quick = lab.changed(with_dropout, arguments={"dataloader_num_workers": 1})
    assert train(quick).ref.digest == train(with_dropout).ref.digest


def test_every_argument_of_transformers_is_taken_or_refused_for_a_reason():
    """A name that another version adds is passed on, and enters keys."""
    from transformers import TrainingArguments

    known = {field.name for field in dataclasses.fields(TrainingArguments)}
    ours = {name for names in arguments.INSTEAD.values() for name in names.split()}
    assert (
        not ours & arguments.SPEED
        | ours & arguments.WITHOUT_EFFECT
        | arguments.SPEED & arguments.WITHOUT_EFFECT
    )
    assert not (arguments.SPEED | arguments.WITHOUT_EFFECT) - known
    assert ours - known == {"warmup_ratio", "group_by_length", "no_cuda"}  # of earlier versions


def test_of_ligers_kernels_the_loss_stays_out():
    config = arguments.with_liger(
        {"use_liger_kernel": True, "liger_kernel_config": {"rope": True}}
    )["liger_kernel_config"]
    assert config == {"rope": True, "cross_entropy": False, "fused_linear_cross_entropy": False}
