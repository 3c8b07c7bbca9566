"""A person's own problems: what is read, and what is refused with the file and the line."""

import json
import random

import pyarrow
import pyarrow.parquet
import pytest

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.program_tests import ProgramTests
from selftrain_assets.domain.types import Problem
from selftrain_assets.tasks import ProblemFile

TRAIN = {"id": "a", "question": "What is 1 + 1?", "answer": "2", "split": "train"}
PROMPT = 'def f{n}(x):\n    """Identity."""\n'
TEST = {"id": "b", "question": "What is 2 + 2?", "answer": "4", "split": "test"}


def many(count):
    return [
        {"id": f"id-{n}", "question": f"What is {n} + 1?", "answer": n + 1} for n in range(count)
    ]


def jsonl(path, rows):
    """Rows as they are written by hand: dictionaries as JSON, texts and bytes as they stand."""
    lines = [
        (
            json.dumps(row).encode()
            if isinstance(row, dict)
            else row
            if isinstance(row, bytes)
            else row.encode()
        )
        for row in rows
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")


def parquet(path, rows):
    columns = {
        name: [row.get(name) for row in rows]
        for name in dict.fromkeys(name for row in rows for name in row)
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


@pytest.fixture(params=[jsonl, parquet], ids=["jsonl", "parquet"])
def load(request, tmp_path):
    """Write rows in one of the formats, and load them."""

    def load(rows, **settings):
        path = tmp_path / f"problems.{request.param.__name__}"
        request.param(path, rows)
        return ProblemFile(path=str(path), **settings).load()

    return load


def splits(problems):
    return {p.id: p.split for p in problems}


def test_every_field_is_read(load):
    human = {
        **TRAIN,
        "id": "h",
        "question": "What is 3 + 3?",
        "answer": "6",
        "split": "human",
        "solution": "3 + 3 = 6",
        "group": "sums",
    }
    assert load([TRAIN, TEST, human]) == [
        Problem("a", "What is 1 + 1?", "2", "train"),
        Problem("b", "What is 2 + 2?", "4", "test"),
        Problem("h", "What is 3 + 3?", "6", "human", "sums", "3 + 3 = 6"),
    ]


@pytest.mark.parametrize(("answer", "text"), [(0, "0"), (-3, "-3"), (2.5, "2.5")])
def test_numbers_are_taken_as_answers_and_ids(load, answer, text):
    first = load([{**TRAIN, "id": 0, "answer": answer}, {**TEST, "id": 1, "answer": 4}])[0]
    assert (first.id, first.answer) == ("0", text)


def test_given_splits_are_kept_and_those_not_given_are_for_training(load):
    rows = [{**row, "split": "test" if n < 5 else None} for n, row in enumerate(many(30))]
    assert splits(load(rows)) == {f"id-{n}": "test" if n < 5 else "train" for n in range(30)}


def test_without_splits_the_shares_are_held_out(load):
    found = list(splits(load(many(2000), test_share=0.2, validation_share=0.1)).values())
    assert found.count("test") == pytest.approx(400, abs=60)
    assert found.count("validation") == pytest.approx(200, abs=45)
    assert found.count("train") == 2000 - found.count("test") - found.count("validation")


def test_a_file_that_grows_or_is_shuffled_keeps_its_splits(load):
    before, rows = splits(load(many(100))), many(200)
    random.Random(0).shuffle(rows)
    after = splits(load(rows))
    assert {id: after[id] for id in before} == before
    assert splits(load(many(100), seed=1)) != before


def test_white_space_is_no_part_of_a_field(load):
    assert load([{**TRAIN, "answer": " 2\n", "question": "\tWhat is 1 + 1? "}, TEST])[0] == Problem(
        "a", "What is 1 + 1?", "2", "train"
    )


@pytest.mark.parametrize("name", ["level", "subject", "options", "explanation", "section"])
def test_other_columns_are_left_alone(load, name):
    assert len(load([{**TRAIN, name: "x"}, {**TEST, name: "y"}])) == 2


def test_empty_lines_and_a_byte_order_mark_are_skipped(tmp_path):
    path = tmp_path / "problems.jsonl"
    jsonl(path, ["\ufeff" + json.dumps(TRAIN), "", "  \r", TEST])
    assert len(ProblemFile(path=str(path)).load()) == 2


def test_of_a_question_that_occurs_again_the_held_out_copy_is_kept(load):
    again = {**TEST, "id": "c", "question": "what  is 1+1 ", "answer": "2"}
    other = {**TRAIN, "id": "d", "question": "What is 5 + 5?", "answer": "10"}
    assert [
        p.id for p in load([TRAIN, again, TEST, other, {**other, "id": "e"}], duplicates="drop")
    ] == ["c", "b", "d"]


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("third", "reason"),
    [
        (
            {**TEST, "id": "a", "question": "New?"},
            'the id "a" was used before, at problems.jsonl, line 1',
        ),
        (
            {**TEST, "id": "c", "question": "What is  1 + 1?"},
            "the same question stands at problems.jsonl, line 1",
        ),
        ({"id": "c", "question": "New?"}, 'the field "answer" is missing or empty'),
        ({**TEST, "id": "c", "question": " "}, 'the field "question" is missing or empty'),
        ({**TEST, "id": "", "question": "New?"}, 'the field "id" is missing or empty'),
        ('{"id": "c", "question": "New?", "ans', "not valid JSON"),
        (
            b'{"id": "c", "question": "caf\xe9", "answer": 1}',
            "the byte 0xE9 is no UTF-8; if the file is Latin-1",
        ),
        ('["c", "New?", 1]', "expected an object with the fields of a problem, not list"),
        (
            {**TEST, "id": "c", "question": "WHAT is 1+1"},
            "question, but for case, punctuation or Unicode form, stands at",
        ),
        (
            {**TRAIN, "id": "c", "answer": 3},
            'line 1 with the answer "2", here "3"; remove one, or set task.duplicates: drop',
        ),
        (
            {**TEST, "id": "c", "question": "New?", "split": "tset"},
            'unknown split "tset"; did you mean "test"?',
        ),
        (
            {"id": "c", "questoin": "New?", "answer": 1},
            'unknown field "questoin"; did you mean "question"?',
        ),
        (
            {**TEST, "id": "c", "question": "New?", "soluton": "1 + 1"},
            'unknown field "soluton"; did you mean "solution"?',
        ),
        (
            {**TEST, "id": "c", "question": "New?", "split": "human"},
            'a problem of the split "human" needs the field "solution"',
        ),
        (
            {**TEST, "id": "c", "question": "New?", "answer": [1, 2]},
            'the field "answer" must be a text or a number, not list',
        ),
        (
            {**TEST, "id": "c", "question": "New?", "answer": True},
            'the field "answer" must be a text or a number, not bool',
        ),
        ({**TEST, "id": "c", "question": "torn emoji \ud83d"}, "question"),
    ],
    ids=str,
)
def test_a_fault_names_the_file_and_the_line(tmp_path, monkeypatch, third, reason):
    monkeypatch.chdir(tmp_path)
    jsonl(tmp_path / "problems.jsonl", [TRAIN, TEST, third])
    with pytest.raises(UserError) as caught:
        ProblemFile(path="problems.jsonl").load()
    assert str(caught.value).startswith("problems.jsonl, line 3: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("answers", "remedy"),
    [
        (("2", "2", "2", "2"), "all have the same answer: set task.duplicates: drop"),
        (("2", "3", "2", "2"), "the answers of 1 differ: correct or remove them"),
    ],
)
def test_questions_that_occur_again_are_counted_and_the_first_are_named(
    tmp_path, monkeypatch, answers, remedy
):
    monkeypatch.chdir(tmp_path)
    again = [{**TRAIN, "id": f"again-{n}", "answer": answer} for n, answer in enumerate(answers)]
    jsonl(tmp_path / "problems.jsonl", [TRAIN, TEST, *again])
    with pytest.raises(UserError) as caught:
        ProblemFile(path="problems.jsonl").load()
    message = str(caught.value)
    assert "There are 4 such pairs (line 4 and line 1" in message
    assert "line 5 and line 1, and 1 more)" in message
    assert remedy in message
    assert ProblemFile(path="problems.jsonl", duplicates="drop").read().duplicates


def test_a_fault_in_a_parquet_file_names_its_row(tmp_path):
    parquet(tmp_path / "problems.parquet", [TRAIN, {**TEST, "answer": None}])
    with pytest.raises(
        UserError, match=r'problems\.parquet, row 2: the field "answer" is missing or empty'
    ):
        ProblemFile(path=str(tmp_path / "problems.parquet")).load()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("problems.jsonl", b"", "holds no problem"),
        ("problems.jsonl", b"\n\n", "holds no problem"),
        ("problems.csv", b"id,question,answer\n", "holds no problem"),
        (
            "problems.txt",
            b"x",
            (
                r'ends in "\.txt"; known: \.jsonl, \.ndjson, \.json, \.parquet, \.csv, \.tsv, and'
                r" the same with \.gz"
            ),
        ),
        ("problems.parquet", b"this is not Parquet", "not a readable Parquet file"),
        ("problems.parquet", b"", "not a readable Parquet file"),
        ("problems.jsonl", json.dumps(TRAIN).encode(), 'no problem is in the split "test"'),
        ("problems.jsonl", json.dumps(TEST).encode(), 'no problem is in the split "train"'),
    ],
    ids=str,
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, name, content, reason):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason) as caught:
        ProblemFile(path=str(path)).load()
    assert str(path) in str(caught.value)


