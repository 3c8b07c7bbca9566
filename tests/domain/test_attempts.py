"""Attempts, feedback and a model's report, as text and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.attempts import (
    COMPACT,
    FIELDS,
    Attempt,
    Feedback,
    Wording,
    read_report,
)
from selftrain_assets.domain.errors import UserError

PLAIN, SHORT = Wording(), Wording(**COMPACT)
WORDINGS = pytest.mark.parametrize("wording", [PLAIN, SHORT], ids=["default", "compact"])
WORDS = st.lists(
    st.text("abc(){}[]\\^$.*+?|=-0123456789", min_size=1, max_size=6), min_size=1, max_size=4
).map(" ".join)
ATTEMPTS = st.builds(Attempt, st.lists(WORDS, min_size=1, max_size=5).map(tuple), WORDS)
SPACES = st.sampled_from([" ", "  ", "\t", " \n"])


@WORDINGS
@given(attempt=ATTEMPTS)
def test_an_attempt_is_read_as_it_was_written(wording, attempt):
    assert wording.read(wording.write(attempt)) == attempt
    assert wording.read(f" \n {wording.write(attempt)} \n") == attempt


@WORDINGS
@given(data=st.data(), attempt=ATTEMPTS)
def test_feedback_is_read_as_it_was_written(wording, data, attempt):
    step, segment, reason = (
        data.draw(st.integers(1, len(attempt.steps) + 1)),
        data.draw(WORDS),
        data.draw(WORDS.map(lambda t: t.rstrip(". "))),
    )
    told = Feedback(step, segment, reason if "{reason}" in wording.wrong else "")
    assert wording.read_feedback(wording.write_feedback(told, attempt)) == told
    assert wording.read_feedback(
        wording.write_feedback(Feedback(None, segment, reason), attempt)
    ) == Feedback(None)


def test_the_templates_are_those_of_the_paper():
    attempt = Attempt(("4 * 2 = 8", "3 + 8 = 12"), "12")
    assert PLAIN.write(attempt) == "(1) 4 * 2 = 8\n(2) 3 + 8 = 12\nFinal answer: 12"
    assert (
        PLAIN.write_feedback(Feedback(2, "12", "3 + 8 is 11."), attempt)
        == 'Step (1) to step (1) are correct. In step (2) the part "12" is incorrect. This is'
        " because 3 + 8 is 11."
    )
    assert PLAIN.write_feedback(Feedback(1, "8"), attempt).startswith('In step (1) the part "8"')
    assert (
        PLAIN.write_feedback(Feedback(None), attempt)
        == "Step (1) to step (2) are correct. The final answer is also correct."
    )
    assert SHORT.write(attempt) == "4 * 2 = 8 ; 3 + 8 = 12 ; #### 12"
    assert SHORT.write_feedback(Feedback(2, "= 12", "3 + 8 is 11"), attempt) == "in 2 is = 12"


@given(data=st.data())
def test_white_space_of_a_template_stands_for_any(data):
    """Word-level tokenizers lose some, and put some in."""
    attempt = Attempt(("4*2", "3+8"), "11")
    some = lambda: data.draw(st.sampled_from(["", " ", "   ", "\t"]))  # noqa: E731
    text = "\n".join(
        [
            *(
                f"{some()}({some()}{n}{some()}){some()}{step}{some()}"
                for n, step in enumerate(attempt.steps, 1)
            ),
            "",
        ]
    )
    assert PLAIN.read(f"{text}Final{some()}answer{some()}:{some()}11{some()}") == attempt
    said = (
        f'In{some()}step{some()}({some()}2{some()}) the part "{some()}3{some()}" is'
        f" incorrect{some()}. This is because x ."
    )
    assert (
        PLAIN.read_feedback(said)
        == PLAIN.read_feedback(f"Step (1) to step (1) are correct.{some()}{said}")
        == Feedback(2, "3", "x")
    )
    assert SHORT.read(f"4*2{some()};{some()}3+8{some()};{some()}###{some()}#{some()}11") == attempt


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Final answer: 3",  # no step
        "(1) a",  # no answer
        "(1) a\n(3) b\nFinal answer: 3",
        "(0) a\nFinal answer: 3",
        "(2) a\nFinal answer: 3",
        "(1) a\n(1) b\nFinal answer: 3",
        "(one) a\nFinal answer: 3",
        "(1) a\nand b\nFinal answer: 3",
        "Final answer: 3\n(1) a",
        f"({'9' * 5000}) a\nFinal answer: 3",
    ],
)
def test_what_is_no_attempt_is_none(text):
    assert PLAIN.read(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "well done",
        "In step (two) the part",
        "Step (1) to step (2) are correct.",
        f"in {'9' * 5000} is 3",
    ],
    ids=lambda text: text[:9],
)
@WORDINGS
def test_what_is_no_feedback_is_none(wording, text):
    assert wording.read_feedback(text) is None


PIECES = st.sampled_from(
    [
        "(1)",
        "(2)",
        "\n",
        ";",
        "####",
        "Final answer:",
        "Step",
        "In step (",
        '"',
        "Earliest error step:",
        "none",
        "9" * 4400,
    ]
)
GARBAGE = st.one_of(
    st.text(max_size=80),
    st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=12).map(" ".join),
)


@WORDINGS
@given(text=GARBAGE)
def test_no_text_makes_a_reader_fail(wording, text):
    assert isinstance(wording.read(text), Attempt | None)
    assert isinstance(wording.read_feedback(text), Feedback | None)
    assert isinstance(read_report(text), Feedback | None)


def test_a_part_is_a_step_or_the_final_answer():
    attempt = Attempt(("a", "b"), "c")
    assert [attempt.part(n) for n in (-1, 0, 1, 2, 3, 4)] == [None, None, "a", "b", "c", None]


# -- templates of one's own ------------------------------------------------------------------------


@given(st.text("abc(){}[]\\^$.*+?|<>", max_size=5), st.text("abc(){}[]\\^$.*+?|<>", max_size=5))
def test_characters_of_regular_expressions_mean_themselves(before, after):
    wording = Wording(step=f"{before}<{{number}}>: {{text}}", answer=f"=> {{text}} {after}!")
    attempt = Attempt(("3 + 4 = 7", "8"), "15")
    assert wording.read(wording.write(attempt)) == attempt


def test_braces_around_a_placeholder_stay():
    wording = Wording(answer=r"\boxed{{text}}", step=r"\item[{number}] {text} \frac{a}{b}")
    assert wording.write(Attempt(("x",), "7")) == "\\item[1] x \\frac{a}{b}\n\\boxed{7}"
    assert wording.read("\\item[1] x \\frac{a}{b}\n\\boxed{7}") == Attempt(("x",), "7")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"step": "({number})"}, r"wording.step: must contain \{text\}"),
        ({"answer": "done"}, r"wording.answer: must contain \{text\}"),
        (
            {"wrong": "no"},
            r"wording.wrong: must contain \{step\}, or nobody could tell where to go on",
        ),
        ({"feedback": " \n "}, "wording.feedback: must hold more than white space"),
        ({"update": "\n"}, "wording.update: must hold more than white space"),
        ({"step": "({number}) {text} {text}"}, r"step: \{text\} stands there twice; name it once"),
        ({"wrong": "{step} {step}"}, r"wrong: \{step\} stands there twice"),
        (
            {"answer": "{number} {text}"},
            r"answer: \{number\} has no place there; it may contain \{text\}",
        ),
        (
            {"right_until": "{step}"},
            r"right_until: \{step\} has no place there; it may contain \{before\}",
        ),
        (
            {"separator": "("},
            (
                r"an attempt cannot be read as it is written, .*; change separator, step, answer or"
                r" feedback"
            ),
        ),
        ({"step": "{number}{text}"}, "an attempt cannot be read as it is written"),
        ({"feedback": "answer:"}, "an attempt cannot be read as it is written"),
        (
            {"wrong": "{step}: {segment} {reason}"},
            (
                "feedback cannot be read as it is written, .*; change correct, right_until, wrong"
                " or update"
            ),
        ),
        ({"update": "incorrect"}, "feedback cannot be read as it is written"),
    ],
)
def test_a_wording_that_could_not_be_read_is_refused(changes, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        parse_experiment({"recipe": {"type": "tripost", "wording": changes}}, "defs.yaml")
    assert "\n" not in str(caught.value)


def test_every_placeholder_of_the_default_has_its_place():
    for name, fields in FIELDS.items():
        assert all(f"{{{field}}}" in getattr(PLAIN, name) for field in fields if field != "kind")


def test_detail_is_left_out_where_the_wording_has_no_place_for_it():
    """The ablations of the paper: without a reason, without a segment, and with the kind of
    error."""
    attempt, error = Attempt(("a", "b"), "c"), Feedback(2, "b", "it is d", "calculate")
    for wrong, left in [
        ("Step {step} is wrong.", Feedback(2)),
        ('Step {step} is wrong: "{segment}".', Feedback(2, "b")),
        ("Step {step} is wrong, {kind}.", Feedback(2, kind="calculate")),
    ]:
        wording = Wording(wrong=wrong)
        assert wording.read_feedback(wording.write_feedback(error, attempt)) == left


# -- the report of a model -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "Earliest error step: 2\nError segment: 3 + 8 = 12\nError reason: 3 + 8 is 11.",
            Feedback(2, "3 + 8 = 12", "3 + 8 is 11."),
        ),
        (
            (
                '**Earliest error step:** 2\n**Error segment:** "3 + 8 = 12"\n**Error reason:** It'
                " is 11"
            ),
            Feedback(2, "3 + 8 = 12", "It is 11"),
        ),
        (
            "- Earliest error step: Step (3)\n- Error segment: `12`\n- Error reason: no",
            Feedback(3, "12", "no"),
        ),
        ("earliest error step - step 1\nerror segment: x\nerror reason: y", Feedback(1, "x", "y")),
        (
            (
                "Let me check each step.\n\nEarliest error step: (2)\nError segment: '12'\nError"
                " reason: wrong sum\n\nI hope this helps!"
            ),
            Feedback(2, "12", "wrong sum"),
        ),
        (
            "Earliest error step: 2 (the addition)\nError segment: 12\nError reason:\n",
            Feedback(2, "12", ""),
        ),
        ("Earliest error step: none\nError segment: none\nError reason: none", Feedback(None)),
        ("**Earliest error step:** None.", Feedback(None)),
        ("Earliest error step: 2", None),
        ("Error segment: 12\nError reason: no", None),
        ("Earliest error step: the second\nError segment: 12\nError reason: no", None),
        ("All steps look correct to me.", None),
        ("", None),
    ],
)
def test_a_report_is_read_however_it_is_decorated(text, told):
    assert read_report(text) == told
