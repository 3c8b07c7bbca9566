"""Rows of problem files, each with the place to name in an error: JSON, JSON Lines, both gzipped, Parquet and CSV."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selftrain_assets.core.errors import UserError

SPLIT = re.compile(r"(?:^|[^a-z])(train|validation|valid|val|dev|test|prompt)(?:ing)?(?:[^a-z]|$)")
SAME_SPLIT = {"valid": "validation", "val": "validation", "dev": "validation"}
METADATA = "metadata.json"
NOT_ROWS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a published set. `split` is as published, None where nothing says it; `source` is the hub's configuration, or
    the folder or file that it stands in; `number` counts from 1 within source and split."""

    where: str
    values: Mapping[str, Any]
    split: str | None = None
    source: str = ""
    number: int = 0

    def fault(self, message: str) -> UserError:
        """What is wrong with this row, as an error."""
        return UserError(f"{self.where}: {message}")

    def text(self, *names: str) -> str:
        """The first of these fields that the row has: a text, or a number written as one. UserError where it is missing or empty."""
        name = next((name for name in names if self.values.get(name) is not None), None)
        if name is None:
            raise self.fault(f'the field "{names[0]}" is missing')
        value = self.values[name]
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise self.fault(f'the field "{name}" must be a text or a number, not {type(value).__name__}')
        if not str(value).strip():
            raise self.fault(f'the field "{name}" is empty')
        return str(value)

    def list(self, name: str) -> list[Any]:
        """A field that holds a list. UserError where it does not."""
        value = self.values.get(name)
        if not isinstance(value, list):
            raise self.fault(f'the field "{name}" must be a list, not {type(value).__name__}')
        return value

    def json(self, name: str) -> Any:
        """A field that holds JSON as text, or the value itself; None for an empty text. UserError for another text that is no JSON."""
        value = self.values.get(name)
        try:
            return (json.loads(value) if value.strip() else None) if isinstance(value, str) else value
        except ValueError as error:
            raise self.fault(f'the field "{name}" holds no valid JSON ({error})') from error


def rows_below(path: Path) -> Iterator[Row]:
    """Rows of a file, of the files that a pattern like data/gsm8k-*.jsonl matches, or of every problem file below a folder, in the
    order of their names. What they are called says their split."""
    if path.is_file():
        folder, files = path.parent, [path]
    elif "*" in path.name:
        folder, files = path.parent, sorted(path.parent.glob(path.name))
    else:
        folder, files = path, [f for f in sorted(path.rglob("*")) if _is_rows(f.relative_to(path))]
    if not files:
        raise UserError(f"{path}: there is no file that ends in {', '.join(READERS)}")
    counts: dict[tuple[str, str | None], int] = {}
    for file in files:
        below = file.relative_to(folder)
        split = _split(below)
        named = not (SPLIT.search(file.name.lower()) or _stem(file).isdigit() or _stem(file) == "task")
        source = _stem(file) if named else below.parent.name
        for where, values in rows_in(file):
            number = counts[source, split] = counts.get((source, split), 0) + 1
            yield Row(where, values, split, source, number)


def rows_in(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a file with the place of each. UserError for a file that cannot be read as what its name says."""
    if (reader := READERS.get(_suffix(path))) is None:
        raise UserError(f'{path} ends in "{_suffix(path)}"; known: {", ".join(READERS)}')
    for where, row in reader(path):
        if not isinstance(row, dict):
            raise UserError(f"{where}: expected an object with the fields of a problem, not {type(row).__name__}")
        yield where, row


def folders_below(path: Path, files: Collection[str]) -> list[Path]:
    """Folders that hold a file of one of these names, in order: `path` itself and those below it, or below what a pattern matches."""
    tops = path.parent.glob(path.name) if "*" in path.name else [path]
    return sorted({file.parent for top in tops for file in top.rglob("*") if file.name in files})


def row_in_folder(folder: Path, files: Collection[str]) -> Row:
    """A problem that has a folder of its own, whose name is its id, and in it a file for each field, of which the first cannot be missing.
    The fields of metadata.json stand beside them. The folder above says the split."""
    required, *_ = files
    if not (folder / required).is_file():
        raise UserError(f"{folder / required} is missing, and a problem is nothing without it; restore it, or remove the folder")
    values: dict[str, Any] = {"id": folder.name.lstrip("0") or "0"}
    for file in (folder / name for name in files if (folder / name).is_file()):
        value = _field(file)
        if file.name != METADATA:
            values[file.stem] = value
        elif isinstance(value, dict):
            values |= value
        else:
            raise UserError(f"{file}: expected an object, not {type(value).__name__}")
    return Row(str(folder), values, _split(Path(folder.parent.name)))


def _field(file: Path) -> Any:
    """A text, or the value of a JSON file."""
    try:
        text = file.read_text("utf-8")
        return json.loads(text) if file.suffix == ".json" else text
    except ValueError as error:
        raise UserError(f"{file}: not valid {'JSON' if file.suffix == '.json' else 'UTF-8'} ({error}); is it torn?") from error


def _split(below: Path) -> str | None:
    """As the name of the file says, or else of the nearest folder."""
    for part in reversed(below.parts):
        if found := SPLIT.search(part.lower()):
            return SAME_SPLIT.get(found[1], found[1])
    return None


def _is_rows(below: Path) -> bool:
    return _suffix(below) in READERS and below.name not in NOT_ROWS and not any(part.startswith(".") for part in below.parts)


def _stem(file: Path) -> str:
    return file.name.removesuffix(_suffix(file))


def _suffix(path: Path) -> str:
    return "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix


def _content(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: not a readable gzip file ({error}); is it torn?") from error


def json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Values of a JSON Lines file; a file of one JSON value over several lines is told apart by `_json`."""
    for number, line in enumerate(_content(path).split(b"\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            yield where, json.loads(line)
        except ValueError as error:
            raise UserError(f"{where}: not valid JSON ({error}); is the line torn?") from error


def _json(path: Path) -> Iterator[tuple[str, Any]]:
    """A list of rows, BIG-bench's {"examples": [...]}, one row, or JSON Lines by another name."""
    try:
        value = json.loads(_content(path))
    except ValueError:
        yield from json_lines(path)
        return
    if isinstance(value, dict) and isinstance(value.get("examples"), list):
        value = value["examples"]
    if isinstance(value, list):
        yield from ((f"{path}, entry {number}", row) for number, row in enumerate(value, 1))
    else:
        yield str(path), value


def parquet(path: Path) -> Iterator[tuple[str, Any]]:
    """Rows of a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error
    yield from ((f"{path}, row {number}", row) for number, row in enumerate(table.to_pylist(), 1))


def _csv(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        text = _content(path).decode("utf-8-sig")
        yield from ((f"{path}, row {number}", row) for number, row in enumerate(csv.DictReader(io.StringIO(text), strict=True), 1))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a readable CSV file ({error})") from error


READERS: dict[str, Callable[[Path], Iterator[tuple[str, Any]]]] = {
    ".jsonl": json_lines,
    ".ndjson": json_lines,
    ".jsonl.gz": json_lines,
    ".json": _json,
    ".json.gz": _json,
    ".parquet": parquet,
    ".csv": _csv,
}
