"""Settings of recipe tripost: learn from corrected attempts."""

from __future__ import annotations

from typing import ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator

from selftrain_assets.domain.attempts import Wording
from selftrain_assets.domain.sampling import DrawSettings, Sampling
from selftrain_assets.domain.settings import Identity
from selftrain_assets.recipes.base import InitFrom, Rounds
from selftrain_assets.recipes.teachers import Teacher
from selftrain_assets.recipes.tripost.presets import PRESETS

Who = Literal["script", "model", "self"]
Filter = Literal["too_long", "prefix_changed", "step_unchanged", "segment_kept", "no_progress"]
FILTERS: tuple[Filter, ...] = get_args(Filter)

FIND_ERROR = """\
Here are a problem and a solution in numbered steps.

Problem: {question}
Solution:
{attempt}

Which is the first step that is wrong? Answer in three lines:
Earliest error step: its number, or none
Error segment: the part of it that is wrong, word by word
Error reason: why, in one sentence"""

IMPROVE = """\
Here are a problem, a solution in numbered steps, and what is wrong with it.

Problem: {question}
Solution:
{attempt}
Feedback: {feedback}

Write the solution again, in the same form, from step ({step}) to the final answer. The steps before it are right and stay as they are."""  # noqa: E501


class FeedbackSettings(Identity):
    """How the first error of an attempt is found (FBK in the paper)."""

    by: Who = Field("script", description="a script, a model, or the policy itself")
    script: str | None = Field(
        None,
        description=(
            "module:object with `feedback` and `improve` (domain/attempts.py, Script); None: the"
            " script of the task"
        ),
    )
    model: Teacher | None = Field(
        None, description="the model, as recipe.teacher has it; needed for by: model"
    )
    prompt: str = Field(
        FIND_ERROR, description="asks the model; {question}, {attempt} and {answer} are filled in"
    )
    sampling: DrawSettings = Field(
        DrawSettings(temperature=0.0, max_tokens=256),
        description="how the model's feedback is drawn",
    )


class ImproverSettings(Identity):
    """How an attempt is rewritten from its first error on (IMP in the paper)."""

    by: Who = Field(
        "script", description="the script of the feedback, a model, or the policy itself"
    )
    model: Teacher | None = Field(
        None, description="the model, as recipe.teacher has it; None: that of the feedback"
    )
    prompt: str = Field(
        IMPROVE,
        description=(
            "asks the model; {question}, {attempt}, {feedback}, {step}, {prefix} (the right steps)"
            " and {answer} are filled in"
        ),
    )
    sampling: DrawSettings = Field(
        DrawSettings(temperature=0.7, max_tokens=512),
        description="how the model's improvement is drawn",
    )


class Ratio(Identity):
    """The ratio of rows: right attempts, improvements, and reference solutions.

    The paper has 1 : p : 1.
    """

    correct: float = Field(1.0, ge=0, description="part of attempts that were right at once")
    improved: float = Field(1.5, ge=0, description="p, the part of turns that improve an attempt")
    gold: float = Field(1.0, ge=0, description="part of reference solutions")

    @model_validator(mode="after")
    def _has_a_part(self) -> Self:
        if not self.correct + self.improved + self.gold:
            raise ValueError(
                "every part is 0, so that nothing would be trained on; give one of them a number"
                " above 0"
            )
        return self


class SectionWeights(Identity):
    """The weight in the loss of a token of each section; 0 masks it."""

    attempt: float = Field(
        1.0, ge=0, description="of an attempt that is right, and of a reference solution"
    )
    wrong_attempt: float = Field(
        0.0,
        ge=0,
        description="of an attempt that is then corrected; the paper learns it like the others, 1",
    )
    feedback: float = Field(1.5, ge=0, description="of the feedback, its marker included")
    update: float = Field(1.5, ge=0, description="of the next attempt, its marker included")


