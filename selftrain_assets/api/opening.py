"""Open experiments, compare them and query their store."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selftrain_assets.api.run import Run
from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.config.experiment_files import (
    experiment_ref,
    keep_experiment,
    load_experiment,
)
from selftrain_assets.domain.errors import UserError
from selftrain_assets.plugins import beside
from selftrain_assets.store import Store
from selftrain_assets.store.location import folder

if TYPE_CHECKING:
    import pyarrow as pa

    from selftrain_assets.reports.comparison import Comparison


def open(
    experiment: Experiment | Mapping[str, Any] | str,
    name: str | None = None,
    store: str | Path | None = None,
    *,
    progress: bool | None = None,
) -> Run:
    """Open an experiment in a store; nothing is done yet.

    The store keeps the settings of an experiment that was made in Python, so that every command
    and every later program can open it by its name. To open other settings under the same name is
    to edit the experiment: what they change is owed again.

    Args:
        experiment: Settings, also as a mapping like the YAML of a file; or the name of an
            experiment that has a file or that the store knows, of a point of its sweep
            (`mine-cap-4`), or of its repetition with another seed (`mine-seed-3`).
        name: Name of the experiment; needed for settings.
        store: Folder of the store; None is SELFTRAIN_STORE or runs/ in the project.
        progress: Whether `rounds` shows progress on stderr; None: in a terminal and in a notebook.

    Raises:
        UserError: Settings or name are not valid, or a file of this name has other settings.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    root = _store(store).root
    if isinstance(experiment, str):
        config = load_experiment(experiment, root)
        if name in (None, experiment):
            return Run(experiment, config, root, progress)
    elif isinstance(experiment, Mapping):
        config = parse_experiment(beside(experiment, Path.cwd()), name or "experiment")
    else:
        config = experiment
    if name is None:
        raise UserError('open: give the experiment a name, as in st.open(experiment, name="mine")')
    keep_experiment(name, config, root)
    return Run(name, config, root, progress)


def compare(runs: Sequence[Run | Sequence[Run]]) -> Comparison:
    """Compare experiments: accuracies, paired differences from the first, and on what terms.

    Args:
        runs: Experiments; for several seeds the repetitions of each, in the same order of seeds.

    Raises:
        UserError: An experiment is named twice.
        TaskError: An experiment has no finished round.
    """
    from selftrain_assets.reports.comparison import compare

    arms = [[arm] if isinstance(arm, Run) else list(arm) for arm in runs]
    return compare(
        [_arm_name(arm) for arm in arms], [[run.in_pipeline() for run in arm] for arm in arms]
    )


def _arm_name(arm: Sequence[Run]) -> str:
    ref = experiment_ref(arm[0].name, arm[0].store)
    return ref.repeats.name if len(arm) > 1 and ref.repeats else arm[0].name


def sql(query: str, store: str | Path | None = None) -> pa.Table:
    """Run one DuckDB statement over everything in a store.

    Args:
        query: The statement; its views are verdicts, samples, verifications, rows, problems, scores
            and manifests.
        store: Folder of the store; None is SELFTRAIN_STORE or runs/ in the project.

    Raises:
        UserError: DuckDB refuses the statement.
    """
    from selftrain_assets.operations.catalog import arrow_query

    return arrow_query(_store(store), query)


def _store(store: str | Path | None) -> Store:
    return Store.default() if store is None else Store(folder(store))
