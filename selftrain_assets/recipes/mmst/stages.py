"""Stage `translations`: put each correct solution into every other method.

The algorithm is that of MMST (arXiv 2307.10633, section 3).
"""

from __future__ import annotations

from selftrain_assets.domain.requests import Draws
from selftrain_assets.domain.types import VerdictMembership
from selftrain_assets.pipeline.run import Run
from selftrain_assets.pipeline.samples import open_samples
from selftrain_assets.pipeline.sampling import drawn_and_judged
from selftrain_assets.pipeline.stage import RowSource
from selftrain_assets.recipes.mmst.settings import MMST


def settings_of(run: Run) -> MMST:
    """The MMST settings of a run."""
    assert isinstance(run.config.recipe, MMST)
    return run.config.recipe


def translation_draws(run: Run, scope: str, policy: str) -> list[Draws]:
    """The draws that translate each distinct correct solution, for every enabled pair of methods.

    Retracted solutions are left out.
    """
    recipe = settings_of(run)
    problems = {p.id: p for p in run.train_problems}
    by_name = {m.name: m for m in run.methods}
    correct = _correct_solutions(run, scope)
    seen_prompts: set[str] = set()
    plan = []
    for origin, method in recipe.pairs():
        prompts, keys = [], []
        for name, id, text, key in correct:
            if name != origin or id not in problems:
                continue
            prompt = by_name[method].translation_prompt(problems[id], text)
            if prompt in seen_prompts:
                continue  # the same text by another method, or but for white space
            seen_prompts.add(prompt)
            prompts.append((id, prompt))
            keys.append(key)
        plan.append(
            Draws(
                prompts,
                recipe.translation.per_draw(),
                recipe.translation.samples_per_problem,
                policy,
                run.config.seed,
                method,
                origin,
                keys,
            )
        )
    return plan


def _correct_solutions(run: Run, scope: str) -> list[tuple[str, str, str, str]]:
    """(method, problem id, text, sample key) of each distinct correct solution of a round."""
    judged = run.need(scope, "verifications")
    with run.store.workspace() as ws:
        return ws.rows(
            "generation.correct_answers",
            samples=open_samples(run, ws, run.need(scope, "samples")),
            verdicts=ws.read(VerdictMembership, [run.store.table(judged, "verifications")]),
            retracted=sorted(run.retracted.values("sample")),
        )


TRANSLATIONS = drawn_and_judged(
    name="translations",
    description=(
        "MMST (arXiv 2307.10633): each correct solution, asked for again by every other"
        " method, and verified there. What does not verify is kept and never trained on."
    ),
    samples="translated_samples",
    requests=translation_draws,
    row_source=RowSource(
        name="translated",
        meaning=(
            "a right solution by another method, translated by the policy, and right by"
            " the verifier"
        ),
    ),
    views=("translated_drawings", "translated_judgements"),
    settings=lambda run: settings_of(run).translation.model_dump(mode="json"),
    derived_as="translation of",
)
