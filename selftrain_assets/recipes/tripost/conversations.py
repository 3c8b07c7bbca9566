"""TriPosT's trajectory editing and self-improvement, as conversations about one problem.

A conversation is a generator: it yields a request for a completion or a verdict, is sent the
response, and returns its record. So each of the two loops reads from top to bottom as in the paper,
while recipes/tripost/conversation_runner.py runs thousands of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Literal

from selftrain_assets.domain.attempts import Attempt, Feedback, Script, read_report
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.prompts import Prompt, fill
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Improvement, Outcome, Problem, Trajectory, Turn
from selftrain_assets.recipes.tripost.settings import Filter, TriPosT

Role = Literal["policy", "feedback", "improver"]


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """Request for a completion from the model with this role."""

    role: Role
    problem_id: str
    prompt: str
    sampling: DrawSettings


@dataclass(frozen=True, slots=True)
class VerdictRequest:
    """Request for a verdict on a text."""

    problem: Problem
    text: str


@dataclass(frozen=True, slots=True)
class Response:
    """The response to a request.

    For a completion it has the text, the key of the sample, and whether it was cut off; for a
    verdict it has the outcome.
    """

    text: str = ""
    key: str | None = None
    outcome: Outcome | None = None
    cut_off: bool = False


ConversationRequest = CompletionRequest | VerdictRequest
Fault = str
"""Why a trajectory is dropped."""


@dataclass(frozen=True, slots=True)
class _State:
    """An attempt with its outcome and its first error; None if the error is unknown."""

    text: str
    attempt: Attempt
    outcome: Outcome
    error: Feedback | None
    by: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Conversations:
    """The conversations about the problems of a task, with the settings of a recipe.

    If `own` is set, the policy gives feedback and updates of its own.
    """

    recipe: TriPosT
    prompt: Prompt
    script: Script | None
    own: bool

    def trajectory(
        self, problem: Problem, sample_key: str, text: str, outcome: Outcome, cut_off: bool = False
    ) -> Generator[ConversationRequest, Response, tuple[Trajectory, list[Turn]]]:
        """Edit one attempt until it is right (section 3.1).

        A text that was cut off is not learnt from.
        """
        recipe, wording = self.recipe, self.recipe.wording
        turns: list[Turn] = []

        def end(ending: str) -> tuple[Trajectory, list[Turn]]:
            return (
                Trajectory(
                    sample_key,
                    problem.id,
                    problem.group,
                    ending,
                    len(turns),
                    int(ending in ("correct", "improved")),
                ),
                turns,
            )

        if outcome == Outcome.INFRA_ERROR:
            return end("infra_error")
        if cut_off:
            return end("cut_off")
        attempt = wording.read(text)
        if attempt is None:
            return end("unparsable")
        if "too_long" in recipe.filters and len(text.split()) > recipe.max_words:
            return end("too_long")
        state = _State(
            text,
            attempt,
            outcome,
            (yield from self._first_error(problem, text, attempt, outcome)),
            "self",
            sample_key,
        )
        while True:
            if state.error is None:
                return end("feedback_unreadable")
            if state.error.step is not None and state.attempt.part(state.error.step) is None:
                return end("no_such_step")
            own: Response | None = None
            if self.own:
                own = yield CompletionRequest(
                    "policy",
                    problem.id,
                    self._feedback_prompt(problem, state.text),
                    recipe.own_feedback(),
                )
            own_error = wording.read_feedback(own.text) if own and not own.cut_off else None
            right = own_error is not None and own_error.step == state.error.step
            feedback = (
                own.text.strip()
                if own and right
                else wording.write_feedback(state.error, state.attempt)
            )
            by = "self" if right else recipe.feedback.by
            wrong = "unreadable" if own_error is None else "wrong"
            own_quality = "right" if right else wrong
            turn = Turn(
                sample_key,
                len(turns) + 1,
                problem.id,
                state.text,
                feedback,
                by,
                own.key if own else None,
                own_quality if own else None,
                state.error.step,
                state.error.kind,
            )
            if state.error.step is None:
                if state.outcome != Outcome.PASS:
                    return end("contradiction")
                turns.append(turn)
                return end("correct" if len(turns) == 1 else "improved")
            if len(turns) == recipe.max_updates:
                return end("not_successful")
            update = yield from self._update(problem, state, state.error, feedback, right)
            if isinstance(update, Fault):
                return end(update)
            turns.append(
                replace(
                    turn,
                    update=update.text,
                    update_by=update.by,
                    update_sample=update.key,
                    outcome=str(update.outcome),
                )
            )
            state = update

    def answer(
        self, problem: Problem, text: str
    ) -> Generator[ConversationRequest, Response, Improvement]:
        """Answer a problem with self-improvement (section 3.3).

        The policy attempts it, gives itself feedback, and updates, until it declares itself right,
        repeats itself, or reaches the limit.
        """
        recipe, wording, texts, ending = self.recipe, self.recipe.wording, [text], "limit"
        flags: list[tuple[str, bool]] = []
        while len(texts) <= recipe.updates_at_test:
            own = yield CompletionRequest(
                "policy",
                problem.id,
                self._feedback_prompt(problem, texts[-1]),
                recipe.own_feedback(greedy=True),
            )
            own_error = wording.read_feedback(own.text)
            if own_error is None:
                ending = "unreadable"
                break
            flags.append((texts[-1], own_error.step is not None))
            if own_error.step is None:
                ending = "declared_right"
                break
            update = yield CompletionRequest(
                "policy",
                problem.id,
                self._update_prompt(problem, texts[-1], own.text),
                recipe.own_update(greedy=True),
            )
            if update.text.split() in [attempt.split() for attempt in texts]:
                ending = "repeated"
                break
            texts.append(update.text)
        outcomes = []
        for attempt in texts:
            outcomes.append((yield VerdictRequest(problem, attempt)).outcome)
        judgements = [
            (flagged, self._is_wrong(problem, attempt, outcomes[texts.index(attempt)]))
            for attempt, flagged in flags
        ]
        return Improvement(
            problem.id,
            problem.split,
            problem.group,
            str(outcomes[0]),
            str(outcomes[-1]),
            len(texts) - 1,
            ending,
            flagged=sum(flagged for flagged, _ in judgements),
            flagged_wrong=sum(flagged and wrong for flagged, wrong in judgements),
            wrong=sum(wrong for _, wrong in judgements),
            judged=len(judgements),
        )

    def _is_wrong(self, problem: Problem, text: str, outcome: Outcome | None) -> bool:
        """Whether an attempt is wrong.

        A script, if there is one, decides: it also sees a wrong step before a right answer.
        """
        attempt = self.recipe.wording.read(text)
        if self.script is None or attempt is None:
            return outcome != Outcome.PASS
        return self._script_feedback(problem, attempt).step is not None

    # -- what is asked -----------------------------------------------------------------------------

    def _feedback_prompt(self, problem: Problem, text: str) -> str:
        return f"{self.prompt.render(problem)}{text.rstrip()}{self.recipe.wording.feedback}"

    def _update_prompt(self, problem: Problem, text: str, feedback: str) -> str:
        return (
            f"{self._feedback_prompt(problem, text)}{feedback.strip()}{self.recipe.wording.update}"
        )

    # -- errors and updates ------------------------------------------------------------------------

    def _first_error(
        self, problem: Problem, text: str, attempt: Attempt, outcome: Outcome
    ) -> Generator[ConversationRequest, Response, Feedback | None]:
        """Find the first error (FBK); a model is not asked if the verifier passes the attempt."""
        settings = self.recipe.feedback
        if settings.by == "script":
            return self._script_feedback(problem, attempt)
        if outcome == Outcome.PASS:
            return Feedback(None)
        if settings.by == "self":
            response = yield CompletionRequest(
                "policy",
                problem.id,
                self._feedback_prompt(problem, text),
                self.recipe.own_feedback(),
            )
            return None if response.cut_off else self.recipe.wording.read_feedback(response.text)
        prompt = fill(settings.prompt, problem).replace("{attempt}", text.strip())
        response = yield CompletionRequest("feedback", problem.id, prompt, settings.sampling)
        return (
            None
            if response.cut_off
            else read_report(response.text) or self.recipe.wording.read_feedback(response.text)
        )

    def _update(
        self, problem: Problem, state: _State, error: Feedback, feedback: str, own_right: bool
    ) -> Generator[ConversationRequest, Response, _State | Fault]:
        """Update an attempt.

        The policy's own update is used if its feedback was right and the update is accepted;
        otherwise that of the improver (IMP).
        """
        recipe, step = self.recipe, error.step or 1
        if own_right or recipe.improver.by == "self":
            response = yield CompletionRequest(
                "policy",
                problem.id,
                self._update_prompt(problem, state.text, feedback),
                recipe.own_update(),
            )
            own = yield from self._check_update(
                problem, state, error, response.text, "self", response.key, response.cut_off
            )
            if isinstance(own, _State) or recipe.improver.by == "self":
                return own
        kept = state.attempt.steps[: step - 1]
        if recipe.improver.by == "script":
            return (
                yield from self._check_update(
                    problem,
                    state,
                    error,
                    recipe.wording.write(self._script_improvement(problem, kept)),
                    "script",
                    None,
                )
            )
        fields = {
            "attempt": state.text.strip(),
            "feedback": feedback,
            "step": str(step),
            "prefix": "\n".join(recipe.wording.write_steps(kept)),
        }
        prompt = fill(recipe.improver.prompt, problem)
        for name, value in fields.items():
            prompt = prompt.replace(f"{{{name}}}", value)
        response = yield CompletionRequest("improver", problem.id, prompt, recipe.improver.sampling)
        return (
            yield from self._check_update(
                problem,
                state,
                error,
                self._whole_attempt(kept, response.text),
                "model",
                response.key,
                response.cut_off,
            )
        )

    def _whole_attempt(self, kept: tuple[str, ...], text: str) -> str:
        """The complete attempt, given what a model wrote from some step on.

        The steps before it are added, unless the model has repeated them. Where steps have no
        numbers, it has repeated them if its text begins with them.
        """
        wording = self.recipe.wording
        attempt = wording.read(text)
        if attempt is not None and (
            "{number}" in wording.step or attempt.steps[: len(kept)] == kept
        ):
            return text
        return wording.separator.join([*wording.write_steps(kept), text.strip()])

    def _check_update(
        self,
        problem: Problem,
        state: _State,
        error: Feedback,
        text: str,
        by: str,
        key: str | None,
        cut_off: bool = False,
    ) -> Generator[ConversationRequest, Response, _State | Fault]:
        if cut_off:
            return "update_cut_off"
        updated = self.recipe.wording.read(text)
        if updated is None:
            return "update_unparsable"
        if by != "script" and (
            fault := fault_of_update(state.attempt, error, updated, self.recipe.filters)
        ):
            return fault
        outcome = (yield VerdictRequest(problem, text)).outcome
        assert outcome is not None
        if outcome == Outcome.INFRA_ERROR:
            return "infra_error"
        next_error = yield from self._first_error(problem, text, updated, outcome)
        if (
            "no_progress" in self.recipe.filters
            and next_error is not None
            and not is_progress(error, next_error)
        ):
            return "no_progress"
        return _State(text, updated, outcome, next_error, by, key)

    # -- the script --------------------------------------------------------------------------------

    def _script_feedback(self, problem: Problem, attempt: Attempt) -> Feedback:
        """The feedback of the script.

        Raises:
            UserError: The script fails, or names a step that the attempt does not have.
        """
        error = self._run("feedback", problem, attempt)
        if not isinstance(error, Feedback):
            raise UserError(
                f"{self._culprit('feedback', problem)} returned {error!r}; it has to return a"
                " Feedback (domain/attempts.py)"
            )
        if error.step is not None and attempt.part(error.step) is None:
            raise UserError(
                f"{self._culprit('feedback', problem)} names step {error.step} of an attempt with"
                f" {len(attempt.steps)} steps; steps count from 1, and {len(attempt.steps) + 1} is"
                " the final answer"
            )
        return error

    def _script_improvement(self, problem: Problem, kept: tuple[str, ...]) -> Attempt:
        improved = self._run("improve", problem, kept)
        if not isinstance(improved, Attempt) or improved.steps[: len(kept)] != kept:
            raise UserError(
                f"{self._culprit('improve', problem)} returned {improved!r}; it has to return an"
                f" Attempt that begins with {kept!r}"
            )
        return improved

    def _run(self, name: str, problem: Problem, argument: object) -> object:
        try:
            return getattr(self.script, name)(problem, argument)
        except Exception as error:
            raise UserError(
                f"{self._culprit(name, problem)} failed: {type(error).__name__}: {error}"
            ) from error

    def _culprit(self, name: str, problem: Problem) -> str:
        return (
            f"recipe.feedback.script: `{name}` of {type(self.script).__name__} on problem"
            f" {problem.id}"
        )


def fault_of_update(
    before: Attempt, error: Feedback, after: Attempt, filters: tuple[Filter, ...]
) -> Fault | None:
    """The first filter that an update does not pass, or None.

    Right steps have to stay, the wrong one has to change, and its wrong segment has to be gone.
    """
    step = error.step or 1
    new_part, wrong_part = after.part(step), before.part(step)
    faults: dict[Filter, bool] = {
        "prefix_changed": after.steps[: step - 1] != before.steps[: step - 1],
        "step_unchanged": new_part == wrong_part,
        "segment_kept": new_part is not None and _contains(new_part, error.segment),
    }
    return next((name for name, applies in faults.items() if applies and name in filters), None)


def _contains(text: str, segment: str) -> bool:
    """Whether a text contains a segment as whole words: 14 does not contain 4."""
    start, end = (
        r"\b" if re.fullmatch(r"\w", edge) else "" for edge in (segment[:1], segment[-1:])
    )
    return bool(segment) and re.search(start + re.escape(segment) + end, text) is not None


def is_progress(before: Feedback, after: Feedback) -> bool:
    """Whether the next error is later or different, or there is none."""
    if before.step is None or after.step is None:
        return after.step is None
    return after.step > before.step or (
        after.step == before.step and after.segment != before.segment
    )
