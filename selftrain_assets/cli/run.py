"""Commands that run an experiment and show its results."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selftrain_assets.cli.common import (
    AsJson,
    Name,
    Seeds,
    app,
    as_typed,
    open_run,
    print_json,
    repeated,
)
from selftrain_assets.cli.sweep import WORKERS, run_sweep, show_sweep
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.ranges import ROUNDS

if TYPE_CHECKING:
    from selftrain_assets.pipeline.run import Run

PRESETS = (
    "rest_em, rest, star, rft or expert_iteration, on your own problems; mmst, mmst_st_size,"
    " st_text, st_code or mixed_distillation; tripost and its baselines; diversification;"
    " quickstart; or a study, with a sweep: instructions, no_op, long_tail, families, code_mix,"
    " general_mix"
)


@app.command()
def run(
    name: Name,
    rounds: Annotated[str | None, typer.Option(help=ROUNDS)] = None,
    seeds: Seeds = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="write the experiment first, as `new` does, if there is none of this name"
        ),
    ] = None,
    sweep: Annotated[
        bool,
        typer.Option(
            "--sweep", help="run all points of its sweep, each as an experiment such as NAME-cap-4"
        ),
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help=WORKERS)] = None,
    sync: Annotated[
        bool,
        typer.Option(
            "--sync",
            help="also report to Dagster what its event log lacks, as after a wipe in the UI",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run an experiment; after an interruption, running it again continues."""
    from selftrain_assets.pipeline.run import iteration_scope
    from selftrain_assets.reports import summarize

    if preset is not None:
        _write_preset(name, preset)
    if sweep and sync:
        raise UserError(
            "--sync works on one point of a sweep, as in selftrain run NAME-cap-4 --sync; leave"
            " --sweep out"
        )
    if sweep:
        run_sweep(name, rounds, seeds, workers, as_json)
        return
    if workers is not None:
        raise UserError(
            "--workers is the number of sweep points that run at once; add --sweep, or leave"
            " --workers out"
        )
    names = repeated(name, seeds)
    pages = [_do(each, rounds, sync, as_json) for each in names]
    if as_json:
        summaries = [summarize(open_run(each)).to_json() for each in names]
        print_json(summaries if seeds else summaries[0])
    else:
        sampled = open_run(names[-1]).manifest(iteration_scope(1), "samples") is not None
        _farewell(names[-1], pages[-1], f"{name} --seeds {seeds}" if seeds else None, sampled)


def _write_preset(name: str, preset: str) -> None:
    from selftrain_assets.config.experiment_files import (
        experiment_file,
        experiment_names,
        write_experiment,
    )
    from selftrain_assets.config.scaffold import scaffold

    text = scaffold(preset)
    if name not in experiment_names():
        write_experiment(name, text)
    elif experiment_file(name).read_text() != text:
        raise UserError(
            f'--preset: "{name}" is there already, and differs from preset {preset}; choose another'
            " name, or leave --preset out to run it as it is"
        )


def _do(name: str, rounds: str | None, sync: bool, quiet: bool) -> Path:
    from selftrain_assets.api.working import work
    from selftrain_assets.cli.ui import RunDisplay, print_notes
    from selftrain_assets.pipeline.length_checks import room_for_answers
    from selftrain_assets.reports import summarize, write_report

    with RunDisplay(quiet=quiet) as display:
        opened = open_run(name, display.progress)
        if not quiet:
            print_notes(room_for_answers(opened.config))
        for manifest in work(opened, rounds, sync):
            if manifest.stage == "evaluation":
                display.table(lambda: summarize(opened))
        return write_report(opened)


