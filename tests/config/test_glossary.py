"""docs/glossary.md names settings, stages and modules that exist."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.recipes import RECIPES

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "selftrain_assets"
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split("|")]
    for line in (ROOT / "docs" / "glossary.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| word |")
]
PLACES = [(word, where) for word, where, _ in ROWS]
CODE = re.compile(r"`([^`]+)`")
SECTIONS = {*Experiment.model_fields}


def settings_in(annotation):
    if isinstance(annotation, type) and "registry" in annotation.__dict__:
        return list(annotation.registry.values())
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [found for inner in get_args(annotation) for found in settings_in(inner)]


def has_field(path):
    kinds = [Experiment]
    for part in path.split("."):
        fields = [kind.model_fields[part] for kind in kinds if part in kind.model_fields]
        if part == "preset" and set(kinds) & set(RECIPES.values()):
            return True  # a recipe's validator replaces it by the settings that it names
        if not fields:
            return False
        kinds = [kind for field in fields for kind in settings_in(field.annotation)]
    return True


def test_every_word_has_a_place_and_a_meaning():
    assert len(ROWS) > 40
    assert all(len(row) == 3 and all(row) for row in ROWS)
    words = [word for row in ROWS for word in row[0].split(", ")]
    assert len(words) == len({*words})


@pytest.mark.parametrize(("word", "where"), PLACES)
def test_a_setting_that_the_glossary_names_exists(word, where):
    paths = [
        text
        for text in CODE.findall(where)
        if re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", text) and text.split(".")[0] in SECTIONS
    ]
    assert [path for path in paths if not has_field(path)] == []


def test_a_setting_that_does_not_exist_would_be_found():
    assert has_field("recipe.cap")
    assert not has_field("recipe.capp")
    assert not has_field("caps")


@pytest.mark.parametrize(("word", "where"), PLACES)
def test_a_module_that_the_glossary_names_exists_and_has_the_class(word, where):
    for module in re.findall(r"`([a-z_/]+\.py)`", where):
        assert (PACKAGE / module).is_file()
    for name, module in re.findall(r"`([A-Z]\w+)` in `([a-z_/]+\.py)`", where):
        assert f"class {name}" in (PACKAGE / module).read_text()
