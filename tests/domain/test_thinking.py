"""Where a thought ends and the answer begins, for whatever a model of each family writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from selftrain_assets.domain.identity import draws_key
from selftrain_assets.domain.sampling import DrawSettings, Sampling
from selftrain_assets.domain.thinking import (
    TABLE,
    Marks,
    Thinking,
    Thought,
    known_marks,
    thought_in,
)
from selftrain_assets.verifiers.thoughts import without_thoughts

THINK = Marks("<think>", "</think>")
PIECES = ["<think>", "</think>", "\n", "\n\n", " ", "42", "The answer is 7.", "<thin", "k>", "é😀"]
TEXT = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


@given(TEXT, st.booleans())
def test_thought_and_answer_are_the_completion(text, opened):
    found = thought_in(text, THINK, opened)
    if found is None:
        assert not opened
        assert "<think>" not in text
        assert "</think>" not in text
        return
    thought, answer = text[: found.answer_start], text[found.answer_start :]
    assert found.closed == ("</think>" in text)
    if found.closed:
        assert thought.rstrip("\r\n").endswith("</think>")
        assert thought.count("</think>") == 1
        assert not answer.startswith(("\n", "\r"))
    else:
        assert answer == ""


@pytest.mark.parametrize(
    ("prompt", "text", "keep", "made"),
    [
        ("Q:", "#### 7", True, ("Q:", "#### 7")),
        ("Q:", "<think>1</think>\n\n7", True, ("Q:", "<think>1</think>\n\n7")),
        ("Q:", "<think>1</think>\n\n7", False, ("Q:", "7")),
        ("Q:<think>\n", "#### 7", True, ("Q:<think>\n\n</think>\n\n", "#### 7")),
        ("Q:<think>\n", "<think>\n1\n</think>\n\n7", True, ("Q:<think>\n", "1\n</think>\n\n7")),
        ("Q:<think>", "<think>\n1\n</think>\n\n7", True, ("Q:<think>", "\n1\n</think>\n\n7")),
        ("Q:<think>\n", "1\n</think>\n\n7", True, ("Q:<think>\n", "1\n</think>\n\n7")),
        ("Q:<think>\n", "<think>\n1\n</think>\n\n7", False, ("Q:<think>\n\n</think>\n\n", "7")),
        ("Q:<think>\n", "<think>1", False, ("Q:<think>\n", "1")),
    ],
)
def test_a_text_that_nobody_drew_is_put_as_the_model_writes_one(prompt, text, keep, made):
    assert THINK.around(prompt, text, keep) == made


@pytest.mark.parametrize("marks", TABLE, ids=lambda marks: marks.start)
def test_every_family_marks_a_thought_and_its_answer(marks):
    closing = marks.closing or marks.end
    whole = f"{marks.start}\nSay 41? No.\n{closing}\n\n42"
    found = thought_in(whole, marks, False)
    assert found == Thought(len(whole) - 2, True)
    assert thought_in(whole.removeprefix(marks.start), marks, True) == Thought(
        len(whole) - 2 - len(marks.start), True
    )
    assert thought_in(f"{marks.start}\nSay 41?", marks, False) == Thought(
        len(marks.start) + 8, False
    )
    assert thought_in("Say 41? 42", marks, True) == Thought(10, False)  # the prompt has begun it
    assert thought_in("42", marks, False) is None
    if " " not in marks.start:  # texts that were drawn without knowing the model
        assert without_thoughts(whole).strip() == "42"
        assert without_thoughts(f"41? {closing}\n42").strip() == "42"
        assert without_thoughts(f"{marks.start}\nSay 41?").strip() == ""


@pytest.mark.parametrize(
    ("texts", "start"),
    [
        (["<think>", "</think>", "<|im_end|>"], "<think>"),
        (["{{- '<think>\\n\\n</think>\\n\\n' }}"], "<think>"),
        (["[THINK]", "[/THINK]"], "[THINK]"),
        (["<seed:think>", "</seed:think>"], "<seed:think>"),
        (
            [
                "<|start|>assistant<|channel|>analysis<|message|>",
                "<|start|>assistant<|channel|>final<|message|>",
            ],
            TABLE[13].start,
        ),
        (["{{ '<|channel>thought\\n<channel|>' }}"], "<|channel>thought\n"),
        (
            [
                "Write your thoughts after 'Here is my thought process:' and your response after"
                " 'Here is my response:'"
            ],
            TABLE[15].start,
        ),
        (["</think>"], None),
        (["<|im_start|>", "<|im_end|>"], None),
        ([], None),
    ],
)
def test_marks_are_known_from_tokens_and_templates(texts, start):
    found = known_marks(texts)
    assert (found and found.start) == start


@pytest.mark.parametrize(
    ("prompt", "opened", "bare"),
    [
        (
            "<|im_start|>assistant\n<think>\n",
            True,
            "<|im_start|>assistant\n<think>\n\n</think>\n\n",
        ),
        ("Q: 1 + 1 A: <think>", True, "Q: 1 + 1 A: <think></think>\n\n"),
        ("<|im_start|>assistant\n", False, None),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", False, None),
        ("What does <think> mean?", False, None),
    ],
)
def test_a_prompt_that_begins_a_thought_closes_it_for_an_answer_alone(prompt, opened, bare):
    assert THINK.opened_by(prompt) == opened
    assert THINK.without_thought(prompt) == (bare or prompt)
    assert not THINK.opened_by(THINK.without_thought(prompt))


def test_marks_that_are_set_go_before_those_of_the_model():
    own = Marks("[THINK]", "[/THINK]")
    assert Thinking().marks(own) == own
    assert Thinking().marks(None) is None
    assert Thinking(start="(", end=")").marks(own) == Marks("(", ")")
    harmony = TABLE[13]
    assert Thinking(start=harmony.start, end=harmony.end).marks(None).closing == harmony.closing


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(
        ValidationError,
        match=r"start \('<x>'\) holds end \('>'\), so that every thought would end where it begins",
    ):
        Thinking(start="<x>", end=">")
    with pytest.raises(ValidationError, match="start and end belong together"):
        Thinking(start="<think>")
    with pytest.raises(
        ValidationError, match="budget 512 leaves no room for an answer in max_tokens 512"
    ):
        DrawSettings(max_tokens=512, thinking={"budget": 512})
    with pytest.raises(ValidationError):
        Thinking(budget=0)


def test_what_is_not_set_enters_no_key_and_a_budget_does():
    plain = DrawSettings()
    assert draws_key("policy", plain, 0) == draws_key(
        "policy", DrawSettings(thinking=Thinking()), 0
    )
    assert draws_key("policy", plain, 0) != draws_key(
        "policy", DrawSettings(thinking={"budget": 99}), 0
    )
    kept = Sampling(thinking={"budget": 99})
    assert kept.per_draw().thinking.budget == kept.greedy().thinking.budget == 99
    assert kept.per_draw().up_to(7) == DrawSettings(max_tokens=7)
