"""What the cards say of single recipes and of the rows of single stages."""

ROW_SOURCES = {
    "self": "sampled from the policy, and right by the verifier",
    "human": "a worked solution that came with its problem",
    "rationalized": "sampled with the answer as a hint, and right; the hint is taken out again",
    "translated": (
        "a right solution by another method, translated by the policy, and right by the verifier"
    ),
    "improved": (
        "a turn that corrects an attempt sampled from the policy, of a trajectory that ends right"
        " by the verifier"
    ),
}
"""What a row of each source is."""

SELECTION_SETTINGS = {
    "tripost": (
        "own_from",
        "max_updates",
        "max_words",
        "filters",
        "ratio",
        "section_weights",
        "minimum",
    ),
    "diversification": ("budget", "instructions", "power_law"),
}
"""Settings of a recipe's own that say which rows a round trains on."""
