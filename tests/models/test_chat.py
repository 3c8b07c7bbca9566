"""Questions in a chat: exactly the text of the model's own template, on every day, or a sentence
that says why not."""

from datetime import datetime

import pytest

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.prompts import PromptSettings, build_prompt
from selftrain_assets.domain.types import Problem
from selftrain_assets.models.chat import chat_frame, check_frame
from selftrain_assets.models.tokenization import load_tokenizer
from tests.models import families
from tests.models.families import CHATML

DAY, NEXT = datetime(2026, 11, 30, 23, 59), datetime(2026, 12, 1)
QUESTIONS = [
    'Say "2 < 3" in {braces}?',
    "Two\n\nlines: it's `1`",
    "¿żółw?",
    "x" * 500,
    "a\\b | c # d",
]
SOLVED = [
    Problem(str(n), f"What is {n} + 2?", str(n + 2), "human", solution=f"{n} + 2 = {n + 2}")
    for n in range(4)
]
FAMILIES = (
    families.qwen,
    families.llama_3,
    families.gemma,
    families.llama_2,
    families.mistral,
    families.gpt_oss,
)


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """Returns a function that gives the tiny model of a family, made once, or one with another
    chat template."""
    made = {}

    def of(make, template=None):
        if (make, template) not in made:
            changes = {"template": template} if template else {}
            made[make, template] = make(tmp_path_factory.mktemp(make.__name__), **changes)
        return made[make, template]

    return of


def template_text(ref, messages, **arguments):
    roles = [{"role": role, "content": content} for role, content in messages]
    return load_tokenizer(ref).apply_chat_template(
        roles, tokenize=False, add_generation_prompt=True, **arguments
    )


@pytest.mark.parametrize("make", FAMILIES)
@pytest.mark.parametrize(
    "turns", [(), (("What is 1 + 2?", "1 + 2 = 3"), ("And 2?", "4"))], ids=["alone", "behind turns"]
)
def test_a_frame_gives_the_text_of_the_template(family, make, turns):
    ref, settings = family(make), PromptSettings(chat=True)
    frame = chat_frame(ref, settings, DAY, turns)
    check_frame(ref, settings, DAY, frame, QUESTIONS)
    said = [
        message
        for asked, answered in turns
        for message in (("user", asked), ("assistant", answered))
    ]
    for question in QUESTIONS:
        expected = template_text(ref, [*said, ("user", question)], strftime_now=DAY.strftime)
        assert frame.around(question) == expected
        assert frame.is_around(expected)
        assert frame.message(expected) == question


@pytest.mark.parametrize("make", [families.qwen, families.llama_3, families.gpt_oss])
def test_white_space_around_a_question_is_what_the_template_makes_of_it(family, make):
    """Llama 3 strips a message; the others keep it."""
    ref, settings = family(make), PromptSettings(chat=True)
    frame = chat_frame(ref, settings, DAY)
    assert frame.strips == (make is families.llama_3)
    check_frame(ref, settings, DAY, frame, ["  def f():\n", "\n", ""])


def test_arguments_reach_the_template(family):
    ref = family(families.qwen)
    off = chat_frame(
        ref, PromptSettings(chat=True, template_arguments={"enable_thinking": False}), DAY
    )
    assert (
        off.after
        == chat_frame(ref, PromptSettings(chat=True), DAY).after + "<think>\n\n</think>\n\n"
    )
    low = chat_frame(
        family(families.gpt_oss),
        PromptSettings(chat=True, template_arguments={"reasoning_effort": "low"}),
        DAY,
    )
    assert "Reasoning: low" in low.before
    fixed = chat_frame(
        family(families.llama_3),
        PromptSettings(chat=True, template_arguments={"date_string": "1 Jan 2020"}),
        DAY,
    )
    assert "Today Date: 1 Jan 2020" in fixed.before


def test_the_day_is_the_one_that_is_told(family):
    frames = [
        chat_frame(family(families.llama_3), PromptSettings(chat=True), moment)
        for moment in (DAY, DAY, NEXT)
    ]
    assert "Today Date: 30 Nov 2026" in frames[0].before
    assert frames[0] == frames[1] != frames[2]


def loop(user="{{ m.content }}", before=""):
    """A template that shows a user's message so."""
    return (
        before
        + "{% for m in messages %}{% if m.role == 'user' %}<|im_start|>"
        + user
        + "<|im_end|>{% endif %}{% endfor %}"
    )


NEEDS_A_NAME = loop(before="{% if not name %}{{ raise_exception('who are you?') }}{% endif %}")
REFUSED = {
    "no system role": (
        families.gemma, None, {"system": "Be brief."},
        r"prompt\.system: the chat template of .* takes no system message \(TemplateError: System role not supported\); leave it out, or",  # noqa: E501
    ),
    "drops the system message": (
        families.qwen, loop(), {"system": "Be brief."}, r"prompt\.system: .* leaves the system message out, or changes it; put its text",  # noqa: E501
    ),
    "misspelt argument": (
        families.qwen, None, {"template_arguments": {"enable_thinkin": True}},
        r'prompt\.template_arguments: .* does not read "enable_thinkin"; did you mean "enable_thinking"\?',  # noqa: E501
    ),
    "argument of another model": (
        families.gemma, None, {"template_arguments": {"thinking": True}}, r'does not read "thinking"; it reads none',  # noqa: E501
    ),
    "argument that is ours": (families.qwen, None, {"template_arguments": {"messages": []}}, r'does not read "messages"'),  # noqa: E501
    "argument that fails": (
        families.qwen, loop(before="{{ budget + 1 if budget is defined else '' }}"), {"template_arguments": {"budget": "ten"}},  # noqa: E501
        r'prompt\.template_arguments: .* fails with \{"budget": "ten"\} \(TypeError: ',
    ),
    "needs an argument": (families.qwen, NEEDS_A_NAME, {}, r"prompt\.chat: .* fails \(TemplateError: who are you\?\); set what it needs"),  # noqa: E501
    "parts": (
        families.qwen, loop("{% for part in m.content %}{{ part.text }}{% endfor %}"), {}, r"does not show it as text, perhaps because",  # noqa: E501
    ),
    "twice": (families.qwen, loop("{{ m.content }} {{ m.content }}"), {}, r"changes a message: it shows it 2 times"),  # noqa: E501
    "no syntax": (families.qwen, "{% for m in messages %}{{ m.content }}", {}, r"prompt\.chat: .* cannot be read \(TemplateSyntaxError"),  # noqa: E501
    "no template": (families.gpt_2, None, {}, r"prompt\.chat: the tokenizer of .* has no chat template; leave chat out, or choose"),  # noqa: E501
}  # fmt: skip


