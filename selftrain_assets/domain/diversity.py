"""How varied rows are: effective numbers, the share of the most frequent, and near-duplicates.

No model is involved. Frequencies are counted twice, as {rows of a kind: kinds that have so many}.
That is all that the numbers depend on, and it stays small for datasets of any size.

Near-duplicates are texts whose sets of shingles have a Jaccard similarity of SIMILAR or more, the
threshold of Lee et al. 2022 (arXiv 2107.06499). Pairs to compare are found by MinHash with banding
(Broder 1997; Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", section 3.4) and then
compared as sets, so that no pair is called similar that is not. Of pairs just at SIMILAR 99.8% have
a band in common, 1 - (1 - SIMILAR ** DEPTH) ** BANDS, and of more similar ones more. Fewer are
found where more than WINDOW texts share a band without being similar, as texts of one template do.
Copies are always found. datasketch, measured beside it, finds the same but for a few pairs just at
SIMILAR, at four times the time, and at thirty times where texts are of one template.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from selftrain_assets.domain.seeds import derive_seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Frequencies = Mapping[int, int]
SIMILAR = 0.8
# a shingle is so many words and signs in a row; of a text with fewer than FEW of them, so many
# characters
RUN, LETTERS = 3, 4
FEW = 10
BANDS, DEPTH = 16, 5  # two texts are compared that have DEPTH hashes of one band in common
LIKELY = 0.65  # and this share of all hashes, three standard deviations below SIMILAR
WINDOW = 10  # of texts that fall together, each is compared with so many after it
_UNIT = re.compile(r"\w+|[^\w\s]")


def distinct(frequencies: Frequencies) -> int:
    """How many kinds there are."""
    return sum(frequencies.values())


def effective_number(frequencies: Frequencies) -> float:
    """Hill's number of order 1: exp of the Shannon entropy of the kinds' shares.

    It is the number of equally frequent kinds that would be as varied: from 1, where all rows are
    of one kind, to the number of kinds; 0 where there are no rows.
    """
    rows = _rows(frequencies)
    return (
        rows
        / math.exp(math.fsum(kinds * n * math.log(n) for n, kinds in frequencies.items()) / rows)
        if rows
        else 0.0
    )


def top_share(frequencies: Frequencies, most: int) -> float:
    """The share of rows that is of the `most` kinds with most rows; NaN where there are no rows."""
    top_rows, kinds_left = 0, most
    for n in sorted(frequencies, reverse=True):
        kinds = min(kinds_left, frequencies[n])
        top_rows, kinds_left = top_rows + kinds * n, kinds_left - kinds
    rows = _rows(frequencies)
    return top_rows / rows if rows else math.nan


def _rows(frequencies: Frequencies) -> int:
    return sum(n * kinds for n, kinds in frequencies.items())


# -- near-duplicates -------------------------------------------------------------------------------


def near_duplicates(texts: Iterable[str]) -> int:
    """How many of these texts have a near-duplicate among them.

    Copies, but for case and white space, are.
    """
    copies: dict[int, Counter[tuple[str, ...]]] = {RUN: Counter(), LETTERS: Counter()}
    for text in texts:
        length, units = units_of(text)
        copies[length][units] += 1
    return sum(_with_duplicate(counts, length) for length, counts in copies.items())


def units_of(text: str) -> tuple[int, tuple[str, ...]]:
    """Length of a shingle of this text, and the units that a shingle is a run of.

    Signs are units too: + and - can be all that distinguishes two solutions. Case and white space
    make no difference.
    """
    units = _UNIT.findall(unicodedata.normalize("NFKC", text).casefold())
    if len(units) >= FEW:
        return RUN, tuple(units)
    letters = " ".join(units)
    return LETTERS, tuple(letters) + ("",) * (LETTERS - len(letters))


def _with_duplicate(copies: Counter[tuple[str, ...]], length: int) -> int:
    """How many texts have a near-duplicate.

    Args:
        copies: The number of copies of each distinct text, which is given as its units.
        length: Length of a shingle, in units.
    """
    if not copies:
        return 0
    import numpy as np

    counts = np.array([*copies.values()])
    duplicated = counts > 1
    shingles, starts = _shingles(list(copies), length)
    hashes = _min_hashes(shingles, starts)
    parts = np.split(shingles, starts[1:])
    shingle_set = cache(lambda text: set(parts[text].tolist()))
    for band in np.split(hashes, BANDS):
        band_hash = np.bitwise_xor.reduce(band * _odd_constants("band", DEPTH), axis=0)
        order = np.argsort(band_hash, kind="stable")
        for offset in range(1, WINDOW + 1):
            first, second = order[:-offset], order[offset:]
            same_band = band_hash[first] == band_hash[second]
            if not same_band.any():
                break
            candidates = same_band & ~(duplicated[first] & duplicated[second])
            first, second = first[candidates], second[candidates]
            likely = (hashes[:, first] == hashes[:, second]).mean(axis=0) >= LIKELY
            for a, b in zip(first[likely].tolist(), second[likely].tolist(), strict=True):
                if duplicated[a] and duplicated[b]:
                    continue
                if jaccard(shingle_set(a), shingle_set(b)) >= SIMILAR:
                    duplicated[a] = duplicated[b] = True
    return int(counts[duplicated].sum())


def jaccard(a: set[int], b: set[int]) -> float:
    """Size of the intersection of two sets over the size of their union."""
    common = len(a & b)
    return common / (len(a) + len(b) - common)


def _shingles(
    texts: Sequence[tuple[str, ...]], length: int
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Shingles of all texts, one text after the other, as numbers; and where each text begins.

    No two shingles share a number as long as there are fewer than 2 ** (64 / length) different
    units: 2.6 million words, 65,536 characters.
    """
    import numpy as np

    ids: dict[str, int] = {}
    units = np.array(
        [ids.setdefault(unit, len(ids)) for text in texts for unit in text], dtype=np.uint64
    )
    sizes = np.array([len(text) for text in texts])
    within_text = np.ones(len(units), dtype=bool)
    for offset in range(1, length):
        within_text[np.cumsum(sizes) - offset] = False  # would reach into the next text
    shingles = np.zeros(len(units), dtype=np.uint64)
    for offset in range(length):
        shingles = shingles * np.uint64(len(ids)) + np.roll(units, -offset)
    ends = np.cumsum(sizes - length + 1)
    return shingles[within_text], np.concatenate([[0], ends[:-1]])


def _min_hashes(shingles: NDArray[np.uint64], starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Minimum of each text under BANDS * DEPTH hash functions: an array of functions by texts."""
    import numpy as np

    mixed = shingles * np.uint64(0x9E3779B97F4A7C15)
    # the finalizer of splitmix64
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    factors, masks = (_odd_constants(name, BANDS * DEPTH) for name in ("factor", "mask"))
    minima = [
        np.minimum.reduceat((mixed ^ mask) * factor, starts)
        for factor, mask in zip(factors, masks, strict=True)
    ]
    return np.stack(minima)


def _odd_constants(purpose: str, count: int) -> NDArray[np.uint64]:
    """Odd numbers of 64 bits, always the same, in a column."""
    import numpy as np

    values = [derive_seed(0, "near-duplicates", purpose, i) * 2 + 1 for i in range(count)]
    return np.array(values, dtype=np.uint64)[:, np.newaxis]
