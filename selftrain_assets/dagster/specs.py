"""The assets of an experiment: its stages, and those that are made of several stages."""

from __future__ import annotations

from dataclasses import dataclass, replace

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.domain.types import Resource
from selftrain_assets.pipeline.inputs import PROBLEMS
from selftrain_assets.pipeline.stage import StageSpec
from selftrain_assets.pipeline.stages import round_stages
from selftrain_assets.verifiers import most_needed

GPU = "gpu"
CODE_VERSION = "1"


@dataclass(frozen=True, slots=True)
class AssetSpec:
    """The description of an asset.

    Attributes:
        stage: The stage that it shows, if it is of a single one.
        deps: Assets of the same experiment that it is made from.
        pool: The Dagster pool that limits how many run at once.
    """

    name: str
    description: str
    kinds: tuple[str, ...]
    deps: tuple[str, ...] = ()
    pool: str | None = None
    partitioned: bool = True
    stage: StageSpec | None = None


BASE = AssetSpec(
    "base",
    "The policy of round 1, which is the model as it is or fine-tuned on the human rows, and its"
    " evaluation.",
    ("huggingface", "pytorch"),
    ("problems",),
    GPU,
    partitioned=False,
)
HUMAN_ONLY = AssetSpec(
    "human_only",
    "The controls: the base fine-tuned on the human rows alone, with as many optimizer steps as one"
    " round has and as all rounds have.",
    ("huggingface", "pytorch"),
    ("base", "checkpoint"),
    GPU,
    partitioned=False,
)
REPORT = AssetSpec(
    "report",
    "Figure, table and findings of all finished rounds.",
    ("markdown",),
    ("evaluation", "human_only"),
    partitioned=False,
)


def asset_specs(config: Experiment) -> list[AssetSpec]:
    """Return the assets of this experiment, in order."""
    judging = most_needed(verifier.resource for verifier in config.verifiers())
    rounds = [_of_stage(stage, judging) for stage in round_stages(config.recipe)]
    controls = [HUMAN_ONLY] if config.human_only else []
    specs = [_of_stage(PROBLEMS, judging, partitioned=False), BASE, *rounds, *controls, REPORT]
    names = [spec.name for spec in specs]
    return [
        replace(spec, deps=tuple(name for name in spec.deps if name in names)) for spec in specs
    ]


def _of_stage(stage: StageSpec, judging: Resource, partitioned: bool = True) -> AssetSpec:
    runs_programs = stage.judges and judging == "sandbox"
    resource = most_needed([stage.resource, judging]) if stage.judges else stage.resource
    return AssetSpec(
        stage.name,
        stage.description,
        (*(("docker", "python") if runs_programs else ()), *stage.kinds),
        stage.after,
        None if resource == "cpu" else resource,
        partitioned,
        stage,
    )
