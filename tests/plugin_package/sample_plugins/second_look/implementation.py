"""The work: a stage that draws and judges, and one with a table, a check and a preview."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.quality_checks import Check
from selftrain_assets.domain.requests import Draws
from selftrain_assets.domain.types import VerdictMembership
from selftrain_assets.pipeline import checks
from selftrain_assets.pipeline.dataset import build_selected_dataset
from selftrain_assets.pipeline.previews import first_records
from selftrain_assets.pipeline.recipe import RecipeImplementation
from selftrain_assets.pipeline.run import Clock, Run, Wanted, finish, iteration_scope
from selftrain_assets.pipeline.samples import open_samples
from selftrain_assets.pipeline.sampling import drawn_and_judged
from selftrain_assets.pipeline.stage import CheckSpec, RowSource, StageSpec, TableSpec
from selftrain_assets.store import Manifest
from selftrain_assets.store.results import Count, StageResult


def questions_again(run: Run, scope: str, policy: str) -> list[Draws]:
    """Each problem with a wrong sample, once more; the first such sample is what is revised."""
    judged, drawn = run.need(scope, "verifications"), run.need(scope, "samples")
    wrong = {
        verdict.sample_key
        for verdict in run.store.read_table(judged, "verifications", VerdictMembership)
        if verdict.outcome == "wrong"
    }
    with run.store.workspace() as ws:
        samples = list(ws.records(open_samples(run, ws, drawn)))
    problems = {problem.id: problem for problem in run.train_problems}
    first = {}
    for sample in samples:
        if sample.key in wrong and sample.problem_id in problems:
            first.setdefault(sample.problem_id, sample.key)
    method, again = run.methods[0], run.config.recipe.again
    prompts = [(id, again + method.prompt.render(problems[id])) for id in first]
    sampling = method.sampling.per_draw()
    return [Draws(prompts, sampling, 1, policy, run.config.seed, None, None, list(first.values()))]


REVISIONS = drawn_and_judged(
    name="revisions",
    description="What was wrong, asked again.",
    samples="revised_samples",
    requests=questions_again,
    row_source=RowSource(name="revised", meaning="right at a second look"),
    views=("revised_drawings", "revised_judgements"),
    derived_as="second look at",
)


class TalliesResult(StageResult):
    """Tries of all problems of a round, and how many of them were right."""

    problems: Count
    tries: Count
    right: Count


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a problem was tried, and how often it was right."""

    problem_id: str
    tries: int
    right: int


def tallies_wanted(run: Run, iteration: int) -> Wanted:
    """A tally of each problem that was tried."""
    made = run.need(iteration_scope(iteration), "revisions")
    return Wanted(fingerprint("tallies", made.digest), {"revisions": made.digest})


def tallies(run: Run, iteration: int) -> Manifest:
    """Count verdicts, of samples and of revisions."""
    clock, scope = Clock(), iteration_scope(iteration)
    wanted = tallies_wanted(run, iteration)
    if current := run.finished(scope, "tallies", wanted):
        return current
    tries, right = Counter(), Counter()
    for stage in ("verifications", "revisions"):
        made = run.need(scope, stage)
        for verdict in run.store.read_table(made, stage, VerdictMembership):
            tries[verdict.problem_id] += 1
            right[verdict.problem_id] += verdict.outcome == "pass"
    records = [Tally(id, count, right[id]) for id, count in sorted(tries.items())]
    digest = fingerprint("tallies", [asdict(record) for record in records])
    with run.store.writing(run.name, scope, "tallies", run.owner):
        table = run.store.write_table(run.name, scope, "tallies", digest, Tally, records)
        return finish(
            run,
            clock,
            scope,
            "tallies",
            key=wanted.key,
            digest=digest,
            parents=wanted.parents,
            result=TalliesResult(problems=len(records), tries=tries.total(), right=right.total()),
            files={"tallies": table},
        )


def some_right(run: Run, manifest: Manifest, tallies: TalliesResult) -> Check:
    """Blocks where no try of the round was right."""
    message = f"{tallies.right} of {tallies.tries} tries are right"
    return Check("some_right", tallies.right > 0, True, message)


TALLIES = StageSpec(
    name="tallies",
    description="How often each problem was tried, and how often it was right.",
    after=("revisions",),
    run=tallies,
    wanted=tallies_wanted,
    result=TalliesResult,
    tables=(
        TableSpec(
            name="tallies",
            record=Tally,
            view="tallies",
            identified_by=("problem_id",),
            columns={"tries": "samples and revisions", "right": "of them right"},
        ),
    ),
    checks=(
        checks.INTACT,
        CheckSpec(
            name="some_right",
            blocking=True,
            description="some try of the round was right",
            evaluate=some_right,
        ),
    ),
    preview=lambda run, manifest: {
        "preview": first_records(run, manifest, "tallies", Tally, ("problem_id", "tries", "right"))
    },
    numbers=lambda tallies: {"share of right tries": tallies.right / tallies.tries},
)
IMPLEMENTATION = RecipeImplementation(
    stages=(REVISIONS, TALLIES),
    build_dataset=build_selected_dataset,
    selection_settings=("again",),
)
