"""`selftrain tasks`: the problem sets, and one of them looked at."""

import json

import pytest
from typer.testing import CliRunner

from selftrain_assets.cli import app
from selftrain_assets.domain.errors import UserError
from selftrain_assets.tasks import TASKS
from tests.tasks.published_sets import FOLDER


def run(*arguments):
    found = CliRunner().invoke(app, ["tasks", *arguments])
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.output


def test_every_task_is_listed_with_its_licence():
    listed = {card["task"]: card for card in json.loads(run("--json"))}
    assert set(listed) == set(TASKS)
    assert listed["gsm8k"]["licence"] == "MIT"
    assert listed["gsm8k"]["splits"] == {"train": 7473, "test": 1319}
    assert "openai/gsm8k" in run()


def test_a_set_is_loaded_counted_and_shown_with_its_prompt():
    found = json.loads(run("gsm8k", "--path", str(FOLDER / "gsm8k"), "--json"))
    assert found["loaded"] == {"train": 9, "validation": 1, "test": 3}
    assert (found["problems"], found["duplicates"], found["solved"], found["verifiable"]) == (
        13,
        {"train": 1},
        13,
        1.0,
    )
    assert found["example"]["prompt"].startswith("Question: A bakery")
    assert found["example"]["prompt"].endswith("How many are left?\nAnswer:")
    text = run("gsm8k", "--path", str(FOLDER / "gsm8k"))
    assert "13 problems: train 9, validation 1, test 3; 13 with a worked solution" in text
    assert "answers that verifier numeric can read: 100.00%" in text


def test_answers_that_cannot_be_read_are_named(tmp_path):
    path = tmp_path / "test.jsonl"
    path.write_text(
        '{"question": "A?", "answer": "#### twelve"}\n{"question": "B?", "answer": "#### 12"}\n'
    )
    text = run("gsm8k", "--path", str(path))
    assert "can read: 50.00%" in text
    assert 'gsm8k-test-00001: the answer "twelve" holds no number' in text


def test_generated_problems_are_shown_too():
    assert json.loads(run("word_problems", "--json"))["loaded"]["test"] == 300


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("gsm8",), 'there is no task "gsm8"; did you mean "gsm8k"'),
        (("--path", "x"), "--path needs the name of a task"),
        (("gsm8k", "--path", "nowhere"), "there is no file or folder nowhere; download"),
        (("file",), "task.path: .*required"),
        (("word_problems", "--path", "x"), 'unknown field "task.path"'),
    ],
)
def test_wrong_input_is_told(arguments, reason):
    with pytest.raises(UserError, match=reason):
        run(*arguments)
