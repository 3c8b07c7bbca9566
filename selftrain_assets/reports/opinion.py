"""What a report says of the second opinion: how many wrong and malformed samples another reading
would pass, and which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from selftrain_assets.reports.tables import Titled, estimated


def opinion_tables(summary: dict[str, Any]) -> list[Titled]:
    """A line for each round and stage of verdicts in which samples were read again."""
    rows = [[*where, *_line(found)] for where, found in _opinions(summary) if found["share"]]
    header = [
        "iteration",
        "verdicts",
        "wrong or malformed",
        "read again",
        "would pass",
        "share",
        "of wrong",
        "of malformed",
        "read by",
    ]
    title = (
        "Second opinion: wrong and malformed samples that another reading would pass; it changes no"
        " verdict"
    )
    return [Titled(title, header, rows)] if rows else []


def evidence_tables(summary: dict[str, Any]) -> list[Titled]:
    """Some of those samples: the ends of their completions, as what they were read, and as what
    the other reading reads them."""
    rows = [
        [*where, *(example[name] for name in COLUMNS)]
        for where, found in _opinions(summary)
        for example in found["examples"]
    ]
    return (
        [
            Titled(
                "Samples that another reading would pass",
                ["iteration", "verdicts", *(name.replace("_", " ") for name in COLUMNS)],
                rows,
            )
        ]
        if rows
        else []
    )


COLUMNS = (
    "sample_key",
    "problem_id",
    "verdict",
    "completion",
    "read_as",
    "other_reading",
    "reference",
)


def _opinions(summary: dict[str, Any]) -> Iterator[tuple[list[str], dict[str, Any]]]:
    for point in summary["iterations"]:
        for stage, found in point["second_opinion"].items():
            yield [str(point["iteration"]), stage], found


def _line(found: dict[str, Any]) -> list[str]:
    share = found["share"]
    return [
        f"{found['failed']:,}",
        str(found["read"]),
        str(found["turned"]),
        estimated(share["mean"], (share["low"], share["high"])),
        *(
            f"{found[outcome]['turned']} of {found[outcome]['read']}"
            for outcome in ("wrong", "malformed")
        ),
        "; ".join(
            f"{' or '.join(others)} for {verifier}" for verifier, others in found["by"].items()
        ),
    ]
