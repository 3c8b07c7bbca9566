"""One experiment, typed. Everything that a person can set is reached from `Experiment`.

Imports neither dagster nor torch. Defaults are the vetted settings, so what stands in a file is
visibly its author's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails

from selftrain_assets.config.errors import sentence
from selftrain_assets.config.evaluation import Evaluation, SectionName
from selftrain_assets.config.forks import CHANGEABLE, Fork
from selftrain_assets.config.merging import recipe_class, with_changes
from selftrain_assets.config.sweep import Sweep
from selftrain_assets.domain.errors import UserError, nearest
from selftrain_assets.domain.mixing import HUMAN
from selftrain_assets.domain.prompts import PromptSettings
from selftrain_assets.domain.random_init import ScratchModel
from selftrain_assets.domain.settings import Execution, Identity, with_types
from selftrain_assets.domain.waivers import Contamination
from selftrain_assets.engines import EngineSettings, TransformersSettings
from selftrain_assets.plugins import relocated
from selftrain_assets.recipes import Recipe, RestEM
from selftrain_assets.tasks import Task, WordProblems
from selftrain_assets.tasks.defaults import with_task_defaults
from selftrain_assets.trainers import SftTrainer, Trainer
from selftrain_assets.trainers.tracking import Trackers
from selftrain_assets.verifiers import (
    CodeVerifier,
    NumericVerifier,
    SandboxSettings,
    Verifier,
    with_members,
)


class Source(Identity):
    """Solved problems of another task, for the setting `recipe.mix` of a recipe.

    Their reference solutions can be mixed into what a recipe trains on. `prompt` is that of the
    task where it is not set.
    """

    task: Task = Field(description="task whose solved training problems are mixed in")
    prompt: PromptSettings = Field(PromptSettings(), description="asks for a solution")
    power_law: float | None = Field(
        None,
        gt=0,
        description=(
            "where not all rows are taken: alpha of the power law of rows by group of problems;"
            " none: at random"
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _types(cls, data: Any) -> Any:
        filled = with_task_defaults(data)
        return with_types(
            cls,
            (
                {k: v for k, v in filled.items() if k in data or k == "prompt"}
                if isinstance(data, dict)
                else data
            ),
        )


class Base(Identity):
    """The policy that round 1 samples from."""

    fine_tune: Literal["none", "human"] = Field(
        "none", description="none: the model as it is; human: fine-tuned on the human rows first"
    )
    trainer: Trainer | None = Field(
        None, description="settings of that fine-tuning; None: those of the rounds"
    )

    @model_validator(mode="before")
    @classmethod
    def _types(cls, data: Any) -> Any:
        """A trainer without `type` is of the kind that an experiment's own is by default."""
        trainer = data.get("trainer") if isinstance(data, dict) else None
        return (
            {**data, "trainer": {"type": SftTrainer.model_fields["type"].default, **trainer}}
            if isinstance(trainer, dict)
            else data
        )


class ExecutionSettings(Execution):
    """How the stages run; never part of a key."""

    shard_size: int = Field(4096, ge=1, description="samples per committed shard, at most")
    shard_seconds: float = Field(
        30.0,
        ge=0,
        description=(
            "seconds after which a smaller shard is committed, checked whenever a sample arrives"
        ),
    )
    sandbox: SandboxSettings = Field(
        SandboxSettings(), description="where the programs of verifier code run"
    )
    trackers: Trackers = Field(
        Trackers(), description="where training curves and the numbers of each round are also shown"
    )


