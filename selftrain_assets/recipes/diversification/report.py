"""The part of a report about diversification: comparisons by problem group, has-op and no-op."""

from selftrain_assets.reports.recipes import RecipeReport

REPORT = RecipeReport(by_group=True)
