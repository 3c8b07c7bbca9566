"""The file that `selftrain fork` writes.

It is the text of the other experiment with its comments, and what is different after a round.
"""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import indent
from typing import Any

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.config.experiment_files import (
    attributes,
    experiment_file,
    experiment_ref,
    load_experiment,
    shown,
)
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.settings import merged
from selftrain_assets.plugins import beside

COMMENT = (
    "# Rounds up to `iteration` are those of `experiment`; later ones have `changes` merged into"
    " the settings above."
)


def assignments(texts: Iterable[str]) -> dict[str, Any]:
    """What `recipe.cap=8` and the like mean, as one tree of settings.

    UserError for what is no assignment, or given twice.
    """
    import yaml

    settings: dict[str, Any] = {}
    earlier_names: list[str] = []
    for text in texts:
        path, equals, value = text.partition("=")
        names = path.strip().split(".")
        if not equals or not all(names):
            raise UserError(
                f'--set "{text}": write the path of a setting, "=" and its value, as in'
                " recipe.cap=8"
            )
        name = ".".join(names)
        if clash := [
            earlier
            for earlier in earlier_names
            if f"{name}.".startswith(f"{earlier}.") or f"{earlier}.".startswith(f"{name}.")
        ]:
            raise UserError(f"--set {name}: {clash[0]} is set too; give each setting once")
        earlier_names.append(name)
        try:
            tree = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UserError(f'--set {name}: "{value}" is not valid YAML; quote it') from error
        for part in reversed(names):
            tree = {part: tree}
        settings = merged(settings, tree)
    return settings


def fork(source: str, iteration: int, changes: dict[str, Any], rounds: int | None = None) -> str:
    """The text of an experiment that goes on from a round of `source` with these changes.

    UserError where they do not fit.
    """
    config = load_experiment(source)
    ref = experiment_ref(source)
    if ref.repeats:
        raise UserError(
            f"{source} has no file of its own: fork {ref.repeats.name}, and run the fork with"
            f" --seeds {ref.seeds[-1]}"
        )
    if config.sweep is not None or ref.point:
        raise UserError(
            f"{source} is part of a sweep, and a fork would be one too: write its settings into a"
            " file of their own, and fork that"
        )
    if iteration >= (last := rounds or config.rounds):
        raise UserError(
            f"a fork changes the rounds after round {iteration}, and there are {last}; name an"
            " earlier round, or set --rounds"
        )
    path = experiment_file(source)
    text, where = path.read_text(), shown(path)
    values = attributes(text, where) or {}
    entry = {
        "experiment": source,
        "iteration": iteration,
        **({"changes": changes} if changes else {}),
    }
    expected = {
        **values,
        **({"rounds": rounds} if rounds else {}),
        "forks": [*values.get("forks", ()), entry],
    }
    parse_experiment(beside(expected, path.parent), "--set")
    written = _written(text, entry, rounds)
    if written is None or attributes(written, where) != expected:
        raise UserError(
            f"{where}: a fork is written below the settings; write those below `attributes`, and"
            " forks, without braces"
        )
    return written


def _written(text: str, entry: dict[str, Any], rounds: int | None) -> str | None:
    """The text with this fork as its last; None where its sections are in braces."""
    import yaml

    text = text if text.endswith("\n") else f"{text}\n"
    document = yaml.compose(text)
    sections = document.value if isinstance(document, yaml.MappingNode) else []
    settings = next((value for name, value in sections if name.value == "attributes"), None)
    if not isinstance(settings, yaml.MappingNode) or settings.flow_style:
        return None
    known, margin = (
        {name.value: value for name, value in settings.value},
        " " * settings.start_mark.column,
    )
    item, end = yaml.safe_dump([entry], sort_keys=False, allow_unicode=True), _end(text, settings)
    if (forks := known.get("forks")) is None:
        edits = [(end, end, indent(f"\n{COMMENT}\nforks:\n{indent(item, '  ')}", margin))]
    elif isinstance(forks, yaml.SequenceNode) and not forks.flow_style:
        edits = [
            (_end(text, forks), _end(text, forks), indent(item, " " * forks.start_mark.column))
        ]
    else:
        return None
    if rounds and (number := known.get("rounds")):
        edits.append((number.start_mark.index, number.end_mark.index, str(rounds)))
    elif rounds:
        edits.append((end, end, f"{margin}rounds: {rounds}\n"))
    for start, stop, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[stop:]
    return text


def _end(text: str, section: Any) -> int:
    """Where the lines of a section end; its mark is at what comes next."""
    return text.rfind("\n", 0, section.end_mark.index) + 1
