"""Each question once, held-out ones apart, and the split that a file's place gives it."""

from pathlib import Path

import pytest

from selftrain_assets.domain.quality_checks import held_out_apart
from selftrain_assets.domain.types import Problem
from selftrain_assets.pipeline.diagnostics import leaks_in_problems
from selftrain_assets.tasks.loaded import apart, once_each
from selftrain_assets.tasks.splits import split_of

EGGS = "A farmer has 12 hens, and each lays 3 eggs a day. How many eggs are there after 2 days?"


def problem(id, question, split, answer="1"):
    return Problem(id, question, answer, split)


@pytest.mark.parametrize(
    ("copies", "kept", "contradictions"),
    [
        ([("a", "Is it?", "train", "yes"), ("b", "is it", "train", "yes")], ["a"], 0),
        ([("a", "Is it?", "train", "yes"), ("b", "is it", "test", "yes")], ["b"], 0),
        (
            [
                ("a", "Is it?", "validation", "yes"),
                ("b", "is it", "test", "yes"),
                ("c", "IS IT", "train", "yes"),
            ],
            ["b"],
            0,
        ),
        ([("a", "Is it?", "train", "yes"), ("b", "is it", "transfer", "yes")], ["b"], 0),
        ([("a", "Is it?", "test", "yes"), ("b", "is it", "test", "no")], [], 1),
        (
            [
                ("a", "Is it?", "train", "yes"),
                ("b", "is it", "train", "no"),
                ("c", "is it", "train", "yes"),
            ],
            [],
            1,
        ),
        ([("a", "Is it?", "test", "yes"), ("b", "is it", "train", "no")], ["a"], 1),
        (
            [
                ("a", "How many?", "train", "5"),
                ("b", "How many?", "train", "5.0"),
                ("c", "how many", "train", "5"),
            ],
            ["a"],
            0,
        ),
        ([("a", "2 + 3?", "train", "5"), ("b", "2 - 3?", "train", "-1")], ["a", "b"], 0),
    ],
)
def test_of_equal_questions_one_is_kept_and_none_that_is_contradicted(copies, kept, contradictions):
    loaded = once_each([problem(*copy) for copy in copies])
    assert [p.id for p in loaded.problems] == kept
    assert len(loaded.contradictions) == contradictions
    assert sum(loaded.duplicates.values()) == len(copies) - len(kept)
    assert ("with different answers" in " ".join(loaded.remarks)) == bool(contradictions)


def test_a_contradiction_is_told_with_its_ids_and_answers():
    loaded = once_each(
        [problem("x-1", "Is it?", "test", "yes"), problem("x-2", "is it", "test", "no")]
    )
    assert loaded.remarks == (
        '1 question occurs with different answers: "Is it?" (x-1: yes, x-2: no; kept: none)',
    )


def test_what_is_cleared_here_passes_the_check_of_a_round():
    problems = [
        problem("held", EGGS, "test"),
        problem("same", EGGS.lower().replace(", and", " and"), "train"),
        problem("inside", f"Think first. {EGGS} Then think again.", "train"),
        problem("other", EGGS.replace("12", "13"), "train"),
    ]
    loaded = apart(once_each(problems))
    assert [p.id for p in loaded.problems] == ["held", "other"]
    assert loaded.remarks == (
        (
            "1 problem to learn from left out, with a whole held-out question inside: inside (that"
            " of held)"
        ),
    )
    assert not held_out_apart(leaks_in_problems(problems)["leaks"], "").passed
    assert held_out_apart(leaks_in_problems(loaded.problems)["leaks"], "").passed


@pytest.mark.parametrize(
    ("given", "file", "split"),
    [
        ("data", "test.jsonl", "test"),
        ("data", "Test.JSONL", "test"),
        ("data", "gsm8k-test.parquet", "test"),
        ("data", "test-00000-of-00001.parquet", "test"),
        ("data", "strategyqa_train.json", "train"),
        ("data", "dev_rand_split.jsonl", "validation"),
        ("data", "validation.csv", "validation"),
        ("data", "testing.csv", "test"),
        ("data", "TestSet.csv", "test"),
        ("data", "test1.csv", "test"),
        ("data", "test/algebra/0.json", "test"),
        ("data", "Train/algebra/0.json", "train"),
        ("data", "test/train.jsonl", "train"),
        ("data", "latest/0.json", None),
        ("data", "contest.jsonl", None),
        ("data", "unit_tests.jsonl", None),
        ("data", "attestation.json", None),
        ("data", "trained.json", None),
        ("data", "device.json", None),
        ("data", "train_test.csv", None),
        ("data/test", "0.json", "test"),
        ("data/Test", "algebra/0.json", "test"),
        ("data/test/algebra", "0.json", "test"),
        ("data/test/algebra/easy", "0.json", "test"),
        ("data/training/algebra", "0.json", "train"),
        ("data/dev", "0.json", "validation"),
        ("data/latest", "0.json", None),
        ("data/test_run", "0.json", None),
        ("data/my-test", "0.json", None),
        ("data/prompt", "0.json", None),
    ],
)
def test_what_is_named_test_is_the_test_split_at_whatever_level(
    tmp_path, monkeypatch, given, file, split
):
    for start in (Path(), tmp_path):  # relative, and absolute
        assert split_of(Path(file), start / given) == split
    monkeypatch.chdir(tmp_path)
    assert split_of(Path(file), Path(given)) == split


def test_where_the_command_runs_says_nothing_of_what_it_reads(tmp_path, monkeypatch):
    for place in ("test", "dev"):
        (home := tmp_path / place / "data").mkdir(parents=True)
        monkeypatch.chdir(home.parent)
        assert split_of(Path("problems.jsonl"), Path("data")) is None
        monkeypatch.setenv("HOME", str(home.parent))
        monkeypatch.chdir("/")
        assert split_of(Path("problems.jsonl"), home) is None
        assert (
            split_of(Path("problems.jsonl"), home.parent)
            == {"test": "test", "dev": "validation"}[place]
        )
