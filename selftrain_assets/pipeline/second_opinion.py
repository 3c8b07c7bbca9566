"""Second opinion: judge samples that a verifier failed with other verifiers too.

It changes no verdict. Where other verifiers often pass such samples, correct answers may be lost,
or the prompt may ask for another form than the verifier reads.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from selftrain_assets.domain.errors import InfraError
from selftrain_assets.domain.statistics import estimate
from selftrain_assets.domain.thinking import UNCLOSED
from selftrain_assets.domain.types import Exchange, Outcome, Problem, Verdict
from selftrain_assets.pipeline.run import Run
from selftrain_assets.pipeline.verification import VerificationResult
from selftrain_assets.store.workspace import Workspace
from selftrain_assets.verifiers import (
    AnyOf,
    ChoiceVerifier,
    MathVerifier,
    NumericVerifier,
    TextVerifier,
    Verifier,
    verifier_fingerprint,
    with_members,
)
from selftrain_assets.verifiers.guard import judge_all

VERSION = 1  # of the measurements here; it enters the keys of their stages
# Samples of a stage that are read again: the first by key, a hash, so a random sample.
MOST = 200
EXAMPLES, EXCERPT = 10, 200  # how many are shown, and characters of each text
FAILED = (Outcome.WRONG, Outcome.MALFORMED)
BARE_NUMBER = re.compile(r"\s*[-+\u2212]?\s*[$\u20ac\u00a3]?[\d.,]*\d(?:/\d+)?\s*%?\s*")


class _BareNumber(NumericVerifier):
    """Compares numbers if the reference answer is a number and nothing else.

    For the answers `12 apples` or `x + 1`, the number alone would be too little.
    """

    def check_problem(self, problem: Problem) -> str | None:
        bare = BARE_NUMBER.fullmatch(problem.answer)
        return super().check_problem(problem) or (
            None if bare else f'the answer "{problem.answer}" is more than a number'
        )


READINGS: dict[str, tuple[Verifier, ...]] = {
    "numeric": (TextVerifier(), MathVerifier(cpu_seconds=1.0)),
    "math": (_BareNumber(), TextVerifier()),
    "choice": (TextVerifier(), _BareNumber()),
    "text": (_BareNumber(), ChoiceVerifier()),
    "exact": (TextVerifier(case_sensitive=True),),
}
"""By verifier, what else reads answers of its kind. Texts are not read as mathematics, which
takes no account of the order of words. A program is not read but run, which costs what judging
it costs, so that there is nothing for verifier code."""


class _Failed(NamedTuple):
    """A sample with the outcome wrong or malformed."""

    verifier_fingerprint: str
    sample_key: str
    problem: Problem
    outcome: Outcome
    parsed: str | None
    answer: str


def readings(run: Run, verifiers: Mapping[str, Verifier]) -> dict[str, AnyOf]:
    """The other verifiers that judge the failed samples of each verifier, by the same names."""
    if not run.config.second_opinion:
        return {}
    return {
        name: reading
        for name, verifier in verifiers.items()
        if (reading := _other_verifier(verifier)) is not None
    }


def identity(run: Run, verifiers: Mapping[str, Verifier]) -> list[Any]:
    """What the second opinion depends on besides the verdicts."""
    return [
        VERSION,
        [verifier_fingerprint(reading) for reading in readings(run, verifiers).values()],
    ]


def second_opinion(
    run: Run, ws: Workspace, result: VerificationResult, verifiers: Mapping[str, Verifier]
) -> dict[str, Any]:
    """Judge some of the failed samples again with other verifiers.

    Returns:
        Of the `failed` samples, which are wrong or malformed, some are `read` again, and some of
        these `turned`: another verifier passed them. `share` is their share with its interval, and
        `examples` are a few of them. `by` names the other verifiers, `left_out` the verifiers
        without one, and `error` says why some samples could not be read.
    """
    other_verifiers = readings(run, verifiers)
    left_out = (
        {verifier.type for name, verifier in verifiers.items() if name not in other_verifiers}
        if run.config.second_opinion
        else set()
    )
    drawn, failed = _draw_failed(run, ws, result, list(other_verifiers))
    read, error = Counter[str](), None
    turned: list[tuple[_Failed, Verdict]] = []
    for name, reading in other_verifiers.items():
        samples = [
            sample
            for sample in drawn
            if sample.verifier_fingerprint == name and reading.check_problem(sample.problem) is None
        ]
        exchanges = [Exchange(sample.problem, sample.answer) for sample in samples]
        try:
            with reading.open(run.verifier_context) as judge:
                for position, verdict in judge_all(judge, exchanges):
                    sample = samples[position]
                    read[sample.outcome] += verdict.outcome != Outcome.INFRA_ERROR
                    if verdict.outcome == Outcome.PASS:
                        turned.append((sample, verdict))
        except InfraError as failure:
            error = str(failure)
    by_outcome: dict[str, Any] = {
        outcome: {
            "read": read[outcome],
            "turned": sum(sample.outcome == outcome for sample, _ in turned),
        }
        for outcome in FAILED
    }
    return {
        "failed": failed,
        "read": read.total(),
        "turned": len(turned),
        "share": asdict(estimate([1.0] * len(turned) + [0.0] * (read.total() - len(turned))))
        if read
        else None,
        **by_outcome,
        "by": {
            verifiers[name].type: [reading.type for reading in other_verifiers[name].of]
            for name in other_verifiers
        },
        "left_out": sorted(left_out),
        "error": error,
        "examples": [
            _example(sample, verdict)
            for sample, verdict in sorted(turned, key=lambda pair: pair[0].sample_key)[:EXAMPLES]
        ],
    }


def _other_verifier(verifier: Verifier) -> AnyOf | None:
    own = [member.type for member in with_members([verifier])]
    others = {
        reading.type: reading
        for kind in own
        for reading in READINGS.get(kind, ())
        if reading.type not in own
    }
    return AnyOf(of=tuple(others.values())) if others else None


@dataclass(frozen=True, slots=True)
class _FailedVerdict:
    key: str
    verifier_fingerprint: str
    sample_key: str
    problem_id: str
    outcome: str


def _draw_failed(
    run: Run, ws: Workspace, result: VerificationResult, verifiers: list[str]
) -> tuple[list[_Failed], int]:
    """Some of the samples that these verifiers failed, and the number of all of them."""
    failed = ws.table(
        _FailedVerdict,
        "verification.failed",
        planned=result.planned,
        verdicts=result.verdicts,
        samples=result.samples,
        verifiers=verifiers,
        unclosed=UNCLOSED,
    )
    problems = {p.id: p for p in run.all_problems}
    rows = ws.rows(
        "verification.failed_answers",
        failed=failed,
        verdicts=result.verdicts,
        samples=result.samples,
        most=MOST,
    )
    drawn = [
        _Failed(name, key, problems[id], Outcome(outcome), parsed, text)
        for name, key, id, outcome, parsed, text in rows
    ]
    return drawn, ws.count(failed)


def _example(failed: _Failed, verdict: Verdict) -> dict[str, str]:
    """A sample whose verdict differs, with the end of its text, where answers usually are."""
    return {
        "sample_key": failed.sample_key,
        "problem_id": failed.problem.id,
        "verdict": failed.outcome,
        "completion": _excerpt(failed.answer),
        "read_as": _excerpt(failed.parsed or ""),
        "other_reading": _excerpt(verdict.reason),
        "reference": _excerpt(failed.problem.answer),
    }


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else f"... {line[-EXCERPT:]}"
