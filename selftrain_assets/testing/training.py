"""Short trainings of the embedded model, and what is compared of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from selftrain_assets.domain.selection import make_row
from selftrain_assets.domain.types import Row
from selftrain_assets.models.digests import weights_digest
from selftrain_assets.models.loading import ModelRef, load_model
from selftrain_assets.tasks import WordProblems
from selftrain_assets.trainers import Trainer
from selftrain_assets.trainers.protocol import TrainingJob, TrainingResult

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

AnyTrainer = TypeVar("AnyTrainer", bound=Trainer)


def changed(settings: AnyTrainer, **changes: Any) -> AnyTrainer:
    """The same settings but for some fields; those of `execution` are named directly."""
    own = set(type(settings).model_fields)
    inner = {name: changes.pop(name) for name in list(changes) if name not in own}
    if inner:
        execution = settings.execution  # type: ignore[attr-defined]
        changes["execution"] = execution.model_copy(update=inner)
    return type(settings)(**dict(settings) | changes)


def unseen_rows() -> list[Row]:
    """Ten rows of unequal length that the embedded model has not seen the like of."""
    task = WordProblems(train=1, human=10, validation=1, test=1, transfer=1)
    return [
        make_row(f"Q: {p.question} A:", p.solution or "", 1.0, "human", p.id, 1)
        for p in task.load()
        if p.split == "human"
    ]


@dataclass(frozen=True)
class Trained:
    """A finished training; `start` is what its adapter, if it is one, belongs on."""

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

    def load(self) -> PreTrainedModel:
        return load_model(self.ref, "cpu", "float32")

    def weights(self) -> dict[str, torch.Tensor]:
        from safetensors.torch import load_file

        (path,) = self.output.glob("*.safetensors")
        return load_file(path)


Train = Callable[..., Trained]
"""`train(settings, rows, start=, seed=, work=, ...)`, with all but the settings as it is here."""


def training_in(folder: Callable[[], Path], rows: Sequence[Row], base: ModelRef) -> Train:
    """A function that trains on these rows, from this model, unless told otherwise.

    Args:
        folder: Makes a new folder for each training.
        rows: What is trained on.
        base: What the training starts from.
    """

    def train(
        settings: Trainer,
        rows: Sequence[Row] = rows,
        *,
        start: ModelRef = base,
        seed: int = 1,
        work: Path | None = None,
        **job: Any,
    ) -> Trained:
        place = folder()
        result = settings.train(
            TrainingJob(rows, start, place / "output", work or place / "work", seed, **job)
        )
        return Trained(result, place / "output", base)

    return train


def furthest(one: Trained, other: Trained) -> float:
    """The largest difference between any two weights."""
    left, right = one.weights(), other.weights()
    assert left.keys() == right.keys()
    return max((left[name] - right[name]).abs().max().item() for name in left)


def logits(
    model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerBase, row: Row
) -> torch.Tensor:
    """What the model says after each token of a row: (tokens, vocabulary)."""
    import torch

    with torch.inference_mode():
        return model(torch.tensor([tokenizer(f"{row.prompt} {row.completion}").input_ids])).logits[
            0
        ]


def surprise(
    model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerBase, row: Row
) -> tuple[list[float], list[float]]:
    """Negative log-likelihood of each prompt token but the first, and of each later token."""
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


def mean(values: Iterable[float]) -> float:
    """The arithmetic mean."""
    values = list(values)
    return sum(values) / len(values)


def loss(
    model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row]
) -> float:
    """Mean over all completion tokens."""
    return mean(value for row in rows for value in surprise(model, tokenizer, row)[1])
