"""One suite that every verifier must pass, and what counts as one number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.foreign import storable
from selftrain_assets.domain.types import Outcome, Problem, Verdict
from selftrain_assets.testing.verifiers import STRANGE_TEXTS, VerifierConformance
from selftrain_assets.verifiers import (
    VERIFIERS,
    AllOf,
    AnyOf,
    ChoiceVerifier,
    CodeVerifier,
    ExactVerifier,
    FirstOf,
    MathVerifier,
    NumericVerifier,
    TextVerifier,
    verifier,
)


@verifier(version="1")
def last_word(problem, completion, *, ignore_case: bool = False):
    """The last word of the completion against the answer."""
    fold = str.lower if ignore_case else str
    return fold((completion.split() or [""])[-1]) == fold(problem.answer)


@verifier(version="1")
def length(problem, completion, *, most: int = 10):
    """The nearer to the answer's length, the better; nothing is malformed."""
    words = completion.split()
    if not words:
        return Verdict(Outcome.MALFORMED, 0.0, None, "it is empty")
    return max(0.0, 1 - abs(len(words) - int(problem.answer)) / most)


class Conformance(VerifierConformance):
    """What ours promise beyond the suite."""

    malformed = ("", " \n\t ")

    def test_whoever_judges_says_name_and_version(self, judge):
        assert judge.name.startswith(f"{self.verifier.type} {self.verifier.version}")

    def test_completions_that_differ_share_no_content(self):
        contents = [
            self.verifier.content(self.problem, completion)
            for completion in (*self.right, *self.wrong)
        ]
        assert contents == [None] * len(contents) or len(set(contents)) == len(contents)

    def test_every_example_gives_an_answer(self):
        assert None not in map(self.verifier.parse, (*self.right, *self.wrong))


class GivesAnswer(Conformance):
    """Those that find an answer in the completion; the others need processes."""

    @pytest.mark.parametrize(
        "completion", STRANGE_TEXTS, ids=lambda text: ascii(text[:12]) + f" of {len(text)}"
    )
    def test_a_verdict_has_the_answer_that_is_found(self, completion):
        self.check(completion)

    def check(self, completion):
        verdict = self.verifier.verify(self.problem, completion)
        assert verdict == self.verifier.verify(self.problem, completion)
        assert verdict.reward == (verdict.outcome == Outcome.PASS)
        assert (verdict.parsed is None) == (verdict.outcome == Outcome.MALFORMED)
        answer = self.verifier.parse(completion)
        # a verdict is kept, so what cannot be encoded is escaped in it
        assert verdict.parsed == (None if answer is None else storable(answer))


class TestNumeric(GivesAnswer):
    verifier = NumericVerifier()
    problem = Problem("p", "What?", "1234")
    right = ("1234", "1200 + 34 = 1234 ; #### 1234", "The answer is $1,234.00.")
    wrong = ("1233", "#### -1234", "The answer is 12.")
    equal = ("1234", "$1,234.00", "#### 2468/2", r"\boxed{1234}")
    unusable = ("...",)
    other = NumericVerifier(tolerance=0.5, require_mark=True)


class TestText(GivesAnswer):
    verifier = TextVerifier()
    problem = Problem("p", "What?", "Mount Everest")
    right = ("Mount Everest", "It is high.\nThe answer is **mount  everest**.")
    wrong = ("K2", "Mount Everest\nno, K2")
    equal = ("K2", "#### k2.", "I think:\n\n'K2'\n")
    unusable = ("...",)
    other = TextVerifier(case_sensitive=True)


class TestExact(GivesAnswer):
    verifier = ExactVerifier()
    problem = Problem("p", "What?", "aXb.")
    right = ("aXb.", " aXb.\n")
    wrong = ("axb.", "aXb", "a Xb.", "#### aXb.", "so:\naXb.", "aXb.\naXb.")
    equal = ("#### K2", "\t#### K2", "#### K2 \n\n")
    unusable = (" \n",)


class TestChoice(GivesAnswer):
    verifier = ChoiceVerifier()
    problem = Problem("p", "What?", "(B)")
    right = ("(B)", "So it is red.\nThe answer is b.", "#### B) blue", r"\boxed{\text{(B)}}")
    wrong = ("(A)", "The answer is (C), not (B).", "yes", "b\nno, (A)")
    equal = ("(C)", "The answer is C.", "the correct one is (c)", "option C")
    unusable = ("...",)
    other = ChoiceVerifier(require_mark=True)