def test_damaged_pages_of_a_parquet_file_are_told(tmp_path):
    path = tmp_path / "problems.parquet"
    parquet(path, many(200))
    path.write_bytes(path.read_bytes()[:60] + b"\xff" * 60 + path.read_bytes()[120:])
    with pytest.raises(UserError, match="not a readable Parquet file"):
        ProblemFile(path=str(path)).load()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"task\.path: there is no file .*nowhere\.jsonl"):
        ProblemFile(path=str(tmp_path / "nowhere.jsonl")).load()


# -- programs --------------------------------------------------------------------------------------


def test_tests_stand_in_for_an_answer_and_columns_may_have_other_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            "task_id": f"T/{n}",
            "prompt": PROMPT.format(n=n),
            "entry_point": f"f{n}",
            "test": "def check(candidate):\n    assert candidate(1)\n",
        }
        for n in range(20)
    ]
    jsonl(tmp_path / "programs.jsonl", rows)
    columns = {
        "id": "task_id",
        "question": "prompt",
        "entry": "entry_point",
        "tests": "test",
        "context": "prompt",
    }
    problems = ProblemFile(path="programs.jsonl", columns=columns).load()
    assert [(p.id, p.question, p.answer) for p in problems] == [
        (f"T/{n}", PROMPT.format(n=n), "") for n in range(20)
    ]
    tests = ProgramTests.from_json(problems[3].tests)
    assert (tests.entry, tests.context) == ("f3", PROMPT.format(n=3))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"columns": {"questoin": "q"}},
            'task.columns: there is no field "questoin"; did you mean "question"?',
        ),
        (
            {"columns": {"question": "qestion"}},
            'line 1: there is no column "qestion", which task.columns names; did you mean',
        ),
    ],
)
def test_a_misnamed_column_is_told(tmp_path, monkeypatch, changes, reason):
    monkeypatch.chdir(tmp_path)
    jsonl(tmp_path / "problems.jsonl", [TRAIN, TEST])
    with pytest.raises(UserError) as caught:
        ProblemFile(path="problems.jsonl", **changes).load()
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"tests": "assert f(1) =="}, 'the field "tests": tests: no valid Python'),
        (
            {"tests": [{"args": [1], "expected": 1}]},
            'the field "tests": calls need the field "entry"',
        ),
        ({}, 'a problem needs an answer, or "tests" for programs'),
    ],
)
def test_unusable_tests_name_the_file_and_the_line(tmp_path, monkeypatch, row, reason):
    monkeypatch.chdir(tmp_path)
    jsonl(tmp_path / "problems.jsonl", [TRAIN, TEST, {"id": "c", "question": "Write f."} | row])
    with pytest.raises(UserError) as caught:
        ProblemFile(path="problems.jsonl").load()
    assert str(caught.value).startswith("problems.jsonl, line 3: ")
    assert reason in str(caught.value)


