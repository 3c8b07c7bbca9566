"""TriPosT with a model that only a server has: it finds the errors of the policy's attempts, and
corrects them."""

import pytest

from selftrain_assets.domain.errors import InfraError, ModelError, TaskError, UserError
from selftrain_assets.domain.types import Row, Trajectory, Turn
from selftrain_assets.operations.audit import audit
from selftrain_assets.operations.garbage import collect
from selftrain_assets.operations.inspector import Inspector
from selftrain_assets.pipeline import inputs, training
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.policy import POLICY
from selftrain_assets.pipeline.sampling import SAMPLES, VERIFICATIONS
from selftrain_assets.recipes.tripost import stages
from tests.corrections import PROBLEMS, SCRIPT, TASK, WORDING, texts
from tests.engines.openai_server import NAME, serving, status


def corrected(body, answer):
    """What a good teacher says, in place of what the embedded model says, which knows nothing of
    it."""
    asked = body["messages"][0]["content"]
    question = asked.partition("Problem: ")[2].partition("\n")[0]
    attempt = WORDING.read(asked.partition("Solution:\n")[2].partition("\n")[0])
    problem, error = PROBLEMS[question], SCRIPT.feedback(PROBLEMS[question], attempt)
    if "Earliest error step" in asked:
        text = (
            f"**Earliest error step:** Step ({error.step})\nError segment: {error.segment}\nError"
            f" reason: {error.reason}"
        )
    else:
        text = WORDING.write(SCRIPT.improve(problem, attempt.steps[: error.step - 1]))
    return answer | {"choices": [{"finish_reason": "stop", "message": {"content": text}}]}


@pytest.fixture
def server(embedded):
    with serving(embedded) as started:
        started.alter = corrected
        yield started


@pytest.fixture
def taught(server, opened):
    """Returns a function that opens an experiment whose attempts the server's model corrects."""

    def open_run(**recipe):
        teacher = {
            "base_url": server.url,
            "model": NAME,
            "retries": 0,
            "concurrency": 2,
            "give_up_after": 2,
        }
        drawn = {"sampling": {"max_tokens": 4}}
        settings = {
            "type": "tripost",
            "sampling": {"samples_per_problem": 4, "temperature": 1.0},
            "feedback": {"by": "model", "model": teacher, **drawn},
            "improver": {"by": "model", **drawn},
            "self_feedback_from_round": 0,
            "updates_at_test": 0,
            **recipe,
        }
        return opened(texts=texts(), task=TASK, recipe=settings, rounds=1)

    return open_run


def up_to_trajectories(run):
    (
        inputs.problems(run),
        training.base(run),
        POLICY.run(run, 1),
        SAMPLES.run(run, 1),
        VERIFICATIONS.run(run, 1),
    )


def findings(run):
    inspector = Inspector(run.store)
    audit(inspector, run)
    return [f.sentence for f in inspector.findings]


def tables(run):
    made = run.need("iter-001", "trajectories")
    return run.store.read_table(made, "trajectories", Trajectory), run.store.read_table(
        made, "turns", Turn
    )


def teacher_pool(run):
    return run.store.samples(run.config.recipe.feedback.model.digest)


def test_attempts_are_corrected_by_a_model_that_only_a_server_has(server, taught):
    run = taught()
    run_rounds(run, [1])
    made = run.need("iter-001", "trajectories")
    whole, turns = tables(run)
    endings = {each.sample_key: each.ending for each in whole}
    assert len(whole) == 48
    assert set(endings.values()) <= {"correct", "improved", "unparsable"}
    assert made.counts["improved"] > 5
    assert {turn.feedback_by for turn in turns} == {"model"}
    assert {turn.update_by for turn in turns if turn.update} == {"model"}
    drawn = {record.key: record for record in teacher_pool(run).records()}
    assert {turn.update_sample for turn in turns if turn.update} <= set(drawn)
    assert made.counts["drawn"] == len(drawn) == len(server.asked)
    assert all(record.engine.startswith("openai ") for record in drawn.values())
    rows = run.store.read_table(run.need("iter-001", "dataset"), "rows", Row)
    assert {row.source for row in rows} == {"self", "improved", "human"}
    answers = {p.id: p.answer for p in run.problems}
    assert all(
        row.completion.split()[-1] == answers[row.problem_id]
        for row in rows
        if row.source == "improved"
    )
    assert findings(run) == []
    assert collect(run.store).garbage == ()
    server.kill()
    run_rounds(taught(), [1])  # the server is not there, and not needed


