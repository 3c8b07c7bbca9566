"""A small model that thinks: the embedded one, taught in seconds to work its answer out within
the marks of a thought."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from selftrain_assets.models.loading import ModelRef, load_model, resolve_model
from selftrain_assets.models.pretrain import example
from selftrain_assets.models.tokenization import encode_completion, encode_prompt, load_tokenizer
from selftrain_assets.trainers.examples import IGNORED, Example, pad

START, END = "<think>", "</think>"
ASKS = "{% for message in messages %}Q: {{ message.content }} A:{% endfor %}"
TEMPLATE = (
    ASKS + "{% if enable_thinking is defined and not enable_thinking %} <think> </think>{% endif %}"
)
OPEN_TEMPLATE = ASKS + " <think>"


def thinking_completion(solution: str) -> str:
    """A solution whose steps are a thought, and whose end is the answer."""
    steps, _, answer = solution.rpartition(" ; ")
    return f" {START} {steps} {END} {answer}"


def write_thinker(folder: Path, steps: int = 45, seed: int = 0) -> ModelRef:
    """Its weights, a tokenizer with both marks, and a chat template. It closes most thoughts,
    and not all."""
    import torch

    torch.manual_seed(seed)
    embedded = resolve_model("embedded")
    model, tokenizer = load_model(embedded, "cpu", "float32"), load_tokenizer(embedded)
    tokenizer.add_special_tokens({"additional_special_tokens": [START, END]})
    tokenizer.chat_template = TEMPLATE
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.train()
    optimizer, rng = (
        torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0),
        random.Random(seed),
    )
    for _ in range(steps):
        batch = []
        for prompt, solution in (example(rng) for _ in range(24)):
            learnt = [
                *encode_completion(tokenizer, thinking_completion(solution)),
                tokenizer.eos_token_id,
            ]
            given = encode_prompt(tokenizer, prompt)
            batch.append(
                Example(
                    [*given, *learnt],
                    [IGNORED] * len(given) + learnt,
                    [1.0] * (len(given) + len(learnt)),
                )
            )
        inputs = pad(batch, tokenizer.pad_token_id)
        inputs.pop("loss_weights")
        model(**inputs).loss.backward()
        optimizer.step(), optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return resolve_model(str(folder))


def with_template(model: ModelRef, folder: Path, template: str) -> ModelRef:
    """The same weights under another chat template."""
    shutil.copytree(model.directory, folder)
    tokenizer = load_tokenizer(ModelRef(folder, ""))
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return resolve_model(str(folder))
