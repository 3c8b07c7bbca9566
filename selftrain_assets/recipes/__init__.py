"""One module per algorithm. To add one: README.md in this folder."""

from typing import Annotated

from pydantic import Field

from selftrain_assets.recipes.diversification.settings import Diversification
from selftrain_assets.recipes.mmst.settings import MMST
from selftrain_assets.recipes.rest_em.settings import RestEM
from selftrain_assets.recipes.tripost.settings import TriPosT

AnyRecipe = Annotated[RestEM | MMST | TriPosT | Diversification, Field(discriminator="type")]

__all__ = ["MMST", "AnyRecipe", "Diversification", "RestEM", "TriPosT"]
