"""Experiments as files: defs/<name>/defs.yaml, one Dagster component each.

An experiment that was made in Python has such a file in its store (stored.py), which is read where
the defs folder has none of its name. Functions that take a `store` look in that one; None is the
default one.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.config.sweep import Sweep, at_point
from selftrain_assets.config.written import difference, written_settings
from selftrain_assets.domain.errors import UserError, nearest
from selftrain_assets.domain.settings import merged
from selftrain_assets.plugins import beside
from selftrain_assets.project import defs_directory, store_directory
from selftrain_assets.recipes import RECIPES, Recipe
from selftrain_assets.runtime.files import write_atomically
from selftrain_assets.tasks import TASKS

COMPONENT = "selftrain_assets.component.SelfTraining"
COMPONENTS = (COMPONENT, "selftrain_assets.SelfTraining")
FILE_NAME, STORED = "defs.yaml", "experiment.yaml"
log = logging.getLogger(__name__)
_KEPT = "# Made in Python. To go on with it as a file, copy this to defs/NAME/defs.yaml.\n"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_REFERENCE = re.compile(r"""type: *["']?[\w./-]+:\w""")
_REPETITION = re.compile(r"(?P<name>.+)-seed-(?P<seed>0|[1-9]\d*)")


def check_name(name: str) -> str:
    """The name, or UserError: it becomes a folder, an asset key and a group."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f'experiment name "{name}": use letters, digits, "-" and "_" alone, beginning with a'
            " letter or digit"
        )
    return name


def names_in_defs() -> list[str]:
    """Every experiment below the defs folder."""
    return sorted(p.parent.name for p in defs_directory().glob(f"*/{FILE_NAME}"))


def experiment_names(store: Path | None = None) -> list[str]:
    """Every experiment that has a file, below the defs folder or in a store."""
    return sorted(_files(store))


def _files(store: Path | None) -> dict[str, Path]:
    """The file of every experiment by name; that in the defs folder comes before the store's."""
    defs, root = _folder(defs_directory), store or _folder(store_directory)
    if defs is None and root is None:
        defs_directory()  # which says why there is none
    files = [*root.glob(f"experiments/*/{STORED}")] if root else []
    files += [*defs.glob(f"*/{FILE_NAME}")] if defs else []
    return {path.parent.name: path for path in files}


def _folder(place: Callable[[], str | Path]) -> Path | None:
    try:
        return Path(place())
    except UserError:  # in no project
        return None


def repetition(name: str, seed: int) -> str:
    """The name that an experiment has when it is repeated with another seed."""
    return f"{name}-seed-{seed}"


