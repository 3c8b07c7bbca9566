"""Distributions whose plug-ins cannot be had: each is refused in one sentence that names it."""

import os
import zipfile

import pytest

from tests import lab
from tests.cli.command import process

CLOSE = """\
from selftrain_assets.verifiers import NumericVerifier

class Close(NumericVerifier):
    "Within a tenth."
"""


def files(distribution, module, source, offers="close"):
    """What pip puts into site-packages, by path."""
    info = f"{distribution.replace('-', '_')}-1.0.dist-info"
    return {
        f"{module}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n",
        f"{info}/entry_points.txt": f"[selftrain.verifiers]\n{offers} = {module}:Close\n",
    }


def install(folder, *arguments, **options):
    for path, text in files(*arguments, **options).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.fixture
def refusal(tmp_path):
    """Returns a function that names the verifier `close` in an experiment, and gives the
    lines that `selftrain run` says to that, with distributions in that place beside the others."""

    def refused(place, name="close"):
        lab.write_experiment(tmp_path, "mine", verifier={"type": name})
        environment = os.environ | {
            "SELFTRAIN_DEFS": str(tmp_path / "defs"),
            "SELFTRAIN_STORE": str(tmp_path / "runs"),
            "PYTHONPATH": os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")]),
        }
        ran = process("run", "mine", env=environment)
        assert ran.returncode == 2, ran.stderr
        return [line for line in ran.stderr.splitlines() if "verifier" in line]

    return refused


def test_two_distributions_with_one_name(tmp_path, refusal):
    install(tmp_path / "site", "first-checks", "first_checks", CLOSE)
    install(tmp_path / "site", "second-checks", "second_checks", CLOSE)
    [said] = refusal(tmp_path / "site")
    assert "distribution first-checks and distribution second-checks both offer a" in said
    assert "name the one that is meant: first_checks:Close or second_checks:Close" in said


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("def Close(): pass", "is a function that is no Verifier; decorate it with @verifier"),
        ("closer = 1", "is not there: broken_checks has no Close"),
        ("1 / 0", "(ZeroDivisionError: division by zero; "),
    ],
)
def test_a_plugin_that_cannot_be_imported(tmp_path, refusal, source, words):
    install(tmp_path / "site", "broken-checks", "broken_checks", source)
    [said] = refusal(tmp_path / "site")
    assert "verifier close of distribution broken-checks, broken_checks:Close, " in said
    assert words in said


def test_a_plugin_without_a_version_whose_source_is_in_no_file(tmp_path, refusal):
    """Python imports from archives too."""
    with zipfile.ZipFile(tmp_path / "site.zip", "w") as archive:
        for path, text in files("zipped-checks", "zipped_checks", CLOSE).items():
            archive.writestr(path, text)
    [said] = refusal(tmp_path / "site.zip")
    assert "distribution zipped-checks: verifier Close is in no file" in said
    assert "give it a version" in said


def test_a_plugin_with_one_of_our_names_is_named_by_its_reference(tmp_path, refusal):
    install(tmp_path / "site", "own-checks", "own_checks", "x = 1", offers="numeric")
    warning, said = refusal(tmp_path / "site", "numeric_")
    assert (
        "distribution own-checks offers a verifier numeric, which is the name of one of" in warning
    )
    assert 'did you mean "numeric"?' in said