class Experiment(BaseModel):
    """What one YAML file says."""

    model_config = Identity.model_config

    model: str | ScratchModel = Field(
        "embedded",
        description=(
            "Hugging Face model directory or hub name; embedded is the one that ships with"
            " selftrain; {architecture, layers, width, heads}: one of random weights"
        ),
    )
    seed: int = Field(0, ge=0, description="seed of sampling, selection and training")
    rounds: int = Field(3, ge=1, le=999, description="iterations of the loop")
    task: Task = Field(WordProblems(), description="problems and their splits")
    prompt: PromptSettings = Field(
        PromptSettings(), description="turns a problem into the text that the model completes"
    )
    sources: dict[SectionName, Source] = Field(
        {}, description="other tasks whose solutions can be mixed in, by a name for each"
    )
    recipe: Recipe = Field(RestEM(), description="the self-training algorithm")
    verifier: Verifier = Field(NumericVerifier(), description="decides what is right")
    second_opinion: bool = Field(
        True,
        description="also read some wrong and malformed samples in other ways, only for the report",
    )
    base: Base = Field(Base(), description="the policy that round 1 samples from")
    trainer: Trainer = Field(SftTrainer(), description="the M-step")
    evaluation: Evaluation = Field(Evaluation(), description="held-out measurements")
    human_only: bool = Field(
        False,
        description=(
            "also train controls: the base fine-tuned on the human rows alone, with the steps of"
            " one round and of all rounds"
        ),
    )
    contamination: Contamination = Field(
        Contamination(), description="held-out text that is allowed in training rows"
    )
    engine: EngineSettings = Field(TransformersSettings(), description="what samples")
    execution: ExecutionSettings = Field(ExecutionSettings(), description="how stages run")
    forks: tuple[Fork, ...] = Field(
        (),
        description=(
            "experiments that this one continues, and with what changes; `selftrain fork` writes it"
        ),
    )
    sweep: Sweep | None = Field(
        None,
        description=(
            "values of settings to run with, each as an experiment of its own (docs/sweeps.md)"
        ),
    )
    _later: dict[int, Experiment] = PrivateAttr(default_factory=dict)

    @property
    def phases(self) -> dict[int, Experiment]:
        """Settings of the rounds, by the first round that has them; only a fork has several."""
        return {1: self, **self._later}

    @model_validator(mode="before")
    @classmethod
    def _types(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        recipe = recipe_class(data)
        if recipe is not None and "sampling" in recipe.model_fields:
            data = with_task_defaults(data, recipe)
        if recipe is not None and recipe.most_rounds is not None:  # one, unless a file says more
            data = {"rounds": recipe.most_rounds, **data}
        return with_types(cls, data)

    def verifiers(self) -> list[Verifier]:
        """Of each method, or the one."""
        return [m.verifier for m in self.recipe.methods] or [self.verifier]

    def all_verifiers(self) -> list[Verifier]:
        """Those of methods and suites, each followed by its members."""
        suites = (suite.verifier for suite in self.evaluation.suites.values())
        return list(with_members([*self.verifiers(), *suites]))

    def code_verifiers(self) -> list[CodeVerifier]:
        """All that run programs, those of suites included."""
        return [member for member in self.all_verifiers() if isinstance(member, CodeVerifier)]

    @model_validator(mode="after")
    def _programs_fit(self) -> Self:
        for verifier in self.code_verifiers():
            try:
                self.execution.sandbox.require_room(verifier.memory_mib)
            except UserError as error:
                raise ValueError(f"verifier.{error}") from None
        return self

    @model_validator(mode="after")
    def _suites_fit(self) -> Self:
        names = [m.name for m in self.recipe.methods]
        for name, suite in self.evaluation.suites.items():
            if name in names:
                raise ValueError(
                    f"evaluation.suites.{name}: this is the name of a method; give the suite"
                    " another"
                )
            if suite.method is None and self.recipe.trained != (None,):
                raise ValueError(
                    f"evaluation.suites.{name}.method: each method has weights of its own; say"
                    f" whose are to answer: {names}"
                )
            if suite.method is not None and suite.method not in names:
                raise ValueError(
                    f"evaluation.suites.{name}.method: there is no method"
                    f' "{suite.method}"{nearest(suite.method, names)}'
                )
        return self

    @model_validator(mode="after")
    def _sources_are_known(self) -> Self:
        mix = self.recipe.mixing.mix if self.recipe.mixing else {}
        known = [*self.sources, HUMAN]
        if unknown := [name for name in mix if name not in known]:
            advice = (
                nearest(unknown[0], known)
                if self.sources
                else "; name its task in the section `sources`"
            )
            raise ValueError(f'recipe.mix: there is no source "{unknown[0]}"{advice}')
        if HUMAN in self.sources:
            raise ValueError(
                f"sources.{HUMAN}: {HUMAN} means the human problems of the experiment's own task;"
                " give the source another name"
            )
        selection = self.recipe.selection
        if mix.get(HUMAN) and selection and selection.mix_human:
            raise ValueError(
                f"recipe.mix: {HUMAN} and recipe.mix_human both add human rows; keep one of the two"
            )
        return self

    @model_validator(mode="after")
    def _trains_once(self) -> Self:
        most = self.recipe.most_rounds
        if most is not None and self.rounds > most:
            raise ValueError(
                f"rounds: recipe {self.recipe.type} samples nothing, so that a further round would"
                f" repeat the last; set {most}, not {self.rounds}"
            )
        return self

    @model_validator(mode="after")
    def _methods_ask_and_verify(self) -> Self:
        for section in ("prompt", "verifier"):
            if self.recipe.methods and section in self.model_fields_set:
                raise ValueError(
                    f"{section}: recipe {self.recipe.type} has one for each of its methods; set it"
                    " there (recipe.methods)"
                )
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _forked(cls, data: Any, validated: ModelWrapValidatorHandler[Experiment]) -> Experiment:
        config = validated(data)
        if isinstance(data, Mapping):
            config._later = _after_forks(config, data)
            if config.sweep is not None:
                config.sweep.validate_points(data, Experiment.model_validate, _sentence)
        return config


def _after_forks(config: Experiment, data: Mapping[str, Any]) -> dict[int, Experiment]:
    """Settings of the rounds after each fork, by the first of them.

    Changes are merged into `data`, which is what the file says, in the order of the forks, and must
    fit each time; else ValidationError names them.
    """
    later = {}
    for last in sorted({fork.iteration for fork in config.forks}):
        values = {name: value for name, value in data.items() if name != "forks"}
        changed = config
        for place, fork in enumerate(config.forks):
            if fork.iteration <= last:
                values = with_changes(values, fork.changes)
                changed = _changed(config, ("forks", place), values)
        later[last + 1] = changed.model_copy(update={"forks": config.forks})
    return later


def _changed(config: Experiment, at: tuple[str, int], values: dict[str, Any]) -> Experiment:
    fork = config.forks[at[1]]
    if fork.iteration >= config.rounds:
        message = (
            f"should be less than rounds, which is {config.rounds}, or no round comes after it; it"
            f" is {fork.iteration}"
        )
        raise _refusal((*at, "iteration"), message)
    within = (*at, "changes")
    if fixed := [
        name for name in fork.changes if name in Experiment.model_fields and name not in CHANGEABLE
    ]:
        message = (
            f"all rounds share it; after a fork only {', '.join(CHANGEABLE)} can change;"
            f" {_instead(fixed[0])}"
        )
        raise _refusal((*within, fixed[0]), message)
    recipe = fork.changes.get("recipe")
    if (
        isinstance(recipe, Mapping)
        and (wanted := recipe.get("type", config.recipe.type)) != config.recipe.type
    ):
        raise _refusal(
            (*within, "recipe", "type"),
            f"a fork stays with its recipe, {config.recipe.type}; {_instead(f'recipe {wanted}')}",
        )
    try:
        changed = Experiment.model_validate(values)
    except ValidationError as error:
        raise relocated(error, within) from error
    if misfit := _misfit(config.recipe, changed.recipe):
        raise _refusal((*within, "recipe"), misfit)
    return changed


def _instead(name: str) -> str:
    whole = ("rounds", "human_only", "engine", "execution", "forks")
    return (
        f"set {name} for the whole experiment"
        if name in whole
        else f"for another {name} make a new experiment: selftrain new"
    )


def _misfit(before: Recipe, after: Recipe) -> str | None:
    """Why rounds of one recipe cannot follow those of another; None where they can.

    They cannot where the two differ in what is measured, or in the shape of the graph.
    """
    if [(m.name, m.prompt, m.verifier) for m in before.methods] != [
        (m.name, m.prompt, m.verifier) for m in after.methods
    ]:
        return (
            "methods: names, prompts and verifiers must stay, since all rounds are measured by"
            " them; how they are drawn can change"
        )
    if before.own_stages != after.own_stages:
        differing = "".join({*before.own_stages} ^ {*after.own_stages})
        return (
            "all rounds of an experiment have the same stages; these changes would"
            f" {'drop' if before.own_stages else 'add'} {differing}"
        )
    if before.trained != after.trained:
        return (
            "weights: one model for all methods, or one for each, must stay, since rounds go on"
            " from one another's weights"
        )
    return None


def _refusal(loc: tuple[str | int, ...], message: str) -> ValidationError:
    # a type that Dagster knows too
    fault = InitErrorDetails(
        type="value_error", loc=loc, input={}, ctx={"error": ValueError(message)}
    )
    return ValidationError.from_exception_data("Experiment", [fault])


def parse_experiment(values: Any, where: str) -> Experiment:
    """Validate settings.

    Args:
        values: What a file or form says.
        where: Its name, for the message.

    Raises:
        UserError: The first fault, in one sentence that names `where`, the field, and what is
            known.
    """
    try:
        return Experiment.model_validate(values or {})
    except ValidationError as error:
        raise UserError(f"{where}: {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    return sentence(error, Experiment)
