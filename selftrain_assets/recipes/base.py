"""Settings and rules that all recipes share.

They say which stages a round has, which problems it uses, which policy it samples from, what
training starts from, and which rounds contribute samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, GetJsonSchemaHandler, NonNegativeInt, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from selftrain_assets.domain.errors import nearest
from selftrain_assets.domain.mixing import Mixing
from selftrain_assets.domain.sampling import DrawSettings, Sampling
from selftrain_assets.domain.selection import Selection, problem_subset
from selftrain_assets.domain.settings import Identity, merged, with_current_names
from selftrain_assets.domain.types import Problem
from selftrain_assets.plugins import Member, Registry
from selftrain_assets.recipes.presets import Preset
from selftrain_assets.recipes.teachers import Teacher
from selftrain_assets.trainers.early_stopping import EarlyStopping

InitFrom = Literal["base", "pretrained", "previous"]


class Recipe(Member, Identity):
    """Settings of a recipe: the stages of its rounds, and how training starts and ends.

    A recipe inherits these settings and rules and adds its own. The class contains settings only:
    the code that does the work is in the module that `implementation` names.
    """

    registry: ClassVar[Registry[Recipe]] = Registry("recipe")
    implementation: ClassVar[str]
    """Module with an IMPLEMENTATION (pipeline/recipe.py). Named and not imported, because settings
    load in no time and the work needs the store."""
    report: ClassVar[str | None] = None
    """Module with a REPORT (reports/recipes.py), where it adds something to reports."""
    presets: ClassVar[Mapping[str, Preset]] = {}
    renamed: ClassVar = {"init_from": "start", "early_stopping": "inner_stop"}
    most_rounds: ClassVar[int | None] = None
    """Rounds after which a further one would only repeat what is there; None: there is no end."""
    learns_solutions: ClassVar[bool] = False
    """Does it learn from the reference solutions of the training problems, which a published set
    otherwise keeps back?"""

    type: str = ""
    if TYPE_CHECKING:
        sampling: Sampling  # of recipes with one way to solve a problem

        @property
        def methods(self) -> Sequence[Any]: ...

    init_from: InitFrom = Field(
        "base",
        description=(
            "what the M-step starts from: base, the pretrained model below it, or the previous"
            " checkpoint"
        ),
    )
    early_stopping: EarlyStopping = Field(
        EarlyStopping(), description="when the M-step ends before its last step"
    )

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not cls.presets:
            return data
        data = with_current_names(data, cls.renamed)
        name = data.get("preset", next(iter(cls.presets)))
        if not isinstance(name, str) or name not in cls.presets:
            others = [kind for kind, recipe in cls.registry.items() if name in list(recipe.presets)]
            hint = nearest(str(name), cls.presets)
            if others:
                hint = f"; it is one of recipe {others[0]}"
            raise ValueError(f'there is no preset "{name}"{hint}')
        preset = cls.presets[name]
        if preset.needs is not None and data.get(preset.needs) is None:
            raise ValueError(
                f"preset {name} needs the field {preset.needs}; set it beside the preset"
            )
        settings = with_current_names(preset.settings, cls.renamed)
        return merged(settings, {name: value for name, value in data.items() if name != "preset"})

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """With `preset`, which stands for settings and is none itself."""
        schema = super().__get_pydantic_json_schema__(core, handler)
        if cls.presets:
            about = "; ".join(f"{name}: {preset.about}" for name, preset in cls.presets.items())
            properties = handler.resolve_ref_schema(schema)["properties"]
            properties["preset"] = {"enum": list(cls.presets), "description": about}
        return schema

    @classmethod
    def source_files(cls) -> list[Path]:
        """With the file of its work, where that is not the work of one of ours."""
        files, module = super().source_files(), cls.__dict__.get("implementation")
        if not module or module == cls.__module__ or not files:
            return files
        try:
            spec = find_spec(module)
        except ImportError:  # which importing it says
            spec = None
        return [*files, Path(spec.origin)] if spec and spec.origin else files

    @property
    def own_stages(self) -> tuple[str, ...]:
        """Names of the stages that the recipe adds to a round; `implementation` defines them."""
        return ()

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages of a round, in order."""
        return ("dataset", "checkpoint", "evaluation")

    @property
    def learns_from(self) -> tuple[str, ...]:
        """Stages whose results become rows."""
        return ()

    @property
    def teachers(self) -> dict[str, Teacher]:
        """The models that the recipe samples besides the policy, by the setting that names each."""
        return {}

    @property
    def drawn(self) -> Sampling:
        """How solutions are sampled, for a recipe with one way to solve a problem."""
        return self.sampling

    @property
    def trained(self) -> tuple[str | None, ...]:
        """The models that the M-step trains.

        None is one model for all rows; a method is a model of its own, trained on the method's
        rows.
        """
        return (None,)

    @property
    def selection(self) -> Selection | None:
        """The rules that select training rows among correct samples, or None."""
        return self if isinstance(self, Selection) else None

    @property
    def mixing(self) -> Mixing | None:
        """The rules for mixing in rows of other sources, or None."""
        return self if isinstance(self, Mixing) else None

    @property
    def own_sampling(self) -> tuple[DrawSettings, ...]:
        """Sampling settings of the recipe's own stages, if they differ from those of solutions."""
        return ()

    @property
    def needed_splits(self) -> tuple[str, ...]:
        """Splits that must contain problems for the recipe to work."""
        return ("train", "test")

    @property
    def sampled_teacher(self) -> Teacher | None:
        """The model that is sampled in place of the policy, or None."""
        return None

    @property
    def learns_own_samples(self) -> bool:
        """Whether a round needs at least one correct sample to have something to learn from."""
        return bool(self.learns_from)

    def policy_round(self, iteration: int) -> int:
        """The round whose checkpoint round `iteration` samples from; 0 is the base."""
        return iteration - 1

    def pairs(self) -> dict[tuple[str, str], float]:
        """Weights of rows by (method of the original solution, method it was translated into).

        Empty for a recipe with one method.
        """
        return {}

    @property
    def rows_per_method(self) -> str:
        """How the numbers of rows of several methods are balanced (store/selection.py)."""
        return "off"

    def train_problems(self, problems: Sequence[Problem], seed: int) -> list[Problem]:
        """The problems that rounds learn from.

        Args:
            problems: All problems of the task.
            seed: Of the experiment, for a choice among them.
        """
        return [p for p in problems if p.split == "train"]

    def sample_rounds(self, iteration: int) -> list[int]:
        """Rounds whose samples enter this round's dataset, newest first."""
        return []


