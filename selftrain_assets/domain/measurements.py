"""What is measured of problems, samples, verdicts and rows, as manifests keep it.

Reports show them as they are. What older versions did not measure yet is absent in what they left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from selftrain_assets.domain.statistics import Estimate, recorded

as_kept = with_config(ConfigDict(extra="allow", ser_json_inf_nan="constants"))
"""Reading one loses nothing that another version has put there."""


@recorded
@dataclass(frozen=True, slots=True)
class Thoughts:
    """Thoughts of samples, with lengths in tokens.

    Of `drawn` samples some `think`; of these some never close their thought (`unclosed`), and some
    were `forced` to at their budget. Lengths are mean, median, p90 (the ninth decile) and max; None
    where no length is known.
    """

    drawn: int
    think: int
    unclosed: int
    forced: int = 0
    thought_tokens: Mapping[str, float] | None = None
    answer_tokens: Mapping[str, float] | None = None


@as_kept
class Leak(TypedDict, total=False):
    """Held-out text in what is learnt from.

    `problem_id` is what it was found in, and `found_in` says where there; `held_out_id` is the
    problem whose text it is, and `held_out` says which; `exact` is whether it is the whole text;
    `span` is what both have in common, of `words` words.
    """

    found_in: str
    problem_id: str
    sample_key: str | None
    held_out: str
    held_out_id: str
    exact: bool
    words: int
    span: str


@as_kept
class Repeated(TypedDict, total=False):
    """A correct completion that was drawn several times."""

    problem_id: str
    times: int
    completion: str


@as_kept
class Solutions(TypedDict, total=False):
    """Correct samples, how many of them are distinct, their mean length, and those drawn most."""

    correct: int
    distinct: int
    mean_tokens: float | None
    repeated: list[Repeated]


@as_kept
class Unparsed(TypedDict, total=False):
    """A sample that no answer could be read out of, and why."""

    sample_key: str
    problem_id: str
    completion: str
    reason: str


@recorded
@dataclass(frozen=True, slots=True)
class Reread:
    """Samples of one outcome that were `read` again, and how many of them `turned`: passed."""

    read: int
    turned: int


@recorded
@dataclass(frozen=True, slots=True, kw_only=True)
class SecondOpinion:
    """Of `failed` samples some were `read` by another verifier, and some of these `turned`: passed.

    `share` is that of `turned` in `read`, None where nothing was read again. `by` says who reads
    what, `left_out` which verifiers have no other reading, `error` why some samples could not be
    read (pipeline/second_opinion.py).
    """

    failed: int
    read: int
    turned: int
    share: Estimate | None
    wrong: Reread
    malformed: Reread
    by: Mapping[str, Sequence[str]]
    left_out: Sequence[str]
    error: str | None
    examples: Sequence[Mapping[str, str]]


@as_kept
class RowsOfProblem(TypedDict, total=False):
    """How many rows a problem has."""

    problem_id: str
    rows: int


@as_kept
class Concentration(TypedDict, total=False):
    """Share of the rows that the problems with most rows hold, and the first of these."""

    share: float | None
    problems: list[RowsOfProblem]


@recorded
@dataclass(frozen=True, slots=True)
class Tokenization:
    """Rows that are trained on as they were drawn, and rows tokenized from their text.

    Of those that were looked at, the number that would differ (pipeline/tokenization.py).
    """

    as_drawn: int
    as_drawn_looked_at: int
    as_drawn_different: int
    from_text: int
    from_text_looked_at: int
    from_text_different: int
    other_tokenizer: int = 0

    def differing(self) -> dict[str, float]:
        """Share of the rows looked at that tokenizing changes, by kind.

        Kinds of which no row was looked at are left out.
        """
        kinds = {
            "as_drawn": (self.as_drawn_different, self.as_drawn_looked_at),
            "from_text": (self.from_text_different, self.from_text_looked_at),
        }
        return {kind: different / total for kind, (different, total) in kinds.items() if total}


@recorded
@dataclass(frozen=True, slots=True)
class Yield:
    """Samples, and how many of them are correct."""

    samples: int
    correct: int


@recorded
@dataclass(frozen=True, slots=True)
class Difficulty:
    """Greedy accuracy of the base and now, on problems that the base solves about as often."""

    problems: int
    base: float
    now: float
