"""Experiments that are made in Python: what a program does with them, and that every other reader
of the store finds them by their name."""

import json

import pytest
import yaml

import selftrain_assets as st
from selftrain_assets.api.progress import ProgressBar
from selftrain_assets.config.experiment_files import experiment_names, load_experiment
from selftrain_assets.recipes import RestEM
from selftrain_assets.verifiers import NumericVerifier
from tests import lab
from tests.cli.command import selftrain


def stored(project, name="mine"):
    return project / "runs" / "experiments" / name / "experiment.yaml"


def test_rounds_are_events_and_a_second_time_nothing_is_done(mine):
    events = list(mine.rounds(1))
    assert [event.stage for event in events[:3]] == ["problems", "checkpoint", "evaluation"]
    assert [event.iteration for event in events[:3]] == [0, 0, 0]
    of_round = {event.stage: event for event in events if event.iteration == 1}
    assert of_round["samples"].counts["samples"] == 48
    assert all(event.seconds >= 0 and not event.reused for event in events)
    again = list(mine.rounds(1))
    assert [event.stage for event in again] == [event.stage for event in events]
    assert all(event.reused for event in again)


def test_results_are_arrow_tables(mine):
    report = mine.finish(1)
    samples, verdicts = mine.samples(1), mine.verdicts(1)
    assert samples.num_rows == verdicts.num_rows == 48
    assert {"prompt", "completion", "seed"} <= {*samples.column_names}
    frame = verdicts.to_pandas()
    assert (frame.outcome == "pass").sum() == report.iterations[0].counts.correct
    assert mine.rows(1).num_rows == report.iterations[0].counts.kept_rows
    assert {*mine.problems()["split"].to_pylist()} >= {"train", "test"}
    assert [estimate.mean for estimate in report.accuracy] == [
        report.base.greedy_accuracy.mean,
        report.iterations[0].greedy_accuracy.mean,
    ]
    assert mine.audit().clean
    assert "1 of 2 rounds of rest_em finished" in repr(mine)


def test_what_is_not_there_yet_is_said(mine):
    assert "0 of 2 rounds" in repr(mine)
    assert mine.report().accuracy == []
    with pytest.raises(st.SelftrainError, match="iter-001 has no finished samples yet"):
        mine.samples(1)
    with pytest.raises(st.SelftrainError, match=r'rounds "1-3": .* 1-2'):
        next(mine.rounds(3))


def test_an_interrupted_run_goes_on(mine, monkeypatch):
    """As by Ctrl-C in the middle of sampling."""

    def interrupt(bar, stage, done, total):
        if "samples" in stage and 8 <= done < total:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProgressBar, "update", interrupt)
        with pytest.raises(KeyboardInterrupt):
            mine.finish(1)
    events = {event.stage: event for event in mine.rounds(1) if event.iteration == 1}
    assert 0 < events["samples"].counts["reused"] < events["samples"].counts["samples"]
    assert mine.audit().clean


def test_nothing_is_printed(mine, capfd):
    mine.finish(1)
    assert capfd.readouterr() == ("", "")


def test_progress_is_shown_on_stderr_where_it_is_asked_for(project, settings, capfd):
    st.open(settings(), name="mine", progress=True).finish(0)
    out, err = capfd.readouterr()
    assert out == ""
    assert "evaluation" in err


