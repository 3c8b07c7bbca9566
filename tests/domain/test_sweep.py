"""Points of a sweep: which there are, and that their names are different, valid, and stay."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from selftrain_assets.config.experiment_files import check_name, experiment_ref
from selftrain_assets.config.sweep import LONGEST_NAME, UNALTERED, Sweep, at_point

fields = st.sampled_from(
    [
        "recipe.cap",
        "trainer.steps",
        "recipe.sampling.temperature",
        "evaluation.temperature",
        "task.seed",
        "model",
        "a.b-c",
    ]
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40)
)
values = (
    scalars
    | st.lists(scalars, max_size=3)
    | st.dictionaries(st.text(max_size=5), scalars, max_size=3)
)
grids = st.dictionaries(fields, st.lists(values, min_size=1, max_size=4), min_size=1, max_size=3)
lists = st.lists(st.dictionaries(fields, values, max_size=3), min_size=1, max_size=12)


def grid(**of):
    return Sweep(grid={field.replace("__", "."): values for field, values in of.items()})


@given(grids.map(lambda g: Sweep(grid=g)) | lists.map(lambda p: Sweep(points=p)))
def test_names_are_different_short_valid_and_no_repetitions(sweep):
    names = list(sweep.named)
    assert (
        len({name.replace("-", "_").casefold() for name in names})
        == len(names)
        == len(sweep.changes)
    )
    for name in names:
        assert check_name(f"lab-{name}")
        assert len(name) <= LONGEST_NAME + 40
        assert not re.search(r"-seed-\d+$", f"lab-{name}")
    assert list(sweep.named.values()) == sweep.changes


@given(grids, st.data())
def test_a_name_stays_when_values_are_added_behind_the_others(grid, data):
    grown = {
        field: [*given, *data.draw(st.lists(values, max_size=2))] for field, given in grid.items()
    }
    after = {repr(changes): name for name, changes in Sweep(grid=grown).named.items()}
    alone = {
        repr(changes): name for name, changes in Sweep(grid=grid).named.items() if "-d" not in name
    }
    assert {
        changes: after[changes] for changes in alone if "-d" not in after[changes]
    }.items() <= alone.items()


@given(lists, lists)
def test_a_list_of_points_can_grow_behind(points, more):
    fields = {field for point in points for field in point}
    more = [{field: value for field, value in point.items() if field in fields} for point in more]
    assert list(Sweep(points=[*points, *more]).named)[: len(points)] == list(
        Sweep(points=points).named
    )


def test_a_name_says_the_last_part_of_the_field_and_the_value():
    assert list(grid(task__rules=[100, 1000]).named) == ["rules-100", "rules-1000"]
    assert list(grid(recipe__cap=[4, 8], trainer__learning_rate=[0.001, 1e-5]).named) == [
        "cap-4-learning_rate-0p001",
        "cap-4-learning_rate-1e-05",
        "cap-8-learning_rate-0p001",
        "cap-8-learning_rate-1e-05",
    ]
    assert list(grid(recipe__preset=["star", "rest_em"], recipe__dedup=[None]).named) == [
        "preset-star-dedup-none",
        "preset-rest_em-dedup-none",
    ]
    assert list(grid(recipe__mix=[{"a": 1}, {"a": 2}, 3]).named) == ["mix-1", "mix-2", "mix-3"]
    assert list(grid(a__temperature=[1], b__temperature=[-1]).named) == [
        "a_temperature-1-b_temperature-minus1"
    ]
    assert list(grid(task__seed=[3]).named) == ["task_seed-3"]
    assert list(Sweep(points=[{}, {"recipe.cap": 4}]).named) == [UNALTERED, "cap-4"]


def test_names_that_would_be_one_are_told_apart():
    first, second = grid(model=["a/b", "a_b"]).named
    assert first == "model-a_b"
    assert re.fullmatch(r"model-a_b-d[0-9a-f]{6}", second)
    assert experiment_ref(f"lab-{second}").repeats is None


def test_the_last_field_of_a_grid_changes_fastest_and_a_list_is_taken_as_it_is():
    assert grid(a=[1, 2], b=[3, 4]).changes == [
        {"a": 1, "b": 3},
        {"a": 1, "b": 4},
        {"a": 2, "b": 3},
        {"a": 2, "b": 4},
    ]
    assert Sweep(points=[{"a": 1}, {"b": 2}]).changes == [{"a": 1}, {"b": 2}]


def test_a_point_lies_over_the_file_section_by_section():
    below = {"rounds": 2, "recipe": {"cap": 1, "sampling": {"top_k": 3}}, "sweep": {"grid": {}}}
    over = {"recipe.sampling.temperature": 0.5, "recipe.cap": 4, "trainer": {"steps": 2}}
    sampling = {"top_k": 3, "temperature": 0.5}
    assert at_point(below, over) == {
        "rounds": 2,
        "recipe": {"cap": 4, "sampling": sampling},
        "trainer": {"steps": 2},
    }
    assert below["recipe"] == {"cap": 1, "sampling": {"top_k": 3}}


@pytest.mark.parametrize(
    ("written", "seeds"),
    [("0-4", (0, 1, 2, 3, 4)), (3, (3,)), ("3", (3,)), ([5, 1], (5, 1)), ([], ())],
)
def test_seeds_are_a_number_a_range_or_a_list(written, seeds):
    sweep = Sweep.model_validate({"grid": {"recipe.cap": [1]}, "seeds": written})
    assert sweep.seeds == seeds
    assert Sweep.model_validate(sweep.model_dump(mode="json")) == sweep


@pytest.mark.parametrize("written", ["4-0", "one", [1, 1], [-1], -1])
def test_seeds_that_are_none_are_refused(written):
    with pytest.raises(ValidationError):
        Sweep.model_validate({"grid": {"recipe.cap": [1]}, "seeds": written})
