"""What is owed is what is wanted and not committed, key by key; and a verdict stays with the
text that it is on."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.domain.identity import text_digest
from selftrain_assets.domain.prompts import Prompt
from selftrain_assets.domain.requests import plan_draws
from selftrain_assets.domain.sampling import Sampling
from selftrain_assets.domain.types import Outcome, Problem, Row, SampleMembership, Verdict
from selftrain_assets.operations.catalog import query
from selftrain_assets.pipeline import dataset, inputs, training, verification
from selftrain_assets.pipeline.generation import plan_requests
from selftrain_assets.pipeline.policy import POLICY
from selftrain_assets.pipeline.run import Run
from selftrain_assets.pipeline.sampling import SAMPLES, VERIFICATIONS
from selftrain_assets.store import Store
from selftrain_assets.verifiers import NumericVerifier
from tests import lab
from tests.lab import read_samples, read_verifications

E_STEP = {
    "policy": POLICY.run,
    "samples": SAMPLES.run,
    "verifications": VERIFICATIONS.run,
    "dataset": dataset.dataset,
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("store")).workspace() as found:
        yield found


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from("abcdé\n'")), st.integers(1, 4), st.sampled_from([0.0, 0.5])
        ),
        max_size=3,
    ),
    st.sets(st.integers(0, 60)),
)
def test_requests_are_those_of_the_plan_and_missing_those_that_nobody_holds(
    workspace, kinds, committed
):
    plan = [
        plan_draws(
            [Problem(id, f"question {id}", "1") for id in sorted(ids)],
            Prompt("Q: {question}"),
            Sampling(samples_per_problem=count, temperature=temperature),
            f"policy {kind}",
            seed=7,
            greedy=temperature == 0.0,
        )
        for kind, (ids, count, temperature) in enumerate(kinds)
    ]
    requests = plan_requests(workspace, plan)
    planned = sorted(workspace.records(requests), key=lambda request: request.position)
    wanted = [
        (kind, r.key, r.problem_id, r.index)
        for kind, draws in enumerate(plan)
        for r in draws.requests()
    ]
    assert [(r.draws_index, r.key, r.problem_id, r.index) for r in planned] == wanted
    assert [r.position for r in planned] == list(range(len(wanted)))
    assert [r.greedy for r in planned] == [plan[kind].greedy for kind, *_ in wanted]
    held = [SampleMembership(wanted[n][1], "p") for n in committed if n < len(wanted)]
    missing = workspace.missing(requests, workspace.load_records(held, SampleMembership))
    owed = workspace.rows("generation.requests_in_order", requests=missing)
    keys = [key for _, key, *_ in wanted if key not in {sample.key for sample in held}]
    assert [plan[draws].request(prompt, index).key for draws, prompt, index in owed] == keys
    assert (
        workspace.count(missing)
        == len(keys)
        == workspace.count_missing(requests, workspace.load_records(held, SampleMembership))
    )


def e_step(run):
    inputs.problems(run), training.base(run)
    return {name: stage(run, 1) for name, stage in E_STEP.items()}


def test_a_lost_sample_that_is_drawn_with_another_text_is_judged_anew(opened):
    """Engines may draw differently under the same seed: the older verdict, on a text that is
    gone, must not be taken for the new one's."""
    run = opened()
    first = e_step(run)
    before = {s.key: s for s in read_samples(run, first["samples"])}
    script = Path(run.config.engine.path)
    other = {
        id: [text.replace("#### ", "#### 1") for text in texts]
        for id, texts in json.loads(script.read_text()).items()
    }
    script.write_text(json.dumps(other))
    pool = run.store.samples(first["policy"].digest)
    pool.files()[0].unlink()
    again = e_step(run)
    samples = {s.key: s for s in read_samples(run, again["samples"])}
    verdicts = {v.sample_key: v for v in read_verifications(run, again["verifications"])}
    changed = {key for key in samples if samples[key].completion != before[key].completion}
    assert samples.keys() == before.keys() == verdicts.keys()
    assert changed
    for key, verdict in verdicts.items():
        assert verdict.parsed == run.config.verifier.parse(samples[key].completion)
    assert again["verifications"].counts["reused"] == len(samples) - len(changed)
    assert again["verifications"].digest != first["verifications"].digest
    for row in run.store.read_table(again["dataset"], "rows", Row):
        assert row.completion == samples[row.sample_key].completion


