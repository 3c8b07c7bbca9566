"""Verifiers made of verifiers: any_of, all_of and first_of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from pydantic import Field, PrivateAttr, model_validator

from selftrain_assets.domain.errors import InfraError
from selftrain_assets.domain.identity import fingerprint, problem_digest, text_digest
from selftrain_assets.domain.types import Exchange, Outcome, Problem, Resource, Verdict
from selftrain_assets.verifiers.context import VerifierContext
from selftrain_assets.verifiers.functions import FunctionVerifier
from selftrain_assets.verifiers.guard import judge_all
from selftrain_assets.verifiers.mathematics import MathVerifier
from selftrain_assets.verifiers.protocol import Judge, Verifier
from selftrain_assets.verifiers.sandboxed import SandboxSettings

if TYPE_CHECKING:
    import sandbox

OPEN_ENDED = (
    Outcome.UNSCORABLE,
    Outcome.TIMEOUT,
    Outcome.RESOURCE,
    Outcome.WRONG,
    Outcome.MALFORMED,
)
"""From what says least of a completion to what says most."""
ByMember = Mapping[int, Verdict]
"""The verdicts of members, by their places in `of`, in the order in which they judged."""


class Combined(Verifier):
    """Members that judge together.

    The cheap ones are asked first, whatever their order in the file, those of equal cost in that
    order; those that cannot change the verdict any more are not asked. So the verdict does not
    depend on which of them is done first, and the sandbox is opened for what only a program can
    decide.
    """

    type: str
    own_version: ClassVar[str] = "1"
    of: tuple[Verifier, ...] = Field(
        description="its members, each with its own `type` and settings"
    )

    @model_validator(mode="before")
    @classmethod
    def _types(cls, data: Any) -> Any:
        """As in the section `verifier`, a member without a type is numeric."""
        if not isinstance(data, Mapping) or "of" not in data:
            return data
        if not isinstance(data["of"], list | tuple) or not data["of"]:
            raise ValueError(
                "list its members under `of`, each as {type: ...} with settings of its own"
            )
        return {
            **data,
            "of": [{"type": "numeric", **m} if isinstance(m, Mapping) else m for m in data["of"]],
        }

    @property
    def version(self) -> str:
        """With those of the members: where one of them judges otherwise, so may this."""
        return f"{self.own_version} ({', '.join(f'{m.type} {m.version}' for m in self.of)})"

    @property
    def resource(self) -> Resource:  # type: ignore[override]  # of an object, not of the class
        """What its members need."""
        return most_needed(member.resource for member in self.of)

    @property
    def cost(self) -> int:
        """Of the dearest member."""
        return max(_cost(member) for member in self.of)

    @property
    def order(self) -> list[int]:
        """The members' places in the order in which they are asked."""
        return sorted(range(len(self.of)), key=lambda place: _cost(self.of[place]))

    def content(self, problem: Problem, completion: str) -> str | None:
        contents = [member.content(problem, completion) for member in self.of]
        if not any(contents):
            return None
        return fingerprint(
            self.type,
            problem_digest(problem),
            [content or text_digest(completion) for content in contents],
        )

    @contextmanager
    def open(self, context: VerifierContext) -> Iterator[Judge]:
        with ExitStack() as held:
            if not isinstance(context.sandbox, _Shared):
                context = replace(context, sandbox=_Shared.opened_in(context.sandbox, held))
            yield _CombinedJudge(self, context, held)

    def parse(self, completion: str) -> str | None:
        raise NotImplementedError

    def asks(self, member: Verifier, problem: Problem) -> bool:
        """Is this member asked about this problem at all?"""
        raise NotImplementedError

    def is_decided(self, verdicts: ByMember) -> bool:
        """Is the verdict the same whatever the others say?"""
        raise NotImplementedError

    def verdict(self, verdicts: ByMember) -> Verdict:
        """The verdict of all members that judged."""
        raise NotImplementedError

    def _with_reasons(self, verdicts: ByMember, deciding: Verdict) -> Verdict:
        """The deciding verdict, with every member's reason."""
        types = [member.type for member in self.of]
        names = [
            kind if types.count(kind) == 1 else f"of[{place}], {kind}"
            for place, kind in enumerate(types)
        ]
        reasons = [f"{names[place]}: {verdict.reason}" for place, verdict in verdicts.items()]
        execution = deciding.execution or next(
            (v.execution for v in verdicts.values() if v.execution), None
        )
        return replace(deciding, reason="; ".join(reasons), execution=execution)


