"""The file that `selftrain new` writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.config.experiment_files import COMPONENT, FILE_NAME
from selftrain_assets.domain.errors import UserError, nearest
from selftrain_assets.project import data_path
from selftrain_assets.recipes import RECIPES, all_presets, experiment_template
from selftrain_assets.tasks import TASKS, read
from selftrain_assets.tasks.generated import Generated

if TYPE_CHECKING:
    from selftrain_assets.domain.types import Problem
    from selftrain_assets.models.loading import ModelRef

TEACHER = """
    teacher: {experiment: mmst, iteration: 3}   # or a model directory, a hub name, or {base_url: ..., model: ...}"""  # noqa: E501
STUDIES = Path(__file__).parents[1] / "studies"
QUICKSTART = "quickstart"
SHIPPED = Path(__file__).parents[1] / "defs" / QUICKSTART / FILE_NAME
EMBEDDED = "  model: embedded\n"
ASKING = """\
  # The text around a question. The model completes it; the verifier reads the answer out of the completion.
  prompt:
{prompt}
    few_shot: 0            # solved problems of the split "human" placed before the question

  verifier:
    type: numeric          # the last number, or the one behind "####" or "the answer is"; "text" compares words, "choice"
                           # letters, "math" expressions; "code" runs programs in Docker (docs/programs.md); "any_of" and
                           # "all_of" ask several of them (docs/tasks.md)
"""  # noqa: E501
TASK_PROMPT = '    template: "Q: {question} A:"'
CHAT_PROMPT = """\
    chat: true             # by the chat template of the model
    template: "{question}\""""
PUBLISHED = "  # Prompt, stop texts and verifier are those of the task; set prompt or verifier here to change them.\n"  # noqa: E501
UNREAD = 1024
"""Tokens that are left free for a question where the problems cannot be read yet; at most half of
the model's positions."""
ROW = 2048  # the default of trainer.max_length


def studies() -> list[str]:
    """Names of the files in studies/: whole experiments, each with a sweep."""
    return sorted(path.stem for path in STUDIES.glob("*.yaml"))


def scaffold(
    preset: str, model: str | None = None, task: str | None = None, path: str | None = None
) -> str:
    """The text of a commented experiment that its model can run.

    Args:
        preset: A preset of a recipe, or a study.
        model: A model directory or hub name; None: the embedded one. It is asked in a chat where it
            has a chat template. Completions may be as long as its generation config says, or as
            thoughts take where it thinks, but with a prompt no longer than its positions.
        task: A problem set; None: problems of your own, or those that the preset brings.
        path: File or folder of the problems. Where they can be read, their prompts are measured.

    Raises:
        UserError: One of them is unknown or cannot be set in this preset, or the prompts do not fit
            the model.
    """
    known = all_presets()
    if preset == QUICKSTART:
        return _with_own_task(SHIPPED.read_text(), preset, model, task, path)
    if preset not in known and preset not in studies():
        names = [*known, *studies(), QUICKSTART]
        raise UserError(f'--preset: there is no "{preset}"{nearest(preset, names)}')
    if preset in studies():
        text = (STUDIES / f"{preset}.yaml").read_text()
        return _with_own_task(text, preset, model, task, path)
    recipe, chosen = known[preset]
    kind = recipe.model_fields["type"].default
    template = experiment_template(RECIPES[chosen.written_as] if chosen.written_as else recipe)
    values = {
        "component": COMPONENT,
        "preset": preset,
        "about": chosen.about,
        "type": kind,
        "teacher": TEACHER.replace("mmst", kind) if chosen.needs == "teacher" else "",
        "settings": chosen.commented,
        "rounds": chosen.rounds,
    }
    if "{task}" not in template:
        return _with_own_task(template.format(**values), preset, model, task, path)
    if task is not None and task not in TASKS:
        raise UserError(f'--task: there is no task "{task}"{nearest(task, TASKS)}')
    settings = _Settings(preset, model or "embedded", task or "file", path)
    return template.format(**values, **settings.lines())


def needs_problems(text: str) -> bool:
    """Does this file name problems that are not there yet?"""
    return "    path: problems.jsonl\n" in text


def _with_own_task(
    text: str, preset: str, model: str | None, task: str | None, path: str | None
) -> str:
    """The text of a preset or study that brings a task, for another model.

    UserError where the preset brings a model of its own too, or the model is too small for it.
    """
    if task is not None or path is not None:
        raise UserError(
            f"--{'task' if task else 'path'}: {preset} brings a task of its own; leave it out, or"
            " set `task` in the file that it writes"
        )
    if model is None:
        return text
    if EMBEDDED not in text:
        raise UserError(
            f"--model: {preset} brings a model of its own; leave --model out, or set `model` in the"
            " file that it writes"
        )
    _require_room(text, preset, model)
    return text.replace(EMBEDDED, f"  model: {json.dumps(model)}\n")


