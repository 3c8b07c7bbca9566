"""Every number of the tables that a report shows, from summaries that are made up."""

from __future__ import annotations

import math

from selftrain_assets.domain.measurements import (
    Difficulty,
    Reread,
    SecondOpinion,
    Thoughts,
    Tokenization,
    Yield,
)
from selftrain_assets.domain.statistics import Estimate
from selftrain_assets.recipes.mmst.report import method_tables
from selftrain_assets.recipes.tripost.report import (
    GroupAttempts,
    SelfImprovement,
    Trajectories,
    trajectory_tables,
)
from selftrain_assets.reports.diversity import diversity_tables
from selftrain_assets.reports.endings import ending_tables
from selftrain_assets.reports.groups import group_tables
from selftrain_assets.reports.opinion import opinion_tables
from selftrain_assets.reports.suites import suite_tables
from selftrain_assets.reports.summary import (
    Agreement,
    ControlSummary,
    Measures,
    PairAgreement,
    RoundCounts,
)
from selftrain_assets.reports.tables import estimated, header, number, rows
from selftrain_assets.reports.thoughts import thought_tables
from tests.reports import made_up

UNDEFINED = Estimate(math.nan, math.nan, math.nan, 0)
COUNTS = RoundCounts(
    samples=48,
    samples_reused=12,
    samples_cut_off=3,
    correct=20,
    problems=12,
    problems_solved=8,
    problems_solved_so_far=9,
    infra_errors=0,
    kept_rows=31,
    own_rows=27,
    human_rows=4,
    correct_cut_off=2,
    optimizer_steps=150,
)


def measures(accuracy, **changes):
    values = {"pass_at_k": {}, "maj_at_k": {}, "groups": {}, "by_difficulty": {}} | changes
    return Measures(test_problems=10, greedy_accuracy=made_up.estimate(accuracy), **values)


def with_control(summary, steps, accuracy):
    base = {name: getattr(summary.base, name) for name in type(summary.base).__dataclass_fields__}
    control = ControlSummary(**base | {"greedy_accuracy": made_up.estimate(accuracy)}, steps=steps)
    values = {name: getattr(summary, name) for name in type(summary).__dataclass_fields__}
    return type(summary)(**values | {"human_only": [control]})


def test_the_table_of_an_experiment():
    seconds = {"policy": 1, "samples": 20, "verifications": 3, "rationalizations": 4}
    seconds |= {"dataset": 2, "checkpoint": 60, "evaluation": 9.6}
    found = made_up.round(
        counts=COUNTS,
        seconds=seconds,
        pass_at_k=made_up.estimates({"1": 0.55, "8": 0.85}),
        maj_at_k=made_up.estimates({"8": 0.65}),
        train_accuracy=made_up.estimate(0.75),
    )
    summary = made_up.summary(
        found,
        seconds={"evaluation": 5},
        pass_at_k=made_up.estimates({"1": 0.45, "8": 0.75}),
        maj_at_k=made_up.estimates({"8": 0.5}),
    )
    table = [header(summary), *rows(with_control(summary, 150, 0.4))]
    columns = dict(zip(table[0], zip(*table[1:], strict=True), strict=True))
    assert columns == {
        "iteration": ("base", "1", "human rows only, 150 steps"),
        "held-out accuracy": ("0.500", "0.600", "0.400"),
        "90% interval": ("0.400 to 0.600", "0.500 to 0.700", "0.300 to 0.500"),
        "pass@1": ("0.450", "0.550", "0.450"),
        "pass@8": ("0.750", "0.850", "0.750"),
        "maj@8": ("0.500", "0.650", "0.500"),
        "train accuracy": ("", "0.750", ""),
        "solved": ("", "8 of 12", ""),
        "samples": ("", "48", ""),
        "kept rows": ("", "31", ""),
        "sample s": ("", "21", ""),
        "verify s": ("", "7", ""),
        "train s": ("", "62", ""),
        "evaluate s": ("5", "10", "5"),
    }


def test_what_is_not_defined_is_left_empty():
    assert (number(None), number(math.nan), number(0.0)) == ("", "", "0.000")
    assert estimated(None) == estimated(UNDEFINED) == ""
    assert estimated(Estimate(0.25, math.nan, math.nan, 3), "+") == "+0.250"
    assert estimated(Estimate(-0.25, -0.5, 0.125, 3), "+") == "-0.250 [-0.500, +0.125]"