class AnyOf(Combined):
    """Passes what one of its members passes, with the reward and the answer of that one.

    Where none passes, an infra_error of one makes it an infra_error, since that one might have;
    else the outcome is that of the member who can say least: unscorable before timeout, resource,
    wrong, and malformed where no member finds an answer. A member that cannot verify a problem's
    reference answer is not asked about that problem. Not covered: answers that one of the members
    credits wrongly; the more members, the more of them.
    """

    type: Literal["any_of"] = "any_of"

    def check_problem(self, problem: Problem) -> str | None:
        faults = [member.check_problem(problem) for member in self.of]
        if not all(faults):
            return None
        return ", and ".join(
            dict.fromkeys(
                f"{fault} ({member.type})" for member, fault in zip(self.of, faults, strict=True)
            )
        )

    def parse(self, completion: str) -> str | None:
        answers = (self.of[place].parse(completion) for place in self.order)
        return next((parsed for parsed in answers if parsed is not None), None)

    def asks(self, member: Verifier, problem: Problem) -> bool:
        return member.check_problem(problem) is None

    def is_decided(self, verdicts: ByMember) -> bool:
        return any(
            verdict.outcome == Outcome.PASS and verdict.reward >= 1 for verdict in verdicts.values()
        )

    def verdict(self, verdicts: ByMember) -> Verdict:
        if not verdicts:
            return Verdict(
                Outcome.UNSCORABLE, 0.0, None, "no member can verify the reference answer"
            )
        if passed := [v for v in verdicts.values() if v.outcome == Outcome.PASS]:
            deciding = max(passed, key=lambda v: v.reward)
        elif failed := [v for v in verdicts.values() if v.outcome == Outcome.INFRA_ERROR]:
            deciding = failed[0]
        else:
            deciding = max(
                verdicts.values(), key=lambda v: (v.reward, -OPEN_ENDED.index(v.outcome))
            )
        return self._with_reasons(verdicts, deciding)


class AllOf(Combined):
    """Passes what all of its members pass.

    The reward is the least of the members' rewards, the answer is the first member's. The first
    member that does not pass decides. An infra_error of a member makes it an infra_error unless
    another member fails the completion. Not covered: right answers that one of the members does not
    read; the more members, the more of them.
    """

    type: Literal["all_of"] = "all_of"

    def check_problem(self, problem: Problem) -> str | None:
        return next((fault for member in self.of if (fault := member.check_problem(problem))), None)

    def parse(self, completion: str) -> str | None:
        answers = [self.of[place].parse(completion) for place in self.order]
        return None if None in answers else answers[0]

    def asks(self, member: Verifier, problem: Problem) -> bool:
        return True

    def is_decided(self, verdicts: ByMember) -> bool:
        return any(_fails(verdict) and verdict.reward <= 0 for verdict in verdicts.values())

    def verdict(self, verdicts: ByMember) -> Verdict:
        unknown = [v for v in verdicts.values() if v.outcome == Outcome.INFRA_ERROR]
        if unknown and not self.is_decided(verdicts):
            deciding = unknown[0]
        elif failed := [v for v in verdicts.values() if _fails(v)]:
            deciding = min(failed, key=lambda v: v.reward)
        else:
            least = min(v.reward for v in verdicts.values())
            deciding = replace(next(iter(verdicts.values())), reward=least)
        return self._with_reasons(verdicts, deciding)


def most_needed(resources: Iterable[Resource]) -> Resource:
    """The resource that counts where several are needed; cpu where none is."""
    return max(resources, key=get_args(Resource).index, default="cpu")


class FirstOf(AnyOf):
    """Judges as the first of its members that can say whether a completion is right.

    The members are asked in the order of the file: the next one only where those before it neither
    pass the completion nor call it wrong, since they find no answer in it or cannot judge it. Where
    none can, the outcome is that of the member who can say least, as in any_of. An infra_error of a
    member makes it an infra_error, since that one might have decided. A member that cannot verify a
    problem's reference answer is not asked about that problem. Not covered: a completion that
    avoids a strict member, by giving it nothing to read, is left to the next.
    """

    type: Literal["first_of"] = "first_of"  # type: ignore[assignment]

    @property
    def order(self) -> list[int]:
        return list(range(len(self.of)))

    def is_decided(self, verdicts: ByMember) -> bool:
        deciding = _first_that_decides(verdicts)
        return deciding is not None and deciding.outcome != Outcome.INFRA_ERROR

    def verdict(self, verdicts: ByMember) -> Verdict:
        deciding = _first_that_decides(verdicts)
        return self._with_reasons(verdicts, deciding) if deciding else super().verdict(verdicts)


