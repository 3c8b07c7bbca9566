"""Base of published problem sets: where rows come from, their splits, and what is dropped."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from selftrain_assets.domain.attempts import Script
from selftrain_assets.domain.errors import InfraError, UserError
from selftrain_assets.domain.seeds import derive_seed
from selftrain_assets.domain.text import first_equal
from selftrain_assets.domain.types import SPLITS, Problem, Split
from selftrain_assets.project import data_path
from selftrain_assets.tasks.loaded import Loaded, apart, once_each
from selftrain_assets.tasks.protocol import Card, Task
from selftrain_assets.tasks.readers import without_nan
from selftrain_assets.tasks.rows import Row, files_below, rows_below
from selftrain_assets.tasks.splits import hashed_split


class Published(Task):
    """A published problem set, from the Hugging Face hub or from files in its published format.

    The published splits are kept: a row that is published for testing is never trained on. Where a
    set has no validation or no test split, a share of its training rows is held out by a hash of
    the question; where it has nothing but a test split, `train_share` may give some of it to
    training. Each question is kept once, held out rather than to learn from (tasks/loaded.py).
    """

    type: str
    card: ClassVar[Card]
    defaults: ClassVar[Mapping[str, Any]]
    script: ClassVar[Script | None] = None
    splits: ClassVar[Mapping[str, Split]] = {
        "train": "train",
        "validation": "validation",
        "test": "test",
    }
    """What each published split is used for; rows of another one are left out, for instance
    because they have no answers."""
    for_testing: ClassVar[bool] = False
    """Is a file of this set for testing, unless its name says otherwise?"""
    beside: ClassVar[tuple[str, ...]] = ()
    """Patterns of files that its authors publish in the same folder and that hold no problems of
    the set."""

    path: str | None = Field(
        None,
        description=(
            "file, pattern or folder of the published format, relative to where the command runs;"
            " none: from the hub"
        ),
    )
    revision: str | None = Field(
        None, description="commit, branch or tag on the hub; none: the newest"
    )
    train: int | None = Field(
        None,
        ge=0,
        description="training problems, at most, chosen by a hash of their ids; none: all",
    )
    human: int = Field(
        0,
        ge=0,
        description=(
            "training problems that are given with their worked solution, the stand-in for human"
            " data"
        ),
    )
    validation: int | None = Field(
        None,
        ge=0,
        description="held-out problems that settings may be chosen on, at most; none: all",
    )
    test: int | None = Field(
        None, ge=1, description="held-out problems that accuracy is reported on, at most; none: all"
    )
    validation_share: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="share of the training rows held out, where there are no validation rows",
    )
    test_share: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="share of the training rows held out, where there are no test rows",
    )
    train_share: float = Field(
        0.0,
        ge=0,
        lt=1,
        description=(
            "share of the test rows given to training, where no training split is published; 0:"
            " evaluation alone"
        ),
    )
    seed: int = Field(0, ge=0, description="seed of the splits and of the choice of problems")

    @model_validator(mode="after")
    def _test_stays_test(self) -> Self:
        if self.train_share and not self.unsplit:
            raise ValueError(_STAYS_TEST.format(self.type))
        return self

    @property
    def unsplit(self) -> bool:
        """May there be nothing to train on but what `train_share` gives?"""
        return self.for_testing or "train" not in self.splits.values()

    def load(self) -> list[Problem]:
        """The problems of every split.

        UserError names the file, row and field that is wrong, or what to download.
        """
        return self.round_problems(self.read())

    def round_problems(self, loaded: Loaded) -> list[Problem]:
        """Those that a round samples on: worked solutions stay with human problems alone."""
        return [
            problem if problem.split == "human" else replace(problem, solution=None)
            for problem in loaded.problems
        ]

    def read(self) -> Loaded:
        """The same with the solutions of all problems, and what was left out."""
        others: Counter[str] = Counter()
        pairs = []
        for row in self.rows():
            split = self.published_split(row)
            if split is not None and split not in self.splits:
                others[split] += 1
            elif (problem := self.problem(row)) is not None:
                pairs.append((problem, split))
        if not pairs:
            only = "".join(
                f"; its {count} rows are of the split {split}, which is not used"
                for split, count in others.items()
            )
            raise UserError(
                f"task {self.type}: {self.path or self.card.hub} holds no problem{only}"
            )
        [(id, count)] = Counter(problem.id for problem, _ in pairs).most_common(1)
        if count > 1:
            raise UserError(
                f'task {self.type}: the id "{id}" occurs twice in {self.path or self.card.hub};'
                " is a file in it twice?"
            )
        problems = self._split(pairs)
        statements = (
            None
            if type(self).statement is Published.statement
            else [self.statement(p) for p in problems]
        )
        loaded = apart(once_each(problems, statements))
        if not loaded.problems:
            raise UserError(
                f"task {self.type}: nothing is left of {self.path or self.card.hub}:"
                f" {'; '.join(loaded.remarks)}"
            )
        remarks = [
            f"{count} {'row' if count == 1 else 'rows'} of the split {split} left out, which is not"
            " used"
            for split, count in others.items()
        ]
        if self.path and (left_out := files_below(data_path(self.path), self.beside)[2]):
            remarks.append(
                f"files left out, which hold no problems of the set: {', '.join(left_out)}"
            )
        return replace(
            loaded, problems=self._chosen(loaded.problems), remarks=(*loaded.remarks, *remarks)
        )

    def problem(self, row: Row) -> Problem | None:
        """A row as a problem, with any split; None for one that is published without its answer."""
        raise NotImplementedError

    def statement(self, problem: Problem) -> str:
        """The part of the question that must not occur in two splits."""
        return problem.question

    def published_split(self, row: Row) -> str | None:
        """The split that the row is published in; None where its set, or its file, has none."""
        return row.split or ("test" if self.for_testing else None)

    def configs(self) -> tuple[str, ...]:
        """Configurations of the data set on the hub that are loaded; empty for the one it has."""
        return self.card.configs

    def rows(self) -> Iterator[Row]:
        """From `path`, or the hub."""
        if self.path is None:
            return self._hub_rows()
        path = data_path(self.path)
        if not path.exists() and "*" not in str(path):
            raise UserError(f"task.path: there is no file or folder {path}; {self._advice()}")
        return rows_below(path, self.beside)

    def _hub_rows(self) -> Iterator[Row]:
        import datasets

        source: dict[str, Any] = {"path": self.card.hub, "revision": self.revision}
        if self.card.files:
            folder = f"hf://datasets/{self.card.hub}{f'@{self.revision}' if self.revision else ''}"
            files = {split: f"{folder}/{name}" for split, name in self.card.files.items()}
            source = {"path": "json", "data_files": files}
        for config in self.configs() or (None,):
            try:
                dataset = datasets.load_dataset(**source, name=config)
            except (OSError, ValueError, RuntimeError) as error:
                kind = InfraError if isinstance(error, ConnectionError) else UserError
                raise kind(
                    f"task {self.type}: {str(error).splitlines()[0]}; {self._advice()}"
                ) from error
            for split, rows in dataset.items():
                for number, values in enumerate(rows, 1):
                    yield Row(
                        f"{self.card.hub} {config or ''} {split}, row {number}",
                        without_nan(values),
                        str(split),
                        config or "",
                        number,
                    )

    def _advice(self) -> str:
        content = self.card.download or "its files"
        return (
            f"download {content} from https://huggingface.co/datasets/{self.card.hub}, and set"
            " task.path to the file or folder"
        )

    def id(self, row: Row, published: object = None) -> str:
        """The row's id: the published one behind the name of the set, or else its place in it."""
        if published is not None:
            return f"{self.type}-{published}"
        parts = (self.type, row.source, self.published_split(row), f"{row.number:05d}")
        return "-".join(filter(None, parts))

    def _split(self, located: Sequence[tuple[Problem, str | None]]) -> list[Problem]:
        """With the split of each."""
        splits: list[Split | None] = [
            None if name is None else self.splits[name] for _, name in located
        ]
        learnt = "train" in splits or (None in splits and "train" in self.splits.values())
        if self.train_share and learnt:
            raise UserError(f"task.{_STAYS_TEST.format(self.type)}")
        movable: Split = "train" if learnt else "test"
        held = (
            1 - self.train_share
            if movable == "test"
            else 0.0
            if "test" in splits
            else self.test_share
        )
        validation = 0.0 if "validation" in splits else self.validation_share
        statements = [" ".join(self.statement(problem).split()) for problem, _ in located]
        copies: dict[int, list[str]] = defaultdict(list)
        firsts = first_equal(statements)
        for first, statement in zip(firsts, statements, strict=True):
            copies[first].append(statement)
        taken = []
        for (problem, _), split, first in zip(located, splits, firsts, strict=True):
            if split in (movable, None):
                # copies of a question go the same way
                first_copy = min(copies[first])
                split = hashed_split(self.seed, first_copy, held, validation * (1 - held))
            taken.append(replace(problem, split=split))
        return taken

    def _chosen(self, problems: list[Problem]) -> list[Problem]:
        """As many problems of each split as the settings want.

        `human` ones are taken from the training problems that have a solution.
        """
        solved = [p for p in problems if p.split == "train" and p.solution]
        if len(solved) < self.human:
            raise UserError(
                f"task.human: {self.human} are asked for, and {len(solved)} training problems of"
                f" {self.type} have a worked solution"
            )
        human = {p.id for p in self._some(solved, self.human)}
        problems = [replace(p, split="human") if p.id in human else p for p in problems]
        limits: dict[Split, int | None] = {
            "train": self.train,
            "validation": self.validation,
            "test": self.test,
        }
        kept = {
            p.id
            for split in SPLITS
            for p in self._some([p for p in problems if p.split == split], limits.get(split))
        }
        return [p for p in problems if p.id in kept]

    def _some(self, problems: list[Problem], limit: int | None) -> list[Problem]:
        """More of them when more are wanted, never others."""
        return (
            problems
            if limit is None
            else sorted(problems, key=lambda p: derive_seed(self.seed, "choice", p.id))[:limit]
        )


_STAYS_TEST = (
    "train_share: {} is published with a training split, and what it has for testing is not"
    " trained on"
)
