"""An experiment that asks in a chat: the same prompts on another day, and a template that does
not fit is told before anything is drawn."""

import json
from datetime import datetime, timedelta

import pytest

from selftrain_assets.domain.errors import ModelError, UserError
from selftrain_assets.domain.types import Row
from selftrain_assets.pipeline import run as running
from selftrain_assets.pipeline.chat_checks import telling_messages
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.run import Run
from tests import lab
from tests.models import families

ROUND = {"rounds": 1, "base": {"fine_tune": "human"}}


@pytest.fixture(scope="module")
def dated(tmp_path_factory):
    """A model whose chats say what day it is."""
    return families.llama_3(tmp_path_factory.mktemp("dated"))


@pytest.fixture
def clock(monkeypatch):
    """Returns a function that sets the clock to so many days later."""

    def later(days):
        moment = datetime(2026, 11, 30, 23, 59, 59) + timedelta(days=days)
        monkeypatch.setattr(running, "now", lambda: moment)

    later(0)
    return later


def drawn(run):
    return {
        sample.key: sample.prompt
        for sample in lab.read_samples(run, run.need("iter-001", "samples"))
    }


def test_on_another_day_nothing_is_owed_again(dated, opened, clock, store):
    settings = {"model": str(dated.directory), "prompt": {"chat": True, "few_shot": 1}, **ROUND}
    run_rounds(opened(**settings), [1])
    before = store.manifests("lab")
    clock(1)
    again = opened(**settings)
    run_rounds(again, [1])
    assert store.manifests("lab") == before
    assert all("Today Date: 30 Nov 2026" in prompt for prompt in drawn(again).values())


def test_a_fork_is_told_the_day_of_what_it_goes_on_from(dated, opened, clock):
    settings = {"model": str(dated.directory), "prompt": {"chat": True}, **ROUND}
    first = opened("first", **settings)
    run_rounds(first, [1])
    clock(1)
    forked = opened(
        "second", **{**settings, "rounds": 2, "forks": [{"experiment": "first", "iteration": 1}]}
    )
    run_rounds(forked, [1])
    assert drawn(forked) == drawn(first)
    assert opened("third", **settings).moment.day == 1


def test_without_a_chat_no_time_is_kept(opened):
    run = opened(**ROUND)
    run_rounds(run, [])
    assert "moment" not in run.need("inputs", "problems").detail


def test_human_rows_learn_what_ends_a_turn(opened, tmp_path):
    gemma = families.gemma(tmp_path / "gemma")
    run = opened(
        model=str(gemma.directory),
        prompt={"chat": True},
        recipe={**lab.SETTINGS["recipe"], "mix_human": 1.0},
        **ROUND,
    )
    run_rounds(run, [1])
    human = [
        row
        for row in run.store.read_table(run.need("iter-001", "dataset"), "rows", Row)
        if row.source == "human"
    ]
    assert {row.ended_by for row in human} == {"<end_of_turn>"}


@pytest.mark.parametrize("prompt", [{"chat": False}, {"chat": True}])
def test_human_rows_that_end_as_the_tokenizer_has_it_keep_their_keys(dated, opened, prompt):
    run = opened(model=str(dated.directory), prompt=prompt, **ROUND)
    run_rounds(run, [])
    assert run.end(run.methods[0].prompt) is None


def test_what_does_not_fit_is_told_before_anything_is_written(opened, tmp_path, store):
    strange = families.qwen(
        tmp_path / "strange",
        template=families.CHATML.replace("m.content", "m.content | replace('3', 'three')"),
    )
    with pytest.raises(
        UserError, match=r"prompt\.chat: .* changes a message: of .* it puts it differently"
    ):
        run_rounds(opened(model=str(strange.directory), prompt={"chat": True}), [1])
    beyond = families.qwen(tmp_path / "beyond", spare=-1)
    with pytest.raises(ModelError, match="has 1 tokens more than the model"):
        run_rounds(opened(model=str(beyond.directory)), [1])
    path = tmp_path / "capitals.jsonl"
    path.write_text(
        json.dumps(
            {"id": "a", "question": "Capital of <b>France</b>?", "answer": "Paris", "split": "test"}
        )
    )
    escapes = families.qwen(
        tmp_path / "escapes", template=families.CHATML.replace("m.content", "m.content | e")
    )
    suites = {
        "capitals": {
            "task": {"type": "file", "path": str(path)},
            "prompt": {"chat": True},
            "verifier": {"type": "text"},
        }
    }
    with pytest.raises(UserError, match="Capital of <b>France</b>"):
        run_rounds(
            opened(
                model=str(escapes.directory),
                evaluation={**lab.SETTINGS["evaluation"], "suites": suites},
            ),
            [1],
        )
    assert store.manifests("lab") == []


def test_arguments_are_part_of_an_experiment(opened, tmp_path):
    model = str(families.qwen(tmp_path / "qwen").directory)
    short = opened(model=model, prompt={"chat": True, "template": {"enable_thinking": False}})
    assert isinstance(short, Run)
    assert short.config.prompt.template_arguments == {"enable_thinking": False}
    assert (
        short.config.prompt.template
        == opened(model=model, prompt={"chat": True}).config.prompt.template
    )
    for given, sentence in (
        (
            {"template_arguments": {"enable_thinking": False}},
            "prompt: template_arguments are for the model's chat template; set chat: true",
        ),
        (
            {"chat": True, "template": {"a": 1}, "template_arguments": {"b": 1}},
            "template is a mapping, which are arguments of the chat",
        ),
    ):
        with pytest.raises(UserError, match=sentence):
            opened(model=model, prompt=given)


def test_questions_that_tell_most_are_tried():
    texts = [*map(str, range(50)), "a < b", " c", "é", "x" * 90]
    assert {"0", "3", "a < b", " c", "é", "x" * 90} <= set(telling_messages(texts))
    assert len(telling_messages(texts)) < 10
    assert telling_messages([]) == [""]
