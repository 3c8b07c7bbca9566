"""One suite that every trainer must pass, and one for those that learn, with all weights and
with an adapter."""

import pytest

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Request
from selftrain_assets.engines.transformers_engine import TransformersEngine
from selftrain_assets.models.digests import weights_digest
from selftrain_assets.trainers import TRAINERS, ScriptedTrainer
from selftrain_assets.trainers.early_stopping import EarlyStopping
from tests.trainers import lab

MEMBERS = tuple(TRAINERS.values())


def named(chosen):
    return f"{chosen[0].__name__}-{chosen[1]}"


ALL = [(kind, variant) for kind in MEMBERS for variant in lab.SETTINGS[kind]]
LEARNING = [(kind, variant) for kind, variant in ALL if kind is not ScriptedTrainer]


@pytest.fixture(scope="module", params=ALL, ids=named)
def settings(request):
    """Each trainer that an experiment can name."""
    kind, variant = request.param
    return lab.SETTINGS[kind][variant]


@pytest.fixture(scope="module")
def trained(train, settings):
    return train(lab.changed(settings, steps=10))


@pytest.fixture(scope="module", params=LEARNING, ids=named)
def learning(request):
    """Each that changes weights."""
    kind, variant = request.param
    return lab.SETTINGS[kind][variant]


@pytest.fixture(scope="module")
def learned(train, learning):
    return train(lab.changed(learning, steps=10))


def greedy(model, tokenizer, rows):
    requests = [Request(row.key, row.problem_id, row.prompt, 0, 0) for row in rows]
    drawn = TransformersEngine(model, tokenizer, 8).generate(
        requests, DrawSettings(temperature=0, max_tokens=24)
    )
    return {completion.key: completion.text for completion in drawn}


def test_training_lowers_the_loss_on_its_rows(learned, model, tokenizer, rows):
    assert lab.loss(learned.load(), tokenizer, rows) < 0.7 * lab.loss(model, tokenizer, rows)


def test_the_start_model_stays_as_it_is(trained, embedded):
    assert weights_digest(embedded.directory) == embedded.digest
    assert trained.ref.digest != embedded.digest


def test_the_prompt_is_not_learned(train, learning, model, tokenizer, rows):
    before = lab.surprise(model, tokenizer, rows[0])
    after = lab.surprise(
        train(lab.changed(learning, steps=25), rows[:1]).load(), tokenizer, rows[0]
    )
    assert lab.mean(after[1]) < 0.2 * lab.mean(before[1])
    assert lab.mean(after[0]) > 0.9 * lab.mean(before[0])


def test_the_output_does_what_the_trained_model_did(train, learning, tokenizer, rows):
    import torch

    seen = []

    def validate(model, tokenizer):
        assert not model.training
        seen.append((greedy(model, tokenizer, rows), lab.logits(model, tokenizer, rows[0])))
        return 0.0

    loaded = train(
        lab.changed(learning, steps=10),
        validate=validate,
        early_stopping=EarlyStopping(rule="best", every=100),
    ).load()
    ((texts, logits),) = seen
    assert greedy(loaded, tokenizer, rows) == texts
    assert torch.allclose(lab.logits(loaded, tokenizer, rows[0]), logits, atol=1e-3)


def test_equal_seeds_give_equal_weights_and_others_do_not(train, settings, trained):
    longer = lab.changed(settings, steps=10)
    assert train(longer).ref.digest == trained.ref.digest
    assert train(longer, seed=2).ref.digest != trained.ref.digest


def test_other_rows_another_start_and_other_settings_give_other_weights(
    train, settings, trained, rows
):
    longer = lab.changed(settings, steps=10)
    others = [
        train(longer, rows[1:]),
        train(longer, start=trained.ref),
        train(lab.changed(settings, steps=11)),
    ]
    assert len({each.ref.digest for each in (trained, *others)}) == 4


def test_another_seed_is_seen_in_the_weights(train, learning, learned):
    assert lab.furthest(train(lab.changed(learning, steps=10), seed=2), learned) > 1e-4


def test_a_later_round_starts_from_the_weights_of_an_earlier_one(
    train, learning, learned, tokenizer, rows
):
    import torch

    hardly = train(lab.changed(learning, steps=1, learning_rate=1e-9), start=learned.ref)
    assert torch.allclose(
        lab.logits(hardly.load(), tokenizer, rows[0]),
        lab.logits(learned.load(), tokenizer, rows[0]),
        atol=1e-3,
    )


def test_progress_counts_every_step(train, settings):
    seen = []
    done = train(lab.changed(settings, steps=4), on_step=lambda *step: seen.append(step))
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert (done.result.steps, done.result.optimizer_steps) == (4, 4)


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(
    train, learning, tokenizer, rows, tmp_path
):
    steps, seen = lab.changed(learning, steps=7, save_steps=2, micro_batch_size=2), []

    def interrupt(done, total):
        # in the middle of an epoch of three; step 5 is scored but not in the state that is saved
        if done == 6:
            raise KeyboardInterrupt

    watched = {
        "early_stopping": EarlyStopping(rule="best", every=1),
        "validate": lambda *policy: -lab.loss(*policy, rows[:3]),
    }
    with pytest.raises(KeyboardInterrupt):
        train(steps, work=tmp_path / "work", on_step=interrupt, **watched)
    resumed = train(
        steps, work=tmp_path / "work", on_step=lambda *step: seen.append(step), **watched
    )
    whole = train(steps, **watched)
    assert seen == [(4, 7), (5, 7), (6, 7), (7, 7)]
    assert lab.furthest(resumed, whole) < 1e-6
    assert resumed.result == whole.result


@pytest.mark.parametrize(
    ("rule", "scores", "kept", "made"),
    [
        ("best", [0.1, 0.5, 0.3, 0.4], 2, 4),
        ("best", [0.5, 0.5, 0.1, 0.5], 1, 4),
        ("first_drop", [0.1, 0.5, 0.3, 0.9], 2, 3),
        ("first_drop", [0.4, 0.4, 0.5, 0.5], 3, 4),
        ("none", [], 4, 4),
    ],
)
def test_early_stopping_keeps_the_step_its_rule_names(
    train, learning, tokenizer, rows, rule, scores, kept, made
):
    script, logits = iter(scores), []

    def validate(model, tokenizer):
        logits.append(lab.logits(model, tokenizer, rows[0]))
        return next(script)

    done = train(learning, early_stopping=EarlyStopping(rule=rule, every=1), validate=validate)
    assert (done.result.steps, done.result.optimizer_steps) == (kept, made)
    assert done.result.validation == list(enumerate(scores[:made], 1))
    if scores:
        said = lab.logits(done.load(), tokenizer, rows[0])
        distances = [(said - other).abs().max().item() for other in logits]
        assert distances[kept - 1] < 1e-3
        assert min(distances[: kept - 1] + distances[kept:]) > 1e-2


def test_the_validation_split_is_looked_at_every_few_steps_and_at_the_end(train, learning):
    done = train(
        lab.changed(learning, steps=5),
        early_stopping=EarlyStopping(rule="best", every=2),
        validate=lambda *_: 0.5,
    )
    assert [step for step, _ in done.result.validation] == [2, 4, 5]


def test_without_rows_there_is_nothing_to_train(train, settings):
    with pytest.raises(TaskError, match="no row"):
        train(settings, [])
