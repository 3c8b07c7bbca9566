"""Small runs of whole experiments in which nothing is learnt and no program is run, and the keys
that they leave in a store.

The engine answers from a table. Of `SftTrainer` and `CodeVerifier` everything is real but what
takes time: their settings enter keys as they do in any experiment, while weights are a copy of the
start model, and programs are judged by the answer that stands in them.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.settings import merged
from selftrain_assets.domain.types import Outcome, Problem, Verdict
from selftrain_assets.pipeline import loop
from selftrain_assets.pipeline.inputs import load_problems
from selftrain_assets.pipeline.run import Run
from selftrain_assets.store import Store
from selftrain_assets.trainers import ScriptedTrainer, SftTrainer
from selftrain_assets.verifiers import CodeVerifier


def answers(problems: list[Problem]) -> dict[str, list[str]]:
    """Completions to pick from: two that are right and two that are not; every third problem is
    never solved."""
    texts = {}
    for place, problem in enumerate(problems):
        right = [
            problem.solution or f"#### {problem.answer}",
            f"{problem.answer} + 0 = {problem.answer} ; #### {problem.answer}",
        ]
        wrong = ["1 + 1 = 3 ; #### 3", "no idea"]
        texts[problem.id] = [*(right if place % 3 else []), *wrong]
    return texts


class StandIn:
    """Calls a program right if the answer, or where there are tests the letter e, stands in it."""

    name = "stand-in"

    def stream(self, exchanges):
        for position, exchange in enumerate(exchanges):
            is_right = (exchange.problem.answer or "e") in exchange.completion
            outcome = Outcome.PASS if is_right else Outcome.WRONG
            yield position, Verdict(outcome, float(is_right), exchange.completion, "")


@contextmanager
def nothing_slow():
    """Training copies the start model, and programs are not run."""

    def train(self, job):
        return ScriptedTrainer(steps=self.steps or 3).train(job)

    @contextmanager
    def judge(self, context):
        yield StandIn()

    with patch.object(SftTrainer, "train", train), patch.object(CodeVerifier, "open", judge):
        yield


def open_run(folder: Path, name: str, settings: dict[str, Any]) -> Run:
    """An experiment with these settings and a scripted engine, on a store in this folder."""
    settings = {"engine": {"type": "scripted", "path": str(folder / "answers.json")}} | settings
    config = parse_experiment(settings, name)
    (folder / "answers.json").write_text(json.dumps(answers(load_problems(config))))
    return Run(name, config, Store(folder / "runs"))


def run_all(run: Run) -> None:
    """Every stage of every round, and the controls."""
    loop.run_rounds(run, range(1, run.config.rounds + 1))
    for _ in loop.controls(run):
        pass


def keys_in(store: Path, experiment: str) -> dict[str, str]:
    """{scope/stage: key} of what is finished, as the files of a store have it."""
    found = {}
    for path in sorted((store / "experiments" / experiment).glob("*/*.json")):
        manifest = json.loads(path.read_text())
        found[f"{manifest['scope']}/{manifest['stage']}"] = manifest["key"]
    return found


def attributes(path: Path, **changes: Any) -> dict[str, Any]:
    """The settings in an experiment's file, with others laid over them."""
    return merged(yaml.safe_load(path.read_text())["attributes"], changes)
