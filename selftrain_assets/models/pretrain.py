"""Makes the embedded model: `python -m selftrain_assets.models.pretrain OUTPUT_DIR`.

A tiny Llama learns generic arithmetic (evaluating expressions step by step) from generated data; it
sees no word problem. Without this, self-training on word problems has nothing to amplify. It takes
about twelve minutes on two cores; the same seed, torch build and number of threads give the same
weights.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

from selftrain_assets.tasks.expressions import FINAL_ANSWER_MARK, solve
from selftrain_assets.tasks.word_problem_templates import CONTAINERS, NAMES, TEMPLATES, THINGS

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

PROMPT = "Q: {question} A:"
HIDDEN, LAYERS, HEADS, MAX_POSITIONS = 96, 3, 3, 512
TOKEN_PATTERN = rf"{FINAL_ANSWER_MARK}|[0-9]|[a-z]+|[^\sa-z0-9]"


def vocabulary() -> list[str]:
    """Special tokens, digits, operators, and every word that the templates use."""
    import re

    text = " ".join(
        [
            *(t.text for t in TEMPLATES),
            *NAMES,
            *THINGS,
            *CONTAINERS,
            PROMPT,
            "( ) + - * / = ; answer",
        ]
    )
    words = re.findall(TOKEN_PATTERN, re.sub(r"\{\w+\}", " ", text).lower())
    return [
        "<pad>",
        "<bos>",
        "<eos>",
        "<unk>",
        FINAL_ANSWER_MARK,
        *"0123456789",
        *sorted(set(words) - set("0123456789")),
    ]


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Word-level, lower-cased, one token per digit; decoding joins the digits of a number again."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(
        models.WordLevel({w: i for i, w in enumerate(vocabulary())}, unk_token="<unk>")
    )
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Split(Regex(TOKEN_PATTERN), behavior="removed", invert=True)
    core.decoder = decoders.Sequence(
        [
            decoders.Replace(Regex("^"), " "),
            decoders.Fuse(),
            decoders.Replace(Regex("(?<=[0-9]) (?=[0-9])"), ""),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=MAX_POSITIONS,
    )


def random_expression(rng: random.Random) -> str:
    """One to three operations; about half have one.

    Operands and results stay in the range of word problems.
    """
    while True:
        operations = rng.choices((1, 2, 3), weights=(5, 3, 2))[0]
        expression = _grow(rng, operations)
        try:
            solution, value = solve(expression)
        except ValueError:
            continue
        results = [int(step.split("=")[1]) for step in solution.split(" ; ")[:-1]]
        if value > 0 and all(0 < r <= 250 for r in results):
            return expression


def _grow(rng: random.Random, operations: int) -> str:
    # sums and differences take longer to learn than tables
    symbol = rng.choices("+-*/", weights=(4, 4, 2, 1))[0]
    if operations == 1:
        if symbol in "+-":
            pair = rng.randint(2, 130), rng.randint(2, 90)
            return (
                f"{max(pair)} {symbol} {min(pair)}"
                if symbol == "-"
                else f"{pair[0]} {symbol} {pair[1]}"
            )
        small, other = rng.randint(2, 9), rng.randint(2, 25)
        return f"{other} * {small}" if symbol == "*" else f"{other * small} / {small}"
    left = rng.randint(0, operations - 1)
    parts = [
        _grow(rng, n) if n else str(rng.randint(2, 60 if symbol in "+-" else 9))
        for n in (left, operations - 1 - left)
    ]
    wrapped = [f"( {p} )" if " " in p and symbol in "*/" else p for p in parts]
    if symbol in "-/" and " " in parts[1]:
        wrapped[1] = f"( {parts[1]} )"
    return f"{wrapped[0]} {symbol} {wrapped[1]}"


def example(rng: random.Random) -> tuple[str, str]:
    """A prompt and its completion."""
    expression = random_expression(rng)
    return PROMPT.format(question=expression), solve(expression)[0]


def pretrain(output: Path, steps: int, batch: int, seed: int, learning_rate: float) -> float:
    """Train from scratch, and save the model directory.

    Returns:
        The greedy accuracy on 500 fresh expressions.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, get_cosine_schedule_with_warmup

    torch.manual_seed(seed)
    rng, tokenizer = random.Random(f"pretrain:{seed}"), build_tokenizer()
    held_out = {example(rng) for _ in range(500)}
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=HIDDEN,
            intermediate_size=4 * HIDDEN,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            max_position_embeddings=MAX_POSITIONS,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.01)
    schedule = get_cosine_schedule_with_warmup(optimizer, 100, steps)
    started = time.monotonic()
    for step in range(steps):
        pairs = [p for p in (example(rng) for _ in range(batch)) if p not in held_out]
        loss = model(**_collate(tokenizer, pairs)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(), schedule.step(), optimizer.zero_grad()
        if step % 100 == 0:
            print(
                f"step {step} loss {loss.item():.3f} {time.monotonic() - started:.0f}s", flush=True
            )
    accuracy = _greedy_accuracy(model, tokenizer, sorted(held_out))
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    return accuracy


def _collate(
    tokenizer: PreTrainedTokenizerBase, pairs: list[tuple[str, str]]
) -> dict[str, torch.Tensor]:
    import torch

    rows = []
    for prompt, completion in pairs:
        head = tokenizer(prompt, add_special_tokens=False).input_ids
        tail = [*tokenizer(completion, add_special_tokens=False).input_ids, tokenizer.eos_token_id]
        rows.append((head + tail, [-100] * len(head) + tail))
    width = max(len(ids) for ids, _ in rows)
    pad = [width - len(ids) for ids, _ in rows]
    return {
        "input_ids": torch.tensor(
            [ids + [tokenizer.pad_token_id] * n for (ids, _), n in zip(rows, pad, strict=True)]
        ),
        "attention_mask": torch.tensor(
            [[1] * len(ids) + [0] * n for (ids, _), n in zip(rows, pad, strict=True)]
        ),
        "labels": torch.tensor(
            [labels + [-100] * n for (_, labels), n in zip(rows, pad, strict=True)]
        ),
    }


def _greedy_accuracy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: list[tuple[str, str]]
) -> float:
    model.eval()
    batch = tokenizer(
        [p for p, _ in pairs],
        return_tensors="pt",
        padding=True,
        add_special_tokens=False,
        return_token_type_ids=False,
    )
    output = model.generate(**batch, max_new_tokens=48, do_sample=False)
    texts = tokenizer.batch_decode(
        output[:, batch["input_ids"].shape[1] :], skip_special_tokens=True
    )
    right = [
        _final_answer(text) == _final_answer(solution)
        for text, (_, solution) in zip(texts, pairs, strict=True)
    ]
    return sum(right) / len(right)


def _final_answer(text: str) -> str:
    return text.split(FINAL_ANSWER_MARK)[-1].strip()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("output", type=Path)
    arguments.add_argument("--steps", type=int, default=6000)
    arguments.add_argument("--batch", type=int, default=64)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--learning-rate", type=float, default=3e-3)
    chosen = arguments.parse_args()
    print("greedy accuracy on fresh expressions:", pretrain(**vars(chosen)))