def test_a_contest_problem_has_limits_and_a_checker(load):
    row = {
        "id": "c",
        "question": "Any two numbers.",
        "split": "train",
        "tests": [{"input": ["2", "3"], "output": "1 4"}],
    }
    columns = {"tests": "official_tests", "checker": "generated_checker"}
    published = {columns.get(name, name): value for name, value in row.items()}
    published |= {"time_limit": 2.5, "memory_limit": 256, "generated_checker": "print(1)"}
    problem = load(
        [published, TEST | {columns["tests"]: None, "generated_checker": None}], columns=columns
    )[0]
    tests = ProgramTests.from_json(problem.tests)
    assert (tests.time_limit, tests.memory_limit, tests.checker, tests.cases) == (
        2.5,
        256.0,
        "print(1)",
        (("2\n3", "1 4"),),
    )


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (
            {"tests": [{"input": "1", "output": "2"}], "time_limit": -1},
            ': the field "time_limit" must be a number of seconds, above 0',
        ),
        (
            {"tests": [{"input": "1", "output": "2"}], "memory_limit": 2**28},
            ': the field "memory_limit" must be a number of MiB',
        ),
        (
            {"tests": [{"input": "1", "output": "2"}], "checker": "def"},
            ': the field "checker" is no valid Python',
        ),
        (
            {"tests": [{"args": [1], "expected": 2}], "entry": "f", "checker": "print(1)"},
            ': the field "checker" judges what is printed',
        ),
        ({"time_limit": 2}, ': the field "time_limit" is for programs, and there are no "tests"'),
    ],
)
def test_limits_and_checkers_that_make_no_sense_are_refused_with_their_place(load, more, reason):
    with pytest.raises(UserError) as error:
        load([{"id": "c", "question": "Q?", "answer": "1", "split": "train"} | more, TEST])
    assert reason in str(error.value)
    assert "1" in str(error.value).partition(reason)[0]
