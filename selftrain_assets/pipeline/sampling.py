"""Stages `samples` and `verifications`: the E-step.

Recipes use it too, for stages of their own that draw and judge samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from selftrain_assets.domain.requests import Draws, plan_draws
from selftrain_assets.domain.types import (
    Resource,
    Sample,
    SampleMembership,
    VerdictMembership,
    Verification,
)
from selftrain_assets.pipeline import checks
from selftrain_assets.pipeline.previews import samples_preview, verdicts_preview
from selftrain_assets.pipeline.results import SamplesResult, VerificationsResult
from selftrain_assets.pipeline.run import Run, Wanted, iteration_scope
from selftrain_assets.pipeline.samples import (
    Requests,
    draw_samples,
    drawing_wanted,
    drawn_by,
    judge_samples,
    judging_wanted,
)
from selftrain_assets.pipeline.stage import RowSource, StageSpec, TableSpec
from selftrain_assets.store import Manifest


def sample_draws(run: Run, scope: str, policy: str) -> list[Draws]:
    """The draws of solutions of every training problem, by each method."""
    return [
        plan_draws(run.train_problems, m.prompt, m.sampling, policy, run.config.seed, m.name)
        for m in run.methods
        if m.sampled
    ]


def membership(name: str, view: str) -> TableSpec:
    """The table of a stage that draws: it names the stage's samples in the pool."""
    return TableSpec(name=name, record=SampleMembership, view=view)


def verdicts_table(name: str, view: str) -> TableSpec:
    """The table of a stage that judges: it names the stage's verdicts in the pools."""
    return TableSpec(name=name, record=VerdictMembership, view=view)


def drawn_and_judged(
    *,
    name: str,
    description: str,
    samples: str,
    requests: Requests,
    row_source: RowSource,
    views: tuple[str, str],
    settings: Callable[[Run], Mapping[str, Any]] = drawn_by,
    after: tuple[str, ...] = ("verifications",),
    resource: Resource = "gpu",
    derived_as: str = "made from",
) -> StageSpec:
    """Build a recipe's stage that draws and judges samples, whose correct ones become rows.

    Args:
        name: Name of the stage.
        description: What it makes, with the paper that it comes from.
        samples: Name of the manifest and table that list the samples it drew.
        requests: Plans what it asks of the policy: (run, scope, digest of the policy).
        row_source: The source of rows made from its samples.
        views: Relations of `selftrain sql` for its samples and its verdicts, over all rounds.
        settings: The sampling settings that the manifest records.
        after: Stages of the round whose results decide what it asks.
        resource: The resource that it occupies.
        derived_as: The relation of its samples to those that they name in `translates`.
    """

    def do(run: Run, iteration: int) -> Manifest:
        scope = iteration_scope(iteration)
        draw_samples(run, scope, samples, requests, settings(run), after)
        return judge_samples(run, scope, samples, name)

    return StageSpec(
        name=name,
        description=description,
        after=(*after, "policy"),
        run=do,
        wanted=lambda run, iteration: judging_wanted(run, iteration_scope(iteration), samples),
        samples_wanted=lambda run, iteration: _owed_samples(
            run, iteration_scope(iteration), requests, after
        ),
        result=VerificationsResult,
        resource=resource,
        kinds=("huggingface", "parquet"),
        tables=(verdicts_table(name, views[1]),),
        samples_table=membership(samples, views[0]),
        shown_as=(Verification, "verifications"),
        samples=samples,
        requests=requests,
        row_source=row_source,
        derived_as=derived_as,
        checks=checks.JUDGED,
        preview=verdicts_preview,
    )


def _owed_samples(run: Run, scope: str, requests: Requests, after: Sequence[str] = ()) -> Wanted:
    plan = requests(run, scope, run.need(scope, "policy").digest)
    return drawing_wanted(run, scope, plan, after)


SAMPLES = StageSpec(
    name="samples",
    description=(
        "E-step (ReST-EM, arXiv 2312.06585, algorithm 1): completions of every training problem,"
        " drawn from the policy. Every one is kept, right and wrong."
    ),
    after=("policy", "problems"),
    run=lambda run, iteration: draw_samples(
        run, iteration_scope(iteration), "samples", sample_draws, drawn_by(run)
    ),
    wanted=lambda run, iteration: _owed_samples(run, iteration_scope(iteration), sample_draws),
    result=SamplesResult,
    resource="gpu",
    kinds=("huggingface", "parquet"),
    tables=(membership("samples", "drawings"),),
    shown_as=(Sample, "samples"),
    samples="samples",
    requests=sample_draws,
    checks=(checks.INTACT, checks.THOUGHTS_CLOSE, checks.CUT_OFF),
    preview=samples_preview,
)
VERIFICATIONS = StageSpec(
    name="verifications",
    description=(
        "A verdict on every sample, with the parsed answer and a reason. A pass is selected;"
        " an infra_error is owed again."
    ),
    after=("samples",),
    run=lambda run, iteration: judge_samples(
        run, iteration_scope(iteration), "samples", "verifications"
    ),
    wanted=lambda run, iteration: judging_wanted(run, iteration_scope(iteration), "samples"),
    result=VerificationsResult,
    tables=(verdicts_table("verifications", "judgements"),),
    shown_as=(Verification, "verifications"),
    samples="samples",
    row_source=RowSource(name="self", meaning="sampled from the policy, and right by the verifier"),
    checks=(*checks.JUDGED, *checks.COLLAPSE),
    preview=verdicts_preview,
)
