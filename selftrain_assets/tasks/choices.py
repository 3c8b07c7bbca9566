"""Questions whose answer is a choice, or yes or no: MathQA, CommonsenseQA, StrategyQA."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from selftrain_assets.domain.types import Problem, Split
from selftrain_assets.tasks.mathematics import questions_and_answers
from selftrain_assets.tasks.protocol import Card
from selftrain_assets.tasks.published import Published
from selftrain_assets.tasks.rows import Row

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
OPTION = re.compile(r"(?:^|,)[\s'\"]*([a-e])\s*\)\s*")


def with_options(question: str, options: Iterable[str]) -> str:
    """The question with its options as (A), (B), ... below it."""
    labelled = zip(LETTERS, options, strict=False)
    lines = [f"({letter}) {option.strip()}" for letter, option in labelled]
    return "\n".join([question.strip(), *lines])


class MathQa(Published):
    """MathQA, Amini et al. 2019 (arXiv 1905.13319).

    Its gold letters are known to be wrong at times.
    """

    type: Literal["mathqa"] = "mathqa"
    card: ClassVar[Card] = Card(
        "GMAT-like word problems with five options",
        "Apache-2.0",
        hub="regisss/math_qa",
        download=(
            "train.json, dev.json and test.json of the original archive, or its Parquet files,"
        ),
        splits={"train": 29837, "validation": 4475, "test": 2985},
        solutions=True,
    )
    defaults: ClassVar[Mapping[str, Any]] = questions_and_answers("mathqa", 256, "choice")
    beside: ClassVar[tuple[str, ...]] = ("challenge_test.json",)

    def problem(self, row: Row) -> Problem:
        _, *parts = OPTION.split(row.text("options").strip("[]'\" "))
        letters, options = parts[::2], [option.strip("'\" ") for option in parts[1::2]]
        correct = row.text("correct").strip().lower()
        if correct not in letters:
            raise row.fault(
                f'the field "correct" says {correct!r}, and the field "options" has'
                f" {', '.join(letters) or 'none'}"
            )
        letter = LETTERS[letters.index(correct)]
        rationale = row.text("Rationale").strip('" \n') if row.values.get("Rationale") else ""
        solution = f"{rationale}\nThe answer is ({letter})." if rationale else None
        question = with_options(row.text("Problem"), options)
        return Problem(
            self.id(row),
            question,
            f"({letter})",
            group=row.optional("category"),
            solution=solution,
        )


class CommonsenseQa(Published):
    """CommonsenseQA, Talmor et al. 2019 (arXiv 1811.00937).

    The test split is published without answers, so that the published validation split is what
    accuracy is reported on, as is customary.
    """

    type: Literal["commonsense_qa"] = "commonsense_qa"
    card: ClassVar[Card] = Card(
        "questions of common sense with five options",
        "MIT",
        hub="tau/commonsense_qa",
        download="train_rand_split.jsonl and dev_rand_split.jsonl, or its Parquet files,",
        splits={"train": 9741, "validation": 1221},
    )
    defaults: ClassVar[Mapping[str, Any]] = questions_and_answers("commonsense_qa", 160, "choice")
    splits: ClassVar[Mapping[str, Split]] = {"train": "train", "validation": "test"}

    def problem(self, row: Row) -> Problem:
        question = row.values.get("question")
        # as published: the question, its concept and the choices in one object
        if isinstance(question, Mapping):
            row = Row(
                row.where,
                {**row.values, **question, "question": question.get("stem")},
                row.split,
                row.source,
                row.number,
            )
        choices = row.values.get("choices")
        if isinstance(choices, list) and all(isinstance(choice, Mapping) for choice in choices):
            choices = {key: [choice.get(key) for choice in choices] for key in ("label", "text")}
        if (
            not isinstance(choices, Mapping)
            or not choices.get("label")
            or None in (*choices["label"], *choices.get("text", [None]))
        ):
            raise row.fault('the field "choices" must hold a label and a text for each option')
        key = row.text("answerKey").strip()
        if key not in choices["label"]:
            raise row.fault(
                f'the field "answerKey" says "{key}", and the labels of "choices" are'
                f" {', '.join(choices['label'])}"
            )
        answer = f"({LETTERS[choices['label'].index(key)]})"
        return Problem(
            self.id(row, row.text("id")),
            with_options(row.text("question"), choices["text"]),
            answer,
            group=row.optional("question_concept"),
        )


class StrategyQa(Published):
    """StrategyQA, Geva et al. 2021 (arXiv 2101.02235).

    The original test file has no answers: its rows are left out, and a share of the training rows
    is held out.
    """

    type: Literal["strategy_qa"] = "strategy_qa"
    card: ClassVar[Card] = Card(
        "yes-or-no questions that need several implicit steps",
        "MIT",
        hub="ChilleD/StrategyQA",
        download="its data, or strategyqa_train.json of the original archive,",
        splits={"train": 1603, "test": 687},
        solutions=True,
    )
    defaults: ClassVar[Mapping[str, Any]] = questions_and_answers("strategy_qa", 160, "choice")

    beside: ClassVar[tuple[str, ...]] = ("generated/*", "*_paragraphs.json", "*_filtered.json")

    def problem(self, row: Row) -> Problem | None:
        answer = _yes_or_no(row)
        if answer is None and row.split == "test":
            return None
        if answer is None:
            raise row.fault(
                'the field "answer" must be true or false, yes or no, not'
                f" {row.values.get('answer')!r}"
            )
        word = "yes" if answer else "no"
        facts = row.values.get("facts") or ""
        facts = " ".join(facts) if isinstance(facts, list) else str(facts).strip()
        solution = f"{facts} The answer is {word}." if facts else None
        return Problem(
            self.id(row, row.values.get("qid")),
            row.text("question", "input").strip(),
            word,
            solution=solution,
        )


def _yes_or_no(row: Row) -> bool | None:
    """True, "yes" or "No.", or BIG-bench's scores of the two; None for anything else."""
    scores, answer = row.values.get("target_scores"), row.values.get("answer")
    if isinstance(scores, Mapping) and (
        best := [option for option, score in scores.items() if score == 1]
    ):
        answer = best[0] if len(best) == 1 else None
    if isinstance(answer, str):
        answer = {"yes": True, "true": True, "no": False, "false": False}.get(
            answer.strip().rstrip(".").lower()
        )
    return answer if isinstance(answer, bool) else None
