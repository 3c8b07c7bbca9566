"""Writes docs/api.md: every public name of selftrain_assets and selftrain_assets.testing.

python docs/generate_api.py            writes the file
python docs/generate_api.py --check    exits with 1 where it is out of date
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import selftrain_assets
import selftrain_assets.testing

PAGE = Path(__file__).with_name("api.md")
SECTION = re.compile(r"(Args|Returns|Raises|Yields|Attributes):")
ENTRY = re.compile(r"(\w[\w, .*]*):\s+(.*)")
INTRODUCTION = """\
# API reference

Written by `python docs/generate_api.py` from the docstrings; do not edit it.
[plugins.md](plugins.md) has examples.
"""


def names(module: ModuleType) -> list[str]:
    """The public names of a module, in alphabetical order."""
    return sorted(name for name in getattr(module, "__all__", ()) if name != "__version__")


def page() -> str:
    """The text of the page."""
    parts = [INTRODUCTION]
    for module in (selftrain_assets, selftrain_assets.testing):
        parts.append(f"## {module.__name__}\n\n{markdown(inspect.getdoc(module) or '')}")
        parts += [entry(name, getattr(module, name)) for name in names(module)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def entry(name: str, value: Any) -> str:
    """The section of a name."""
    parts = [f"### {name}"]
    if inspect.ismodule(value):
        return "\n\n".join([*parts, f"The module `{value.__name__}`."])
    if not callable(value):
        return "\n\n".join([*parts, f"A {type(value).__name__} of {len(value)}."])
    if not (isinstance(value, type) and issubclass(value, BaseModel | Enum)):
        parts.append(code(name, value))
    parts.append(markdown(inspect.getdoc(value) or ""))
    if isinstance(value, type) and issubclass(value, Enum):
        parts.append("\n".join(f"- `{name}.{member.name}`: `{member.value}`" for member in value))
    if isinstance(value, type):
        parts += fields(value)
        for method, function in methods(value):
            parts.append(f"#### {name}.{method}")
            if not isinstance(function, property):
                parts.append(code(method, function))
            parts.append(markdown(inspect.getdoc(function) or ""))
    return "\n\n".join(filter(None, parts))


def methods(kind: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class has itself, with a docstring."""
    for name, value in vars(kind).items():
        function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        is_method = inspect.isfunction(function) or isinstance(function, property)
        is_public = not name.startswith(("_", "test_"))
        if is_method and is_public and inspect.getdoc(function):
            yield name, function


def code(name: str, value: Any) -> str:
    """The signature of a function or class."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    parameters = [
        written(parameter)
        for name, parameter in signature.parameters.items()
        if name not in ("self", "cls")
    ]
    kinds = [p.kind for name, p in signature.parameters.items() if name not in ("self", "cls")]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        parameters.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    result = signature.return_annotation
    arrow = "" if result is signature.empty or isinstance(value, type) else f" -> {result}"
    line = f"{name}({', '.join(parameters)}){arrow}"
    if len(line) > 100:
        line = f"{name}(\n    " + ",\n    ".join(parameters) + f",\n){arrow}"
    return f"```text\n{line}\n```"


STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def written(parameter: inspect.Parameter) -> str:
    """A parameter as in a signature; a default that is no plain value is `...`."""
    kind = parameter.annotation
    text = STARS.get(parameter.kind, "") + parameter.name
    if kind is not parameter.empty:
        text += f": {kind if isinstance(kind, str) else inspect.formatannotation(kind)}"
    if parameter.default is parameter.empty:
        return text
    plain = isinstance(parameter.default, str | int | float | bool | None)
    default = repr(parameter.default)
    return f"{text} = {default if plain and len(default) < 40 else '...'}"


def fields(kind: type) -> list[str]:
    """A table of the settings of a pydantic class."""
    if not issubclass(kind, BaseModel) or not kind.model_fields:
        return []
    rows = ["| setting | default | |", "|---|---|---|"]
    for name, field in kind.model_fields.items():
        required = field.default is PydanticUndefined and field.default_factory is None
        default = "required" if required else brief(field.get_default(call_default_factory=True))
        rows.append(f"| `{name}` | {default} | {field.description or ''} |")
    return ["\n".join(rows)]


def brief(value: Any) -> str:
    """A default, if it is short; the name of its class where it is a section of settings."""
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(value):
        return f"`{type(value).__name__}()`"
    return f"`{value!r}`".replace("|", "\\|")


def markdown(docstring: str) -> str:
    """A Google-style docstring as Markdown: its sections become lists, examples stay code."""
    lines: list[str] = []
    within = ""
    for line in docstring.splitlines():
        if match := SECTION.fullmatch(line):
            within = match[1]
            lines += [f"**{within}**", ""]
        elif within and line.startswith("    "):
            entry_line = ENTRY.fullmatch(line.strip())
            if len(line) - len(line.lstrip()) == 4 and entry_line and within != "Returns":
                lines.append(f"- `{entry_line[1]}`: {entry_line[2]}")
            else:
                lines.append(("  " if within != "Returns" else "") + line.strip())
        else:
            within = within if not line.strip() else ""
            lines.append(line.replace("|", "\\|") if line.startswith("|") else line)
    return "\n".join(lines).strip()


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == page() else f"run: python {sys.argv[0]}")
    PAGE.write_text(page(), encoding="utf-8")
