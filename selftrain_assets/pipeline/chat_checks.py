"""Are the questions of an experiment asked in a chat as its template has them?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from selftrain_assets.domain.prompts import Prompt, PromptSettings
from selftrain_assets.domain.types import Problem
from selftrain_assets.models.chat import check_frame
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.pipeline.run import Run

SIGNS = ("\n", '"', "'", "<", "{", "\\", "|", "#", "`")
"""What templates and their filters are known to change."""
FIRST = 4


def asks_in_chat(run: Run) -> bool:
    """Is anything asked in a chat?"""
    for phase in run.phases.values():
        config = phase.config
        own = [m.prompt for m in config.recipe.methods] or [config.prompt]
        suites = [suite.prompt for suite in config.evaluation.suites.values()]
        sources = [source.prompt for source in config.sources.values()]
        if any(settings.chat for settings in (*own, *suites, *sources)):
            return True
    return False


def check_chats(run: Run, problems: list[Problem]) -> None:
    """UserError where a chat template makes something else of a question than the chat that is
    sampled from; some questions of each kind are tried, of whatever task."""
    ref, moment = resolve_model(run.config.model), run.moment
    for phase in run.phases.values():
        for settings, prompt, asked in _asked(phase, problems):
            if prompt.frame is not None:
                check_frame(
                    ref, settings, moment, prompt.frame, telling([prompt.message(p) for p in asked])
                )


def _asked(
    run: Run, problems: list[Problem]
) -> Iterator[tuple[PromptSettings, Prompt, list[Problem]]]:
    """Every way of asking, with what is asked in it."""
    config = run.config
    own = [p for p in problems if p.split not in ("suite", "source")]
    of_methods = [m.prompt for m in config.recipe.methods] or [config.prompt]
    for settings, method in zip(of_methods, run.methods_on(problems), strict=True):
        yield settings, method.prompt, own
    others = {("suite", name): suite.prompt for name, suite in config.evaluation.suites.items()}
    others |= {("source", name): source.prompt for name, source in config.sources.items()}
    for (split, name), settings in others.items():
        yield (
            settings,
            run.prompt(settings, []),
            [p for p in problems if (p.split, p.collection) == (split, name)],
        )


def telling(messages: Sequence[str]) -> list[str]:
    """Those that a template is most likely to change: the first ones, the longest, and the first
    with each sign, with white space at its ends, and with letters beyond ASCII."""
    marks = [
        *(lambda text, sign=sign: sign in text for sign in SIGNS),
        lambda text: text != text.strip(),
        lambda text: not text.isascii(),
    ]
    found = [*messages[:FIRST], max(messages, key=len, default="")]
    found += [
        text for text in (next(filter(mark, messages), None) for mark in marks) if text is not None
    ]
    return list(dict.fromkeys(found))
