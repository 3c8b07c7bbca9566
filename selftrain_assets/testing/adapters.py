"""Adapters on the embedded model that change what it says."""

from pathlib import Path

from selftrain_assets.models.loading import ModelRef, load_model


def write_adapter(base: ModelRef, folder: Path, seed: int, rank: int = 4) -> ModelRef:
    """Random weights, large enough that the model answers otherwise."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    settings = LoraConfig(
        r=rank,
        lora_alpha=4 * rank,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        init_lora_weights=False,
    )
    get_peft_model(load_model(base, "cpu", "float32"), settings).save_pretrained(folder)
    return ModelRef(base.directory, f"{base.digest}-{folder.name}", folder)
