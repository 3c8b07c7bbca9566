"""Every setting of an experiment in turn: exactly which stages do their work anew when it has
another value.

A stage is asked for its key as when a finished experiment runs again, with all that it is made from
as it was. What changes there reaches the stages behind it through its digest, which
`test_what_is_made_from_something_else_is_made_anew` covers.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.domain.types import Problem
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.pipeline.loop import everything_wanted
from selftrain_assets.pipeline.run import Run
from selftrain_assets.store import Manifest, Store
from selftrain_assets.tasks.generated import Generated
from selftrain_assets.tasks.multistep_script import MultistepScript
from tests import keys

FEW = {"human": 4, "train": 6, "validation": 1, "test": 3, "transfer": 2}
WORDS = {"type": "word_problems", **FEW}
SUMS = {"type": "multistep_arithmetic", **FEW, "largest_result": 60}
STRINGS = {
    "type": "string_rewriting",
    **FEW,
    "train": 24,
    "rules": 4,
    "unseen_rules": 2,
    "length": 16,
    "search": 6,
    "families": "repeated",
}
MEASURED = {
    "samples_per_problem": 2,
    "pass_at": [1, 2],
    "majority_at": [2],
    "train_problems": 4,
    "resamples": 100,
}
COMMON: dict[str, Any] = {
    "model": "chat",
    "rounds": 2,
    "base": {"fine_tune": "human", "trainer": {"steps": 2}},
    "trainer": {"steps": 3},
    "human_only": True,
    "evaluation": MEASURED,
}
# one for each recipe; together they have every section that a file can have
EXPERIMENTS: dict[str, dict[str, Any]] = {
    "rest_em": {
        "task": WORDS,
        "prompt": {"chat": True},
        "sources": {"sums": {"task": SUMS}},
        "recipe": {
            "type": "rest_em",
            "sampling": {"samples_per_problem": 4},
            "mix": {"sums": 0.5},
            "rationalize": True,
            "mix_human": 0.5,
        },
        "base": {"fine_tune": "human", "trainer": {"steps": 2, "lora": {}}},
        "trainer": {"steps": 3, "lora": {}},
        "evaluation": (
            MEASURED
            | {"suites": {"other": {"task": SUMS, "samples_per_problem": 2, "pass_at": [2]}}}
        ),
        "contamination": {"allow": [{"problem": "nothing", "reason": "an example"}]},
    },
    "mmst": {
        "task": WORDS,
        "recipe": {"type": "mmst"},
        "base": {"fine_tune": "none"},
        "human_only": False,
    },
    "tripost": {
        "task": SUMS,
        "recipe": {
            "type": "tripost",
            "sampling": {"samples_per_problem": 4},
            "improver": {"by": "self"},
        },
    },
    "diversification": {
        "task": STRINGS,
        "recipe": {"type": "diversification", "budget": 12, "instructions": 3},
        "rounds": 1,
    },
    "weights of each method": {
        "task": WORDS,
        "recipe": {"type": "mmst", "weights": "per_method"},
        "evaluation": MEASURED | {"suites": {"other": {"task": SUMS, "method": "code"}}},
        "rounds": 1,
    },
    "from scratch": {
        "model": {"layers": 1, "width": 16, "heads": 2},
        "task": STRINGS,
        "recipe": {"type": "diversification"},
        "rounds": 1,
    },
}


ONLY = {"weights of each method": "evaluation.suites.other.method", "from scratch": "model.*"}
"""What they are there for."""


class OTHER_SCRIPT(MultistepScript):
    """Another way to find errors."""

    version = "another"


# -- which stages change ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """`stages`, as far as an experiment has them, change with the settings that `leaves` names,
    and no others do. A pattern may begin with the recipe whose experiment it is for; of several
    rules for a setting the last one counts. `evaluation` is every evaluation, `control` the
    training of both controls."""

    why: str
    stages: str
    leaves: str


DRAWS = "samples hinted_samples"
RULES = (
    # data, models and chance
    Rule("problems are known by what they say", "problems", "task.*"),
    Rule("these come out the same", "", "task.max_steps"),
    Rule(
        "weights are known by their bytes; no prompt says which they are", "base", "model model.*"
    ),
    Rule(
        "chance, everywhere",
        f"base {DRAWS} translated_samples dataset checkpoint control evaluation",
        "seed",
    ),
    Rule("earlier rounds stay as they are; a control makes the steps of all", "control", "rounds"),
    Rule("a fork is noted in the round that begins with it", "policy", "forks"),
    # training
    Rule(
        "training of the rounds, and of the controls in their stead",
        "checkpoint control",
        "trainer.*",
    ),
    Rule(
        "but these make as many steps as the rounds made",
        "checkpoint",
        "trainer.steps trainer.epochs",
    ),
    Rule("training of the base", "base", "base.*"),
    # what a round learns from
    Rule("rules of a recipe for its rows", "dataset", "recipe.*"),
    Rule("what training starts from", "dataset checkpoint", "recipe.init_from recipe.weights"),
    Rule("when training ends", "base dataset checkpoint control", "recipe.early_stopping.*"),
    Rule("rows of other sources", "dataset", "sources.*"),
    Rule("what these say", "problems dataset", "sources sources.*.task.*"),
    Rule(
        "what of them is not learnt",
        "dataset",
        "sources.*.task.test sources.*.task.validation sources.*.task.transfer"
        " sources.*.task.unseen",
    ),
    # what is asked
    Rule(
        "prompts: of problems, and of human rows",
        f"base {DRAWS} dataset control evaluation",
        "prompt.*",
    ),
    Rule(
        "the hinted prompt is a template of its own",
        "base samples dataset control evaluation",
        "prompt.template",
    ),
    Rule("the prompt with the answer in it", "hinted_samples dataset", "prompt.hint_template"),
    Rule("of examples, which there are none of", "dataset", "prompt.separator prompt.seed"),
    Rule(
        "of a chat, which there is not",
        "dataset",
        "tripost:prompt.system diversification:prompt.system",
    ),
    # what is drawn
    Rule("whose solutions", "policy dataset", "recipe.teacher recipe.sampler recipe.improve_steps"),
    Rule(
        "which problems are learnt, and so which are measured as learnt",
        f"{DRAWS} translated_samples dataset evaluation",
        "recipe.problems",
    ),
    Rule(
        "the same of instructions",
        "dataset evaluation",
        "diversification:recipe.budget recipe.instructions diversification:recipe.power_law",
    ),
    Rule("how solutions are drawn in rounds", f"{DRAWS} trajectories dataset", "recipe.sampling.*"),
    Rule(
        "and held-out problems too",
        f"{DRAWS} trajectories dataset evaluation",
        "recipe.sampling.max_tokens recipe.sampling.stop recipe.sampling.thinking.*"
        " tripost:recipe.sampling.*",
    ),
    Rule(
        "a stage that only some recipes have",
        "hinted_samples rationalizations dataset",
        "recipe.rationalize",
    ),
    # what is right
    Rule("what is right", "verifications rationalizations trajectories evaluation", "verifier.*"),
    Rule(
        "what is read in another way, beside it",
        "verifications rationalizations translations evaluation",
        "second_opinion",
    ),
    # what is measured
    Rule("how policies are measured", "evaluation", "evaluation.*"),
    Rule(
        "test problems of a suite",
        "problems evaluation",
        "evaluation.suites evaluation.suites.*.problems evaluation.suites.*.task.*",
    ),
    Rule(
        "what of it is not measured",
        "evaluation",
        "evaluation.suites.*.task.train evaluation.suites.*.task.human"
        " evaluation.suites.*.task.validation evaluation.suites.*.task.transfer"
        " evaluation.suites.*.task.unseen",
    ),
    # methods
    Rule("how a method is asked", "samples dataset evaluation", "recipe.methods.*.prompt.*"),
    Rule(
        "and in a chat, where translations are asked for too",
        "samples translated_samples dataset evaluation",
        "recipe.methods.*.prompt.chat recipe.methods.*.prompt.template_arguments",
    ),
    Rule(
        "of hints, a chat and examples, which there are none of",
        "dataset",
        "recipe.methods.*.prompt.hint_template recipe.methods.*.prompt.system"
        " recipe.methods.*.prompt.separator recipe.methods.*.prompt.seed",
    ),
    Rule("how its solutions are drawn in rounds", "samples dataset", "recipe.methods.*.sampling.*"),
    Rule(
        "and of held-out problems too",
        "samples dataset evaluation",
        "recipe.methods.*.sampling.max_tokens recipe.methods.*.sampling.stop"
        " recipe.methods.*.sampling.thinking.*",
    ),
    Rule(
        "which of its solutions are right",
        "verifications translations dataset evaluation",
        "recipe.methods.*.verifier.*",
    ),
    Rule(
        "translations",
        "translated_samples dataset",
        "recipe.methods.*.translation recipe.translation.* recipe.cross_training",
    ),
    Rule(
        "from which, and so to which, there are some",
        "samples translated_samples dataset",
        "recipe.methods.*.sampled",
    ),
    Rule("its name", "samples translated_samples dataset evaluation", "recipe.methods.*.name"),
    # attempts and their corrections
    Rule(
        "who corrects attempts, and how",
        "trajectories dataset",
        "recipe.feedback.* recipe.improver.* recipe.self_feedback_from_round"
        " recipe.max_updates recipe.max_words"
        " recipe.filters",
    ),
    Rule(
        "how they are written, by the policy that is measured too",
        "trajectories dataset evaluation",
        "recipe.wording.*",
    ),
    Rule(
        "where an attempt ends",
        "samples trajectories dataset evaluation",
        "recipe.wording.feedback",
    ),
    Rule(
        "how often the policy corrects itself when it is measured",
        "dataset evaluation",
        "recipe.updates_at_test",
    ),
    Rule(
        "who also says what of the policy's own feedback is right",
        "trajectories dataset evaluation",
        "recipe.feedback.script",
    ),
    # where the base is the model as it is
    Rule("it has no training", "", "mmst:base.trainer"),
    Rule("no chance", f"{DRAWS} translated_samples dataset checkpoint evaluation", "mmst:seed"),
    Rule("and no end of it", "dataset checkpoint", "mmst:recipe.early_stopping.*"),
    # none of it
    Rule(
        "where, how fast and how safely stages run, and what is looked at beside them",
        "",
        "engine.* execution.* trainer.execution.* base.trainer.execution.* contamination.*"
        " human_only sweep",
    ),
)


# -- other values ----------------------------------------------------------------------------------


class Beside(dict):
    """Values of settings of the same section, of which the one that is looked at cannot be
    changed alone."""


class Section(dict):
    """What the whole section is to be instead."""


THOUGHT = {"start": "<a>", "end": "</a>"}
# where no other one can be guessed; of several for a setting the last one counts
VALUES: dict[str, Any] = {
    "model": "other",
    "model.width": 32,
    "model.inner": 24,
    "model.heads": 4,
    "rounds": 1,
    "task.type": Section(WORDS | {"seed": 1}),
    "*.task.type": Section(WORDS),
    "rest_em:task.type": Section(SUMS),
    "mmst:task.type": Section(SUMS),
    "*seen": [[3, 0], [4, 0]],
    "*unseen": [[3, 0, 40]],
    "task.alphabet": "abcdefghijklmnop",
    "task.length": 18,
    "task.search": 4,
    "task.replacement": 4,
    "task.families": "mirrored",
    "task.k": 3,
    "task.unseen_families": "mirrored",
    "task.unseen_k": 3,
    "task.rules": 6,
    "task.power_law": 1.0,
    "task.occurrences": 2,
    "task.held_out_occurrences": 2,
    "diversification:task.train": 28,
    "*largest_result": 30,
    "task.unseen_rules": 1,
    "diversification:task.unseen": "rules",
    "*prompt.template_arguments": Beside(chat=True, template_arguments={"mood": " !"}),
    "*prompt.examples": "gsm8k",
    "*.stop": ["Q:"],
    "*.thinking.start": Beside(THOUGHT),
    "*.thinking.end": Beside(THOUGHT),
    "*.thinking.budget": Beside(THOUGHT, budget=3),
    "sources": {"sums": {"task": SUMS}},
    "*.power_law": 1.0,
    "recipe.teacher": "other",
    "mmst:recipe.init_from": "previous",
    "recipe.mix": {"human": 0.5},
    "rest_em:recipe.mix": {"sums": 0.25},
    "recipe.budget": 9,
    "recipe.methods.*.name": "words",
    "recipe.cross_training": {"text": {"code": 0.5}},
    "recipe.wording.separator": ";",
    "recipe.wording.step": " {text}",
    "recipe.wording.answer": "### {text}",
    "recipe.feedback.by": "self",
    "recipe.feedback.script": f"{__name__}:OTHER_SCRIPT",
    "recipe.*.model": "other",
    "recipe.filters": ["too_long"],
    "*verifier.type": Section(type="text"),
    "*trainer.type": Section(type="scripted", steps=4),
    "*trainer": {"steps": 4},
    "*trainer.epochs": Beside(steps=None, epochs=2.0),
    "*trainer.lora": {"r": 2},
    "*trainer.lora.target_modules": ["q_proj"],
    "*trainer.quantization": Beside(quantization="nf4", lora={}),
    "*trainer.arguments": {"optim": "sgd"},
    "*.execution.micro_batch_size": 1,
    "*.execution.sharding": Beside(sharding="fsdp", processes=2),
    "*.execution.speed_arguments": {"dataloader_num_workers": 1},
    "*pass_at": [1],
    "evaluation.majority_at": [1],
    "evaluation.suites": {"other": {"task": SUMS}},
    "*.suites.*.method": "text",
    "contamination.allow": [{"problem": "nothing", "reason": "an example"}],
    "engine.type": Section(type="transformers"),
    "execution.sandbox.workers": 1,
    "execution.sandbox.hosts": ["tcp://other:2375"],
    "execution.sandbox.packages": ["numpy"],
    "execution.trackers.report_to": ["tensorboard"],
    "forks": [{"experiment": "other", "iteration": 1}],
    "sweep": {"grid": {"trainer.learning_rate": [0.1, 0.2]}},
}
LEFT_OUT = {
    "recipe.type": "each experiment here is of another recipe",
    "diversification:rounds": "it has one",
    "diversification:task.type": "no other task has solutions of all its problems",
    "tripost:task.type": "no other task has a script that finds errors",
    "rest_em:evaluation.suites.*.method": "there is one",
    "*.suites.*.prompt.few_shot": "a suite has no examples",
    "diversification:forks": "it has no round behind one",
}


def leaves(
    value: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every setting below this one that is no section, and its value."""
    if isinstance(value, BaseModel):
        parts: Mapping[Any, Any] = {name: getattr(value, name) for name in type(value).model_fields}
    elif isinstance(value, tuple) and any(isinstance(part, BaseModel) for part in value):
        parts = dict(enumerate(value))
    elif isinstance(value, dict) and any(isinstance(part, BaseModel) for part in value.values()):
        parts = value
    else:
        yield path, value
        return
    for name, part in parts.items():
        yield from leaves(part, (*path, name))


