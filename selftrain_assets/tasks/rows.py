"""Rows of published sets: where their files lie, which split each row is in, and its fields."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selftrain_assets.domain.errors import UserError
from selftrain_assets.tasks.readers import (
    READERS,
    floats,
    rows_in,
    suffix,
    text_of,
    value_of,
    written,
)
from selftrain_assets.tasks.splits import split_called, split_of, splits_in

METADATA = "metadata.json"
NOT_ROWS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a published set.

    `split` is as published, None where nothing says it; `source` is the hub's configuration, or the
    folder or file that it stands in; `number` counts from 1 within source and split.
    """

    where: str
    values: Mapping[str, Any]
    split: str | None = None
    source: str = ""
    number: int = 0

    def fault(self, message: str) -> UserError:
        """What is wrong with this row, as an error."""
        return UserError(f"{self.where}: {message}")

    def text(self, *names: str) -> str:
        """The first of these fields that the row has: a text, or a number written as one.

        UserError where it is missing or empty.
        """
        name = next((name for name in names if self.values.get(name) is not None), None)
        if name is None:
            raise self.fault(f'the field "{names[0]}" is missing')
        try:
            text = written(self.values[name])
        except ValueError as error:
            raise self.fault(f'the field "{name}" {error}') from error
        if not text.strip():
            raise self.fault(f'the field "{name}" is empty')
        return text

    def optional(self, name: str) -> str:
        """A field as text; empty where the row has none."""
        return str(self.values.get(name) or "")

    def list(self, name: str) -> list[Any]:
        """A field that holds a list. UserError where it does not."""
        value = self.values.get(name)
        if not isinstance(value, list):
            raise self.fault(f'the field "{name}" must be a list, not {type(value).__name__}')
        return value

    def json(self, name: str) -> Any:
        """A field that holds JSON as text, or the value itself; None for an empty text.

        UserError for another text that is no JSON.
        """
        value = self.values.get(name)
        try:
            return (
                (json.loads(value) if value.strip() else None)
                if isinstance(value, str)
                else floats(value)
            )
        except ValueError as error:
            raise self.fault(f'the field "{name}" holds no valid JSON ({error})') from error


def rows_below(path: Path, beside: Collection[str] = ()) -> Iterator[Row]:
    """Rows of a file, of files that match a pattern, or of every problem file below a folder.

    A pattern is such as data/gsm8k-*.jsonl. Files are read in the order of their names, without
    those that lie `beside` the set. The split is said by the names of files and folders, or by a
    column of that name.
    """
    folder, files, left_out = files_below(path, beside)
    if not files:
        instead = f" but for {', '.join(left_out)}; name one of them to load it" if left_out else ""
        raise UserError(f"{path}: there is no file that ends in {', '.join(READERS)}{instead}")
    counts: dict[tuple[str, str | None], int] = {}
    for file in files:
        below, stem = file.relative_to(folder), file.name[: len(file.name) - len(suffix(file))]
        place = split_of(below, folder)
        named = not (splits_in(stem) or stem.isdigit() or stem == "task")
        source = stem if named else below.parent.name
        for where, values in rows_in(file):
            split = place or split_called(str(values.get("split") or ""))
            number = counts[source, split] = counts.get((source, split), 0) + 1
            yield Row(where, values, split, source, number)


def files_below(path: Path, beside: Collection[str] = ()) -> tuple[Path, list[Path], list[str]]:
    """Find the problem files of a path or pattern.

    Returns:
        The folder that the path begins with, the problem files in it, and the names of files that
        lie `beside` the set, by patterns of their names: authors publish samples and drafts in the
        same folder. A file that is named itself is never one of these.
    """
    if path.is_file():
        return path.parent, [path], []
    folder = path
    while "*" in str(folder):
        folder = folder.parent
    files: list[Path] = []
    for match in [path] if folder == path else folder.glob(str(path.relative_to(folder))):
        files += (
            [
                file
                for file in match.rglob("*")
                if file.is_file() and _is_rows(file.relative_to(folder))
            ]
            if match.is_dir()
            else [match]
        )
    left_out = [
        file for file in files if any(file.relative_to(folder).match(pattern) for pattern in beside)
    ]
    return (
        folder,
        sorted({*files} - {*left_out}),
        sorted(str(file.relative_to(folder)) for file in left_out),
    )


def folders_below(path: Path, files: Collection[str]) -> list[Path]:
    """Folders that hold a file of one of these names, in order.

    They are `path` itself and those below it, or below what a pattern matches.
    """
    tops = path.parent.glob(path.name) if "*" in path.name else [path]
    return sorted({file.parent for top in tops for file in top.rglob("*") if file.name in files})


def row_in_folder(folder: Path, files: Collection[str]) -> Row:
    """A problem that has a folder of its own, with a file for each field.

    The folder's name is its id; the first of `files` cannot be missing. The fields of metadata.json
    are added. The folder above says the split.
    """
    required, *_ = files
    if not (folder / required).is_file():
        raise UserError(
            f"{folder / required} is missing, and a problem is nothing without it; restore it, or"
            " remove the folder"
        )
    values: dict[str, Any] = {"id": folder.name.lstrip("0") or "0"}
    for file in (folder / name for name in files if (folder / name).is_file()):
        value = _field(file)
        if file.name != METADATA:
            values[file.stem] = value
        elif isinstance(value, dict):
            values |= value
        else:
            raise UserError(f"{file}: expected an object, not {type(value).__name__}")
    return Row(str(folder), values, split_of(Path(folder.name), folder.parent))


def _field(file: Path) -> Any:
    """A text, or the value of a JSON file."""
    text = text_of(file)
    try:
        return floats(value_of(text)) if file.suffix == ".json" else text
    except ValueError as error:
        raise UserError(f"{file}: not valid JSON ({error}); is it truncated?") from error


def _is_rows(below: Path) -> bool:
    known = suffix(below).removesuffix(".gz") in READERS
    return (
        known
        and below.name not in NOT_ROWS
        and not any(part.startswith(".") for part in below.parts)
    )
