"""How numbers, texts and choices are read: verdicts on completions of every kind, and the laws
behind them."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from selftrain_assets.domain.types import Problem
from selftrain_assets.verifiers import ChoiceVerifier, NumericVerifier, TextVerifier

VERIFIERS = {
    verifier.type: verifier for verifier in (NumericVerifier(), TextVerifier(), ChoiceVerifier())
}
CASES = defaultdict(list)
for line in Path(__file__).with_name("answers.jsonl").read_text().splitlines():
    case = json.loads(line)
    CASES[case["verifier"], case["reference"]].append((case["completion"], case["passes"]))


@pytest.mark.parametrize(("kind", "reference"), CASES, ids=lambda value: ascii(value))
def test_right_answers_pass_and_others_do_not(kind, reference):
    verifier, problem = VERIFIERS[kind], Problem("p", "?", reference)
    for completion, passes in CASES[kind, reference]:
        verdict = verifier.verify(problem, completion)
        assert (verdict.outcome == "pass") == passes, (completion, verdict.reason)
        assert verdict.parsed == verifier.parse(completion)


SEVERAL = (
    "12:30 pm|3/4/2021|1-2|1\u20132|1 to 2|10 or 12|(3, 4)|1, 2, 3|3, 4, and 5|5'11\"|2 hours, 5"
    " minutes|1+2|2:1|5 of 6|3 \u00d7 4"
)
FORMULAS = r"2i|1+i|2+3i|\sqrt{2}|2\pi|\pm 3|x+5|5x|>5|2h30m|5+|2^{n}|\frac{\pi}{2}"
NONE = "twelve|N/A|nan|inf|x|Monday|-"
ONE = (
    r"12|-3|1,234|$5|5%|3 1/2|1e-5|4e+16|12 cm^2|60 km/h|x = 5|~7|\$40|1{,}000|2.5 million|18"
    r" dollars|007|\boxed{5}|2 + 3 = 5. #### 5"
)


@pytest.mark.parametrize("reference", SEVERAL.split("|"))
def test_a_reference_of_several_numbers_is_refused_and_met_word_for_word_alone(reference):
    problem, verifier = Problem("p", "?", reference), NumericVerifier()
    assert f'the answer "{reference}" holds several numbers (' in verifier.check_problem(problem)
    assert verifier.verify(problem, f"#### {reference}").outcome == "pass"
    assert verifier.verify(problem, "The answer is 3.").outcome == "wrong"


@pytest.mark.parametrize("reference", FORMULAS.split("|"))
def test_a_formula_is_no_numeric_reference(reference):
    assert "is a formula and no number; verifier math" in NumericVerifier().check_problem(
        Problem("p", "?", reference)
    )


@pytest.mark.parametrize("reference", NONE.split("|"))
def test_words_are_no_numeric_reference(reference):
    assert "holds no number; verifier text" in NumericVerifier().check_problem(
        Problem("p", "?", reference)
    )


@pytest.mark.parametrize("reference", ONE.split("|"))
def test_a_reference_of_one_number_is_met_by_itself(reference):
    problem, verifier = Problem("p", "?", reference), NumericVerifier()
    assert verifier.check_problem(problem) is None
    assert verifier.verify(problem, f"The answer is {reference}").outcome == "pass"


def test_a_verdict_says_what_was_read_and_where():
    problem = Problem("p", "?", "5")
    assert (
        NumericVerifier().verify(problem, "#### 6 apples").reason
        == "6, read behind ####, differs from the reference answer 5"
    )
    assert (
        "5 or 6, read in \\boxed, leaves open which answer counts"
        in NumericVerifier().verify(problem, r"\boxed{5} or \boxed{6}").reason
    )
