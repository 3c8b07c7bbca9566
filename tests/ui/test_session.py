"""One session of a person in the Dagster UI, from the first look at the graph to a failed round
that goes on.

The tests share one `dagster dev`. Each asks, as fixtures, for the rounds that it stands on.
"""

from itertools import pairwise

import dagster as dg
import pytest
from playwright.sync_api import expect

from selftrain_assets.dagster.partitions import data_version
from tests import lab
from tests.dagster_layer.dagster_dev import ROUND, dagster_dev
from tests.ui.person import Person

FIRST, MIDDLE, LAST = ROUNDS = ["iter-001", "iter-002", "iter-003"]
FAILED = "iter-004"


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    folder = tmp_path_factory.mktemp("session")
    lab.write_experiment(folder, "lab", rounds=4)
    lab.write_experiment(folder, "other", rounds=3)
    with dagster_dev(folder) as running:
        yield running


@pytest.fixture(scope="module")
def person(dev, browser, screenshots):
    return Person(browser, dev.url, screenshots)


@pytest.fixture(scope="module")
def first_round(dev, person):
    """The id of a run launched by the mouse."""
    person.opens_job("lab_round")
    run = person.launches(FIRST)
    person.waits_for_run()
    return run


@pytest.fixture(scope="module")
def backfilled(dev, person, first_round):
    """The id of a backfill of three rounds, launched by the mouse; the first one is finished
    already."""
    person.ticks("lab", ROUND)
    backfill = person.launches(*ROUNDS, button="Materialize selected")
    person.waits_for_backfill(len(ROUND))
    return backfill


@pytest.fixture(scope="module")
def failed(dev, person, backfilled):
    """The id of a run that failed because the engine's file is not there; it is there again
    afterwards."""
    answers = dev.folder / "lab-answers.json"
    text = answers.read_text()
    answers.unlink()
    try:
        person.opens_job("lab_round")
        run = person.launches(FAILED)
        person.waits_for_run("Failure")
    finally:
        answers.write_text(text)
    return run


def test_the_graph_shows_every_stage_of_both_experiments(person):
    person.goes_to("Lineage")
    person.sees("lab")
    person.sees("other")
    for experiment in ("lab", "other"):
        person.opens_group(experiment, "Lineage")
        for name in ["problems", "base", *ROUND, "report"]:
            person.sees(name)


def test_one_round_is_launched_by_the_mouse(dev, person, first_round):
    assert dev.made_by(first_round) == ["problems", "base", *ROUND]
    person.photographs("round")


def test_a_backfill_of_three_rounds_runs_them_in_order(dev, person, backfilled):
    person.photographs("backfill")
    times = [dev.made(asset, scope).timestamp for scope in ROUNDS for asset in ROUND]
    assert times == sorted(times)
    for before, after in pairwise(ROUNDS):
        assert data_version(dev.made("policy", after)) == data_version(
            dev.made("checkpoint", before)
        )
    with dev.instance() as instance:
        runs = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfilled}))
    assert sorted(run.tags["dagster/partition"] for run in runs) == ROUNDS


def test_one_asset_of_the_middle_round_is_run_again_alone(dev, person, backfilled):
    before = dev.made("dataset", MIDDLE)
    person.opens_asset("lab", "dataset", "Partitions")
    person.clicks(MIDDLE)
    person.sees("Materialized")
    person.presses("Materialize")
    person.page.get_by_role("dialog").get_by_role("button", name="Launch 1 run").click()
    run = person.opens_launched()
    person.waits_for_run()
    assert dev.made_by(run) == ["dataset"]
    again = dev.made("dataset", MIDDLE)
    assert again.run_id == run != before.run_id
    assert data_version(again) == data_version(before)


def test_the_last_checkpoint_leads_back_to_the_samples_of_every_round(dev, person, backfilled):
    person.opens_asset("lab", "checkpoint", "Partitions")
    dialog = person.opens_lineage(LAST)
    for scope in ROUNDS:
        row = dialog.get_by_role("row", name=f"samples lab {scope}")
        expect(row).to_contain_text(data_version(dev.made("samples", scope))[:16])
    person.photographs("checkpoint")
    dialog.get_by_role("button", name="Close").click()
    person.opens_tab("Lineage")
    person.presses("Upstream")
    person.page.get_by_role("button", name="All", exact=True).click()
    person.sees("samples")
    person.photographs("lineage")


def test_numbers_over_rounds_are_plotted(person, backfilled):
    person.opens_asset("lab", "evaluation", "Overview")
    person.presses("Plots")
    for number in ("greedy_accuracy", "pass@1", "gain_over_base"):
        person.sees(number)
    expect(person.page.locator("canvas").first).to_be_visible()
    person.photographs("plots")


def test_the_report_shows_its_figure_inline(dev, person, backfilled):
    person.opens_job("lab_report")
    run = person.launches()
    person.waits_for_run()
    assert dev.made_by(run) == ["report"]
    person.opens_asset("lab", "report", "Overview")
    person.page.get_by_role("row", name="overview").get_by_text("Show Markdown").click()
    dialog = person.page.get_by_role("dialog")
    figure = dialog.get_by_role("img", name="figure")
    expect(figure).to_be_visible()
    assert figure.evaluate("image => image.complete && image.naturalWidth > 0")
    person.photographs("report")
    dialog.get_by_role("button", name="Close").click()


@pytest.mark.kills
def test_a_stage_that_fails_says_why_and_only_the_rest_runs_again(dev, person, failed):
    person.page.goto(f"{dev.url}/runs/{failed}")
    said = person.page.get_by_text("lab-answers.json cannot be read as JSON").first
    expect(said).to_be_visible()
    text = said.inner_text()
    assert "Traceback" not in text.partition("cannot be read as JSON")[0]
    assert "File" not in text.partition("cannot be read as JSON")[0]
    person.photographs("failed")
    assert dev.made_by(failed) == ["problems", "base", "policy"]
    again = person.re_executes_from_failure()
    person.waits_for_run()
    assert dev.made_by(again) == ROUND[1:]
    person.photographs("resumed")
    person.opens_group("lab", "Lineage")
    person.clicks("evaluation")
    person.sees("greedy_accuracy")
    person.photographs("graph")
