"""Experiments whose engine, or whose teacher, is a server."""

import shutil

import pytest

from selftrain_assets.domain.errors import InfraError, TaskError, UserError
from selftrain_assets.domain.types import Row
from selftrain_assets.domain.weights import ServedModel
from selftrain_assets.operations.audit import audit
from selftrain_assets.operations.export import export
from selftrain_assets.operations.garbage import collect
from selftrain_assets.operations.inspector import Inspector
from selftrain_assets.operations.lineage import Lineage
from selftrain_assets.pipeline import inputs, training
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.policy import POLICY
from selftrain_assets.pipeline.sampling import SAMPLES
from selftrain_assets.pipeline.stages import check
from selftrain_assets.tasks import WordProblems
from tests import lab
from tests.engines.openai_server import NAME, serving

RECIPE = lab.SETTINGS["recipe"] | {
    "sampling": {"samples_per_problem": 4, "temperature": 1.0, "max_tokens": 24}
}


ANSWERS = {
    p.question: [f"{p.answer} + 0 = {p.answer} ; #### {p.answer}", f"#### {p.answer}", "no idea"]
    for p in WordProblems(**lab.TASK).load()
}


def answered(body, answer):
    """In place of what the embedded model says, which cannot solve these."""
    asked = body.get("prompt") or body["messages"][0]["content"]
    texts = next(texts for question, texts in ANSWERS.items() if question in asked)
    text = texts[body["seed"] % len(texts)]
    choice = {
        "finish_reason": "stop",
        **({"text": text} if "prompt" in body else {"message": {"content": text}}),
    }
    return answer | {"choices": [choice]}


@pytest.fixture
def server(embedded):
    with serving(embedded) as started:
        started.alter, started.longest = answered, 1
        yield started


def engine(server, **settings):
    return {
        "type": "openai",
        "base_url": server.url,
        "retries": 0,
        "concurrency": 4,
        "give_up_after": 4,
    } | settings


def taught(server, **settings):
    teacher = {"base_url": server.url, "model": NAME, "retries": 0, "give_up_after": 4} | settings
    return RECIPE | {"teacher": teacher, "init_from": "pretrained"}


def findings(run):
    inspector = Inspector(run.store)
    audit(inspector, run)
    return [f.sentence for f in inspector.findings]


# -- as the engine ---------------------------------------------------------------------------------


def test_a_server_samples_each_rounds_adapter(server, opened):
    run = opened(
        engine=engine(server),
        recipe=RECIPE | {"mix_human": 1.0},
        trainer=lab.SFT | {"lora": {"r": 2}},
    )
    run_rounds(run, [1, 2])
    digests = [run.need(scope, "checkpoint").digest for scope in ("base", "iter-001", "iter-002")]
    assert {body["model"] for body in server.asked} == {
        NAME,
        *(digest[:16] for digest in digests[1:]),
    }
    assert {s.policy for s in lab.read_samples(run, run.need("iter-002", "samples"))} == {
        digests[1]
    }
    assert all(
        s.engine.startswith("openai ")
        for s in lab.read_samples(run, run.need("iter-002", "samples"))
    )
    assert findings(run) == []


def test_of_a_server_that_dies_in_the_middle_only_what_is_owed_is_asked_again(server, opened):
    run = opened(engine=engine(server), recipe=RECIPE, rounds=1)
    inputs.problems(run), training.base(run), POLICY.run(run, 1)

    def dies(body):
        if len(server.asked) == 21:
            server.kill()

    server.fault = dies
    with pytest.raises(
        InfraError,
        match=(
            r"left \d+ of 48 requests unanswered, the last \d+ in a row .*; running again draws"
            r" them"
        ),
    ):
        SAMPLES.run(run, 1)
    drawn = run.store.samples(run.need("iter-001", "policy").digest).records()
    assert 10 <= len(drawn) <= 20
    server.restart()
    server.fault = lambda body: None
    server.asked.clear()
    finished = SAMPLES.run(run, 1)
    assert len(server.asked) == 48 - len(drawn)
    assert (finished.counts["samples"], finished.counts["reused"]) == (48, len(drawn))
    samples = lab.read_samples(run, finished)
    assert len({s.key for s in samples}) == len(samples) == 48
    assert {s.key: s for s in drawn}.items() <= {s.key: s for s in samples}.items()
    assert not {(b["prompt"], b["seed"]) for b in server.asked} & {
        (s.prompt, s.seed % 2**31) for s in drawn
    }
    assert findings(run) == []


# -- as the teacher --------------------------------------------------------------------------------


