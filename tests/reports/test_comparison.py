"""Experiments side by side: estimates and differences against arithmetic by hand, and what is
said of unequal terms."""

import json
from math import isnan
from statistics import fmean, stdev

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.errors import TaskError, UserError
from selftrain_assets.domain.statistics import newcombe, wilson
from selftrain_assets.domain.types import Row, Score
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.run import Run
from selftrain_assets.reports.comparison import (
    SharedRows,
    compare,
    comparison_figure,
    comparison_tables,
    difference,
    folder_name,
    write_comparison,
)
from selftrain_assets.reports.comparison import accuracy as accuracy_over
from selftrain_assets.store import Store
from selftrain_assets.tasks import WordProblems
from tests import lab

STUDENT = 12.706204736432095  # 97.5% of Student's t with one degree of freedom, as in any table
SEEDS = (0, 1)


def right_for(seeds):
    """Answers to the problems of several seeds, which have the same ids: the right one of each,
    and a wrong one."""
    texts = {}
    for problems in zip(
        *(WordProblems(**lab.TASK, seed=seed).load() for seed in seeds), strict=True
    ):
        texts[problems[0].id] = [
            *(f"{said}#### {p.answer}" for p in problems for said in ("", "so ")),
            "#### 0",
        ]
    return texts


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    """Returns a function that gives an experiment with these changes, run once for each seed;
    what was run before is given again."""
    folder, made = tmp_path_factory.mktemp("arms"), {}

    def ran(seed, **changes):
        name, task = f"arm-{len(made)}", lab.TASK | {"seed": seed} | changes.get("task", {})
        if (key := json.dumps([seed, changes], sort_keys=True)) not in made:
            settings = lab.write_experiment(
                folder,
                name,
                right_for(SEEDS),
                **changes | {"seed": seed, "task": task, "rounds": 1},
            )
            made[key] = Run(name, parse_experiment(settings, name), Store(folder / "runs"))
            run_rounds(made[key], [1])
        return made[key]

    return lambda seeds=SEEDS, **changes: [ran(seed, **changes) for seed in seeds]


def accuracy(run, scope="iter-001", split="test"):
    scores = [
        s
        for s in run.store.read_table(run.need(scope, "evaluation"), "scores", Score)
        if s.split == split
    ]
    return fmean(s.greedy for s in scores)


def test_over_seeds_intervals_are_students_and_differences_are_paired_by_seed(arm):
    first, second = arm(), arm(trainer=lab.SETTINGS["trainer"] | {"steps": 3})
    found = compare(["a", "b"], [first, second])
    for shown, runs in zip(found.arms, (first, second), strict=True):
        values = [accuracy(run) for run in runs]
        estimate = shown.accuracy["test"]["accuracy"][1]
        half = STUDENT * stdev(values) / 2**0.5
        assert (estimate.mean, estimate.problems) == (pytest.approx(fmean(values)), 2)
        assert [estimate.low, estimate.high] == pytest.approx(
            [fmean(values) - half, fmean(values) + half]
        )
        assert shown.by_seed["test"]["accuracy"][1] == values
        assert shown.by_seed["transfer"]["accuracy"][0] == [
            accuracy(run, "base", "transfer") for run in runs
        ]
    [d] = [d for d in found.differences if d.split == "test"]
    gains = [accuracy(b) - accuracy(a) for a, b in zip(first, second, strict=True)]
    assert (d.arm, d.less, d.estimate.mean) == ("b", "a", pytest.approx(fmean(gains)))
    assert stdev(gains) == 0, "seeds that agree: their interval is that of the problems of one"
    assert d.estimate.low < d.estimate.mean < d.estimate.high
    assert found.seeds == [0, 1]


def test_over_seeds_a_difference_is_students_unless_all_seeds_agree():
    def right(*ids):
        return {id: float(id in ids) for id in "abcd"}

    before, after = [right("a"), right("a", "b")], [right("a", "c"), right("a", "b", "c", "d")]
    found = difference(before, after, by_problem=True)
    assert (found.mean, found.problems) == (0.375, 2)
    assert found.high - found.mean == pytest.approx(STUDENT * stdev([0.25, 0.5]) / 2**0.5)
    agreeing = [right("a", "c"), right("a", "b", "d")]
    found = difference(before, agreeing, by_problem=True)
    assert (found.mean, found.low, found.high) == (0.25, *newcombe(1, 1, 0, 2))
    assert isnan(difference(before, agreeing, by_problem=False).low)
    found = accuracy_over([right(), right()])
    assert (found.mean, found.low, found.high) == (0.0, *wilson(0, 4))


def test_with_one_seed_it_is_the_interval_of_the_report_and_pairs_problems(arm):
    [first], [second] = arm((0,)), arm((0,), trainer=lab.SETTINGS["trainer"] | {"steps": 3})
    found = compare(["a", "b"], [[first], [second]])
    reported = first.need("iter-001", "evaluation").metrics["greedy_accuracy"]
    assert found.arms[0].accuracy["test"]["accuracy"][1].mean == reported["mean"]
    [d] = [d for d in found.differences if d.split == "test"]
    assert (d.estimate.mean, d.estimate.problems) == (
        pytest.approx(accuracy(second) - accuracy(first)),
        lab.TASK["test"],
    )


def test_equal_terms_are_said_and_unequal_ones_named(arm):
    equal = compare(["a", "b"], [arm(), arm(execution={"shard_size": 16})])
    assert equal.terms == [
        "Problems: the same in every arm.",
        "Base: the same in every arm.",
        "Optimizer steps: 2 in every arm.",
        "Drawn samples: 48 in every arm.",
    ]
    recipe = {
        "type": "rest_em",
        "sampling": {"samples_per_problem": 3, "temperature": 1.0, "max_tokens": 32},
    }
    unequal = compare(["a", "c"], [arm(), arm(task={"train": 6}, recipe=recipe)])
    assert unequal.terms[0] == "Problems: NOT the same in every arm."
    assert unequal.terms[3] == "Drawn samples: a 48, c 18."