class Rounds(Recipe):
    """A recipe whose rounds sample from the policy, verify, and train on what is correct."""

    teacher: Teacher | None = Field(
        None,
        description=(
            "model that is sampled instead of the policy (distillation): a directory, a hub name,"
            " {experiment, iteration}, or one that a server has, {base_url, model}"
        ),
    )
    accumulate: Literal["none", "all"] | NonNegativeInt = Field(
        "none", description="earlier rounds whose samples count again: none, all, or the last n"
    )
    problems: int = Field(0, ge=0, description="training problems used; 0 is all")

    @property
    def stages(self) -> tuple[str, ...]:
        return ("policy", "samples", "verifications", *self.own_stages, *super().stages)

    @property
    def learns_from(self) -> tuple[str, ...]:
        return ("verifications", *self.own_stages)

    @property
    def teachers(self) -> dict[str, Teacher]:
        return {} if self.teacher is None else {"recipe.teacher": self.teacher}

    def train_problems(self, problems: Sequence[Problem], seed: int) -> list[Problem]:
        return problem_subset(super().train_problems(problems, seed), self.problems, seed)

    @property
    def sampled_teacher(self) -> Teacher | None:
        return self.teacher

    def sample_rounds(self, iteration: int) -> list[int]:
        earlier = (
            self.accumulate
            if isinstance(self.accumulate, int)
            else {"none": 0, "all": iteration - 1}[self.accumulate]
        )
        return list(range(iteration, max(0, iteration - 1 - earlier), -1))
