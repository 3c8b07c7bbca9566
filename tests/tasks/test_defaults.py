"""What a task brings for an experiment, and worked examples as files."""

import re

import pytest

from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.prompts import SHIPPED, PromptSettings, build_prompt, shipped_examples
from selftrain_assets.domain.types import Problem
from selftrain_assets.pipeline.loop import walk
from selftrain_assets.tasks import TASKS, Published
from selftrain_assets.tasks.mathematics import Gsm8k
from tests import lab
from tests.tasks.published_sets import load, settings

QUESTION = Problem("p", "What is 1 + 1?", "2")
CALCULATION = re.compile(
    r"(?<![\d.^{(])(\d[\d.]*(?: [-+*/] \d[\d.]*)+) = (\d[\d.]*\d|\d)(?! [-+*/])"
)


def parsed(**values):
    return parse_experiment(values, "defs/mine/defs.yaml")


def test_a_task_brings_its_prompt_verifier_and_sampling():
    config = parsed(task={"type": "math"})
    assert config.prompt.template == "Problem: {question}\nSolution:"
    assert (config.prompt.examples, config.verifier.type) == ("math", "math")
    assert (config.recipe.sampling.max_tokens, config.recipe.sampling.samples_per_problem) == (
        768,
        32,
    )
    assert Experiment(task=Gsm8k()).prompt.examples == "gsm8k"


def test_what_the_file_says_goes_over_it_field_by_field():
    config = parsed(
        task={"type": "humaneval"},
        prompt={"few_shot": 2},
        verifier={"cpu_seconds": 2},
        recipe={"preset": "star", "sampling": {"max_tokens": 64}},
    )
    assert (config.prompt.template, config.prompt.few_shot) == ("{question}", 2)
    assert (config.verifier.type, config.verifier.continues, config.verifier.cpu_seconds) == (
        "code",
        True,
        2,
    )
    assert (config.recipe.sampling.max_tokens, config.recipe.sampling.samples_per_problem) == (
        64,
        1,
    )
    assert "\ndef " in config.recipe.sampling.stop
    assert parsed(task={"type": "gsm8k"}, prompt={"examples": None}).prompt.examples is None


def test_an_evaluation_suite_is_asked_as_its_task_asks():
    suites = {
        "code": {"task": {"type": "humaneval"}, "verifier": {"cpu_seconds": 2}},
        "maths": {"task": {"type": "math"}, "prompt": {"examples": None}},
    }
    code, maths = parsed(evaluation={"suites": suites}).evaluation.suites.values()
    assert (code.prompt.template, code.verifier.continues, code.verifier.cpu_seconds) == (
        "{question}",
        True,
        2,
    )
    assert (code.sampling.max_tokens, maths.sampling.max_tokens) == (512, 768)
    assert (maths.prompt.template, maths.prompt.examples, maths.verifier.type) == (
        "Problem: {question}\nSolution:",
        None,
        "math",
    )


@pytest.mark.parametrize("task", TASKS)
def test_every_task_can_be_a_suite(task):
    place = {"path": "problems.jsonl"} if task == "file" else {}
    assert (
        parsed(evaluation={"suites": {"other": {"task": {"type": task, **place}}}})
        .evaluation.suites["other"]
        .task.type
        == task
    )


@pytest.mark.parametrize("task", ["humaneval", "mbpp", "gsm8k"])
def test_stop_texts_of_a_completion_do_not_end_a_turn_of_a_chat(task):
    def stop(**more):
        suites = {"s": {"task": {"type": task}, **more}}
        config = parsed(
            task={"type": task},
            evaluation={"suites": suites},
            **{name: v for name, v in more.items() if name != "sampling"},
        )
        return tuple(config.recipe.sampling.stop), tuple(
            config.evaluation.suites["s"].sampling.stop
        )

    completed, chatted = stop(), stop(prompt={"chat": True})
    assert completed[0] == completed[1] != ()
    assert chatted == ((), ())
    assert stop(prompt=PromptSettings(chat=True)) == ((), ())
    assert stop(prompt={"chat": True}, sampling={"stop": ["END"]})[1] == ("END",)
    assert stop(prompt={"chat": False}) == completed


def test_the_prelude_of_a_set_is_not_for_another_language():
    assert "import" in parsed(task={"type": "apps"}).verifier.prelude
    other = parsed(task={"type": "apps"}, verifier={"language": "cpp"}).verifier
    assert (other.prelude, other.any_order) == ("", True)


def test_another_verifier_has_its_own_defaults():
    assert parsed(task={"type": "humaneval"}, verifier={"type": "text"}).verifier.type == "text"


