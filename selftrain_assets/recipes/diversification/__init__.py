"""How many distinct instructions a fixed budget should hold (arXiv 2405.19787)."""
