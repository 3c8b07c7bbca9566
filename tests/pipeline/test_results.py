"""What a stage notes is written to the parts of a manifest and read from them as it was."""

import math

import pytest

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.pipeline.results import DatasetResult, EvaluationResult
from tests.store.test_store import manifest

HALF = {"mean": 0.5, "low": 0.25, "high": 0.75, "problems": 4}
ROWS = {"rows": 3, "human": 1, "verified": 9, "correct": 4, "problems": 2}


def test_each_field_lies_in_its_part_and_none_is_left_out():
    result = DatasetResult(
        **ROWS,
        own=2,
        rows_by_method={"text": {"human": 1}},
        diversity={"near_duplicates_among": 3, "near_duplicate_share": 0.0},
    )
    parts = result.to_parts()
    counts = {**ROWS, "self": 2, "from_earlier_rounds": 0}
    assert parts["counts"] == counts
    assert parts["metrics"].keys() == {"rows", "diversity"}
    assert parts["detail"]["leaks"] == []
    read = manifest(**parts).result(DatasetResult)
    assert read == result
    assert type(read.diversity["near_duplicates_among"]) is int


def test_undefined_numbers_survive_and_what_another_version_measured_is_ignored():
    measured = {"greedy_accuracy": HALF | {"mean": math.nan, "median": 1}, "pass_at_k": {"1": HALF}}
    measured["maj_at_k"] = {}
    counts = {"problems": 4, "samples": 8, "infra_error": 0}
    made = manifest(counts=counts, metrics=measured | {"newer": 1})
    result = made.result(EvaluationResult)
    assert math.isnan(result.greedy_accuracy.mean)
    kept = result.to_parts()["metrics"]["greedy_accuracy"]
    assert kept.keys() == HALF.keys()
    assert math.isnan(kept["mean"])
    assert result.gain_over_base is None


def test_a_manifest_without_what_its_stage_notes_is_told():
    with pytest.raises(IntegrityError, match=r"e/iter-001/samples\.json has no usable rows"):
        manifest(counts={"human": 1}).result(DatasetResult)
