"""The file that `selftrain new` writes."""

from __future__ import annotations

import json
from pathlib import Path

from selftrain_assets.config.experiment_files import COMPONENT
from selftrain_assets.domain.errors import UserError, nearest
from selftrain_assets.recipes.presets import PRESETS

REST_EM = """\
# One experiment. Every setting has a default; what stands here is what differs, or what you are likely to change.
# Check it with: dg check defs        Run it with: selftrain run <this folder's name>
type: {component}
attributes:
  # A Hugging Face model directory, a hub name like "owner/name", or "embedded", the tiny one that ships with selftrain.
  model: embedded
  rounds: 3
  seed: 0

  # Your problems: JSONL, CSV or Parquet with id, question and answer, if you like split (train, human, validation, test,
  # transfer) and solution (a worked solution, for the split "human"). Without split, a share is held out by itself.
  # Published sets bring their prompt and verifier too: {{type: gsm8k}}, math, mbpp, ... (selftrain tasks lists them).
  task:
    type: file
    path: problems.jsonl

  # The text around a question. The model completes it; the verifier reads the answer out of the completion.
  prompt:
    template: "Q: {{question}} A:"
    few_shot: 0            # solved problems of the split "human" placed before the question

  verifier:
    type: numeric          # the last number, or the one behind "####" or "the answer is"; "text" compares words, "choice"
                           # letters, "math" expressions; "code" runs programs in Docker (docs/programs.md); "any_of" and
                           # "all_of" ask several of them (docs/tasks.md)

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

  # Several values of a field, each an experiment of its own: selftrain run <name> --sweep, selftrain compare <name> --sweep
  # sweep:
  #   grid: {{recipe.cap: [1, 4, 10]}}
  #   seeds: 0-2
"""  # noqa: E501

MMST = """\
# One experiment. Every setting has a default; what stands here is what differs, or what you are likely to change.
# Check it with: dg check defs        Run it with: selftrain run <this folder's name>
# The code method runs programs in Docker: `selftrain doctor` proves that this is possible here.
type: {component}
attributes:
  # A Hugging Face model directory, a hub name like "owner/name", or "embedded", the tiny one that ships with selftrain.
  model: embedded
  rounds: {rounds}
  seed: 0

  # Word problems that selftrain makes itself. Your own: {{type: file, path: problems.jsonl}}, with id, question, answer and, in the
  # split "human", solutions: {{"text": "...", "code": "..."}}.
  task: {{type: word_problems, train: 500, human: 80}}

  # {about}
  recipe:
    type: mmst
    preset: {preset}{teacher}
    mix_human: 1.0         # share of the human rows that is added to each round's dataset
    accumulate: all        # or none, or a number: earlier rounds whose samples count again
    # cap: 4               # correct solutions kept per problem and method
    # cross_training: {{text: {{code: 1.0}}, code: {{text: 1.0}}}}   # pairs that are on, with the weight of their rows
    # methods: ...         # docs/mmst.md: name, prompt, sampling, verifier and translation of each

  # The policy of round 1 knows both methods from the human rows.
  base: {{fine_tune: human}}

  # The M-step. `lora` trains a small adapter; without it all weights are trained.
  trainer: {{steps: 200, learning_rate: 0.002}}

  # By each method, on the test split, after every round.
  evaluation: {{samples_per_problem: 4, pass_at: [1, 4], majority_at: [4], train_problems: 100}}

  # Several values of a field, each an experiment of its own: selftrain run <name> --sweep, selftrain compare <name> --sweep
  # sweep:
  #   grid: {{recipe.cap: [1, 4, 8]}}
  #   seeds: 0-2
"""  # noqa: E501
STEPS = """\
# One experiment. Every setting has a default; what stands here is what differs, or what you are likely to change.
# Check it with: dg check defs        Run it with: selftrain run <this folder's name>
type: {component}
attributes:
  # A Hugging Face model directory, a hub name like "owner/name", or "embedded", the tiny one that ships with selftrain.
  model: embedded
  rounds: {rounds}
  seed: 0

  # Expressions solved in steps, which selftrain makes itself; `word_sorting` is another such task. Your own problems:
  # {{type: file, path: problems.jsonl}}, with solutions in steps (docs/tripost.md); then name a feedback script of yours, or a model.
  task: {{type: multistep_arithmetic, train: 1000, validation: 30, test: 120, transfer: 120}}

  # {about}
  recipe:
    type: {type}
    preset: {preset}{teacher}{settings}

  # The M-step. `lora` trains a small adapter; without it all weights are trained. A model that does not know the form of a solution yet
  # first learns it from the human rows: base: {{fine_tune: human}}
  trainer: {{steps: 120, learning_rate: 0.001}}

  # Drawn on the test split, and answered on all held-out splits, after every round.
  evaluation: {{samples_per_problem: 1, pass_at: [1], majority_at: [], train_problems: 0}}

  # Several values of a field, each an experiment of its own: selftrain run <name> --sweep, selftrain compare <name> --sweep
  # sweep:
  #   grid: {{trainer.steps: [60, 120, 240]}}
  #   seeds: 0-2
"""  # noqa: E501
OWN = """
    # own_from: 2          # first round in which the policy gives feedback and updates of its own
    # feedback: {by: script}   # or {by: model, model: {base_url: ..., model: ...}}: who finds the first error
    # improver: {by: script}   # or model, or self: who rewrites from there on
    # ratio: {correct: 1.0, improved: 1.5, gold: 1.0}   # rows right at once, improved, and of reference solutions"""  # noqa: E501
