"""MMST: a problem solved in text and in code, each method teaching the other (arXiv 2307.10633)."""
