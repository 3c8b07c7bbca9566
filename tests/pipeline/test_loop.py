"""Whole rounds with a scripted engine and a real trainer: lineage, resumption, reuse, recipes'
own stages."""

import json

import pytest

from selftrain_assets.domain.errors import InfraError, TaskError
from selftrain_assets.domain.types import Completion, Outcome, Row, Verdict
from selftrain_assets.engines.scripted import ScriptedEngine, ScriptedSettings
from selftrain_assets.pipeline.loop import human_only, prepare, run_rounds, walk
from selftrain_assets.pipeline.run import Run, iteration_scope
from selftrain_assets.pipeline.weights import resolve
from selftrain_assets.reports import summarize
from selftrain_assets.verifiers import NumericVerifier
from tests import lab
from tests.lab import read_samples, read_verifications


def rows_of(run: Run, iteration: int) -> list[Row]:
    return run.store.read_table(run.need(iteration_scope(iteration), "dataset"), "rows", Row)


def everything(run: Run) -> dict[str, str]:
    """Digest of every stage of the experiment."""
    folder = run.store.root / "experiments" / run.name
    return {
        f"{p.parent.name}/{p.stem}": run.manifest(p.parent.name, p.stem).digest
        for p in sorted(folder.glob("*/*.json"))
    }


def test_two_rounds_close_the_chain_from_row_to_base(finished):
    run = finished(iterations=2)
    assert run.need("iter-001", "policy").digest == run.need("base", "checkpoint").digest
    assert run.need("iter-002", "policy").digest == run.need("iter-001", "checkpoint").digest
    assert run.need("iter-002", "checkpoint").digest != run.need("iter-001", "checkpoint").digest
    samples = {s.key: s for s in read_samples(run, run.need("iter-002", "samples"))}
    verdicts = {
        v.sample_key: v for v in read_verifications(run, run.need("iter-002", "verifications"))
    }
    rows = rows_of(run, 2)
    assert rows
    for row in rows:
        assert verdicts[row.sample_key].outcome == Outcome.PASS
        assert (samples[row.sample_key].prompt, samples[row.sample_key].completion) == (
            row.prompt,
            row.completion,
        )
        assert samples[row.sample_key].policy == run.need("iter-001", "checkpoint").digest


def test_counts_in_equal_counts_out(finished):
    run = finished()
    samples, verdicts, dataset = (
        run.need("iter-001", stage).counts for stage in ("samples", "verifications", "dataset")
    )
    assert (
        samples["samples"]
        == 12 * 4
        == verdicts["verifications"]
        == sum(verdicts[str(o)] for o in Outcome)
    )
    assert dataset["correct"] == verdicts["pass"]
    assert dataset["rows"] == dataset["self"] + dataset["human"]


def test_a_second_run_does_nothing(finished, monkeypatch):
    run = finished()
    before = {p: p.read_bytes() for p in run.store.root.rglob("*") if p.is_file()}
    monkeypatch.setattr(
        ScriptedSettings,
        "open",
        lambda *_: pytest.fail("the engine was opened although nothing is owed"),
    )
    run_rounds(Run(run.name, run.config, run.store), [1])
    assert {p: p.read_bytes() for p in run.store.root.rglob("*") if p.is_file()} == before


def test_more_samples_pay_only_for_the_new_ones(opened, finished):
    finished()
    sampling = lab.SETTINGS["recipe"]["sampling"] | {"samples_per_problem": 6}
    more = opened(recipe=lab.SETTINGS["recipe"] | {"sampling": sampling})
    run_rounds(more, [1])
    counts = more.need("iter-001", "samples").counts
    assert (counts["samples"], counts["reused"]) == (72, 48)


def test_a_second_experiment_reuses_round_one(opened, finished):
    finished()
    second = opened("second", trainer=lab.SFT | {"learning_rate": 0.01})
    run_rounds(second, [1])
    assert second.need("iter-001", "samples").counts["reused"] == 48
    assert (
        second.need("iter-001", "checkpoint").digest
        != second.store.manifest("lab", "iter-001", "checkpoint").digest
    )


