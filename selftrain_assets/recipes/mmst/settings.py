"""Settings of recipe mmst: solve a problem in several ways, each teaching the others."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from selftrain_assets.domain.errors import nearest
from selftrain_assets.domain.mixing import Mixing
from selftrain_assets.domain.prompts import PromptSettings
from selftrain_assets.domain.sampling import DrawSettings, Sampling
from selftrain_assets.domain.selection import Selection
from selftrain_assets.recipes.base import Rounds
from selftrain_assets.recipes.mmst.methods import CODE, TEXT, MethodSettings
from selftrain_assets.recipes.mmst.presets import PRESETS

SizeMatch = Literal["off", "per_method", "total"]


class MMST(Selection, Mixing, Rounds):
    """Multi-Method Self-Training, Upadhyay & Ginsberg 2023 (arXiv 2307.10633), section 3.

    for i = 1 .. rounds:
        draw k solutions of each problem by each method from the policy of round i-1
        verify them
        translate each correct one into every other method that `cross_training` names
        verify the translations
        fine-tune on the correct solutions of every method and on the correct translations,
            starting again from `start`

    The paper gives neither k nor the prompt of the translations, nor says whether these are
    verified: here all are settings, and a translation that does not verify is kept and never
    trained on. With an empty matrix this is single-method self-training (ST).
    """

    type: Literal["mmst"] = "mmst"
    implementation: ClassVar[str] = "selftrain_assets.recipes.mmst.implementation"
    report: ClassVar[str | None] = "selftrain_assets.recipes.mmst.report"
    presets: ClassVar = PRESETS
    methods: tuple[MethodSettings, ...] = Field(
        (TEXT, CODE), min_length=2, description="ways to solve a problem, at least two"
    )
    translation: Sampling = Field(
        Sampling(samples_per_problem=1, temperature=0.8, max_tokens=40),
        description="how translations are drawn: so many of each solution",
    )
    cross_training: dict[str, dict[str, float]] | None = Field(
        None,
        description=(
            "translations to make: {from: {to: weight of their rows}}; a pair that is left out is"
            " not made; without this setting all pairs are, with weight 1"
        ),
    )
    weights: Literal["shared", "per_method"] = Field(
        "shared",
        description="one model for all methods, or for each its own: with trainer.lora an adapter",
    )
    size_match: SizeMatch = Field(
        "off",
        description=(
            "ablation. per_method: no more rows of a method than it found itself; total: no more"
            " rows than all methods found themselves"
        ),
    )
    cap: int = Field(
        4, ge=0, description="correct solutions kept per problem and method; 0 keeps all"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [m.name for m in self.methods]
        if repeated := [name for name in names if names.count(name) > 1]:
            raise ValueError(
                f'methods: "{repeated[0]}" is there twice; each method needs a name of its own'
            )
        names_by_prompt: dict[PromptSettings, str] = {}
        for method in self.methods:
            if (other := names_by_prompt.setdefault(method.prompt, method.name)) != method.name:
                raise ValueError(
                    f'methods: "{other}" and "{method.name}" have the same prompt'
                    f' ("{method.prompt.template}"); give "{method.name}" a prompt.template of its'
                    " own, which says to the model that this method is wanted"
                )
        names_by_translation: dict[str, str] = {}
        for method in self.methods:
            if (
                other := names_by_translation.setdefault(
                    method.translation.replace("{method}", method.name), method.name
                )
            ) != method.name:
                raise ValueError(
                    f'methods: "{other}" and "{method.name}" have the same translation'
                    f' ("{method.translation}"); give "{method.name}" one of its own, or put'
                    " {method} into it, so that it says to the model which method is wanted"
                )
        if not any(m.sampled for m in self.methods):
            raise ValueError(
                "methods: at least one must be sampled, or there is nothing to learn from"
            )
        for source, row in (self.cross_training or {}).items():
            for name in (source, *row):
                if name not in names:
                    raise ValueError(
                        f'cross_training: there is no method "{name}"{nearest(name, names)}'
                    )
            if source in row:
                raise ValueError(
                    f'cross_training: "{source}" to "{source}" is no translation; leave it out'
                )
            if wrong := [name for name, weight in row.items() if weight < 0]:
                raise ValueError(
                    f'cross_training: the weight from "{source}" to "{wrong[0]}" is below 0; 0'
                    " is off"
                )
        return self

    @property
    def own_stages(self) -> tuple[str, ...]:
        return ("translations",) if self.pairs() else ()

    @property
    def own_sampling(self) -> tuple[DrawSettings, ...]:
        return (self.translation,)

    @property
    def rows_per_method(self) -> str:
        return self.size_match

    @property
    def trained(self) -> tuple[str | None, ...]:
        return tuple(m.name for m in self.methods) if self.weights == "per_method" else (None,)

    def pairs(self) -> dict[tuple[str, str], float]:
        """The weights of all enabled translations, by (method found by, method translated into)."""
        sources = [m.name for m in self.methods if m.sampled]
        all_pairs = {
            (origin, method.name): 1.0
            for origin in sources
            for method in self.methods
            if origin != method.name
        }
        if self.cross_training is None:
            return all_pairs
        return {
            (origin, method): weight
            for origin, row in self.cross_training.items()
            for method, weight in row.items()
            if weight and (origin, method) in all_pairs
        }
