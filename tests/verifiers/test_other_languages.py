"""Programs in C++ and JavaScript, from the completion to the verdict: what is found, what is
refused, what is asked of the sandbox."""

from contextlib import contextmanager
from dataclasses import replace
from typing import get_args

import pytest

from sandbox import RunTask, StdinTask
from sandbox import Verdict as Found
from sandbox.languages import LANGUAGES
from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.domain.errors import InfraError, UserError
from selftrain_assets.domain.program_tests import read_tests
from selftrain_assets.domain.types import Outcome, Problem
from selftrain_assets.verifiers import (
    AllOf,
    CodeVerifier,
    NumericVerifier,
    SandboxSettings,
    VerifierContext,
    verifier_fingerprint,
)
from selftrain_assets.verifiers.source_text import find_source_block
from tests.judging import verdicts

CPP, JS = LANGUAGES["cpp"], LANGUAGES["javascript"]
MAIN = '#include <cstdio>\nint main() { puts("1"); }  // don\'t\n'
CASES = Problem("p", "Add one.", "", tests=read_tests([{"input": "1", "output": "2"}]).to_json())


@pytest.mark.parametrize(
    ("completion", "program"),
    [
        (f"```cpp\n{MAIN}```", MAIN),
        (f"Text\n```C++\n{MAIN}```\nmore", MAIN),
        (f"```c++17\n{MAIN}```", MAIN),
        (f"```cc\n{MAIN}", MAIN),
        (f"```\n{MAIN}```", MAIN),
        (f"```cpp\nint x;\nint main() {{}}\n```\nBetter:\n```cpp\n{MAIN}```", MAIN),
        (f"```cpp\n{MAIN}```\nThe part that counts:\n```cpp\nputs(\"1\");\n```", MAIN),
        (f"```cpp\n{MAIN}```\nIt prints:\n```\nmain(1)\n```", MAIN),
        (f"```cpp\n{MAIN}```\nOr in Python:\n```python\nprint(1)\n```", MAIN),
        (f"<think>\n```cpp\nint main() {{}}\n```\n</think>\n```cpp\n{MAIN}```", MAIN),
        ("```python\nprint(1)\n```", None),
        (MAIN, MAIN),
        ("  \n", None),
    ],
)  # fmt: skip
def test_the_program_is_the_last_whole_one_of_its_language(completion, program):
    assert find_source_block(completion, CPP.tags, CPP.whole) == program
    assert CodeVerifier(language="cpp").parse(completion) == program


def test_javascript_has_names_of_its_own():
    assert find_source_block("```js\n1\n```\n```nodejs\n2\n```\n```json\n3\n```", JS.tags) == "2\n"
    assert find_source_block("console.log(1)", JS.tags) == "console.log(1)"
    assert find_source_block("console.log(1)", JS.tags, fenced=True) is None
    assert (
        CodeVerifier(language="javascript", program="whole").parse("```js\n1\n```")
        == "```js\n1\n```"
    )


def test_the_verifier_and_the_table_name_the_same_languages():
    assert set(get_args(CodeVerifier.model_fields["language"].annotation)) == {"python", *LANGUAGES}


