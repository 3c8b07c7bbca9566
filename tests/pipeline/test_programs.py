"""Rounds whose samples are programs: equal ones run once, and an engine that goes away costs
nothing but time."""

import json

import pytest

from selftrain_assets.domain.errors import InfraError
from selftrain_assets.domain.types import Outcome
from selftrain_assets.operations.catalog import query
from selftrain_assets.pipeline import inputs, training
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.policy import POLICY
from selftrain_assets.pipeline.sampling import SAMPLES, VERIFICATIONS
from selftrain_assets.verifiers import CodeVerifier
from selftrain_assets.verifiers.programs import _CodeJudge
from tests import lab

FACTORS = {"double": 2, "triple": 3, "quadruple": 4, "tenfold": 10}

RECIPE = {
    "type": "rest_em",
    "sampling": {"samples_per_problem": 24, "temperature": 1.0, "max_tokens": 64},
    "dedup": "none",
}


@pytest.fixture
def programs_run(opened, tmp_path, programs):
    """An experiment on four functions: right in two ways, wrong, broken, and no program at all."""
    rows, texts = [], {}
    for name, factor in FACTORS.items():
        for split in ("train", "test"):
            identity = f"{name}-{split}"
            tests = [
                f"assert {name}({n}) == {n * factor}"
                for n in ((1, 2) if split == "train" else (5,))
            ]
            rows.append(
                {
                    "id": identity,
                    "question": f"Write {name}(x) for {split}.",
                    "tests": tests,
                    "split": split,
                }
            )
            right = f"```python\ndef {name}(x):\n    return x * {factor}\n```"
            texts[identity] = [
                right,
                f"Sure:\n{right}",
                f"def {name}(x): return {factor} * x",
                f"def {name}(x): return x",
                "def",
                " ",
            ]
    path = tmp_path / "functions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def open_run(name="programs", **changes):
        settings = {
            "task": {"type": "file", "path": str(path)},
            "verifier": {"type": "code"},
            "recipe": RECIPE,
            "execution": {"shard_size": 4, "sandbox": programs.model_dump(mode="json")},
        }
        return opened(name, texts=texts, **(settings | changes))

    return open_run


def judged(run, iteration=1):
    """Draw and verify one round."""
    inputs.problems(run)
    training.base(run)
    POLICY.run(run, iteration)
    SAMPLES.run(run, iteration)
    return VERIFICATIONS.run(run, iteration)


def test_equal_programs_are_run_once_and_every_sample_has_its_verdict(programs_run, monkeypatch):
    asked = []
    stream = _CodeJudge.stream
    monkeypatch.setattr(
        _CodeJudge,
        "stream",
        lambda self, pairs: stream(self, (asked.append(pair) or pair for pair in pairs)),
    )
    run = programs_run()
    counts = judged(run).counts
    verifications = lab.read_verifications(run, run.need("iter-001", "verifications"))
    contents = {v.content for v in verifications}
    assert counts["verifications"] == 96
    assert len(asked) == len(contents) < 96
    assert counts["shared"] == 96 - len(contents)
    by_sample = {v.sample_key: v for v in verifications}
    for v in verifications:
        if v.same_as is not None:
            leader = by_sample[v.same_as]
            assert (leader.same_as, leader.content, leader.outcome, leader.problem_id) == (
                None,
                v.content,
                v.outcome,
                v.problem_id,
            )
    assert {str(o) for o in (Outcome.PASS, Outcome.WRONG, Outcome.MALFORMED)} == {
        v.outcome for v in verifications
    }
    assert all(v.cpu_seconds > 0 for v in verifications if v.outcome == "pass")
    assert "selftrain-sandbox:" in run.need("iter-001", "verifications").versions["verifier"]


def test_a_whole_round_learns_from_programs_and_its_evaluation_takes_no_vote(programs_run):
    run = programs_run(rounds=1)
    run_rounds(run, range(1, 2))
    metrics = run.need("iter-001", "evaluation").metrics
    assert metrics["maj_at_k"] == {}
    assert 0 <= metrics["pass_at_k"]["2"]["mean"] <= 1
    _, [(rows, distinct)] = query(
        run.store,
        "SELECT count(*), count(DISTINCT problem_id) FROM rows WHERE experiment = 'programs'",
    )
    assert rows >= distinct == 4
    _, [(slowest,)] = query(run.store, "SELECT max(cpu_seconds) FROM verdicts")
    assert slowest > 0


def test_an_engine_that_goes_away_costs_only_what_was_open(programs_run, monkeypatch):
    run, told = programs_run(), []
    stream = _CodeJudge.stream

    def dies(self, pairs):
        for found in stream(self, pairs):
            if len(told) == 6:
                raise InfraError("the sandbox: gone")
            told.append(found)
            yield found

    monkeypatch.setattr(_CodeJudge, "stream", dies)
    with pytest.raises(InfraError, match="gone"):
        judged(run)
    kept = sum(len(pool.records()) for pool in run.store.all_verifications(_name(run)))
    assert kept >= 6
    again = []
    monkeypatch.setattr(
        _CodeJudge,
        "stream",
        lambda self, pairs: stream(self, (again.append(pair) or pair for pair in pairs)),
    )
    counts = VERIFICATIONS.run(run, 1).counts
    verifications = lab.read_verifications(run, run.need("iter-001", "verifications"))
    contents = {v.content for v in verifications}
    assert counts["reused"] == kept
    assert (counts["verifications"], counts["infra_error"]) == (96, 0)
    assert len(told) + len(again) == len(contents)
    assert len({v.key for v in verifications}) == 96


def test_a_second_experiment_shares_the_verdicts_on_equal_programs(programs_run, monkeypatch):
    judged(programs_run())
    monkeypatch.setattr(CodeVerifier, "open", lambda *_: pytest.fail("a program was run again"))
    # other samples, the same programs
    other = programs_run("other", recipe=RECIPE | {"sampling": RECIPE["sampling"] | {"top_p": 0.5}})
    counts = judged(other).counts
    assert counts["reused"] == 0
    assert counts["shared"] == counts["verifications"] == 96


def _name(run):
    from selftrain_assets.verifiers import verifier_fingerprint

    return verifier_fingerprint(run.config.verifier)
