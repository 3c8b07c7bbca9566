"""Experiments as files: defs/<name>/defs.yaml, one Dagster component each."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.config.sweep import Sweep, at_point
from selftrain_assets.domain.errors import UserError, nearest
from selftrain_assets.domain.settings import merged
from selftrain_assets.runtime.files import write_atomically

COMPONENT = "selftrain_assets.component.SelfTraining"
FILE_NAME = "defs.yaml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_REPETITION = re.compile(r"(?P<name>.+)-seed-(?P<seed>0|[1-9]\d*)")


def defs_directory() -> Path:
    """Where experiments lie: this package's defs/, or SELFTRAIN_DEFS."""
    return Path(os.environ.get("SELFTRAIN_DEFS") or Path(__file__).parents[1] / "defs")


def check_name(name: str) -> str:
    """The name, or UserError: it becomes a folder, an asset key and a group."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f'experiment name "{name}": use letters, digits, "-" and "_" alone, beginning with a'
            " letter or digit"
        )
    return name


def experiment_names() -> list[str]:
    """Every experiment below the defs folder."""
    return sorted(p.parent.name for p in defs_directory().glob(f"*/{FILE_NAME}"))


def repetition(name: str, seed: int) -> str:
    """The name that an experiment has when it is repeated with another seed."""
    return f"{name}-seed-{seed}"


def repeats(name: str) -> tuple[str, int] | None:
    """The experiment that one without a file of its own repeats, and with which seed."""
    of = _REPETITION.fullmatch(name)
    return (of["name"], int(of["seed"])) if of and name not in experiment_names() else None


def point_of(name: str) -> tuple[str, str] | None:
    """The experiment whose sweep has a point of this name, and the point's suffix.

    None where a file has the name, or no sweep has such a point.
    """
    if name in (known := experiment_names()):
        return None
    for of in sorted(
        (each for each in known if name.startswith(f"{each}-")), key=len, reverse=True
    ):
        if (end := name.removeprefix(f"{of}-")) in _ends(of):
            return of, end
    return None


def _ends(name: str) -> dict[str, dict[str, Any]]:
    """What the points of an experiment with a file set, by the ends of their names."""
    path = experiment_file(name)
    sweep = _sweep(attributes(path.read_bytes(), shown(path)), shown(path))
    return sweep.named if sweep else {}


def _sweep(values: Any, where: str) -> Sweep | None:
    written = values.get("sweep") if isinstance(values, dict) else None
    try:
        return None if written is None else Sweep.model_validate(written)
    except ValidationError:
        return parse_experiment(values, where).sweep  # which says what is wrong, and where


def sweep_runs(name: str, sweep: Sweep) -> dict[str, list[str]]:
    """The experiments of each point of a sweep, by the name of the point.

    A point is one experiment, or its repetitions with the seeds of the sweep.

    Raises:
        UserError: The Dagster UI or a file has one of these names for something else.
    """
    found = {}
    others = {each.replace("-", "_"): each for each in experiment_names() if each != name}
    theirs = {
        f"{each}-{end}": each
        for each in others.values()
        if each.startswith(f"{name}-")
        for end in _ends(each)
    }
    for point in (f"{name}-{end}" for end in sweep.named):
        found[point] = [repetition(point, seed) for seed in sweep.seeds] or [point]
        if own := [
            others[each]
            for run in (point, *found[point])
            if (each := run.replace("-", "_")) in others
        ]:
            raise UserError(
                f'{name}: a point of its sweep has the name of the experiment "{own[0]}", which has'
                " a file of its own; rename that"
            )
        if point in theirs:
            raise UserError(
                f'{name}: "{point}" is a point of the sweep of {theirs[point]} too; rename one of'
                " the two experiments"
            )
    return found


def sweep_experiments(name: str, config: Experiment) -> dict[str, dict[str, Experiment]]:
    """The same of an experiment that has a sweep, with the settings of each."""
    if (sweep := config.sweep) is None:
        return {}
    found = {}
    for (point, names), values in zip(
        sweep_runs(name, sweep).items(), sweep.settled.values(), strict=True
    ):
        where = f"{point}, a point of the sweep of {name}"
        settings = [repeated(values, seed, where) for seed in sweep.seeds] or [values]
        found[point] = {
            run: parse_experiment(of, where) for run, of in zip(names, settings, strict=True)
        }
    return found


def without_file(store: Path) -> list[str]:
    """Experiments in the store that have no file of their own.

    They are repetitions, or points of a sweep, of experiments below the defs folder.
    """
    known = experiment_names()
    described = {*known, *(f"{name}-{end}" for name in known for end in _ends(name))}
    found = [p.name for p in sorted((store / "experiments").glob("*-*")) if p.name not in known]
    return [
        name
        for name in found
        if name in described or ((of := _REPETITION.fullmatch(name)) and of["name"] in described)
    ]


def described_by(name: str) -> str:
    """The experiment whose file has the settings of this one.

    It is the experiment itself, the one that it repeats, or the one of whose sweep it is a point.
    """
    if of := repeats(name):
        return described_by(of[0])
    of_sweep = point_of(name)
    return of_sweep[0] if of_sweep else experiment_file(name).parent.name


def experiment_file(name: str) -> Path:
    """The file of an existing experiment."""
    path = defs_directory() / check_name(name) / FILE_NAME
    if not path.is_file():
        known = experiment_names()
        points = [
            f"{each}-{end}" for each in known if name.startswith(f"{each}-") for end in _ends(each)
        ]
        raise UserError(
            f'there is no experiment "{name}"{nearest(name, points or known)}; make one with:'
            f" selftrain new {name}"
        )
    return path


def load_experiment(name: str) -> Experiment:
    """Read and validate an experiment by its name.

    It may be a point of a sweep, or the repetition of an experiment or point with another seed.
    """
    return parse_experiment(*_settings(name))


def _settings(name: str) -> tuple[Any, str]:
    """Settings of an experiment, and where they are from.

    For a repetition or a point they are those of the file that describes it, with its seed and
    values.
    """
    if of := repeats(name):
        values, where = _settings(of[0])
        parse_experiment(values, where)
        return repeated(values or {}, of[1], where), where
    of_sweep = point_of(name)
    path = experiment_file(of_sweep[0] if of_sweep else name)
    values = attributes(path.read_bytes(), shown(path))
    if of_sweep and (sweep := _sweep(values, shown(path))):
        return at_point(values, sweep.named[of_sweep[1]]), shown(path)
    return values, shown(path)


def repeated(values: Mapping[str, Any], seed: int, where: str) -> dict[str, Any]:
    """Settings with another seed, and without the sweep.

    The seed is that of sampling, selection, training, and of the problems or their split. Where the
    teacher is the checkpoint of another experiment, it becomes the checkpoint of that one's
    repetition: the teacher itself learnt from problems that are held out here. The same goes for
    the experiment that a fork goes on from.
    """
    values, forks = at_point(values, {}), []
    for place, fork in enumerate(values.get("forks", ())):
        if "seed" in fork.get("changes", {}):
            field = f"forks[{place}].changes.seed"
            raise UserError(
                f"{where}: {field} gives later rounds a seed of their own, the same in every"
                " repetition; take it out to repeat"
            )
        changes = _with_teacher(fork.get("changes", {}), seed)
        forks.append(
            {**fork, "experiment": repetition(fork["experiment"], seed), "changes": changes}
        )
    again: dict[str, Any] = {
        "seed": seed,
        "task": {"seed": seed},
        **({"forks": forks} if forks else {}),
    }
    if isinstance(values.get("model"), dict):  # random weights are drawn again too
        again["model"] = {"seed": seed}
    return merged(_with_teacher(values, seed), again)


def _with_teacher(values: dict[str, Any], seed: int) -> dict[str, Any]:
    """Replace teachers by their repetitions anywhere in the recipe.

    They stand as `teacher`, or as the `model` of feedback or improver.
    """

    def with_seed(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if value.keys() == {"experiment", "iteration"}:
            return {**value, "experiment": repetition(value["experiment"], seed)}
        return {name: with_seed(each) for name, each in value.items()}

    return (
        merged(values, {"recipe": with_seed(values["recipe"])})
        if isinstance(values.get("recipe"), dict)
        else values
    )


def shown(path: Path) -> str:
    """As a person in this folder would write it."""
    return os.path.relpath(path)


def attributes(text: str | bytes, where: str) -> Any:
    """The settings in the text of a file. UserError where it is no experiment."""
    import yaml

    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(
            f"{where}{line}: not valid YAML ({getattr(error, 'problem', None) or 'unreadable'})"
        ) from error
    if not isinstance(document, dict) or document.get("type") != COMPONENT:
        raise UserError(
            f"{where}: must begin with `type: {COMPONENT}`; `selftrain new` writes such a file"
        )
    if unknown := set(document) - {"type", "attributes"}:
        raise UserError(
            f'{where}: unknown field "{min(unknown)}" beside `type` and `attributes`; settings go'
            " below `attributes`"
        )
    return document.get("attributes")


def write_experiment(name: str, text: str) -> Path:
    """Write a new experiment's file; an existing one is never overwritten."""
    path = defs_directory() / check_name(name) / FILE_NAME
    if path.exists():
        raise UserError(f"{shown(path)} is there already; edit it, or choose another name")
    write_atomically(path, text)
    return path
