"""Points of a sweep side by side: numbers by hand, what is left out, one table, and a figure
that fits the swept field."""

import json
from statistics import fmean

import matplotlib.axes
import pytest

from selftrain_assets.config.sweep import Sweep
from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.types import Score
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.reports.arms import Arm
from selftrain_assets.reports.comparison import ArmSummary, Comparison, SweepPoints, _terms
from selftrain_assets.reports.sweeps import (
    compare_sweep,
    numeric_field,
    sweep_figure,
    sweep_table,
    write_sweep,
)
from selftrain_assets.tasks import WordProblems
from tests import lab
from tests.reports.made_up import estimate

SEEDS = (0, 1)
SWEEP = Sweep(grid={"trainer.steps": [2, 3, 4]}, seeds=SEEDS)


@pytest.fixture
def points(opened):
    """Returns a function that gives the runs of each point of SWEEP, of which these are
    finished."""
    texts = {}
    for problems in zip(
        *(WordProblems(**lab.TASK, seed=seed).load() for seed in SEEDS), strict=True
    ):
        texts[problems[0].id] = [
            *(f"{said}#### {p.answer}" for p in problems for said in ("", "so ")),
            "#### 0",
        ]

    def make(finished):
        runs = {}
        for steps in SWEEP.grid["trainer.steps"]:
            trainer = lab.SETTINGS["trainer"] | {"steps": steps}
            of = [
                opened(
                    f"lab-steps-{steps}-seed-{seed}",
                    texts=texts,
                    rounds=1,
                    seed=seed,
                    task=lab.TASK | {"seed": seed},
                    trainer=trainer,
                )
                for seed in SEEDS
            ]
            runs[f"lab-steps-{steps}"] = of
            for run in of:
                if run.name.removeprefix("lab-") in finished:
                    run_rounds(run, [1])
        return runs

    return make


def accuracy(run):
    scores = run.store.read_table(run.need("iter-001", "evaluation"), "scores", Score)
    return fmean(s.greedy for s in scores if s.split == "test")


@pytest.mark.kills
def test_finished_points_are_compared_seed_by_seed_and_the_others_named(points, tmp_path):
    runs = points(
        {"steps-2-seed-0", "steps-2-seed-1", "steps-3-seed-0", "steps-3-seed-1", "steps-4-seed-0"}
    )
    found = compare_sweep("lab", SWEEP, runs)
    assert [arm.name for arm in found.arms] == ["lab-steps-2", "lab-steps-3"]
    assert found.sweep.left_out == {"lab-steps-4-seed-1": "no round is finished"}
    assert (
        found.terms[-1] == "Not finished, and left out: lab-steps-4-seed-1 (no round is finished)."
    )
    for arm in found.arms:
        assert arm.accuracy["test"]["accuracy"][-1].mean == pytest.approx(
            fmean(accuracy(run) for run in runs[arm.name])
        )
    gains = [
        accuracy(b) - accuracy(a)
        for a, b in zip(runs["lab-steps-2"], runs["lab-steps-3"], strict=True)
    ]
    [less] = [d.estimate.mean for d in found.differences if d.split == "test"]
    assert less == pytest.approx(fmean(gains))
    title, header, rows = sweep_table(found)
    assert "2 seeds, paired by seed" in title
    assert header == [
        "",
        "test",
        "test less steps-2",
        "transfer",
        "transfer less steps-2",
        "rounds",
        "drawn",
        "last rows",
        "steps",
    ]
    assert [row[0] for row in rows] == ["base", "steps-2", "steps-3"]
    assert [row[-1] for row in rows] == ["", "2", "3"]
    assert (rows[1][2], rows[2][2].startswith(f"{less:+.3f}")) == ("", True)
    page, new = write_sweep(found, tmp_path)
    assert (page, new) == (tmp_path / "comparisons" / "lab.sweep" / "comparison.html", True)
    assert json.loads((page.parent / "comparison.json").read_text()) == found.to_json()
    assert "data:image/png;base64," in page.read_text()
    assert write_sweep(found, tmp_path) == (page, False)


def test_where_no_point_is_finished_it_says_what_to_run(points):
    runs = points(set())
    with pytest.raises(
        TaskError,
        match=(
            "lab: no round of any point of its sweep is finished; run `selftrain run lab --sweep`"
            " first"
        ),
    ):
        compare_sweep("lab", SWEEP, runs)


