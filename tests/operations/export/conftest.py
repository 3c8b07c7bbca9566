"""Finished experiments to export, one of each kind of weights; tests copy what they damage."""

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.pipeline.loop import human_only, run_rounds
from selftrain_assets.pipeline.run import Run
from selftrain_assets.store import Store
from selftrain_assets.tasks import WordProblems
from tests import lab

LORA = lab.SFT | {"lora": {"r": 2}, "learning_rate": 0.05}
METHODS = [
    {
        "name": name,
        "prompt": {"template": f"Q: {{question}} {end}"},
        "sampling": {"samples_per_problem": 2, "max_tokens": 32},
    }
    for name, end in (("marked", "A:"), ("bare", "="))
]
TRANSLATIONS = [
    {**m, "translation": f"Q: {{question}} {{solution}} {m['name'][0]}:"} for m in METHODS
]
KINDS = {
    "full": {"human_only": True, "trainer": lab.SFT},
    "adapter": {"trainer": LORA},
    "adapter on a trained base": {
        "trainer": LORA,
        "base": {"fine_tune": "human", "trainer": lab.SFT},
        "recipe": lab.SETTINGS["recipe"]
        | {"mix_human": 0.5, "accumulate": "all", "init_from": "previous"},
    },
    "adapter of each method": {
        "rounds": 1,
        "trainer": LORA,
        "recipe": {
            "type": "mmst",
            "weights": "per_method",
            "methods": TRANSLATIONS,
            "dedup": "none",
        },
    },
}


@pytest.fixture(scope="session")
def exported_runs(tmp_path_factory, small_heap):
    """Returns a function that opens the finished experiment of a kind."""
    folder = tmp_path_factory.mktemp("exported")
    done: set[str] = set()
    texts: dict[str, list[str]] = {}
    for seed in (0, 3):
        for p in WordProblems(**lab.TASK, seed=seed).load():
            texts.setdefault(p.id, ["#### 0"]).extend(
                [f"{p.answer} + 0 = {p.answer} ; #### {p.answer}", f"#### {p.answer}"]
            )

    def open_run(kind: str) -> Run:
        name = kind.replace(" ", "-")
        run = Run(
            name,
            parse_experiment(lab.write_experiment(folder, name, texts=texts, **KINDS[kind]), name),
            Store(folder / "runs"),
        )
        if kind not in done:
            run_rounds(run, range(1, run.config.rounds + 1))
            if run.config.human_only:
                human_only(run)
            done.add(kind)
        return run

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SELFTRAIN_DEFS", str(folder / "defs"))
        yield open_run