@pytest.mark.parametrize(
    ("make", "template", "settings", "sentence"), REFUSED.values(), ids=REFUSED
)
def test_what_a_template_does_not_take_is_one_sentence(family, make, template, settings, sentence):
    with pytest.raises(UserError, match=sentence):
        chat_frame(family(make, template), PromptSettings(chat=True, **settings), DAY)


@pytest.mark.parametrize(
    ("user", "question", "sentence"),
    [
        (
            "{{ m.content[:20] }}",
            "x" * 500,
            r"changes a message: of 'x{80}\.\.\.' it puts it differently",
        ),
        ("{{ m.content | lower }}", "Who?", r"of 'Who\?' it puts it differently into the chat"),
        ("{{ m.content | e }}", "2 < 3", r"of '2 < 3' it puts it differently"),
        (
            "{{ m.content.lstrip() }}",
            " 2",
            (
                r"of ' 2' it leaves white space at its ends out; change the question or"
                r" prompt\.template"
            ),
        ),
    ],
)
def test_a_template_that_changes_a_question_is_refused(family, user, question, sentence):
    ref, settings = family(families.qwen, loop(user)), PromptSettings(chat=True)
    frame = chat_frame(ref, settings, DAY)
    check_frame(ref, settings, DAY, frame, ["a plain question"])
    with pytest.raises(UserError, match=sentence):
        check_frame(ref, settings, DAY, frame, ["a plain question", question])


# -- examples --------------------------------------------------------------------------------------


def prompt(ref, problems=SOLVED, hint=False, **settings):
    made = PromptSettings(chat=True, template="{question} Answer.", **settings)
    return build_prompt(made, problems, hint, lambda turns: chat_frame(ref, made, DAY, turns))


def test_few_shot_examples_are_turns(family):
    ref = family(families.qwen)
    two = prompt(ref, few_shot=2)
    assert len(two.frame.turns) == 2
    asked = Problem("x", "What is 9 + 9?", "18")
    turns = [message for q, a in two.frame.turns for message in (("user", q), ("assistant", a))]
    assert two.render(asked) == template_text(ref, [*turns, ("user", "What is 9 + 9? Answer.")])
    assert two.framed("Translate it.") == template_text(ref, [("user", "Translate it.")])
    assert {q for q, _ in two.frame.turns} <= {f"{p.question} Answer." for p in SOLVED}


def test_worked_examples_of_a_file_begin_the_first_message(family, tmp_path):
    (tmp_path / "worked.txt").write_text("1 + 1 is 2.\n")
    ref, asked = family(families.qwen), Problem("x", "What is 9 + 9?", "18")
    alone = prompt(ref, examples=str(tmp_path / "worked.txt"))
    assert alone.render(asked) == template_text(
        ref, [("user", "1 + 1 is 2.\n\nWhat is 9 + 9? Answer.")]
    )
    both = prompt(ref, examples=str(tmp_path / "worked.txt"), few_shot=1)
    ((question, _),) = both.frame.turns
    assert question.startswith("1 + 1 is 2.\n\nWhat is")
    assert both.render(asked).count("1 + 1 is 2.") == 1


def test_a_hint_stands_behind_the_same_turns(family):
    ref, asked = family(families.qwen), Problem("x", "What is 9 + 9?", "18")
    plain, hinted = (prompt(ref, few_shot=2, hint=hint) for hint in (False, True))
    assert hinted.frame == plain.frame
    assert "The answer is 18" in hinted.frame.message(hinted.render(asked))


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        (
            (
                "{% if messages | length > 1 %}{{ raise_exception('one message') }}{% endif %}{{"
                " messages[0].content }}"
            ),
            (
                r"takes no earlier turns \(TemplateError: one message\); give worked examples as a"
                r" text"
            ),
        ),
        (
            "<|im_start|>{{ messages[-1].content }}",
            r"leaves an example out, or changes it \('What is",
        ),
    ],
)
def test_a_template_without_turns_is_refused_for_examples_alone(family, template, sentence):
    ref = family(families.qwen, template)
    assert prompt(ref).render(SOLVED[0]).endswith("Answer.")
    with pytest.raises(UserError, match=rf"prompt\.few_shot: .*{sentence}"):
        prompt(ref, few_shot=2)


@pytest.mark.parametrize(
    ("start", "end"),
    [("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("<reasoning>", "</reasoning>")],
)
def test_a_thought_in_an_example_is_the_templates_to_leave_out(family, start, end):
    strips = CHATML.replace("m.content +", f"m.content.split('{end}')[-1].lstrip() +")
    solved = [Problem("1", "What is 1 + 2?", "3", "human", solution=f"{start}easy{end}\n3")]
    assert "easy" not in prompt(family(families.qwen, strips), solved, few_shot=1).frame.before
