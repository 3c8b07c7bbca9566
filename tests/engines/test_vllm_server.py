"""Engine openai, and a served teacher, on a real server: vLLM's own with the embedded model,
started once for this file."""

from dataclasses import replace
from itertools import combinations

import pytest

from selftrain_assets.domain.errors import InfraError, ModelError
from selftrain_assets.domain.types import Request, Row, Trajectory, Turn
from selftrain_assets.engines import OpenAISettings, TransformersSettings
from selftrain_assets.operations.audit import audit
from selftrain_assets.operations.inspector import Inspector
from selftrain_assets.pipeline import inputs, training
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.policy import POLICY
from selftrain_assets.pipeline.sampling import SAMPLES, VERIFICATIONS
from selftrain_assets.recipes.teachers import ServedTeacher
from selftrain_assets.recipes.tripost import stages
from selftrain_assets.testing.adapters import write_adapter
from selftrain_assets.testing.engines import (
    GREEDY,
    PROMPTS,
    EngineConformance,
    draw,
    requests_for,
)
from tests import corrections, lab
from tests.engines.openai_server import as_teacher
from tests.engines.test_conformance import NEEDS_VLLM
from tests.engines.vllm_server import NAME, serving

# a server, and two conformance suites on it, take a minute or two
pytestmark = [pytest.mark.kills, NEEDS_VLLM]

REQUESTS = requests_for(
    PROMPTS
    | {
        "begun": "<bos>Q: 1 + 1 A:",
        "empty": "",
        "strange": "日本語 😀 é",
        "long": f"Q: {'1 + ' * 20} 2 A:",
    }
    | {f"{a}": f"Q: {a} + {3 * a % 17} * {a % 5} A:" for a in range(1, 10)}
)


@pytest.fixture(scope="module")
def server(embedded, tmp_path_factory):
    with serving(embedded, tmp_path_factory.mktemp("vllm")) as started:
        yield started


@pytest.fixture(scope="module")
def engine(server, embedded):
    with OpenAISettings(base_url=server.url, concurrency=8).open(embedded) as opened:
        yield opened


