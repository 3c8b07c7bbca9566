"""Content keys and seeds: equal content gives equal keys everywhere, and what has no canonical
form gives none."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.config.experiment import ExecutionSettings, Experiment
from selftrain_assets.domain.identity import (
    digest_files,
    draws_key,
    fingerprint,
    problem_digest,
    sample_key,
    text_digest,
    verification_key,
)
from selftrain_assets.domain.sampling import Sampling
from selftrain_assets.domain.seeds import derive_seed
from selftrain_assets.domain.settings import Execution, Identity
from selftrain_assets.domain.types import Outcome, Problem
from selftrain_assets.recipes import RestEM
from selftrain_assets.trainers.sft import SftExecution, SftTrainer

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def reordered(value):
    """The same content with every mapping written the other way round."""
    if isinstance(value, dict):
        return {k: reordered(v) for k, v in reversed(value.items())}
    return [reordered(v) for v in value] if isinstance(value, list) else value


@given(JSON)
def test_order_of_mappings_does_not_matter(value):
    assert fingerprint(value) == fingerprint(reordered(value))


def test_types_and_borders_are_part_of_the_content():
    parts = [
        (1,),
        ("1",),
        (True,),
        (1.0,),
        (None,),
        ("None",),
        ([1],),
        (),
        ("",),
        (1, 1),
        ([1, 1],),
        ("11",),
        ({},),
    ]
    assert len({fingerprint(*p) for p in parts}) == len(parts)


def test_an_outcome_is_its_text():
    assert fingerprint(Outcome.PASS) == fingerprint("pass")


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        {1, 2},
        frozenset(),
        b"bytes",
        pytest.param(object(), id="object"),
        Path("x"),
        {1: "number as key"},
        [{"deep": math.nan}],
        ExecutionSettings(),
        SftExecution(),
        {"nested": ExecutionSettings()},
        Experiment(),
    ],
    ids=repr,
)
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(TypeError):
        fingerprint(value)


def test_how_to_run_does_not_enter_through_the_settings_that_hold_it():
    slow = SftTrainer(execution=SftExecution(micro_batch_size=1, device="cpu", save_steps=1))
    assert fingerprint(slow) == fingerprint(SftTrainer())


def test_a_teachers_server_is_how_to_run_and_a_teachers_checkpoint_is_not():
    there, here = (
        RestEM(teacher={"base_url": f"http://{host}/v1", "model": "m"})
        for host in ("there", "here")
    )
    assert fingerprint(there) == fingerprint(here)
    first, second = (RestEM(teacher={"experiment": "master", "iteration": i}) for i in (1, 2))
    assert len({fingerprint(recipe) for recipe in (RestEM(), first, second)}) == 3


def kinds(below=Identity):
    return {below}.union(*map(kinds, below.__subclasses__()))


def test_identity_settings_leave_their_execution_settings_out_of_the_key():
    held = {
        f"{kind.__name__}.{name}": f.exclude
        for kind in kinds()
        for name, f in kind.model_fields.items()
        if isinstance(f.default, Execution)
    }
    assert held["SftTrainer.execution"]
    assert all(held.values()), held


STABLE = """
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.sampling import Sampling
from selftrain_assets.domain.seeds import derive_seed
lengths = {word: len(word) for word in {"one", "two", "three"}}
print(fingerprint({"b": 0.1, "a": ["\\u00fc", None, True]}, Sampling(stop=("Q:",)), lengths), derive_seed(7, "x", 3))
"""  # noqa: E501


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_keys_and_seeds_are_the_same_in_every_process(hash_seed):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    there = subprocess.run(
        [sys.executable, "-c", STABLE], env=environment, capture_output=True, text=True, check=True
    ).stdout
    here = fingerprint(
        {"a": ["ü", None, True], "b": 0.1}, Sampling(stop=("Q:",)), {"one": 3, "two": 3, "three": 5}
    )
    assert there == f"{here} {derive_seed(7, 'x', 3)}\n"


def test_a_field_that_came_later_enters_no_key_until_it_says_something_new():
    class Before(Identity):
        learning_rate: float = 1.0

    class After(Before):
        added = ("decay",)
        decay: float | None = None

    assert fingerprint(After()) == fingerprint(Before())
    assert fingerprint(After(decay=0.5)) != fingerprint(Before())


def test_keys_of_older_stores_are_still_found():
    """Were these to change, every store would be drawn and trained again; raise a version
    instead."""
    key = sample_key(
        draws_key("policy", Sampling(temperature=0.7, top_k=40).per_draw(), 0), "Q: 1 + 1 A:", 3
    )
    assert key == "f9045c87349921b3a8fb5ca0eaaf5057"
    assert derive_seed(0, "policy", "Q: 1 + 1 A:", 3) == 7036278976334102601


DRAW = {"policy": "p", "prompt": "q", "sampling": Sampling().per_draw(), "seed": 0, "index": 0}


@pytest.mark.parametrize(
    "change",
    [
        {"policy": "p2"},
        {"prompt": "q "},
        {"seed": 1},
        {"index": 1},
        *(
            {"sampling": Sampling(**own).per_draw()}
            for own in (
                {"temperature": 0.8},
                {"top_k": 1},
                {"top_p": 0.9},
                {"max_tokens": 1},
                {"stop": ("x",)},
            )
        ),
    ],
    ids=repr,
)
def test_a_sample_key_depends_on_each_part(change):
    def key(policy, prompt, sampling, seed, index):
        return sample_key(draws_key(policy, sampling, seed), prompt, index)

    assert key(**{**DRAW, **change}) != key(**DRAW)


def test_how_many_draws_are_made_is_no_part_of_a_draw():
    assert Sampling(samples_per_problem=1).per_draw() == Sampling(samples_per_problem=9).per_draw()


def test_greedy_draws_are_alike_whatever_the_truncation():
    greedy = Sampling(temperature=0).per_draw()
    assert Sampling(temperature=0, top_k=5, top_p=0.5).per_draw() == greedy
    assert Sampling(temperature=0, max_tokens=7).per_draw() != greedy


def test_a_verdict_depends_on_text_question_and_answer_but_not_on_the_id():
    problem = Problem("a", "1 + 1?", "2")
    assert problem_digest(problem) == problem_digest(
        Problem("b", "1 + 1?", "2", split="test", group="sums")
    )
    others = Problem("a", "1 + 1?", "3"), Problem("a", "1 + 2?", "2")
    assert (
        len(
            {
                problem_digest(p)
                for p in (
                    problem,
                    *others,
                    replace(problem, tests=""),
                    replace(problem, tests="[]"),
                )
            }
        )
        == 5
    )
    known = ("sample", text_digest("2"), problem_digest(problem), "verifier")
    changed = [(*known[:n], "x", *known[n + 1 :]) for n in range(len(known))]
    assert len({verification_key(*parts) for parts in (known, *changed)}) == 5


def write(folder, **files):
    folder.mkdir(parents=True)
    return [p for name, text in files.items() if (p := folder / name).write_text(text)]


def test_digest_of_files_depends_on_names_and_bytes_alone(tmp_path):
    one, two = (
        write(tmp_path / "one", a="x", b="y"),
        write(tmp_path / "two" / "deeper", b="y", a="x"),
    )
    apart = write(tmp_path / "y", b="y") + write(tmp_path / "z", a="x")
    assert digest_files(one) == digest_files(one[::-1]) == digest_files(two) == digest_files(apart)
    others = [
        write(tmp_path / "3", a="x", b="z"),
        write(tmp_path / "4", a="x", c="y"),
        write(tmp_path / "5", a="y", b="x"),
        one[:1],
    ]
    assert digest_files(one) not in map(digest_files, others)


SEED_PARTS = st.lists(st.text(max_size=4) | st.integers(), max_size=4)


@given(st.integers(0, 2**63), SEED_PARTS)
def test_seeds_fit_63_bits(seed, parts):
    assert 0 <= derive_seed(seed, *parts) < 2**63


@given(st.integers(0, 99), SEED_PARTS, st.integers(0, 99), SEED_PARTS)
def test_seeds_differ_by_seed_and_by_part(seed, parts, other_seed, other_parts):
    assert (derive_seed(seed, *parts) == derive_seed(other_seed, *other_parts)) == (
        (seed, parts) == (other_seed, other_parts)
    )
