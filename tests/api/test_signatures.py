"""The signatures of the public functions: a program that is written for them goes on working.

A parameter may be added; what is here stays.
"""

import inspect

import pytest

import selftrain_assets as st

SIGNATURES = {
    "open": "experiment name=None store=None *progress=None",
    "compare": "runs",
    "sql": "query store=None",
    "verify": "completions *verifier *problems=None *sandbox=None *engine=None",
    "select": (
        "verdicts *threshold=1.0 *cap=10 *dedup='text' *choice='random' *balance='none'"
        " *weight='binary' *seed=0"
    ),
    "evaluate": "model *task *verifier=None *sampling=None *store=None *progress=None **sections",
    "Run.rounds": "self rounds=None",
    "Run.finish": "self rounds=None",
    "Run.problems": "self",
    "Run.samples": "self iteration",
    "Run.verdicts": "self iteration",
    "Run.rows": "self iteration",
    "Run.report": "self",
    "Run.audit": "self",
    "Run.export": "self path=None iteration=None *merge=False *rows='parquet'",
    "StageFinished": "iteration stage reused seconds counts",
}


def signature(function):
    words = []
    for name, parameter in inspect.signature(function).parameters.items():
        mark = {parameter.KEYWORD_ONLY: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        words.append(f"{mark}{name}{default}")
    return " ".join(words)


def member(path):
    first, *rest = path.split(".")
    value = getattr(st, first)
    for name in rest:
        value = getattr(value, name)
    return value


@pytest.mark.parametrize("path", SIGNATURES)
def test_a_signature_stays(path):
    assert signature(member(path)) == SIGNATURES[path]


def test_every_function_and_method_of_the_interface_is_here():
    functions = {name for name in st.__all__ if inspect.isfunction(getattr(st, name))}
    methods = {
        f"Run.{name}"
        for name, method in inspect.getmembers(st.Run, inspect.isfunction)
        if not name.startswith("_")
    }
    decorators = {"task", "verifier"}  # which take any settings of their own
    assert (functions | methods) - decorators - {"Run.in_pipeline"} <= SIGNATURES.keys()


@pytest.mark.parametrize("path", SIGNATURES)
def test_its_arguments_are_described(path):
    function = member(path)
    text = inspect.getdoc(function)
    for name in inspect.signature(function).parameters:
        assert name == "self" or f"{name}:" in text, name
    if inspect.isgeneratorfunction(function):
        assert "Yields:" in text
