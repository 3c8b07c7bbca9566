"""What holds of every trainer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Request, Row
from selftrain_assets.engines.transformers_engine import TransformersEngine
from selftrain_assets.models.digests import weights_digest
from selftrain_assets.models.loading import ModelRef, load_model, resolve_model
from selftrain_assets.models.tokenization import load_tokenizer
from selftrain_assets.testing import training
from selftrain_assets.testing.training import Train, Trained
from selftrain_assets.trainers import Trainer
from selftrain_assets.trainers.early_stopping import EarlyStopping, StopRule

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def greedy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row]
) -> dict[str, str]:
    """Greedy completions of the prompts of rows, by the keys of the rows."""
    requests = [Request(row.key, row.problem_id, row.prompt, 0, 0) for row in rows]
    drawn = TransformersEngine(model, tokenizer, 8).generate(
        requests, DrawSettings(temperature=0, max_tokens=24)
    )
    return {completion.key: completion.text for completion in drawn}


class TrainerConformance:
    """The suite of a trainer, on the model that ships with selftrain.

    Attributes:
        settings: Its settings, for four steps of few rows each.
    """

    settings: ClassVar[Trainer]

    @classmethod
    def changed(cls, **changes: Any) -> Trainer:
        """The settings with other values of some fields.

        Override it where the trainer names `steps`, `learning_rate`, `save_steps` (after how many
        steps it saves what is needed to resume) or `micro_batch_size` otherwise.
        """
        return training.changed(cls.settings, **changes)

    @pytest.fixture(scope="session")
    @classmethod
    def embedded(cls) -> ModelRef:
        return resolve_model("embedded")

    @pytest.fixture(scope="session")
    @classmethod
    def rows(cls) -> list[Row]:
        return training.unseen_rows()

    @pytest.fixture(scope="class")
    @classmethod
    def train(
        cls, embedded: ModelRef, rows: list[Row], tmp_path_factory: pytest.TempPathFactory
    ) -> Train:
        return training.training_in(lambda: tmp_path_factory.mktemp("training"), rows, embedded)

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls, train: Train) -> Trained:
        return train(cls.changed(steps=10))

    def test_the_start_model_stays_as_it_is(self, trained: Trained, embedded: ModelRef) -> None:
        assert weights_digest(embedded.directory) == embedded.digest
        assert trained.ref.digest != embedded.digest

    def test_equal_seeds_give_equal_weights_and_others_do_not(
        self, train: Train, trained: Trained
    ) -> None:
        longer = self.changed(steps=10)
        assert train(longer).ref.digest == trained.ref.digest
        assert train(longer, seed=2).ref.digest != trained.ref.digest

    def test_other_rows_another_start_and_other_settings_give_other_weights(
        self, train: Train, trained: Trained, rows: list[Row]
    ) -> None:
        longer = self.changed(steps=10)
        others = [
            train(longer, rows[1:]),
            train(longer, start=trained.ref),
            train(self.changed(steps=11)),
        ]
        assert len({each.ref.digest for each in (trained, *others)}) == 4

    def test_progress_counts_every_step(self, train: Train) -> None:
        seen = []
        done = train(self.changed(steps=4), on_step=lambda *step: seen.append(step))
        assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
        assert (done.result.steps, done.result.optimizer_steps) == (4, 4)

    def test_without_rows_there_is_nothing_to_train(self, train: Train) -> None:
        with pytest.raises(TaskError, match="no row"):
            train(self.settings, [])


class LearningConformance(TrainerConformance):
    """The suite of a trainer that changes weights, with the one of every trainer."""

    @pytest.fixture(scope="session")
    @classmethod
    def tokenizer(cls, embedded: ModelRef) -> PreTrainedTokenizerBase:
        return load_tokenizer(embedded)

    @pytest.fixture(scope="session")
    @classmethod
    def model(cls, embedded: ModelRef) -> PreTrainedModel:
        """The embedded model as it is; not to be trained."""
        return load_model(embedded, "cpu", "float32")

    def test_training_lowers_the_loss_on_its_rows(
        self,
        trained: Trained,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        rows: list[Row],
    ) -> None:
        assert training.loss(trained.load(), tokenizer, rows) < 0.7 * training.loss(
            model, tokenizer, rows
        )

    def test_the_prompt_is_not_learned(
        self,
        train: Train,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        rows: list[Row],
    ) -> None:
        before = training.surprise(model, tokenizer, rows[0])
        after = training.surprise(
            train(self.changed(steps=25), rows[:1]).load(), tokenizer, rows[0]
        )
        assert training.mean(after[1]) < 0.2 * training.mean(before[1])
        assert training.mean(after[0]) > 0.9 * training.mean(before[0])

    def test_the_output_does_what_the_trained_model_did(
        self, train: Train, tokenizer: PreTrainedTokenizerBase, rows: list[Row]
    ) -> None:
        import torch

        seen = []

        def validate(
            model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerBase
        ) -> float:
            assert not model.training
            seen.append(
                (greedy(model, tokenizer, rows), training.logits(model, tokenizer, rows[0]))
            )
            return 0.0

        loaded = train(
            self.changed(steps=10),
            validate=validate,
            early_stopping=EarlyStopping(rule="best", every=100),
        ).load()
        ((texts, logits),) = seen
        assert greedy(loaded, tokenizer, rows) == texts
        assert torch.allclose(training.logits(loaded, tokenizer, rows[0]), logits, atol=1e-3)

    def test_another_seed_is_seen_in_the_weights(self, train: Train, trained: Trained) -> None:
        assert training.furthest(train(self.changed(steps=10), seed=2), trained) > 1e-4

    def test_a_later_round_starts_from_the_weights_of_an_earlier_one(
        self, train: Train, trained: Trained, tokenizer: PreTrainedTokenizerBase, rows: list[Row]
    ) -> None:
        import torch

        hardly = train(self.changed(steps=1, learning_rate=1e-9), start=trained.ref)
        assert torch.allclose(
            training.logits(hardly.load(), tokenizer, rows[0]),
            training.logits(trained.load(), tokenizer, rows[0]),
            atol=1e-3,
        )

    def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(
        self, train: Train, tokenizer: PreTrainedTokenizerBase, rows: list[Row], tmp_path: Path
    ) -> None:
        steps = self.changed(steps=7, save_steps=2, micro_batch_size=2)
        seen: list[tuple[int, int]] = []

        def interrupt(done: int, total: int) -> None:
            # in the middle of an epoch of three; step 5 is scored but is not in the saved state
            if done == 6:
                raise KeyboardInterrupt

        watched: dict[str, Any] = {
            "early_stopping": EarlyStopping(rule="best", every=1),
            "validate": lambda model, tokenizer: -training.loss(model, tokenizer, rows[:3]),
        }
        with pytest.raises(KeyboardInterrupt):
            train(steps, work=tmp_path / "work", on_step=interrupt, **watched)
        resumed = train(
            steps, work=tmp_path / "work", on_step=lambda *step: seen.append(step), **watched
        )
        whole = train(steps, **watched)
        assert seen == [(4, 7), (5, 7), (6, 7), (7, 7)]
        assert training.furthest(resumed, whole) < 1e-6
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
        self,
        train: Train,
        tokenizer: PreTrainedTokenizerBase,
        rows: list[Row],
        rule: StopRule,
        scores: list[float],
        kept: int,
        made: int,
    ) -> None:
        script, logits = iter(scores), []

        def validate(
            model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerBase
        ) -> float:
            logits.append(training.logits(model, tokenizer, rows[0]))
            return next(script)

        done = train(
            self.settings, early_stopping=EarlyStopping(rule=rule, every=1), validate=validate
        )
        assert (done.result.steps, done.result.optimizer_steps) == (kept, made)
        assert done.result.validation == list(enumerate(scores[:made], 1))
        if scores:
            said = training.logits(done.load(), tokenizer, rows[0])
            distances = [(said - other).abs().max().item() for other in logits]
            assert distances[kept - 1] < 1e-3
            assert min(distances[: kept - 1] + distances[kept:]) > 1e-2

    def test_the_validation_split_is_looked_at_every_few_steps_and_at_the_end(
        self, train: Train
    ) -> None:
        done = train(
            self.changed(steps=5),
            early_stopping=EarlyStopping(rule="best", every=2),
            validate=lambda *_: 0.5,
        )
        assert [step for step, _ in done.result.validation] == [2, 4, 5]
