"""Recipe mmst: solve problems in text and in code, each method teaching the other.

The algorithm is that of arXiv 2307.10633.
"""
