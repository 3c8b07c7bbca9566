"""Presets of recipe tripost: TriPosT, its ablations and the baselines of its paper."""

from selftrain_assets.recipes.presets import Preset

OWN = """
    # self_feedback_from_round: 2          # first round in which the policy gives feedback and updates of its own
    # feedback: {by: script}   # or {by: model, model: {base_url: ..., model: ...}}: who finds the first error
    # improver: {by: script}   # or model, or self: who rewrites from there on
    # ratio: {correct: 1.0, improved: 1.5, gold: 1.0}   # rows right at once, improved, and of reference solutions"""  # noqa: E501

CORRECTED = {"sampling": {"samples_per_problem": 1, "temperature": 1.0}}

PRESETS = {
    "tripost": Preset(
        "TriPosT, arXiv 2310.13522: the policy learns from its own attempts, corrected: the"
        " defaults",
        CORRECTED,
        commented=OWN,
    ),
    "tripost_unbalanced": Preset(
        "TriPosT without rebalancing (arXiv 2310.13522, ablation of p)",
        {**CORRECTED, "ratio": None},
        commented=OWN,
    ),
    "tripost_unweighted": Preset(
        "TriPosT with the same weight on every token (arXiv 2310.13522, ablation of the weights)",
        {**CORRECTED, "section_weights": {"attempt": 1.0, "feedback": 1.0, "update": 1.0}},
        commented=OWN,
    ),
    "tripost_unmasked": Preset(
        "TriPosT that also learns the attempts which are then corrected, as in the code of arXiv"
        " 2310.13522",
        {**CORRECTED, "section_weights": {"wrong_attempt": 1.0}},
        commented=OWN,
    ),
    "si_demo": Preset(
        "SI-demo, the baseline of arXiv 2310.13522: corrected attempts of a teacher in place of the"
        " policy's own",
        {**CORRECTED, "self_feedback_from_round": 0},
        needs="teacher",
    ),
    "gold": Preset(
        "Fine-tuning on the reference solutions alone, the baseline of arXiv 2310.13522",
        {
            **CORRECTED,
            "ratio": {"correct": 0.0, "improved": 0.0, "gold": 1.0},
            "self_feedback_from_round": 0,
        },
    ),
}
