"""Where an answer begins among tokens, in tokenizers of both kinds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.models.loading import ModelRef
from selftrain_assets.models.smollm2 import directory
from selftrain_assets.models.thinking import marks_of, token_at
from selftrain_assets.models.tokenization import decode, encode_completion, load_tokenizer

PIECES = [
    "<think>",
    "</think>",
    "\n",
    "\n\n",
    " ",
    "42",
    "The answer",
    " is 7.",
    "é😀",
    "日本",
    "= 3",
]


@pytest.fixture(scope="module", params=["bytes", "words"])
def tokenizer(request, embedded):
    """By bytes, as most models', and by words, which leaves out the space before the first."""
    return load_tokenizer(ModelRef(directory(), "") if request.param == "bytes" else embedded)


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join), st.data())
def test_a_token_is_found_where_one_begins(tokenizer, text, data):
    tokens = encode_completion(tokenizer, text)
    whole = decode(tokenizer, tokens)
    start = data.draw(st.integers(0, len(whole)))
    tails = [decode(tokenizer, tokens[n:]) for n in range(len(tokens) + 1)]
    heads = [decode(tokenizer, tokens[:n]) for n in range(len(tokens) + 1)]
    rest = whole[start:]
    begins = [
        n
        for n, tail in enumerate(tails)
        if tail == rest or (f" {tail}" == rest and heads[n] == whole[:start])
    ]
    place = token_at(tokenizer, tokens, start)
    assert (place is None) == (not begins)
    if place is not None:
        assert place in begins
        assert heads[place] in (whole[:start], whole[:start].removesuffix(" "))


def test_models_that_do_not_think_have_no_marks(embedded):
    assert marks_of(embedded) is None
