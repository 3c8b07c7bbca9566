"""One suite that every verifier must pass, and what counts as one number."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.foreign import storable
from selftrain_assets.domain.types import Outcome, Problem
from selftrain_assets.verifiers import (
    VERIFIERS,
    AllOf,
    AnyOf,
    ChoiceVerifier,
    CodeVerifier,
    ExactVerifier,
    MathVerifier,
    NumericVerifier,
    TextVerifier,
    verifier_fingerprint,
)


@dataclass(frozen=True)
class Example:
    """What the suite needs to know of a verifier. `equal` are completions that give the same
    answer as each other, `unusable` is a reference answer that it cannot verify against, `given`
    are settings without which it cannot be made."""

    answer: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    equal: tuple[str, ...]
    settings: dict[str, Any]
    unusable: str = "..."
    given: dict[str, Any] = field(default_factory=dict)


EXAMPLES = {
    NumericVerifier: Example(
        answer="1234",
        right=("1234", "1200 + 34 = 1234 ; #### 1234", "The answer is $1,234.00."),
        wrong=("1233", "#### -1234", "The answer is 12."),
        equal=("1234", "$1,234.00", "#### 2468/2", r"\boxed{1234}"),
        settings={"tolerance": 0.5, "require_mark": True},
    ),
    TextVerifier: Example(
        answer="Mount Everest",
        right=("Mount Everest", "It is high.\nThe answer is **mount  everest**."),
        wrong=("K2", "Mount Everest\nno, K2"),
        equal=("K2", "#### k2.", "I think:\n\n'K2'\n"),
        settings={"case_sensitive": True},
    ),
    ExactVerifier: Example(
        answer="aXb.",
        right=("aXb.", " aXb.\n"),
        wrong=("axb.", "aXb", "a Xb.", "#### aXb.", "so:\naXb.", "aXb.\naXb."),
        equal=("#### K2", "\t#### K2", "#### K2 \n\n"),
        settings={},
        unusable=" \n",
    ),
    ChoiceVerifier: Example(
        answer="(B)",
        right=("(B)", "So it is red.\nThe answer is b.", "#### B) blue", r"\boxed{\text{(B)}}"),
        wrong=("(A)", "The answer is (C), not (B).", "yes", "b\nno, (A)"),
        equal=("(C)", "The answer is C.", "the correct one is (c)", "option C"),
        settings={"require_mark": True},
    ),
    MathVerifier: Example(
        answer=r"2\sqrt{3}",
        right=(r"\boxed{2\sqrt{3}}", r"The answer is $\sqrt{12}$.", r"#### \frac{6}{\sqrt{3}}"),
        wrong=(
            r"\boxed{\sqrt{3}}",
            "The answer is 3.4641.",
            r"\boxed{2\sqrt{3}}, or rather \boxed{3\sqrt{2}}",
            "2",
        ),
        equal=("1/2", r"\boxed{\dfrac12}", "The answer is $x = 0.5$.", "#### 2/4"),
        settings={"cpu_seconds": 1.0, "memory_mib": 128},
    ),
    CodeVerifier: Example(
        answer="1234",
        right=(
            "1234",
            "1200 + 34",
            "print(1200 + 34)",
            "Add them:\n```python\nx = 1200\nprint(x + 34)\n```\nDone.",
        ),
        wrong=("1233", "print(-1234)", "```\n1 + 1\n```"),
        equal=(
            "print(7)\n",
            "Like this:\n```py\nprint(7)\n```",
            "```\nprint(1)\n```\nNo:\n```python3\nprint(7)\n```",
        ),
        settings={"cpu_seconds": 2.0, "program": "fenced"},
    ),
    AnyOf: Example(
        answer="1234",
        right=("1234", "#### 1,234 apples", "So it is\n1234.", r"\boxed{1234}"),
        wrong=("1233", "#### -1234", "none"),
        equal=("7", "#### 7 apples", "The answer is 14/2."),
        settings={
            "of": [
                {"type": "math"},
                {
                    "type": "any_of",
                    "of": [{"type": "numeric", "tolerance": 0.5}, {"type": "exact"}],
                },
            ]
        },
        given={"of": [{"type": "numeric"}, {"type": "text"}]},
    ),
    AllOf: Example(
        answer="1234",
        right=("1234", "The answer is 1234.", "#### 1234"),
        wrong=("1233", "#### 1234 apples", "-1234"),
        equal=("7", "#### 7", "The answer is 7."),
        settings={"of": [{"type": "choice"}]},
        given={"of": [{"type": "text"}, {"type": "numeric"}]},
    ),
}
NASTY = (
    "",
    " \n\t",
    "\x00",
    "\x1b[31m\x07\x7f",
    "\ud800",
    "a\udfffb ####",
    "\u202e321",
    "\N{ARABIC-INDIC DIGIT THREE}",
    "\N{SUPERSCRIPT TWO}",
    "\N{VULGAR FRACTION ONE HALF}",
    "####",
    r"\boxed{}",
    r"\boxed{{",
    "the answer is",
    "the answer is ####",
    "0/0",
    "1/0",
    "-",
    "$",
    ",",
    "9" * 10_000,
    "1/" + "9" * 10_000,
    "0." + "0" * 10_000 + "1",
    "#" * 50_000,
    "answer " * 20_000,
    "1 " * 20_000,
    "\n" * 50_000,
    "1,235," * 10_000,
    "word " * 20_000,
)
GIVES_ANSWER = (
    NumericVerifier,
    TextVerifier,
    ExactVerifier,
    ChoiceVerifier,
)  # of the others a verdict needs processes that are opened first
RAISED = dict.fromkeys((AnyOf, AllOf), "own_version")  # of the others it is `version` itself
MEMBERS = tuple(VERIFIERS.values())


def made(kind):
    """With its default settings."""
    return kind(**EXAMPLES[kind].given)


@pytest.fixture(params=MEMBERS, ids=lambda kind: kind.__name__)
def verifier(request):
    """Each verifier that an experiment can name."""
    return made(request.param)


@pytest.fixture(scope="module")
def judges(programs):
    """Every verifier with its default settings, opened once."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(made(kind).open(programs)) for kind in MEMBERS}