def test_a_recipe_with_methods_and_a_task_without_defaults_keep_theirs():
    assert parsed(task={"type": "gsm8k"}, recipe={"type": "mmst"}).prompt == PromptSettings()
    assert parsed(task={"type": "word_problems"}) == Experiment()


@pytest.mark.parametrize(
    "name", [name for name, kind in TASKS.items() if issubclass(kind, Published)]
)
def test_defaults_are_settings_that_an_experiment_can_have(name):
    config = parsed(task=settings(name))
    assert parsed(**config.model_dump(mode="json")) == config


def test_a_task_published_for_testing_alone_says_how_to_train_on_it(opened):
    with pytest.raises(
        UserError,
        match=(
            r'task bbh: no problem is in the split "train".*task\.train_share gives a share of it'
            r" to training"
        ),
    ):
        run_problems(opened("suite", task=settings("bbh")))


def test_an_experiment_on_gsm8k_needs_nothing_but_its_name_and_path(opened):
    problems = load("gsm8k")
    run = opened("gsm", texts=lab.answers(problems), task=settings("gsm8k"), rounds=1)
    manifests = {(m.scope, m.stage): m for m in walk(run, range(1, 2))}
    assert manifests["inputs", "problems"].counts["train"] == 9
    assert manifests["iter-001", "dataset"].counts["rows"] > 0
    sample = lab.read_samples(run, manifests["iter-001", "samples"])[0]
    assert sample.prompt.startswith("Question: A bakery sells muffins")


def run_problems(run):
    from selftrain_assets.pipeline.inputs import problems

    return problems(run)


# -- worked examples -------------------------------------------------------------------------------


def test_examples_stand_before_the_question_as_they_are_written(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("Q: {not a slot}  A: 7\n\n")
    prompt = build_prompt(PromptSettings(examples=str(file)), [QUESTION])
    assert prompt.render(QUESTION) == "Q: {not a slot}  A: 7\n\nQ: What is 1 + 1? A:"
    solved = Problem("h", "What is 2 + 2?", "4", "human", solution="4")
    both = build_prompt(PromptSettings(examples=str(file), few_shot=1), [solved])
    assert (
        both.render(QUESTION)
        == "Q: {not a slot}  A: 7\n\nQ: What is 2 + 2? A: 4\n\nQ: What is 1 + 1? A:"
    )


@pytest.mark.parametrize(
    ("examples", "reason"),
    [
        ("gsm8", 'no such examples are shipped.*did you mean "gsm8k"'),
        ("", "no such examples are shipped"),
    ],
)
def test_misspelt_examples_are_told(examples, reason):
    with pytest.raises(UserError, match=f"prompt.examples: {reason}"):
        parsed(prompt={"examples": examples})


def test_a_missing_file_of_examples_is_named(tmp_path):
    with pytest.raises(
        UserError, match=r"prompt\.examples: .*nowhere\.txt is no readable text file"
    ):
        build_prompt(PromptSettings(examples=str(tmp_path / "nowhere.txt")), [])


def test_every_shipped_file_is_the_default_of_a_task():
    assert {kind.defaults.get("prompt", {}).get("examples") for kind in TASKS.values()} - {
        None
    } == set(shipped_examples())


@pytest.mark.parametrize(
    "name",
    [name for name, kind in TASKS.items() if kind.defaults.get("prompt", {}).get("examples")],
)
def test_shipped_examples_have_the_form_and_the_answers_of_their_task(name):
    config = parsed(task=settings(name))
    before, _, after = config.prompt.template.partition("{question}")
    examples = re.split(rf"(?m)^{re.escape(before)}", config.prompt.worked_examples())[1:]
    assert len(examples) >= 3
    for example in examples:
        question, mark, solution = example.partition(after)
        assert mark, example
        assert not any(
            stop.strip() and stop in solution.rstrip() for stop in config.recipe.sampling.stop
        )
        assert config.verifier.parse(solution) is not None
        if name not in ("mbpp",):
            assert not {p.question for p in load(name)} & {question.strip()}


@pytest.mark.parametrize("name", shipped_examples())
def test_shipped_calculations_are_right(name):
    text = (SHIPPED / f"{name}.txt").read_text()
    for left, right in CALCULATION.findall(text):
        assert eval(left) == pytest.approx(float(right)), left
    if name == "mbpp":
        for task in re.split(r"(?m)^Task: ", text)[1:]:
            asserts = re.findall(r"(?m)^assert .*$", task)
            scope = {}
            exec(re.search(r"```python\n(.*?)```", task, re.DOTALL)[1] + "\n".join(asserts), scope)
            assert len(asserts) == 3
