"""Members of other packages: named by an entry point, a reference or a file beside the
experiment's."""

import json
import subprocess
import sys
import textwrap
from importlib.metadata import EntryPoint

import pytest

from selftrain_assets import plugins
from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.config.experiment_files import load_experiment, recipes_in_files
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.plugins import Registry, beside
from selftrain_assets.recipes import RestEM
from selftrain_assets.verifiers import (
    VERIFIERS,
    AllOf,
    NumericVerifier,
    Verifier,
    verifier_fingerprint,
)

SOURCE = """\
from selftrain_assets.verifiers import NumericVerifier

class Close(NumericVerifier):
    "Within a tenth."
    near: float = 0.1
"""


@pytest.fixture
def grading(tmp_path):
    """A file with a verifier."""
    path = tmp_path / "grading.py"
    path.write_text(SOURCE)
    return path


class Strict(NumericVerifier):
    """As the parent, for now."""


def verifier_of(**settings):
    return parse_experiment({"verifier": settings}, "mine").verifier


def refusal(**settings):
    with pytest.raises(UserError) as refused:
        verifier_of(**settings)
    return str(refused.value)


def offered(monkeypatch, *offers):
    """Entry points of verifiers, each as (name, value)."""
    points = [EntryPoint(name, value, VERIFIERS.group) for name, value in offers]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points)
    registry = Registry("verifier")
    registry.base = Verifier
    registry.add(NumericVerifier)
    return registry


def test_a_file_beside_the_experiment(tmp_path, grading, monkeypatch):
    (tmp_path / "defs.yaml").write_text("")
    settings = beside({"verifier": {"type": "./grading.py:Close", "near": 0.2}}, tmp_path)
    verifier = parse_experiment(settings, "mine").verifier
    assert (verifier.near, verifier.tolerance) == (0.2, 0.0)
    assert verifier.type == f"{grading}:Close"
    again = Experiment.model_validate(Experiment(verifier=verifier).model_dump())
    assert again.verifier == verifier


def test_an_experiments_file_names_what_lies_beside_it(tmp_path, grading, monkeypatch):
    folder = tmp_path / "defs" / "mine"
    folder.mkdir(parents=True)
    (folder / "grading.py").write_text(SOURCE)
    (folder / "defs.yaml").write_text(
        "type: selftrain_assets.component.SelfTraining\n"
        "attributes:\n  verifier: {type: 'grading.py:Close'}\n"
    )
    monkeypatch.setenv("SELFTRAIN_DEFS", str(tmp_path / "defs"))
    assert load_experiment("mine").verifier.near == 0.1


def test_keys_depend_on_the_source_and_not_on_the_folder(tmp_path, grading):
    first = verifier_fingerprint(verifier_of(type=f"{grading}:Close"))
    (tmp_path / "elsewhere").mkdir()
    moved = tmp_path / "elsewhere" / "grading.py"
    moved.write_text(SOURCE)
    assert verifier_fingerprint(verifier_of(type=f"{moved}:Close")) == first
    moved.write_text(SOURCE.replace("0.1", "0.2"))
    assert verifier_fingerprint(verifier_of(type=f"{moved}:Close", near=0.1)) != first
    versioned = SOURCE.replace("    near", '    version = "1"\n    near')
    moved.write_text(versioned)
    declared = verifier_fingerprint(verifier_of(type=f"{moved}:Close"))
    moved.write_text(versioned + "\n# a comment\n")
    assert verifier_fingerprint(verifier_of(type=f"{moved}:Close")) == declared
    moved.write_text(versioned.replace('"1"', '"2"'))
    assert verifier_fingerprint(verifier_of(type=f"{moved}:Close")) != declared


def test_a_subclass_shares_no_key_with_its_parent_wherever_it_stands():
    assert verifier_fingerprint(Strict()) != verifier_fingerprint(NumericVerifier())
    inside = [AllOf(of=(member,)) for member in (Strict(), NumericVerifier())]
    assert len({verifier_fingerprint(verifier) for verifier in inside}) == 2
    assert fingerprint(Experiment(verifier=Strict()).verifier) != fingerprint(NumericVerifier())


def test_a_new_version_of_the_parent_is_one_of_the_subclass_too(monkeypatch):
    before = verifier_fingerprint(Strict())
    monkeypatch.setattr(NumericVerifier, "version", "new")
    assert verifier_fingerprint(Strict()) != before


def test_objects_and_classes_are_as_good_as_names():
    assert Experiment(verifier=Strict).verifier == Experiment(verifier=Strict()).verifier
    dumped = Experiment(verifier=Strict(tolerance=0.5)).model_dump()["verifier"]
    assert dumped["type"] == f"{__name__}:Strict"
    assert Experiment.model_validate({"verifier": dumped}).verifier == Strict(tolerance=0.5)


