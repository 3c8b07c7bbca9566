"""The embedded model, loaded once for the tests of engines."""

import pytest

from selftrain_assets.models.loading import load_model, load_tokenizer


@pytest.fixture(scope="package")
def model(embedded, one_torch_thread):
    return load_model(embedded, "cpu", "float32")


@pytest.fixture(scope="package")
def tokenizer(embedded):
    return load_tokenizer(embedded)
