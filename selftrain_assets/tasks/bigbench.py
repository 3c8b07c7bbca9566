"""BIG-bench tasks and BIG-Bench Hard, in both of their formats.

A row has target scores by option, or an input and a target.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import Field

from selftrain_assets.domain.types import Problem, Split
from selftrain_assets.tasks.choices import LETTERS, with_options
from selftrain_assets.tasks.mathematics import questions_and_answers
from selftrain_assets.tasks.protocol import Card
from selftrain_assets.tasks.published import Published
from selftrain_assets.tasks.rows import Row

# what the hub's copy puts around a question
AS_ASKED = re.compile(r"\AQ:\s*|\n\s*choice:[^\n]*|\s*\nA:\s*\Z")
HARD = """
    boolean_expressions causal_judgement date_understanding disambiguation_qa dyck_languages
    formal_fallacies geometric_shapes hyperbaton logical_deduction_five_objects
    logical_deduction_seven_objects logical_deduction_three_objects movie_recommendation
    multistep_arithmetic_two navigate object_counting penguins_in_a_table
    reasoning_about_colored_objects ruin_names salient_translation_error_detection snarks
    sports_understanding temporal_sequences tracking_shuffled_objects_five_objects
    tracking_shuffled_objects_seven_objects tracking_shuffled_objects_three_objects web_of_lies
    word_sorting
"""


class _BigBench(Published):
    """Reader of rows in the formats of BIG-bench.

    A row is {"input", "target"}, {"input", "target_scores": {option: score}}, or the hub's columns
    of the latter.
    """

    def problem(self, row: Row) -> Problem | None:
        question = AS_ASKED.sub("", row.text("input", "inputs").strip()).strip()
        scores = row.values.get("target_scores")
        if scores is None and row.values.get("multiple_choice_targets"):
            scores = dict(
                zip(
                    row.list("multiple_choice_targets"),
                    row.list("multiple_choice_scores"),
                    strict=True,
                )
            )
        if scores is None:
            answer = _target(row).strip()
        elif not isinstance(scores, Mapping) or [*scores.values()].count(1) != 1:
            raise row.fault("one option, and no more, must have the score 1")
        else:
            question, answer = (
                with_options(question, map(str, scores)),
                f"({LETTERS[[*scores.values()].index(1)]})",
            )
        return Problem(self.id(row), question, answer, group=row.source or self.type)


def _target(row: Row) -> str:
    """The text of the target, which may be the only one of a list."""
    name = "targets" if row.values.get("target") is None else "target"
    match row.values.get(name):
        case [target]:
            row = replace(row, values={name: target})
    return row.text("target", "targets")


class Bbh(_BigBench):
    """BIG-Bench Hard, Suzgun et al. 2022 (arXiv 2210.09261): 27 subtasks, each a group of its own.

    Published for testing alone.
    """

    type: Literal["bbh"] = "bbh"
    card: ClassVar[Card] = Card(
        "27 tasks of BIG-bench on which models were below people",
        "MIT",
        hub="SaylorTwift/bbh",
        configs=tuple(HARD.split()),
        download="it, or the folder bbh of the original repository,",
        splits={"test": 6511},
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "prompt": {
            "template": (
                'Q: {question}\nThink step by step, and end with "The answer is" and the'
                " answer.\nA:"
            ),
            "hint_template": "Q: {question}\nThe answer is {answer}. Say why, and end with it.\nA:",
        },
        "sampling": {"max_tokens": 512, "stop": ["\nQ:"]},
        "verifier": {"type": "choice"},
    }
    splits: ClassVar[Mapping[str, Split]] = {"test": "test"}
    subtasks: tuple[str, ...] = Field(
        (), description="names of subtasks that are loaded; none: all"
    )

    def configs(self) -> tuple[str, ...]:
        return self.subtasks or self.card.configs

    def problem(self, row: Row) -> Problem | None:
        return None if self.subtasks and row.source not in self.subtasks else super().problem(row)


class _BigBenchTask(_BigBench):
    """A task of BIG-bench, from the hub or from its own file.

    What the hub publishes as validation is for reporting; the task's own file has one list of
    examples, which is for testing.
    """

    splits: ClassVar[Mapping[str, Split]] = {"train": "train", "validation": "test", "test": "test"}
    for_testing: ClassVar[bool] = True


class DateUnderstanding(_BigBenchTask):
    """date_understanding of BIG-bench (arXiv 2206.04615), or of BIG-Bench Hard."""

    type: Literal["date_understanding"] = "date_understanding"
    card: ClassVar[Card] = Card(
        "which date is meant, in up to six options",
        "Apache-2.0",
        hub="tasksource/bigbench",
        configs=("date_understanding",),
        download="date_understanding/*, or task.json of the original repository,",
        splits={"train": 296, "validation": 73},
    )
    defaults: ClassVar[Mapping[str, Any]] = questions_and_answers(
        "date_understanding", 160, "choice"
    )


class LogicalDeduction(_BigBenchTask):
    """logical_deduction of BIG-bench (arXiv 2206.04615), or of BIG-Bench Hard.

    Three, five or seven objects.
    """

    type: Literal["logical_deduction"] = "logical_deduction"
    card: ClassVar[Card] = Card(
        "the order of three to seven objects, from clues",
        "Apache-2.0",
        hub="tasksource/bigbench",
        configs=("logical_deduction",),
        download="logical_deduction/*, or the task.json files of the original repository,",
        splits={"train": 1200, "validation": 300},
    )
    defaults: ClassVar[Mapping[str, Any]] = questions_and_answers(
        "logical_deduction", 256, "choice"
    )