def test_a_reference_to_an_importable_class():
    assert verifier_of(type=f"{__name__}:Strict", tolerance=0.5) == Strict(tolerance=0.5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"type": "nmeric"}, 'verifier.type: there is no "nmeric"; did you mean "numeric"?'),
        ({"type": "qqq"}, "./file.py:Name, package.module:Name"),
        ({"type": "no_such_package:X"}, "there is no module no_such_package; install its package"),
        ({"type": "json:lods"}, "verifier json:lods is not there: json has no lods"),
        ({"type": "json:loads"}, "is a function that is no Verifier; decorate it with @verifier"),
        ({"type": "json:JSONDecoder"}, "is a class that is no Verifier"),
        ({"type": "./none.py:X"}, "there is no file"),
        ({"type": 3}, "verifier.type: say which verifier"),
        ({"type": f"{__name__}:Strict", "tolerence": 1}, 'did you mean "tolerance"?'),
        (
            {"type": "any_of", "of": [{"type": f"{__name__}:Strict", "tolerence": 1}]},
            'unknown field "verifier.of[0].tolerence"; did you mean "tolerance"?',
        ),
        ({"type": f"{__name__}:Strict", "tolerance": "x"}, "verifier.tolerance: should be a valid"),
    ],
)
def test_what_cannot_be_had_is_one_sentence_with_its_place(settings, words):
    assert words in refusal(**settings)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def (", "(SyntaxError: "),
        ("\n1 / 0", "(ZeroDivisionError: division by zero; {path}, line 2)"),
        ("import sys; sys.exit(3)", "(SystemExit: 3; "),
        ("import no_such_thing", "there is no module no_such_thing|No module named"),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_its_line(tmp_path, source, words):
    path = tmp_path / "grading.py"
    path.write_text(source)
    said = refusal(type=f"{path}:Close")
    assert f"verifier {path}:Close cannot be imported" in said
    assert any(word.format(path=path) in said for word in words.split("|"))
    assert "\n" not in said


def test_an_entry_point_is_named_by_its_name(monkeypatch):
    registry = offered(monkeypatch, ("strict", f"{__name__}:Strict"))
    assert "strict" in registry
    assert registry.validate({"type": "strict"}) == Strict()
    assert registry.name_of(Strict) == "strict"


def test_two_offers_of_one_name_are_refused(monkeypatch):
    registry = offered(monkeypatch, ("close", "a:Close"), ("close", "b:Close"))
    with pytest.raises(UserError, match=r"both offer a verifier close; name the one .* a:Close or"):
        registry["close"]


def test_an_offer_with_one_of_our_names_changes_nothing(monkeypatch, caplog):
    registry = offered(monkeypatch, ("numeric", f"{__name__}:Strict"))
    assert list(registry) == ["numeric"]
    assert registry["numeric"] is NumericVerifier
    assert f"name theirs as {__name__}:Strict" in caplog.text


def test_a_broken_offer_stops_only_who_asks_for_it(monkeypatch, caplog):
    registry = offered(
        monkeypatch, ("close", "no_such_package:Close"), ("strict", f"{__name__}:Strict")
    )
    assert list(registry) == list(registry) == ["numeric", "strict"]
    assert caplog.text.count("there is no module no_such_package") == 1
    assert registry.name_of(Strict) == "strict"
    with pytest.raises(UserError, match=r"verifier close of .*no_such_package:Close, cannot"):
        registry["close"]


def test_without_a_source_there_must_be_a_version():
    """As in a notebook, whose cells are in no file."""
    program = """
        from selftrain_assets.config.experiment import Experiment
        from selftrain_assets.verifiers import NumericVerifier, verifier_fingerprint
        class Loose(NumericVerifier):
            pass
        try:
            Experiment(verifier=Loose())
        except ValueError as error:
            print("give it a version" in str(error))
        class Firm(NumericVerifier):
            version = "1"
        print(Experiment(verifier=Firm()).verifier == Firm(), len(verifier_fingerprint(Firm())))
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True
    )
    assert ran.stdout.split() == ["True", "True", "32"], ran.stderr


def test_a_recipe_in_a_file_is_known_to_who_reads_the_store(tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "own.py").write_text(
        "from selftrain_assets.recipes import RestEM\nclass Mine(RestEM):\n    x: int = 1\n"
    )
    (folder / "defs.yaml").write_text(
        "type: selftrain_assets.component.SelfTraining\n"
        "attributes:\n  recipe: {type: './own.py:Mine', cap: 3}\n"
    )
    monkeypatch.setenv("SELFTRAIN_DEFS", str(tmp_path))
    (recipe,) = recipes_in_files()
    assert issubclass(recipe, RestEM)
    assert load_experiment("mine").recipe.cap == 3


def test_the_schema_has_every_member_and_leaves_room_for_others():
    schema = Experiment.model_json_schema()["properties"]["verifier"]["anyOf"]
    assert [s.get("$ref") for s in schema][:2] == [
        "#/$defs/NumericVerifier",
        "#/$defs/TextVerifier",
    ]
    assert schema[-1]["properties"]["type"] == {"type": "string", "pattern": ":"}
    json.dumps(schema)
