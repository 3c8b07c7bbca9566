"""The project that `selftrain init` writes."""

from __future__ import annotations

import re
from pathlib import Path

from selftrain_assets.domain.errors import UserError

TEMPLATE, SUFFIX = Path(__file__).parents[1] / "project_template", ".template"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?", re.IGNORECASE)


def write_project(folder: Path) -> list[Path]:
    """Write a project with an example: an experiment, its problems, its verifier and a test.

    Args:
        folder: Where; one that is not there yet, or an empty one. Its name is the project's.

    Returns:
        The files that were written.

    Raises:
        UserError: The folder has something in it or cannot be written, or its name is none for a
            Python project.
    """
    name = folder.resolve().name
    if not _NAME.fullmatch(name):
        raise UserError(
            f'project name "{name}": use letters, digits, "-" and "_" alone, beginning and ending'
            " with a letter or digit"
        )
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; choose another name")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; choose another name, or an empty folder")
    written = []
    for source in sorted(path for path in TEMPLATE.rglob(f"*{SUFFIX}")):
        inner = source.relative_to(TEMPLATE).with_suffix("")
        target = folder / (".gitignore" if inner.name == "gitignore" else inner)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source.read_text("utf-8").replace("{name}", name), "utf-8")
        except OSError as error:
            raise UserError(f"{target} cannot be written ({error.strerror})") from error
        written.append(target)
    return written
