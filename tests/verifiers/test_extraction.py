"""Where the answer of a completion is."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.types import Problem
from selftrain_assets.verifiers import ChoiceVerifier, NumericVerifier, TextVerifier
from selftrain_assets.verifiers.extraction import Mark, find_answer, first_sentence

TAG, BOX, HASHES, SENTENCE, LINE = Mark


@pytest.mark.parametrize(
    ("completion", "mark", "text"),
    [
        ("<answer>5</answer>", TAG, "5"),
        ("<answer> 5", TAG, "5"),
        ("I write <answer> tags.\n<answer>5</answer>", TAG, "5"),
        ("<answer>the answer is 5</answer>", TAG, "5"),
        ("<answer>4</answer> so <answer>5</answer>", TAG, "5"),
        ("<answer>4</answer> or <answer>5</answer>", TAG, "4, 5"),
        (r"\boxed{\frac{1}{2}}", BOX, r"\frac{1}{2}"),
        (r"\boxed {5}", BOX, "5"),
        (r"\boxed{4}. Hence \boxed{5}.", BOX, "5"),
        (r"$x = \boxed{4}$ or $x = \boxed{5}$", BOX, "4, 5"),
        (r"\boxed{5}, not \boxed{4}", BOX, "5"),
        (r"<answer>\boxed{5}</answer>", BOX, "5"),
        (r"The answer is \boxed{5}.", BOX, "5"),
        ("#### 5", HASHES, "5"),
        ("#### 4\n#### 5", HASHES, "5"),
        ("#### 5\nThis answer is correct.", HASHES, "5"),
        ("#### 4\nWait, the answer is 5.", SENTENCE, "5."),
        (r"\boxed{5}. The answer is positive.", BOX, "5"),
        ("#### Step 2: add\nThe answer is 5", SENTENCE, "5"),
        ("The answer is 5", SENTENCE, "5"),
        ("Final answer: 5", SENTENCE, "5"),
        ("### Answer\n\n5\n", SENTENCE, "5"),
        ("**Answer:**\n- 5", SENTENCE, "5"),
        ("The answer is:\n\\[\n5\n\\]", SENTENCE, "\\[\n5\n\\]"),
        ("the answer to problem 3 is 5", SENTENCE, "5"),
        ("The answer, then, is 5", SENTENCE, "5"),
        ("Answer \N{EM DASH} 5", SENTENCE, "5"),
        (
            (
                "\N{CJK UNIFIED IDEOGRAPH-7B54}\N{CJK UNIFIED IDEOGRAPH-6848}\N{CJK UNIFIED IDEOGRAPH-662F}5"  # noqa: E501
            ),
            SENTENCE,
            "5",
        ),
        ("The answer is 4. The answer is 5.", SENTENCE, "5."),
        ("The answer is 5. If the answer is 4, all fails.", SENTENCE, "5. If the"),
        ("The answer is 5.\nThis answer is reasonable.", SENTENCE, "5."),
        ("The answer is correct", SENTENCE, "correct"),
        ("So it is 5.\n\n", LINE, "So it is 5."),
        ("Hence\n$$\nx = 5\n$$", LINE, "$$\nx = 5\n$$"),
        ("<think>The answer is 4</think>5", LINE, "5"),
        ("The answer is 4</think>The answer is 5", SENTENCE, "5"),
        ("The answer is 5\n<think>The answer is 4", SENTENCE, "5"),
        ("```python\nprint('the answer is 4')\n```\n5", LINE, "5"),
        ("#### 5<|im_end|>", HASHES, "5"),
    ],
)
def test_where_the_answer_is(completion, mark, text):
    found = find_answer(completion)
    assert (found.mark, found.text) == (mark, text)


CUT_OFF = (r"\boxed{\frac{1}{", r"It is \boxed{}")


@pytest.mark.parametrize(
    "completion", ["", " \n", "<think>The answer is 5", "The answer is 4</think>", *CUT_OFF]
)
def test_where_there_is_none(completion):
    assert find_answer(completion) is None


def test_a_sentence_that_holds_no_answer_of_the_kind_is_a_remark():
    completion = "The answer is 5. The answer is an odd number."
    assert find_answer(completion).text == "an odd number."
    assert find_answer(completion, lambda text: any(c.isdigit() for c in text)).text == "5. The"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("5. I hope so.", "5"),
        ("St. Louis. It is big.", "St. Louis"),
        ("J. K. Rowling", "J. K. Rowling"),
        ("3.5 apples", "3.5 apples"),
        ("it! (or not)", "it"),
    ],
)
def test_first_sentences(text, first):
    assert first_sentence(text) == first


MARKS = (
    "#### {}",
    "\\boxed{{{}}}",
    "<answer>{}</answer>",
    "The answer is {}",
    "So, the answer is: {}",
    "**Final Answer:**\n{}",
    "Answer: {}",
    "### Answer\n\n{}\n",
)
AROUND = (
    "{}",
    "<think>The answer is 77 or (Z).</think>\n{}",
    "Let us see: 3 + 4 = 7.\n{}",
    "{}\n\nThis answer is correct.",
    "{}\nI hope it is correct.",
)
WORDS = [
    "Paris",
    "a dog",
    "the",
    "is",
    "7",
    "B",
    "no",
    "x_1",
    "(C)",
    "St.",
    "café",
    "12.5",
    "and",
    "1,000",
    "not",
    "$5",
    "%",
    "A",
]
VERIFIERS = (NumericVerifier(), TextVerifier(), ChoiceVerifier())


@pytest.mark.parametrize("verifier", VERIFIERS, ids=lambda verifier: verifier.type)
@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join),
    st.sampled_from(MARKS),
    st.sampled_from(AROUND),
)
def test_a_reference_that_is_accepted_passes_as_its_own_answer(verifier, reference, mark, around):
    problem = Problem("p", "?", reference)
    if verifier.check_problem(problem) is None:
        assert verifier.verify(problem, around.format(mark.format(reference))).outcome == "pass"


HEDGES = ("{} or {}", "{} and {}", "either {} or {}", "{}, {}", "{} to {}")


@given(
    st.integers(-999, 999), st.integers(-999, 999), st.sampled_from(HEDGES), st.sampled_from(MARKS)
)
def test_a_hedge_between_numbers_never_passes(a, b, hedge, mark):
    verdict = NumericVerifier().verify(Problem("p", "?", str(a)), mark.format(hedge.format(a, b)))
    assert (verdict.outcome == "pass") == (a == b)


OPEN_CHOICES = ("({}) or ({})", "{} or {}", "({}), ({})", "both {} and {}", "({})/({})", "{}, {}")


@given(
    st.sampled_from("ABCDEFGH"),
    st.sampled_from("ABCDEFGH"),
    st.sampled_from(OPEN_CHOICES),
    st.sampled_from(MARKS),
)
def test_a_hedge_between_letters_never_passes(a, b, hedge, mark):
    verdict = ChoiceVerifier().verify(Problem("p", "?", a), mark.format(hedge.format(a, b)))
    assert (verdict.outcome == "pass") == (a == b)


NOISE = [
    "<answer>",
    "</answer>",
    r"\boxed{",
    "}",
    "#### ",
    "the answer is ",
    "<think>",
    "</think>",
    "5",
    " or ",
    "(B)",
    "yes",
    "```",
    "$$",
]
NOISE += [r"\[", "Wait, ", ".", "\n"]
LONG = [
    *NOISE,
    "answer to ",
    "(A) or ",
    "**answer**\n",
    r"\boxed{1} or ",
    "<answer>1</answer>",
    "final ",
    "```python\n",
]


@given(st.lists(st.sampled_from(NOISE) | st.text(max_size=3), max_size=25).map("".join))
def test_any_text_is_read_the_same_way_twice(completion):
    for verifier in VERIFIERS:
        assert verifier.read(completion) == verifier.read(completion)
    found = find_answer(completion)
    assert found is None or all(found.texts)


@pytest.mark.parametrize("piece", LONG, ids=ascii)
def test_a_long_text_costs_little(piece):
    completion = piece * (100_000 // len(piece))
    started = time.process_time()
    for verifier in VERIFIERS:
        verifier.read(completion)
    assert time.process_time() - started < 5


CORRECTED = [
    "Answer: {}. Hmm, actually {}.",
    "**Answer: {}**\n\nCorrection: {}",
    "Answer: {}\nActually {}",
    "The answer is {}. No, {}.",
    "Answer: {}\nWait. It should be {}.",
    "Answer: {}. Sorry - I meant {}.",
    "#### {}\nHmm... {}",
    "\\boxed{{{}}}\n\nWait, that's wrong; it is {}.",
    "<answer>{}</answer>\nOops, it must be {}.",
    "The final answer is {}. That was incorrect, so the answer should be {}.",
]


@pytest.mark.parametrize("text", CORRECTED)
@pytest.mark.parametrize(
    ("verifier", "first", "last"),
    [(NumericVerifier(), "42", "43"), (ChoiceVerifier(), "B", "C")],
    ids=["number", "choice"],
)
def test_a_correction_behind_the_answer_is_the_answer(verifier, first, last, text):
    judged = {
        answer: verifier.verify(Problem("p", "?", answer), text.format(first, last)).outcome
        for answer in (first, last)
    }
    assert judged == {first: "wrong", last: "pass"}


@pytest.mark.parametrize(
    "text",
    [
        "#### 42\nActually, that's wrong.",
        "#### 42\nOops, scratch that.",
        "\\boxed{42}. I made a mistake: 6 times 8 is 48.",
    ],
)
def test_an_answer_that_is_taken_back_is_none(text):
    assert NumericVerifier().verify(Problem("p", "?", "42"), text).outcome == "malformed"


@pytest.mark.parametrize(
    "text",
    [
        "#### 42\nWait, let me check: 6 * 7 = 42. Yes, that is right.",
        "The answer is 42. Actually, this makes sense because 6 * 7 = 42.",
        "So the answer is 42. Wait, is that right? Yes, it's right.",
        "#### 42\nNo further steps.",
        "Wait, that's wrong. I made a mistake above. The answer is 42.",
    ],
)
def test_a_check_takes_nothing_back(text):
    assert NumericVerifier().verify(Problem("p", "?", "42"), text).outcome == "pass"


@pytest.mark.parametrize(
    "text", ["-(42)", "half of 42", "twice 42", "42 squared", "42\N{PER MILLE SIGN}"]
)
def test_what_is_done_to_a_number_is_not_the_number(text):
    assert NumericVerifier().verify(Problem("p", "?", "42"), f"#### {text}").outcome != "pass"
