"""`python -m sandbox`: build the image, prove that the sandbox holds, run a file in it."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from sandbox.compare import excerpt
from sandbox.doctor import diagnose
from sandbox.engine import EngineSettings, connect, sweep
from sandbox.errors import SandboxError
from sandbox.image import AUTO, build
from sandbox.languages import LANGUAGES, PYTHON
from sandbox.limits import MIB, ContainerLimits, Limits
from sandbox.old_images import remove_unused
from sandbox.pool import Pool, PoolSettings
from sandbox.protocol import RunTask, storable

ACTING = re.compile(
    "[^\n\t -~\u00a0-\U0010ffff]|[\u00ad\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
"""Characters that do something on a terminal instead of being seen."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Runs untrusted programs in Docker. It never runs any without.",
    )
    _add_settings(top)
    commands = top.add_subparsers(dest="command", required=True)
    for name, text in (
        ("build", "build the image"),
        ("doctor", "prove every control from inside a container"),
        ("sweep", "remove dead owners' containers, and images made here that no container has"),
    ):
        commands.add_parser(name, help=text)
    run = commands.add_parser(
        "run",
        help=(
            "run a file of Python, or of a language by its suffix; its standard input is this"
            " command's"
        ),
    )
    run.add_argument("file", type=Path)
    run.add_argument("--cpu-seconds", type=float, default=Limits().cpu_seconds)
    run.add_argument("--wall-seconds", type=float, default=Limits().wall_seconds)
    # both `--base local build` and `build --base local` are what people type
    for sub in commands.choices.values():
        _add_settings(sub, hidden=True)
    return top


def _add_settings(to: argparse.ArgumentParser, hidden: bool = False) -> None:
    """The settings of an engine; `hidden`: again, without a default and without a line of help."""

    def add(name: str, default: object, text: str, **options: Any) -> None:
        text, default = (argparse.SUPPRESS,) * 2 if hidden else (text, default)
        to.add_argument(name, default=default, help=text, **options)

    limits = ContainerLimits()
    add("--host", None, "engine, as in DOCKER_HOST (default: DOCKER_HOST, else the default socket)")
    base = "base image, `local` to make one from this Python, or auto (default: %(default)s)"
    add("--base", AUTO, base)
    packages = "what programs can import: numpy, sympy==1.13; repeatable"
    add("--package", [], packages, action="append", metavar="NAME")
    languages = "of programs, besides Python; repeatable"
    add("--language", [], languages, action="append", choices=list(LANGUAGES))
    add("--wheels", None, "take packages from this folder of wheels alone", metavar="FOLDER")
    memory = "memory of a container (default: %(default)s)"
    add("--memory-mib", limits.memory_bytes // MIB, memory, type=int, metavar="N")
    scratch = "size of /tmp in a container (default: %(default)s)"
    add("--scratch-mib", limits.scratch_bytes // MIB, scratch, type=int, metavar="N")
    add("--runtime", None, "OCI runtime, for instance runsc")


def _language(file: Path) -> str:
    """What a file is written in, by its suffix."""
    return next(
        (name for name, language in LANGUAGES.items() if file.suffix == Path(language.file).suffix),
        PYTHON,
    )


def doctor(settings: EngineSettings) -> int:
    """Print a table of all controls; 1 if one of them does not take effect."""
    with diagnose(settings) as diagnosis:
        print(f"{diagnosis.engine}\nimage {diagnosis.image}, {diagnosis.holds}\n")
        checks = []
        for check in diagnosis.checks:
            checks.append(check)
            print(
                f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<64}{check.found[:70]}",
                flush=True,
            )
    failed = sum(not check.ok for check in checks)
    print(
        f"\n{len(checks)} controls, {failed} without effect"
        + ("; nothing is run here" if failed else "")
    )
    return 1 if failed else 0


def run_file(settings: EngineSettings, args: argparse.Namespace) -> int:
    """Run it, print what it printed; 1 if it did not run to its end."""
    text = "" if sys.stdin.isatty() else sys.stdin.read()
    limits = Limits(cpu_seconds=args.cpu_seconds, wall_seconds=args.wall_seconds)
    with Pool(PoolSettings(workers=1, engines=(settings,))) as pool:
        verdict = pool.judge(RunTask(args.file.read_text(), text, limits, _language(args.file)))
    sys.stdout.write(terminal_safe(verdict.output))
    if verdict.value is not None:
        try:
            print(terminal_safe(str(verdict.value)))
        except ValueError:  # an integer of more digits than Python writes
            print(excerpt(verdict.value))
    if verdict.outcome != "pass":
        print(terminal_safe(f"{verdict.outcome}: {verdict.reason}"), file=sys.stderr)
    return 0 if verdict.outcome == "pass" else 1


def terminal_safe(text: str) -> str:
    """Text of a program's: on a terminal with escapes for what would act on it."""
    text = storable(text)
    return (
        ACTING.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
        if sys.stdout.isatty()
        else text
    )


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 well, 1 not, 2 no engine, no image, or not safe."""
    args = parser().parse_args(argv)
    container = ContainerLimits(
        memory_bytes=args.memory_mib * MIB, scratch_bytes=args.scratch_mib * MIB
    )
    languages = set(args.language)
    if args.command == "run":
        languages |= {_language(args.file)} - {PYTHON}
    settings = EngineSettings(
        args.host,
        args.base,
        tuple(args.package),
        args.wheels,
        tuple(sorted(languages)),
        args.runtime,
        container=container,
    )
    try:
        if args.command == "run":
            return run_file(settings, args)
        if args.command == "doctor":
            return doctor(settings)
        client = connect(settings.host)
        if args.command == "build":
            print(build(client, settings))
        else:
            print(f"{sweep(client)} containers and {remove_unused(client)} images removed")
        return 0
    except SandboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
