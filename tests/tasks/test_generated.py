"""What the tasks that come with a script promise: their splits, and a script that finds and
corrects errors."""

import json
import re
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.attempts import Attempt, Feedback, Wording
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.text import words
from selftrain_assets.domain.types import Outcome
from selftrain_assets.tasks import TASKS, MultistepArithmetic, ProblemFile, WordSorting, generated

COMPACT = Wording(
    separator=" ; ",
    step="{text}",
    answer="#### {text}",
    feedback=" ? ",
    update=" : ",
    correct="all",
    right_until="",
    wrong="in {step} {segment}",
)
GENERATED = (MultistepArithmetic, WordSorting)
SIZES = {"train": 500, "human": 60, "validation": 100, "test": 300, "transfer": 200}
HELD_OUT = ("validation", "test", "transfer")
PROBLEMS = {task: task().load() for task in GENERATED}
SIGNED = MultistepArithmetic(
    seen=[[2, 1], [4, 1]],
    unseen=[[3, 2]],
    smallest=-9,
    largest=9,
    largest_result=10_000,
    negative=True,
).load()
scripted = st.sampled_from(
    [(task.script, problem) for task in GENERATED for problem in PROBLEMS[task]]
    + [(MultistepArithmetic.script, p) for p in SIGNED]
)
every_task = pytest.mark.parametrize("task", GENERATED, ids=lambda task: task.__name__)


def of_split(problems, *splits):
    return [p for p in problems if p.split in splits]


# -- splits ----------------------------------------------------------------------------------------


def test_every_task_with_a_script_is_tested_here():
    assert {kind for kind in TASKS.values() if kind.script} == set(GENERATED)


@every_task
def test_splits_have_their_sizes_and_balanced_groups(task):
    assert Counter(p.split for p in PROBLEMS[task]) == SIZES == dict(task.card.splits)
    assert len({p.id for p in PROBLEMS[task]}) == sum(SIZES.values())
    for split in SIZES:
        counts = Counter(p.group for p in of_split(PROBLEMS[task], split))
        assert set(counts) == set(
            task().unseen_groups() if split == "transfer" else task().seen_groups()
        )
        assert max(counts.values()) - min(counts.values()) <= 1


@every_task
@pytest.mark.parametrize("seed", range(3))
def test_no_question_occurs_twice_and_unseen_groups_are_in_transfer_alone(task, seed):
    problems = task(seed=seed).load()
    assert len({" ".join(words(p.question)) for p in problems}) == len(problems)
    seen, unseen = (
        {p.group for p in problems if (p.split == "transfer") == each} for each in (False, True)
    )
    assert not seen & unseen


@every_task
def test_held_out_problems_stay_when_there_is_more_to_learn_from(task):
    more = task(train=700, human=90).load()
    assert of_split(more, *HELD_OUT) == of_split(PROBLEMS[task], *HELD_OUT)
    assert of_split(more, "human")[:60] == of_split(PROBLEMS[task], "human")


@every_task
def test_problems_to_learn_from_have_a_solution_that_the_verifier_passes(task):
    verifier = parse_experiment(
        {"task": {"type": task.model_fields["type"].default}}, "a test"
    ).verifier
    for problem in PROBLEMS[task]:
        assert (problem.solution is not None) == (problem.split in ("train", "human"))
        assert verifier.check_problem(problem) is None
        assert (
            problem.solution is None
            or verifier.verify(problem, problem.solution).outcome == Outcome.PASS
        )


@pytest.mark.parametrize(
    ("task", "settings", "group", "remedy"),
    [
        (
            MultistepArithmetic,
            {"seen": [[2, 0]]},
            "length 2, depth 0",
            "task.smallest and task.largest",
        ),
        (
            MultistepArithmetic,
            {"smallest": 0, "largest": 0},
            "length 3, depth 0",
            "task.smallest and task.largest",
        ),
        (WordSorting, {"seen": ["2-2"], "train": 5000}, "2-2", "task.seen and task.unseen"),
    ],
)
def test_too_few_different_problems_are_told_of(monkeypatch, task, settings, group, remedy):
    monkeypatch.setattr(generated, "TRIES", 20)  # nearly all lists of two words take a while
    with pytest.raises(
        UserError,
        match=(
            f'"{group}" has too few different problems to fill the split "\\w+": lower'
            f" task.*{remedy}"
        ),
    ):
        task(**settings).load()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {"type": "multistep_arithmetic", "seen": [[3, 1]]},
            "length 3, depth 1 is named twice in seen and unseen",
        ),
        ({"type": "multistep_arithmetic", "seen": [[1, 0]]}, "greater than or equal to 2, not 1"),
        ({"type": "multistep_arithmetic", "smallest": 30}, "smallest is 30 and largest 20"),
        (
            {"type": "multistep_arithmetic", "unseen": []},
            "unseen names none: name some, or set transfer to 0",
        ),
        ({"type": "multistep_arithmetic", "dept": 2}, 'unknown field "task.dept"'),
        ({"type": "word_sorting", "unseen": ["5-9"]}, '"4-7" and "5-9" both hold lists of 5 words'),
        (
            {"type": "word_sorting", "unseen": ["30+"]},
            r'"30\+" is no range of numbers of words between 2 and longest, which is 20',
        ),
        ({"type": "word_sorting", "seen": ["3-2"]}, '"3-2" is no range'),
        ({"type": "word_sorting", "seen": ["many"]}, r"task\.seen\[0\]"),
    ],
)
def test_wrong_settings_are_told(settings, reason):
    with pytest.raises(UserError, match=reason):
        parse_experiment({"task": settings}, "defs/mine/defs.yaml")


