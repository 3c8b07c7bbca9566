"""The numbers of an experiment, read off its manifests: what `report --json` prints and every
table and figure shows."""

from __future__ import annotations

import math
from typing import Any

from selftrain_assets.pipeline.checks import leaks_of
from selftrain_assets.pipeline.loop import ALL_ROUNDS, ONE_ROUND, round_stages
from selftrain_assets.pipeline.results import CheckpointResult, PolicyResult
from selftrain_assets.pipeline.run import BASE, INPUTS, Run, iteration_scope
from selftrain_assets.pipeline.sampling import solved_problems
from selftrain_assets.store import Manifest


def summarize(run: Run) -> dict[str, Any]:
    """Baseline, iterations and controls as far as they exist and are of today's methods;
    undefined numbers are None."""
    base = _evaluation(run, BASE)
    solved: set[str] = set()
    iterations = []
    for i in range(1, run.config.rounds + 1):
        stages = (
            run.manifest(iteration_scope(i), stage) for stage in round_stages(run.config.recipe)
        )
        if base is None or not all(stages) or _evaluation(run, iteration_scope(i)) is None:
            break
        if "verifications" in run.config.recipe.stages:
            solved |= solved_problems(run, iteration_scope(i))
        iterations.append(_iteration(run, i, len(solved)))
    return plain(
        {
            "experiment": run.name,
            "model": str(run.config.model),
            "recipe": run.config.recipe.type,
            "seed": run.config.seed,
            "confidence": run.config.evaluation.confidence,
            "forks": [fork.model_dump(mode="json") for fork in run.config.forks],
            "allowed": _allowed(run),
            "baseline": _measured(run, base)
            | {"name": BASE, "seconds": _seconds(run, BASE, ["checkpoint", "evaluation"])}
            if base
            else None,
            "iterations": iterations,
            "human_only": [
                _measured(run, m)
                | {
                    "name": scope,
                    "steps": run.need(scope, "checkpoint").result(CheckpointResult).optimizer_steps,
                    "seconds": _seconds(run, scope, ["checkpoint", "evaluation"]),
                }
                for scope in (ONE_ROUND, ALL_ROUNDS)
                if run.manifest(scope, "checkpoint") and (m := _evaluation(run, scope))
            ],
        }
    )


def _allowed(run: Run) -> list[dict[str, Any]]:
    """Held-out text that is let stand: each waiver, and how much it covers of the problems and
    of the rows of all rounds."""
    made = {"problems": [run.manifest(INPUTS, "problems")]}
    made["rows"] = [
        run.manifest(iteration_scope(i), "dataset") for i in range(1, run.config.rounds + 1)
    ]
    counts = {
        name: [leaks_of(run, manifest)[1] for manifest in of if manifest]
        for name, of in made.items()
    }
    return [
        {
            **waiver.model_dump(),
            **{name: sum(allowed[n][1] for allowed in of) for name, of in counts.items()},
        }
        for n, waiver in enumerate(run.config.contamination.allow)
    ]


def _evaluation(run: Run, scope: str) -> Manifest | None:
    """Its evaluation, unless that is of other methods than the settings name now: then it is
    owed again."""
    found = run.manifest(scope, "evaluation")
    known = set(found.metrics.get("methods", {})) if found else set()
    return found if known == {m.name for m in run.config.recipe.methods} else None


def _iteration(run: Run, iteration: int, solved_so_far: int) -> dict[str, Any]:
    scope = iteration_scope(iteration)
    found = {stage: run.need(scope, stage) for stage in round_stages(run.config.recipe)}
    dataset, trained = found["dataset"].counts, found["checkpoint"].result(CheckpointResult)
    return _measured(run, found["evaluation"]) | {
        "name": scope,
        "iteration": iteration,
        "counts": {
            **(_drawn(found, solved_so_far) if "samples" in found else {}),
            "kept_rows": dataset["rows"],
            "own_rows": dataset["self"],
            "human_rows": dataset["human"],
            **({"correct_cut_off": dataset["cut_off"]} if "cut_off" in dataset else {}),
            "optimizer_steps": trained.optimizer_steps,
        },
        "yields": _yields(found),
        **({"thoughts_drawn": thoughts} if (thoughts := _thoughts(found.get("samples"))) else {}),
        "second_opinion": {
            stage: m.metrics["second_opinion"]
            for stage, m in found.items()
            if "second_opinion" in m.metrics
        },
        **({"trajectories": _trajectories(found)} if "trajectories" in found else {}),
        "rows_by_method": found["dataset"].metrics.get("rows", {}),
        "rows_mixed_in": found["dataset"].metrics.get("mixed", {}),
        "diversity": found["dataset"].metrics.get("diversity", {}),
        "tokenization": found["dataset"].metrics.get("tokenization", {}),
        **(
            {
                "policy": found["policy"].digest,
                "policy_from": found["policy"].result(PolicyResult).origin,
            }
            if "policy" in found
            else {}
        ),
        "checkpoint": found["checkpoint"].digest,
        "seconds": _seconds(run, scope, list(found)),
        "work_seconds": {stage: m.work_seconds for stage, m in found.items()},
    }


