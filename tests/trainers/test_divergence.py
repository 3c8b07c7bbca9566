"""A training whose loss, gradient or weights are no numbers ends at that step, and nothing of it
is kept or resumed from."""

import math
from dataclasses import replace

import pytest

from selftrain_assets.domain.errors import DivergenceError, IntegrityError, TaskError
from selftrain_assets.domain.types import Section
from selftrain_assets.models.digests import weights_digest
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.trainers import SftTrainer
from selftrain_assets.trainers.early_stopping import EarlyStopping
from tests.trainers import lab

FULL = lab.SETTINGS[SftTrainer]["full"]


@pytest.fixture(scope="module", params=lab.VARIANTS)
def settings(request):
    return lab.changed(lab.SETTINGS[SftTrainer][request.param], warmup=0.0)


def test_the_first_step_whose_loss_is_no_number_ends_it_and_the_next_one_begins_anew(
    train, settings, tmp_path
):
    work, seen = tmp_path / "work", []
    wild = lab.changed(settings, learning_rate=1e30, save_steps=1)
    with pytest.raises(
        DivergenceError,
        match=(
            r"the (loss|gradient norm) of step [23] of 4 is (nan|inf).*a learning_rate lower than"
            r" 1e\+30"
        ),
    ):
        train(wild, work=work, on_step=lambda done, total: seen.append(done))
    assert seen in ([0, 1], [0, 1, 2])
    assert not work.exists()
    mended = train(settings, work=work, on_step=lambda done, total: seen.append(done))
    assert seen[-5:] == [0, 1, 2, 3, 4]
    assert mended.ref.digest == train(settings).ref.digest


@pytest.mark.parametrize(
    "save_steps", [1, 200], ids=["before a state is saved", "before it is published"]
)
def test_weights_are_looked_at_before_they_are_kept(train, settings, tmp_path, save_steps):
    wild = lab.changed(
        settings, learning_rate=1e300, steps=1 if save_steps > 1 else 3, save_steps=save_steps
    )
    with pytest.raises(DivergenceError, match=r"after step 1 of [13] the weight \S+ is not finite"):
        train(wild, work=tmp_path / "work")
    assert not [*tmp_path.rglob("*.safetensors"), *tmp_path.rglob("*.pt")]


def test_such_weights_are_never_the_best_ones(train, settings, tmp_path):
    seen = []
    with pytest.raises(DivergenceError, match="after step 1 of 3 the weight"):
        train(
            lab.changed(settings, learning_rate=1e300, steps=3),
            work=tmp_path / "work",
            early_stopping=EarlyStopping(rule="best", every=1),
            validate=lambda *policy: seen.append(policy) or 1.0,
        )
    assert not seen


def test_a_loss_beyond_all_numbers_ends_it_before_any_weight_is_changed(train, rows):
    with pytest.raises(DivergenceError, match="the loss of step 1 of 4 is inf"):
        train(lab.changed(FULL, normaliser="tokens"), [replace(row, weight=3e38) for row in rows])


@pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf])
def test_a_row_that_weighs_no_number_is_refused_by_its_problem(train, rows, weight):
    bad = replace(rows[3], weight=weight)
    with pytest.raises(
        IntegrityError,
        match=(
            rf"problem {bad.problem_id}: a training row has the weight {weight}.*make its dataset"
            r" again"
        ),
    ):
        train(FULL, [*rows[:3], bad])


def test_so_is_a_row_with_such_a_section(train, rows):
    bad = replace(rows[0], sections=[Section(length=len(rows[0].completion), factor=math.nan)])
    with pytest.raises(IntegrityError, match=r"weight 1.0 times \[nan\] in its sections"):
        train(FULL, [bad])


@pytest.mark.parametrize("parts", [{"micro_batch_size": 1}, {"packing": True}], ids=str)
def test_every_part_of_a_batch_counts(train, rows, parts):
    last = [*rows[:3], replace(rows[3], weight=3e38)]
    with pytest.raises(DivergenceError, match="the loss of step 1 of 4 is inf"):
        train(lab.changed(FULL, **parts), last)


def test_float32_is_advised_where_it_was_computed_in_bfloat16(train):
    wild = lab.changed(FULL, learning_rate=1e30, dtype="bfloat16", warmup=0.0)
    with pytest.raises(DivergenceError, match=r"or execution\.dtype: float32 in place of bfloat16"):
        train(wild)


@pytest.mark.kills
@pytest.mark.parametrize("variant", lab.VARIANTS)
def test_two_processes_say_what_one_says(train, rows, tmp_path, variant):
    wild = lab.changed(
        lab.SETTINGS[SftTrainer][variant], learning_rate=1e30, micro_batch_size=2, save_steps=1
    )
    said = []
    for processes in (1, 2):
        with pytest.raises(DivergenceError) as caught:
            train(lab.changed(wild, processes=processes), rows, work=tmp_path / "work")
        said.append(str(caught.value))
        assert not (tmp_path / "work").exists()
    assert said[0] == said[1]


def test_a_round_that_diverges_publishes_nothing_and_goes_on_when_it_is_mended(opened):
    tame = {"steps": 2, "batch_size": 4}
    run_rounds(opened(trainer=tame), [1])
    before = opened().need("iter-001", "checkpoint")
    wild = opened(trainer=tame | {"learning_rate": 1e300})
    with pytest.raises(
        TaskError,
        match=r"training: the loss of step 2 of 2 is nan, .* a learning_rate lower than 1e\+300",
    ):
        run_rounds(wild, [1])
    assert wild.need("iter-001", "checkpoint") == before
    assert [path.name for path in wild.store.root.glob("checkpoints/*")] == [
        wild.store.checkpoint(before.key).name
    ]
    assert weights_digest(wild.store.checkpoint(before.key)) == before.digest
    assert not [*wild.store.root.glob("scratch/*/resume")]
    mended = opened(trainer=tame | {"learning_rate": 1e-3})
    run_rounds(mended, [1, 2])
    assert (
        mended.need("iter-002", "checkpoint").parents["start"]
        == mended.need("base", "checkpoint").digest
    )