def test_the_store_keeps_the_settings(project, settings, mine):
    values = yaml.safe_load(stored(project).read_text())
    assert values["attributes"]["recipe"]["sampling"]["samples_per_problem"] == 4
    assert experiment_names() == ["mine"]
    assert load_experiment("mine") == st.Experiment(**settings())
    assert st.open("mine").experiment == mine.experiment
    assert json.loads(selftrain("status", "--json").stdout)[0]["experiment"] == "mine"


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": RestEM(cap=4)},
        {"verifier": NumericVerifier(tolerance=0.5)},
        {"verifier": st.Verifier.registry["text"]()},
        {
            "forks": [{"experiment": "other", "iteration": 1, "changes": {"recipe": {"cap": 1}}}],
        },
        {"sweep": {"grid": {"recipe.cap": [1, 2]}, "seeds": [3]}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_settings_mean_the_same_when_they_are_read_again(project, settings, changes):
    config = st.Experiment(**{**settings(), **changes})
    st.open(config, name="mine")
    read = load_experiment("mine")
    assert read.model_dump() == config.model_dump()
    assert read.phases.keys() == config.phases.keys()


@pytest.mark.parametrize("name", ["mmst", "tripost", "diversification"])
def test_presets_mean_the_same_when_they_are_read_again(project, name):
    from selftrain_assets.config.experiment_files import attributes
    from selftrain_assets.config.scaffold import scaffold

    config = st.Experiment(**attributes(scaffold(name), name))
    st.open(config, name="mine")
    assert load_experiment("mine").model_dump() == config.model_dump()


def test_other_settings_under_the_same_name_are_an_edit(project, settings, mine):
    mine.finish(1)
    edited = st.open(settings(trainer={"type": "scripted", "steps": 3}), name="mine")
    reused = {event.stage: event.reused for event in edited.rounds(1) if event.iteration == 1}
    assert reused["samples"] is True
    assert reused["checkpoint"] is False
    assert load_experiment("mine").trainer.steps == 3


def test_a_file_with_other_settings_comes_first_and_that_is_said(project, settings, caplog):
    st.open(settings(), name="mine")
    lab.write_experiment(project, "mine", **settings() | {"rounds": 1})
    assert load_experiment("mine").rounds == 1
    assert "mine/defs.yaml counts, and not" in caplog.text
    assert "has another rounds" in caplog.text
    with pytest.raises(st.SelftrainError, match=r'defs.yaml has another rounds; .*st.open\("mine"'):
        st.open(settings(), name="mine")
    assert st.open("mine").experiment.rounds == 1


def test_a_file_with_the_same_settings_is_enough(project, settings):
    lab.write_experiment(project, "mine", **settings())
    st.open(settings(), name="mine")
    assert not stored(project).exists()


def test_settings_need_a_name(project, settings):
    with pytest.raises(st.SelftrainError, match=r'name="mine"'):
        st.open(settings())
    with pytest.raises(st.SelftrainError, match='there is no experiment "mine"'):
        st.open("mine")


def test_commands_read_it_as_they_read_a_file(project, settings, mine):
    mine.finish(1)
    assert selftrain("run", "mine", "--rounds", "1").returncode == 0
    for command in (["audit", "mine"], ["report", "mine"], ["lineage", "checkpoint", "mine", "1"]):
        ran = selftrain(*command)
        assert ran.returncode == 0, ran.stderr + ran.stdout
    ran = selftrain("fork", "mine", "1", "other", "--set", "recipe.cap=1")
    assert ran.returncode == 0, ran.stderr
    assert st.open("other").experiment.forks[0].experiment == "mine"
    samples = next(e for e in st.open("other").rounds(2) if e.stage == "samples")
    assert samples.counts["reused"] == samples.counts["samples"]


def test_an_export_has_the_settings(mine, tmp_path):
    mine.finish(1)
    folder = mine.export(tmp_path / "exported")
    capsule = json.loads((folder / "model" / "reproducibility.json").read_text())
    text = capsule["settings_file"]["text"]
    assert yaml.safe_load(text)["attributes"]["trainer"] == {"type": "scripted", "steps": 2}
    assert (folder / "dataset").is_dir()


def test_another_store_than_that_of_the_project(project, settings, tmp_path):
    run = st.open(settings(), name="mine", store=tmp_path / "elsewhere")
    run.finish(0)
    assert st.open("mine", store=tmp_path / "elsewhere").experiment == run.experiment
    assert not (project / "runs").exists()
    with pytest.raises(st.SelftrainError, match='there is no experiment "mine"'):
        st.open("mine")
    scopes = st.sql("select distinct scope from manifests order by all", tmp_path / "elsewhere")
    assert scopes["scope"].to_pylist() == ["base", "inputs"]


def test_outside_of_a_project(project, settings, tmp_path, monkeypatch):
    monkeypatch.setenv("SELFTRAIN_DEFS", str(tmp_path / "none"))
    assert st.open(settings(), name="mine", store=tmp_path / "here").finish(0).baseline


def test_points_of_a_sweep_and_repetitions_are_opened_by_name(project, settings):
    st.open(settings(sweep={"grid": {"recipe.cap": [1, 2]}}), name="mine")
    assert st.open("mine-cap-1").experiment.recipe.cap == 1
    assert st.open("mine-cap-2-seed-5").experiment.seed == 5
    first, second = (st.open(f"mine-cap-{cap}") for cap in (1, 2))
    first.finish(1)
    second.finish(1)
    comparison = st.compare([first, second])
    assert [arm.name for arm in comparison.arms] == ["mine-cap-1", "mine-cap-2"]


def test_a_faulty_query_is_one_sentence(mine):
    mine.finish(0)
    with pytest.raises(st.SelftrainError, match=r"sql: .*no_such_table"):
        st.sql("select * from no_such_table")
