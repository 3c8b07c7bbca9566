"""Named settings of a recipe: `recipe: {type: rest_em, preset: star}`. Fields written beside it
take precedence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Preset(NamedTuple):
    """Settings of a recipe, with where they are from.

    Attributes:
        about: What it is, and the paper.
        settings: Fields of the recipe that differ from its defaults.
        needs: A field that has no default here.
        rounds: Of an experiment that is written with it.
        written_as: Recipe whose file `selftrain new` writes; by default the preset's own.
        commented: Lines of settings that this file shows, commented out.
    """

    about: str
    settings: Mapping[str, Any]
    needs: str | None = None
    rounds: int = 3
    written_as: str | None = None
    commented: str = ""
