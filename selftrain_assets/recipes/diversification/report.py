"""What a report says of diversification: comparisons tell groups of problems apart, has-op and
no-op."""

from selftrain_assets.reports.recipes import RecipeReport

REPORT = RecipeReport(by_group=True)