def test_rows_in_common_are_counted_by_what_they_say(arm):
    first, second = arm(), arm(recipe=lab.SETTINGS["recipe"] | {"cap": 1})
    [counts] = compare(["a", "b"], [first, second]).rows
    texts = [
        [
            {
                (r.prompt, r.completion)
                for r in run.store.read_table(run.need("iter-001", "dataset"), "rows", Row)
            }
            for run in runs
        ]
        for runs in (first, second)
    ]
    expected = {"shared": 0, "only_first": 0, "only_this": 0}
    for a, b in zip(*texts, strict=True):
        expected["shared"] += len(a & b)
        expected["only_first"] += len(a - b)
        expected["only_this"] += len(b - a)
    assert counts == SharedRows("b", "a", **expected)
    assert expected["shared"]
    assert expected["only_first"]


def test_samples_that_rounds_share_count_once(opened):
    recipe = lab.SETTINGS["recipe"] | {"improve_steps": 2, "preset": "rest", "cap": 0}
    run = opened("shared", recipe=recipe)
    run_rounds(run, [1, 2])
    assert compare(["shared"], [[run]]).arms[0].drawn == 48


def test_problems_that_only_share_their_ids_are_not_paired(arm):
    [first], [second] = arm((0,)), arm((1,))
    assert all(
        isnan(d.estimate.low) and isnan(d.estimate.high)
        for d in compare(["a", "b"], [[first], [second]]).differences
    )


def test_long_names_make_a_folder_that_can_be_made():
    long = [f"experiment-{n}-with-a-long-name" for n in range(12)]
    assert folder_name(["a", "b"]) == "a+b"
    assert len(folder_name(long)) < 200
    assert folder_name(long) != folder_name([*long, "more"])


@pytest.mark.kills
def test_every_arm_is_drawn_however_many_there_are(arm, monkeypatch):
    import matplotlib.axes

    names = [f"arm{n}" for n in range(8)]
    found = compare(names, [arm((0,)) for _ in names])
    shown, plot = [], matplotlib.axes.Axes.plot

    def noting(self, *values, **style):
        shown.append(style["label"])
        return plot(self, *values, **style)

    monkeypatch.setattr(matplotlib.axes.Axes, "plot", noting)
    comparison_figure(found)
    assert shown[:8] == names


def test_arms_of_other_problems_have_no_interval_of_one_seed(arm):
    found = compare(["a", "b"], [arm((0,)), arm((0,), task={"test": 7})])
    assert [
        isnan(d.estimate.low) and isnan(d.estimate.high)
        for d in found.differences
        if d.split == "test"
    ] == [True]


@pytest.mark.kills
def test_methods_are_compared_where_every_arm_has_them(opened):
    by_number = {
        "sampling": {"samples_per_problem": 4, "temperature": 1.0},
        "verifier": {"type": "numeric"},
    }
    methods = [
        {"name": "plain", **by_number},
        {"name": "marked", "prompt": {"template": "Q: {question} ="}, **by_number},
    ]
    texts = right_for((0,))
    recipe = {"type": "mmst", "methods": methods, "cross_training": {}}
    runs = [
        opened(name, texts=texts, rounds=1, recipe=own)
        for name, own in (("m", recipe), ("n", recipe), ("s", lab.SETTINGS["recipe"]))
    ]
    for run in runs:
        run_rounds(run, [1])
    both = compare(["m", "n"], [[runs[0]], [runs[1]]])
    assert list(both.arms[0].accuracy["test"]) == ["plain", "marked", "vote", "any"]
    scores = runs[0].store.read_table(runs[0].need("iter-001", "evaluation"), "scores", Score)
    right = {
        m: {s.problem_id for s in scores if s.method == m and s.greedy and s.split == "test"}
        for m in ("plain", "marked")
    }
    assert (
        both.arms[0].accuracy["test"]["any"][1].mean
        == len(right["plain"] | right["marked"]) / lab.TASK["test"]
    )
    assert {d.estimate.mean for d in both.differences} == {0.0}
    mixed = compare(["m", "s"], [[runs[0]], [runs[2]]])
    assert list(mixed.arms[0].accuracy["test"]) == ["accuracy"]


def test_what_cannot_be_compared_is_said(arm, opened):
    runs = arm((0,))
    with pytest.raises(UserError, match='"a" is named twice'):
        compare(["a", "a"], [runs, runs])
    with pytest.raises(
        TaskError,
        match=(
            "new: no round is finished, so there is nothing to compare; run `selftrain run new`"
            " first"
        ),
    ):
        compare(["a", "new"], [runs, [opened("new")]])


def test_a_comparison_is_written_as_table_figure_and_page(arm, tmp_path):
    found = compare(["a", "b"], [arm(), arm()])
    page = write_comparison(found, tmp_path / "comparison").read_text()
    for table in comparison_tables(found):
        assert table.title in page
        for row in table.rows:
            assert all(f"<td>{cell}</td>" in page for cell in row)
    assert "data:image/png;base64," in page
    assert "http" not in page
    assert json.loads((tmp_path / "comparison" / "comparison.json").read_text()) == found.to_json()
    assert (tmp_path / "comparison" / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert (
        "Optimizer steps: 2 in every arm."
        in (tmp_path / "comparison" / "comparison.md").read_text()
    )
