"""Recipe diversification: how many instructions a budget should hold (arXiv 2405.19787)."""
