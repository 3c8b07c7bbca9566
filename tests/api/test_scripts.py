"""Programs as people start them: `python script.py`, with classes of their own."""

import json
import subprocess
import sys
import textwrap

import pytest

from selftrain_assets.config.experiment_files import load_experiment
from tests.cli.command import process

SCRIPT = """
import json
import selftrain_assets as st
from selftrain_assets.verifiers import NumericVerifier

class Close(NumericVerifier):
    "Within a tenth."
    tolerance: float = 0.1

if __name__ == "__main__":
    with open("settings.json") as file:
        settings = json.load(file)
    run = st.open({**settings, "verifier": Close()}, name="mine")
    for event in run.rounds(1):
        print(event.iteration, event.stage, event.reused)
    print(run.verdicts(1).num_rows, run.audit().clean)
    run.export("exported")
"""


@pytest.fixture
def script(project, settings):
    """A script in a project; returns a function that runs it and gives its lines."""
    (project / "settings.json").write_text(json.dumps(settings()))
    path = project / "script.py"

    def run(text=SCRIPT):
        path.write_text(textwrap.dedent(text))
        ran = subprocess.run([sys.executable, path.name], capture_output=True, text=True)
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
        return ran.stdout.splitlines()

    return run


def test_a_script_with_its_own_verifier_class(script, project):
    lines = script()
    assert lines[0] == "0 problems False"
    assert lines[-1] == "48 True"
    assert {line.split()[-1] for line in script()[:-1]} == {"True"}  # nothing is done twice
    assert load_experiment("mine").verifier.tolerance == 0.1
    ran = process("audit", "mine")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (project / "exported" / "model" / "reproducibility.json").is_file()
    script(SCRIPT.replace("0.1", "0.2"))  # of another source all verdicts are made again
    counts = process("sql", "select counts->>'reused' from manifests where stage='verifications'")
    assert counts.stdout.split()[-1] == "0", counts.stdout


def test_definitions_that_are_in_no_file(project, settings):
    """As those of a notebook's cells."""
    program = f"""
        import selftrain_assets as st
        for near in (0.1, 0.5):
            @st.verifier(version=str(near))
            def close(problem, completion, *, tolerance: float = near) -> bool:
                return completion.endswith(problem.answer)
            run = st.open({{**{settings()!r}, "verifier": close()}}, name="mine")
            print(run.finish(1).iterations[0].counts.correct > 0)
            print(st.open("mine").experiment.verifier.tolerance)
    """
    ran = subprocess.run(
        [sys.executable], input=textwrap.dedent(program), capture_output=True, text=True
    )
    assert ran.stdout.split() == ["True", "0.1", "True", "0.5"], ran.stderr
