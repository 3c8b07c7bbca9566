"""Files as programs and people write them: what is read out of each, and what is said of those
that cannot be read."""

import gzip
import json
import math
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.errors import UserError
from selftrain_assets.tasks import TASKS, ProblemFile
from selftrain_assets.tasks.readers import READERS, rows_in, written

ONE = {"id": "a", "question": "1 + 1?", "answer": "2"}
TWO = {"id": "b", "question": "2 + 2?", "answer": "4"}
BOTH = [ONE, TWO]
LINES = "".join(json.dumps(row) + "\n" for row in BOTH)
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
BIG = "1" + "0" * 5000


def table(delimiter, end="\n"):
    return (
        end.join(
            delimiter.join(f'"{cell}"' for cell in cells)
            for cells in ([*ONE], [*ONE.values()], [*TWO.values()])
        )
        + end
    )


def encoded(text, encoding):
    return text.encode(encoding)


READ = {
    "JSON Lines": ("a.jsonl", LINES),
    "with a byte order mark": ("a.jsonl", "\ufeff" + LINES),
    "with Windows' line ends": ("a.jsonl", LINES.replace("\n", "\r\n")),
    "with old Macs' line ends": ("a.jsonl", LINES.replace("\n", "\r")),
    "with empty lines": ("a.ndjson", "\n \n" + LINES.replace("\n", "\n\n\n")),
    "without a line end at the end": ("a.jsonl", LINES.rstrip()),
    "called .json": ("a.json", LINES),
    "with an upper-case ending": ("A.JSONL", LINES),
    "a list on one line": ("a.json", json.dumps(BOTH)),
    "a list over many lines": ("a.json", json.dumps(BOTH, indent=2)),
    "a list called .jsonl": ("a.jsonl", json.dumps(BOTH, indent=2)),
    "a list of a row a line": ("a.json", "[" + json.dumps(ONE) + ",\n" + json.dumps(TWO) + "]"),
    "an object with data": ("a.json", json.dumps({"version": 1, "data": BOTH})),
    "an object with examples": (
        "a.json",
        json.dumps({"name": "x", "keywords": ["y"], "examples": BOTH}, indent=1),
    ),
    "an object with problems, on a line": ("a.jsonl", json.dumps({"problems": BOTH})),
    "gzip": ("a.jsonl.gz", gzip.compress(LINES.encode())),
    "gzip by another name": ("a.jsonl", gzip.compress(LINES.encode())),
    "a list, gzipped": ("a.json.gz", gzip.compress(json.dumps(BOTH).encode())),
    "a list, gzipped twice": ("a.json.gz", gzip.compress(gzip.compress(json.dumps(BOTH).encode()))),
    "the columns and the data of pandas": (
        "a.json",
        json.dumps({"columns": [*ONE], "data": [[*ONE.values()], [*TWO.values()]]}),
    ),
    "two byte order marks": ("a.json", "\ufeff\ufeff" + LINES),
    "CSV": ("a.csv", table(",")),
    "CSV with a line for Excel": ("a.csv", "sep=;\r\n" + table(";", "\r\n")),
    "CSV with spaces": ("a.csv", table(",").replace(",", ", ")),
    "CSV without quotes": ("a.csv", table(",").replace('"', "")),
    "CSV with a byte order mark and Windows' line ends": ("a.csv", "\ufeff" + table(",", "\r\n")),
    "CSV with semicolons": ("a.csv", table(";")),
    "CSV with tabs": ("a.csv", table("\t")),
    "TSV": ("a.tsv", table("\t").replace('"', "")),
    "CSV, gzipped": ("a.csv.gz", gzip.compress(table(",").encode())),
}


