"""The command that shows problem sets."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from selftrain_assets.cli.common import AsJson, app, print_json
from selftrain_assets.domain.errors import UserError, nearest

NAMED = 5  # unverifiable problems that are printed; the others are only counted


@app.command()
def tasks(
    name: Annotated[
        str | None, typer.Argument(help="problem set to load; default: list all")
    ] = None,
    path: Annotated[
        str | None, typer.Option(help="its file or folder; default: the Hugging Face hub")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the problem sets, or load one and show its splits and a prompt."""
    from selftrain_assets.tasks import TASKS

    if name is not None and name not in TASKS:
        raise UserError(f'there is no task "{name}"{nearest(name, TASKS)}')
    if name is None and path is not None:
        raise UserError(
            "--path needs the name of a task, as in selftrain tasks gsm8k --path folder"
        )
    if name is None:
        cards = [_card(task) for task in TASKS]
        print_json(cards) if as_json else _print_cards(cards)
    else:
        summary = _loaded(name, path)
        print_json(summary) if as_json else _print_loaded(summary)


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
    example = min(
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
            "id": example.id,
            "prompt": build_prompt(config.prompt, problems).render(example),
            "answer": example.answer,
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


def _print_loaded(summary: dict[str, Any]) -> None:
    from selftrain_assets.cli.ui import console

    counts = ", ".join(f"{split} {count:,}" for split, count in summary["loaded"].items())
    dropped = (
        ", ".join(f"{count} of {split}" for split, count in summary["duplicates"].items()) or "none"
    )
    lines = [
        f"{summary['task']}: {summary['what']} ({summary['licence']})",
        f"{summary['problems']:,} problems: {counts}; {summary['solved']:,} with a worked solution",
        f"duplicates dropped: {dropped}",
        *(f"note: {remark}" for remark in summary["remarks"]),
        f"answers that verifier {summary['verifier']} can read: {summary['verifiable']:.2%}",
        *(f"  {id}: {fault}" for id, fault in list(summary["faults"].items())[:NAMED]),
    ]
    console.print("\n".join(lines))
    console.rule(f"{summary['example']['id']}, with its prompt", align="left")
    console.print(summary["example"]["prompt"])
    console.rule(align="left")
    console.print(f"reference: {summary['example']['answer'] or 'its tests'}")