def _first_that_decides(verdicts: ByMember) -> Verdict | None:
    """The verdict of the first member that can say something, or might have."""
    deciding = (Outcome.PASS, Outcome.WRONG, Outcome.INFRA_ERROR)
    ordered = (verdicts[place] for place in sorted(verdicts))
    return next((verdict for verdict in ordered if verdict.outcome in deciding), None)


def _fails(verdict: Verdict) -> bool:
    return verdict.outcome not in (Outcome.PASS, Outcome.INFRA_ERROR)


def _cost(verifier: Verifier) -> int:
    """By the resource it needs; one that starts processes costs more than one that does not."""
    if isinstance(verifier, Combined):
        return verifier.cost
    starts_processes = isinstance(verifier, FunctionVerifier | MathVerifier)
    return get_args(Resource).index(verifier.resource) + starts_processes


class _CombinedJudge:
    """Members at work, each opened when it is first asked."""

    def __init__(self, verifier: Combined, context: VerifierContext, held: ExitStack) -> None:
        self._verifier, self._context, self._held = verifier, context, held
        self._open: dict[int, Judge] = {}

    @property
    def name(self) -> str:
        """With what the members that were asked say of themselves beside type and version."""
        known = {f"{member.type} {member.version}" for member in self._verifier.of}
        more = [judge.name for _, judge in sorted(self._open.items()) if judge.name not in known]
        return "; ".join([f"{self._verifier.type} {self._verifier.version}", *dict.fromkeys(more)])

    def stream(self, exchanges: Iterable[Exchange]) -> Iterator[tuple[int, Verdict]]:
        """Judge with every member.

        Where a member fails as a whole, the others decide what they can; its error is raised at the
        end.
        """
        cases = list(exchanges)
        verdicts: list[dict[int, Verdict]] = [{} for _ in cases]
        undecided, error = list(range(len(cases))), None
        for place in self._verifier.order:
            pending = [
                n
                for n in undecided
                if self._verifier.asks(self._verifier.of[place], cases[n].problem)
            ]
            missing = "it gave no verdict"
            try:
                for n, verdict in self._judged(place, {n: cases[n] for n in pending}):
                    verdicts[n][place] = verdict
                    if self._verifier.is_decided(verdicts[n]):
                        yield n, self._verifier.verdict(verdicts[n])
            except InfraError as failed:
                error, missing = error or failed, str(failed)
            for n in pending:
                verdicts[n].setdefault(place, Verdict(Outcome.INFRA_ERROR, 0.0, None, missing))
            undecided = [n for n in undecided if not self._verifier.is_decided(verdicts[n])]
        decided = ((n, self._verifier.verdict(verdicts[n])) for n in undecided)
        known = [
            (n, verdict)
            for n, verdict in decided
            if error is None or verdict.outcome != Outcome.INFRA_ERROR
        ]
        yield from known
        if error is not None and len(known) < len(undecided):
            raise error

    def _judged(
        self, place: int, exchanges: Mapping[int, Exchange]
    ) -> Iterator[tuple[int, Verdict]]:
        """What this member says of these exchanges. Equal programs run once."""
        if not exchanges:
            return
        member = self._verifier.of[place]
        equal: dict[str | int, list[int]] = {}
        for n, exchange in exchanges.items():
            content = member.content(exchange.problem, exchange.completion)
            equal.setdefault(content or n, []).append(n)
        if place not in self._open:
            self._open[place] = self._held.enter_context(member.open(self._context))
        groups = list(equal.values())
        for position, verdict in judge_all(
            self._open[place], [exchanges[group[0]] for group in groups]
        ):
            yield from ((n, verdict) for n in groups[position])


class _Shared(SandboxSettings):
    """Members that share one pool of containers if they need the same languages.

    The first member that needs containers opens the pool.
    """

    _held: ExitStack = PrivateAttr()
    _pools: dict[frozenset[str], sandbox.Pool] = PrivateAttr(default_factory=dict)

    @classmethod
    def opened_in(cls, settings: SandboxSettings, held: ExitStack) -> _Shared:
        """The same settings; `held` closes the pools."""
        shared = cls(**{name: getattr(settings, name) for name in type(settings).model_fields})
        shared._held = held
        return shared

    @contextmanager
    def pool(self, languages: Iterable[str] = ()) -> Iterator[sandbox.Pool]:
        needed = frozenset(languages)
        if needed not in self._pools:
            self._pools[needed] = self._held.enter_context(super().pool(needed))
        yield self._pools[needed]
