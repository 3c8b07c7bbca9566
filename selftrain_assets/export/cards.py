"""What the cards of a model and of its rows have in common."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selftrain_assets.config import Experiment
from selftrain_assets.core.health import HELD_OUT_APART, NEAR_COPIES
from selftrain_assets.core.scratch import ScratchModel
from selftrain_assets.core.types import HELD_OUT
from selftrain_assets.export.capsule import CAPSULE
from selftrain_assets.export.rows import Rows
from selftrain_assets.export.weights import HubModel, Weights
from selftrain_assets.models.loading import EMBEDDED
from selftrain_assets.reports.render import markdown_table
from selftrain_assets.stages.checks import check
from selftrain_assets.stages.run import Run, iteration_scope
from selftrain_assets.tasks import ProblemFile
from selftrain_assets.verifiers import with_members

Point = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exported:
    """What there is to say of an export: the run and its round, the weights and rows as they were written, the names that they will
    have on the hub, the model that training began with, and the licence that it is under."""

    run: Run
    iteration: int
    weights: Sequence[Weights]
    rows: Rows | None
    capsule: dict[str, Any]
    model_id: str | None = None
    dataset_id: str | None = None
    pretrained: HubModel | None = None
    license: str | None = None

    @property
    def config(self) -> Experiment:
        return self.run.config

    @property
    def summary(self) -> dict[str, Any]:
        return self.capsule["results"]

    @property
    def point(self) -> Point:
        """The measurements of this round."""
        return self.summary["iterations"][-1] if self.iteration else self.summary["baseline"]

    @property
    def title(self) -> str:
        return f"{self.run.name}, round {self.iteration}" if self.iteration else f"{self.run.name}, base"


def pretrained_name(told: Exported) -> str:
    """The model that training began with, as a reader may find it."""
    if told.pretrained:
        at = f" (commit `{told.pretrained.revision[:12]}`)" if told.pretrained.revision else ""
        return f"[{told.pretrained.name}](https://huggingface.co/{told.pretrained.name}){at}"
    if told.config.model == EMBEDDED:
        return "`embedded`, the small arithmetic model that ships with selftrain"
    if isinstance(told.config.model, ScratchModel):
        return f"{told.config.model}"
    return f"`{told.config.model}`, a folder of whoever made this"


def facts(told: Exported, more: dict[str, str]) -> str:
    """A list of task, verifier and recipe, each in its own words, and of what is `more`."""
    task, recipe = told.config.task, told.config.recipe
    described = f"the problems of {Path(task.path).name}" if isinstance(task, ProblemFile) else _about(task)
    judges = {v.type: v for v in with_members(told.config.verifiers())}
    said = {
        "Task": f"`{task.type}`: {described}",
        "Verifier": "; ".join(f"`{name}`: {_about(verifier).rstrip('.')}" for name, verifier in judges.items()),
        "Recipe": f"`{recipe.type}`: {_about(recipe)}",
    }
    return "\n".join(f"- **{name}.** {text.rstrip('.')}." for name, text in {**said, **more}.items())


def _about(settings: object) -> str:
    return inspect.getdoc(type(settings)).partition("\n")[0]  # type: ignore[union-attr]


SOURCES = {
    "self": "sampled from the policy, and right by the verifier",
    "human": "a worked solution that came with its problem",
    "rationalized": "sampled with the answer as a hint, and right; the hint is taken out again",
    "translated": "a right solution by another method, translated by the policy, and right by the verifier",
    "improved": "a turn that corrects an attempt sampled from the policy, of a trajectory that ends right by the verifier",
}


def not_covered(config: Experiment) -> list[str]:
    """What the verifiers and the task say that they leave out, in sentences."""
    judges = {f"verifier `{v.type}`": v for v in with_members(config.verifiers())}
    said = {
        name: " ".join((inspect.getdoc(type(each)) or "").split())
        for name, each in {**judges, f"task `{config.task.type}`": config.task}.items()
    }
    return [f"Not covered by the {name}: {text.partition('Not covered: ')[2]}" for name, text in said.items() if "Not covered: " in text]


def source_table(rows: Rows) -> str:
    """Rows by where they come from, round and method."""
    methods = any(method for _, _, method, _, _ in rows.sources)
    cells = [
        [source, str(iteration), *([method or ""] if methods else []), f"{count:,}", f"{problems:,}", SOURCES[source]]
        for source, iteration, method, count, problems in rows.sources
    ]
    return markdown_table(["source", "round", *(["method"] if methods else []), "rows", "problems", "what it is"], cells)


def split_facts(told: Exported) -> list[str]:
    """From which splits the rows are, as counted, and what was found of held-out text in them."""
    if told.rows is None:
        return []
    splits = [f"`{split}` ({count:,})" for split, count in told.rows.splits]
    held_out = [split for split, _ in told.rows.splits if split in HELD_OUT]
    checks = check(told.run, told.run.need(iteration_scope(told.iteration), "dataset"))
    found = [c.message[0].upper() + c.message[1:] for c in checks if c.name in (HELD_OUT_APART, NEAR_COPIES)]
    return [
        f"By the split of their problem, the training rows are of {listed(splits)}"
        + (f"; that of {listed(held_out)} should be held out. " if held_out else f", and none of {listed(HELD_OUT)}. ")
        + f"Held-out text was looked for in questions and completions. {'. '.join(found)}."
    ]


def listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def capsule_text(told: Exported) -> list[str]:
    """The capsule for people; the same for programs is in CAPSULE."""
    capsule = told.capsule
    code = capsule["written_with"]["code"]
    at = f" at commit `{code['commit']}`{', changed since' if code['modified'] else ''}" if code else ""
    again = "\n".join([*capsule["make_again"], *capsule["check"]])
    stages = [
        [
            s["scope"],
            s["stage"],
            f"`{s['digest'][:12]}`",
            ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in s["counts"].items() if name in SHOWN and count),
            f"{s['tokens']:,}" if s["tokens"] else "",
            f"{s['seconds']:.1f}",
        ]
        for s in capsule["stages"]
    ]
    total = sum(s["seconds"] for s in capsule["stages"])
    versions = "; ".join(f"{name}: {', '.join(values)}" for name, values in sorted(capsule["versions"].items()))
    settings = capsule["settings_file"]
    return [
        f"Everything that made it is in [{CAPSULE}]({CAPSULE}): all settings with their defaults, seeds, versions, and of every stage its "
        "key, digest, parents, counts, tokens and seconds, back to the base. A digest covers the bytes that it stands for; a stage names "
        "the digests that it was made from.",
        f"To make it again, and to check it: put the settings below into `selftrain_assets/defs/{settings['experiment']}/defs.yaml`, have "
        f"the same problems (their digest is `{_problems(capsule)}`), and type",
        f"```\n{again}\n```",
        f"This was written with selftrain {capsule['written_with']['selftrain']}{at}.",
        f"Seeds: {', '.join(f'{name} {seed}' for name, seed in capsule['seeds'].items())}. Versions: {versions}. Checkpoint: "
        f"`{capsule['checkpoint']['digest']}`. All stages took {_duration(total)}.",
        "Equal digests are equal bytes. Other hardware, versions or numbers of threads may round otherwise; then the digests differ, and "
        "only the figures can be compared.",
        "<details><summary>Stages</summary>\n\n"
        + markdown_table(["round", "stage", "digest", "counts", "tokens", "seconds"], stages)
        + "\n\n</details>",
        f"<details><summary>Settings</summary>\n\n```yaml\n{settings['text'].strip()}\n```\n\n</details>",
    ]


SHOWN = (
    "samples",
    "reused",
    "verifications",
    "pass",
    "wrong",
    "malformed",
    "rows",
    "optimizer_steps",
    "train",
    "human",
    "validation",
    "test",
    "transfer",
)


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} hours" if seconds >= 3600 else f"{seconds:,.0f} seconds"


def _problems(capsule: dict[str, Any]) -> str:
    return next(stage["digest"][:12] for stage in capsule["stages"] if stage["stage"] == "problems")
