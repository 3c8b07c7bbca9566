"""Tables of the second opinion: failed samples that would pass if they were read in another way."""

from __future__ import annotations

from collections.abc import Iterator

from selftrain_assets.domain.measurements import SecondOpinion
from selftrain_assets.reports.summary import Summary
from selftrain_assets.reports.tables import Titled, estimated


def opinion_tables(summary: Summary) -> list[Titled]:
    """Return a table with a line for each round and stage in which samples were read again."""
    rows = [[*where, *_line(opinion)] for where, opinion in _opinions(summary) if opinion.share]
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


def evidence_tables(summary: Summary) -> list[Titled]:
    """Return a table of examples of samples that another reading would pass.

    Each shows the end of the completion, and how both readings parse it.
    """
    rows = []
    for where, opinion in _opinions(summary):
        rows += [[*where, *(example[name] for name in COLUMNS)] for example in opinion.examples]
    header = ["iteration", "verdicts", *(name.replace("_", " ") for name in COLUMNS)]
    return [Titled("Samples that another reading would pass", header, rows)] if rows else []


COLUMNS = (
    "sample_key",
    "problem_id",
    "verdict",
    "completion",
    "read_as",
    "other_reading",
    "reference",
)


def _opinions(summary: Summary) -> Iterator[tuple[list[str], SecondOpinion]]:
    for point in summary.iterations:
        for stage, opinion in point.second_opinion.items():
            yield [str(point.iteration), stage], opinion


def _line(opinion: SecondOpinion) -> list[str]:
    return [
        f"{opinion.failed:,}",
        str(opinion.read),
        str(opinion.turned),
        estimated(opinion.share),
        *(f"{outcome.turned} of {outcome.read}" for outcome in (opinion.wrong, opinion.malformed)),
        "; ".join(
            f"{' or '.join(others)} for {verifier}" for verifier, others in opinion.by.items()
        ),
    ]
