"""Stage `rationalizations`: try unsolved problems again with the answer as a hint.

The algorithm is that of STaR (arXiv 2203.14465, section 3.1).
"""

from __future__ import annotations

from selftrain_assets.domain.requests import Draws, plan_draws
from selftrain_assets.pipeline.run import Run
from selftrain_assets.pipeline.samples import solved_problems
from selftrain_assets.pipeline.sampling import drawn_and_judged
from selftrain_assets.pipeline.stage import RowSource


def hinted_draws(run: Run, scope: str, policy: str) -> list[Draws]:
    """The draws for unsolved problems, with the answer as a hint."""
    solved = solved_problems(run, scope)
    unsolved = [p for p in run.train_problems if p.id not in solved]
    hinted = run.prompt(run.config.prompt, run.problems, hint=True)
    return [plan_draws(unsolved, hinted, run.methods[0].sampling, policy, run.config.seed)]


RATIONALIZATIONS = drawn_and_judged(
    name="rationalizations",
    description=(
        "STaR (arXiv 2203.14465): problems without a correct sample are tried again with"
        " the answer as a hint, and those tries are verified too. The hint is stripped"
        " before training."
    ),
    samples="hinted_samples",
    requests=hinted_draws,
    row_source=RowSource(
        name="rationalized",
        meaning="sampled with the answer as a hint, and right; the hint is taken out again",
    ),
    views=("hinted_drawings", "hinted_judgements"),
)
