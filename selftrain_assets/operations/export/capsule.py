"""The reproducibility capsule: everything needed to make a checkpoint again and check it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

from selftrain_assets.config.experiment_files import experiment_file, experiment_ref
from selftrain_assets.pipeline.inputs import PROBLEMS
from selftrain_assets.pipeline.loop import ALL_ROUNDS, ONE_ROUND
from selftrain_assets.pipeline.results import CheckpointResult
from selftrain_assets.pipeline.run import BASE, INPUTS, Run, iteration_scope
from selftrain_assets.pipeline.stages import round_stages
from selftrain_assets.recipes.teachers import CheckpointOf
from selftrain_assets.reports.summary import Summary
from selftrain_assets.store import Manifest
from selftrain_assets.store.tables import file_digest

CAPSULE = "reproducibility.json"
SCHEMA = "selftrain reproducibility capsule 1"
PACKAGE = Path(__file__).parents[2]


def make_capsule(run: Run, iteration: int, results: Summary) -> dict[str, Any]:
    """Collect settings, seeds, versions and the chain of stages that lead to a checkpoint.

    Args:
        run: The experiment.
        iteration: The round, from 1; 0 is the base.
        results: The numbers of the report.
    """
    scope = iteration_scope(iteration) if iteration else BASE
    checkpoint = run.need(scope, "checkpoint")
    result = checkpoint.result(CheckpointResult)
    described = experiment_ref(run.name, run.store.root).file
    file = experiment_file(described, run.store.root)
    stages = list(_stages(run, iteration, bool(results.human_only)))
    return {
        "schema": SCHEMA,
        "experiment": run.name,
        "round": iteration,
        "make_again": commands(run, iteration),
        "check": [f"selftrain audit {run.name}"],
        "checkpoint": {
            "digest": checkpoint.digest,
            "key": checkpoint.key,
            "weights": result.weights.model_dump(mode="json"),
        },
        "dataset": checkpoint.parents.get("dataset"),
        "seeds": _seeds(run, checkpoint),
        "versions": _versions(stages),
        "written_with": {
            "selftrain": version("selftrain"),
            "python": python_version(),
            "code": _code_version(),
        },
        "settings": run.config.model_dump(mode="json"),
        "settings_file": {"experiment": described, "text": file.read_text()},
        "retracted": run.retracted.to_records(),
        "stages": [_stage_facts(m) for m in stages],
        "results": results.to_json(),
    }


def commands(run: Run, iteration: int) -> list[str]:
    """Return the shell commands that make the checkpoint again, those of its teachers first."""
    teachers = dict.fromkeys(
        teacher
        for teacher in run.config.recipe.teachers.values()
        if isinstance(teacher, CheckpointOf)
    )
    first = [_command(run, teacher.experiment, teacher.iteration) for teacher in teachers]
    return [*first, _command(run, run.name, max(1, iteration))]


def _command(run: Run, name: str, last: int) -> str:
    ref = experiment_ref(name, run.store.root)
    repeated = f"{ref.repeats.name} --seeds {ref.seeds[-1]}" if ref.repeats else name
    return f"selftrain run {repeated} --rounds {f'1-{last}' if last > 1 else 1}"


def _stages(run: Run, iteration: int, controls: bool) -> Iterator[Manifest]:
    """Yield the manifests in the order of their work: inputs, base, rounds, then controls."""
    scopes = [INPUTS, BASE, *(iteration_scope(i) for i in range(1, iteration + 1))]
    if controls:
        scopes += [ONE_ROUND, ALL_ROUNDS]
    order = [PROBLEMS.name]
    for stage in round_stages(run.config.recipe):
        order += [stage.draws_first, stage.name] if stage.draws_first else [stage.name]
    current = {(m.scope, m.stage): m for m in run.store.manifests(run.name)}
    for scope in scopes:
        yield from (current[scope, stage] for stage in order if (scope, stage) in current)


def _stage_facts(manifest: Manifest) -> dict[str, Any]:
    names = (
        "scope",
        "stage",
        "key",
        "digest",
        "parents",
        "settings",
        "versions",
        "counts",
        "tokens",
        "seconds",
        "work_seconds",
        "finished",
    )
    tables = {
        name: {"records": records, "sha256": sha256}
        for name, (_, records, sha256) in manifest.files.items()
    }
    seed = manifest.result(CheckpointResult).seed if manifest.stage == "checkpoint" else None
    return (
        {name: getattr(manifest, name) for name in names}
        | {"tables": tables}
        | ({} if seed is None else {"seed": seed})
    )


def _seeds(run: Run, checkpoint: Manifest) -> dict[str, int]:
    seeds = {
        "experiment": run.config.seed,
        "task": getattr(run.config.task, "seed", None),
        "training": checkpoint.result(CheckpointResult).seed,
    }
    return {name: seed for name, seed in seeds.items() if seed is not None}


def _versions(stages: list[Manifest]) -> dict[str, list[str]]:
    """Return the versions of every component that was used.

    A component has several where stages were made at different times.
    """
    versions: dict[str, set[str]] = {}
    for manifest in stages:
        for name, value in manifest.versions.items():
            versions.setdefault(name, set()).update([value] if value else [])
    return {name: sorted(values) for name, values in versions.items()}


def _code_version() -> dict[str, Any] | None:
    """Return the commit of this code and whether it was modified since.

    None if the code is not in a git checkout.
    """
    try:
        # an installed copy may lie in somebody else's checkout
        _git("ls-files", "--error-unmatch", "config.py")
        return {
            "commit": _git("rev-parse", "HEAD"),
            "modified": bool(_git("status", "--porcelain", "--", ".")),
        }
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(PACKAGE), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.strip()


def listing(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a folder except the capsule, which stores this list."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in files
        if path != folder / CAPSULE
    }