def written(value: Any) -> Any:
    """Settings as a file could hold them, those that are left out of keys included."""
    if isinstance(value, BaseModel):
        return {name: written(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {name: written(part) for name, part in value.items()}
    return [written(part) for part in value] if isinstance(value, list | tuple) else value


def other(value: Any, annotation: Any) -> Any:
    """Some value that is not this one."""
    if isinstance(value, bool):
        return not value
    if choices := [choice for choice in literals(annotation) if choice != value]:
        return choices[0]
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value / 2 if value else 0.5
    return f"{value or ''} x"


def literals(annotation: Any) -> list[Any]:
    """What an annotation lists."""
    inner = get_args(annotation)
    return (
        list(inner)
        if get_origin(annotation) is Literal
        else [choice for part in inner for choice in literals(part)]
    )


def matching(patterns: Mapping[str, Any], name: str, leaf: str) -> list[Any]:
    """The entries for this setting of this experiment."""
    return [
        entry
        for pattern, entry in patterns.items()
        if any(fnmatchcase(leaf_, pattern) for leaf_ in (leaf, f"{name}:{leaf}"))
    ]


def changed(config: Experiment, name: str, path: tuple[str | int, ...], value: Any) -> Experiment:
    """The same experiment with another value of one setting."""
    section: Any = config
    for part in path[:-1]:
        section = getattr(section, part) if isinstance(section, BaseModel) else section[part]
    known = matching(VALUES, name, ".".join(map(str, path)))
    chosen = known[-1] if known else other(value, type(section).model_fields[path[-1]].annotation)
    data = copy.deepcopy(written(config))
    if config.recipe.methods:
        data = {
            section: values
            for section, values in data.items()
            if section not in ("prompt", "verifier")
        }
    above, at = data, path[:-1]
    if isinstance(chosen, Section):
        path = path[:-1]
        at = path[:-1]
    for part in at:
        above = above[part]
    above |= (
        chosen
        if isinstance(chosen, Beside)
        else {path[-1]: dict(chosen) if isinstance(chosen, Section) else chosen}
    )
    return parse_experiment(data, "changed")


NAMES = {"inputs/problems": "problems", "base/checkpoint": "base"}


def asked(store: Store, config: Experiment) -> dict[str, Any]:
    """Key and parents that each stage of this finished store wants, in the last round of the first
    settings."""
    run = Run("known", config, store)
    last = max(m.scope for m in store.manifests("known") if m.scope.startswith("iter"))
    controlled = config.model_copy(update={"human_only": True})
    of_last = controlled.model_copy(update={"rounds": int(last[5:])})
    wanted_of = {
        **everything_wanted(replace(run, config=of_last)),
        **everything_wanted(replace(run, config=controlled)),
    }
    found: dict[str, Any] = {}
    for (scope, stage), wanted in wanted_of.items():
        if scope.startswith("iter") and scope != last:
            continue
        if store.manifest("known", scope, stage) is not None:
            asked_for = wanted(run)
            found[f"{scope}/{stage}"] = asked_for.key, asked_for.parents
    return found


def short(stage: str) -> str:
    """What the rules call it."""
    scope, _, name = stage.partition("/")
    return NAMES.get(stage) or (
        "control" if scope.startswith("human") and name == "checkpoint" else name
    )


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    return {
        short(stage)
        for stage in before.keys() | after.keys()
        if before.get(stage) != after.get(stage)
    }


def remembering(load: Callable[[Generated], list[Problem]]) -> Callable[[Generated], list[Problem]]:
    """Loads the problems of each settings once: most changes leave the task as it is."""
    loaded: dict[str, list[Problem]] = {}

    def remembered(task: Generated) -> list[Problem]:
        settings = repr(task)  # every field, those too that are left out of keys
        if settings not in loaded:
            loaded[settings] = load(task)
        return list(loaded[settings])

    return remembered


TEMPLATE = "{% for message in messages %}Q: {{ message.content }}{{ mood }} A:{% endfor %}"


@pytest.fixture(scope="module", params=EXPERIMENTS)
def finished(request, tmp_path_factory):
    """Name, settings and store of each experiment, all of whose rounds are done."""
    folder = tmp_path_factory.mktemp("finished")
    for model in ("chat", "other"):
        shutil.copytree(resolve_model("embedded").directory, folder / model)
        settings = folder / model / "tokenizer_config.json"
        settings.write_text(
            json.dumps(json.loads(settings.read_text()) | {"chat_template": TEMPLATE, "of": model})
        )
    with pytest.MonkeyPatch.context() as patched, keys.nothing_slow():
        patched.chdir(folder)
        patched.setattr(Generated, "load", remembering(Generated.load))
        run = keys.open_run(folder, "known", COMMON | EXPERIMENTS[request.param])
        keys.run_all(run)
        yield request.param, run.config, Store(folder / "runs")


def test_a_setting_changes_the_keys_of_just_the_stages_that_the_rules_name(finished):
    name, config, store = finished
    before = asked(store, config)
    wrong = []
    for path, value in leaves(config):
        leaf = ".".join(map(str, path))
        if not fnmatchcase(leaf, ONLY.get(name, "*")) or matching(LEFT_OUT, name, leaf):
            continue
        if config.recipe.methods and path[0] in ("prompt", "verifier"):
            continue
        rules = [
            rule for rule in RULES if matching(dict.fromkeys(rule.leaves.split(), True), name, leaf)
        ]
        expected = (
            {*rules[-1].stages.split()} & {short(stage) for stage in before} if rules else "no rule"
        )
        try:
            found = differing(before, asked(store, changed(config, name, path, value)))
        except Exception as error:
            found = f"{type(error).__name__} {error}"[:150]
        if found != expected:
            wrong.append(
                (
                    leaf,
                    sorted(found) if isinstance(found, set) else found,
                    sorted(expected) if rules else "no rule",
                )
            )
    assert not wrong, "\n".join(
        f"{leaf}: {found} expected {expected}" for leaf, found, expected in wrong
    )


MADE_FROM = {
    "problems": f"base {DRAWS} verifications rationalizations translated_samples translations "
    "dataset control evaluation",
    "base": "evaluation",
    "policy": f"{DRAWS} translated_samples",
    "samples": "verifications trajectories",
    "verifications": "hinted_samples translated_samples trajectories dataset",
    "hinted_samples": "rationalizations",
    "rationalizations": "dataset",
    "translated_samples": "translations",
    "translations": "dataset",
    "trajectories": "dataset",
    "dataset": "checkpoint",
    "checkpoint": "evaluation",
    "control": "evaluation",
    "evaluation": "evaluation",  # the base's, which later ones are compared with
}


def test_what_is_made_from_something_else_is_made_anew(finished, monkeypatch):
    name, config, store = finished
    before, as_it_is, wrong = asked(store, config), Store.manifest, []
    for changed_one in before:

        def with_another(*names: Any, changed_one: str = changed_one) -> Manifest | None:
            manifest = as_it_is(*names)
            is_it = manifest is not None and f"{manifest.scope}/{manifest.stage}" == changed_one
            return replace(manifest, digest="another") if manifest and is_it else manifest

        with monkeypatch.context() as patched:
            patched.setattr(Store, "manifest", with_another)
            found = differing(before, asked(store, config))
        stages = {short(stage) for stage in before}
        expected = {*MADE_FROM[short(changed_one)].split()} & stages
        if short(changed_one) == "evaluation" and not changed_one.startswith("base/"):
            expected = set()
        if name == "mmst":
            expected -= {"base"}  # which is the model as it is
        if name == "tripost" and short(changed_one) == "verifications":
            expected -= {"dataset"}  # whose rows are of the trajectories alone
        if found != expected:
            wrong.append(f"{changed_one}: {sorted(found)} expected {sorted(expected)}")
    assert not wrong, "\n".join(wrong)
