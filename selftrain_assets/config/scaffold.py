"""The file that `selftrain new` writes."""

from __future__ import annotations

import json
from pathlib import Path

from selftrain_assets.config.experiment_files import COMPONENT
from selftrain_assets.domain.errors import UserError, nearest
from selftrain_assets.recipes import RECIPES, all_presets, experiment_template

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
    from selftrain_assets.models.tokenization import cached_tokenizer

    if MODEL not in text:
        raise UserError(
            f"--model: {preset} brings a model of its own; leave --model out, or set `model` in the"
            " file that it writes"
        )
    ref = resolve_model(model)
    text = text.replace(MODEL, f"  model: {json.dumps(model)}\n")
    if cached_tokenizer(ref).chat_template:
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
    known = all_presets()
    if preset not in known:
        raise UserError(f'--preset: there is no "{preset}"{nearest(preset, [*known, *studies()])}')
    recipe, chosen = known[preset]
    kind = recipe.model_fields["type"].default
    template = experiment_template(RECIPES[chosen.written_as] if chosen.written_as else recipe)
    teacher = TEACHER.replace("mmst", kind) if chosen.needs == "teacher" else ""
    return template.format(
        component=COMPONENT,
        preset=preset,
        about=chosen.about,
        type=kind,
        teacher=teacher,
        settings=chosen.commented,
        rounds=chosen.rounds,
    )


def needs_problems(preset: str) -> bool:
    """Does the file that it writes name problems that are not there yet?"""
    return "type: file" in "".join(
        line.partition("#")[0] for line in scaffold(preset).splitlines(True)
    )