class TriPosT(Rounds):
    """TriPosT, Yu et al. 2023 (arXiv 2310.13522), section 3.

    for i = 1 .. rounds:
        interactive trajectory editing: the policy of round i-1 attempts each problem and, from
            round `self_feedback_from_round` on, gives its own feedback and update; `feedback`
            finds the first error; what the policy said itself is kept if it is right, otherwise
            `improver` rewrites the attempt from that step on; again, until it is right or after
            `max_updates`
        post-processing: drop trajectories that do not end right, and duplicates; rebalance
            right at once : improved : gold = 1 : p : 1
        fine-tune on the turns, with larger weights from the feedback on, starting from the
            checkpoint of round i-1

    To answer, the trained model attempts, gives itself feedback, and updates, until it declares
    itself right, repeats itself, or has made `updates_at_test` updates.
    """

    type: Literal["tripost"] = "tripost"
    implementation: ClassVar[str] = "selftrain_assets.recipes.tripost.implementation"
    report: ClassVar[str | None] = "selftrain_assets.recipes.tripost.report"
    presets: ClassVar = PRESETS
    methods: ClassVar[tuple[()]] = ()
    renamed: ClassVar = {**Rounds.renamed, "self_feedback_from_round": "own_from"}
    sampling: Sampling = Field(
        Sampling(samples_per_problem=1, temperature=1.0),
        description="how attempts, and the policy's own feedback and updates, are drawn",
    )
    init_from: InitFrom = Field(
        "previous",
        description=(
            "what fine-tuning starts from: the previous checkpoint, base, or the pretrained model"
            " below it"
        ),
    )
    wording: Wording = Field(
        Wording(), description="how attempts, feedback and updates are written"
    )
    feedback: FeedbackSettings = Field(FeedbackSettings(), description="who finds the first error")
    improver: ImproverSettings = Field(ImproverSettings(), description="who rewrites from there on")
    self_feedback_from_round: int = Field(
        2,
        ge=0,
        description=(
            "first round in which the policy gives feedback and updates of its own; 0: none does"
        ),
    )
    max_updates: int = Field(
        5, ge=1, description="updates of a trajectory, after which it is dropped"
    )
    max_words: int = Field(
        512, ge=1, description="longest attempt in words, for the filter too_long"
    )
    filters: tuple[Filter, ...] = Field(
        FILTERS,
        description=(
            "what else drops a trajectory: an attempt that is too_long; an update that changes a"
            " right step (prefix_changed), leaves the wrong one (step_unchanged), keeps the wrong"
            " part in it (segment_kept), or whose next error is no later (no_progress)"
        ),
    )
    ratio: Ratio | None = Field(
        Ratio(), description="parts of the rows; null keeps all of them (ablation)"
    )
    section_weights: SectionWeights = Field(SectionWeights(), description="weights in the loss")
    minimum: int = Field(0, ge=0, description="improved trajectories without which a round stops")
    updates_at_test: int = Field(
        3,
        ge=0,
        description=(
            "own updates at most when a held-out problem is answered; 0: the attempt counts"
        ),
    )

    @model_validator(mode="after")
    def _models_are_named(self) -> Self:
        if self.feedback.by == "model" and self.feedback.model is None:
            raise ValueError(
                "feedback.by: model needs feedback.model: a directory, a hub name, {experiment,"
                " iteration} or {base_url, model}"
            )
        if (
            self.improver.by == "model"
            and self.improver.model is None
            and self.feedback.model is None
        ):
            raise ValueError(
                "improver.by: model needs improver.model, or a feedback.model: a directory, a hub"
                " name, {experiment, iteration} ..."
            )
        if self.feedback.by != "script" and self.improver.by == "script":
            raise ValueError(
                f"improver.by: script needs feedback.by: script, not {self.feedback.by}; set"
                " improver.by: model, or self"
            )
        return self

    @property
    def own_stages(self) -> tuple[str, ...]:
        return ("trajectories",)

    @property
    def learns_from(self) -> tuple[str, ...]:
        return self.own_stages

    @property
    def learns_own_samples(self) -> bool:
        return self.ratio is None or bool(self.ratio.correct or self.ratio.improved)

    @property
    def teachers(self) -> dict[str, Teacher]:
        return super().teachers | dict(self.editors.values())

    @property
    def editors(self) -> dict[Literal["feedback", "improver"], tuple[str, Teacher]]:
        """The models that find errors and improve attempts, each with the setting that names it.

        Roles that are not given to a model are left out.
        """
        models: dict[Literal["feedback", "improver"], tuple[str, Teacher]] = {}
        if self.feedback.by == "model" and self.feedback.model is not None:
            models["feedback"] = "recipe.feedback.model", self.feedback.model
        if self.improver.by == "model" and self.improver.model is not None:
            models["improver"] = "recipe.improver.model", self.improver.model
        elif self.improver.by == "model" and self.feedback.model is not None:
            models["improver"] = "recipe.feedback.model", self.feedback.model
        return models

    @property
    def drawn(self) -> Sampling:
        return self.sampling.model_copy(
            update={"stop": (*self.sampling.stop, self.wording.feedback.strip())}
        )

    def own(self, iteration: int) -> bool:
        """Whether the policy gives feedback and updates of its own in this round."""
        return self.feedback.by == "self" or 0 < self.self_feedback_from_round <= iteration

    def own_feedback(self, greedy: bool = False) -> DrawSettings:
        """How the policy draws feedback: it ends where an update begins."""
        sampling = self.sampling.greedy() if greedy else self.sampling
        return sampling.model_copy(
            update={"stop": (*sampling.stop, self.wording.update.strip())}
        ).per_draw()

    def own_update(self, greedy: bool = False) -> DrawSettings:
        """How the policy draws an update, which ends as an attempt does."""
        return (self.drawn.greedy() if greedy else self.drawn).per_draw()
