"""Training rows that the embedded model has not seen the like of, and the model to train."""

import pytest

from selftrain_assets.domain.selection import make_row
from selftrain_assets.domain.types import Row
from selftrain_assets.models.loading import load_model
from selftrain_assets.models.tokenization import load_tokenizer
from selftrain_assets.tasks import WordProblems
from selftrain_assets.trainers.protocol import TrainingJob
from tests.trainers.lab import Train, Trained


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    """Ten rows of unequal length: three batches of four, the last one short."""
    problems = [
        p
        for p in WordProblems(train=1, human=10, validation=1, test=1, transfer=1).load()
        if p.split == "human"
    ]
    return [
        make_row(f"Q: {p.question} A:", p.solution or "", 1.0, "human", p.id, 1) for p in problems
    ]


@pytest.fixture(scope="session")
def tokenizer(embedded):
    return load_tokenizer(embedded)


@pytest.fixture(scope="session")
def model(embedded):
    """The embedded model as it is; not to be trained."""
    return load_model(embedded, "cpu", "float32")


@pytest.fixture(scope="module")
def train(embedded, rows, tmp_path_factory, small_heap) -> Train:
    """Returns a function that trains on the rows above unless told otherwise."""

    def run(settings, rows=rows, *, start=embedded, seed=1, work=None, **job) -> Trained:
        folder = tmp_path_factory.mktemp("training")
        result = settings.train(
            TrainingJob(rows, start, folder / "output", work or folder / "work", seed, **job)
        )
        return Trained(result, folder / "output", embedded)

    return run