DIVERSIFICATION = """\
# One experiment. Every setting has a default; what stands here is what differs, or what you are likely to change.
# Check it with: dg check defs        Run it with: selftrain run <this folder's name>
type: {component}
attributes:
  # A Hugging Face model directory, a hub name like "owner/name", or one of random weights, as here.
  model: {{architecture: gpt2, layers: 2, width: 64, inner: 128, heads: 4, positions: 64, initial: 0.08}}
  seed: 0

  # Rewriting rules that selftrain makes itself. Your own problems: {{type: file, path: problems.jsonl}}, with a solution each, and their
  # instruction as `group`.
  task:
    type: string_rewriting
    alphabet: abcdefghijklmnop
    length: 5
    search: 2
    replacement: 2
    no_op: 0.0
    train: 20000           # rows to learn from, under
    rules: 2000            # so many different rules
    unseen_rules: 60       # those of the split "transfer"
    validation: 0
    test: 100
    transfer: 300

  # {about}
  recipe:
    type: diversification
    preset: {preset}
    start: pretrained
    sampling: {{max_tokens: 8}}
    # budget: 10000        # rows of the training problems that are learnt from, under
    # instructions: 500    # so many different instructions
    # mix: {{general: 0.1}}  # and so many of other sources, which `sources` names: a share, or a number of rows

  trainer: {{steps: 2400, batch_size: 64, learning_rate: 0.002}}
  evaluation: {{samples_per_problem: 1, pass_at: [1], majority_at: [], train_problems: 100}}
"""  # noqa: E501
TEACHER = """
    teacher: {experiment: mmst, iteration: 3}   # or a model directory, a hub name, or {base_url: ..., model: ...}"""  # noqa: E501


STUDIES = Path(__file__).parents[1] / "studies"


def studies() -> list[str]:
    """Names of the files in studies/: whole experiments, each with a sweep."""
    return sorted(path.stem for path in STUDIES.glob("*.yaml"))


def scaffold(preset: str, model: str | None = None) -> str:
    """A commented experiment with this preset of a recipe, or a study.

    UserError for an unknown one.

    With a `model` it is asked as that one is: in a chat where it has a chat template, and with room
    for completions as long as its own generation config says, or as thoughts take where it thinks.
    UserError for a model that cannot be found, or in a study, which has one.
    """
    text = _scaffold(preset)
    return text if model is None else _of_model(text, preset, model)


MODEL, TASK_PROMPT, SAMPLING = (
    "  model: embedded\n",
    '    template: "Q: {question} A:"\n',
    "    # sampling: {samples_per_problem: 32, ",
)


def _of_model(text: str, preset: str, model: str) -> str:
    from selftrain_assets.models.lengths import suitable_max_tokens
    from selftrain_assets.models.loading import resolve_model
    from selftrain_assets.models.thinking import tokenizer_of

    if MODEL not in text:
        raise UserError(
            f"--model: {preset} brings a model of its own; leave --model out, or set `model` in the"
            " file that it writes"
        )
    ref = resolve_model(model)
    text = text.replace(MODEL, f"  model: {json.dumps(model)}\n")
    if tokenizer_of(ref).chat_template:
        text = text.replace(
            TASK_PROMPT,
            "    chat: true             # by the chat template of the model\n    template:"
            ' "{question}"\n',
        )
    if (length := suitable_max_tokens(ref)) is not None:
        comment = "# as long as the model's completions are meant to be, its thoughts included"
        text = text.replace(
            SAMPLING, f"    sampling: {{max_tokens: {length}}}   {comment}\n{SAMPLING}"
        )
    return text


def _scaffold(preset: str) -> str:
    if preset in studies():
        return (STUDIES / f"{preset}.yaml").read_text()
    if preset not in PRESETS:
        raise UserError(
            f'--preset: there is no "{preset}"{nearest(preset, [*PRESETS, *studies()])}'
        )
    chosen = PRESETS[preset]
    in_steps = chosen.type == "tripost" or preset == "lmsi"
    template = (
        STEPS
        if in_steps
        else {"rest_em": REST_EM, "mmst": MMST, "diversification": DIVERSIFICATION}[chosen.type]
    )
    distils = chosen.needs == "teacher"
    teacher = TEACHER.replace("mmst", chosen.type) if distils else ""
    return template.format(
        component=COMPONENT,
        preset=preset,
        about=chosen.about,
        type=chosen.type,
        teacher=teacher,
        settings=OWN if preset.startswith("tripost") else "",
        rounds=1 if preset == "mixed_distillation" else 3,
    )


def needs_problems(preset: str) -> bool:
    """Does the file that it writes name problems that are not there yet?"""
    return "type: file" in "".join(
        line.partition("#")[0] for line in scaffold(preset).splitlines(True)
    )
