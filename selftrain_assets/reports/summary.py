"""The numbers of an experiment as types, which `report --json`, tables and figures show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any

from selftrain_assets.config.forks import Fork
from selftrain_assets.domain.measurements import (
    Difficulty,
    SecondOpinion,
    Thoughts,
    Tokenization,
    Yield,
)
from selftrain_assets.domain.statistics import Estimate
from selftrain_assets.domain.waivers import Waiver
from selftrain_assets.pipeline.results import Accuracies

ACCURACIES = (
    "greedy_accuracy",
    "mean_reward",
    "train_accuracy",
    "validation_accuracy",
    "transfer_accuracy",
    "gain_over_base",
)

# -- what was measured of a policy -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Measurements of one policy on one set of problems: shares of problems, with intervals.

    Attributes:
        test_problems: Number of problems of the split `test`, or of a suite.
        mean_reward: Of greedy completions of the test problems, where the verifier grades.
        gain_over_base: Paired difference of greedy accuracies on these problems.
        pass_at_k: By k, as text.
        maj_at_k: By k, as text.
        groups: Greedy accuracy by split and group of problems.
        by_difficulty: By name of the bin of the base's success rate on samples.
    """

    test_problems: int
    greedy_accuracy: Estimate
    mean_reward: Estimate | None = None
    train_accuracy: Estimate | None = None
    validation_accuracy: Estimate | None = None
    transfer_accuracy: Estimate | None = None
    gain_over_base: Estimate | None = None
    pass_at_k: Mapping[str, Estimate]
    maj_at_k: Mapping[str, Estimate]
    groups: Mapping[str, Mapping[str, Estimate]]
    by_difficulty: Mapping[str, Difficulty]

    @classmethod
    def values(cls, result: Accuracies) -> dict[str, Any]:
        """Return the fields of this class from the result of an evaluation, a method or a suite."""
        same = (*ACCURACIES, "pass_at_k", "maj_at_k", "groups")
        return {
            "test_problems": result.greedy_accuracy.problems,
            "by_difficulty": result.by_difficulty or {},
            **{name: getattr(result, name) for name in same},
        }


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """The number of problems that two methods solve, and the correlation between them."""

    both: int
    only_first: int
    only_second: int
    neither: int
    phi: float
    phi_of_solved: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far methods agree on a split.

    Attributes:
        pairs: By pair of methods, as "first, second".
        union: Share of problems that any of the methods solves.
    """

    pairs: Mapping[str, PairAgreement]
    union: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySummary(Measures):
    """An evaluated policy: the base, that of a round, or that of a control.

    Attributes:
        name: Its scope in the store.
        seconds: Wall time by stage.
        methods: Measures of each method, if there are several.
        ranked: Methods, the best one on the validation split first.
        agreement: Agreement of methods by split.
        choice: By difficulty bin: number of problems, and accuracy of each method and of their
            vote.
        suites: Measures on each suite of other problems.
        thoughts: Thoughts of its evaluation.
        own: The recipe's own measures by name.
    """

    name: str
    seconds: Mapping[str, float]
    methods: Mapping[str, Measures]
    ranked: Sequence[str] = ()
    agreement: Mapping[str, Agreement] = field(default_factory=dict)
    choice: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    suites: Mapping[str, Measures] = field(default_factory=dict)
    thoughts: Thoughts | None = None
    own: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSummary(PolicySummary):
    """A control: the base fine-tuned on the human rows alone."""

    steps: int


# -- what a round did ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundCounts:
    """Numbers of samples, problems and rows of a round; None if the recipe has no such stage."""

    samples: int | None = None
    samples_reused: int | None = None
    samples_cut_off: int | None = None
    correct: int | None = None
    problems: int | None = None
    problems_solved: int | None = None
    problems_solved_so_far: int | None = None
    infra_errors: int | None = None
    kept_rows: int
    own_rows: int
    human_rows: int
    correct_cut_off: int | None = None
    optimizer_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSummary(PolicySummary):
    """A finished round.

    Attributes:
        yields: By method, and by method that the solution is from.
        thoughts_drawn: Thoughts of its training samples; `thoughts` is of its evaluation.
        second_opinion: By stage of verdicts.
        rows_by_method: Training rows by method, and by method that the solution is from.
        rows_mixed_in: Training rows by other source.
        diversity: By name; see docs/ui.md.
        policy: Digest of the weights that it sampled from.
        policy_from: Where those weights are from, such as `base` or `iter-001`.
        checkpoint: Digest of the weights that it made.
        work_seconds: Time inside engine, verifier or trainer, by stage.
    """

    iteration: int
    counts: RoundCounts
    yields: Mapping[str, Mapping[str, Yield]]
    thoughts_drawn: Thoughts | None
    second_opinion: Mapping[str, SecondOpinion]
    rows_by_method: Mapping[str, Mapping[str, int]]
    rows_mixed_in: Mapping[str, int]
    diversity: Mapping[str, float]
    tokenization: Tokenization | None
    policy: str | None
    policy_from: str | None
    checkpoint: str
    work_seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Allowed:
    """A waiver for held-out text, and how many problems and rows of all rounds it covers."""

    waiver: Waiver
    problems: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The numbers of an experiment, as far as it is finished.

    Attributes:
        confidence: Level of the intervals.
        allowed: Held-out text that is allowed in training rows.
        baseline: The base; None before its evaluation.
        iterations: Finished rounds, in order.
        human_only: Finished controls.
    """

    experiment: str
    model: str
    recipe: str
    seed: int
    confidence: float
    forks: Sequence[Fork]
    allowed: Sequence[Allowed]
    baseline: PolicySummary | None
    iterations: Sequence[RoundSummary]
    human_only: Sequence[ControlSummary]

    @property
    def base(self) -> PolicySummary:
        """The base, which must have been evaluated."""
        assert self.baseline is not None
        return self.baseline

    @property
    def policies(self) -> list[tuple[str, PolicySummary]]:
        """Return every evaluated policy with its name in tables.

        They are the base, each round and each control.
        """
        named: list[tuple[str, PolicySummary]] = [("base", self.base)]
        named += [(str(point.iteration), point) for point in self.iterations]
        named += [
            (f"human rows only, {control.steps} steps", control) for control in self.human_only
        ]
        return named

    @property
    def course(self) -> list[PolicySummary]:
        """The base and each round, in order."""
        return [self.base, *self.iterations]

    @property
    def accuracy(self) -> list[Estimate]:
        """Held-out greedy accuracy of the base, if it is evaluated, and of each round."""
        base = [self.baseline] if self.baseline else []
        return [policy.greedy_accuracy for policy in (*base, *self.iterations)]

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as `report --json` prints them; undefined numbers are None."""
        return {
            "experiment": self.experiment,
            "model": self.model,
            "recipe": self.recipe,
            "seed": self.seed,
            "confidence": self.confidence,
            "forks": [fork.model_dump(mode="json") for fork in self.forks],
            "allowed": [
                {**each.waiver.model_dump(), "problems": each.problems, "rows": each.rows}
                for each in self.allowed
            ],
            "baseline": _json(self.baseline),
            "iterations": _json(self.iterations),
            "human_only": _json(self.human_only),
        }


# -- as JSON ---------------------------------------------------------------------------------------


def _json(value: Any) -> Any:
    """Return plain values for JSON.

    Fields that a policy has no value for are left out; an accuracy stands beside its interval.
    """
    if isinstance(value, Measures):
        return _measures(value)
    if isinstance(value, RoundCounts):
        return {name: count for name, count in asdict(value).items() if count is not None}
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {name: _json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json(each) for each in value]
    return plain(value)


BY_METHOD = ("methods", "ranked", "agreement", "choice")  # where there are several
OPTIONAL = ("suites", "thoughts", "thoughts_drawn", "policy", "policy_from")


def _measures(measures: Measures) -> dict[str, Any]:
    found: dict[str, Any] = {}
    left_out = () if isinstance(measures, PolicySummary) and measures.methods else BY_METHOD
    for name in (each.name for each in fields(measures)):
        value = getattr(measures, name)
        if name in ACCURACIES:
            if value is not None:
                found |= {name: plain(value.mean), f"{name}_interval": _interval(value)}
        elif name in ("pass_at_k", "maj_at_k"):
            found[name] = {k: plain(estimate.mean) for k, estimate in value.items()}
            found[f"{name}_interval"] = {k: _interval(estimate) for k, estimate in value.items()}
        elif name == "groups":
            found[name] = {
                split: {group: _of_group(e) for group, e in of.items()}
                for split, of in value.items()
            }
        elif name == "own":
            found |= _json(value)
        elif name == "tokenization":
            found[name] = _json(value) or {}
        elif name not in left_out and (value or name not in OPTIONAL):
            found[name] = _json(value)
    return found


def _interval(estimate: Estimate) -> list[float | None]:
    return [plain(estimate.low), plain(estimate.high)]


def _of_group(accuracy: Estimate) -> dict[str, Any]:
    return {
        "accuracy": plain(accuracy.mean),
        "interval": _interval(accuracy),
        "problems": accuracy.problems,
    }


def plain(value: Any) -> Any:
    """Replace undefined numbers by None, since JSON has no NaN."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value
