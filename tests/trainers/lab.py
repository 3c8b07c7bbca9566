"""Short trainings of the embedded model, and what is compared of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from selftrain_assets.models.digests import weights_digest
from selftrain_assets.models.loading import ModelRef, load_model
from selftrain_assets.trainers import ScriptedTrainer, SftTrainer
from selftrain_assets.trainers.protocol import TrainingResult
from selftrain_assets.trainers.sft import Lora, SftExecution

SETTINGS = {  # of every trainer, a few steps that already show; ten rows make three batches
    SftTrainer: {
        "full": SftTrainer(
            steps=4, batch_size=4, learning_rate=2e-3, execution=SftExecution(device="cpu")
        ),
        "lora": SftTrainer(
            steps=4,
            batch_size=4,
            learning_rate=1e-2,
            lora=Lora(r=4, dropout=0.1),
            execution=SftExecution(device="cpu"),
        ),
    },
    ScriptedTrainer: {"full": ScriptedTrainer(steps=4)},
}
VARIANTS = ("full", "lora")


def changed(settings, **changes):
    """The same settings but for some fields; those of `execution` are named directly."""
    where = {name: changes.pop(name) for name in list(changes) if name in SftExecution.model_fields}
    execution = {"execution": settings.execution.model_copy(update=where)} if where else {}
    return type(settings)(**dict(settings) | execution | changes)


@dataclass(frozen=True)
class Trained:
    """A finished training. `start` is what its adapter, if it is one, belongs on."""

    result: TrainingResult
    output: Path
    start: ModelRef

    @property
    def ref(self) -> ModelRef:
        digest = weights_digest(self.output)
        return (
            ModelRef(self.start.directory, digest, self.output)
            if self.result.adapter
            else ModelRef(self.output, digest)
        )

    def load(self):
        return load_model(self.ref, "cpu", "float32")

    def weights(self) -> dict:
        from safetensors.torch import load_file

        (path,) = self.output.glob("*.safetensors")
        return load_file(path)


Train = Callable[..., Trained]


def furthest(one: Trained, other: Trained) -> float:
    """The largest difference between any two weights."""
    left, right = one.weights(), other.weights()
    assert left.keys() == right.keys()
    return max((left[name] - right[name]).abs().max().item() for name in left)


def logits(model, tokenizer, row):
    """What the model says after each token of a row."""
    import torch

    with torch.inference_mode():
        return model(torch.tensor([tokenizer(f"{row.prompt} {row.completion}").input_ids])).logits[
            0
        ]


def surprise(model, tokenizer, row) -> tuple[list[float], list[float]]:
    """Negative log-likelihood of each prompt token but the first, and of each completion token
    and the end."""
    import torch

    prompt, completion = (
        tokenizer(row.prompt).input_ids,
        [*tokenizer(row.completion).input_ids, tokenizer.eos_token_id],
    )
    ids = torch.tensor([prompt + completion])
    with torch.inference_mode():
        said = model(ids).logits[0, :-1].log_softmax(-1)
    losses = (-said.gather(1, ids[0, 1:, None])[:, 0]).tolist()
    return losses[: len(prompt) - 1], losses[len(prompt) - 1 :]


def mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)


def loss(model, tokenizer, rows) -> float:
    """Mean over all completion tokens."""
    return mean(value for row in rows for value in surprise(model, tokenizer, row)[1])