def test_an_interrupt_keeps_what_was_drawn_and_the_end_is_the_same(opened, monkeypatch, tmp_path):
    undisturbed = opened("undisturbed")
    run_rounds(undisturbed, [1])
    for manifests in (undisturbed.store.root / "samples").glob("*/*"):
        manifests.unlink()
    whole, drawn = ScriptedEngine.generate, []

    def interrupted(self, requests, sampling):
        for completion in whole(self, requests, sampling):
            if len(drawn) == 43:
                raise KeyboardInterrupt
            drawn.append(completion.key)
            yield completion

    run = opened("interrupted")
    monkeypatch.setattr(ScriptedEngine, "generate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_rounds(run, [1])
    monkeypatch.undo()
    run_rounds(run, [1])
    digests = everything(undisturbed)
    assert {k: v for k, v in everything(run).items() if k in digests} == digests
    keys = [
        s.key
        for pool in (run.store.root / "samples").iterdir()
        for s in run.store.samples(pool.name).records()
    ]
    assert len(keys) == len(set(keys))
    assert set(drawn) <= set(keys)


def test_no_correct_sample_stops_the_round_and_leaves_the_earlier_one(opened, finished, tmp_path):
    finished()
    hopeless = opened(texts={})
    with pytest.raises(
        TaskError,
        match=(
            r"iter-002 stops at the check correct_samples.*no correct sample among"
            r" 48.*samples_per_problem"
        ),
    ):
        run_rounds(hopeless, [1, 2])
    assert hopeless.manifest("iter-002", "checkpoint") is None
    assert hopeless.need("iter-001", "evaluation")


def test_weights_that_nothing_describes_any_more_are_trained_again_and_put_aside(finished):
    run = finished()
    trained = run.need("iter-001", "checkpoint")
    weights = run.store.checkpoint(trained.key)
    (weights / "selftrain.json").unlink()
    run_rounds(run, [1])
    again = run.need("iter-001", "checkpoint")
    assert again.digest == trained.digest
    assert resolve(run.store, again.references.weights).digest == trained.digest
    [aside] = (weights.parent / "quarantine").iterdir()
    assert aside.name.endswith(weights.name)


def test_a_round_without_the_one_before_says_what_is_missing(opened):
    run = opened()
    with pytest.raises(
        TaskError, match=r"iter-001 has no finished checkpoint yet; .*selftrain run lab"
    ):
        run_rounds(run, [2])


def test_infra_errors_are_owed_again_and_never_wrong(opened, monkeypatch):
    run, sound = opened(), NumericVerifier.verify
    asked = []

    def outage(self, problem, completion):
        asked.append(problem.id)
        return (
            Verdict(Outcome.INFRA_ERROR, 0.0, None, "engine gone")
            if len(asked) % 2
            else sound(self, problem, completion)
        )

    list(prepare(run))
    monkeypatch.setattr(NumericVerifier, "verify", outage)
    with pytest.raises(
        TaskError, match=r"check infra_errors of verifications: 24 of 48 samples have no verdict"
    ):
        run_rounds(run, [1])
    monkeypatch.setattr(NumericVerifier, "verify", lambda *a: asked.append("again") or sound(*a))
    run_rounds(run, [1])
    counts = run.need("iter-001", "verifications").counts
    assert (counts["infra_error"], counts["reused"], counts["verifications"]) == (0, 24, 48)


@pytest.mark.parametrize("lie", ["twice", "missing", "unknown"])
def test_an_engine_that_lies_is_caught(opened, monkeypatch, lie):
    run, honest = opened(), ScriptedEngine.generate

    def lying(self, requests, sampling):
        completions = list(honest(self, requests, sampling))
        foreign = Completion("0" * 32, "#### 1", "stop", 1, 1)
        yield from {
            "twice": [*completions, completions[0]],
            "missing": completions[:-1],
            "unknown": [*completions, foreign],
        }[lie]

    monkeypatch.setattr(ScriptedEngine, "generate", lying)
    with pytest.raises(InfraError, match=r"not open|unanswered"):
        run_rounds(run, [1])
    monkeypatch.undo()
    run_rounds(run, [1])
    keys = [s.key for s in read_samples(run, run.need("iter-001", "samples"))]
    assert len(keys) == len(set(keys)) == 48


def test_star_tries_unsolved_problems_again_with_a_hint_and_strips_it(opened):
    texts = {f"train-{i:05d}": ["no idea"] for i in range(12)}
    solved_with_hint = {"train-00000": ["#### 0", "#### 0"]}
    star = opened(
        texts=texts | solved_with_hint,
        recipe={"preset": "star", "sampling": {"max_tokens": 32}},
        rounds=1,
    )
    answer = {p.id: p.answer for p in star.config.task.load()}

    class Hinted(ScriptedEngine):
        def generate(self, requests, sampling):
            for completion, request in zip(
                super().generate(requests, sampling), requests, strict=True
            ):
                hinted = f"The answer is {answer[request.problem_id]}." in request.prompt
                yield (
                    Completion(completion.key, f"#### {answer[request.problem_id]}", "stop", 1, 1)
                    if hinted
                    else completion
                )

    class Settings(ScriptedSettings):
        def open(self, ref):
            return Hinted(texts)

    star.config = star.config.model_copy(update={"engine": Settings(path="")})
    run_rounds(star, [1])
    rows = rows_of(star, 1)
    assert {r.source for r in rows} == {"rationalized"}
    assert len(rows) == 12
    assert not any("The answer is" in r.prompt for r in rows)


def test_rest_samples_once_for_its_improve_steps(opened):
    run = opened(recipe={"preset": "rest", "sampling": lab.SETTINGS["recipe"]["sampling"]})
    run_rounds(run, [1, 2])
    assert run.need("iter-002", "samples").counts["reused"] == 48
    assert (
        run.need("iter-002", "checkpoint").parents["start"]
        == run.need("iter-001", "checkpoint").digest
    )


def test_adapters_go_on_from_adapters_and_name_the_model_below(opened):
    recipe = lab.SETTINGS["recipe"] | {"init_from": "previous"}
    run = opened(recipe=recipe, trainer=lab.SFT | {"lora": {"r": 2}})
    run_rounds(run, [1, 2])
    first, second = (run.need(iteration_scope(i), "checkpoint").references.weights for i in (1, 2))
    assert [weights.adapter_on.model for weights in (first, second)] == ["embedded", "embedded"]
    assert first.digest != second.digest
    assert resolve(run.store, second).by(None).adapter is not None


def test_human_only_takes_the_steps_of_one_round_and_of_all(finished):
    run = finished(iterations=2)
    human_only(run)
    steps = [
        run.need(scope, "checkpoint").counts["optimizer_steps"]
        for scope in ("human-one-round", "human-all-rounds")
    ]
    assert steps == [2, 4]
    assert (
        run.need("human-one-round", "checkpoint").parents["start"]
        == run.need("base", "checkpoint").digest
    )


def test_changed_weights_are_noticed(finished):
    run = finished()
    weights = next((run.store.root / "checkpoints").glob("*/model.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(Exception, match="are not those this round was made with"):
        run_rounds(Run(run.name, run.config, run.store), [2])


def test_a_lost_manifest_ends_the_summary_and_is_made_again(finished):
    """The command line shows the numbers after every evaluation, so also while a round is being
    mended."""
    run = finished(iterations=2)
    lost = run.store.scope(run.name, "iter-001") / "checkpoint.json"
    before = lost.read_bytes()
    lost.unlink()
    assert [len(summarize(run).iterations)] == [0]
    shown = [summarize(run) for _ in walk(run, [1, 2])]
    assert len(shown[-1].iterations) == 2
    assert json.loads(lost.read_text())["digest"] == json.loads(before)["digest"]
