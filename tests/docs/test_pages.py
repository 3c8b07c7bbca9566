"""What the pages of docs/ quote, compute and generate agrees with the source."""

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import selftrain_assets
import selftrain_assets.testing
from benchmarks import estimate
from selftrain_assets.config.experiment import parse_experiment

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCE = [*ROOT.glob("selftrain_assets/**/*.py"), *ROOT.glob("sandbox/*.py")]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
FILE = re.compile(r"# ([\w./-]+\.(?:py|yaml))\n")


def blocks(page):
    return BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))


def generator():
    spec = importlib.util.spec_from_file_location("generate_api", DOCS / "generate_api.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts():
    """The strings of the source; a value inside one is `...`."""
    for path in SOURCE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (getattr(part, "value", None) for part in node.values)
                yield "".join(part if isinstance(part, str) else "..." for part in parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def quoted_messages():
    page = (DOCS / "messages.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)


def test_every_quoted_message_is_in_the_source():
    source = "\0".join(texts())
    missing = [
        message
        for message in quoted_messages()
        if not all(part.strip() in source for part in message.split("..."))
    ]
    assert len(quoted_messages()) > 20
    assert missing == []


def test_the_api_reference_is_up_to_date():
    written = (DOCS / "api.md").read_text(encoding="utf-8")
    assert written == generator().page(), "run: python docs/generate_api.py"


MODULES = (selftrain_assets, selftrain_assets.testing)
PUBLIC = [(module, name) for module in MODULES for name in generator().names(module)]


@pytest.mark.parametrize(("module", "name"), PUBLIC, ids=[name for _, name in PUBLIC])
def test_a_public_name_says_what_it_takes_and_gives(module, name):
    value = getattr(module, name)
    if inspect.ismodule(value) or not callable(value):
        return
    functions = [value] if inspect.isfunction(value) else []
    assert inspect.getdoc(value)
    if isinstance(value, type):
        functions = [
            function
            for method, function in generator().methods(value)
            if inspect.isfunction(function)
            and not any(hasattr(parent, method) for parent in value.__mro__[1:])
        ]
    for function in functions:
        parameters = [p for p in inspect.signature(function).parameters if p not in ("self", "cls")]
        if len(parameters) > 1 or (parameters and inspect.isfunction(value)):
            assert "Args:" in inspect.getdoc(function), function.__qualname__


def test_the_estimates_of_hours_are_those_of_the_script():
    page = (DOCS / "gpu.md").read_text(encoding="utf-8")
    assert page.split("<!-- estimate -->\n")[1].split("\n<!-- end -->")[0] == estimate.table()
    for way, need in estimate.training_memory(estimate.QWEN_7B).items():
        assert f"{need:.0f} GiB" in page, way
    work = estimate.Round()
    assert f"{work.drawn / 1e6:.0f} million tokens\n" in page
    assert f"times: {work.trained / 1e6:.0f} million tokens" in page


def test_the_settings_for_a_large_model_are_valid():
    [settings] = [text for language, text in blocks("gpu.md") if language == "yaml"]
    assert parse_experiment(yaml.safe_load(settings), "docs/gpu.md").trainer.lora.r == 16


def test_the_blocks_about_plug_ins_run(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "project"\n')
    scripts = []
    for language, text in blocks("plugins.md"):
        if (named := FILE.match(text)) is not None:
            file = project / named[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        elif language == "python":
            scripts.append(text)
    assert len(scripts) == 3
    check = (
        "from selftrain_assets.config.experiment_files import load_experiment\n"
        "assert load_experiment('mine').verifier.tolerance == 0.1\n"
        "assert {p.split for p in load_experiment('sums').task.load()} > {'train', 'test'}\n"
    )
    environment = {"SELFTRAIN_DEFS": str(project / "defs"), "PYTHONPATH": str(ROOT)}
    for script in [*scripts, check]:
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
