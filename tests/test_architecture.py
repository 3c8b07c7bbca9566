"""Which module may import what, read off the source: the rules that keep the core testable and
the heavy parts optional."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import selftrain_assets

PACKAGE = Path(selftrain_assets.__file__).parent
NAME = PACKAGE.name
SANDBOX = PACKAGE.parent / "sandbox"
HEAVY = {"dagster", "torch", "transformers", "peft", "vllm", "openai", "ray", "docker", "duckdb"}
MAY_IMPORT_DAGSTER = ("dagster", "component", "definitions")


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(tree, everywhere):
    """Names that a source imports: when it is loaded, or `everywhere` in it."""
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif everywhere or not (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        ):
            nodes += ast.iter_child_nodes(node)


def with_parents(name):
    """`a.b.c`, `a.b` and `a`: importing a module loads the packages around it."""
    parts = name.split(".")
    return {".".join(parts[:n]) for n in range(1, len(parts) + 1)}


@cache
def imports(module, everywhere):
    """What a module of this package imports, with the packages around it."""
    tree = ast.parse(FILES[module].read_text())
    return set().union(*map(with_parents, imported(tree, everywhere)))


def direct(module):
    """Top-level packages imported anywhere in a module, functions included."""
    return {name for name in imports(module, everywhere=True) if "." not in name}


def loaded_with(module):
    """Everything that importing a module loads, through our own modules."""
    seen, waiting = set(), with_parents(module)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting |= imports(name, everywhere=False) if name in FILES else set()
    return seen


def below(*packages):
    return [
        m
        for m in FILES
        if any(m == f"{NAME}.{p}" or m.startswith(f"{NAME}.{p}.") for p in packages)
    ]


def test_the_import_graph_is_read_as_python_reads_it():
    assert f"{NAME}.domain.types" in loaded_with(f"{NAME}.config.experiment")
    assert "torch" in loaded_with(f"{NAME}.trainers.sft_loop")
    assert "torch" in direct(f"{NAME}.models.loading")
    assert "torch" not in loaded_with(f"{NAME}.models.loading")


WORK = ("stages", "self_improvement", "conversation_runner", "report")
"""Modules of a recipe's package that do its work, which are loaded when a round runs."""


@pytest.mark.parametrize(
    "module", [m for m in below("domain", "config", "recipes") if m.split(".")[-1] not in WORK]
)
def test_domain_config_and_recipes_need_nothing_heavy(module):
    assert not direct(module) & HEAVY
    assert not loaded_with(module) & HEAVY


def test_domain_knows_nothing_of_the_rest_of_the_package():
    ours = {
        name
        for module in below("domain")
        for name in imports(module, everywhere=True)
        if name.startswith(f"{NAME}.")
    }
    assert {name.split(".")[1] for name in ours} == {"domain"}


def test_duckdb_is_imported_in_one_file():
    assert [m for m in FILES if "duckdb" in direct(m)] == [f"{NAME}.store.database"]


STATEMENT = re.compile(r"\b(SELECT|INSERT INTO|CREATE (OR REPLACE )?(TABLE|VIEW)|DELETE FROM)\b")


@pytest.mark.parametrize("module", [m for m in FILES if m not in below("store")])
def test_sql_lies_in_the_store(module):
    nodes = ast.walk(ast.parse(FILES[module].read_text()))
    texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    assert [text for text in texts if STATEMENT.search(text)] == []


def test_dagster_is_imported_at_the_surface_alone():
    assert [
        m for m in FILES if "dagster" in direct(m) and m not in below(*MAY_IMPORT_DAGSTER)
    ] == []


@pytest.mark.parametrize("module", below("pipeline", "operations"))
def test_stages_never_load_dagster(module):
    assert "dagster" not in direct(module) | loaded_with(module)