# -- scripts ---------------------------------------------------------------------------------------


def check(script, problem, attempt):
    """Feedback of the script, which names a step and a part of it that there are."""
    told = script.feedback(problem, attempt)
    if told.step is not None:
        part = attempt.part(told.step)
        assert part is not None
        assert told.segment in part
        assert bool(told.segment) == bool(part)
        assert told.reason
        assert told.kind
    return told


@given(scripted)
def test_a_reference_solution_passes_its_own_script_and_reads_back(case):
    script, problem = case
    attempt = script.improve(problem, ())
    assert attempt.answer == problem.answer
    assert check(script, problem, attempt) == Feedback(None)
    for wording in (Wording(), COMPACT):
        text = wording.write(attempt)
        assert wording.read(text) == attempt
        assert wording.feedback.strip() not in text


@pytest.mark.parametrize(
    ("task", "wording"), [(MultistepArithmetic, COMPACT), (WordSorting, Wording())]
)
def test_solutions_are_the_steps_of_the_script_in_words(task, wording):
    for problem in of_split(PROBLEMS[task], "train", "human"):
        assert wording.read(problem.solution) == task.script.improve(problem, ())


@given(scripted, st.data())
def test_an_improvement_keeps_the_correct_steps(case, data):
    script, problem = case
    steps = script.improve(problem, ()).steps
    kept = steps[: data.draw(st.integers(0, len(steps)))]
    improved = script.improve(problem, kept)
    assert improved.steps[: len(kept)] == kept
    assert check(script, problem, improved) == Feedback(None)


@given(scripted, st.lists(st.text(max_size=30), max_size=4), st.text(max_size=10), st.data())
def test_anything_else_has_a_first_error(case, garbage, answer, data):
    script, problem = case
    steps = script.improve(problem, ()).steps
    kept = steps[: data.draw(st.integers(0, len(steps)))]
    told = check(script, problem, Attempt((*kept, "", *garbage), answer))
    assert told.step == len(kept) + 1
    if problem.answer != answer.strip(". "):
        assert check(script, problem, Attempt(steps, answer)).kind == "final"


@given(scripted, st.data())
def test_a_step_that_is_missing_before_the_answer_is_an_error_of_the_answer(case, data):
    script, problem = case
    steps = script.improve(problem, ()).steps
    kept = steps[: data.draw(st.integers(0, len(steps) - 1))]
    told = check(script, problem, Attempt(kept, problem.answer))
    assert (told.step, told.kind, told.segment) == (len(kept) + 1, "final", problem.answer)


@given(scripted)
def test_a_wrong_step_is_not_built_upon(case):
    script, problem = case
    with pytest.raises(ValueError, match="is not correct"):
        script.improve(problem, ("1 + 1 = 3",))


@every_task
def test_ten_thousand_attempts_are_judged_in_seconds(task):
    attempts = [(p, task.script.improve(p, ())) for p in PROBLEMS[task]]
    started = time.process_time()
    for problem, attempt in attempts:
        task.script.feedback(problem, attempt)
    assert (time.process_time() - started) / len(attempts) * 10_000 < 5


# -- docs/tasks.md ---------------------------------------------------------------------------------

SECTION = (
    (Path(__file__).parents[2] / "docs" / "tasks.md")
    .read_text()
    .partition("## Tasks with a script\n")[2]
    .partition("\n## ")[0]
)


def test_the_settings_for_larger_models_have_enough_problems():
    settings = yaml.safe_load(re.search(r"```yaml\n(.*?)```", SECTION, re.DOTALL)[1])
    problems = parse_experiment(settings, "docs/tasks.md").task.load()
    assert Counter(p.split for p in problems) == SIZES
    assert len({p.group for p in problems}) == 10


def test_the_documented_rows_are_problems_whose_solutions_can_be_read(tmp_path):
    path = tmp_path / "problems.jsonl"
    path.write_text(re.search(r"```json\n(.*?)```", SECTION, re.DOTALL)[1])
    problems = ProblemFile(path=str(path)).load()
    assert (
        [Wording().read(p.solution).answer for p in problems]
        == [p.answer for p in problems]
        == ["05/02/2021", "Cem"]
    )
    assert [len(Wording().read(p.solution).steps) for p in problems] == [2, 3]


@every_task
def test_the_documentation_names_every_group_and_kind_of_error(task):
    for group in (*task().seen, *task().unseen):
        assert (
            json.dumps(
                [each for each in group if each is not None] if isinstance(group, tuple) else group
            )
            in SECTION
        )
    kinds = re.findall(
        r"^- `(\w+)`", sys.modules[type(task.script).__module__].__doc__, re.MULTILINE
    )
    assert len(kinds) == 4
    assert all(f"| `{kind}` |" in SECTION for kind in kinds)
