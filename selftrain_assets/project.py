"""The project that a command works in: where its experiments lie, and where results are kept.

A project is a folder with a `dg.toml`, or a `pyproject.toml` with a table `[tool.dg.project]`: one
that `selftrain init` has written, any other Dagster project, or the checkout of selftrain.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from selftrain_assets.domain.errors import UserError

HOME, DEFS, STORE = "SELFTRAIN_HOME", "SELFTRAIN_DEFS", "SELFTRAIN_STORE"
SETTINGS = {"dg.toml": ("project",), "pyproject.toml": ("tool", "dg", "project")}
CHECKOUT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Project:
    """A project.

    Attributes:
        root: Its folder.
        defs: The folder of its experiments.
    """

    root: Path
    defs: Path

    @property
    def runs(self) -> Path:
        """The folder of its store."""
        return self.root / "runs"

    @classmethod
    def at(cls, root: Path) -> Project | None:
        """The project with this folder, if it is one.

        Raises:
            UserError: Its settings cannot be read.
        """
        for file, tables in SETTINGS.items():
            if not (path := root / file).is_file():
                continue
            stat = path.stat()
            settings = _table(path, tables, (stat.st_ino, stat.st_size, stat.st_mtime_ns))
            if settings is not None:
                return cls(root, _defs(root, settings))
        return None


def find_project() -> Project | None:
    """The project in SELFTRAIN_HOME, around the working folder, or that this package lies in.

    Raises:
        UserError: SELFTRAIN_HOME names no folder.
    """
    if home := os.environ.get(HOME):
        root = Path(home).expanduser().absolute()
        if not root.is_dir():
            raise UserError(f"{HOME}: there is no folder {root}")
        return Project.at(root) or Project(root, root / "defs")
    here = Path.cwd()
    for root in (here, *here.parents, CHECKOUT):
        if (project := Project.at(root)) is not None:
            return project
    return None


def enter(root: Path) -> None:
    """Work in this project from now on, wherever this process was started."""
    current = find_project()
    if not os.environ.get(HOME) and (current is None or current.root.resolve() != root.resolve()):
        os.environ[HOME] = str(root)


def defs_directory() -> Path:
    """The folder of experiments: SELFTRAIN_DEFS, or the project's.

    Raises:
        UserError: There is neither.
    """
    return Path(os.environ.get(DEFS) or _required(DEFS, "experiments").defs)


def store_directory() -> str | Path:
    """The folder of the store: SELFTRAIN_STORE, or runs/ in the project.

    Raises:
        UserError: There is neither.
    """
    return os.environ.get(STORE) or _required(STORE, "results").runs


def data_path(written: str) -> Path:
    """A path in an experiment's file, from the working folder or else from the project."""
    path = Path(written).expanduser()
    if path.is_absolute() or path.exists() or (project := find_project()) is None:
        return path
    return within if (within := project.root / path).exists() else path


def _required(variable: str, what: str) -> Project:
    if (project := find_project()) is None:
        raise UserError(
            f"{Path.cwd()} is in no project, so there is no place for {what}: make a project with"
            f" `selftrain init my-project`, or set {HOME} to one or {variable} to a folder"
        )
    return project


@lru_cache(maxsize=64)
def _table(file: Path, names: tuple[str, ...], state: tuple[int, ...]) -> dict[str, Any] | None:
    """A table of a file in this state, which is read once; None if it has no such table."""
    try:
        table: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: not valid TOML ({error})") from error
    for name in names:
        table = table.get(name) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else None


def _defs(root: Path, settings: dict[str, Any]) -> Path:
    """Where `dg` looks for a project's definitions: a module below src/, if there is one."""
    module = settings.get("defs_module") or f"{settings.get('root_module', '')}.defs"
    base = root / "src" if (root / "src").is_dir() else root
    return base.joinpath(*str(module).strip(".").split("."))
