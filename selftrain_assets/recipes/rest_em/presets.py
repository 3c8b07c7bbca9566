"""Presets of recipe rest_em: ReST-EM and related algorithms."""

from selftrain_assets.recipes.presets import Preset

REST_EM_SAMPLING = {"samples_per_problem": 32, "temperature": 0.7, "top_k": 40}

PRESETS = {
    "rest_em": Preset(
        "ReST-EM on MATH, arXiv 2312.06585 section 5: the defaults",
        {"sampling": REST_EM_SAMPLING},
    ),
    "rest": Preset(
        "ReST, arXiv 2308.08998: goes on from the last checkpoint, mixes in human data, several"
        " Improve steps per Grow",
        {
            "sampling": REST_EM_SAMPLING,
            "init_from": "previous",
            "mix_human": 1.0,
            "improve_steps": 2,
            "cap": 0,
            "weight": "reward",
        },
    ),
    "star": Preset(
        "STaR, arXiv 2203.14465: one greedy solution, a second try with the answer as a hint, start"
        " from the pretrained model",
        {
            "sampling": {"samples_per_problem": 1, "temperature": 0.0},
            "init_from": "pretrained",
            "rationalize": True,
            "cap": 0,
        },
    ),
    "rft": Preset(
        "Rejection-sampling fine-tuning, arXiv 2308.01825: one round from a fine-tuned model,"
        " distinct equation paths, human data",
        {
            "sampling": {"samples_per_problem": 100, "temperature": 0.7},
            "sampler": "base",
            "init_from": "pretrained",
            "dedup": "equations",
            "cap": 0,
            "mix_human": 1.0,
        },
    ),
    "expert_iteration": Preset(
        "Expert iteration: every round's correct solutions are pooled and the M-step starts again"
        " from the pretrained model",
        {
            "sampling": {"samples_per_problem": 4, "temperature": 1.0},
            "init_from": "pretrained",
            "accumulate": "all",
            "mix_human": 1.0,
            "cap": 4,
        },
    ),
    "lmsi": Preset(
        "LMSI, arXiv 2210.11610, as the baseline of arXiv 2310.13522: the policy's own correct"
        " attempts",
        {
            "sampling": {"samples_per_problem": 5, "temperature": 1.2},
            "init_from": "previous",
            "cap": 0,
        },
        written_as="tripost",
    ),
}
