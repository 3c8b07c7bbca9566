"""Truncation to the likeliest tokens, against a plain reference."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from selftrain_assets.engines.transformers_engine import truncate

ROWS = (
    st.integers(1, 12)
    .flatmap(
        lambda width: st.lists(
            st.lists(st.integers(-60, 60), min_size=width, max_size=width, unique=True),
            min_size=1,
            max_size=4,
        )
    )
    .map(lambda rows: np.array(rows) / 10)
)


def kept(logits, top_k=0, top_p=1.0):
    """Which places are left, after checking that those keep their values and all others are
    -inf."""
    import torch

    result = truncate(torch.tensor(logits, dtype=torch.float32), top_k, top_p).numpy()
    left = np.isfinite(result)
    assert np.array_equal(result[left], logits.astype(np.float32)[left])
    assert np.all(result[~left] == -np.inf)
    return left


def largest(row, count):
    return np.isin(np.arange(len(row)), np.argsort(row)[::-1][:count])


def needed(row, top_p):
    """How many of the likeliest places it takes to reach `top_p`."""
    shares = np.sort(np.exp(row) / np.exp(row).sum())[::-1]
    reached = np.cumsum(shares)
    assume(np.abs(reached - top_p).min() > 1e-5)  # so close, rounding decides
    return int(np.argmax(reached >= top_p)) + 1


@given(ROWS, st.integers(1, 15))
def test_top_k_keeps_the_k_largest(logits, k):
    assert np.array_equal(kept(logits, top_k=k), [largest(row, k) for row in logits])


@given(ROWS, st.floats(0.01, 0.99))
def test_top_p_keeps_the_smallest_set_that_reaches_p(logits, p):
    assert np.array_equal(kept(logits, top_p=p), [largest(row, needed(row, p)) for row in logits])


@given(ROWS, st.integers(1, 15), st.floats(0.01, 0.99))
def test_top_p_counts_what_top_k_has_left(logits, k, p):
    counts = [needed(np.sort(row)[::-1][:k], p) for row in logits]
    assert np.array_equal(
        kept(logits, k, p), [largest(row, count) for row, count in zip(logits, counts, strict=True)]
    )


@given(ROWS)
def test_without_limits_everything_is_kept(logits):
    assert kept(logits).all()