def test_a_student_learns_from_a_model_that_only_a_server_has(
    server, opened, tmp_path, monkeypatch
):
    monkeypatch.setenv("SELFTRAIN_DEFS", str(tmp_path / "defs"))
    run = opened(recipe=taught(server), rounds=1)
    run_rounds(run, [1])
    policy = run.need("iter-001", "policy")
    assert policy.references.weights == ServedModel(model=NAME, api="chat", digest=policy.digest)
    assert len(server.asked) == 48  # all of the samples, and of the evaluations none
    samples = lab.read_samples(run, run.need("iter-001", "samples"))
    assert all(s.engine.startswith("openai ") and s.policy == policy.digest for s in samples)
    assert run.need("iter-001", "evaluation").versions["engine"] == "scripted 1"
    keys = {
        r.sample_key for r in run.store.read_table(run.need("iter-001", "dataset"), "rows", Row)
    }
    assert keys
    assert keys <= {s.key for s in samples}
    assert findings(run) == []
    assert all(
        each.passed
        for stage in ("policy", "checkpoint")
        for each in check(run, run.need("iter-001", stage))
    )
    assert not [item for item in collect(run.store).garbage if "samples" in item.path]

    def models(node):
        return [n for edge in node.edges for n in models(edge)] + (
            [node] if node.kind == "model" else []
        )

    drawn_from = [
        m.facts
        for m in models(Lineage(run.store).checkpoint("lab", "iter-001"))
        if m.facts["relation"] == "drawn from"
    ]
    assert drawn_from == [{"relation": "drawn from", "served": {"model": NAME, "api": "chat"}}]
    key = min(keys)
    assert Lineage(run.store).forward(key).edges
    export(run, 1, tmp_path / "out")
    assert f"answers of a teacher, `{NAME}`, asked through a server" in " ".join(
        (tmp_path / "out/model/README.md").read_text().split()
    )


def test_a_chat_teacher_is_asked_without_the_students_chat_template(
    server, opened, embedded, tmp_path
):
    shutil.copytree(embedded.directory, tmp_path / "student")
    (tmp_path / "student" / "chat_template.jinja").write_text(
        "<bos>Q: {{ messages[0].content }} A:"
    )
    prompt = {"template": "{question}", "chat": True}
    run = opened(model=str(tmp_path / "student"), prompt=prompt, recipe=taught(server), rounds=1)
    run_rounds(run, [1])
    questions = {p.question for p in run.train_problems}
    assert {body["messages"][0]["content"] for body in server.asked} == questions
    rows = run.store.read_table(run.need("iter-001", "dataset"), "rows", Row)
    assert {row.prompt for row in rows} <= {f"<bos>Q: {question} A:" for question in questions}


def test_where_a_teacher_stands_and_how_it_is_asked_is_not_who_it_is(server, opened, embedded):
    before = opened(recipe=taught(server), rounds=1)
    run_rounds(before, [1])
    server.kill()
    made = {
        stage: before.need("iter-001", stage).key
        for stage in ("policy", "samples", "dataset", "checkpoint")
    }
    run = opened(recipe=taught(server, concurrency=1), rounds=1)
    run_rounds(run, [1])  # the server is not there, and not needed
    with serving(embedded) as elsewhere:
        elsewhere.alter, elsewhere.longest = answered, 1
        moved = taught(elsewhere) | {"sampling": RECIPE["sampling"] | {"samples_per_problem": 5}}
        run = opened(recipe=moved, rounds=1)
        run_rounds(run, [1])
        assert len(elsewhere.asked) == 12
    run = opened(recipe=taught(server, base_url="https://example.invalid/v1"), rounds=1)
    run_rounds(run, [1])
    assert {stage: run.need("iter-001", stage).key for stage in made} == made


@pytest.mark.kills
def test_another_api_or_revision_is_another_teacher(server, opened):
    teachers = set()
    for number, change in enumerate(({}, {"api": "completions"}, {"revision": "of May"}), 1):
        run = opened(recipe=taught(server, **change), rounds=1)
        run_rounds(run, [1])
        assert len(server.asked) == number * 48
        teachers.add(run.need("iter-001", "policy").digest)
    assert len(teachers) == 3
    assert findings(run) == []


def test_a_teacher_that_is_down_is_told_and_nothing_is_lost(server, opened):
    run = opened(recipe=taught(server), rounds=1)
    server.kill()
    with pytest.raises(
        InfraError,
        match=(
            r"left 48 of 48 requests unanswered, the last \d+ in a row .*; running again draws them"
        ),
    ):
        run_rounds(run, [1])
    server.restart()
    run_rounds(run, [1])
    assert findings(run) == []


def test_samples_of_a_teacher_that_is_no_longer_named_are_not_drawn(server, opened):
    run = opened(recipe=taught(server), rounds=1)
    inputs.problems(run), training.base(run), POLICY.run(run, 1)
    with pytest.raises(
        TaskError,
        match=(
            r"the policy of this round is arithmetic .*, which the recipe no longer names;"
            r" materialize"
        ),
    ):
        SAMPLES.run(opened(recipe=RECIPE, rounds=1), 1)


@pytest.mark.parametrize(
    ("teacher", "sentence"),
    [
        (
            {"base_ur": "http://a/v1", "model": "m"},
            'unknown field "recipe.teacher.base_ur"; did you mean "base_url"',
        ),
        ({"base_url": "http://a/v1"}, "recipe.teacher.model: Field required"),
        (
            {"base_url": "a", "model": "m"},
            (
                "recipe.teacher.base_url: should be the address of a server, like"
                " http://localhost:8000/v1"
            ),
        ),
        ({"model": "m", "api": "talk"}, 'recipe.teacher.api: there is no "talk"'),
        (
            {"model": "m", "concurrency": 0},
            "recipe.teacher.concurrency: should be greater than or equal to 1, not 0",
        ),
    ],
)
def test_a_wrong_teacher_is_told_by_its_field(opened, teacher, sentence):
    with pytest.raises(UserError) as caught:
        opened(recipe=RECIPE | {"teacher": teacher})
    assert sentence in str(caught.value)