@dataclass(frozen=True, slots=True)
class ExperimentRef:
    """Which experiment: one with a file, a point of its sweep, or a repetition of one of these.

    Attributes:
        file: Name of the experiment whose file has the settings.
        point: The point of its sweep, by its suffix; None for the file as it is.
        seeds: The seed that it is repeated with; of a repetition of a repetition, each in turn.
    """

    file: str
    point: str | None = None
    seeds: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The name of its folder, its assets and its group."""
        name = self.file if self.point is None else f"{self.file}-{self.point}"
        for seed in self.seeds:
            name = repetition(name, seed)
        return name

    @property
    def repeats(self) -> ExperimentRef | None:
        """The experiment that it repeats."""
        return replace(self, seeds=self.seeds[:-1]) if self.seeds else None

    def repeated(self, seed: int) -> ExperimentRef:
        """Its repetition with a seed."""
        return replace(self, seeds=(*self.seeds, seed))


def experiment_ref(name: str, store: Path | None = None) -> ExperimentRef:
    """Which experiment a name is of; the only place that takes names apart.

    A name that no file, sweep or repetition explains is taken for that of a file.
    """
    known = experiment_names(store)
    if name in known:
        return ExperimentRef(name)
    if repetition := _REPETITION.fullmatch(name):
        return experiment_ref(repetition["name"], store).repeated(int(repetition["seed"]))
    files = [file for file in known if name.startswith(f"{file}-")]
    for file in sorted(files, key=len, reverse=True):
        if (point := name.removeprefix(f"{file}-")) in _points(file, store):
            return ExperimentRef(file, point)
    return ExperimentRef(name)


def _points(file: str, store: Path | None) -> Mapping[str, Mapping[str, Any]]:
    """What each point of the sweep in a file sets, by the point's suffix."""
    path = experiment_file(file, store)
    stat = path.stat()
    return _points_of(path, shown(path), (stat.st_ino, stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=256)
def _points_of(path: Path, where: str, state: tuple[int, ...]) -> Mapping[str, Mapping[str, Any]]:
    """The same of a file in this state, which is read once."""
    sweep = _sweep(settings_in(path), where)
    return sweep.named if sweep else {}


def _sweep(values: Any, where: str) -> Sweep | None:
    written = values.get("sweep") if isinstance(values, dict) else None
    try:
        return None if written is None else Sweep.model_validate(written)
    except ValidationError:
        return parse_experiment(values, where).sweep  # which says what is wrong, and where


def sweep_runs(name: str, sweep: Sweep, store: Path | None = None) -> dict[str, list[str]]:
    """The experiments of each point of a sweep, by the name of the point.

    A point is one experiment, or its repetitions with the seeds of the sweep.

    Raises:
        UserError: The Dagster UI or a file has one of these names for something else.
    """
    runs = {}
    # the Dagster UI does not tell - and _ apart
    files = {file.replace("-", "_"): file for file in experiment_names(store) if file != name}
    swept_by = {
        point: file
        for file in files.values()
        if file.startswith(f"{name}-")
        for point in _point_names(file, store)
    }
    for point in (f"{name}-{suffix}" for suffix in sweep.named):
        runs[point] = [repetition(point, seed) for seed in sweep.seeds] or [point]
        for run in (point, *runs[point]):
            if file := files.get(run.replace("-", "_")):
                raise UserError(
                    f'{name}: a point of its sweep has the name of the experiment "{file}", which'
                    " has a file of its own; rename that"
                )
        if point in swept_by:
            raise UserError(
                f'{name}: "{point}" is a point of the sweep of {swept_by[point]} too; rename one of'
                " the two experiments"
            )
    return runs


def _point_names(file: str, store: Path | None) -> list[str]:
    return [f"{file}-{suffix}" for suffix in _points(file, store)]


def sweep_experiments(name: str, config: Experiment) -> dict[str, dict[str, Experiment]]:
    """The same of an experiment that has a sweep, with the settings of each."""
    if (sweep := config.sweep) is None:
        return {}
    experiments = {}
    for (point, names), values in zip(
        sweep_runs(name, sweep).items(), sweep.point_settings.values(), strict=True
    ):
        where = f"{point}, a point of the sweep of {name}"
        settings = [repeated(values, seed, where) for seed in sweep.seeds] or [values]
        experiments[point] = {
            run: parse_experiment(own, where) for run, own in zip(names, settings, strict=True)
        }
    return experiments


def without_file(store: Path) -> list[str]:
    """Experiments in the store that have no file of their own.

    They are repetitions, or points of a sweep, of experiments that have one.
    """
    known = experiment_names(store)
    stored = [p.name for p in sorted((store / "experiments").glob("*-*")) if p.name not in known]
    return [name for name in stored if experiment_ref(name, store).file in known]


def experiment_file(name: str, store: Path | None = None) -> Path:
    """The file of an existing experiment."""
    files = _files(store)
    if (path := files.get(check_name(name))) is None:
        swept = [file for file in files if name.startswith(f"{file}-")]
        points = [point for file in swept for point in _point_names(file, store)]
        raise UserError(
            f'there is no experiment "{name}"{nearest(name, points or sorted(files))}; make one'
            f" with: selftrain new {name}"
        )
    return path


def load_experiment(name: str, store: Path | None = None) -> Experiment:
    """Read and validate an experiment by its name.

    It may be a point of a sweep, or the repetition of an experiment or point with another seed.
    """
    config = parse_experiment(*_settings(name, store))
    if overlooked := _overlooked(name, config, store):
        _warn(overlooked)
    return config


def keep_experiment(name: str, config: Experiment, store: Path) -> None:
    """Keep the settings of an experiment that was made in Python, in the store that it is run in.

    To keep others under the same name is to edit its file. Nothing is written if the defs folder
    has a file with these settings.

    Raises:
        UserError: The defs folder has a file of this name with other settings.
    """
    import yaml

    stored = store / "experiments" / check_name(name) / STORED
    path = _files(store).get(name, stored)
    if path != stored:
        if field := difference(config, parse_experiment(*_settings(name, store))):
            raise UserError(
                f"{name}: {shown(path)} has another {field}; give this experiment another name, or"
                f' open that file by its name alone: st.open("{name}")'
            )
        return
    document = {"type": COMPONENT, "attributes": written_settings(config)}
    text = f"{_KEPT}{yaml.safe_dump(document, sort_keys=False, allow_unicode=True)}"
    if not stored.is_file() or stored.read_text(encoding="utf-8") != text:
        write_atomically(stored, text)


def _overlooked(name: str, config: Experiment, store: Path | None) -> str | None:
    """A sentence on other settings of the same name, which a store has beside those of a file."""
    root = store or _folder(store_directory)
    stored = root / "experiments" / name / STORED if root else None
    path = _files(store).get(name)
    if stored is None or path in (None, stored) or not stored.is_file():
        return None
    try:
        field = difference(config, parse_experiment(settings_in(stored), shown(stored)))
    except UserError:
        field = "content"
    if field is None:
        return None
    return (
        f"{name}: {shown(path)} counts, and not {shown(stored)}, which was made in Python and has"
        f" another {field}; remove the one that is not meant"
    )


@cache  # once for each message
def _warn(message: str) -> None:
    log.warning(message)


def _settings(name: str, store: Path | None) -> tuple[Any, str]:
    """Settings of an experiment, and where they are from.

    For a repetition or a point they are those of the file that describes it, with its seed and
    values.
    """
    ref = experiment_ref(name, store)
    path = experiment_file(ref.file, store)
    where = shown(path)
    values = settings_in(path)
    if ref.point and (sweep := _sweep(values, where)):
        values = at_point(values, sweep.named[ref.point])
    for seed in ref.seeds:
        parse_experiment(values, where)
        values = repeated(values or {}, seed, where)
    return values, where


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
                f"{where}: {field} gives later rounds one seed for all repetitions; remove it to"
                " use --seeds"
            )
        changes = _with_teacher(fork.get("changes", {}), seed)
        forks.append(
            {**fork, "experiment": repetition(fork["experiment"], seed), "changes": changes}
        )
    task = TASKS.of(values.get("task"))
    again: dict[str, Any] = {
        "seed": seed,
        **({"task": {"seed": seed}} if task is None or "seed" in task.model_fields else {}),
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


def settings_in(path: Path) -> Any:
    """The settings in an experiment's file, with whole paths of the files that lie beside it."""
    return beside(attributes(path.read_bytes(), shown(path)), path.parent)


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
    if not isinstance(document, dict) or document.get("type") not in COMPONENTS:
        raise UserError(
            f"{where}: must begin with `type: {COMPONENT}`; `selftrain new` writes such a file"
        )
    if unknown := set(document) - {"type", "attributes"}:
        raise UserError(
            f'{where}: unknown field "{min(unknown)}" beside `type` and `attributes`; settings go'
            " below `attributes`"
        )
    return document.get("attributes")


def recipes_in_files() -> list[type[Recipe]]:
    """Recipes of other packages that experiments name by reference, as far as they are there."""
    recipes: dict[type[Recipe], None] = {}
    for name in experiment_names():
        path = experiment_file(name)
        if _REFERENCE.search(path.read_text(encoding="utf-8", errors="replace")) is None:
            continue
        try:
            values = settings_in(path)
        except UserError:  # which running it says
            continue
        if recipe := RECIPES.of(values.get("recipe") if isinstance(values, dict) else None):
            recipes[recipe] = None
    return list(recipes)


def write_experiment(name: str, text: str) -> Path:
    """Write a new experiment's file; an existing one is never overwritten."""
    path = defs_directory() / check_name(name) / FILE_NAME
    if path.exists():
        raise UserError(f"{shown(path)} is there already; edit it, or choose another name")
    write_atomically(path, text)
    return path
