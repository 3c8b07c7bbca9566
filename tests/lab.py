"""Small experiments for tests: a scripted engine that is right on some problems, and a scripted
trainer, for which no model is loaded. Tests of what is learnt set `trainer=lab.SFT`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from selftrain_assets.config.experiment_files import COMPONENT
from selftrain_assets.domain.types import Problem, Sample, Verification
from selftrain_assets.pipeline.run import Run
from selftrain_assets.pipeline.samples import open_samples, open_verdicts
from selftrain_assets.runtime.files import publish
from selftrain_assets.store import Manifest
from selftrain_assets.store.tables import prepared_table
from selftrain_assets.tasks import WordProblems

TASK = {"type": "word_problems", "train": 12, "human": 4, "validation": 3, "test": 6, "transfer": 2}
SFT = {"steps": 2, "batch_size": 4, "learning_rate": 0.001}
"""A real training of the embedded model: a third of a second, and the imports."""

SETTINGS: dict[str, Any] = {
    "rounds": 2,
    "task": TASK,
    "recipe": {
        "type": "rest_em",
        "sampling": {"samples_per_problem": 4, "temperature": 1.0, "max_tokens": 32},
        "dedup": "none",
    },
    "trainer": {"type": "scripted", "steps": 2},
    "evaluation": {
        "samples_per_problem": 2,
        "pass_at": [1, 2],
        "majority_at": [2],
        "train_problems": 4,
        "resamples": 100,
    },
    "execution": {"shard_size": 8},
    "human_only": False,
}


def answers(problems: list[Problem]) -> dict[str, list[str]]:
    """Completions to pick from: half of them right, each different; every third problem is never
    solved."""
    texts = {}
    for i, p in enumerate(problems):
        right = [f"{p.answer} + 0 = {p.answer} ; #### {p.answer}", f"#### {p.answer}"]
        texts[p.id] = [*(right if i % 3 else []), "#### 0", "no idea"]
    return texts


def write_experiment(
    folder: Path, name: str = "lab", texts: dict[str, list[str]] | None = None, **changes: Any
) -> dict[str, Any]:
    """Write folder/defs/<name>/defs.yaml with a scripted engine; `changes` replace top-level
    settings. Returns them all."""
    script = folder / f"{name}-answers.json"
    script.write_text(json.dumps(answers(WordProblems(**TASK).load()) if texts is None else texts))
    settings = SETTINGS | {"engine": {"type": "scripted", "path": str(script)}} | changes
    path = folder / "defs" / name / "defs.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"type": COMPONENT, "attributes": settings}))
    return settings


def write_table(path: Path, record: type, records: Sequence[Any]) -> str:
    """A table on its own, which belongs to no stage; returns the file's SHA-256."""
    with prepared_table(path.parent, path.name, record, records) as (temporary, digest):
        publish(temporary, path)
    return digest


def read_samples(run: Run, manifest: Manifest) -> list[Sample]:
    """Samples of a finished stage, in the order of its draws."""
    with run.store.workspace() as ws:
        return list(ws.records(open_samples(run, ws, manifest)))


def read_verifications(run: Run, manifest: Manifest) -> list[Verification]:
    """Verdicts of a finished stage, in that order."""
    with run.store.workspace() as ws:
        return list(ws.records(open_verdicts(run, ws, manifest)))
