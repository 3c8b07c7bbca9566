"""Further arguments of transformers' Trainer: `trainer.arguments` of an experiment.

Any field of TrainingArguments can be set there but those that have a setting of their own here and
those that do nothing in this loop. They are tried when the settings are read: by TrainingArguments
itself, and by making the optimizer and the scheduler that they name.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Mapping
from typing import Any, get_type_hints

from selftrain_assets.domain.errors import nearest

SPEED = frozenset(
    {
        "dataloader_num_workers",
        "dataloader_pin_memory",
        "dataloader_prefetch_factor",
        "ddp_bucket_cap_mb",
        "ddp_timeout",
        "log_level",
        "log_level_replica",
        "log_on_each_node",
        "skip_memory_metrics",
        "torch_empty_cache_steps",
    }
)
"""Arguments that change how fast a training runs and what it logs alone. These enter no
key: the settings keep them in `execution`."""

INSTEAD = {
    "trainer.steps or trainer.epochs": "max_steps num_train_epochs",
    "trainer.batch_size and trainer.execution.micro_batch_size": (
        "per_device_train_batch_size gradient_accumulation_steps"
    ),
    "trainer.learning_rate": "learning_rate",
    "trainer.warmup": "warmup_steps warmup_ratio",
    "trainer.weight_decay": "weight_decay",
    "trainer.max_grad_norm": "max_grad_norm",
    "trainer.normaliser": "average_tokens_across_devices",
    "trainer.packing": "group_by_length train_sampling_strategy length_column_name",
    "trainer.execution.dtype": "bf16 fp16 bf16_full_eval fp16_full_eval",
    "trainer.execution.device": "use_cpu no_cuda",
    "trainer.execution.gradient_checkpointing": (
        "gradient_checkpointing gradient_checkpointing_kwargs"
    ),
    "trainer.execution.sharding": "fsdp fsdp_config parallelism_config",
    "trainer.execution.processes": "ddp_backend ddp_find_unused_parameters local_rank",
    "trainer.execution.save_steps": (
        "save_strategy save_steps save_total_limit save_only_model enable_jit_checkpoint"
    ),
    "seed": "seed data_seed full_determinism",
    "execution.trackers": (
        "report_to run_name project trackio_space_id trackio_bucket_id trackio_static_space_id"
    ),
    "recipe.early_stopping": (
        "eval_strategy eval_steps load_best_model_at_end metric_for_best_model greater_is_better"
    ),
}
"""Settings of ours, and the arguments that they stand for."""

_WITHOUT_EFFECT = """
    accelerator_config auto_find_batch_size batch_eval_metrics dataloader_drop_last
    dataloader_in_order dataloader_multiprocessing_context dataloader_persistent_workers
    ddp_broadcast_buffers debug disable_tqdm do_eval do_predict do_train eval_accumulation_steps
    eval_delay eval_do_concat_batches eval_on_start eval_use_gather_object hub_always_push
    hub_model_id hub_private_repo hub_revision hub_strategy hub_token ignore_data_skip
    include_for_metrics include_num_input_tokens_seen label_names label_smoothing_factor
    logging_first_step logging_nan_inf_filter logging_steps logging_strategy output_dir
    per_device_eval_batch_size prediction_loss_only push_to_hub remove_unused_columns
    restore_callback_states_from_checkpoint resume_from_checkpoint save_on_each_node use_cache
"""
WITHOUT_EFFECT = frozenset(_WITHOUT_EFFECT.split())
"""Arguments that this loop sets or does without: its loss, order of rows, states and output are
its own. Workers of a data loader that outlive an epoch, or hand on batches as they come, would
change what a resumed training draws and sees."""

OPTIMIZER = ("adam_beta1", "adam_beta2", "adam_epsilon", "optim_args", "optim_target_modules")
"""Arguments of which each optimizer takes its own."""


def require_usable(
    arguments: Mapping[str, Any], learning_rate: float, warmup: float, device: str
) -> None:
    """Check arguments of transformers' TrainingArguments.

    Args:
        arguments: The arguments that the settings give.
        learning_rate: The highest learning rate.
        warmup: Share of the steps over which the rate rises.
        device: Where the training runs.

    Raises:
        ValueError: In one sentence: an argument is unknown, not to be set, of a wrong value,
            without effect, or needs a library that is missing.
    """
    if not arguments:
        return
    _require_names(arguments)
    for name, value in arguments.items():
        _require_value(name, value)
    if warmup and arguments.get("lr_scheduler_type") == "constant":
        raise ValueError(
            "arguments.lr_scheduler_type: constant has no warm-up; set constant_with_warmup, or"
            " warmup: 0"
        )
    if "liger_kernel_config" in arguments and not arguments.get("use_liger_kernel"):
        raise ValueError(
            "arguments.liger_kernel_config: has no effect without use_liger_kernel: true"
        )
    _require_working(arguments, learning_rate, device)


def with_liger(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The same arguments; of Liger's kernels those of layers alone, since the loss is ours."""
    if not arguments.get("use_liger_kernel"):
        return dict(arguments)
    kernels = arguments.get("liger_kernel_config") or {}
    return {
        **arguments,
        "liger_kernel_config": {
            **kernels,
            "cross_entropy": False,
            "fused_linear_cross_entropy": False,
        },
    }