# -- figure, and sentences on many points, of numbers made up --------------------------------------


def made_up(points, splits=("test", "transfer"), measures=("accuracy",)):
    """A comparison of these points, by what each sets."""
    arms = []
    for i, end in enumerate(points):
        accuracy = {
            split: {measure: [estimate(0.1), estimate(0.2 + 0.01 * i)] for measure in measures}
            for split in splits
        }
        arms.append(
            ArmSummary(f"lab-{end}", 1, accuracy, {}, drawn=48.0, rows=12.0, optimizer_steps=2.0)
        )
    sweep = SweepPoints("lab", {f"lab-{end}": changes for end, changes in points.items()}, {})
    return Comparison([0], arms, [], [], sweep=sweep)


@pytest.fixture
def drawn(monkeypatch):
    """Returns a function that draws, and says what lines were drawn on which axis."""
    lines, bar = [], matplotlib.axes.Axes.errorbar

    def noting(self, x, y, **style):
        lines.append((style["label"], list(x), list(y)))
        noting.axis = self
        return bar(self, x, y, **style)

    monkeypatch.setattr(matplotlib.axes.Axes, "errorbar", noting)

    def draw(found):
        assert sweep_figure(found).startswith(b"\x89PNG")
        return lines, noting.axis

    return draw


def test_one_numeric_field_is_the_axis_in_order_of_its_values(drawn):
    found = made_up({f"rules-{n}": {"task.rules": n} for n in (100, 10, 50)})
    assert numeric_field(found) == ("task.rules", [100, 10, 50])
    lines, axis = drawn(found)
    assert [(label, x) for label, x, _ in lines] == [
        ("test", [10, 50, 100]),
        ("transfer", [10, 50, 100]),
    ]
    assert lines[0][2] == pytest.approx([0.21, 0.22, 0.20])
    assert (axis.get_xscale(), axis.get_xlabel()) == ("linear", "task.rules")


@pytest.mark.parametrize(
    ("values", "scale"),
    [((1, 21), "log"), ((1, 20), "linear"), ((0, 100), "linear"), ((-1, 100), "linear")],
)
def test_the_axis_is_logarithmic_where_positive_values_span_more_than_a_factor_of_20(
    drawn, values, scale
):
    assert drawn(made_up({f"x-{n}": {"x": n} for n in values}))[1].get_xscale() == scale


@pytest.mark.parametrize(
    "points",
    [
        {"a": {"x": "a"}, "b": {"x": "b"}},
        {"a": {"x": True}, "b": {"x": False}},
        {"a": {"x": 1, "y": 1}, "b": {"x": 2, "y": 1}},
        {"unaltered": {}, "b": {"x": 2}},
        {"a": {"x": [1]}, "b": {"x": 2}},
    ],
    ids=str,
)
def test_other_points_are_labelled_and_listed_in_their_order(drawn, points):
    found = made_up(points)
    assert numeric_field(found) is None
    lines, axis = drawn(found)
    assert [label.get_text() for label in axis.get_yticklabels()] == list(points)
    assert [x for _, x, _ in lines] == [pytest.approx([0.2, 0.21])] * 2


def test_each_method_has_a_line_and_a_column(drawn):
    found = made_up({"x-1": {"x": 1}, "x-2": {"x": 2}}, measures=("text", "code"))
    assert [label for label, _, _ in drawn(found)[0]] == [
        "text, test",
        "code, test",
        "text, transfer",
        "code, transfer",
    ]
    assert sweep_table(found).header[1:4] == ["test text", "test text less x-1", "test code"]


def test_of_many_points_sentences_name_the_extremes_alone(monkeypatch):
    monkeypatch.setattr("selftrain_assets.reports.comparison._share", lambda *of: True)
    monkeypatch.setattr(Arm, "optimizer_steps", lambda arm: float(arm.name.removeprefix("p")))
    monkeypatch.setattr(Arm, "drawn", lambda arm: 48.0)

    class Plain:
        config = type("Config", (), {"forks": ()})

    terms = _terms([Arm(f"p{n}", [Plain()], []) for n in (3, 1000, *range(4, 52))])
    assert terms[-2:] == [
        "Optimizer steps: from 3 (p3) to 1,000 (p1000).",
        "Drawn samples: 48 in every arm.",
    ]
