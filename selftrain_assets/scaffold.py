"""The file that `selftrain new` writes."""

from __future__ import annotations

from selftrain_assets.core.errors import UserError, nearest
from selftrain_assets.experiments import COMPONENT
from selftrain_assets.recipes.presets import PRESETS

TEMPLATE = """\
# One experiment. Every setting has a default; what stands here is what differs, or what you are likely to change.
# Check it with: dg check defs        Run it with: selftrain run <this folder's name>
type: {component}
attributes:
  # A Hugging Face model directory, a hub name like "owner/name", or "embedded", the tiny one that ships with selftrain.
  model: embedded
  rounds: 3
  seed: 0

  # Your problems: JSONL or Parquet with id, question and answer, and if you like split (train, human, validation, test,
  # transfer) and solution (a worked solution, for the split "human"). Without split, a share is held out by itself.
  task:
    type: file
    path: problems.jsonl

  # The text around a question. The model completes it; the verifier reads the answer out of the completion.
  prompt:
    template: "Q: {{question}} A:"
    few_shot: 0            # solved problems of the split "human" placed before the question

  verifier:
    type: numeric          # the last number, or the one behind "####" or "the answer is"; "text" compares words;
                           # "code" runs programs in Docker (docs/programs.md)

  # {about}
  recipe:
    type: rest_em
    preset: {preset}
    # sampling: {{samples_per_problem: 32, temperature: 0.7, top_k: 40, max_tokens: 512}}
    # cap: 10              # correct solutions kept per problem
    # mix_human: 0.0       # share of the human rows that is added to each round's dataset
    # accumulate: none     # or all, or a number: earlier rounds whose samples count again
    # inner_stop: {{rule: best, every: 50}}   # judged on the split "validation"

  # The M-step. `lora` trains a small adapter; without it all weights are trained.
  trainer:
    epochs: 3
    learning_rate: 1.0e-4
    lora: {{r: 16}}

  # Drawn on the test split after every round.
  evaluation:
    samples_per_problem: 8
    pass_at: [1, 2, 4, 8]
"""


def scaffold(preset: str) -> str:
    """A commented experiment with this preset. UserError for an unknown one."""
    if preset not in PRESETS:
        raise UserError(f'--preset: there is no "{preset}"{nearest(preset, PRESETS)}')
    return TEMPLATE.format(component=COMPONENT, preset=preset, about=PRESETS[preset][0])
