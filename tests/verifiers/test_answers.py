"""How numbers, texts and choices are read: verdicts on completions of every kind, and the laws behind them."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from selftrain_assets.core.types import Problem
from selftrain_assets.verifiers import ChoiceVerifier, NumericVerifier, TextVerifier

VERIFIERS = {verifier.type: verifier for verifier in (NumericVerifier(), TextVerifier(), ChoiceVerifier())}
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
