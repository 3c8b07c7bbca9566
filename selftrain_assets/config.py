"""One experiment, typed. Everything that a person can set is reached from `Experiment`.

Imports neither dagster nor torch. Defaults are the vetted settings, so what stands in a file is visibly its author's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, Field, ModelWrapValidatorHandler, PrivateAttr, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from selftrain_assets.core.errors import UserError, nearest
from selftrain_assets.core.forks import CHANGEABLE, Fork
from selftrain_assets.core.prompts import PromptSettings
from selftrain_assets.core.sampling import DrawSettings, Sampling
from selftrain_assets.core.settings import Execution, Identity, merged, with_types
from selftrain_assets.core.statistics import TieRule
from selftrain_assets.core.sweep import Sweep
from selftrain_assets.engines import AnyEngine, TransformersSettings
from selftrain_assets.recipes import AnyRecipe, RestEM, TriPosT
from selftrain_assets.tasks import AnyTask, WordProblems
from selftrain_assets.tasks.defaults import with_task_defaults
from selftrain_assets.trainers import AnyTrainer, SftTrainer
from selftrain_assets.verifiers import AnyVerifier, NumericVerifier, SandboxSettings


class Suite(Identity):
    """The test problems of another task, on which every policy is measured too, with the base's numbers beside: what is learnt should
    not cost what was known. `prompt`, `verifier` and `sampling` are those of the task where they are not set."""

    task: AnyTask = Field(description="whose test problems they are")
    prompt: PromptSettings = Field(PromptSettings(), description="asks for a solution")
    verifier: AnyVerifier = Field(NumericVerifier(), description="who says what is right")
    sampling: DrawSettings = Field(DrawSettings(), description="length and stops; temperature and top_p are those of the evaluation")
    problems: int = Field(0, ge=0, description="test problems used; 0 is all")
    samples_per_problem: int = Field(0, ge=0, description="completions drawn per problem for pass@k; 0: the greedy one alone")
    pass_at: tuple[int, ...] = Field((), description="k of pass@k; none above samples_per_problem")
    method: str | None = Field(None, description="whose weights answer, where a recipe trains weights for each of its methods")

    @model_validator(mode="before")
    @classmethod
    def _types(cls, data: Any) -> Any:
        return with_types(cls, with_task_defaults(data))

    @model_validator(mode="after")
    def _can_be_asked(self):
        if any(not 1 <= k <= self.samples_per_problem for k in self.pass_at):
            raise ValueError(f"pass_at {list(self.pass_at)} must lie between 1 and samples_per_problem {self.samples_per_problem}")
        if self.prompt.few_shot:
            raise ValueError("prompt.few_shot: a suite has no human problems; name a file of worked examples, prompt.examples")
        return self


SuiteName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class Evaluation(Identity):
    """How every policy is judged on held-out problems. Sampling defaults: ReST-EM section 5."""

    samples_per_problem: int = Field(8, ge=1, description="completions drawn per test problem for pass@k and maj@k")
    temperature: float = Field(1.0, gt=0, description="of those completions")
    top_p: float = Field(0.95, gt=0, le=1, description="of those completions")
    pass_at: tuple[int, ...] = Field((1, 2, 4, 8), description="k of pass@k; none above samples_per_problem")
    majority_at: tuple[int, ...] = Field((8,), description="k of maj@k; none above samples_per_problem")
    ties: TieRule = Field("share", description="maj@k where several answers lead: share the credit, or fail")
    train_problems: int = Field(200, ge=0, description="training problems decoded greedily, for the train/test gap")
    confidence: float = Field(0.95, gt=0, lt=1, description="of the bootstrap intervals over problems")
    resamples: int = Field(2000, ge=100, description="bootstrap resamples")
    suites: dict[SuiteName, Suite] = Field({}, description="other tasks that every policy is measured on too, by a name for each")

    @model_validator(mode="after")
    def _k_within_n(self):
        for name in ("pass_at", "majority_at"):
            if any(k > self.samples_per_problem or k < 1 for k in getattr(self, name)):
                raise ValueError(
                    f"{name} {list(getattr(self, name))} must lie between 1 and samples_per_problem "
                    f"{self.samples_per_problem}; draw more samples or ask for a smaller k"
                )
        return self

    def draws(self, sampling: DrawSettings, samples_per_problem: int | None = None) -> Sampling:
        """For pass@k and maj@k, with the length and stops of `sampling`."""
        shape = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": sampling.max_tokens, "stop": sampling.stop}
        return Sampling(**shape, samples_per_problem=samples_per_problem or self.samples_per_problem)


class Base(Identity):
    """The policy that round 1 samples from."""

    fine_tune: Literal["none", "human"] = Field("none", description="none: the model as it is; human: fine-tuned on the human rows first")
    trainer: AnyTrainer | None = Field(None, description="settings of that fine-tuning; None: those of the rounds")


class ExecutionSettings(Execution):
    """How the stages run; never part of a key."""

    shard_size: int = Field(4096, ge=1, description="samples per committed shard, at most")
    shard_seconds: float = Field(30.0, ge=0, description="age at which a smaller one is committed, asked whenever a sample comes")
    sandbox: SandboxSettings = Field(SandboxSettings(), description="where the programs of verifier code run")


class Experiment(BaseModel):
    """What one YAML file says."""

    model_config = Identity.model_config

    model: str = Field("embedded", description="Hugging Face model directory or hub name; embedded is the one that ships with selftrain")
    seed: int = Field(0, ge=0, description="seed of sampling, selection and training")
    rounds: int = Field(3, ge=1, le=999, description="iterations of the loop")
    task: AnyTask = Field(WordProblems(), description="problems and their splits")
    prompt: PromptSettings = Field(PromptSettings(), description="from a problem to the text that is completed")
    recipe: AnyRecipe = Field(RestEM(), description="the self-training algorithm")
    verifier: AnyVerifier = Field(NumericVerifier(), description="who says what is right")
    base: Base = Field(Base(), description="the policy that round 1 samples from")
    trainer: AnyTrainer = Field(SftTrainer(), description="the M-step")
    evaluation: Evaluation = Field(Evaluation(), description="held-out measurements")
    human_only: bool = Field(False, description="as a control, also fine-tune on the human rows alone, for the steps of a round and of all")
    engine: AnyEngine = Field(TransformersSettings(), description="what samples")
    execution: ExecutionSettings = Field(ExecutionSettings(), description="how stages run")
    forks: tuple[Fork, ...] = Field((), description="which experiment it goes on from, and with what changes; `selftrain fork` writes it")
    sweep: Sweep | None = Field(None, description="values of fields that it is run with, each an experiment of its own (docs/sweeps.md)")
    _later: dict[int, Experiment] = PrivateAttr(default_factory=dict)

    @property
    def phases(self) -> dict[int, Experiment]:
        """Settings of the rounds, by the first round that has them; only a fork has several."""
        return {1: self, **self._later}

    @model_validator(mode="before")
    @classmethod
    def _types(cls, data: Any) -> Any:
        return with_types(cls, with_task_defaults(data, (RestEM, TriPosT)))

    def verifiers(self) -> list[AnyVerifier]:
        """Of each method, or the one."""
        return [m.verifier for m in self.recipe.methods] or [self.verifier]

    @model_validator(mode="after")
    def _suites_fit(self):
        names = [m.name for m in self.recipe.methods]
        for name, suite in self.evaluation.suites.items():
            if name in names:
                raise ValueError(f"evaluation.suites.{name}: this is the name of a method; give the suite another")
            if suite.method is None and self.recipe.trained != (None,):
                raise ValueError(f"evaluation.suites.{name}.method: each method has weights of its own; say whose are to answer: {names}")
            if suite.method is not None and suite.method not in names:
                raise ValueError(f'evaluation.suites.{name}.method: there is no method "{suite.method}"{nearest(suite.method, names)}')
        return self

    @model_validator(mode="after")
    def _methods_ask_and_verify(self):
        for section in ("prompt", "verifier"):
            if self.recipe.methods and section in self.model_fields_set:
                raise ValueError(f"{section}: recipe {self.recipe.type} has one for each of its methods; set it there (recipe.methods)")
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _forked(cls, data: Any, validated: ModelWrapValidatorHandler[Experiment]) -> Experiment:
        config = validated(data)
        if isinstance(data, Mapping):
            config._later = _after_forks(config, data)
            if config.sweep is not None:
                config.sweep.settle(data, Experiment.model_validate, _sentence)
        return config


def _after_forks(config: Experiment, data: Mapping[str, Any]) -> dict[int, Experiment]:
    """Settings of the rounds after each fork, by the first of them. Changes are merged into `data`, which is what the file says, in
    the order of the forks, and must fit each time; else ValidationError names them."""
    later = {}
    for last in sorted({fork.iteration for fork in config.forks}):
        values = {name: value for name, value in data.items() if name != "forks"}
        changed = config
        for place, fork in enumerate(config.forks):
            if fork.iteration <= last:
                values = merged(values, fork.changes)
                changed = _changed(config, ("forks", place), values)
        later[last + 1] = changed.model_copy(update={"forks": config.forks})
    return later


def _changed(config: Experiment, at: tuple[str, int], values: dict[str, Any]) -> Experiment:
    fork = config.forks[at[1]]
    if fork.iteration >= config.rounds:
        message = f"should be less than rounds, which is {config.rounds}, or no round comes after it; it is {fork.iteration}"
        raise _refusal((*at, "iteration"), message)
    within = (*at, "changes")
    if fixed := [name for name in fork.changes if name in Experiment.model_fields and name not in CHANGEABLE]:
        message = f"all rounds share it; after a fork only {', '.join(CHANGEABLE)} can change; {_instead(fixed[0])}"
        raise _refusal((*within, fixed[0]), message)
    recipe = fork.changes.get("recipe")
    if isinstance(recipe, Mapping) and (wanted := recipe.get("type", config.recipe.type)) != config.recipe.type:
        raise _refusal((*within, "recipe", "type"), f"a fork stays with its recipe, {config.recipe.type}; {_instead(f'recipe {wanted}')}")
    try:
        changed = Experiment.model_validate(values)
    except ValidationError as error:
        details = [InitErrorDetails(**{**e, "loc": (*within, *e["loc"])}) for e in error.errors(include_url=False)]  # type: ignore[typeddict-item]
        raise ValidationError.from_exception_data("Experiment", details) from error
    if misfit := _misfit(config.recipe, changed.recipe):
        raise _refusal((*within, "recipe"), misfit)
    return changed


def _instead(name: str) -> str:
    whole = ("rounds", "human_only", "engine", "execution", "forks")
    return f"set {name} for the whole experiment" if name in whole else f"for another {name} make a new experiment: selftrain new"


def _misfit(before: AnyRecipe, after: AnyRecipe) -> str | None:
    """Why rounds of one recipe cannot follow those of the other: they would differ in what is measured, or in the shape of the graph."""
    if [(m.name, m.prompt, m.verifier) for m in before.methods] != [(m.name, m.prompt, m.verifier) for m in after.methods]:
        return "methods: names, prompts and verifiers must stay, since all rounds are measured by them; sampling and translation can change"
    if before.own_stages != after.own_stages:
        differing = "".join({*before.own_stages} ^ {*after.own_stages})
        return f"all rounds of an experiment have the same stages; these changes would {'drop' if before.own_stages else 'add'} {differing}"
    if before.trained != after.trained:
        return "weights: one model for all methods, or one for each, must stay, since rounds go on from one another's weights"
    return None


def _refusal(loc: tuple[str | int, ...], message: str) -> ValidationError:
    fault = InitErrorDetails(type="value_error", loc=loc, input={}, ctx={"error": ValueError(message)})  # a type that Dagster knows too
    return ValidationError.from_exception_data("Experiment", [fault])


def parse_experiment(values: Any, where: str) -> Experiment:
    """Validate; the first fault becomes one sentence that names `where`, the field, and what is known."""
    try:
        return Experiment.model_validate(values or {})
    except ValidationError as error:
        raise UserError(f"{where}: {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    # A misspelt name often leaves another field missing; the misspelling is the cause, so it is told first. Where a section may also
    # be a plain value, what is wrong inside of it says more than that it is no such value.
    def blurred(e: Any) -> tuple[bool, bool]:
        return e["type"] != "extra_forbidden", e["type"].endswith("_type") and isinstance(e["input"], dict)

    fault = min(error.errors(), key=blurred)
    path, siblings = _locate(fault["loc"])
    name, context = ".".join(path) or "the file", fault.get("ctx", {})
    if fault["type"] == "extra_forbidden":
        return f'unknown field "{name}"{nearest(path[-1], siblings)}'
    if fault["type"].startswith("union_tag"):
        return f'{name}.type: there is no "{context.get("tag")}"{nearest(str(context.get("tag")), _quoted(context["expected_tags"]))}'
    if fault["type"] == "literal_error":
        return f'{name}: there is no "{fault["input"]}"{nearest(str(fault["input"]), _quoted(context["expected"]))}'
    message = fault["msg"].removeprefix("Value error, ").replace("Input should", "should")
    given = "" if isinstance(fault["input"], dict) or fault["type"] == "missing" else f", not {fault['input']!r}"
    return f"{name}: {message}{given}"


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']+)'", text)


PLAIN = ("str", "int", "float", "bool")  # pydantic's names for such branches


def _locate(loc: tuple[int | str, ...]) -> tuple[list[str], list[str]]:
    """The path of a fault as a person wrote it (pydantic adds the tags of unions), and the fields known at its end."""
    path: list[str] = []
    here: list[type[BaseModel]] = [Experiment]
    named_by_person = False
    for part in loc:
        if named_by_person:
            path.append(str(part))
            named_by_person = False
            continue
        if len(here) > 1 and (tagged := [c for c in here if "type" in c.model_fields and c.model_fields["type"].default == part]):
            here = tagged
            continue
        if named := [c for c in here if c.__name__ == part]:  # pydantic's name for a branch of a union
            here = named
            continue
        if part in PLAIN:
            break
        if isinstance(part, int) and path:  # the place in a list
            path[-1] += f"[{part}]"
            continue
        if not here and isinstance(part, str):
            break
        path.append(str(part))
        inner = next((c.model_fields[str(part)].annotation for c in here if part in c.model_fields), None)
        if inner is None:
            break
        here = [Experiment] if here == [Fork] and part == "changes" else _settings_in(inner)
        named_by_person = get_origin(inner) is dict and here != [Experiment]
    return path, sorted({name for c in here for name in c.model_fields})


def _settings_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [c for inner in get_args(annotation) for c in _settings_in(inner)]