class TestMath(Conformance):
    verifier = MathVerifier()
    problem = Problem("p", "What?", r"2\sqrt{3}")
    right = (r"\boxed{2\sqrt{3}}", r"The answer is $\sqrt{12}$.", r"#### \frac{6}{\sqrt{3}}")
    wrong = (
        r"\boxed{\sqrt{3}}",
        "The answer is 3.4641.",
        r"\boxed{2\sqrt{3}}, or rather \boxed{3\sqrt{2}}",
        "2",
    )
    equal = ("1/2", r"\boxed{\dfrac12}", "The answer is $x = 0.5$.", "#### 2/4")
    unusable = ("...",)
    other = MathVerifier(cpu_seconds=1.0, memory_mib=128)


class TestCode(Conformance):
    verifier = CodeVerifier()
    problem = Problem("p", "What?", "1234")
    right = (
        "1234",
        "1200 + 34",
        "print(1200 + 34)",
        "Add them:\n```python\nx = 1200\nprint(x + 34)\n```\nDone.",
    )
    wrong = ("1233", "print(-1234)", "```\n1 + 1\n```")
    equal = (
        "print(7)\n",
        "Like this:\n```py\nprint(7)\n```",
        "```\nprint(1)\n```\nNo:\n```python3\nprint(7)\n```",
    )
    unusable = ("...",)
    other = CodeVerifier(cpu_seconds=2.0, program="fenced")

    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls, programs):
        return programs


class TestFunction(VerifierConformance):
    verifier = last_word()
    problem = Problem("p", "Where?", "Rome")
    right = ("Rome", "It is in\nRome")
    wrong = ("", "rome", "Rome.", "Rome or Paris")
    other = last_word(ignore_case=True)


class TestGradedFunction(VerifierConformance):
    verifier = length(threshold=0.5)
    problem = Problem("p", "Say three words.", "3")
    right = ("a b c", "a b", "a b c d e f g h")
    wrong = ("a b c d e f g h i", " ".join("abcdefghijklmnop"))
    malformed = ("", " \n\t ")
    other = length(most=20)
    graded = True

    def test_no_text_is_too_strange_to_be_judged(self):
        """What answers nothing has a length all the same."""


class TestFirstOf(Conformance):
    verifier = FirstOf(of=({"type": "numeric", "require_mark": True}, {"type": "text"}))
    problem = Problem("p", "What?", "1234")
    right = ("1234", "#### 1,234 apples", "So it is\n1234.", r"\boxed{1234}")
    wrong = ("1233", "#### -1234", "none")
    equal = ("#### 7", "#### 7 apples", "The answer is 14/2.")
    unusable = ("...",)
    other = FirstOf(of=({"type": "text"}, {"type": "numeric"}))


class TestAnyOf(Conformance):
    verifier = AnyOf(of=({"type": "numeric"}, {"type": "text"}))
    problem = Problem("p", "What?", "1234")
    right = ("1234", "#### 1,234 apples", "So it is\n1234.", r"\boxed{1234}")
    wrong = ("1233", "#### -1234", "none")
    equal = ("7", "#### 7 apples", "The answer is 14/2.")
    unusable = ("...",)
    other = AnyOf(
        of=(
            {"type": "math"},
            {"type": "any_of", "of": [{"type": "numeric", "tolerance": 0.5}, {"type": "exact"}]},
        )
    )


class TestAllOf(Conformance):
    verifier = AllOf(of=({"type": "text"}, {"type": "numeric"}))
    problem = Problem("p", "What?", "1234")
    right = ("1234", "The answer is 1234.", "#### 1234")
    wrong = ("1233", "#### 1234 apples", "-1234")
    equal = ("7", "#### 7", "The answer is 7.")
    unusable = ("...",)
    other = AllOf(of=({"type": "choice"},))


@given(
    st.text(st.characters(exclude_categories=()), max_size=40)
    | st.text("0123456789.,/$+-#{}\\boxed answer is:=", max_size=40)
)
@pytest.mark.parametrize("suite", GivesAnswer.__subclasses__())
def test_verdicts_of_any_text_are_sound_and_deterministic(suite, completion):
    suite().check(completion)


def test_every_verifier_has_a_suite():
    suites = {*GivesAnswer.__subclasses__(), *Conformance.__subclasses__()} - {GivesAnswer}
    assert {suite.verifier.type for suite in suites} == set(VERIFIERS.built_in)


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
