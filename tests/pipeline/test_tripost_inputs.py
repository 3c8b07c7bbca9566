"""What TriPosT is given: a feedback script, and problems of one's own with solutions in steps."""

import json
import sys

import pytest

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.types import Exchange
from selftrain_assets.pipeline import inputs
from selftrain_assets.recipes.tripost.stages import script_of, script_version

SCRIPT = """
from selftrain_assets.domain.attempts import Attempt, Feedback

class Numbers:
    def feedback(self, problem, attempt):
        wrong = attempt.answer != problem.answer
        return Feedback(len(attempt.steps) + 1, attempt.answer, f"it is {problem.answer}", "final") if wrong else Feedback(None)

    def improve(self, problem, steps):
        return Attempt(steps or ("so it is",), problem.answer)

numbers = Numbers()
versioned = Numbers()
versioned.version = "3"
half = object()
"""  # noqa: E501


@pytest.fixture
def scripted(tmp_path, opened, monkeypatch):
    """Returns a function that opens an experiment with a feedback script of a module that lies
    beside it."""
    (tmp_path / "own_script.py").write_text(SCRIPT)
    (tmp_path / "broken_script.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda script=None, **changes: opened(
        recipe={"type": "tripost", "feedback": {"script": script}}, **changes
    )
    for name in ("own_script", "broken_script"):
        sys.modules.pop(name, None)


def test_a_script_of_ones_own_takes_the_place_of_the_tasks(scripted):
    script = script_of(scripted("own_script:numbers"))
    assert type(script).__name__ == "Numbers"
    assert script_version(script_of(scripted("own_script:versioned"))) == "3"
    assert script_version(script) == script_version(script_of(scripted("own_script:numbers")))
    assert len(script_version(script)) == 64
    assert script_version(None) == ""


def test_another_source_is_another_version(scripted, tmp_path):
    before = script_version(script_of(scripted("own_script:numbers")))
    (tmp_path / "other_script.py").write_text(SCRIPT.replace("so it is", "it is so"))
    assert script_version(script_of(scripted("other_script:numbers"))) != before
    sys.modules.pop("other_script")


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            None,
            (
                "task word_problems brings no feedback script; name yours, feedback.script:"
                ' "module:object", or set feedback.by: model'
            ),
        ),
        (
            "no_such_module:x",
            (
                r'"no_such_module:x" cannot be imported \(ModuleNotFoundError: .*\); give'
                r" module:object, and put its folder"
            ),
        ),
        ("own_script:no", r'"own_script:no" cannot be imported \(AttributeError'),
        ("own_script", r'"own_script" cannot be imported'),
        ("broken_script:x", r"cannot be imported \(ZeroDivisionError: division by zero\)"),
        ("own_script:half", r'"own_script:half" has no function feedback'),
    ],
)
def test_a_script_that_is_not_there_is_told_before_anything_is_drawn(scripted, script, sentence):
    run = scripted(script)
    with pytest.raises(UserError, match=sentence) as caught:
        inputs.problems(run)
    assert "\n" not in str(caught.value)
    assert run.manifest("inputs", "problems") is None


# -- problems in a file ----------------------------------------------------------------------------

DATES = [
    {
        "id": "date-1",
        "split": "train",
        "group": "2 steps",
        "question": "Yesterday was 30 April 2021. What is the date tomorrow in MM/DD/YYYY?",
        "answer": "05/02/2021",
        "solution": (
            "(1) Yesterday was 04/30/2021, so today is 05/01/2021.\n(2) So tomorrow is"
            " 05/02/2021.\nFinal answer: 05/02/2021"
        ),
    },
    {
        "id": "date-2",
        "split": "human",
        "question": "Today is 1 May. Tomorrow?",
        "answer": "2 May",
        "solution": "(1) 1 + 1 = 2.\nFinal answer: 2 May",
    },
    {"id": "date-3", "split": "test", "question": "Today is 2 May. Tomorrow?", "answer": "3 May"},
    {
        "id": "date-4",
        "split": "transfer",
        "group": "3 steps",
        "question": "Today is 3 May. In three days?",
        "answer": "6 May",
        "solution": "6",
    },
]
ORDER = [
    {
        "id": f"order-{n}",
        "split": split,
        "question": f"{n} birds: (A) a hawk (B) a crow. Which is first?",
        "answer": "B",
        "solution": solution,
    }
    for n, split, solution in [
        (
            3,
            "train",
            "(1) The crow is left of the hawk.\n(2) So the crow is first.\nFinal answer: (B)",
        ),
        (5, "human", "(1) The crow is first.\nFinal answer: (B)"),
        (7, "test", None),
    ]
]


@pytest.fixture
def of_file(tmp_path, opened):
    """Returns a function that opens an experiment on such problems, with a model that gives
    feedback."""

    def open_run(problems, verifier, **recipe):
        path = tmp_path / "problems.jsonl"
        path.write_text("".join(json.dumps(problem) + "\n" for problem in problems))
        asked = {"feedback": {"by": "model", "model": "embedded"}, "improver": {"by": "model"}}
        return opened(
            texts={},
            task={"type": "file", "path": str(path)},
            verifier=verifier,
            recipe={"type": "tripost", **asked, **recipe},
        )

    return open_run


@pytest.mark.parametrize(
    ("problems", "verifier"),
    [(DATES, {"type": "text"}), (ORDER, {"type": "choice"})],
    ids=["dates", "order"],
)
def test_solutions_in_numbered_steps_are_read(of_file, problems, verifier):
    run = of_file(problems, verifier)
    assert inputs.problems(run).counts["train"] == 1
    wording = run.config.recipe.wording
    told = {p.id: wording.read(p.solution) for p in run.problems if p.split in ("train", "human")}
    assert {id: len(attempt.steps) for id, attempt in told.items()} == {
        problems[0]["id"]: 2,
        problems[1]["id"]: 1,
    }
    with run.config.verifier.open(run.verifier_context) as judge:
        exchanges = [Exchange(p, p.solution) for p in run.problems if p.split in ("train", "human")]
        assert {str(verdict.outcome) for _, verdict in judge.stream(exchanges)} == {"pass"}


def test_solutions_in_a_wording_of_ones_own_are_read(of_file):
    changed = [
        problem | {"solution": f"First: {problem['answer']}. So: {problem['answer']}"}
        for problem in DATES
    ]
    wording = {"separator": ". ", "step": "First: {text}", "answer": "So: {text}"}
    run = of_file(changed, {"type": "text"}, wording=wording)
    inputs.problems(run)
    assert run.config.recipe.wording.read(changed[1]["solution"]).steps == ("2 May",)


@pytest.mark.parametrize(
    "solution",
    [
        "Tomorrow is 2 May.",
        "(1) 1 + 1 = 2.\n(3) So 2 May.\nFinal answer: 2 May",
        "(1) So it is.\n2 May",
    ],
)
def test_a_solution_that_is_not_in_the_wording_is_refused_by_its_id(of_file, solution):
    run = of_file([DATES[0], DATES[1] | {"solution": solution}, *DATES[2:]], {"type": "text"})
    with pytest.raises(
        UserError,
        match=r'problem "date-2": its solution is not written as recipe.wording has it, steps like',
    ) as caught:
        inputs.problems(run)
    assert "\n" not in str(caught.value)
    assert run.manifest("inputs", "problems") is None
