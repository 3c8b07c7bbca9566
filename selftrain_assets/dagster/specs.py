"""What each asset of an experiment is: said once, for the graph, its descriptions and its pools."""

from __future__ import annotations

from dataclasses import dataclass, replace

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.domain.statistics import INTERVALS
from selftrain_assets.pipeline.loop import STAGES
from selftrain_assets.verifiers import with_members

GPU, SANDBOX = "gpu", "sandbox"
CODE_VERSION = "1"


@dataclass(frozen=True, slots=True)
class AssetSpec:
    """`stage` names the stage function and its manifest; `deps` are assets of the same
    experiment."""

    name: str
    description: str
    kinds: tuple[str, ...]
    deps: tuple[str, ...] = ()
    pool: str | None = None
    partitioned: bool = True


# The graph of one experiment, in order. A stage that an experiment does without is left out, with
# the edges to it.
SPECS: tuple[AssetSpec, ...] = (
    AssetSpec(
        "problems",
        "The frozen problem set: training problems with answers, human-solved ones, and held-out"
        " splits.",
        ("parquet",),
        partitioned=False,
    ),
    AssetSpec(
        "base",
        "The policy of round 1 and its evaluation: the model as it is, or fine-tuned on the human"
        " rows.",
        ("huggingface", "pytorch"),
        ("problems",),
        GPU,
        partitioned=False,
    ),
    AssetSpec(
        "policy",
        "The weights that this round samples from: the base, or the checkpoint of an earlier round."
        " Its data version is the digest of those weights; equal to that checkpoint's, it is the"
        " loop's edge.",
        ("huggingface",),
        ("base",),
    ),
    AssetSpec(
        "samples",
        "E-step (ReST-EM, arXiv 2312.06585, algorithm 1): completions of every training problem,"
        " drawn from the policy. Every one is kept, right and wrong.",
        ("huggingface", "parquet"),
        ("policy", "problems"),
        GPU,
    ),
    AssetSpec(
        "verifications",
        "A verdict on every sample, with the parsed answer and a reason. Only a pass is selected;"
        " an infra_error is owed again.",
        ("parquet",),
        ("samples",),
        SANDBOX,
    ),
    AssetSpec(
        "rationalizations",
        "STaR (arXiv 2203.14465): problems without a correct sample are tried again with the answer"
        " as a hint, and those tries are verified too. The hint is stripped before training.",
        ("huggingface", "parquet"),
        ("verifications", "policy"),
        GPU,
    ),
    AssetSpec(
        "translations",
        "MMST (arXiv 2307.10633): each correct solution, asked for again by every other method, and"
        " verified there. What does not verify is kept and never trained on.",
        ("huggingface", "parquet"),
        ("verifications", "policy"),
        GPU,
    ),
    AssetSpec(
        "trajectories",
        "TriPosT (arXiv 2310.13522): each attempt with the feedback on its first error and the"
        " update from there on, again until it is right. What does not end right is kept with its"
        " reason and never trained on.",
        ("huggingface", "parquet"),
        ("verifications", "policy"),
        GPU,
    ),
    AssetSpec(
        "dataset",
        "The training rows that the recipe selects: threshold, distinct solutions, cap, balance,"
        " weight, human, mix. Each names its sample, but for reference solutions.",
        ("parquet",),
        ("problems", "verifications", "rationalizations", "translations", "trajectories"),
    ),
    AssetSpec(
        "checkpoint",
        "M-step: reward-weighted fine-tuning on the dataset, from the start model that the recipe"
        " declares.",
        ("huggingface", "pytorch"),
        ("dataset", "policy", "base"),
        GPU,
    ),
    AssetSpec(
        "evaluation",
        "Held-out greedy accuracy, unbiased pass@k (arXiv 2107.03374) and maj@k, with intervals"
        f" over problems: {INTERVALS}.",
        ("huggingface",),
        ("checkpoint",),
        GPU,
    ),
    AssetSpec(
        "human_only",
        "The control: the same base fine-tuned on the human rows alone, with the optimizer steps of"
        " one round and of all rounds.",
        ("huggingface", "pytorch"),
        ("base", "checkpoint"),
        GPU,
        partitioned=False,
    ),
    AssetSpec(
        "report",
        "Figure, table and findings over all finished rounds.",
        ("markdown",),
        ("evaluation", "human_only"),
        partitioned=False,
    ),
)


def asset_specs(config: Experiment) -> list[AssetSpec]:
    """The assets of this experiment."""
    own = {*STAGES} - {*config.recipe.stages}
    without = own if config.human_only else own | {"human_only"}
    present = [spec for spec in SPECS if spec.name not in without]
    names = {spec.name for spec in present}
    code = any(verifier.type == "code" for verifier in with_members(config.verifiers()))
    kinds = (
        {"verifications": ("docker", "python"), "translations": ("docker", "python")}
        if code
        else {}
    )
    return [
        replace(
            spec,
            deps=tuple(d for d in spec.deps if d in names),
            kinds=(*kinds.get(spec.name, ()), *spec.kinds),
        )
        for spec in present
    ]
