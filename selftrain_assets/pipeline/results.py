"""The results that each stage records in its manifest.

Stages write these classes, and readers of a manifest parse it as one of them. The results of stages
of a single recipe are defined with the recipe.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from selftrain_assets.config.forks import Fork
from selftrain_assets.domain.measurements import (
    Concentration,
    Difficulty,
    Leak,
    SecondOpinion,
    Solutions,
    Thoughts,
    Tokenization,
    Unparsed,
    Yield,
)
from selftrain_assets.domain.statistics import Estimate
from selftrain_assets.domain.weights import WeightsRef
from selftrain_assets.recipes.teachers import CheckpointOf
from selftrain_assets.store.results import Count, Detail, In, Metric, OptionalCount, StageResult

Series = tuple[tuple[int, float], ...]
"""A value by optimizer step."""
Yields = dict[str, dict[str, Yield]]
"""By the method asked for and the method that the solution is from."""


class LeaksFound(StageResult):
    """Held-out text found in training data.

    `leaks` are listed, `more_leaks` are only counted; `looked_at` says what was searched.
    """

    leaks: Detail[tuple[Leak, ...]] = ()
    more_leaks: Detail[int] = 0
    looked_at: Detail[str] = "nothing was looked at"


class ProblemsResult(LeaksFound):
    """The number of problems by split.

    `moment` is the time that is passed to chat templates, if any prompt is a chat.
    """

    train: Count
    human: Count
    validation: Count
    test: Count
    transfer: Count
    suite: Count = 0
    source: Count = 0
    remarks: Detail[tuple[str, ...]] = ()
    moment: Detail[datetime | None] = None

    @property
    def trained_on(self) -> int:
        """The number of problems whose text can enter training rows."""
        return self.train + self.human + self.source


class PolicyResult(StageResult):
    """The weights that a round samples from.

    `origin` is the scope whose checkpoint they are, or "teacher". `forks` are the forks for which
    this round is the first one after them.
    """

    weights: Annotated[WeightsRef, In("detail", formerly="place")]
    origin: Detail[str]
    teacher: Detail[CheckpointOf | None] = None
    forks: Detail[tuple[Fork, ...]] = ()


class SamplesResult(StageResult):
    """Counts of the samples that a stage requested.

    They are samples of `problems` problems; `reused` had been drawn before, and `cut_off` did not
    end by themselves.
    """

    samples: Count
    reused: Count
    problems: Count
    cut_off: Count
    thoughts: Metric[Thoughts | None] = None


class VerificationsResult(StageResult):
    """Counts of verdicts by outcome.

    Of all `verifications`, `shared` reuse the verdict on an equal program, and `reused` existed
    before.

    `policy` and `verifiers` are the digests of the pools that contain the verdicts.
    """

    passed: Count = Field(alias="pass")
    wrong: Count
    malformed: Count
    timeout: Count
    resource: Count
    unscorable: Count
    infra_error: Count
    verifications: Count
    shared: Count = 0
    reused: Count
    problems_solved: Count
    policy: Detail[str]
    verifiers: Detail[tuple[str, ...]]
    unparsed: Detail[tuple[Unparsed, ...]] = ()
    solutions: Metric[Solutions | None] = None
    second_opinion: Metric[SecondOpinion | None] = None
    yields: Metric[Yields | None] = None


class DatasetResult(LeaksFound):
    """Counts of rows by where they come from.

    Own rows are selected from `verified` samples, of which some are `correct`, and of these some
    `cut_off` and left out. Among the policy's own samples are `improved` ones and those
    `from_earlier_rounds`; `human` rows are made from worked solutions.

    `rows_by_source` counts own rows by source (older stores count `rationalized` ones).
    `rows_by_method` counts rows by their method and the method that the solution is from; `mixed`
    counts rows of other sources.
    """

    rows: Count
    own: Count = Field(alias="self")
    human: Count
    rationalized: OptionalCount = None
    improved: OptionalCount = None
    from_earlier_rounds: Count = 0
    verified: Count
    correct: Count
    cut_off: OptionalCount = None
    problems: Count
    rows_by_source: Metric[dict[str, int] | None] = None
    rows_by_method: Annotated[dict[str, dict[str, int]] | None, In("metrics", "rows")] = None
    mixed: Metric[dict[str, int] | None] = None
    diversity: Metric[dict[str, int | float] | None] = None
    tokenization: Metric[Tokenization | None] = None
    concentration: Detail[Concentration | None] = None

    @property
    def trained_on(self) -> int:
        """The number of rows."""
        return self.rows


class CheckpointResult(StageResult):
    """The weights after training, or those of an unchanged base.

    `start` are the weights that training began from. `optimizer_steps_by_method` are counted if
    each method has weights of its own.
    """

    weights: Annotated[WeightsRef, In("detail", formerly="place")]
    start: Detail[WeightsRef | None] = None
    seed: Detail[int | None] = None
    rows: OptionalCount = None
    steps: OptionalCount = None
    optimizer_steps: OptionalCount = None
    optimizer_steps_by_method: Annotated[dict[str, int] | None, In("detail", "optimizer_steps")] = (
        None
    )
    losses: Metric[Series | None] = None
    validation: Metric[Series | None] = None


class Accuracies(StageResult):
    """Accuracies of all methods together, of one method, or on one suite."""

    model_config = ConfigDict(extra="ignore")  # other versions may measure more

    greedy_accuracy: Metric[Estimate]
    mean_reward: Metric[Estimate | None] = None
    train_accuracy: Metric[Estimate | None] = None
    validation_accuracy: Metric[Estimate | None] = None
    transfer_accuracy: Metric[Estimate | None] = None
    pass_at_k: Metric[dict[str, Estimate]]
    maj_at_k: Metric[dict[str, Estimate]]
    groups: Metric[dict[str, dict[str, Estimate]]] = Field(default_factory=dict)
    gain_over_base: Metric[Estimate | None] = None
    by_difficulty: Metric[dict[str, Difficulty] | None] = None


class EvaluationResult(Accuracies):
    """Accuracies on held-out problems, overall, by method and by suite.

    `ranked` are the methods, the best first; `agreement` and `choice` compare them.
    """

    problems: Count
    samples: Count
    infra_error: Count
    methods: Metric[dict[str, Accuracies] | None] = None
    ranked: Metric[list[str] | None] = None
    agreement: Metric[dict[str, Any] | None] = None
    choice: Metric[dict[str, Any] | None] = None
    suites: Metric[dict[str, Accuracies] | None] = None
    second_opinion: Metric[SecondOpinion | None] = None
    thoughts: Metric[Thoughts | None] = None
    self_improvement: Metric[dict[str, Any] | None] = None