def test_the_summary_as_json_has_each_number_once():
    bins = {"hard": Difficulty(4, 0.25, 0.5)}
    found = made_up.round(counts=COUNTS, gain_over_base=made_up.estimate(0.25), by_difficulty=bins)
    (point,) = made_up.summary(found).to_json()["iterations"]
    assert (point["greedy_accuracy"], point["greedy_accuracy_interval"]) == (0.6, [0.5, 0.7])
    assert (point["gain_over_base"], point["gain_over_base_interval"]) == (0.25, [0.15, 0.35])
    assert point["by_difficulty"] == {"hard": {"problems": 4, "base": 0.25, "now": 0.5}}
    assert point["counts"]["problems_solved_so_far"] == 9
    assert point["counts"]["own_rows"] + point["counts"]["human_rows"] == 31


# -- methods ---------------------------------------------------------------------------------------


def test_the_tables_of_methods():
    def agreement(both, first, second, neither, phi, of_solved, union):
        pair = PairAgreement(both, first, second, neither, phi, of_solved)
        return {"test": Agreement({"text, code": pair}, union)}

    found = made_up.round(
        methods={"text": measures(0.55), "code": measures(0.65)},
        ranked=["code", "text"],
        agreement=agreement(4, 1, 2, 3, 0.408, -0.333, 0.7),
        choice={
            "very hard": {"problems": 6, "text": 0.125, "code": 0.25, "vote": 0.375},
            "easy": {"problems": 4, "text": 1.0, "code": 0.75, "vote": 0.875},
        },
        yields={
            "text": {"text": Yield(40, 30), "code": Yield(10, 8)},
            "code": {"code": Yield(40, 20), "text": Yield(0, 0)},
        },
        rows_by_method={"text": {"text": 12, "code": 7, "human": 2}, "code": {"code": 9}},
    )
    summary = made_up.summary(
        found,
        methods={"text": measures(0.35), "code": measures(0.45)},
        agreement=agreement(3, 1, 1, 5, 0.583, math.nan, 0.5),
    )
    accuracy, flow, pairs, choice = method_tables(summary)
    assert accuracy.header == ["iteration", "text", "code", "vote", "any"]
    assert accuracy.rows == [
        ["base", "0.350 [0.250, 0.450]", "0.450 [0.350, 0.550]", "0.500", "0.500"],
        ["1", "0.550 [0.450, 0.650]", "0.650 [0.550, 0.750]", "0.600", "0.700"],
    ]
    assert flow.header == ["iteration", "method", "drawn", "correct", "share", "rows"]
    assert flow.rows == [
        ["1", "code", "40", "20", "0.500", "9"],
        ["1", "code to text", "10", "8", "0.800", "7"],
        ["1", "text to code", "0", "0", "0.000", "0"],
        ["1", "text", "40", "30", "0.750", "12"],
    ]
    assert pairs.header[1:5] == ["both", "only text", "only code", "neither"]
    assert pairs.rows == [
        ["base", "3", "1", "1", "5", "0.583", ""],
        ["1", "4", "1", "2", "3", "0.408", "-0.333"],
    ]
    assert choice.title.endswith("the best is code")
    assert choice.header == ["by the base", "problems", "text", "code", "vote"]
    assert choice.rows == [
        ["easy", "4", "1.000", "0.750", "0.875"],
        ["very hard", "6", "0.125", "0.250", "0.375"],
    ]


# -- attempts and their corrections ----------------------------------------------------------------


def improves(direct, final, groups):
    return SelfImprovement(
        problems=8,
        direct=direct,
        final=final,
        wrong_to_right=3,
        right_to_wrong=1,
        updates=1.375,
        ended={},
        feedback_precision=0.75,
        feedback_recall=None,
        groups={name: GroupAttempts(4, *of) for name, of in groups.items()},
    )


def test_the_tables_of_trajectories():
    trajectories = Trajectories(
        counts={"attempted": 20, "parsable": 18, "edited": 11, "successful": 14},
        endings={"correct": 6, "improved": 8, "too_long": 2, "cut_off": 4},
        errors={"calculate": 9, "final": 2},
        by={},
        rows={"correct": 6, "improved": 9, "gold": 5},
    )
    found = made_up.round(
        own={
            "trajectories": trajectories,
            "self_improvement": {"test": improves(0.5, 0.75, {"short": (0.25, 0.5)})},
        }
    )
    summary = made_up.summary(
        found,
        recipe="tripost",
        own={"self_improvement": {"test": improves(0.25, 0.5, {"short": (0.0, 0.25)})}},
    )
    funnel, dropped, answers, groups = trajectory_tables(summary)
    assert dict(zip(funnel.header, *funnel.rows, strict=True)) == {
        "iteration": "1",
        "attempted": "20",
        "parsable": "18",
        "edited": "11",
        "successful": "14",
        "rows correct": "6",
        "rows improved": "9",
        "rows gold": "5",
    }
    assert dict(zip(dropped.header, *dropped.rows, strict=True)) == {
        "iteration": "1",
        "cut off": "4",
        "too long": "2",
        "calculate corrected": "9",
        "final corrected": "2",
    }
    assert dict(zip(answers.header, answers.rows[1], strict=True)) == {
        "iteration": "1",
        "split": "test",
        "first attempt": "0.500",
        "last attempt": "0.750",
        "put right": "3",
        "broken": "1",
        "updates": "1.38",
        "precision": "0.750",
        "recall": "",
    }
    assert groups.rows == [["test", "short", "0.000 / 0.250", "0.250 / 0.500"]]


