"""Mathematics whose answers are numbers or expressions: GSM8K, MATH, SVAMP, MAWPS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, get_args

from pydantic import Field

from selftrain_assets.domain.boxed import last_boxed
from selftrain_assets.domain.numbers import number
from selftrain_assets.domain.types import Problem
from selftrain_assets.tasks.protocol import Card
from selftrain_assets.tasks.published import Published
from selftrain_assets.tasks.rows import Row

CALCULATION = re.compile(r"<<[^<>]*>>")
PLACEHOLDER = re.compile(r"\bnumber(\d+)\b")
Subject = Literal[
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
]
SUBJECTS: tuple[Subject, ...] = get_args(Subject)


def questions_and_answers(examples: str, max_tokens: int, verifier: str) -> dict[str, Any]:
    """Defaults of a set whose prompts are `Question:` and `Answer:` behind worked examples.

    Args:
        examples: The file of worked examples (tasks/prompts).
        max_tokens: Length of a completion, at most.
        verifier: Type of the verifier.
    """
    return {
        "prompt": {
            "template": "Question: {question}\nAnswer:",
            "hint_template": "Question: {question}\nThe answer is {answer}.\nAnswer:",
            "examples": examples,
        },
        "sampling": {"max_tokens": max_tokens, "stop": ["\nQuestion:", "\n\n\n"]},
        "verifier": {"type": verifier},
    }


class Gsm8k(Published):
    """GSM8K, Cobbe et al. 2021 (arXiv 2110.14168).

    The published calculator annotations (`<<3*4=12>>`) are taken out of solutions.
    """

    type: Literal["gsm8k"] = "gsm8k"
    card: ClassVar[Card] = Card(
        "grade-school maths word problems of two to eight steps",
        "MIT",
        hub="openai/gsm8k",
        configs=("main",),
        download="train.jsonl and test.jsonl, or main/*.parquet,",
        splits={"train": 7473, "test": 1319},
        solutions=True,
    )
    defaults: ClassVar[Mapping[str, Any]] = questions_and_answers("gsm8k", 320, "numeric")
    beside: ClassVar[tuple[str, ...]] = ("example_model_solutions.jsonl", "*_socratic.jsonl")

    def problem(self, row: Row) -> Problem:
        solution, mark, answer = row.text("answer").rpartition("####")
        if not mark:
            raise row.fault('the field "answer" has no "####" before its final number')
        worked = f"{CALCULATION.sub('', solution).strip()}\n#### {answer.strip()}"
        return Problem(self.id(row), row.text("question").strip(), answer.strip(), solution=worked)


class Math(Published):
    """MATH, Hendrycks et al. 2021 (arXiv 2103.03874).

    The answer is what the solution has in its last box, or, where it has none, the field `answer`
    of MATH-500.
    """

    type: Literal["math"] = "math"
    card: ClassVar[Card] = Card(
        "competition mathematics in LaTeX, seven subjects, levels 1 to 5",
        "MIT",
        hub="EleutherAI/hendrycks_math",
        configs=SUBJECTS,
        download="the folders of its subjects, or the folder MATH of the original archive,",
        splits={"train": 7500, "test": 5000},
        solutions=True,
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "prompt": {
            "template": "Problem: {question}\nSolution:",
            "hint_template": "Problem: {question}\nThe answer is {answer}.\nSolution:",
            "examples": "math",
        },
        "sampling": {"max_tokens": 768, "stop": ["\nProblem:", "\n\n\n"]},
        "verifier": {"type": "math"},
    }
    subjects: tuple[Subject, ...] = Field(
        SUBJECTS, description="subjects that are loaded", min_length=1
    )

    def configs(self) -> tuple[str, ...]:
        return self.subjects

    def problem(self, row: Row) -> Problem | None:
        subject = (
            row.source
            if row.source in SUBJECTS
            else row.text("type", "subject").lower().replace(" & ", " and ").replace(" ", "_")
        )
        if subject not in self.subjects:
            return None
        solution = row.text("solution").strip() if row.values.get("solution") else ""
        answer = last_boxed(solution)
        if not answer and row.values.get("answer") is None:
            raise row.fault(
                'the field "solution" holds no \\boxed answer, and there is no field "answer"'
            )
        question = row.text("problem").strip()
        return Problem(
            self.id(row),
            question,
            answer or row.text("answer").strip(),
            group=subject,
            solution=solution or None,
        )


class Svamp(Published):
    """SVAMP, Patel et al. 2021 (arXiv 2103.07191)."""

    type: Literal["svamp"] = "svamp"
    card: ClassVar[Card] = Card(
        "one-step word problems in wordings that mislead",
        "MIT",
        hub="ChilleD/SVAMP",
        download="its data, or SVAMP.json of the original repository,",
        splits={"train": 700, "test": 300},
    )
    defaults: ClassVar[Mapping[str, Any]] = questions_and_answers("word_problems", 160, "numeric")
    beside: ClassVar[tuple[str, ...]] = ("data/*", "data/*/*", "data/*/*/*")

    def problem(self, row: Row) -> Problem:
        body = row.text("Body").strip()
        question = (
            f"{body}{'' if body.endswith(('.', '!', '?', ',')) else '.'}"
            f" {row.text('Question').strip()}"
        )
        return Problem(
            self.id(row, row.text("ID")),
            question,
            row.text("Answer"),
            group=row.optional("Type"),
        )


class Mawps(Published):
    """MAWPS, Koncel-Kedziorski et al. 2016.

    Read as Calc-MAWPS has it, as its authors' JSON, or as CSV with numbers in a column of their
    own.
    """

    type: Literal["mawps"] = "mawps"
    card: ClassVar[Card] = Card(
        "short arithmetic and one-unknown word problems, collected from five sets",
        "MIT, as the hub's card says",
        hub="MU-NLPC/Calc-mawps",
        configs=("default",),
        download="data/*.parquet",
        splits={"train": 1089, "validation": 1040, "test": 520},
    )
    defaults: ClassVar[Mapping[str, Any]] = questions_and_answers("word_problems", 160, "numeric")

    def problem(self, row: Row) -> Problem:
        question = row.text("question", "sQuestion", "Question").strip()
        if isinstance(row.values.get("Numbers"), str):
            question = self._with_numbers(row, question)
        id = row.values.get("id") or row.values.get("iIndex")
        return Problem(self.id(row, id), question, _plain(self._answer(row)))

    def _answer(self, row: Row) -> str:
        if row.values.get("lSolutions") is None:
            return row.text("result", "Answer")
        solutions = row.list("lSolutions")
        answer = (
            replace(row, values={"lSolutions": solutions[0]}).text("lSolutions")
            if len(solutions) == 1
            else ""
        )
        if number(answer) is None:
            raise row.fault('the field "lSolutions" must hold one number')
        return answer

    def _with_numbers(self, row: Row, question: str) -> str:
        numbers = [_plain(text) for text in row.text("Numbers").split()]
        for match in PLACEHOLDER.finditer(question):
            if int(match[1]) >= len(numbers):
                raise row.fault(
                    f'the question names {match[0]}, and the field "Numbers" holds {len(numbers)}'
                )
        return PLACEHOLDER.sub(lambda match: numbers[int(match[1])], question)


def _plain(text: str) -> str:
    """12.0 as 12; anything else as it is."""
    return text.strip().removesuffix(".0")
