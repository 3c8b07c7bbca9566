"""The command that shows problem sets."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from selftrain_assets.cli.common import AsJson, app, print_json
from selftrain_assets.domain.errors import UserError, nearest

NAMED = 5  # problems that are named of those whose answer cannot be verified against


@app.command()
def tasks(
    name: Annotated[
        str | None, typer.Argument(help="problem set to load and look at; default: list them all")
    ] = None,
    path: Annotated[
        str | None, typer.Option(help="its file or folder; default: from the Hugging Face hub")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The problem sets that an experiment can name; or one of them, loaded: its splits, its
    answers, and a problem with its prompt.
    """  # noqa: D205 - the help text
    from selftrain_assets.tasks import TASKS

    if name is not None and name not in TASKS:
        raise UserError(f'there is no task "{name}"{nearest(name, TASKS)}')
    if name is None and path is not None:
        raise UserError("--path: say of which task, as in selftrain tasks gsm8k --path folder")
    found = [_card(each) for each in TASKS] if name is None else _loaded(name, path)
    if as_json:
        print_json(found)
    elif isinstance(found, list):
        _print_cards(found)
    else:
        _print_loaded(found)


def _card(name: str) -> dict[str, Any]:
    from selftrain_assets.tasks import TASKS

    card, defaults = TASKS[name].card, TASKS[name].defaults
    return {
        "task": name,
        "what": card.summary,
        "splits": dict(card.splits),
        "licence": card.licence,
        "hub": card.hub or None,
        "solutions": card.solutions,
        "verifier": defaults.get("verifier", {}).get("type"),
        "examples": defaults.get("prompt", {}).get("examples"),
    }


def _loaded(name: str, path: str | None) -> dict[str, Any]:
    """Load a problem set and describe it, with its own prompt and verifier."""
    from selftrain_assets.config.experiment import parse_experiment
    from selftrain_assets.domain.prompts import build_prompt
    from selftrain_assets.domain.types import SPLITS
    from selftrain_assets.tasks import read

    settings = {"type": name} if path is None else {"type": name, "path": path}
    config = parse_experiment({"task": settings}, f"selftrain tasks {name}")
    loaded = read(config.task)
    problems = loaded.problems
    # a file brings no verifier, and tests are for programs
    if name == "file" and all(p.tests for p in problems):
        config = parse_experiment(
            {"task": settings, "verifier": {"type": "code"}}, f"selftrain tasks {name}"
        )
    faults = {
        p.id: fault for p in problems if (fault := config.verifier.check_problem(p)) is not None
    }
    shown = min(
        problems, key=lambda p: ("test", "validation", "human", "train", "transfer").index(p.split)
    )
    return _card(name) | {
        "problems": len(problems),
        "loaded": {
            split: count for split in SPLITS if (count := sum(p.split == split for p in problems))
        },
        "duplicates": dict(loaded.duplicates),
        "contradictions": [list(ids) for ids in loaded.contradictions],
        "remarks": list(loaded.remarks),
        "solved": sum(p.solution is not None for p in problems),
        "verifier": config.verifier.type,
        "verifiable": 1 - len(faults) / len(problems),
        "faults": faults,
        "example": {
            "id": shown.id,
            "prompt": build_prompt(config.prompt, problems).render(shown),
            "answer": shown.answer,
        },
    }


def _print_cards(cards: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from selftrain_assets.cli.ui import console

    table = Table(header_style="bold")
    for title in ("task", "what", "published splits", "licence", "hub", "verifier"):
        table.add_column(title, overflow="fold")
    for card in cards:
        splits = ", ".join(f"{split} {size:,}" for split, size in card["splits"].items())
        table.add_row(
            card["task"],
            card["what"],
            splits,
            card["licence"],
            card["hub"] or "",
            card["verifier"] or "numeric",
        )
    console.print(table)


def _print_loaded(found: dict[str, Any]) -> None:
    from selftrain_assets.cli.ui import console

    counts = ", ".join(f"{split} {count:,}" for split, count in found["loaded"].items())
    dropped = (
        ", ".join(f"{count} of {split}" for split, count in found["duplicates"].items()) or "none"
    )
    lines = [
        f"{found['task']}: {found['what']} ({found['licence']})",
        f"{found['problems']:,} problems: {counts}; {found['solved']:,} with a worked solution",
        f"duplicates dropped: {dropped}",
        *(f"note: {remark}" for remark in found["remarks"]),
        f"answers that verifier {found['verifier']} can read: {found['verifiable']:.2%}",
        *(f"  {id}: {fault}" for id, fault in list(found["faults"].items())[:NAMED]),
    ]
    console.print("\n".join(lines))
    console.rule(f"{found['example']['id']}, with its prompt", align="left")
    console.print(found["example"]["prompt"])
    console.rule(align="left")
    console.print(f"reference: {found['example']['answer'] or 'its tests'}")