@pytest.fixture
def judged(judges, verifier):
    """The verdicts on completions of one problem, in their order."""

    def judge(problem, *completions):
        found = dict(
            judges[type(verifier)].stream((problem, completion) for completion in completions)
        )
        assert sorted(found) == list(range(len(completions)))
        return [found[place] for place in range(len(completions))]

    return judge


@pytest.fixture
def example(verifier):
    assert type(verifier) in EXAMPLES, "a new verifier needs an Example above"
    return EXAMPLES[type(verifier)]


@pytest.fixture
def problem(example):
    return Problem("p", "What?", example.answer)


def test_right_answers_pass(judged, example, problem):
    for completion, verdict in zip(example.right, judged(problem, *example.right), strict=True):
        assert (verdict.outcome, verdict.reward) == (Outcome.PASS, 1.0), completion
        assert verdict.parsed
        assert verdict.reason


def test_wrong_answers_are_wrong(judged, example, problem):
    for completion, verdict in zip(example.wrong, judged(problem, *example.wrong), strict=True):
        assert (verdict.outcome, verdict.reward) == (Outcome.WRONG, 0.0), completion
        assert verdict.parsed
        assert verdict.reason


def test_without_an_answer_a_completion_is_malformed(judged, problem):
    for verdict in judged(problem, "", " \n\t "):
        assert (verdict.outcome, verdict.reward, verdict.parsed) == (Outcome.MALFORMED, 0.0, None)
        assert verdict.reason


