"""The embedded model, loaded once for the tests of engines."""

import pytest

from selftrain_assets.models.loading import load_model
from selftrain_assets.models.tokenization import load_tokenizer
from tests.engines.openai_server import serving


@pytest.fixture(scope="package")
def model(embedded):
    return load_model(embedded, "cpu", "float32")


@pytest.fixture(scope="package")
def tokenizer(embedded):
    return load_tokenizer(embedded)


@pytest.fixture(scope="module")
def local_server(embedded):
    """An OpenAI-compatible server with the embedded model."""
    with serving(embedded) as server:
        yield server
