"""Write the training rows of a round, each with its sample, seed and verdict, for `datasets`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, get_type_hints

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.domain.types import (
    Problem,
    Row,
    Sample,
    Section,
    VerdictMembership,
    Verification,
)
from selftrain_assets.pipeline.results import VerificationsResult
from selftrain_assets.pipeline.run import INPUTS, Run, iteration_of
from selftrain_assets.pipeline.sampling import VERIFICATIONS
from selftrain_assets.pipeline.stages import stage_of
from selftrain_assets.store import Manifest
from selftrain_assets.store.database import FileFormat
from selftrain_assets.store.workspace import Relation, Workspace


@dataclass(frozen=True, slots=True)
class ExportedRow:
    """A training row with its problem, sample and verdict; each column has its description."""

    row_key: Annotated[
        str,
        "key of the row: a hash of prompt, completion, weight, source and sample",
    ]
    problem_id: Annotated[str, "id of the problem"]
    question: Annotated[str | None, "the problem's question, without the text around it"]
    answer: Annotated[
        str | None,
        "reference answer that the verifier compares with; empty where tests judge",
    ]
    prompt: Annotated[str, "what the model was given"]
    completion: Annotated[str, "what it was trained to answer: the loss is on this text alone"]
    weight: Annotated[float, "weight of the row in the loss"]
    source: Annotated[str, "where the row comes from; see above"]
    method: Annotated[str | None, "how the problem is solved, where a recipe has several methods"]
    origin: Annotated[str | None, "of a sample made from one by another method: that method"]
    translates: Annotated[
        str | None,
        "of a sample made from another one: sample_key of that",
    ]
    turn: Annotated[
        int | None, "which turn of what begins with the sample, where it is corrected in turns"
    ]
    sections: Annotated[
        list[Section] | None,
        "parts of the completion that differ in weight: the length of each in characters, and the"
        " factor by which the row's weight is multiplied",
    ]
    round: Annotated[
        int,
        "round that drew the sample; of a human row, round whose dataset it was added to",
    ]
    sample_key: Annotated[
        str | None,
        "key of the sample: a hash of weights, sampling settings, seed, prompt and index; null for"
        " human rows",
    ]
    sample_index: Annotated[int | None, "which of the samples on this prompt, from 0"]
    seed: Annotated[int | None, "seed that the sample was drawn with"]
    policy: Annotated[str | None, "digest of the weights that drew it"]
    engine: Annotated[str | None, "program that drew it, and its version"]
    thought: Annotated[
        str | None,
        "the thought that the sample begins with, where the model thinks before it answers; part of"
        " the completion unless it was left out",
    ]
    sampled_answer: Annotated[
        str | None,
        "what the sample says behind its thought: what was judged",
    ]
    forced: Annotated[
        list[int] | None,
        "from which character to which the completion was not drawn, but put there to end a"
        " thought; it is not learnt",
    ]
    finish_reason: Annotated[str | None, "stop, or length where it was cut off"]
    prompt_tokens: Annotated[int | None, "tokens of the prompt it was drawn from"]
    completion_tokens: Annotated[int | None, "tokens of the completion"]
    outcome: Annotated[
        str | None,
        "verdict of the verifier on the sample: pass, or of an improved row anything",
    ]
    reward: Annotated[float | None, "reward, from 0 to 1"]
    parsed: Annotated[
        str | None,
        "answer, or program, that the verifier read out of the completion",
    ]
    reason: Annotated[str | None, "why the verdict is what it is"]
    verifier: Annotated[str | None, "who judged, and its version"]


HINTS = get_type_hints(ExportedRow, include_extras=True)
COLUMNS: dict[str, str] = {
    field.name: HINTS[field.name].__metadata__[0] for field in fields(ExportedRow)
}
"""What each column says."""


@dataclass(frozen=True, slots=True)
class _Joined(ExportedRow):
    position: int
    ends_right: bool


@dataclass(frozen=True, slots=True)
class _NumberedRow(Row):
    position: int = 0


@dataclass(frozen=True, slots=True)
class _Verdict:
    iteration: int
    source: str
    key: str
    sample_key: str
    problem_id: str
    method: str | None


@dataclass(frozen=True, slots=True)
class _Corrected:
    iteration: int
    sample_key: str
    problem_id: str


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows as they were written.

    Attributes:
        file: Path within the folder of the dataset.
        format: Format of the file.
        rows: Number of rows.
        types: Type of each column.
        splits: Number of rows of each split.
        sources: Tuples of source, round, method, number of rows and number of problems.
    """

    file: str
    format: FileFormat
    rows: int
    types: dict[str, str]
    splits: list[tuple[str, int]]
    sources: list[tuple[str, int, str | None, int, int]]