@pytest.mark.parametrize(
    "completion", NASTY, ids=lambda text: ascii(text[:12]) + f" of {len(text)}"
)
def test_no_text_is_too_strange_to_be_judged(verifier, judged, problem, completion):
    started = time.process_time()
    [verdict] = judged(problem, completion)
    assert verdict.outcome in (Outcome.WRONG, Outcome.MALFORMED)
    assert verdict.reward == 0.0
    if isinstance(verifier, GIVES_ANSWER):
        assert (verdict.parsed is None) == (verdict.outcome == Outcome.MALFORMED)
        parsed = verifier.parse(completion)
        assert verdict.parsed == (parsed and storable(parsed))
    assert time.process_time() - started < 10


def test_nothing_to_judge_gives_nothing(judged, problem):
    assert judged(problem) == []


def test_verdicts_carry_the_position_of_their_completion(judged, example, problem):
    mixed = (example.right[0], example.wrong[0], "", example.right[1], example.wrong[1])
    assert [verdict.outcome for verdict in judged(problem, *mixed)] == [
        "pass",
        "wrong",
        "malformed",
        "pass",
        "wrong",
    ]


def test_whoever_judges_says_name_and_version(verifier, judges):
    assert judges[type(verifier)].name.startswith(f"{verifier.type} {verifier.version}")


def test_content_is_shared_only_by_what_cannot_be_told_apart(verifier, example, problem):
    other = Problem("q", "What?", "5")
    contents = [
        verifier.content(p, completion)
        for p in (problem, other)
        for completion in (*example.right, *example.wrong)
    ]
    assert contents == [None] * len(contents) or len(set(contents)) == len(contents)
    assert verifier.content(problem, example.right[0]) == verifier.content(
        Problem("r", "What?", example.answer), example.right[0]
    )


@given(
    st.text(st.characters(exclude_categories=()), max_size=40)
    | st.text("0123456789.,/$+-#{}\\boxed answer is:=", max_size=40)
)
@pytest.mark.parametrize("kind", GIVES_ANSWER, ids=lambda kind: kind.__name__)
def test_verdicts_of_any_text_are_sound_and_deterministic(kind, completion):
    problem = Problem("p", "What?", EXAMPLES[kind].answer)
    verdict = kind().verify(problem, completion)
    assert verdict == kind().verify(problem, completion)
    assert verdict.reward == (verdict.outcome == Outcome.PASS)
    answer = kind().parse(completion)
    # a verdict is kept, so what cannot be encoded is escaped in it
    assert verdict.parsed == (None if answer is None else storable(answer))


def test_equal_answers_are_one_vote(verifier, example):
    assert len({verifier.parse(completion) for completion in example.equal}) == 1
    assert not {verifier.parse(completion) for completion in example.right} & {
        verifier.parse(completion) for completion in example.wrong
    }


def test_the_reference_answer_itself_can_be_checked(verifier, example, problem):
    assert verifier.check_problem(problem) is None
    assert verifier.check_problem(Problem("p", "What?", example.unusable)) is not None


def test_version_and_settings_enter_the_identity(verifier, example):
    assert isinstance(verifier.version, str)
    assert verifier.version
    other = type(verifier)(**example.settings)
    assert type(verifier).model_validate(other.model_dump(mode="json")) == other
    assert (
        parse_experiment({"verifier": other.model_dump(mode="json")}, "defs.yaml").verifier == other
    )
    raised = type(
        "Raised",
        (type(verifier),),
        {RAISED.get(type(verifier), "version"): "next", "__annotations__": {}},
    )(**example.given)
    assert len({verifier_fingerprint(v) for v in (verifier, other, raised)}) == (
        3 if example.settings else 2
    )


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("completion", "number"),
    [
        ("1234", "1234"),
        ("1,234", "1234"),
        ("$1,234.00", "1234"),
        ("2468/2", "1234"),
        ("1/3", "1/3"),
        ("3.50", "7/2"),
        ("007", "7"),
        ("-5", "-5"),
        ("$-5", "-5"),
        ("-$5", "-5"),
        ("x = -5", "-5"),
        ("+5", "5"),
        (".5", "1/2"),
        ("-.5", "-1/2"),
        ("5 - 3", "5 or 3"),
        ("5-3", "5 or 3"),
        ("(2)-3", "2 or 3"),
        ("1, 2, 3", "1 or 2 or 3"),
        ("the points 1, 2, 3", "3"),
        ("12.", "12"),
        ("It costs $3.", "3"),
        ("50%", "50"),
        ("#### 12", "12"),
        ("#### 12 apples", "12"),
        ("####12 of 30", "12"),
        (r"so \boxed{12} of 30", "12"),
        (r"\boxed{1,200}", "1200"),
        ("The answer is 12.", "12"),
        ("the final answer is: 12 of 30", "12"),
        ("Answer: 12\nThere were 30.", "12"),
        ("ANSWER = 12", "12"),
        ("#### 3\n#### 12", "12"),
        ("The answer is 3. No: the answer is 12.", "12"),
        ("#### 3\nWait. The answer is 12.", "12"),
        ("1/0", None),
        ("#### none", None),
        ("no number", None),
        ("#### \n", None),
    ],
)
def test_which_number_a_completion_gives(completion, number):
    assert NumericVerifier().parse(completion) == number


