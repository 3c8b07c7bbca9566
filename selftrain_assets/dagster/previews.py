"""What a person looks at first: a few records of each stage, and its figure. As Markdown or PNG;
no Dagster in here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from selftrain_assets.domain.selection import DIFFICULTY, difficulty_bin
from selftrain_assets.domain.types import Problem, Row, Turn, VerdictMembership
from selftrain_assets.operations.lineage import Lineage, Node
from selftrain_assets.pipeline.results import DatasetResult, SamplesResult
from selftrain_assets.pipeline.run import Run
from selftrain_assets.pipeline.sampling import SAMPLES_OF, open_samples, open_verdicts
from selftrain_assets.recipes.tripost.results import TrajectoriesResult
from selftrain_assets.reports.figures import bars, measured
from selftrain_assets.reports.reading import summarize
from selftrain_assets.reports.render import markdown_table
from selftrain_assets.store import SHORT, Manifest

ROWS, CHARACTERS = 5, 160
LINEAGE_LINES = 40  # of a checkpoint's ancestors; the command shows them all
LINEAGE_FACTS = (
    "rows",
    "self",
    "human",
    "samples",
    "pass",
    "steps",
    "seed",
    "engine",
    "verifier",
    "model",
)
Shown = dict[str, str | bytes]


def _problems(run: Run, manifest: Manifest) -> Shown:
    return {
        "preview": _records(run, manifest, "problems", Problem, ("question", "answer", "split"))
    }


def _samples(run: Run, manifest: Manifest) -> Shown:
    columns = ("prompt", *_parts(manifest), "seed", "finish_reason", "key")
    with run.store.workspace() as ws:
        rows = ws.dicts("previews.samples", samples=open_samples(run, ws, manifest), most=ROWS)
    return {"preview": _shown(columns, rows)}


def _verdicts(run: Run, manifest: Manifest) -> Shown:
    """A few right and a few wrong ones, each with its reason; and how many problems are how
    often solved."""
    drawn = run.need(manifest.scope, SAMPLES_OF[manifest.stage])
    texts = ("prompt", *_parts(drawn))
    columns = (*texts, "verdict", "reason", "sample_key")
    with run.store.workspace() as ws:
        samples, verdicts = open_samples(run, ws, drawn), open_verdicts(run, ws, manifest)
        rows = ws.dicts(
            "previews.verdicts", samples=samples, verdicts=verdicts, right=True, most=ROWS
        )
        rows += ws.dicts(
            "previews.verdicts", samples=samples, verdicts=verdicts, right=False, most=ROWS
        )
        membership = ws.read(VerdictMembership, [run.store.table(manifest, manifest.stage)])
        shares = ws.rows("previews.solved_shares", verdicts=membership)
    counts = dict.fromkeys((*DIFFICULTY, NEVER), 0.0)
    for (share,) in shares:
        counts[difficulty_bin(share) if share else NEVER] += 1
    solved = bars(
        "Problems by the share of their samples that is right", counts, "problems of this round"
    )
    return {"figure": solved, "preview": _shown(columns, rows)}


NEVER = "none right"


def _parts(drawn: Manifest) -> tuple[str, ...]:
    """The columns of completions: in two parts where some of them begin with a thought."""
    return ("thought", "answer") if drawn.result(SamplesResult).thoughts else ("completion",)


def _trajectories(run: Run, manifest: Manifest) -> Shown:
    """The funnel, and a few turns that correct an error."""
    made = manifest.result(TrajectoriesResult)
    steps = {
        "attempted": made.attempted,
        "parsable": made.parsable,
        "edited": made.edited,
        "successful": made.successful,
    }
    columns = ("attempt", "feedback", "feedback_by", "update", "update_by", "sample_key")
    with run.store.workspace() as ws:
        rows = ws.dicts(
            "previews.corrections_first",
            turns=ws.read(Turn, [run.store.table(manifest, "turns")]),
            most=ROWS,
        )
    return {
        "figure": bars(
            "Trajectories", {step: float(count) for step, count in steps.items()}, "trajectories"
        ),
        "endings": table(
            ("ending", "trajectories"),
            sorted(made.endings.items(), key=lambda found: -found[1]),
        ),
        "preview": _shown(columns, rows),
    }


def _dataset(run: Run, manifest: Manifest) -> Shown:
    rows = manifest.result(DatasetResult)
    counts = {
        "judged": float(rows.verified),
        "correct": float(rows.correct),
        "kept": float(rows.own),
        "with human rows": float(rows.rows),
    }
    return {
        "figure": bars("From samples to training rows", counts, "samples, then rows"),
        "preview": _records(
            run, manifest, "rows", Row, ("prompt", "completion", "source", "weight", "sample_key")
        ),
    }


def _checkpoint(run: Run, manifest: Manifest) -> Shown:
    """From these weights back to the base, nearest first, and how to ask for more."""

    def lines(node: Node) -> Iterator[list[Any]]:
        if "see" not in node.facts:
            facts = ", ".join(
                f"{name} {node.facts[name]}" for name in LINEAGE_FACTS if node.facts.get(name)
            )
            yield [
                node.facts.get("relation", ""),
                node.kind,
                node.name,
                str(node.facts.get("digest", ""))[:SHORT],
                facts,
            ]
            for edge in node.edges:
                yield from lines(edge)

    found = list(
        islice(
            lines(Lineage(run.store, run.name).checkpoint(run.name, manifest.scope)), LINEAGE_LINES
        )
    )
    shown = table(("relation", "what", "where", "digest", "facts"), found)
    if "dataset" not in manifest.parents:
        return {"lineage": shown}
    number = manifest.scope.removeprefix("iter-").lstrip("0")
    ask = (
        "A row of the dataset, down to prompt, seed and verdict: `selftrain lineage checkpoint"
        f" {run.name} {number} --row 1`. "
    )
    return {
        "lineage": (
            f"{shown}\n\n{ask}What a sample entered: `selftrain lineage sample KEY --forward`."
        )
    }


def _evaluation(run: Run, manifest: Manifest) -> Shown:
    summary = summarize(run)
    return {"figure": measured(summary)} if summary.baseline else {}


PREVIEWS: dict[str, Callable[[Run, Manifest], Shown]] = {
    "problems": _problems,
    "samples": _samples,
    "verifications": _verdicts,
    "rationalizations": _verdicts,
    "translations": _verdicts,
    "trajectories": _trajectories,
    "dataset": _dataset,
    "checkpoint": _checkpoint,
    "evaluation": _evaluation,
}
"""By stage."""


def _records(
    run: Run, manifest: Manifest, name: str, record: type, columns: tuple[str, ...]
) -> str:
    with run.store.workspace() as ws:
        return _shown(
            columns,
            ws.dicts(
                "previews.first",
                records=ws.read(record, [run.store.table(manifest, name)]),
                most=ROWS,
            ),
        )


def _shown(columns: Sequence[str], records: Sequence[dict[str, Any]]) -> str:
    return table(columns, [[record[column] for column in columns] for record in records])


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """As Markdown, with long texts cut."""

    def cell(value: Any) -> str:
        text = " ".join(str("" if value is None else value).split())
        return text if len(text) <= CHARACTERS else text[:CHARACTERS] + " ..."

    return markdown_table(columns, [[cell(value) for value in row] for row in rows])
