"""The nouns of the loop. Plain frozen records; every module speaks in these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypedDict

from selftrain_assets.domain.foreign import storable

REASON, OUTPUT, PARSED = 1_000, 500, 200_000  # characters of each that are kept

OwnSplit = Literal["train", "human", "validation", "test", "transfer"]
"""What a task says of its problems."""
Split = Literal["train", "human", "validation", "test", "transfer", "suite", "source"]
"""A suite's problems are of another task; every policy is measured on them too. So are those of
a source, which are learnt from."""
SPLITS: tuple[Split, ...] = ("train", "human", "validation", "test", "transfer", "suite", "source")
HELD_OUT: tuple[Split, ...] = ("validation", "test", "transfer", "suite")

Resource = Literal["cpu", "network", "sandbox", "gpu"]
"""What work occupies: processor time alone, a service, the Docker sandbox, or an accelerator. Of
work that needs several the last of them counts."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One question with a checkable answer, or with tests for programs that solve it.

    Attributes:
        tests: Tests as JSON (domain/program_tests.py): arguments and results of calls may be any
            values, for which Arrow has no type.
        solution: A solution by a human, where there is one.
        solutions: Solutions by a human, by the name of their method (mmst).
        collection: The suite or the source that it is of; None for a problem of the task itself.
    """

    id: str
    question: str
    answer: str
    split: Split = "train"
    group: str = ""
    solution: str | None = None
    tests: str | None = None
    solutions: dict[str, str] | None = None
    collection: str | None = None

    def __post_init__(self) -> None:
        # Tables of older versions have no such column, but ids that begin with the name.
        if self.collection is None and self.split in ("suite", "source"):
            object.__setattr__(self, "collection", self.id.partition("/")[0])


@dataclass(frozen=True, slots=True)
class Request:
    """One completion to be drawn.

    `key` is the identity of the sample that answers it (domain/identity.py).

    `continues` are ids that the completion begins with: its text, tokens and their number count
    them, and what is drawn goes on from them.
    """

    key: str
    problem_id: str
    prompt: str
    seed: int
    index: int
    continues: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """What an engine drew for the request with this key. `finish_reason` is "stop" or "length".

    `tokens` are the ids as they were drawn, the end token included; None where the engine does not
    know them. `ended_by` is the text of the end token, or the stop text, that ended it: None where
    it was cut off, or where nobody says. Neither is part of `text`. Of that, the characters from
    one `forced` position to the other were not drawn: the mark that ended a thought at its budget.
    """

    key: str
    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    tokens: list[int] | None = None
    ended_by: str | None = None
    forced: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", storable(self.text))


@dataclass(frozen=True, slots=True)
class Sample:
    """A request together with its completion; kept whether right or wrong.

    `tokens` are ids of the tokenizer with this digest.

    Where the completion begins with a thought, the answer starts at the character `answer_start`,
    and at the token `answer_token`, unless it starts within one. The finish_reason of a thought
    that never closes is "thought".
    """

    key: str
    problem_id: str
    prompt: str
    completion: str
    seed: int
    index: int
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    policy: str
    engine: str
    tokens: list[int] | None = None
    tokenizer: str | None = None
    ended_by: str | None = None
    answer_start: int | None = None
    answer_token: int | None = None
    forced: list[int] | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a verifier judges: a completion, and what it answers.

    Attributes:
        problem: The problem with its reference answer or tests.
        completion: The completion, without the thought that it may begin with.
        prompt: What the model was asked; empty where that is not known.
        method: How the problem is to be solved, where a recipe has several methods.
    """

    problem: Problem
    completion: str
    prompt: str = ""
    method: str | None = None


class Outcome(StrEnum):
    """The seven things a verifier may say.

    Only PASS is right and counts in an accuracy. A verdict that is WRONG may have a share of the
    reward, and is trained on where a recipe's `threshold` allows it. INFRA_ERROR says nothing about
    the sample: it is owed again, never trained on, never counted in an accuracy.
    """

    PASS = "pass"
    WRONG = "wrong"
    MALFORMED = "malformed"
    TIMEOUT = "timeout"
    RESOURCE = "resource"
    UNSCORABLE = "unscorable"
    INFRA_ERROR = "infra_error"


