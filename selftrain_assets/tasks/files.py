"""A person's own problems: a JSONL or Parquet file with id, question, and answer or tests; split, solution, group if wanted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, cast, get_args

from pydantic import Field

from selftrain_assets.core.attempts import Script
from selftrain_assets.core.errors import UserError, nearest
from selftrain_assets.core.program_tests import read_tests
from selftrain_assets.core.seeds import derive_seed
from selftrain_assets.core.settings import Identity
from selftrain_assets.core.types import OwnSplit, Problem, Split
from selftrain_assets.tasks.protocol import Card
from selftrain_assets.tasks.rows import json_lines, parquet

FIELDS = ("id", "question", "answer", "split", "solution", "group")
TEST_FIELDS = ("tests", "entry", "context")
METHOD_FIELDS = ("solutions",)
REQUIRED = ("id", "question")


class ProblemFile(Identity):
    """Problems from a file.

    `id`, `question`, and `answer` or `tests` are required; numbers are accepted as answers and ids. `tests` judge
    programs (core/program_tests.py says in which forms), with `entry` and `context`. `split` is one of train,
    human (with `solution`, or `solutions` by the methods of mmst), validation, test and transfer; where the file names no
    split at all, `validation_share` and `test_share` of the problems are held out by a hash of their ids, so that a grown
    file keeps its splits.
    """

    type: Literal["file"] = "file"
    card: ClassVar[Card] = Card("your own problems, from a JSONL or Parquet file", "as you say")
    defaults: ClassVar[Mapping[str, Any]] = {}
    script: ClassVar[Script | None] = None
    path: str = Field(description="JSONL or Parquet file, relative to the folder that the command runs in")
    validation_share: float = Field(0.1, ge=0, lt=1, description="share held out for choosing settings, where no split is given")
    test_share: float = Field(0.2, gt=0, lt=1, description="share held out for reporting, where no split is given")
    columns: dict[str, str] = Field(
        {}, description="field -> its name in the file, where that differs: {question: prompt, tests: test, entry: entry_point}"
    )
    duplicates: Literal["refuse", "drop"] = Field("refuse", description="what to do with a question that occurs again")
    seed: int = Field(0, ge=0, description="seed of the split, where none is given")

    def load(self) -> list[Problem]:
        problems = self.read()
        for split in ("train", "test"):
            if not any(p.split == split for p in problems):
                path = Path(self.path).expanduser()
                raise UserError(f'{path}: no problem is in the split "{split}"; a run needs problems to train on and to test on')
        return problems

    def read(self) -> list[Problem]:
        """The same, whatever splits there are: a source (`sources`) needs none to test on."""
        path = Path(self.path).expanduser()
        if not path.is_file():
            raise UserError(f"task.path: there is no file {path}")
        for name in self.columns:
            if name not in FIELDS + TEST_FIELDS + METHOD_FIELDS:
                raise UserError(f'task.columns: there is no field "{name}"{nearest(name, FIELDS + TEST_FIELDS + METHOD_FIELDS)}')
        rows = [(where, self._renamed(where, row)) for where, row in _rows(path)]
        if not rows:
            raise UserError(f"{path}: holds no problem")
        return self._distinct([(where, _problem(where, row)) for where, row in rows], has_split=any(r.get("split") for _, r in rows))

    def _renamed(self, where: str, row: dict[str, Any]) -> dict[str, Any]:
        if absent := [name for name in self.columns.values() if name not in row]:
            raise UserError(f'{where}: there is no column "{absent[0]}", which task.columns names{nearest(absent[0], row)}')
        return {k: v for k, v in row.items() if k not in self.columns.values()} | {f: row[name] for f, name in self.columns.items()}

    def _distinct(self, located: list[tuple[str, Problem]], has_split: bool) -> list[Problem]:
        ids: dict[str, str] = {}
        questions: dict[str, str] = {}
        problems = []
        for where, problem in located:
            if problem.id in ids:
                raise UserError(f'{where}: the id "{problem.id}" was used before, at {ids[problem.id]}; ids must be unique')
            ids[problem.id] = where
            question = " ".join(problem.question.split())
            if question in questions:
                if self.duplicates == "refuse":
                    raise UserError(
                        f"{where}: the same question stands at {questions[question]}; remove one, or set "
                        "task.duplicates: drop to keep the first"
                    )
                continue
            questions[question] = where
            problems.append(problem if has_split else self._assign(problem))
        return problems

    def _assign(self, problem: Problem) -> Problem:
        place = derive_seed(self.seed, "split", problem.id) / 2**63
        split: Split = "test" if place < self.test_share else "validation" if place < self.test_share + self.validation_share else "train"
        return replace(problem, split=split)


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows with the place to name in an error."""
    if path.suffix not in (".jsonl", ".json", ".ndjson", ".parquet"):
        raise UserError(f'task.path: {path} ends in "{path.suffix}"; give a .jsonl or .parquet file')
    for where, row in parquet(path) if path.suffix == ".parquet" else json_lines(path):
        if not isinstance(row, dict):
            raise UserError(f"{where}: expected an object with the fields id, question, and answer or tests")
        yield where, row


def _problem(where: str, row: dict[str, Any]) -> Problem:
    known = FIELDS + TEST_FIELDS + METHOD_FIELDS
    for name in row:
        absent = [f for f in known if f not in row]
        if name not in known and (hint := nearest(name, absent, cutoff=0.8)).startswith("; did you mean"):
            raise UserError(f'{where}: unknown field "{name}"{hint}')
    values = {name: _text(where, name, row.get(name)) for name in FIELDS}
    for name in REQUIRED:
        if not values[name]:
            raise UserError(f'{where}: the field "{name}" is missing or empty')
    tests = _tests(where, row)
    if tests is not None:
        values["question"] = str(row["question"])  # code that a completion continues must keep its white space
    if not values["answer"] and tests is None:
        raise UserError(f'{where}: the field "answer" is missing or empty; a problem needs an answer, or "tests" for programs')
    split = values["split"] or "train"
    if split not in get_args(OwnSplit):
        raise UserError(f'{where}: unknown split "{split}"{nearest(split, get_args(OwnSplit))}')
    solutions = _solutions(where, row.get("solutions"))
    if split == "human" and not values["solution"] and not solutions:
        raise UserError(f'{where}: a problem of the split "human" needs the field "solution", or "solutions" by method')
    return Problem(
        values["id"],
        values["question"],
        values["answer"],
        cast("Split", split),
        values["group"],
        values["solution"] or None,
        tests,
        solutions,
    )


def _solutions(where: str, value: Any) -> str | None:
    """Canonical text of a problem's solutions by method."""
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(text, str) and text.strip() for text in value.values()):
        raise UserError(f'{where}: the field "solutions" must hold a text for each method: {{"text": "...", "code": "..."}}')
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _tests(where: str, row: dict[str, Any]) -> str | None:
    """Canonical text of a problem's tests."""
    if row.get("tests") is None:
        return None
    try:
        return read_tests(row["tests"], str(row.get("entry") or ""), str(row.get("context") or "")).to_json()
    except ValueError as error:
        raise UserError(f'{where}: the field "tests": {error}') from error


def _text(where: str, name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UserError(f'{where}: the field "{name}" must be a text or a number, not {type(value).__name__}')
    text = str(value).strip()
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise UserError(f'{where}: the field "{name}" holds half of a surrogate pair, which is no character')
    return text