def test_samples_that_are_no_longer_there_are_told_before_anything_is_judged(opened):
    run = opened()
    first = e_step(run)
    pool = run.store.samples(first["policy"].digest)
    pool.files()[0].unlink()
    with pool.writing("another run"):
        pass
    with pytest.raises(IntegrityError, match=r"no longer in their pool.*selftrain run lab"):
        VERIFICATIONS.run(opened(verifier={"type": "numeric", "tolerance": 0.5}), 1)


def doubled(pool):
    """A pool in which somebody has listed every record again."""
    pool.commit(pool.records())


def test_a_key_that_a_hand_has_put_into_a_pool_twice_is_told_and_never_counted_twice(opened):
    run = opened()
    first = e_step(run)
    doubled(run.store.samples(first["policy"].digest))
    narrower = opened(recipe={**lab.SETTINGS["recipe"], "cap": 1})
    stricter = opened(verifier={"type": "numeric", "tolerance": 0.5})
    for stage, asked in ((dataset.dataset, narrower), (VERIFICATIONS.run, stricter)):
        with pytest.raises(
            IntegrityError,
            match=r"some samples are in their pool more than once; `selftrain audit lab`",
        ):
            stage(asked, 1)


def test_a_verdict_that_is_there_twice_is_told(opened):
    run = opened()
    first = e_step(run)
    pool = run.store.verifications(
        first["verifications"].detail["verifiers"][0], first["policy"].digest
    )
    doubled(pool)
    run.store.table(first["verifications"], "verifications").unlink()
    with pytest.raises(IntegrityError, match=r"some verdicts are in their pool more than once"):
        VERIFICATIONS.run(run, 1)


def test_verdicts_that_come_out_otherwise_make_another_dataset(opened, monkeypatch):
    """The same samples, judged again after a loss."""
    run = opened()
    first = e_step(run)
    pool = run.store.verifications(
        first["verifications"].detail["verifiers"][0], first["policy"].digest
    )
    for file in pool.files():
        file.unlink()
    monkeypatch.setattr(
        NumericVerifier, "verify", lambda *_: Verdict(Outcome.TIMEOUT, 0.0, None, "slow today")
    )
    again = e_step(run)
    assert again["verifications"].digest != first["verifications"].digest
    assert again["dataset"].counts["self"] == 0 < first["dataset"].counts["self"]


@pytest.mark.parametrize("folder", ["seed=1", "key=7", "index=0", "run=3", "a[x]", "it's"])
def test_the_name_of_a_folder_changes_nothing(tmp_path, folder):
    """DuckDB would read name=value as a column, and [x] as a pattern."""
    found = {}
    for place in ("plain", folder):
        (tmp_path / place).mkdir()
        settings = lab.write_experiment(tmp_path / place)
        run = Run("lab", parse_experiment(settings, "lab"), Store(tmp_path / place / "runs"))
        manifests = e_step(run)
        assert query(run.store, "SELECT count(*) FROM verdicts")[1] == [(48,)]
        found[place] = (
            read_samples(run, manifests["samples"]),
            run.store.read_table(manifests["dataset"], "rows", Row),
        )
    assert found["plain"] == found[folder]


def test_equal_programs_are_judged_once_however_they_are_handed_over(opened, monkeypatch):
    judged = []

    def noting(self, problem, completion):
        judged.append(completion)
        return Verdict(Outcome.PASS, 1.0, None, "")

    monkeypatch.setattr(NumericVerifier, "verify", noting)
    monkeypatch.setattr(
        NumericVerifier,
        "content",
        lambda self, problem, completion: text_digest(problem.id + completion),
    )
    monkeypatch.setattr(verification, "WINDOW", 5)
    run = opened()
    found = e_step(run)["verifications"]
    different = {
        (s.problem_id, s.completion) for s in read_samples(run, run.need("iter-001", "samples"))
    }
    assert len(judged) == len(different) < found.counts["verifications"] == 48
    assert found.counts["shared"] == 48 - len(different)
