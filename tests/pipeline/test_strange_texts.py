"""No text that a model writes, and no error of judging it, ends a round."""

from selftrain_assets.pipeline import dataset, inputs, training
from selftrain_assets.pipeline.policy import POLICY
from selftrain_assets.pipeline.sampling import SAMPLES, VERIFICATIONS
from selftrain_assets.tasks import WordProblems
from selftrain_assets.verifiers import NumericVerifier
from tests import lab

STRANGE = ["\ud800 #### 8", "#### " + "9" * 5000, "\0 \x1b[2J [/x]", "BOOM"]


def test_a_round_of_strange_texts_is_finished_and_stored(opened, monkeypatch):
    """Some are no Unicode; judging one of them fails, as no verifier should."""
    verify = NumericVerifier.verify

    def fragile(self, problem, completion):
        if completion == "BOOM":
            raise ValueError("no \udcff")
        return verify(self, problem, completion)

    monkeypatch.setattr(NumericVerifier, "verify", fragile)
    problems = WordProblems(**lab.TASK).load()
    run = opened(
        texts={p.id: [*STRANGE, f"#### {p.answer}"] for p in problems}, verifier={"type": "numeric"}
    )
    inputs.problems(run)
    training.base(run)
    for stage in (POLICY.run, SAMPLES.run, VERIFICATIONS.run, dataset.dataset):
        stage(run, 1)
    samples = {s.key: s.completion for s in lab.read_samples(run, run.need("iter-001", "samples"))}
    verdicts = lab.read_verifications(run, run.need("iter-001", "verifications"))
    assert len(verdicts) == len(samples) == 48
    assert {v.outcome for v in verdicts if samples[v.sample_key] == "BOOM"} == {"unscorable"}
    assert {v.reason for v in verdicts if samples[v.sample_key] == "BOOM"} == {
        "it cannot be judged: ValueError: no \\udcff"
    }
    assert "\\ud800 #### 8" in samples.values()
    assert {v.outcome for v in verdicts if "####" in samples[v.sample_key]} >= {"pass"}
