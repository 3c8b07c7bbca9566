"""Sweeps in files: every point is an experiment by its name, and what cannot be one is refused
when the file is read."""

import pytest
import yaml

from selftrain_assets.cli.common import repeated
from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.config.experiment_files import (
    COMPONENT,
    ExperimentRef,
    experiment_file,
    experiment_ref,
    load_experiment,
    sweep_runs,
    without_file,
    write_experiment,
)
from selftrain_assets.config.fork_file import fork
from selftrain_assets.config.scaffold import scaffold
from selftrain_assets.domain.errors import UserError
from selftrain_assets.operations.export.capsule import commands
from selftrain_assets.pipeline.run import Run

SETTINGS = {"rounds": 2, "recipe": {"cap": 3, "sampling": {"samples_per_problem": 4}}}


@pytest.fixture(autouse=True)
def defs(tmp_path, monkeypatch):
    """An empty defs folder, which the command also runs in."""
    monkeypatch.setenv("SELFTRAIN_DEFS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(name="lab", sweep=None, **settings):
    values = SETTINGS | settings | ({} if sweep is None else {"sweep": sweep})
    write_experiment(name, yaml.safe_dump({"type": COMPONENT, "attributes": values}))


def refused(sweep, **settings):
    """What is said of the sweep in a file."""
    with pytest.raises(UserError) as caught:
        parse_experiment(SETTINGS | settings | {"sweep": sweep}, "defs/lab/defs.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix("defs/lab/defs.yaml: ")


@pytest.mark.parametrize(
    ("sweep", "sentence"),
    [
        (
            {"grid": {"recipe.dedupe": [1]}},
            'sweep.grid: recipe.dedupe: unknown field "recipe.dedupe"; did you mean "dedup"?',
        ),
        (
            {"grid": {"recipi.cap": [1]}},
            'sweep.grid: unknown field "recipi"; did you mean "recipe"? (point recipi.cap 1)',
        ),
        (
            {"points": [{}, {"trainer.stps": 1}]},
            'sweep.points: trainer.stps: unknown field "trainer.stps"; did you mean "steps"?',
        ),
        (
            {"grid": {"recipe.cap": [4, -1], "rounds": [2]}},
            (
                "sweep.grid: recipe.cap: should be greater than or equal to 0, not -1 (point"
                " recipe.cap -1, rounds 2)"
            ),
        ),
        (
            {"grid": {"recipe.preset": ["raft"]}},
            (
                'sweep.grid: recipe: there is no preset "raft"; did you mean "rft"? (point'
                " recipe.preset raft)"
            ),
        ),
        (
            {"grid": {"recipe.cap": []}},
            "sweep.grid: recipe.cap has no value; give it some, or take it out",
        ),
        ({"grid": {"recipe.cap": 4}}, "sweep.grid.recipe.cap: should be a valid list, not 4"),
        ({"grid": {"recipe.cap": [4, 4]}}, "sweep.grid: cap-4 and cap-4-d"),
        (
            {"points": [{"recipe.cap": 3}, {}]},
            "sweep.points: cap-3 and unaltered are the same point; take one of them out",
        ),
        (
            {},
            (
                "sweep: set grid, values by field, or points, a list of them; one of the two, and"
                " not empty"
            ),
        ),
        (
            {"grid": {"recipe.cap": [1]}, "points": [{}]},
            "sweep: set grid, values by field, or points",
        ),
        (
            {"grid": {"seed": [1, 2]}},
            "sweep.grid: seed cannot be swept: set sweep.seeds, which repeats",
        ),
        (
            {"grid": {"forks": [[]]}},
            "sweep.grid: forks cannot be swept: a point goes on from where the file does",
        ),
        (
            {"points": [{"sweep.grid": {}}]},
            "sweep.points: sweep.grid cannot be swept: a sweep has no sweep of its own",
        ),
        (
            {"grid": {"recipe.cap": [1], "recipe": [{}]}},
            "sweep.grid: recipe.cap and recipe set the same; give each setting once",
        ),
        (
            {"grid": {".cap": [1]}},
            'sweep.grid: ".cap" is no field; write its sections with dots between',
        ),
        (
            {"grid": {"recipe.cap": [*range(501)]}},
            "sweep.grid: 501 points with 1 seeds are 501 runs, and 500 are the most",
        ),
        (
            {"grid": {"recipe.cap": [*range(101)]}, "seeds": "0-4"},
            "sweep.grid: 101 points with 5 seeds are 505 runs",
        ),
        (
            {"grid": {"task.seed": [1]}, "seeds": 0},
            "sweep.grid: task.seed is set by sweep.seeds too; take one of them out",
        ),
        (
            {"grid": {"recipe.cap": [1]}, "seeds": "4-0"},
            "sweep.seeds: give a seed, a range as in \"0-4\", or a list, not '4-0'",
        ),
        (
            {"grid": {"recipe.cap": [1]}, "sedes": 1},
            'unknown field "sweep.sedes"; did you mean "seeds"?',
        ),
        ([1], "sweep: should be a valid dictionary"),
    ],
    ids=str,
)
def test_what_is_no_sweep_is_one_sentence(sweep, sentence):
    assert refused(sweep).startswith(sentence)


def test_a_point_is_the_experiment_with_its_values_and_without_a_sweep():
    written(
        sweep={
            "grid": {"recipe.cap": [1, 2], "recipe.sampling": [{"temperature": 0.5}]},
            "seeds": "0-1",
        }
    )
    recipe = {"cap": 2, "sampling": {"samples_per_problem": 4, "temperature": 0.5}}
    written("plain", recipe=recipe)
    assert load_experiment("lab-cap-2-sampling-1") == load_experiment("plain")
    assert load_experiment("lab-cap-2-sampling-1-seed-1") == load_experiment("plain-seed-1")
    assert load_experiment("lab-seed-1").sweep is None
    assert list(load_experiment("lab").sweep.point_settings) == [
        "cap-1-sampling-1",
        "cap-2-sampling-1",
    ]


def test_a_point_of_a_fork_is_a_fork():
    forks = [{"experiment": "other", "iteration": 1, "changes": {"trainer": {"steps": 2}}}]
    written(forks=forks, sweep={"grid": {"recipe.cap": [1, 2]}})
    point = load_experiment("lab-cap-2")
    assert (
        point.phases[1].recipe.cap,
        point.phases[2].recipe.cap,
        point.phases[2].trainer.steps,
    ) == (2, 2, 2)
    assert refused({"grid": {"rounds": [1]}}, forks=forks).startswith(
        "sweep.grid: forks[0].iteration: should be less than rounds"
    )


def test_names_of_runs_and_the_files_that_say_what_they_are(tmp_path):
    written(sweep={"grid": {"recipe.cap": [1, 2]}, "seeds": [3, 4]})
    runs = sweep_runs("lab", load_experiment("lab").sweep)
    assert runs == {f"lab-cap-{n}": [f"lab-cap-{n}-seed-3", f"lab-cap-{n}-seed-4"] for n in (1, 2)}
    written("other", sweep={"points": [{}]})
    assert sweep_runs("other", load_experiment("other").sweep) == {
        "other-unaltered": ["other-unaltered"]
    }
    for name in ("lab", "lab-seed-9", "lab-cap-1", "lab-cap-1-seed-9"):
        assert experiment_ref(name).file == "lab"
        assert experiment_ref(name).name == name
    assert experiment_ref("lab-cap-1-seed-9") == ExperimentRef("lab", "cap-1", (9,))
    assert experiment_ref("lab-seed-1-seed-2") == ExperimentRef("lab", None, (1, 2))
    assert experiment_ref("lab-cap-9") == ExperimentRef("lab-cap-9")
    in_store = [
        "lab",
        "lab-cap-1",
        "lab-cap-2-seed-3",
        "lab-cap-9",
        "lab-seed-0",
        "elsewhere-cap-1",
        "other-unaltered",
    ]
    for name in in_store:
        (tmp_path / "runs" / "experiments" / name).mkdir(parents=True)
    assert without_file(tmp_path / "runs") == [
        "lab-cap-1",
        "lab-cap-2-seed-3",
        "lab-seed-0",
        "other-unaltered",
    ]


def test_a_sweep_that_is_changed_has_its_new_points_at_once():
    written(sweep={"grid": {"recipe.cap": [1, 2]}})
    assert experiment_ref("lab-cap-9") == ExperimentRef("lab-cap-9")
    experiment_file("lab").unlink()
    written(sweep={"grid": {"recipe.cap": [1, 2, 9]}})
    assert experiment_ref("lab-cap-9") == ExperimentRef("lab", "cap-9")


def test_a_point_that_there_is_not_names_the_nearest():
    written(sweep={"grid": {"recipe.cap": [1, 2]}})
    with pytest.raises(
        UserError, match=r'there is no experiment "lab-cpa-2"; did you mean "lab-cap-2"\?'
    ):
        load_experiment("lab-cpa-2")
    with pytest.raises(UserError, match=r'there is no experiment "lba"; did you mean "lab"\?'):
        load_experiment("lba")


def test_a_point_whose_name_somebody_else_has_is_refused():
    written(sweep={"grid": {"recipe.cap": [1, 2]}})
    written("lab_cap-2")
    with pytest.raises(
        UserError,
        match=(
            'a point of its sweep has the name of the experiment "lab_cap-2", which has a file of'
            " its own"
        ),
    ):
        sweep_runs("lab", load_experiment("lab").sweep)


def test_two_sweeps_with_a_point_of_the_same_name_are_refused():
    written("a", sweep={"points": [{"recipe.cap": 1, "recipe.sampling.temperature": 0.5}]})
    assert load_experiment("a-cap-1-temperature-0p5").rounds == 2
    written("a-cap-1", rounds=1, sweep={"points": [{"recipe.sampling.temperature": 0.5}]})
    assert load_experiment("a-cap-1-temperature-0p5").rounds == 1
    with pytest.raises(
        UserError,
        match='a: "a-cap-1-temperature-0p5" is a point of the sweep of a-cap-1 too; rename one',
    ):
        sweep_runs("a", load_experiment("a").sweep)
    assert sweep_runs("a-cap-1", load_experiment("a-cap-1").sweep)


def test_a_broken_sweep_of_another_experiment_says_whose_it_is():
    written(sweep={"grid": {"recipe.cap": [-1]}})
    with pytest.raises(
        UserError, match=r"lab/defs\.yaml: sweep\.grid: recipe\.cap: should be greater"
    ):
        load_experiment("lab")
    written("other", sweep={"grid": {}})
    with pytest.raises(UserError, match=r"other/defs\.yaml: sweep: set grid"):
        load_experiment("other-cap-1")


@pytest.mark.parametrize("source", ["lab", "lab-cap-1"])
def test_a_sweep_is_not_forked(source):
    written(sweep={"grid": {"recipe.cap": [1, 2]}})
    with pytest.raises(
        UserError, match=f"{source} is part of a sweep, and a fork would be one too"
    ):
        fork(source, 1, {"recipe": {"cap": 2}})


@pytest.mark.parametrize("preset", ["rest_em", "mmst", "tripost"])
def test_the_example_in_a_new_file_is_a_sweep(preset):
    text = scaffold(preset)
    example = text[text.index("  # sweep:") :]
    write_experiment("lab", text.replace(example, example.replace("  # ", "  ")))
    sweep = load_experiment("lab").sweep
    assert (len(sweep.changes), sweep.seeds) == (3, (0, 1, 2))


def test_a_point_is_made_again_by_its_name(store):
    written(sweep={"grid": {"recipe.cap": [1, 2]}})
    for name, command in (
        ("lab-cap-2", "selftrain run lab-cap-2 --rounds 1-2"),
        ("lab-cap-2-seed-3", "selftrain run lab-cap-2 --seeds 3 --rounds 1-2"),
    ):
        assert commands(Run(name, load_experiment(name), store), 2) == [command]
    assert repeated("lab-cap-2", "3") == ["lab-cap-2-seed-3"]
