"""Check that the model's chat template passes the questions of an experiment on unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from selftrain_assets.domain.prompts import Prompt, PromptSettings
from selftrain_assets.domain.types import Problem
from selftrain_assets.models.chat import check_frame
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.pipeline.run import Run

SIGNS = ("\n", '"', "'", "<", "{", "\\", "|", "#", "`")
"""What templates and their filters are known to change."""
FIRST = 4


def asks_in_chat(run: Run) -> bool:
    """Whether any prompt of the experiment is a chat."""
    for phase in run.phases.values():
        config = phase.config
        own = [m.prompt for m in config.recipe.methods] or [config.prompt]
        suites = [suite.prompt for suite in config.evaluation.suites.values()]
        sources = [source.prompt for source in config.sources.values()]
        if any(settings.chat for settings in (*own, *suites, *sources)):
            return True
    return False


def check_chats(run: Run, problems: list[Problem]) -> None:
    """Check that the chat template keeps the text of questions.

    Some questions of each kind are tried, of every task of the experiment.

    Raises:
        UserError: The template renders a question differently from the chat that is sampled from.
    """
    ref, moment = resolve_model(run.config.model), run.moment
    for phase in run.phases.values():
        for settings, prompt, prompted in _prompt_formats(phase, problems):
            if prompt.frame is not None:
                check_frame(
                    ref,
                    settings,
                    moment,
                    prompt.frame,
                    telling_messages([prompt.message(p) for p in prompted]),
                )


def _prompt_formats(
    run: Run, problems: list[Problem]
) -> Iterator[tuple[PromptSettings, Prompt, list[Problem]]]:
    """Every prompt format of the experiment, with the problems that are asked in it."""
    config = run.config
    own = [p for p in problems if p.split not in ("suite", "source")]
    method_prompts = [m.prompt for m in config.recipe.methods] or [config.prompt]
    for settings, method in zip(method_prompts, run.methods_on(problems), strict=True):
        yield settings, method.prompt, own
    others = {("suite", name): suite.prompt for name, suite in config.evaluation.suites.items()}
    others |= {("source", name): source.prompt for name, source in config.sources.items()}
    for (split, name), settings in others.items():
        yield (
            settings,
            run.prompt(settings, []),
            [p for p in problems if (p.split, p.collection) == (split, name)],
        )


def telling_messages(messages: Sequence[str]) -> list[str]:
    """Select the messages that a chat template is most likely to change.

    These are the first ones, the longest, and the first that contains each punctuation sign, white
    space at its ends, or letters beyond ASCII.
    """
    marks = [
        *(lambda text, sign=sign: sign in text for sign in SIGNS),
        lambda text: text != text.strip(),
        lambda text: not text.isascii(),
    ]
    chosen = [*messages[:FIRST], max(messages, key=len, default="")]
    for mark in marks:
        chosen += islice(filter(mark, messages), 1)
    return list(dict.fromkeys(chosen))
