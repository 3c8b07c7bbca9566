"""Which choice a completion makes."""

import pytest

from selftrain_assets.domain.types import Problem
from selftrain_assets.verifiers import ChoiceVerifier


@pytest.mark.parametrize(
    ("completion", "choice"),
    [
        ("(B)", "(B)"),
        ("B", "(B)"),
        ("b.", "(B)"),
        ("B) a dog", "(B)"),
        ("B: a dog", "(B)"),
        ("The answer is (b)", "(B)"),
        ("The answer is **(B)** a dog.", "(B)"),
        ("The answer is B.", "(B)"),
        ("The answer is option B, a dog", "(B)"),
        ("Answer: C\nThat is all.", "(C)"),
        ("(A) is too small, so it must be (D).", "(D)"),
        (r"\boxed{B}", "(B)"),
        ("yes", "yes"),
        ("The answer is: No, because it sinks.", "no"),
        ("The answer is True.", "true"),
        ("no noodle zebra", "no noodle zebra"),
        ("A dog", "a dog"),
        ("The answer is: ape bear cat.", "ape bear cat"),
        ("The answer is -50.", "-50"),
        ("So the answer is valid.", "valid"),
        ("The answer is ] ) }.", "] ) }"),
        ("", None),
        ("...", None),
    ],
)
def test_which_choice_a_completion_makes(completion, choice):
    assert ChoiceVerifier().parse(completion) == choice


@pytest.mark.parametrize(
    ("answer", "completion"),
    [("B", "(b)"), ("(B)", "B"), ("Yes", "yes."), ("] ] )", "#### ] ] )"), ("True", "true")],
)
def test_references_may_be_written_either_way(answer, completion):
    assert ChoiceVerifier().verify(Problem("p", "?", answer), completion).outcome == "pass"


def test_a_mark_can_be_required():
    assert ChoiceVerifier(require_mark=True).parse("(B)") is None
    assert ChoiceVerifier(require_mark=True).parse("The answer is (B)") == "(B)"
