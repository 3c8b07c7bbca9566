"""What README, CONTRIBUTING and docs/ show exists: settings, commands, options, files, sections."""

import re
from pathlib import Path
from textwrap import dedent

import pytest
import typer
import yaml

from selftrain_assets.cli import app
from selftrain_assets.config.experiment import parse_experiment

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    ROOT / "sandbox/README.md",
    ROOT / "selftrain_assets/recipes/README.md",
]
TEXTS = {str(path.relative_to(ROOT)): path.read_text() for path in PAGES}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
SETTINGS = [
    pytest.param(page, block, id=f"{page}-{number}")
    for page, text in TEXTS.items()
    for number, (language, block) in enumerate(BLOCK.findall(text))
    if language == "yaml" and not block.startswith("# ")  # a whole file, by its name
]
COMMANDS = typer.main.get_command(app).commands
COMMAND = re.compile(r"selftrain ([a-z]+)([^`\n#|;]*)")


@pytest.mark.parametrize(("page", "block"), SETTINGS)
def test_the_settings_that_a_page_shows_can_be_read(page, block):
    parse_experiment(yaml.safe_load(dedent(block)), page)


def code_of(text):
    blocks = [block for language, block in BLOCK.findall(text) if not language]
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"````.*?````", "", BLOCK.sub("", text)))
    return "\n".join([*blocks, *spans])


@pytest.mark.parametrize("page", TEXTS)
def test_the_commands_that_a_page_shows_exist_with_their_options(page):
    for name, rest in COMMAND.findall(code_of(TEXTS[page])):
        assert name in COMMANDS, f"selftrain {name}"
        command = COMMANDS[name]
        if name == "lineage" and rest.split():
            command = command.commands[rest.split()[0]]
        options = {text for p in command.params for text in (*p.opts, *p.secondary_opts)}
        assert {*re.findall(r"--[a-z-]+", rest)} <= options, f"selftrain {name}{rest}"


def anchors(text):
    titles = re.findall(r"^#+ (.*)$", BLOCK.sub("", text), re.M)
    sections = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    return sections | {*re.findall(r'<a name="([^"]+)"', text)}


@pytest.mark.parametrize("page", TEXTS)
def test_the_links_of_a_page_lead_to_files_and_sections(page):
    for target in re.findall(r"\]\(([^):]+)\)", TEXTS[page]):
        file, _, section = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.exists(), target
        assert not section or section in anchors(path.read_text()), target