# -- what every recipe may have --------------------------------------------------------------------


def test_the_table_of_a_suite_has_the_gain_over_the_base_with_its_sign():
    base = measures(0.5, pass_at_k=made_up.estimates({"2": 0.625}))
    worse = measures(
        0.25,
        pass_at_k=made_up.estimates({"2": 0.375}),
        gain_over_base=Estimate(-0.25, -0.5, 0.0, 10),
    )
    (table,) = suite_tables(
        made_up.summary(made_up.round(suites={"old": worse}), suites={"old": base})
    )
    assert table.header == ["iteration", "greedy accuracy", "over the base", "pass@2"]
    assert table.rows == [
        ["base", "0.500 [0.400, 0.600]", "", "0.625"],
        ["1", "0.250 [0.150, 0.350]", "-0.250 [-0.500, +0.000]", "0.375"],
    ]
    assert "10 problems" in table.title


def test_the_tables_of_groups_and_of_other_sources():
    base = {"test": {"short": made_up.estimate(0.5, 4), "long": made_up.estimate(0.25, 6)}}
    now = {"test": {"short": made_up.estimate(0.75, 4)}}
    found = made_up.round(groups=now, rows_mixed_in={"sums": 5}, counts=COUNTS)
    accuracy, mixed = group_tables(made_up.summary(found, groups=base))
    assert accuracy.header == ["split", "group", "problems", "base", "1"]
    assert accuracy.rows == [
        ["test", "short", "4", "0.500 [0.400, 0.600]", "0.750 [0.650, 0.850]"],
        ["test", "long", "6", "0.250 [0.150, 0.350]", ""],
    ]
    assert (mixed.header, mixed.rows) == (["iteration", "rows", "sums"], [["1", "31", "5"]])


def test_the_table_of_diversity_tells_own_rows_apart():
    measured = {"distinct_problems": 9, "effective_problems": 7.46, "near_duplicate_share": 0.125}
    own = {f"own_{name}": value for name, value in zip(measured, (8, 6.04, 0.25), strict=True)}
    (table,) = diversity_tables([made_up.round(counts=COUNTS, diversity=measured | own)])
    assert table.header == [
        "iteration",
        "rows",
        "problems",
        "effective problems",
        "near-duplicates",
    ]
    assert table.rows == [
        ["1", "31", "9", "7.5", "0.125"],
        ["1, without human rows", "27", "8", "6.0", "0.250"],
    ]


def test_the_table_of_endings():
    tokens = Tokenization(20, 16, 2, 11, 8, 1, 3)
    (table,) = ending_tables(made_up.summary(made_up.round(counts=COUNTS, tokenization=tokens)))
    assert dict(zip(table.header, *table.rows, strict=True)) == {
        "iteration": "1",
        "samples cut off": "3 of 48",
        "correct, but cut off": "2",
        "rows as drawn": "20",
        "would differ": "12.5% of 16",
        "rows from text": "11",
        "differ": "12.5% of 8",
        "other tokenizer": "3",
    }


def test_the_table_of_the_second_opinion():
    opinion = SecondOpinion(
        failed=1200,
        read=50,
        turned=5,
        share=Estimate(0.1, 0.05, 0.2, 50),
        wrong=Reread(30, 2),
        malformed=Reread(20, 3),
        by={"numeric 1": ["text 1"]},
        left_out=(),
        error=None,
        examples=(),
    )
    found = made_up.round(second_opinion={"verifications": opinion})
    (table,) = opinion_tables(made_up.summary(found))
    assert dict(zip(table.header, *table.rows, strict=True)) == {
        "iteration": "1",
        "verdicts": "verifications",
        "wrong or malformed": "1,200",
        "read again": "50",
        "would pass": "5",
        "share": "0.100 [0.050, 0.200]",
        "of wrong": "2 of 30",
        "of malformed": "3 of 20",
        "read by": "text 1 for numeric 1",
    }


def test_the_table_of_thoughts():
    lengths = {"mean": 11.6, "median": 10.0, "p90": 20.4, "max": 31.0}
    drawn = Thoughts(48, 40, 3, 2, lengths, None)
    (table,) = thought_tables(made_up.summary(made_up.round(thoughts_drawn=drawn)))
    assert table.rows == [
        ["round 1, training", "48", "40", "3", "2", "12", "10", "20", "31", "", "", "", ""]
    ]