@pytest.mark.parametrize(("name", "content"), READ.values(), ids=READ)
def test_the_same_rows_are_read_out_of_every_form(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert [row for _, row in rows_in(path)] == BOTH


REFUSED = {
    "UTF-16": (
        "a.jsonl",
        encoded(LINES, "utf-16"),
        "is UTF-16, and only UTF-8 is read: convert it with iconv -f UTF-16 -t UTF-8",
    ),
    "UTF-16 without a mark": ("a.csv", encoded(table(","), "utf-16-le"), "is UTF-16"),
    "UTF-16, big end first": ("a.json", encoded(LINES, "utf-16-be"), "is UTF-16"),
    "UTF-32": ("a.json", encoded(LINES, "utf-32"), "is UTF-32"),
    "Latin-1": (
        "a.jsonl",
        encoded(LINES + '{"id": "café"}', "latin-1"),
        "line 3: the byte 0xE9 is no UTF-8; if the file is Latin-1",
    ),
    "Latin-1 in CSV": (
        "a.csv",
        encoded("id,question\n1,café", "latin-1"),
        "line 2: the byte 0xE9 is no UTF-8",
    ),
    "a Git LFS pointer": (
        "a.jsonl",
        LFS,
        "is a Git LFS pointer and not the file itself: run git lfs pull",
    ),
    "a Git LFS pointer to Parquet": ("a.parquet", LFS, "is a Git LFS pointer"),
    "a Git LFS pointer to gzip": (
        "a.jsonl.gz",
        gzip.compress(LFS.encode()),
        "is a Git LFS pointer",
    ),
    "a web page": (
        "a.json",
        "<!DOCTYPE html><title>404</title>",
        "is a web page: download the file itself",
    ),
    "a zip archive": ("a.jsonl", b"PK\x03\x04rest", "is a zip archive"),
    "a spreadsheet": (
        "a.csv",
        b"PK\x03\x04rest",
        "is a zip archive or a spreadsheet: unpack it, or save it as CSV",
    ),
    "Parquet by another name": (
        "a.jsonl",
        b"PAR1rest",
        "is a Parquet file: rename it so that its name ends in .parquet",
    ),
    "zstd": ("a.jsonl", b"\x28\xb5\x2f\xfdrest", "is compressed with zstd: unpack it"),
    "torn gzip": ("a.jsonl.gz", gzip.compress(LINES.encode())[:30], "not a readable gzip file"),
    "damaged gzip": (
        "a.jsonl.gz",
        gzip.compress(LINES.encode())[:20] + b"\xff" * 30,
        "not a readable gzip file",
    ),
    "gzip in name alone": (
        "a.jsonl.gz",
        LINES,
        "not a readable gzip file; is it truncated, or not compressed at all?",
    ),
    "another ending": ("a.xlsx", "x", 'ends in ".xlsx"; known: .jsonl'),
    "a torn line": ("a.jsonl", LINES + '{"id": "c", "que', "line 3: not valid JSON"),
    "a torn list": ("a.json", json.dumps(BOTH, indent=1)[:-30], "line 9: not valid JSON"),
    "Python's quotes": ("a.jsonl", str(ONE), "line 1: not valid JSON"),
    "nested too deeply": (
        "a.jsonl",
        '{"id": ' + "[" * 100_000,
        "line 1: not valid JSON (nested too deeply)",
    ),
    "a list of texts": (
        "a.json",
        '[\n"a",\n"b"\n]',
        "expected an object with the fields of a problem, not list",
    ),
    "columns of rows": (
        "a.json",
        json.dumps({"id": {"0": "a"}, "question": {"0": "b"}}),
        "one object of objects (id, question ...)",
    ),
    "two columns of one name": ("a.csv", "id,question,id\n1,2,3", 'two columns are called "id"'),
    "a row that is too long": (
        "a.csv",
        "id,question\n1,What, then?",
        "row 1: 3 fields, and the header names 2",
    ),
    "a row that is too short": (
        "a.csv",
        "id,question\n1,2\n3",
        "row 2: 1 fields, and the header names 2",
    ),
    "an open quote": ("a.csv", 'id,question\n1,"What?', "not a readable CSV file"),
}


@pytest.mark.parametrize(("name", "content", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_told_in_one_sentence(tmp_path, name, content, reason):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        list(rows_in(path))
    assert str(caught.value).startswith(str(path))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def answers(path):
    return [p.answer for p in ProblemFile(path=str(path)).read().problems]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1e-07", "0.0000001"),
        ("4e16", "40000000000000000"),
        ("51.0", "51"),
        ("-0.0", "0"),
        ("0.1", "0.1"),
        ("3.14159265358979323846", "3.14159265358979323846"),
        ("1E+2", "100"),
        ("10000000000000000000000001", "10000000000000000000000001"),
        (BIG, BIG),
        ("1e999", "1" + "0" * 999),
        ('"1e-07"', "1e-07"),
        ('" 05/02/2021 "', "05/02/2021"),
    ],
)
def test_a_number_of_json_keeps_its_value(tmp_path, number, text):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"id": 1, "question": "?", "answer": {number}}}')
    assert answers(path) == [text]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (6.0, "6"),
        (1e-05, "0.00001"),
        (np.float32(0.1), "0.1"),
        (np.float32(16777216), "16777216"),
        (np.float16(0.1), "0.1"),
        (Decimal("6.00"), "6"),
        (Decimal("0.30"), "0.3"),
        (2**53 + 1, str(2**53 + 1)),
        (b"Paris", "Paris"),
    ],
    ids=repr,
)
def test_a_value_of_parquet_is_read_as_it_is_meant(tmp_path, value, text):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(
        pyarrow.table({"id": [1.0], "question": ["?"], "answer": pyarrow.array([value])}), path
    )
    [problem] = ProblemFile(path=str(path)).read().problems
    assert (problem.id, problem.answer) == ("1", text)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            date(2021, 5, 2),
            (
                "must be a text or a number, not date; write it as a text, in the form that an"
                " answer should have"
            ),
        ),
        (datetime(2021, 5, 2), "not datetime; write it as a text"),
        (b"\xff", "must be a text or a number, not bytes that are no UTF-8"),
        ([1, 2], "must be a text or a number, not list"),
        ({"value": 1}, "must be a text or a number, not dict"),
        (True, "must be a text or a number, not bool"),
        (math.inf, "must be a finite number, not inf; write it as a text"),
        (math.nan, 'the field "answer" is missing or empty'),
        (None, 'the field "answer" is missing or empty'),
    ],
    ids=repr,
)
def test_a_value_that_is_no_answer_is_told(tmp_path, value, reason):
    path = tmp_path / "a.parquet"
    columns = {"id": ["x"], "question": ["?"], "answer": [value]}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    with pytest.raises(UserError) as caught:
        ProblemFile(path=str(path)).read()
    assert str(caught.value).startswith(f"{path}, row 1: ")
    assert reason in str(caught.value)


