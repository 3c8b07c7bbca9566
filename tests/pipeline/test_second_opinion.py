"""The second opinion: what it finds, that it changes nothing, and where it is shown."""

import json
from contextlib import contextmanager

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.errors import InfraError
from selftrain_assets.domain.measurements import Reread, SecondOpinion
from selftrain_assets.domain.quality_checks import second_opinion as opinion_check
from selftrain_assets.domain.statistics import Estimate, wilson
from selftrain_assets.domain.types import Problem
from selftrain_assets.pipeline import second_opinion
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.run import Run
from selftrain_assets.pipeline.sampling import VERIFICATIONS
from selftrain_assets.pipeline.second_opinion import readings
from selftrain_assets.pipeline.stages import check
from selftrain_assets.reports import report_page, summarize
from selftrain_assets.store import Store
from selftrain_assets.tasks import WordProblems
from selftrain_assets.verifiers import AnyOf, SandboxSettings
from tests import lab
from tests.judging import verdicts

STRICT = {"verifier": {"type": "numeric", "require_mark": True}, "rounds": 1}
HOSTILE = "so | it is\x1b[2J <b>[here](http://x.example/)</b>\n"


def texts():
    """A right answer, the same without a mark, once behind what no report may take for markup,
    and a wrong one."""
    problems = WordProblems(**lab.TASK).load()
    return {
        p.id: [f"#### {p.answer}", p.answer, f"{HOSTILE}{p.answer}", "#### 0"] for p in problems
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """After one round of a verifier that asks for a mark. Whoever changes it leaves it as it
    was."""
    folder = tmp_path_factory.mktemp("opinion")
    made = Run(
        "lab",
        parse_experiment(lab.write_experiment(folder, "lab", texts(), **STRICT), "lab"),
        Store(folder / "runs"),
    )
    run_rounds(made, [1])
    return made


def found_in(run):
    return run.need("iter-001", "verifications").metrics["second_opinion"]


def judge_again(run):
    VERIFICATIONS.run(again(run), 1)


def again(run, **changes):
    return Run(run.name, run.config.model_copy(update=changes), run.store)


def test_it_counts_what_another_reading_would_pass(run):
    judged = lab.read_verifications(run, run.need("iter-001", "verifications"))
    outcomes = [v.outcome for v in judged]
    found = found_in(run)
    assert found["failed"] == found["read"] == outcomes.count("malformed") + outcomes.count("wrong")
    assert found["malformed"] == {
        "read": outcomes.count("malformed"),
        "turned": outcomes.count("malformed"),
    }
    assert found["wrong"] == {"read": outcomes.count("wrong"), "turned": 0}
    assert min(found["turned"], found["wrong"]["read"]) > 3, "the lab draws some of each"
    assert [found["share"]["low"], found["share"]["high"]] == [
        *wilson(found["turned"], found["read"])
    ]
    assert (found["by"], found["left_out"], found["error"]) == (
        {"numeric": ["text", "math"]},
        [],
        None,
    )
    problems = {p.id: p for p in run.problems}
    malformed = {v.sample_key for v in judged if v.outcome == "malformed"}
    assert len(found["examples"]) == second_opinion.EXAMPLES
    for example in found["examples"]:
        assert example["sample_key"] in malformed
        assert example["completion"].endswith(problems[example["problem_id"]].answer)
        assert "equals the reference answer" in example["other_reading"]


def test_running_again_reads_nothing_and_other_readings_judge_nothing(run, monkeypatch):
    def forbidden(*_):
        raise AssertionError("read again")

    before = run.need("iter-001", "verifications")
    monkeypatch.setattr(AnyOf, "open", forbidden)
    run_rounds(again(run), [1])
    assert run.need("iter-001", "verifications") == before
    off = again(run, second_opinion=False)
    judge_again(off)
    now = off.need("iter-001", "verifications")
    assert (now.digest, now.counts["reused"]) == (before.digest, before.counts["verifications"])
    assert (now.metrics["second_opinion"]["read"], now.metrics["second_opinion"]["by"]) == (0, {})
    monkeypatch.undo()
    judge_again(run)
    assert found_in(run) == before.metrics["second_opinion"]


def test_of_many_a_sample_is_read_the_same_one_each_time(run, monkeypatch):
    monkeypatch.setattr(second_opinion, "MOST", 6)
    drawn = []
    for version in (2, 3):
        monkeypatch.setattr(second_opinion, "VERSION", version)
        judge_again(run)
        drawn.append(found_in(run))
    assert drawn[0] == drawn[1]
    assert drawn[0]["read"] == 6 < drawn[0]["failed"]
    monkeypatch.undo()
    judge_again(run)


def test_where_it_cannot_be_asked_the_round_goes_on(opened, monkeypatch):
    @contextmanager
    def broken(self, sandbox):
        raise InfraError("no worker starts")
        yield

    monkeypatch.setattr(AnyOf, "open", broken)
    run = opened(texts=texts(), **STRICT)
    run_rounds(run, [1])
    assert (found_in(run)["read"], found_in(run)["share"], found_in(run)["error"]) == (
        0,
        None,
        "no worker starts",
    )
    [told] = [
        c for c in check(run, run.need("iter-001", "verifications")) if c.name == "second_opinion"
    ]
    assert told.passed
    assert "no worker starts" in told.message


def test_the_check_warns_where_it_is_sure_that_right_answers_are_lost(run):
    [told] = [
        c for c in check(run, run.need("iter-001", "verifications")) if c.name == "second_opinion"
    ]
    found = found_in(run)
    assert (told.passed, told.blocking) == (False, False)
    assert (
        f"would pass {found['turned']} of {found['read']} wrong and malformed samples"
        in told.message
    )
    assert "any_of" in told.message
    assert told.evidence["samples"] == found["examples"]


@pytest.mark.parametrize(
    ("turned", "read", "passed"),
    [(0, 200, True), (4, 200, True), (7, 200, True), (8, 200, False), (1, 1, False)],
)
def test_the_check_asks_for_the_lower_end_of_the_interval(turned, read, passed):
    opinion = SecondOpinion(
        failed=read,
        read=read,
        turned=turned,
        share=Estimate(turned / read, *wilson(turned, read), read),
        wrong=Reread(read, turned),
        malformed=Reread(0, 0),
        by={},
        left_out=(),
        error=None,
        examples=(),
    )
    assert opinion_check(opinion).passed == passed


def test_the_report_shows_it_with_the_completions(run):
    summary = summarize(run)
    found, shown = (
        found_in(run),
        summary.to_json()["iterations"][0]["second_opinion"]["verifications"],
    )
    assert shown == json.loads(json.dumps(found))
    shown_in = report_page(summary, {})
    text, html = shown_in.markdown(), shown_in.html()
    line, measured = [row for row in text.splitlines() if "text or math for numeric" in row]
    assert measured.startswith("| 1 | evaluation | ")
    assert f"| {found['failed']} | {found['read']} | {found['turned']} |" in line
    assert (
        f"Another reading would pass {found['turned']} of {found['read']} wrong and malformed"
        " samples of its verifications" in text
    )
    hostile = [row for row in text.splitlines() if "so \\| it is" in row]
    assert hostile
    columns = next(row for row in text.splitlines() if "| other reading |" in row)
    for row in hostile:
        assert row.replace("\\|", "").count("|") == columns.count("|")
        assert not {"\x1b", "<"} & set(row)
        assert "](http" not in row
    assert "so | it is\\x1b[2J &lt;b&gt;" in html
    for example in found["examples"]:
        assert example["sample_key"] in text
        assert example["sample_key"] in html


@pytest.mark.parametrize(
    ("verifier", "answer", "turned", "not_turned"),
    [
        (
            "numeric",
            "12",
            [r"\boxed{\sqrt{144}}"],
            ["#### 13", r"\boxed{\sqrt{145}}", "", "twelve"],
        ),
        ("text", "12", ["so there are 12 apples", "#### 12.0 kg"], ["#### 13 apples", "twelve"]),
        ("text", "pear plum", [], ["plum pear", "pear, plum and fig"]),
        ("choice", "7", ["It is 7 apples"], ["It is 8 apples", "(A)"]),
        ("math", "x+1", [], ["x+2", "1", "the sum"]),
        ("text", "12 apples", [], ["12 pears", "12"]),
        ("exact", "aXb", ["It becomes\naXb."], ["axb", "a X b"]),
    ],
)
def test_what_another_reading_passes(opened, verifier, answer, turned, not_turned):
    run = opened(verifier={"type": verifier})
    [other], problem = readings(run, run.verifiers).values(), Problem("p", "What?", answer)
    for completions, outcome in ((turned, True), (not_turned, False)):
        for mine in verdicts(
            run.config.verifier,
            SandboxSettings(workers=1),
            [(problem, text) for text in completions],
        ):
            assert mine.outcome != "pass"
        found = verdicts(
            other, SandboxSettings(workers=1), [(problem, text) for text in completions]
        )
        assert [v.outcome == "pass" for v in found] == [outcome] * len(completions), completions


def test_programs_are_not_read_again(opened):
    def readings_of(**changes):
        run = opened(**changes)
        return [
            [reading.type for reading in other.of]
            for other in readings(run, run.verifiers).values()
        ]

    code = {"type": "code"}
    assert readings_of(verifier=code) == []
    assert readings_of(verifier={"type": "any_of", "of": [code, {"type": "numeric"}]}) == [
        ["text", "math"]
    ]
    assert readings_of(second_opinion=False) == []


def test_held_out_verdicts_are_read_again_too(run):
    measured = run.need("iter-001", "evaluation")
    found = measured.metrics["second_opinion"]
    assert found["turned"] > 3
    assert found["turned"] <= found["read"] <= measured.counts["samples"]
    held_out = {p.id for p in run.problems if p.split != "train"}
    assert {example["problem_id"] for example in found["examples"]} & held_out
    [told] = [c for c in check(run, measured) if c.name == "second_opinion"]
    assert (told.passed, told.blocking) == (False, False)
