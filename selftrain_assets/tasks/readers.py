"""Readers of row files; each row has its location for error messages.

Formats are JSON Lines, JSON, CSV, TSV and Parquet, gzipped or not. Text is UTF-8. Numbers keep the
digits that they are written with. NaN is no value: it is what pandas writes for a missing one.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.numbers import plain
from selftrain_assets.domain.quantities import LONGEST
from selftrain_assets.tasks.splits import split_called

Located = tuple[str, dict[str, Any]]
ROWS_UNDER = ("examples", "data", "rows", "problems", "questions", "instances")
"""Names under which an object may hold the list of its rows, as BIG-bench's task.json does."""
LONGEST_INT = 4300  # digits that Python reads as an integer
MAGIC = {
    b"version https://git-lfs.github.com/": (
        "is a Git LFS pointer and not the file itself: run git lfs pull in its repository"
    ),
    b"/annex/objects/": (
        "is a git-annex pointer and not the file itself: run git annex get in its repository"
    ),
    b"<!doctype html": (
        "is a web page: download the file itself (of GitHub or the Hugging Face hub, the raw one)"
    ),
    b"<html": (
        "is a web page: download the file itself (of GitHub or the Hugging Face hub, the raw one)"
    ),
    b"PK\x03\x04": "is a zip archive or a spreadsheet: unpack it, or save it as CSV",
    b"%PDF": "is a PDF: give the data that it shows",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd: unpack it",
    b"BZh": "is compressed with bzip2: unpack it",
    b"\xfd7zXZ": "is compressed with xz: unpack it",
}
GZIP = b"\x1f\x8b"
UTF_32, UTF_16 = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"), (b"\xff\xfe", b"\xfe\xff")


def rows_in(path: Path) -> Iterator[Located]:
    """Rows of a file with the place of each.

    UserError for a file that cannot be read as what its name says.
    """
    if (reader := READERS.get(suffix(path).removesuffix(".gz"))) is None:
        raise UserError(
            f'{path} ends in "{suffix(path)}"; known: {", ".join(READERS)}, and the same with .gz'
        )
    for where, row in reader(path):
        if not isinstance(row, dict):
            raise UserError(
                f"{where}: expected an object with the fields of a problem, not"
                f" {type(row).__name__}"
            )
        yield where, without_nan(row)


def suffix(path: Path) -> str:
    """How the name ends: .jsonl, or .jsonl.gz; in lower case."""
    return "".join(
        path.suffixes[-2:] if path.suffix.lower() == ".gz" else path.suffixes[-1:]
    ).lower()