def write_rows(run: Run, dataset: Manifest, folder: Path, format: FileFormat) -> Rows:
    """Write the rows of a finished dataset below `folder`, in the order of their selection.

    Raises:
        IntegrityError: A sampled row has no sample or no passing verdict; or a corrected sample
            passes neither before nor after its correction.
    """
    file = f"data/train.{format}"
    (folder / file).parent.mkdir()
    with run.store.workspace() as ws:
        rows = ws.read(_NumberedRow, [run.store.table(dataset, "rows")])
        problems = ws.read(Problem, [run.store.table(run.need(INPUTS, "problems"), "problems")])
        joined = _joined(run, ws, dataset, rows, problems)
        _check(run, ws, dataset, joined)
        in_order = ws.view(ExportedRow, "export.in_order", joined=joined)
        ws.write(in_order, folder / file, format)
        types = ws.column_types(in_order)
        splits = ws.rows("export.splits", rows=rows, problems=problems)
        sources = ws.rows("export.sources", rows=rows)
        return Rows(file, format, dataset.files["rows"][1], types, splits, sources)  # type: ignore[arg-type]


def _joined(
    run: Run,
    ws: Workspace,
    dataset: Manifest,
    rows: Relation[_NumberedRow],
    problems: Relation[Problem],
) -> Relation[_Joined]:
    """Join the rows with their problems, and with the samples and verdicts of their rounds."""
    learnt_from = [run.need(*name.split("/")) for name in dataset.parents if "/" in name]
    made = [(stage_of(run, m), m) for m in learnt_from]
    evidence = [
        (stage, m) if stage.judges else (VERIFICATIONS, run.need(m.scope, VERIFICATIONS.name))
        for stage, m in made
    ]
    judged = [
        ws.view(
            _Verdict,
            "export.verdicts_of",
            verdicts=ws.read(VerdictMembership, [run.store.table(m, m.stage)]),
            iteration=iteration_of(m.scope),
            source=stage.row_source.name if stage.row_source else "",
        )
        for stage, m in evidence
    ]
    corrected = [
        _Corrected(iteration_of(m.scope), sample, problem)
        for stage, m in made
        if stage.right_rows is not None
        for sample, problem in stage.right_rows(run.store, m)
    ]
    results = [m.result(VerificationsResult) for _, m in evidence]
    policies = {result.policy for result in results}
    verdicts = {(verifier, each.policy) for each in results for verifier in each.verifiers}
    return ws.view(
        _Joined,
        "export.joined",
        rows=rows,
        problems=problems,
        judged=ws.union(_Verdict, judged),
        corrected=ws.load_records(corrected, _Corrected),
        samples=ws.pools(Sample, map(run.store.samples, sorted(policies))),
        verdicts=ws.pools(Verification, (run.store.verifications(*of) for of in sorted(verdicts))),
    )


def _check(run: Run, ws: Workspace, dataset: Manifest, joined: Relation[_Joined]) -> None:
    """Raise IntegrityError unless each row occurs once, and each sampled row has its evidence.

    The evidence is the sample, and a verdict that passes or a correction.
    """
    rows, wrong = ws.row("export.count_wrong", joined=joined)
    if wrong or rows != dataset.files["rows"][1]:
        raise IntegrityError(
            f"{run.name}: {dataset.scope} has rows whose problem, sample or verdict is not in the"
            f" store exactly once; `selftrain audit {run.name}` says what is lost, and `selftrain"
            f" run {run.name}` makes it again"
        )
