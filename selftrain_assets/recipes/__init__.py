"""One module per algorithm. To add one: README.md in this folder."""

from typing import Annotated

from pydantic import Field

from selftrain_assets.recipes.diversification import Diversification
from selftrain_assets.recipes.mmst import MMST
from selftrain_assets.recipes.rest_em import RestEM
from selftrain_assets.recipes.tripost import TriPosT

AnyRecipe = Annotated[RestEM | MMST | TriPosT | Diversification, Field(discriminator="type")]

__all__ = ["MMST", "AnyRecipe", "Diversification", "RestEM", "TriPosT"]
