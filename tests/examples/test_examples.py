"""Every script in examples/ does what it says, as a person starts it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SAYS = {
    "own_verifier": "pass",
    "own_task": "round 1: held-out accuracy",
    "own_recipe": "1 endings {'stopped'",
    "notebook": "round 2:",
    "sweep": "sweep-cap-4",
    "foreign_samples": "held-out accuracy:",
}
"""A part of what each prints at the end."""


def run(name, folder, **environment):
    """What a script prints, in a folder and a store of its own."""
    environment = os.environ | {"SELFTRAIN_STORE": str(folder / "runs"), **environment}
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs(name, tmp_path):
    assert SAYS[name] in run(name, tmp_path)


def test_the_table_has_every_example():
    table = (EXAMPLES / "README.md").read_text()
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    assert {name for name in scripts if f"[{name}]({name})" in table} == scripts
    assert {path.removesuffix(".py") for path in scripts} == set(SAYS)