def _require_names(arguments: Mapping[str, Any]) -> None:
    from transformers import TrainingArguments

    ours = {name: setting for setting, names in INSTEAD.items() for name in names.split()}
    known = [field.name for field in dataclasses.fields(TrainingArguments) if field.init]
    for name in arguments:
        if name in ours:
            raise ValueError(f"arguments.{name}: set {ours[name]} instead")
        if name in WITHOUT_EFFECT:
            raise ValueError(
                f"arguments.{name}: this trainer sets it itself or makes no use of it; leave it out"
            )
        if name not in known:
            can_be_meant = {*known} - WITHOUT_EFFECT
            raise ValueError(
                f'arguments: TrainingArguments has no "{name}"{nearest(name, can_be_meant)}'
            )


def _require_value(name: str, value: Any) -> None:
    from pydantic import TypeAdapter, ValidationError
    from transformers import SchedulerType, TrainingArguments
    from transformers.training_args import OptimizerNames

    named = {"lr_scheduler_type": SchedulerType, "optim": OptimizerNames}.get(name)
    if named and value not in (choices := [str(member.value) for member in named]):
        raise ValueError(f'arguments.{name}: there is no "{value}"{nearest(str(value), choices)}')
    try:  # as JSON, in which names may stand for members, but no text for a number
        TypeAdapter(get_type_hints(TrainingArguments)[name]).validate_json(
            json.dumps(value, allow_nan=False), strict=True
        )
    except (ValueError, TypeError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise ValueError(f"arguments.{name}: {value!r} is wrong: {why}") from None


def _require_working(arguments: Mapping[str, Any], learning_rate: float, device: str) -> None:
    """Make what they name, for a training of two steps."""
    from transformers import TrainingArguments
    from transformers.utils import is_liger_kernel_available

    from selftrain_assets.models.loading import device_named

    if arguments.get("use_liger_kernel") and not is_liger_kernel_available():
        raise ValueError(
            "arguments.use_liger_kernel: needs a package that is missing; pip install liger-kernel"
            " on a machine with a GPU"
        )
    on_cpu = device_named(device) == "cpu"
    with tempfile.TemporaryDirectory() as folder:
        ours = {
            "output_dir": folder,
            "use_cpu": on_cpu,
            "report_to": "none",
            "lr_scheduler_type": "cosine",
            "learning_rate": learning_rate,
        }
        try:
            idle = _make(TrainingArguments(**ours | dict(arguments)), ours | dict(arguments))
        except Exception as error:  # many libraries, each with its own
            named = ", ".join(f"{name}: {value}" for name, value in arguments.items())
            raise ValueError(
                f"arguments: {named} cannot be used:"
                f" {(str(error).strip() or repr(error)).splitlines()[0]}"
            ) from error
    if idle:
        raise ValueError(
            f"arguments.{idle}: {arguments[idle]} has no effect with this optimizer; leave it out,"
            " or set another optim"
        )


def _make(made: Any, settings: dict[str, Any]) -> str | None:
    """Make the optimizer, scheduler, loader and compiled model that the arguments name.

    Any error may be raised.

    Returns:
        The name of a setting that the optimizer does not take, if there is one.
    """
    import torch
    from accelerate.utils import DynamoBackend
    from transformers import Trainer, TrainingArguments, get_scheduler

    made.get_process_log_level()
    torch.utils.data.DataLoader(
        [0],
        num_workers=made.dataloader_num_workers,
        prefetch_factor=made.dataloader_prefetch_factor,
    )
    if (made.neftune_noise_alpha or 0) < 0:
        raise ValueError("noise cannot be less than none")
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    if made.torch_compile:
        backend = DynamoBackend(str(made.torch_compile_backend).upper()).value.lower()
        torch.compile(model, backend=backend, mode=made.torch_compile_mode)
    kind, options = Trainer.get_optimizer_cls_and_kwargs(made, model)
    if not {"params", "model", "optimizer_dict"} & options.keys():
        get_scheduler(
            made.lr_scheduler_type,
            kind(model.parameters(), **options),
            0,
            2,
            made.lr_scheduler_kwargs,
        )
    defaults = {field.name: field.default for field in dataclasses.fields(TrainingArguments)}
    for name in OPTIMIZER:
        if settings.get(name, defaults[name]) != defaults[name]:
            without = TrainingArguments(**{n: v for n, v in settings.items() if n != name})
            if Trainer.get_optimizer_cls_and_kwargs(without, model) == (kind, options):
                return name
    return None