@pytest.mark.parametrize("fault", ["killed", "status 500", "no teacher at all"])
def test_a_teacher_that_fails_in_the_middle_loses_no_trajectory(server, taught, fault):
    run = taught()
    up_to_trajectories(run)
    before = 0 if fault == "no teacher at all" else 13

    def fails(body):
        if len(server.asked) > before:
            if fault == "status 500":
                return status(500)
            server.kill()
        return None

    server.fault = fails
    if fault == "no teacher at all":
        server.kill()
    with pytest.raises(InfraError, match=r"left \d+ of \d+ requests unanswered") as caught:
        stages.trajectories(run, 1)
    assert "\n" not in str(caught.value)
    assert run.manifest("iter-001", "trajectories") is None
    drawn = {record.key for record in teacher_pool(run).records()}
    assert len(drawn) <= before
    assert len(drawn) >= before - 4
    server.fault = lambda body: None
    if fault != "status 500":
        server.restart()
    server.asked.clear()
    made = stages.trajectories(run, 1)
    assert made.counts["attempted"] == len(tables(run)[0]) == 48
    assert len(server.asked) == made.counts["drawn"] - len(drawn)
    assert drawn <= {record.key for record in teacher_pool(run).records()}
    assert made.counts["infra_error"] == 0
    assert findings(run) == []


def test_what_the_teacher_says_badly_is_dropped_by_its_reason(server, taught):
    def silent(body, answer):
        said = corrected(body, answer)
        step_is_asked = "Earliest error step" in body["messages"][0]["content"]
        if body["seed"] % 2:
            said["choices"][0]["message"]["content"] = (
                "I am not sure." if step_is_asked else "no idea"
            )
        return said

    server.alter = silent
    run = taught()
    up_to_trajectories(run)
    endings = stages.trajectories(run, 1).metrics["endings"]
    assert endings["feedback_unreadable"] > 0
    assert endings["update_unparsable"] > 0
    assert endings["improved"] > 0
    assert sum(endings.values()) == 48


@pytest.mark.kills
@pytest.mark.parametrize("setting", ["feedback", "improver"])
def test_a_model_that_the_server_does_not_have_is_told_by_its_own_setting(server, taught, setting):
    misspelt = {"base_url": server.url, "model": "arithmetik", "retries": 0}
    good = misspelt | {"model": NAME}
    recipe = {"feedback": {"by": "model", "model": good}, "improver": {"by": "model"}}
    recipe[setting] |= {"model": misspelt}
    run = taught(**recipe)
    up_to_trajectories(run)
    with pytest.raises(
        ModelError,
        match=(
            rf'^recipe\.{setting}\.model\.model: .* serves no "arithmetik"; did you mean'
            r' "arithmetic"'
        ),
    ):
        stages.trajectories(run, 1)


@pytest.mark.parametrize(
    ("experiment", "kind", "sentence"),
    [
        ("nobody", TaskError, "round 1 of nobody has no checkpoint yet"),
        ("lab", UserError, "an experiment cannot be its own teacher; set by: self"),
    ],
)
@pytest.mark.parametrize("setting", ["feedback", "improver"])
def test_a_checkpoint_that_cannot_be_asked_is_told_by_its_own_setting(
    server, taught, setting, experiment, kind, sentence
):
    recipe = {
        "feedback": {"by": "model", "model": {"base_url": server.url, "model": NAME}},
        "improver": {"by": "model"},
    }
    recipe[setting] |= {"model": {"experiment": experiment, "iteration": 1}}
    with pytest.raises(kind, match=rf"^recipe\.{setting}\.model: {sentence}"):
        inputs.problems(taught(**recipe))


def test_a_lost_answer_of_the_teacher_is_asked_for_again(server, taught):
    run = taught()
    up_to_trajectories(run)
    made = stages.trajectories(run, 1)
    pool = teacher_pool(run)
    shard = pool.shards()[0]
    (pool.directory / shard.file).unlink()
    server.asked.clear()
    assert stages.trajectories(taught(), 1).digest == made.digest
    assert len(server.asked) == shard.records