def without_nan(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row, with None for NaN."""
    return {
        name: None if isinstance(value, float | Decimal) and math.isnan(value) else value
        for name, value in row.items()
    }


def written(value: Any) -> str:
    """A text or number as text. ValueError says what else it is."""
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError("must be a text or a number, not bytes that are no UTF-8") from error
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        advice = (
            "; write it as a text, in the form that an answer should have"
            if isinstance(value, date | time)
            else ""
        )
        raise ValueError(f"must be a text or a number, not {type(value).__name__}{advice}")
    if isinstance(value, float | Decimal) and not Decimal(value).is_finite():
        raise ValueError(f"must be a finite number, not {value}; write it as a text")
    if isinstance(value, Decimal) and abs(value.adjusted()) > LONGEST:
        raise ValueError(f"has more than {LONGEST:,} digits; write it as a text")
    text = value if isinstance(value, str) else plain(value)
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("holds half of a surrogate pair, which is no character")
    return text


def floats(value: Any) -> Any:
    """The same with a float for every Decimal, which is what JSON's numbers are read as here."""
    if isinstance(value, Mapping):
        return {name: floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [floats(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


# -- text ------------------------------------------------------------------------------------------


def content(path: Path) -> bytes:
    """What the file holds, unpacked.

    UserError for one that holds something else than its name says.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if path.suffix.lower() == ".gz" and not raw.startswith(GZIP):
        raise UserError(
            f"{path}: not a readable gzip file; is it truncated, or not compressed at all?"
        )
    while raw.startswith(GZIP):
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise UserError(
                f"{path}: not a readable gzip file ({error}); is it truncated?"
            ) from error
    if raw.startswith(b"PAR1") and ".parquet" not in path.suffixes:
        raise UserError(f"{path} is a Parquet file: rename it so that its name ends in .parquet")
    for magic, advice in MAGIC.items():
        if raw[: len(magic)].lower() == magic.lower():
            raise UserError(f"{path} {advice}")
    return raw


def text_of(path: Path) -> str:
    """The text of a file in UTF-8, with a byte order mark or without.

    UserError names another encoding, and how to convert it.
    """
    raw = content(path)
    wide = (
        "UTF-32"
        if raw.startswith(UTF_32)
        else "UTF-16"
        if raw.startswith(UTF_16) or b"\x00" in raw[:2]
        else None
    )
    if wide:
        raise UserError(
            f"{path} is {wide}, and only UTF-8 is read: convert it with iconv -f {wide} -t UTF-8"
        )
    try:
        return raw.decode("utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {line}: the byte 0x{raw[error.start]:02X} is no UTF-8; if the file is"
            " Latin-1, as Windows writes it, convert it with iconv -f WINDOWS-1252 -t UTF-8"
        ) from error


# -- JSON ------------------------------------------------------------------------------------------


def _int(digits: str) -> int:
    return int(digits) if len(digits) <= LONGEST_INT else int(Decimal(digits))


def value_of(text: str) -> Any:
    """The value that this JSON is; a number with a point or an exponent is a Decimal.

    ValueError where it is none.
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_int=_int)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _lines(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if line.strip():
            where = f"{path}, line {number}"
            try:
                yield where, value_of(line)
            except ValueError as error:
                raise UserError(
                    f"{where}: not valid JSON ({error}); is the line truncated?"
                ) from error


def _rows_of(path: Path, value: Any) -> list[Any] | None:
    """The list of rows that a value is or contains; None where the value is one row.

    It may stand under a known name, by split, or below its columns as pandas writes it.
    """
    if isinstance(value, dict):
        lists = {
            name: item
            for name, item in value.items()
            if isinstance(item, list) and all(isinstance(row, dict) for row in item)
        }
        if lists and len(lists) == len(value) and all(map(split_called, lists)):
            return [
                {"split": split_called(name), **row} for name, rows in lists.items() for row in rows
            ]
        if len(under := [name for name in ROWS_UNDER if name in lists]) == 1:
            return lists[under[0]]
        columns, data = value.get("columns"), value.get("data")
        if (
            isinstance(columns, list)
            and isinstance(data, list)
            and all(isinstance(row, list) and len(row) == len(columns) for row in data)
        ):
            return [dict(zip(columns, row, strict=True)) for row in data]
        if value and all(isinstance(item, dict) for item in value.values()):
            raise UserError(
                f"{path}: one object of objects ({', '.join(list(value)[:3])} ...); expected a list"
                " of rows, or a row on each line, as pandas writes them with"
                ' to_json(orient="records", lines=True)'
            )
        return None
    return (
        value if isinstance(value, list) and all(isinstance(row, dict) for row in value) else None
    )


def _is_object(line: str) -> bool:
    try:
        return isinstance(value_of(line), dict)
    except ValueError:
        return False


def json_rows(path: Path) -> Iterator[tuple[str, Any]]:
    """Rows of JSON Lines, or of one JSON value over any number of lines.

    The file's name does not matter.
    """
    text = text_of(path)
    first, _, more = text.strip().partition("\n")
    if not more or _is_object(first):
        try:
            rows = _rows_of(path, value_of(first)) if first and not more else None
        except ValueError:
            rows = None  # told with its line
        if rows is None:
            yield from _lines(path, text)
            return
    else:
        try:
            value = value_of(text)
        except json.JSONDecodeError as error:
            # meant as a row on each line
            if error.msg == "Extra data" or (first.startswith("{") and len(first) > 1):
                yield from _lines(path, text)
                return
            raise UserError(
                f"{path}, line {error.lineno}: not valid JSON ({error.msg}, column {error.colno});"
                " is the file truncated?"
            ) from error
        except ValueError as error:
            raise UserError(f"{path}: not valid JSON ({error})") from error
        if (rows := _rows_of(path, value)) is None:
            yield str(path), value
            return
    yield from ((f"{path}, entry {number}", row) for number, row in enumerate(rows, 1))


# -- tables ----------------------------------------------------------------------------------------


def parquet(path: Path) -> Iterator[tuple[str, Any]]:
    """Rows of a Parquet file.

    A number of 32 bits is the shortest that it may have been written as: 0.1, not 0.10000000149.
    """
    import numpy as np
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(pyarrow.BufferReader(content(path)))
        rows = table.to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UserError(
            f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})"
        ) from error
    short = {
        f.name: kind
        for f in table.schema
        for kind in (np.float16, np.float32)
        if f.type == pyarrow.from_numpy_dtype(kind)
    }
    for number, row in enumerate(rows, 1):
        for name, kind in short.items():
            value = row[name]
            row[name] = value if value is None or value.is_integer() else float(str(kind(value)))
        yield f"{path}, row {number}", row


def _table(path: Path, delimiters: str) -> Iterator[tuple[str, Any]]:
    """Rows below a header.

    Of the delimiters the one that cuts the header into most names is used.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    text = text_of(path)
    # as Excel writes it
    if text.startswith("sep=") and (first := text.partition("\n"))[0].strip()[4:] in [*delimiters]:
        delimiters, text = first[0].strip()[4:], first[2]

    def read(delimiter: str, strict: bool) -> Iterator[list[str]]:
        return csv.reader(
            io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=strict
        )

    try:
        reader = read(
            max(delimiters, key=lambda delimiter: len(next(read(delimiter, strict=False), []))),
            strict=True,
        )
        names = [name.strip() for name in next(reader, [])]
        if again := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f'{path}: two columns are called "{again}"')
        for number, values in enumerate((row for row in reader if row), 1):
            if len(values) != len(names):
                raise UserError(
                    f"{path}, row {number}: {len(values)} fields, and the header names {len(names)}"
                )
            yield (
                f"{path}, row {number}",
                {name: value or None for name, value in zip(names, values, strict=True)},
            )
    except csv.Error as error:
        raise UserError(
            f"{path}: not a readable {suffix(path)[1:4].upper()} file ({error})"
        ) from error


READERS: dict[str, Callable[[Path], Iterator[tuple[str, Any]]]] = {
    ".jsonl": json_rows,
    ".ndjson": json_rows,
    ".json": json_rows,
    ".parquet": parquet,
    ".csv": lambda path: _table(path, ",;\t|"),
    ".tsv": lambda path: _table(path, "\t"),
}