@dataclass(frozen=True, slots=True)
class Execution:
    """What became of the program that a completion holds.

    `failed_case` counts from 0; `output` is an excerpt.
    """

    failed_case: int | None
    cpu_seconds: float
    wall_seconds: float
    peak_memory_bytes: int
    output: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", storable(self.output, OUTPUT))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verifier says of one completion: reward in [0, 1], the answer it parsed, and why.

    Whatever a model wrote, it can be stored.
    """

    outcome: Outcome
    reward: float
    parsed: str | None
    reason: str
    execution: Execution | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", storable(self.reason, REASON))
        if self.parsed is not None:
            object.__setattr__(self, "parsed", storable(self.parsed, PARSED))


@dataclass(frozen=True, slots=True)
class Verification:
    """A verdict bound to its sample and to the verifier that gave it.

    `content` is the hash of what was judged, where a verifier shares verdicts between equal
    programs; `same_as` is then the sample whose program was run. The fields of an execution are
    None where no program was.
    """

    key: str
    sample_key: str
    problem_id: str
    outcome: str
    reward: float
    parsed: str | None
    reason: str
    verifier: str
    content: str | None = None
    same_as: str | None = None
    failed_case: int | None = None
    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    peak_memory_bytes: int | None = None
    output: str | None = None


class Section(TypedDict):
    """A part of a completion that has a weight of its own, as tables have it.

    Attributes:
        length: Its length in characters.
        factor: Its weight as a multiple of the row's.
    """

    length: int
    factor: float


@dataclass(frozen=True, slots=True)
class Row:
    """One training row: loss on `completion` alone, times `weight`.

    `sample_key` leads back to the sample; None for human rows, whose source is the problem's own
    solution. `method` is how it solves the problem, where a recipe has several; a translation names
    the sample that it `translates`, and that one's method, its `origin`. A `turn` is one of the
    trajectory that begins with the sample. `sections` together cover the completion; without them
    all of it has the same weight.

    `tokens` are the completion's ids as they were drawn, by the tokenizer with this digest. Without
    them the text is tokenized, and `ended_by` is learnt behind it: an end token or a stop text,
    nothing where it is empty, the tokenizer's own end token for None. Of the completion, what is
    `forced`, from one character to another, is not learnt.
    """

    key: str
    problem_id: str
    prompt: str
    completion: str
    weight: float
    source: str
    sample_key: str | None
    iteration: int
    method: str | None = None
    origin: str | None = None
    translates: str | None = None
    turn: int | None = None
    sections: list[Section] | None = None
    tokens: list[int] | None = None
    tokenizer: str | None = None
    ended_by: str | None = None
    forced: list[int] | None = None


@dataclass(frozen=True, slots=True)
class SampleMembership:
    """Membership of a sample in a stage; the sample itself lies in the pool of its policy.

    Where a recipe has several methods, `method` is the one that was asked for. A translation names
    the sample that it `translates`, and the method of that one as its `origin`.
    """

    key: str
    problem_id: str
    method: str | None = None
    origin: str | None = None
    translates: str | None = None


@dataclass(frozen=True, slots=True)
class VerdictMembership:
    """Membership of a verdict in a stage, with the verdict itself.

    A stage whose verdicts came out otherwise is another one.
    """

    key: str
    sample_key: str
    problem_id: str
    outcome: str
    reward: float
    method: str | None = None
    origin: str | None = None
    translates: str | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """Results of one problem under one policy, by one method.

    Whether its greedy completion was right, and how many of its samples were.
    """

    problem_id: str
    split: str
    group: str
    greedy: int
    samples: int
    correct: int
    method: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a trajectory (TriPosT): an attempt, feedback on it, and the update, if any.

    `sample_key` is the attempt that the trajectory begins with, `turn` counts from 1. Feedback and
    update are `by` script, model or self, the policy; those that were drawn name their sample.
    `own` is what the policy's own feedback was: right, wrong or unreadable. `step` is the first
    error, None for none; `outcome` the verdict on the update.
    """

    sample_key: str
    turn: int
    problem_id: str
    attempt: str
    feedback: str
    feedback_by: str
    feedback_sample: str | None
    own: str | None
    step: int | None
    kind: str
    update: str | None = None
    update_by: str | None = None
    update_sample: str | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Trajectory:
    """An attempt and how its editing ended.

    It was correct at once, it was improved, or it is dropped for a reason.
    """

    sample_key: str
    problem_id: str
    group: str
    ending: str
    turns: int
    kept: int


@dataclass(frozen=True, slots=True)
class Improvement:
    """A held-out problem answered with self-improvement.

    Outcome of the first and of the last attempt, own updates, and how it ended. Of `judged`
    attempts the policy `flagged` some, of which `flagged_wrong` were wrong, as were `wrong` of all.
    """

    problem_id: str
    split: str
    group: str
    direct: str
    final: str
    updates: int
    ended: str
    flagged: int
    flagged_wrong: int
    wrong: int
    judged: int
