"""A user's own problems, from a file of rows.

A row has an id, a question, and an answer or tests; split, solution and group if wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, cast, get_args

from pydantic import Field

from selftrain_assets.domain.attempts import Script
from selftrain_assets.domain.errors import UserError, nearest
from selftrain_assets.domain.program_tests import read_tests
from selftrain_assets.domain.text import first_equal
from selftrain_assets.domain.types import OwnSplit, Problem, Split
from selftrain_assets.project import data_path
from selftrain_assets.tasks.loaded import NAMED, Loaded, apart, once_each
from selftrain_assets.tasks.protocol import Card, Task
from selftrain_assets.tasks.readers import floats, rows_in, value_of, written
from selftrain_assets.tasks.splits import hashed_split

FIELDS = ("id", "question", "answer", "split", "solution", "group")
TEST_FIELDS = ("tests", "entry", "context", "checker", "time_limit", "memory_limit")
METHOD_FIELDS = ("solutions",)
REQUIRED = ("id", "question")


class ProblemFile(Task):
    """Problems from a file.

    `id`, `question`, and `answer` or `tests` are required; numbers are accepted as answers and ids,
    and an empty field, null and NaN are as if it were missing. `tests` judge programs
    (domain/program_tests.py says in which forms), with `entry`, `context`, `checker`, `time_limit`
    and `memory_limit`. `split` is one of train, human (with `solution`, or `solutions` by the
    methods of mmst), validation, test and transfer; where the file names no split at all,
    `validation_share` and `test_share` of the problems are held out by a hash of their ids, so that
    a grown file keeps its splits.
    """

    type: Literal["file"] = "file"
    card: ClassVar[Card] = Card("your own problems, from a JSON, CSV or Parquet file", "as you say")
    defaults: ClassVar[Mapping[str, Any]] = {}
    script: ClassVar[Script | None] = None
    path: str = Field(
        description=(
            "JSON Lines, JSON, CSV, TSV or Parquet file, relative to the folder that the command"
            " runs in, or to the project"
        )
    )
    validation_share: float = Field(
        0.1, ge=0, lt=1, description="share held out for choosing settings, where no split is given"
    )
    test_share: float = Field(
        0.2, gt=0, lt=1, description="share held out for reporting, where no split is given"
    )
    columns: dict[str, str] = Field(
        {},
        description=(
            "field -> its name in the file, where that differs: {question: prompt, tests: test,"
            " entry: entry_point}"
        ),
    )
    duplicates: Literal["refuse", "drop"] = Field(
        "refuse",
        description=(
            "what to do with a question that occurs again; drop: keep one, a held-out one before"
            " one to learn from"
        ),
    )
    seed: int = Field(0, ge=0, description="seed of the split, where none is given")

    def load(self) -> list[Problem]:
        return self.round_problems(self.read())

    def round_problems(self, loaded: Loaded) -> list[Problem]:
        """Problems of a main task: there must be some to train on and some to test on."""
        for split in ("train", "test"):
            if not any(p.split == split for p in loaded.problems):
                path = data_path(self.path)
                raise UserError(
                    f'{path}: no problem is in the split "{split}"; a run needs problems to train'
                    " on and to test on"
                )
        return loaded.problems

    def read(self) -> Loaded:
        """All problems, in whatever splits, and what was left out.

        A source (`sources`) needs none to test on.
        """
        path = data_path(self.path)
        if not path.is_file():
            raise UserError(
                f"task.path: {path} is a folder; name a file"
                if path.is_dir()
                else f"task.path: there is no file {path}"
            )
        for name in self.columns:
            if name not in FIELDS + TEST_FIELDS + METHOD_FIELDS:
                raise UserError(
                    "task.columns: there is no field"
                    f' "{name}"{nearest(name, FIELDS + TEST_FIELDS + METHOD_FIELDS)}'
                )
        rows = [(where, self._renamed(where, row)) for where, row in rows_in(path)]
        if not rows:
            raise UserError(f"{path}: holds no problem")
        loaded = self._distinct([(where, problem_in(where, row)) for where, row in rows])
        if not any(row.get("split") for _, row in rows):
            shares = self.test_share, self.validation_share
            problems = [
                replace(problem, split=hashed_split(self.seed, problem.id, *shares))
                for problem in loaded.problems
            ]
            loaded = replace(loaded, problems=problems)
        return apart(loaded) if self.duplicates == "drop" else loaded

    def _renamed(self, where: str, row: dict[str, Any]) -> dict[str, Any]:
        if absent := [name for name in self.columns.values() if name not in row]:
            raise UserError(
                f'{where}: there is no column "{absent[0]}", which task.columns'
                f" names{nearest(absent[0], row)}"
            )
        return {k: v for k, v in row.items() if k not in self.columns.values()} | {
            f: row[name] for f, name in self.columns.items()
        }

    def _distinct(self, located: list[tuple[str, Problem]]) -> Loaded:
        ids: dict[str, str] = {}
        for where, problem in located:
            if problem.id in ids:
                raise UserError(
                    f'{where}: the id "{problem.id}" was used before, at {ids[problem.id]}; ids'
                    " must be unique"
                )
            ids[problem.id] = where
        problems = [problem for _, problem in located]
        if self.duplicates == "drop":
            return once_each(problems)
        pairs = [
            (located[place], located[first])
            for place, first in enumerate(first_equal([p.question for p in problems]))
            if place != first
        ]
        if pairs:
            raise UserError(_repeated(pairs))
        return Loaded(problems)


Located = tuple[str, Problem]
"""A problem and where it stands."""


def _repeated(pairs: list[tuple[Located, Located]]) -> str:
    """A sentence about questions that stand before: how many, the first of them, and a remedy."""
    (where, problem), (before, first) = pairs[0]
    same = " ".join(problem.question.split()) == " ".join(first.question.split())
    but = "" if same else ", but for case, punctuation or Unicode form,"
    start = f"{where}: the same question{but} stands at {before}{_answers(problem, first)}"
    others = [  # by their lines alone
        f"{at.rpartition(', ')[2]} and {earlier.rpartition(', ')[2]}{_answers(again, original)}"
        for (at, again), (earlier, original) in pairs[1:NAMED]
    ]
    differing = sum(again.answer != original.answer for (_, again), (_, original) in pairs)
    if len(pairs) == 1:
        return (
            f"{start}; remove one, or set task.duplicates: drop to keep one"
            f"{', or none where the two are of one split' if differing else ''}"
        )
    more = f", and {len(pairs) - NAMED} more" if len(pairs) > NAMED else ""
    remedy = (
        f"the answers of {differing} differ: correct or remove them, since task.duplicates:"
        " drop keeps neither of two that contradict each other within a split"
        if differing
        else "all have the same answer: set task.duplicates: drop, which keeps one of each"
    )
    return f"{start}. There are {len(pairs)} such pairs ({'; '.join(others)}{more}); {remedy}"


def _answers(problem: Problem, first: Problem) -> str:
    """What two answers are that differ."""
    return (
        ""
        if problem.answer == first.answer
        else f' with the answer "{first.answer}", here "{problem.answer}"'
    )


def problem_in(where: str, row: dict[str, Any]) -> Problem:
    """The problem of a row; `where` is its place, for messages."""
    known = FIELDS + TEST_FIELDS + METHOD_FIELDS
    for name in row:
        absent = [f for f in known if f not in row]
        if name not in known and (hint := nearest(name, absent, cutoff=0.8)).startswith(
            "; did you mean"
        ):
            raise UserError(f'{where}: unknown field "{name}"{hint}')
    values = {name: _text(where, name, row.get(name)) for name in FIELDS}
    for name in REQUIRED:
        if not values[name]:
            raise UserError(f'{where}: the field "{name}" is missing or empty')
    tests = _tests(where, row)
    if tests is not None:
        # code that a completion continues
        values["question"] = _text(where, "question", row["question"], strip=False)
    if not values["answer"] and tests is None:
        raise UserError(
            f'{where}: the field "answer" is missing or empty; a problem needs an answer, or'
            ' "tests" for programs'
        )
    split = values["split"] or "train"
    if split not in get_args(OwnSplit):
        raise UserError(f'{where}: unknown split "{split}"{nearest(split, get_args(OwnSplit))}')
    solutions = _solutions(where, row.get("solutions"))
    if split == "human" and not values["solution"] and not solutions:
        raise UserError(
            f'{where}: a problem of the split "human" needs the field "solution", or "solutions" by'
            " method"
        )
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


def _solutions(where: str, value: Any) -> dict[str, str] | None:
    """A problem's solutions by method, in the order of methods.

    Parquet gives every row all methods, with null for those that it lacks.
    """
    by_method = _decoded(value)
    if isinstance(by_method, dict):
        by_method = {method: text for method, text in by_method.items() if text is not None}
    if not by_method:
        return None
    if not isinstance(by_method, dict) or not all(
        isinstance(text, str) and text.strip() for text in by_method.values()
    ):
        raise UserError(
            f'{where}: the field "solutions" must hold a text for each method: {{"text": "...",'
            ' "code": "..."}'
        )
    return dict(sorted(by_method.items()))


def _tests(where: str, row: dict[str, Any]) -> str | None:
    """Canonical text of a problem's tests."""
    own = {name: floats(row.get(name)) for name in ("checker", "time_limit", "memory_limit")}
    if row.get("tests") is None:
        if fields := [name for name, value in own.items() if value is not None]:
            raise UserError(
                f'{where}: the field "{fields[0]}" is for programs, and there are no "tests"'
            )
        return None
    try:
        tests = floats(_decoded(row["tests"]))
        return read_tests(
            tests, str(row.get("entry") or ""), str(row.get("context") or ""), **own
        ).to_json()
    except ValueError as error:
        field = "" if str(error).startswith("the field") else 'the field "tests": '
        raise UserError(f"{where}: {field}{error}") from error


def _decoded(value: Any) -> Any:
    """The value, decoded if it is a list or object as JSON text, as columns of tables hold them.

    Anything else stays as it is, such as the asserts of a test.
    """
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")):
        try:
            return value_of(value)
        except ValueError:
            return value
    return value


def _text(where: str, name: str, value: Any, strip: bool = True) -> str:
    if (
        name in ("question", "solution")
        and isinstance(value, list)
        and all(isinstance(line, str) for line in value)
    ):
        value = "\n".join(value)
    try:
        text = "" if value is None else written(value)
    except ValueError as error:
        raise UserError(f'{where}: the field "{name}" {error}') from error
    return text.strip() if strip else text