@pytest.mark.parametrize(
    ("tolerance", "completion", "outcome"),
    [
        (0.0, "100.0001", "wrong"),
        (0.01, "101", "pass"),
        (0.01, "99", "pass"),
        (0.01, "101.5", "wrong"),
        (0.01, "-100", "wrong"),
    ],
)
def test_tolerance_is_relative_to_the_reference(tolerance, completion, outcome):
    assert (
        NumericVerifier(tolerance=tolerance).verify(Problem("p", "?", "100"), completion).outcome
        == outcome
    )


def test_a_reference_of_zero_is_met_exactly_or_not():
    verifier = NumericVerifier(tolerance=0.5)
    assert [verifier.verify(Problem("p", "?", "0"), text).outcome for text in ("0.0", "0.1")] == [
        "pass",
        "wrong",
    ]


def test_a_mark_can_be_required():
    verifier, problem = NumericVerifier(require_mark=True), Problem("p", "?", "7")
    completions = ("3 + 4 = 7", "3 + 4 = 7 ; #### 7", "the answer is 7", "#### 8")
    assert [verifier.verify(problem, text).outcome for text in completions] == [
        "malformed",
        "pass",
        "pass",
        "wrong",
    ]


def test_a_worked_gold_answer_as_in_gsm8k():
    problem = Problem(
        "p",
        "?",
        "She sells 16 - 3 - 4 = <<16-3-4=9>>9 eggs.\nShe makes 9 * 2 = $<<9*2=18>>18.\n#### 18",
    )
    assert NumericVerifier().check_problem(problem) is None
    assert NumericVerifier().verify(problem, "The answer is $18.").outcome == Outcome.PASS
    assert NumericVerifier().verify(problem, "#### 9").outcome == Outcome.WRONG


def test_a_reference_without_a_number_is_told_before_any_sample_is_drawn():
    assert 'answer "twelve" holds no number' in NumericVerifier().check_problem(
        Problem("p", "?", "twelve")
    )


# -- texts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("completion", "text"),
    [
        ("Paris", "paris"),
        ("It may be.\n\nParis.\n \n", "paris"),
        ("The answer is: New   York!", "new york"),
        (r"\boxed{Paris}", "paris"),
        ("#### Paris\nMore talk", "paris"),
        ("...", None),
    ],
)
def test_which_text_a_completion_gives(completion, text):
    assert TextVerifier().parse(completion) == text


def test_case_can_be_told_apart():
    problem = Problem("p", "?", "pH")
    assert TextVerifier(case_sensitive=True).verify(problem, "PH").outcome == Outcome.WRONG
    assert TextVerifier().verify(problem, "PH").outcome == Outcome.PASS


def test_an_exact_reference_has_no_white_space_at_its_ends():
    assert 'answer "ab " has white space at its ends' in ExactVerifier().check_problem(
        Problem("p", "?", "ab ")
    )
    assert ExactVerifier().check_problem(Problem("p", "?", "...")) is None