def _drawn(found: dict[str, Manifest], solved_so_far: int) -> dict[str, int]:
    """What was sampled, and how much of it was right."""
    samples, verdicts = found["samples"].counts, found["verifications"].counts
    return {
        "samples": samples["samples"],
        "samples_reused": samples["reused"],
        "samples_cut_off": samples["cut_off"],
        "correct": verdicts["pass"],
        "problems": samples["problems"],
        "problems_solved": verdicts["problems_solved"],
        "problems_solved_so_far": solved_so_far,
        "infra_errors": verdicts["infra_error"],
    }


def _trajectories(found: dict[str, Manifest]) -> dict[str, Any]:
    """The funnel from attempts to rows, why trajectories ended as they did, and which errors
    were corrected."""
    made, rows = found["trajectories"], found["dataset"].counts
    parts = {
        "correct": rows["self"] - rows["improved"],
        "improved": rows["improved"],
        "gold": rows["human"],
    }
    return {"counts": made.counts, **made.metrics, "rows": parts}


def _yields(found: dict[str, Manifest]) -> dict[str, Any]:
    """{method: {method the solution is from: samples, and how many are correct}}, of samples and
    translations."""
    united: dict[str, Any] = {}
    for stage in ("verifications", "translations"):
        for method, of in (
            (found[stage].metrics if stage in found else {}).get("yields", {}).items()
        ):
            united.setdefault(method, {}).update(of)
    return united


def _measured(run: Run, evaluation: Manifest) -> dict[str, Any]:
    """The numbers of an evaluation; of each method too, where there are several."""
    metrics = evaluation.metrics
    by_method = {m.name: _flat(metrics["methods"][m.name]) for m in run.config.recipe.methods}
    more = (
        {"methods": by_method} | {name: metrics[name] for name in ("ranked", "agreement", "choice")}
        if by_method
        else {}
    )
    suites = {name: _flat(of) for name, of in metrics.get("suites", {}).items()}
    own = {"self_improvement": metrics["self_improvement"]} if "self_improvement" in metrics else {}
    thoughts = {"thoughts": thought} if (thought := _thoughts(evaluation)) else {}
    return _flat(metrics) | more | own | thoughts | ({"suites": suites} if suites else {})


def _thoughts(found: Manifest | None) -> dict[str, Any] | None:
    """How long thoughts and answers are, of what a stage drew."""
    return found.metrics.get("thoughts") if found else None


def _flat(metrics: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name in (
        "greedy_accuracy",
        "train_accuracy",
        "validation_accuracy",
        "transfer_accuracy",
        "gain_over_base",
    ):
        if name in metrics:
            flat[name] = metrics[name]["mean"]
            flat[f"{name}_interval"] = [metrics[name]["low"], metrics[name]["high"]]
    for name in ("pass_at_k", "maj_at_k"):
        flat[name] = {k: v["mean"] for k, v in metrics[name].items()}
        flat[f"{name}_interval"] = {k: [v["low"], v["high"]] for k, v in metrics[name].items()}
    flat["groups"] = {
        split: {
            name: {
                "accuracy": e["mean"],
                "interval": [e["low"], e["high"]],
                "problems": e["problems"],
            }
            for name, e in of.items()
        }
        for split, of in metrics.get("groups", {}).items()
    }
    return flat | {
        "test_problems": metrics["greedy_accuracy"]["problems"],
        "by_difficulty": metrics.get("by_difficulty", {}),
    }


def _seconds(run: Run, scope: str, stages: list[str]) -> dict[str, float]:
    return {stage: m.seconds for stage in stages if (m := run.manifest(scope, stage))}


def figures_of(summary: dict[str, Any]) -> list[str]:
    """The figures in a report: that of methods where there are several, that of diversity where
    it was measured."""
    measured = any(point["diversity"] for point in summary["iterations"])
    return [
        "overview",
        *(["methods"] if summary["baseline"].get("methods") else []),
        *(["diversity"] if measured else []),
    ]


def plain(value: Any) -> Any:
    """JSON has no NaN; an undefined number becomes None."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value
