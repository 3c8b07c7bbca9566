"""Training rows that the embedded model has not seen the like of, and the model to train."""

import pytest

from selftrain_assets.domain.types import Row
from selftrain_assets.models.loading import load_model
from selftrain_assets.models.tokenization import load_tokenizer
from selftrain_assets.testing.training import Train, training_in, unseen_rows


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    """Three batches of four, the last one short."""
    return unseen_rows()


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
    return training_in(lambda: tmp_path_factory.mktemp("training"), rows, embedded)