def test_the_sandbox_stands_on_its_own():
    for path in SANDBOX.rglob("*.py"):
        names = {name.partition(".")[0] for name in imported(ast.parse(path.read_text()), True)}
        assert names - sys.stdlib_module_names <= {"sandbox", "docker", "requests"}, path


def test_what_runs_in_the_container_needs_the_standard_library_alone():
    for path in [*SANDBOX.glob("runner/*.py"), *SANDBOX.glob("image/*.py")]:
        names = {
            ".".join(name.split(".")[:2]) for name in imported(ast.parse(path.read_text()), True)
        }
        assert {
            name for name in names if name.partition(".")[0] not in sys.stdlib_module_names
        } <= {"sandbox.runner"}, path


@pytest.mark.parametrize("module", ["config.experiment", "cli", "pipeline.loop"])
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {NAME}.{module}; print(*(set({HEAVY}) & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert found == []


MAY_IMPORT = {
    "domain": set(),
    "plugins": {"domain"},
    "project": {"domain"},
    "functions": {"plugins", "domain"},
    "runtime": {"domain"},
    "tasks": {"plugins", "functions", "project", "domain"},
    "verifiers": {"plugins", "functions", "domain", "runtime", "models", "engines"},
    "models": {"project", "domain", "runtime", "tasks"},
    "trainers": {"plugins", "domain", "models", "runtime"},
    "engines": {"plugins", "domain", "models", "runtime"},
    "store": {"project", "domain", "runtime"},
    "config": {
        "plugins",
        "project",
        "domain",
        "engines",
        "models",
        "recipes",
        "runtime",
        "tasks",
        "trainers",
        "verifiers",
    },
    "recipes": {
        "plugins",
        "domain",
        "models",
        "pipeline",
        "reports",
        "store",
        "trainers",
        "verifiers",
    },
    "pipeline": {
        "config",
        "domain",
        "engines",
        "models",
        "recipes",
        "runtime",
        "store",
        "tasks",
        "trainers",
        "verifiers",
    },
    "reports": {"config", "domain", "pipeline", "recipes", "runtime", "store"},
    "operations": {
        "config",
        "domain",
        "models",
        "pipeline",
        "recipes",
        "reports",
        "runtime",
        "store",
        "tasks",
        "verifiers",
    },
    "testing": {"config", "domain", "engines", "models", "tasks", "trainers", "verifiers"},
}
"""What the modules of a folder may import of the other folders. The command line and Dagster lie
above, and may import all of these."""


@cache
def arrows(module):
    """Other modules of this package that it imports, in functions too, but not for types alone."""
    tree = ast.parse(FILES[module].read_text())
    waiting, names = [tree], set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module.startswith(NAME):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                names.add(name if name in FILES else node.module)
        waiting += ast.iter_child_nodes(node)
    return names - {module}


def folder(module):
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_a_folder_imports_what_lies_below_it(room):
    others = {
        (module, other)
        for module in below(room)
        for other in arrows(module)
        if folder(other) not in {room, *MAY_IMPORT[room]}
    }
    assert others == set()


@pytest.mark.parametrize(
    "recipe", sorted(p.parent.name for p in PACKAGE.glob("recipes/*/__init__.py"))
)
def test_what_only_one_recipe_needs_is_known_to_it_alone(recipe):
    own = f"{NAME}.recipes.{recipe}"
    knowing = {
        module
        for module in FILES
        if not module.startswith(own)
        and any(other.startswith(f"{own}.") for other in arrows(module))
    }
    assert knowing <= {f"{NAME}.recipes"}


def test_no_module_imports_itself_through_others():
    done, circles = set(), []

    def walk(module, way):
        if module in way:
            circles.append([*way[way.index(module) :], module])
        elif module not in done:
            for other in sorted(arrows(module)):
                walk(other, [*way, module])
            done.add(module)

    for module in FILES:
        walk(module, [])
    assert circles == []


def test_pytest_is_imported_by_the_suites_alone():
    assert [m for m in FILES if "pytest" in direct(m) and m not in below("testing")] == []
