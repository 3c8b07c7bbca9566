"""Keys of shipped experiments, presets and studies stay what they are, or every store would be
drawn and trained again.

Where one has to change, because something else is computed, raise a version and say so in
CHANGELOG.md. `python -m tests.test_keys` adds experiments that `keys.json` does not know yet.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import selftrain_assets
from selftrain_assets.pipeline import loop
from selftrain_assets.recipes import all_presets
from tests import keys
from tests.lab import SETTINGS

PACKAGE = Path(selftrain_assets.__file__).parent
KNOWN = Path(__file__).with_name("keys.json")
PUBLISHED = Path(__file__).with_name("tasks") / "published"
STUDIES = sorted(path.stem for path in (PACKAGE / "studies").glob("*.yaml"))

EXPRESSIONS = {
    "type": "multistep_arithmetic",
    "train": 6,
    "human": 4,
    "validation": 1,
    "test": 3,
    "transfer": 1,
}
FEW = {"human": 3, "train": 6, "validation": 1, "test": 3, "transfer": 1}
SMALL = {name: SETTINGS[name] for name in ("evaluation", "execution")} | {
    "task": {"type": "word_problems"} | FEW
}
FEW_RULES = {"train": 24, "rules": 4, "unseen_rules": 2, "test": 4, "transfer": 2}
OF_RECIPE: dict[str, dict[str, Any]] = {
    "rest_em": {"rounds": 2},
    "mmst": {"rounds": 2},
    "tripost": {
        "rounds": 2,
        "task": EXPRESSIONS,
        "base": {"fine_tune": "human", "trainer": {"steps": 5}},
    },
    "diversification": {"rounds": 1, "task": {"type": "string_rewriting"} | FEW_RULES},
}
# of a study: sizes, and a model whose bytes are the same on every machine
LITTLE: dict[str, dict[str, Any]] = {
    "code_mix": {
        "task": {"path": "published/mbpp"},
        "evaluation": {"suites": {"humaneval": {"task": {"path": "published/humaneval"}}}},
        "recipe": {"mix": {"code": 4, "general": 2}},
    },
    "families": {
        "task": FEW_RULES
        | {"length": 30, "search": 12, "replacement": 6, "k": [3, 6], "unseen_k": [3, 6]}
    },
    "general_mix": {"task": FEW, "recipe": {"mix": {"general": 0.25}}},
    "instructions": {"task": FEW_RULES},
    "instructions_full": {"task": FEW_RULES},
    "long_tail": {"task": FEW_RULES | {"power_law": 1}},
    "no_op": {"task": FEW_RULES},
}
MORE: dict[str, dict[str, Any]] = {  # what no shipped experiment has and stores may hold
    "suites and sources": {
        "rounds": 2,
        "recipe": SETTINGS["recipe"]
        | {"mix": {"sums": 0.5}, "inner_stop": {"rule": "best", "every": 1}},
        "sources": {"sums": {"task": EXPRESSIONS}},
        "evaluation": SETTINGS["evaluation"]
        | {
            "suites": {
                "svamp": {
                    "task": {"type": "svamp", "path": "published/svamp"},
                    "samples_per_problem": 2,
                    "pass_at": [2],
                }
            }
        },
        "second_opinion": False,
        "trainer": {"epochs": 1, "lora": {"r": 4}, "batch_size": 4},
        "human_only": True,
        "seed": 3,
    },
    "weights of each method": {
        "recipe": {
            "type": "mmst",
            "weights": "per_method",
            "start": "previous",
            "cross_training": {"text": {"code": 0.5}},
        },
        "rounds": 2,
        "trainer": {"steps": 3},
    },
    "a teacher": {
        "recipe": SETTINGS["recipe"] | {"teacher": "embedded", "start": "pretrained"},
        "rounds": 1,
    },
    "a fork": {
        "rounds": 2,
        "recipe": SETTINGS["recipe"],
        "forks": [
            {
                "experiment": "before",
                "iteration": 1,
                "changes": {"recipe": {"cap": 1}, "trainer": {"steps": 9}, "seed": 1},
            }
        ],
    },
}


SHIPPED = {
    "base/checkpoint": "21be48f2975224be140deca7e27abcc4",
    "inputs/problems": "0e10aebcd41324c496b167e351661095",
}


def experiments() -> dict[str, dict[str, Any]]:
    """Settings by name."""
    found = {"quickstart": keys.attributes(PACKAGE / "defs" / "quickstart" / "defs.yaml", task=FEW)}
    for name, (recipe, preset) in all_presets().items():
        teacher = {} if preset.needs is None else {preset.needs: "embedded"}
        kind = recipe.model_fields["type"].default
        settings = {"type": kind, "preset": name} | teacher
        found[f"preset {name}"] = SMALL | OF_RECIPE[kind] | {"recipe": settings}
    for name in STUDIES:
        settings = keys.attributes(
            PACKAGE / "studies" / f"{name}.yaml", model="embedded", **LITTLE[name]
        )
        found[f"study {name}"] = {
            section: value for section, value in settings.items() if section != "sweep"
        }
    return found | {name: SMALL | settings for name, settings in MORE.items()}


def keys_of(folder: Path, settings: dict[str, Any]) -> dict[str, str]:
    """The keys of an experiment that is run in a folder of its own."""
    (folder / "published").symlink_to(PUBLISHED)
    for source in ("code", "general"):
        rows = [
            {
                "id": n,
                "question": f"{source} {n}",
                "answer": str(n),
                "solution": f"It is {n}.",
                "split": "train",
            }
            for n in range(6)
        ]
        (folder / f"{source}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with keys.nothing_slow():
        run = keys.open_run(folder, "known", settings)
        keys.run_all(run)
    return keys.keys_in(folder / "runs", "known")


@pytest.mark.parametrize("name", experiments())
def test_keys_of_older_stores_are_still_found(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert keys_of(tmp_path, experiments()[name]) == json.loads(KNOWN.read_text())[name]


def test_keys_of_the_shipped_experiment_as_it_is(tmp_path):
    """Its whole problem set, and the policy that round 1 samples from."""
    with keys.nothing_slow():
        run = keys.open_run(
            tmp_path, "quickstart", keys.attributes(PACKAGE / "defs" / "quickstart" / "defs.yaml")
        )
        for _ in islice(loop.prepare(run), 2):
            pass
    assert keys.keys_in(tmp_path / "runs", "quickstart") == SHIPPED


def test_no_known_keys_are_left_out():
    assert json.loads(KNOWN.read_text()).keys() == experiments().keys()


def write() -> None:
    """Add what `keys.json` does not know yet."""
    known = json.loads(KNOWN.read_text()) if KNOWN.exists() else {}
    for name, settings in experiments().items():
        if name not in known:
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                known[name] = keys_of(Path(folder), settings)
        print(name, len(known[name]), flush=True)
    KNOWN.write_text(json.dumps({name: known[name] for name in experiments()}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(write())