def test_calls_and_asserts_are_for_python():
    verifier = CodeVerifier(language="cpp")
    assert verifier.check_problem(CASES) is None
    assert verifier.check_problem(Problem("p", "?", "12")) is None
    asserts = Problem("p", "?", "", tests=read_tests("assert f(1) == 2").to_json())
    calls = Problem("p", "?", "", tests=read_tests([{"args": [1], "expected": 2}], "f").to_json())
    assert verifier.check_problem(asserts).startswith(
        "its tests are asserts, which are for Python; programs in cpp"
    )
    assert verifier.check_problem(calls).startswith("its tests are calls")
    assert CodeVerifier().check_problem(calls) is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"verifier": {"type": "code", "language": "cobol"}}, "language"),
        (
            {"verifier": {"type": "code", "language": "cpp", "continues": True}},
            "continues: a question that goes on is Python",
        ),
        (
            {"verifier": {"type": "code", "memory_mib": 720}},
            "720 MiB for a program do not fit in a container of 768; set execution.sandbox",
        ),
        (
            {
                "verifier": {
                    "type": "all_of",
                    "of": [{"type": "code", "memory_mib": 5000}, {"type": "numeric"}],
                }
            },
            "memory_mib to 5068 or more",
        ),
        (
            {"verifier": {"type": "code"}, "execution": {"sandbox": {"memory_mib": 256}}},
            "512 MiB for a program do not fit",
        ),
        ({"execution": {"sandbox": {"packages": "numpy"}}}, "packages"),
    ],
)
def test_what_cannot_be_is_refused_where_the_experiment_is_read(settings, said):
    with pytest.raises(UserError, match=said):
        parse_experiment(settings, "here")


def test_room_and_members_are_known():
    parse_experiment(
        {
            "verifier": {"type": "code", "memory_mib": 900},
            "execution": {"sandbox": {"memory_mib": 1024}},
        },
        "here",
    )
    inner = CodeVerifier(language="javascript")
    assert Experiment(verifier=AllOf(of=(NumericVerifier(), inner))).code_verifiers() == [inner]
    with (
        pytest.raises(UserError, match="do not fit"),
        CodeVerifier(memory_mib=900).open(VerifierContext()),
    ):
        pass


def test_the_environment_has_everything_judged_again():
    assert verifier_fingerprint(CodeVerifier()) != verifier_fingerprint(
        CodeVerifier(environment="numpy 2")
    )


class FakePool:
    """Takes what it is asked down."""

    workers = ()

    def __init__(self, found):
        self.found, self.asked = found, []

    def stream(self, tasks):
        for place, task in enumerate(tasks):
            self.asked.append(task)
            yield place, self.found


@pytest.mark.parametrize(
    ("problem", "kind"), [(CASES, StdinTask), (Problem("p", "?", "42"), RunTask)]
)
def test_the_sandbox_is_asked_in_the_language(monkeypatch, problem, kind):
    pool = FakePool(Found("pass", "stdin", cases=1, output="42\n"))

    @contextmanager
    def opened(self, languages=()):
        assert languages == ("cpp",)
        yield pool

    monkeypatch.setattr(SandboxSettings, "pool", opened)
    found = verdicts(
        CodeVerifier(language="cpp", prelude="#define two 2"),
        SandboxSettings(),
        [(problem, f"```cpp\n{MAIN}```")],
    )
    assert found[0].outcome == Outcome.PASS
    assert isinstance(pool.asked[0], kind)
    assert pool.asked[0].language == "cpp"
    assert pool.asked[0].source == f"#define two 2\n{MAIN}"


def test_a_problem_whose_programs_do_not_fit_stops_the_stage_with_its_name(monkeypatch):
    tests = read_tests([{"input": "1", "output": "2"}])
    large = Problem("big", "?", "", tests=replace(tests, memory_limit=2000.0).to_json())

    @contextmanager
    def opened(self, languages=()):
        yield FakePool(Found("pass", "stdin"))

    monkeypatch.setattr(SandboxSettings, "pool", opened)
    with pytest.raises(
        UserError,
        match=(
            'problem "big": its memory_limit: 2000 MiB for a program do not fit in a container'
            " of 768"
        ),
    ):
        verdicts(CodeVerifier(), SandboxSettings(), [(large, "print(2)")])


def test_an_image_that_cannot_be_built_is_told_before_anything_is_sampled(programs, tmp_path):
    settings = programs.model_copy(
        update={"packages": ("numpy",), "wheels": str(tmp_path / "nowhere")}
    )
    with pytest.raises(
        InfraError,
        match=r"the sandbox: there is no folder of wheels at .*nowhere.*selftrain doctor",
    ):
        settings.build()
