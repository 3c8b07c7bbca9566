"""Marks that are set by hand, on completions from a file: every kind of thought, judged,
translated and selected."""

from dataclasses import replace

import pytest

from selftrain_assets.domain.types import Row
from selftrain_assets.pipeline import dataset, inputs, training
from selftrain_assets.pipeline.policy import POLICY
from selftrain_assets.pipeline.sampling import SAMPLES, VERIFICATIONS
from selftrain_assets.recipes.mmst.stages import TRANSLATIONS
from selftrain_assets.recipes.tripost.stages import _attempts
from selftrain_assets.store.database import Database
from selftrain_assets.tasks import WordProblems
from tests import lab

THINKING = {"thinking": {"start": "(", "end": ")"}}
DRAWN = {"samples_per_problem": 12, "temperature": 1.0, "max_tokens": 32, **THINKING}


@pytest.fixture(scope="module")
def texts():
    """An answer behind a thought of another, one without, one in a thought that never closes,
    and none behind a thought."""
    return {
        p.id: [
            f"( maybe 77 )\n\n{p.answer}",
            f"{p.answer}",
            f"( is it {p.answer}",
            f"( {p.answer} ) no",
            f"it is {p.answer} ) 77",
        ]
        for p in WordProblems(**lab.TASK).load()
    }


def drawn(run):
    inputs.problems(run), training.base(run), POLICY.run(run, 1)
    samples = lab.read_samples(run, SAMPLES.run(run, 1))
    return samples, {
        v.sample_key: v for v in lab.read_verifications(run, VERIFICATIONS.run(run, 1))
    }


def test_the_verifier_is_given_the_answer_alone(opened, texts):
    """`text` compares all that it is given, so that a thought beside the answer would make it
    wrong."""
    run = opened(
        texts=texts,
        verifier={"type": "text"},
        recipe={"type": "rest_em", "dedup": "none", "sampling": DRAWN},
    )
    samples, verdicts = drawn(run)
    answers = {p.id: p.answer for p in run.problems}
    kinds = {replace(s, key="").completion.split(answers[s.problem_id])[0] for s in samples}
    assert kinds == {"( maybe 77 )\n\n", "", "( is it ", "( ", "it is "}
    for s in samples:
        verdict, answer = verdicts[s.key], answers[s.problem_id]
        if s.completion.startswith("( is it"):
            assert (s.finish_reason, verdict.outcome, verdict.reason) == (
                "thought",
                "malformed",
                "the thought never closes, so there is no answer",
            )
        else:
            assert s.finish_reason == "stop"
            assert (verdict.outcome == "pass") == s.completion.endswith(
                ("\n" + answer, "77 )\n\n" + answer)
            ) or s.completion == answer
    made = dataset.dataset(run, 1)
    rows = run.store.read_table(made, "rows", Row)
    assert {row.completion.startswith("( maybe 77 )\n\n") for row in rows} == {True, False}


def test_translations_and_attempts_are_of_the_answer_alone(opened, texts):
    methods = [
        {
            "name": name,
            "prompt": {"template": f"Q: {{question}} {mark}"},
            "sampling": DRAWN,
            "verifier": {"type": "text"},
            "translation": f"Q: {{question}} | {{solution}} {mark}",
        }
        for name, mark in (("one", "A:"), ("two", "="))
    ]
    recipe = {"type": "mmst", "methods": methods, "translation": DRAWN | {"samples_per_problem": 1}}
    run = opened(texts=texts, recipe=recipe)
    samples, _ = drawn(run)
    assert any("maybe" in s.completion for s in samples)
    TRANSLATIONS.run(run, 1)
    asked = lab.read_samples(run, run.need("iter-001", "translated_samples"))
    assert asked
    assert not any("maybe" in s.prompt or "(" in s.prompt.partition("|")[2] for s in asked)
    attempts = list(
        _attempts(run, run.need("iter-001", "samples"), run.need("iter-001", "verifications"))
    )
    assert {cut_off for _, _, text, _, cut_off in attempts if text == ""} == {True}
    assert not any("maybe" in text for _, _, text, _, _ in attempts)


@pytest.mark.parametrize(
    ("start", "thought", "answer"),
    [(None, None, "aé😀b"), (0, "", "aé😀b"), (3, "aé😀", "b"), (4, "aé😀b", "")],
)
def test_the_database_splits_where_python_does(tmp_path, start, thought, answer):
    with Database(tmp_path) as db:
        assert db.execute(
            "SELECT thought_of($1, $2::BIGINT), answer_of($1, $2::BIGINT)", ["aé😀b", start]
        ) == [(thought, answer)]
