"""Read the numbers of an experiment from its manifests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from selftrain_assets.domain.measurements import Yield
from selftrain_assets.pipeline.checks import leaks_of
from selftrain_assets.pipeline.loop import ALL_ROUNDS, ONE_ROUND
from selftrain_assets.pipeline.results import (
    CheckpointResult,
    DatasetResult,
    EvaluationResult,
    PolicyResult,
    ProblemsResult,
    SamplesResult,
    VerificationsResult,
)
from selftrain_assets.pipeline.run import BASE, INPUTS, Run, iteration_scope
from selftrain_assets.pipeline.samples import solved_problems
from selftrain_assets.pipeline.stages import round_stages
from selftrain_assets.reports.recipes import report_of
from selftrain_assets.reports.summary import (
    Agreement,
    Allowed,
    ControlSummary,
    Measures,
    PairAgreement,
    PolicySummary,
    RoundCounts,
    RoundSummary,
    Summary,
)
from selftrain_assets.store import Manifest


def summarize(run: Run) -> Summary:
    """Collect the numbers of the base, the rounds and the controls that are finished.

    Evaluations of other methods than those of the current settings are left out.
    """
    base = _evaluation(run, BASE)
    solved: set[str] = set()
    iterations: list[RoundSummary] = []
    for i in range(1, run.config.rounds + 1):
        scope = iteration_scope(i)
        finished = all(run.manifest(scope, stage.name) for stage in round_stages(run.config.recipe))
        if base is None or not finished or _evaluation(run, scope) is None:
            break
        if "verifications" in run.config.recipe.stages:
            solved |= solved_problems(run, scope)
        iterations.append(_round(run, i, len(solved)))
    return Summary(
        experiment=run.name,
        model=str(run.config.model),
        recipe=run.config.recipe.type,
        seed=run.config.seed,
        confidence=run.config.evaluation.confidence,
        forks=run.config.forks,
        allowed=_allowed(run),
        baseline=PolicySummary(**_policy(run, BASE, _finished(run, BASE))) if base else None,
        iterations=iterations,
        human_only=list(_controls(run)),
    )


def _controls(run: Run) -> Iterable[ControlSummary]:
    for scope in (ONE_ROUND, ALL_ROUNDS):
        if run.manifest(scope, "checkpoint") and _evaluation(run, scope):
            stages = _finished(run, scope)
            steps = stages["checkpoint"].result(CheckpointResult).optimizer_steps or 0
            yield ControlSummary(**_policy(run, scope, stages), steps=steps)


def _finished(run: Run, scope: str) -> dict[str, Manifest]:
    """Return the finished stages of the base or of a control."""
    return {stage: run.need(scope, stage) for stage in ("checkpoint", "evaluation")}


def _allowed(run: Run) -> list[Allowed]:
    problems = [run.manifest(INPUTS, "problems")]
    datasets = [
        run.manifest(iteration_scope(i), "dataset") for i in range(1, run.config.rounds + 1)
    ]
    leaks_of_problems = [leaks_of(run, m.result(ProblemsResult))[1] for m in problems if m]
    leaks_of_rows = [leaks_of(run, m.result(DatasetResult))[1] for m in datasets if m]
    return [
        Allowed(
            waiver,
            sum(leaks[n][1] for leaks in leaks_of_problems),
            sum(leaks[n][1] for leaks in leaks_of_rows),
        )
        for n, waiver in enumerate(run.config.contamination.allow)
    ]


def _evaluation(run: Run, scope: str) -> Manifest | None:
    """Return the evaluation of a scope, unless the settings have other methods now."""
    evaluation = run.manifest(scope, "evaluation")
    measured = set(evaluation.result(EvaluationResult).methods or ()) if evaluation else set()
    return evaluation if measured == {method.name for method in run.config.recipe.methods} else None


def _policy(run: Run, scope: str, stages: Mapping[str, Manifest]) -> dict[str, Any]:
    """Return the fields of a PolicySummary from the finished stages of its scope."""
    result = stages["evaluation"].result(EvaluationResult)
    methods = result.methods or {}
    names = [method.name for method in run.config.recipe.methods]
    by_method: dict[str, Any] = {}
    if names:
        agreement = {
            split: _agreement(metrics) for split, metrics in (result.agreement or {}).items()
        }
        by_method = {"ranked": result.ranked, "agreement": agreement, "choice": result.choice}
    return {
        **Measures.values(result),
        "name": scope,
        "seconds": {stage: manifest.seconds for stage, manifest in stages.items()},
        "methods": {name: Measures(**Measures.values(methods[name])) for name in names},
        **by_method,
        "suites": {
            name: Measures(**Measures.values(suite))
            for name, suite in (result.suites or {}).items()
        },
        "thoughts": result.thoughts,
        "own": report_of(run.config.recipe).numbers(stages),
    }


def _agreement(metrics: Mapping[str, Any]) -> Agreement:
    return Agreement(
        {pair: PairAgreement(**counts) for pair, counts in metrics["pairs"].items()},
        metrics["union"],
    )


def _round(run: Run, iteration: int, solved_so_far: int) -> RoundSummary:
    scope = iteration_scope(iteration)
    specs = round_stages(run.config.recipe)
    stages = {spec.name: run.need(scope, spec.name) for spec in specs}
    dataset = stages["dataset"].result(DatasetResult)
    policy, samples = stages.get("policy"), stages.get("samples")
    thoughts = samples.result(SamplesResult).thoughts if samples else None
    verdicts = {
        spec.name: stages[spec.name].result(VerificationsResult) for spec in specs if spec.judges
    }
    opinions = {stage: result.second_opinion for stage, result in verdicts.items()}
    opinions["evaluation"] = stages["evaluation"].result(EvaluationResult).second_opinion
    return RoundSummary(
        **_policy(run, scope, stages),
        iteration=iteration,
        counts=_counts(stages, solved_so_far),
        yields=_yields(verdicts.values()),
        thoughts_drawn=thoughts,
        second_opinion={
            stage: opinion for stage, opinion in opinions.items() if opinion is not None
        },
        rows_by_method=dataset.rows_by_method or {},
        rows_mixed_in=dataset.mixed or {},
        diversity=dataset.diversity or {},
        tokenization=dataset.tokenization,
        policy=policy.digest if policy else None,
        policy_from=policy.result(PolicyResult).origin if policy else None,
        checkpoint=stages["checkpoint"].digest,
        work_seconds={stage: manifest.work_seconds for stage, manifest in stages.items()},
    )


def _counts(stages: Mapping[str, Manifest], solved_so_far: int) -> RoundCounts:
    """Count the samples, correct samples and training rows of a round."""
    drawn = {}
    if "samples" in stages:
        samples = stages["samples"].result(SamplesResult)
        verdicts = stages["verifications"].result(VerificationsResult)
        drawn = {
            "samples": samples.samples,
            "samples_reused": samples.reused,
            "samples_cut_off": samples.cut_off,
            "correct": verdicts.passed,
            "problems": samples.problems,
            "problems_solved": verdicts.problems_solved,
            "problems_solved_so_far": solved_so_far,
            "infra_errors": verdicts.infra_error,
        }
    dataset = stages["dataset"].result(DatasetResult)
    return RoundCounts(
        **drawn,
        kept_rows=dataset.rows,
        own_rows=dataset.own,
        human_rows=dataset.human,
        correct_cut_off=dataset.cut_off,
        optimizer_steps=stages["checkpoint"].result(CheckpointResult).optimizer_steps or 0,
    )


def _yields(verdicts: Iterable[VerificationsResult]) -> dict[str, dict[str, Yield]]:
    """Combine the yields of all stages of verdicts."""
    yields: dict[str, dict[str, Yield]] = {}
    for result in verdicts:
        for method, by_origin in (result.yields or {}).items():
            yields.setdefault(method, {}).update(by_origin)
    return yields
