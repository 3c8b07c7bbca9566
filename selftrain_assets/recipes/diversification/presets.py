"""Presets of recipe diversification, with the settings of its paper."""

from selftrain_assets.recipes.presets import Preset

PRESETS = {
    "diversification": Preset(
        "Diversification, arXiv 2405.19787: a fixed budget of rows under a chosen number of"
        " different instructions: the defaults",
        {},
    ),
}