@app.command()
def compare(
    names: Annotated[
        list[str], typer.Argument(help="names of experiments; differences are from the first")
    ],
    seeds: Seeds = None,
    sweep: Annotated[
        bool,
        typer.Option("--sweep", help="compare the points of one experiment's sweep"),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare experiments: accuracy with intervals, and paired differences from the first."""
    from selftrain_assets.cli.ui import console, print_titled
    from selftrain_assets.reports.comparison import (
        compare,
        comparison_tables,
        folder_name,
        write_comparison,
    )
    from selftrain_assets.store import Store

    if sweep:
        show_sweep(names, seeds, as_json)
        return
    comparison = compare(
        names, [[open_run(each) for each in repeated(name, seeds)] for name in names]
    )
    folder = folder_name([*names, *([f"seeds-{seeds}"] if seeds else [])])
    page = write_comparison(comparison, Store.default().root / "comparisons" / folder)
    if as_json:
        print_json(comparison.to_json())
        return
    for table in comparison_tables(comparison):
        print_titled(table)
    console.print("\n".join(comparison.terms))
    console.print(f"Report: {os.path.relpath(page)}")


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(help="name of the experiment; default: all")] = None,
    as_json: AsJson = False,
) -> None:
    """Show which stages of which rounds are finished."""
    from selftrain_assets.cli.ui import print_status
    from selftrain_assets.config.experiment_files import experiment_names, without_file
    from selftrain_assets.store import Store

    names = [name] if name else [*experiment_names(), *without_file(Store.default().root)]
    statuses = [_status(name) for name in names]
    print_json(statuses) if as_json else print_status(statuses)


@app.command()
def report(name: Name, as_json: AsJson = False) -> None:
    """Print the results of an experiment, and write its report as HTML and Markdown."""
    from selftrain_assets.cli.ui import console, summary_table
    from selftrain_assets.reports import findings, summarize, write_report

    opened = open_run(name)
    page = write_report(opened)
    if as_json:
        print_json(summarize(opened).to_json())
        return
    console.print(summary_table(summarize(opened)))
    console.print(findings(summarize(opened)))
    console.print(f"Report: {os.path.relpath(page)}")


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="name of the new experiment")],
    preset: Annotated[str, typer.Option(help=PRESETS)] = "rest_em",
    model: Annotated[
        str | None,
        typer.Option(
            help=(
                "its model, a directory or hub name, whose configuration gives max_tokens and"
                " whether the prompt is a chat"
            )
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="its problem set, as `selftrain tasks` lists them; default: file"),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(help="file or folder of its problems; if it exists, prompts are measured"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a new experiment's file, with comments."""
    from selftrain_assets.config.experiment_files import write_experiment
    from selftrain_assets.config.scaffold import needs_problems, scaffold, studies

    text = scaffold(preset, model, task, path)
    file = write_experiment(name, text)
    if as_json:
        print_json({"experiment": name, "file": str(file)})
    else:
        first = (
            f"Set task.path{'' if model else ' and model'} in it, then"
            if needs_problems(text)
            else "Run it"
            if path is not None
            else "Run it as it is, or with your own problems"
        )
        typer.echo(
            f"Wrote {os.path.relpath(file)}\n{first}: {as_typed()} run"
            f" {name}{' --sweep' if preset in studies() else ''}"
        )


@app.command()
def fork(
    source: Annotated[str, typer.Argument(help="name of the experiment to continue")],
    iteration: Annotated[
        int, typer.Argument(help="last round that both share, from 1; 0 for the base", min=0)
    ],
    name: Annotated[str, typer.Argument(help="name of the new experiment")],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="a setting of the later rounds, such as recipe.cap=8; can be given several times",
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            help="number of rounds of the new experiment; default: as the other has", min=1
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write an experiment that continues another one from a round, with other settings."""
    from selftrain_assets.config.experiment_files import load_experiment, write_experiment
    from selftrain_assets.config.fork_file import assignments
    from selftrain_assets.config.fork_file import fork as forked

    path = write_experiment(name, forked(source, iteration, assignments(changes or ()), rounds))
    written = load_experiment(name).forks[-1]
    unfinished = _unfinished(open_run(source), iteration)
    if as_json:
        print_json(
            {
                "experiment": name,
                "file": str(path),
                "fork": written.model_dump(),
                "unfinished": unfinished,
            }
        )
        return
    shared = (
        f"rounds 1 to {iteration} are"
        if iteration > 1
        else "round 1 is"
        if iteration
        else "the base is"
    )
    typer.echo(f"Wrote {os.path.relpath(path)}: {name} is forked from {written}; {shared} shared.")
    if unfinished:
        typer.echo(
            f"{unfinished} of {source} is not finished yet. Whichever of the two you run first does"
            " the shared work for both."
        )
    typer.echo(f"Run it: {as_typed()} run {name}")


@app.command()
def doctor(
    name: Annotated[
        str | None,
        typer.Argument(
            help="experiment whose execution.sandbox is checked; default: default settings"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check that model-written programs can be run safely on this machine."""
    from sandbox.doctor import diagnose
    from selftrain_assets.cli.ui import print_diagnosis, print_notes
    from selftrain_assets.config.experiment_files import load_experiment
    from selftrain_assets.pipeline.length_checks import room_for_answers
    from selftrain_assets.verifiers.sandboxed import SandboxSettings, sandbox_errors

    config = load_experiment(name) if name else None
    if config and not as_json:
        print_notes(room_for_answers(config))
    resources = {verifier.resource for verifier in config.all_verifiers()} if config else set()
    if config and "sandbox" not in resources and not as_json:
        print_notes(
            [f"no verifier of {name} needs the sandbox; they need {', '.join(sorted(resources))}"]
        )
    settings = config.execution.sandbox if config else SandboxSettings()
    languages = (
        {language for verifier in config.code_verifiers() for language in verifier.languages}
        if config
        else ()
    )
    engines = []
    with sandbox_errors():
        for engine in settings.engines(languages):
            with diagnose(engine) as diagnosis:
                engines.append(print_diagnosis(diagnosis, quiet=as_json))
    if as_json:
        print_json(engines)
    if not all(check["ok"] for engine in engines for check in engine["checks"]):
        raise typer.Exit(1)


def _unfinished(opened: Run, last: int) -> str | None:
    """Return the first scope up to a round that has no evaluation, if there is one."""
    from selftrain_assets.pipeline.run import BASE, iteration_scope

    scopes = [BASE, *map(iteration_scope, range(1, last + 1))]
    return next((scope for scope in scopes if opened.manifest(scope, "evaluation") is None), None)


def _status(name: str) -> dict[str, Any]:
    from selftrain_assets.pipeline.run import BASE, INPUTS, iteration_scope
    from selftrain_assets.pipeline.stages import round_stages

    opened = open_run(name)
    scopes = {INPUTS: ["problems"], BASE: ["checkpoint", "evaluation"]}
    scopes |= {
        iteration_scope(i): [stage.name for stage in round_stages(opened.config.recipe)]
        for i in range(1, opened.config.rounds + 1)
    }
    stages = {
        scope: {
            stage: m.finished if (m := opened.manifest(scope, stage)) else None for stage in names
        }
        for scope, names in scopes.items()
    }
    forks = [str(fork) for fork in opened.config.forks]
    return {
        "experiment": name,
        "store": str(opened.store.root),
        "forked_from": forks,
        "finished": stages,
    }


def _ui() -> str:
    """Return the command that opens the Dagster UI of the project."""
    from selftrain_assets.project import CHECKOUT, find_project

    project = find_project()
    if project is None or project.root == CHECKOUT:
        return "make ui"
    root = os.path.relpath(project.root)
    return f"{'' if root == '.' else f'cd {root} && '}DAGSTER_HOME=$PWD dagster dev"


def _farewell(name: str, page: Path, comparable: str | None, sampled: bool) -> None:
    from selftrain_assets.cli.ui import console

    command = as_typed()
    next_steps = {
        **({} if comparable else {_ui(): "see the same experiment in the Dagster UI"}),
        **(
            {f"{command} show {name} 1": "see samples of round 1 with their verdicts"}
            if sampled
            else {}
        ),
        **(
            {f"{command} compare {comparable}": "see means over these seeds with intervals"}
            if comparable
            else {}
        ),
        f"{command} new another": "write an experiment with your own problems and model",
    }
    width = max(map(len, next_steps)) + 4
    lines = "".join(f"  {typed:<{width}}{purpose}\n" for typed, purpose in next_steps.items())
    console.print(f"\nReport: {os.path.relpath(page)}\n\nNext:\n{lines}")