class TestVllmServer(EngineConformance):
    """The suite of every engine, here on this one."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, engine):
        return engine


# -- what it says ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [(), (";",), ("17", "=")], ids=str)
def test_texts_ends_and_counts_are_those_of_transformers(engine, embedded, stop):
    sampling = GREEDY.model_copy(update={"stop": stop})
    with TransformersSettings(device="cpu").open(embedded) as here:
        expected = draw(here, REQUESTS, sampling)
    assert draw(engine, REQUESTS, sampling) == expected
    assert {completion.finish_reason for completion in expected.values()} == {"stop", "length"}


def test_adapters_loaded_into_it_say_what_transformers_says(engine, embedded, tmp_path):
    adapters = [write_adapter(embedded, tmp_path / f"rank-{rank}", rank, rank) for rank in (3, 8)]
    refs = [embedded, *(replace(each, digest=f"{each.adapter.name:0<32}") for each in adapters)]
    said = []
    with TransformersSettings(device="cpu").open(embedded) as here:
        for ref in (*refs, embedded):
            here.use(ref), engine.use(ref)
            said.append(draw(engine, REQUESTS, GREEDY))
            assert said[-1] == draw(here, REQUESTS, GREEDY)
    assert said[0] == said[-1]
    assert all(one != other for one, other in combinations(said[:3], 2))


def test_a_chat_teacher_is_answered_like_a_completion(server, engine):
    with as_teacher(ServedTeacher(base_url=server.url, model=NAME)) as teacher:
        # of a teacher's tokenizer nothing is known, so the space stays
        assert draw(teacher, requests_for(), GREEDY) == {
            key: replace(completion, text=f" {completion.text}", tokens=None, ended_by=None)
            for key, completion in draw(engine, requests_for(), GREEDY).items()
        }


def test_a_teacher_that_it_does_not_have_is_told_with_the_nearest(server):
    with (
        as_teacher(ServedTeacher(base_url=server.url, model="arithmetik")) as teacher,
        pytest.raises(ModelError, match='serves no "arithmetik"; did you mean "arithmetic"'),
    ):
        list(teacher.generate([Request("k", "p", PROMPTS["sum"], 1, 0)], GREEDY))


# -- rounds of TriPosT in which it is policy, feedback and improver --------------------------------

# what is asked lies within what the embedded model can say: feedback is a step's number, an
# improvement a solution
RECIPE = {
    "type": "tripost",
    "sampling": {"samples_per_problem": 4, "temperature": 2.0},
    "wording": {"wrong": "#### {step}"},
    "self_feedback_from_round": 0,
    "updates_at_test": 0,
}
FIND_ERROR = {
    "prompt": "Q: {question} A: {attempt} Q: 7 - 6 A: 7 - 6 = 1 ;",
    "sampling": {"temperature": 0, "max_tokens": 16},
}
IMPROVE = {"prompt": "Q: {question} A:", "sampling": {"temperature": 1.0, "max_tokens": 64}}


@pytest.fixture
def taught(server, opened):
    """Returns a function that opens an experiment for which this server does all that a model
    does."""

    def open_run():
        teacher = {
            "base_url": server.url,
            "model": NAME,
            "retries": 0,
            "concurrency": 4,
            "give_up_after": 2,
        }
        return opened(
            task=corrections.TASK | {"largest": 12},
            engine={
                "type": "openai",
                "base_url": server.url,
                "retries": 0,
                "concurrency": 4,
                "give_up_after": 4,
            },
            recipe=RECIPE
            | {
                "feedback": {"by": "model", "model": teacher, **FIND_ERROR},
                "improver": {"by": "model", **IMPROVE},
            },
            trainer=lab.SFT | {"lora": {"r": 2}},
            rounds=1,
        )

    return open_run


def teacher_pool(run):
    return run.store.samples(run.config.recipe.feedback.model.digest)


def is_whole(run):
    """Every attempt has its trajectory, all that was said lies in the pools, and nothing is
    owed."""
    made, attempts = (
        run.need("iter-001", "trajectories"),
        lab.read_samples(run, run.need("iter-001", "samples")),
    )
    whole, turns = (
        run.store.read_table(made, name, record)
        for name, record in (("trajectories", Trajectory), ("turns", Turn))
    )
    answered = {record.key: record for record in teacher_pool(run).records()}
    assert sorted(each.sample_key for each in whole) == sorted(each.key for each in attempts)
    assert made.counts["attempted"] == len(attempts) == 48
    assert made.counts["infra_error"] == 0
    assert made.counts["improved"] >= 3
    assert made.counts["drawn"] == len(answered)
    assert {turn.update_sample for turn in turns if turn.update} <= set(answered)
    assert all(record.engine.startswith("openai ") for record in (*attempts, *answered.values()))
    inspector = Inspector(run.store)
    audit(inspector, run)
    assert [finding.sentence for finding in inspector.findings] == []


def test_a_round_ends_with_trajectories(taught):
    run = taught()
    run_rounds(run, [1])
    is_whole(run)
    rows = run.store.read_table(run.need("iter-001", "dataset"), "rows", Row)
    assert {row.source for row in rows} == {"self", "improved", "human"}
    assert run.need("iter-001", "evaluation").versions["engine"].startswith("openai ")


@pytest.mark.kills
def test_a_kill_in_the_middle_of_a_round_loses_nothing(server, taught):
    run = taught()
    (
        inputs.problems(run),
        training.base(run),
        POLICY.run(run, 1),
        SAMPLES.run(run, 1),
        VERIFICATIONS.run(run, 1),
    )
    killed = replace(
        run, progress=lambda label, done, total: teacher_pool(run).files() and server.kill()
    )
    with pytest.raises(
        InfraError, match=r"left \d+ of \d+ requests unanswered.*; running again draws them"
    ):
        stages.trajectories(killed, 1)
    assert run.manifest("iter-001", "trajectories") is None
    held = {record.key: record for record in teacher_pool(run).records()}
    assert held
    with pytest.raises(InfraError, match=r"left \d+ of \d+ requests unanswered"):
        stages.trajectories(run, 1)  # nobody is there
    assert {record.key: record for record in teacher_pool(run).records()} == held
    server.start()
    run_rounds(taught(), [1])  # the policy's adapter, too, is loaded anew
    is_whole(run)
    answered = {record.key: record for record in teacher_pool(run).records()}
    assert held.items() < answered.items()
