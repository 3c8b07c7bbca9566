"""TriPosT's trajectory editing and self-improvement, as conversations about one problem.

A conversation is a generator: it yields a request for a completion or a verdict, is sent the
response, and returns its record. So each of the two loops reads from top to bottom as in the paper,
while recipes/tripost/conversation_runner.py runs thousands of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

from selftrain_assets.domain.attempts import Attempt, Feedback, Script, read_report
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.prompts import Prompt, fill
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Improvement, Outcome, Problem, Trajectory, Turn
from selftrain_assets.recipes.tripost.settings import Filter, TriPosT

Role = Literal["policy", "feedback", "improver"]


@dataclass(frozen=True, slots=True)
class Ask:
    """Request for a completion from the model with this role."""

    role: Role
    problem_id: str
    prompt: str
    sampling: DrawSettings


@dataclass(frozen=True, slots=True)
class ToJudge:
    """Request for a verdict on a text."""

    problem: Problem
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """The response to a request.

    For a completion it has the text, the key of the sample, and whether it was cut off; for a
    verdict it has the outcome.
    """

    text: str = ""
    key: str | None = None
    outcome: Outcome | None = None
    cut_off: bool = False


Wanted = Ask | ToJudge
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
    ) -> Generator[Wanted, Told, tuple[Trajectory, list[Turn]]]:
        """Edit one attempt until it is right (section 3.1).

        A text that was cut off is not learnt from.
        """
        recipe, wording = self.recipe, self.recipe.wording
        turns: list[Turn] = []

        def ended(how: str) -> tuple[Trajectory, list[Turn]]:
            return (
                Trajectory(
                    sample_key,
                    problem.id,
                    problem.group,
                    how,
                    len(turns),
                    int(how in ("correct", "improved")),
                ),
                turns,
            )

        if outcome == Outcome.INFRA_ERROR:
            return ended("infra_error")
        if cut_off:
            return ended("cut_off")
        attempt = wording.read(text)
        if attempt is None:
            return ended("unparsable")
        if "too_long" in recipe.filters and len(text.split()) > recipe.max_words:
            return ended("too_long")
        now = _State(
            text,
            attempt,
            outcome,
            (yield from self._first_error(problem, text, attempt, outcome)),
            "self",
            sample_key,
        )
        while True:
            if now.error is None:
                return ended("feedback_unreadable")
            if now.error.step is not None and now.attempt.part(now.error.step) is None:
                return ended("no_such_step")
            own = (
                (
                    yield Ask(
                        "policy",
                        problem.id,
                        self._asking_feedback(problem, now.text),
                        recipe.own_feedback(),
                    )
                )
                if self.own
                else None
            )
            heard = wording.read_feedback(own.text) if own and not own.cut_off else None
            right = heard is not None and heard.step == now.error.step
            feedback = (
                own.text.strip()
                if own and right
                else wording.write_feedback(now.error, now.attempt)
            )
            by = "self" if right else recipe.feedback.by
            of_own = (
                None
                if own is None
                else "unreadable"
                if heard is None
                else "right"
                if right
                else "wrong"
            )
            said = (
                sample_key,
                len(turns) + 1,
                problem.id,
                now.text,
                feedback,
                by,
                own.key if own else None,
                of_own,
            )
            about = (now.error.step, now.error.kind)
            if now.error.step is None:
                if now.outcome != Outcome.PASS:
                    return ended("contradiction")
                turns.append(Turn(*said, *about))
                return ended("correct" if len(turns) == 1 else "improved")
            if len(turns) == recipe.max_updates:
                return ended("not_successful")
            then = yield from self._update(problem, now, now.error, feedback, right)
            if isinstance(then, Fault):
                return ended(then)
            turns.append(Turn(*said, *about, then.text, then.by, then.key, str(then.outcome)))
            now = then

    def answer(self, problem: Problem, text: str) -> Generator[Wanted, Told, Improvement]:
        """Answer a problem with self-improvement (section 3.3).

        The policy attempts it, gives itself feedback, and updates, until it declares itself right,
        repeats itself, or reaches the limit.
        """
        recipe, wording, texts, ended = self.recipe, self.recipe.wording, [text], "limit"
        flags: list[tuple[str, bool]] = []
        while len(texts) <= recipe.updates_at_test:
            own = yield Ask(
                "policy",
                problem.id,
                self._asking_feedback(problem, texts[-1]),
                recipe.own_feedback(greedy=True),
            )
            heard = wording.read_feedback(own.text)
            if heard is None:
                ended = "unreadable"
                break
            flags.append((texts[-1], heard.step is not None))
            if heard.step is None:
                ended = "declared_right"
                break
            update = yield Ask(
                "policy",
                problem.id,
                self._asking_update(problem, texts[-1], own.text),
                recipe.own_update(greedy=True),
            )
            if update.text.split() in [each.split() for each in texts]:
                ended = "repeated"
                break
            texts.append(update.text)
        outcomes = []
        for each in texts:
            outcomes.append((yield ToJudge(problem, each)).outcome)
        found = [
            (flagged, self._is_wrong(problem, each, outcomes[texts.index(each)]))
            for each, flagged in flags
        ]
        return Improvement(
            problem.id,
            problem.split,
            problem.group,
            str(outcomes[0]),
            str(outcomes[-1]),
            len(texts) - 1,
            ended,
            flagged=sum(flagged for flagged, _ in found),
            flagged_wrong=sum(flagged and wrong for flagged, wrong in found),
            wrong=sum(wrong for _, wrong in found),
            judged=len(found),
        )

    def _is_wrong(self, problem: Problem, text: str, outcome: Outcome | None) -> bool:
        """Whether an attempt is wrong.

        A script, if there is one, decides: it also sees a wrong step before a right answer.
        """
        attempt = self.recipe.wording.read(text)
        if self.script is None or attempt is None:
            return outcome != Outcome.PASS
        return self._scripted(problem, attempt).step is not None

    # -- what is asked -----------------------------------------------------------------------------

    def _asking_feedback(self, problem: Problem, text: str) -> str:
        return f"{self.prompt.render(problem)}{text.rstrip()}{self.recipe.wording.feedback}"

    def _asking_update(self, problem: Problem, text: str, feedback: str) -> str:
        return (
            f"{self._asking_feedback(problem, text)}{feedback.strip()}{self.recipe.wording.update}"
        )

    # -- errors and updates ------------------------------------------------------------------------

    def _first_error(
        self, problem: Problem, text: str, attempt: Attempt, outcome: Outcome
    ) -> Generator[Wanted, Told, Feedback | None]:
        """Find the first error (FBK); a model is not asked if the verifier passes the attempt."""
        settings = self.recipe.feedback
        if settings.by == "script":
            return self._scripted(problem, attempt)
        if outcome == Outcome.PASS:
            return Feedback(None)
        if settings.by == "self":
            told = yield Ask(
                "policy",
                problem.id,
                self._asking_feedback(problem, text),
                self.recipe.own_feedback(),
            )
            return None if told.cut_off else self.recipe.wording.read_feedback(told.text)
        prompt = fill(settings.prompt, problem).replace("{attempt}", text.strip())
        told = yield Ask("feedback", problem.id, prompt, settings.sampling)
        return (
            None
            if told.cut_off
            else read_report(told.text) or self.recipe.wording.read_feedback(told.text)
        )

    def _update(
        self, problem: Problem, now: _State, error: Feedback, feedback: str, own_right: bool
    ) -> Generator[Wanted, Told, _State | Fault]:
        """Update an attempt.

        The policy's own update is used if its feedback was right and the update is accepted;
        otherwise that of the improver (IMP).
        """
        recipe, step = self.recipe, error.step or 1
        if own_right or recipe.improver.by == "self":
            told = yield Ask(
                "policy",
                problem.id,
                self._asking_update(problem, now.text, feedback),
                recipe.own_update(),
            )
            own = yield from self._accepted(
                problem, now, error, told.text, "self", told.key, told.cut_off
            )
            if isinstance(own, _State) or recipe.improver.by == "self":
                return own
        kept = now.attempt.steps[: step - 1]
        if recipe.improver.by == "script":
            return (
                yield from self._accepted(
                    problem,
                    now,
                    error,
                    recipe.wording.write(self._improved(problem, kept)),
                    "script",
                    None,
                )
            )
        fields = {
            "attempt": now.text.strip(),
            "feedback": feedback,
            "step": str(step),
            "prefix": "\n".join(recipe.wording.write_steps(kept)),
        }
        prompt = fill(recipe.improver.prompt, problem)
        for name, value in fields.items():
            prompt = prompt.replace(f"{{{name}}}", value)
        told = yield Ask("improver", problem.id, prompt, recipe.improver.sampling)
        return (
            yield from self._accepted(
                problem, now, error, self._whole(kept, told.text), "model", told.key, told.cut_off
            )
        )

    def _whole(self, kept: tuple[str, ...], text: str) -> str:
        """The complete attempt, given what a model wrote from some step on.

        The steps before it are added, unless the model has repeated them. Where steps have no
        numbers, it has repeated them if its text begins with them.
        """
        wording = self.recipe.wording
        written = wording.read(text)
        if written is not None and (
            "{number}" in wording.step or written.steps[: len(kept)] == kept
        ):
            return text
        return wording.separator.join([*wording.write_steps(kept), text.strip()])

    def _accepted(
        self,
        problem: Problem,
        now: _State,
        error: Feedback,
        text: str,
        by: str,
        key: str | None,
        cut_off: bool = False,
    ) -> Generator[Wanted, Told, _State | Fault]:
        if cut_off:
            return "update_cut_off"
        after = self.recipe.wording.read(text)
        if after is None:
            return "update_unparsable"
        if by != "script" and (
            fault := fault_of_update(now.attempt, error, after, self.recipe.filters)
        ):
            return fault
        outcome = (yield ToJudge(problem, text)).outcome
        assert outcome is not None
        if outcome == Outcome.INFRA_ERROR:
            return "infra_error"
        then = yield from self._first_error(problem, text, after, outcome)
        if (
            "no_progress" in self.recipe.filters
            and then is not None
            and not is_progress(error, then)
        ):
            return "no_progress"
        return _State(text, after, outcome, then, by, key)

    # -- the script --------------------------------------------------------------------------------

    def _scripted(self, problem: Problem, attempt: Attempt) -> Feedback:
        """The feedback of the script.

        Raises:
            UserError: The script fails, or names a step that the attempt does not have.
        """
        found = self._run("feedback", problem, attempt)
        if not isinstance(found, Feedback):
            raise UserError(
                f"{self._blamed('feedback', problem)} returned {found!r}; it has to return a"
                " Feedback (domain/attempts.py)"
            )
        if found.step is not None and attempt.part(found.step) is None:
            raise UserError(
                f"{self._blamed('feedback', problem)} names step {found.step} of an attempt with"
                f" {len(attempt.steps)} steps; steps count from 1, and {len(attempt.steps) + 1} is"
                " the final answer"
            )
        return found

    def _improved(self, problem: Problem, kept: tuple[str, ...]) -> Attempt:
        found = self._run("improve", problem, kept)
        if not isinstance(found, Attempt) or found.steps[: len(kept)] != kept:
            raise UserError(
                f"{self._blamed('improve', problem)} returned {found!r}; it has to return an"
                f" Attempt that begins with {kept!r}"
            )
        return found

    def _run(self, name: str, problem: Problem, argument: object) -> object:
        try:
            return getattr(self.script, name)(problem, argument)
        except Exception as error:
            raise UserError(
                f"{self._blamed(name, problem)} failed: {type(error).__name__}: {error}"
            ) from error

    def _blamed(self, name: str, problem: Problem) -> str:
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
    changed, wrong = after.part(step), before.part(step)
    faults: dict[Filter, bool] = {
        "prefix_changed": after.steps[: step - 1] != before.steps[: step - 1],
        "step_unchanged": changed == wrong,
        "segment_kept": changed is not None and _holds(changed, error.segment),
    }
    return next((name for name, found in faults.items() if found and name in filters), None)


def _holds(text: str, segment: str) -> bool:
    """Whether a text contains a segment as whole words: 14 does not contain 4."""
    begins, ends = (
        r"\b" if re.fullmatch(r"\w", edge) else "" for edge in (segment[:1], segment[-1:])
    )
    return bool(segment) and re.search(begins + re.escape(segment) + ends, text) is not None


def is_progress(before: Feedback, after: Feedback) -> bool:
    """Whether the next error is later or different, or there is none."""
    if before.step is None or after.step is None:
        return after.step is None
    return after.step > before.step or (
        after.step == before.step and after.segment != before.segment
    )