def test_more_digits_than_anybody_writes_are_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1, "question": "?", "answer": 1e99999999}')
    with pytest.raises(
        UserError,
        match='line 1: the field "answer" has more than 10,000 digits; write it as a text',
    ):
        answers(path)


def test_an_object_may_hold_the_rows_of_each_split(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"train": [ONE], "dev": [TWO]}))
    assert [p.split for p in ProblemFile(path=str(path)).read().problems] == ["train", "validation"]


def test_the_lines_of_a_question_are_joined(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        json.dumps(ONE | {"question": ["first", " second"], "solution": ["1 + 1", "2"]})
    )
    [problem] = ProblemFile(path=str(path)).read().problems
    assert (problem.question, problem.solution) == ("first\n second", "1 + 1\n2")


@pytest.mark.parametrize("field", ["solution", "group", "split", "entry"])
@pytest.mark.parametrize("missing", ["NaN", "null", '""'])
def test_nan_is_no_value_in_any_field(tmp_path, field, missing):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"id": 1, "question": "?", "answer": 2, "{field}": {missing}}}')
    [problem] = ProblemFile(path=str(path)).read().problems
    assert (problem.solution, problem.group) == (None, "")


@pytest.mark.parametrize("field", ["id", "question", "answer", "solution"])
def test_nan_is_no_value_where_one_is_needed(tmp_path, field):
    row = {"id": "1", "question": "?", "answer": "2", "solution": "3", "split": "human"} | {
        field: math.nan
    }
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(UserError, match=f'"{field}"'):
        ProblemFile(path=str(path)).read()


def test_a_field_may_be_as_long_as_it_likes(tmp_path):
    long = "word " * 100_000
    path = tmp_path / "a.csv"
    path.write_text(f'id,question,answer\n1,"{long}",2\n')
    [problem] = ProblemFile(path=str(path)).read().problems
    assert problem.question == long.strip()


def test_a_table_holds_lists_as_json(tmp_path):
    path = tmp_path / "a.csv"
    tests = json.dumps([{"args": [0.5], "expected": 1e-07}]).replace('"', '""')
    path.write_text(
        f'id,question,entry,tests,solutions\n1,Half?,f,"{tests}","{{""text"": ""a"", ""code"":'
        ' null}"\n'
    )
    [problem] = ProblemFile(path=str(path)).read().problems
    assert json.loads(problem.tests)["calls"] == [[[0.5], {}, 1e-07]]
    assert problem.solutions == {"text": "a"}


def test_numbers_of_tests_are_floats_whatever_they_stand_in(tmp_path):
    given = {"inputs": [[0.5]], "outputs": [1e-07], "fn_name": "f"}
    row = {"problem_id": 1, "question": "Half?", "input_output": given}
    (tmp_path / "test.jsonl").write_text(json.dumps(row))
    (tmp_path / "apart" / "test" / "0001").mkdir(parents=True)
    (tmp_path / "apart" / "test" / "0001" / "question.txt").write_text("Half?")
    (tmp_path / "apart" / "test" / "0001" / "input_output.json").write_text(json.dumps(given))
    for path in (tmp_path / "test.jsonl", tmp_path / "apart"):
        [problem] = TASKS["apps"](path=str(path)).load()
        assert json.loads(problem.tests)["calls"][0][0] == [0.5]


def test_every_reader_names_the_place_of_each_row(tmp_path):
    for name in READERS:
        path = tmp_path / f"a{name}"
        if name == ".parquet":
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(BOTH), path)
        else:
            path.write_text(
                table("\t" if name == ".tsv" else ",") if name in (".csv", ".tsv") else LINES
            )
        assert [where for where, _ in rows_in(path)] == [
            f"{path}, {'line' if 'json' in name else 'row'} {n}" for n in (1, 2)
        ]


@given(
    st.one_of(
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.decimals(allow_nan=False, allow_infinity=False, places=9),
    )
)
def test_a_number_written_as_text_is_that_number(number):
    assert Decimal(written(number)) == Decimal(str(number))
