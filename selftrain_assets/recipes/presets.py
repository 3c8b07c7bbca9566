"""Named settings of a recipe: `recipe: {type: rest_em, preset: star}`.

Settings written beside `preset` take precedence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Preset(NamedTuple):
    """Named settings of a recipe, with their source.

    Attributes:
        about: What it is, and the paper.
        settings: Settings of the recipe that differ from its defaults.
        needs: A setting that has no default here and must be given.
        rounds: Rounds of an experiment that `selftrain new` writes with it.
        written_as: Recipe whose template `selftrain new` writes; by default the preset's own.
        commented: Lines of settings that the written file shows, commented out.
    """

    about: str
    settings: Mapping[str, Any]
    needs: str | None = None
    rounds: int = 3
    written_as: str | None = None
    commented: str = ""