def _require_room(text: str, preset: str, model: str) -> None:
    import yaml

    from selftrain_assets.models.lengths import positions, prompt_tokens
    from selftrain_assets.models.loading import resolve_model

    ref = resolve_model(model)
    config = parse_experiment(yaml.safe_load(text)["attributes"], preset)
    recipe, problems, limit = config.recipe, read(config.task).problems, positions(ref)
    ways = [(m.prompt, m.sampling) for m in recipe.methods] or [(config.prompt, recipe.drawn)]
    for prompt, sampling in ways:
        need = prompt_tokens(ref, prompt, problems) + sampling.max_tokens
        if limit is not None and need > limit:
            raise UserError(
                f"--model: a prompt of {preset} and its completion take {need} tokens, and {model}"
                f" has {limit} positions; give a model that has more"
            )


@dataclass(frozen=True)
class _Settings:
    """What stands in a file for this model and these problems."""

    preset: str
    model: str
    task: str
    path: str | None

    def lines(self) -> dict[str, Any]:
        """Values of the fields of a template."""
        from selftrain_assets.models.loading import resolve_model
        from selftrain_assets.models.tokenization import cached_tokenizer

        ref = resolve_model(self.model)
        prompt: dict[str, Any] = {}
        if cached_tokenizer(ref).chat_template:
            prompt["chat"] = True
            if self.task == "file":
                prompt["template"] = "{question}"
        lengths = self._lengths(ref, prompt)
        row = lengths.prompt + lengths.completion
        return {
            "model": self.model if self.model == "embedded" else json.dumps(self.model),
            "task": "\n".join(f"    {key}: {value}" for key, value in self._task().items()),
            "asking": self._asking(prompt, lengths.examples),
            "max_tokens": lengths.completion,
            "length": lengths.why,
            "max_length": f"    max_length: {row}   # prompt and completion\n" if row > ROW else "",
        }

    def _task(self) -> dict[str, str]:
        if self.path is not None:
            return {"type": self.task, "path": json.dumps(self.path)}
        return {"type": self.task} | ({"path": "problems.jsonl"} if self.task == "file" else {})

    def _asking(self, prompt: dict[str, Any], examples: bool) -> str:
        if self.task == "file":
            return ASKING.replace("{prompt}", CHAT_PROMPT if "chat" in prompt else TASK_PROMPT)
        if not examples:
            values = json.dumps({**prompt, "examples": None})
            return f"{PUBLISHED}  prompt: {values}   # worked examples do not fit the model\n"
        return PUBLISHED + (f"  prompt: {json.dumps(prompt)}\n" if prompt else "")

    def _lengths(self, ref: ModelRef, prompt: dict[str, Any]) -> _Lengths:
        from selftrain_assets.models.lengths import positions, suitable_max_tokens

        config = self._config(prompt)
        problems, limit = self._problems(config), positions(ref)
        own = suitable_max_tokens(ref)
        wanted = own or config.recipe.drawn.max_tokens
        longest = _longest(ref, config, problems, limit)
        if limit is None or longest + wanted <= limit:
            why = (
                "As long as the model's completions are meant to be, its thoughts included."
                if own
                else "The length of a completion in tokens."
            )
            return _Lengths(longest, wanted, why)
        examples = not config.prompt.examples or limit - longest >= min(wanted, limit // 4)
        if not examples:
            config = self._config({**prompt, "examples": None})
            longest = _longest(ref, config, problems, limit)
        if longest >= limit:
            raise UserError(
                f"--model: the longest prompt has {longest} tokens, and {self.model} has {limit}"
                " positions for it and its completion; give a model that has more, or leave long"
                " questions out"
            )
        why = f"The model has {limit} positions, which a prompt and its completion share."
        return _Lengths(longest, min(wanted, limit - longest), why, examples)

    def _config(self, prompt: dict[str, Any]) -> Experiment:
        recipe, _ = all_presets()[self.preset]
        path = self.path or "problems.jsonl"
        return parse_experiment(
            {
                "task": {"type": self.task} | ({"path": path} if "path" in self._task() else {}),
                "recipe": {"type": recipe.model_fields["type"].default, "preset": self.preset},
                "prompt": prompt,
            },
            "selftrain new",
        )

    def _problems(self, config: Experiment) -> list[Problem]:
        """The problems, where they can be read without a hub."""
        here = self.path is not None and ("*" in self.path or data_path(self.path).exists())
        return read(config.task).problems if here or isinstance(config.task, Generated) else []


@dataclass(frozen=True)
class _Lengths:
    """Tokens of the longest prompt and of a completion, and why they are so many.

    `examples`: do the worked examples of the task fit?
    """

    prompt: int
    completion: int
    why: str
    examples: bool = True


def _longest(ref: ModelRef, config: Experiment, problems: list[Problem], limit: int | None) -> int:
    """Tokens of the longest prompt; where no problem is there yet, those left free for it."""
    from selftrain_assets.domain.types import Problem
    from selftrain_assets.models.lengths import prompt_tokens

    hint = getattr(config.recipe, "rationalize", False)
    if problems:
        return prompt_tokens(ref, config.prompt, problems, hint)
    unread = UNREAD if limit is None else min(UNREAD, limit // 2)
    return prompt_tokens(ref, config.prompt, [Problem("", "", "")], hint) + unread
