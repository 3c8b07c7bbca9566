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

from selftrain_assets.domain.seeds import derive_seed

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
    found, left = 0, most
    for n in sorted(frequencies, reverse=True):
        taken = min(left, frequencies[n])
        found, left = found + taken * n, left - taken
    rows = _rows(frequencies)
    return found / rows if rows else math.nan


def _rows(frequencies: Frequencies) -> int:
    return sum(n * kinds for n, kinds in frequencies.items())


# -- near-duplicates -------------------------------------------------------------------------------


def near_duplicates(texts: Iterable[str]) -> int:
    """How many of these texts have a near-duplicate among them.

    Copies, but for case and white space, are.
    """
    copies: dict[int, Counter[tuple[str, ...]]] = {RUN: Counter(), LETTERS: Counter()}
    for text in texts:
        run, units = units_of(text)
        copies[run][units] += 1
    return sum(_with_twins(times, run) for run, times in copies.items())


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


def _with_twins(times: Counter[tuple[str, ...]], run: int) -> int:
    """How many texts have a near-duplicate.

    Args:
        times: Distinct texts, each with the number of its copies.
        run: Length of a shingle, in units.
    """
    if not times:
        return 0
    import numpy as np

    found = np.array([n > 1 for n in times.values()])
    shingles, starts = _shingles(list(times), run)
    hashes = _hashes(shingles, starts)
    parts = np.split(shingles, starts[1:])
    sets = cache(lambda place: set(parts[place].tolist()))
    for band in np.split(hashes, BANDS):
        key = np.bitwise_xor.reduce(band * _numbers("band", DEPTH), axis=0)
        order = np.argsort(key, kind="stable")
        for apart in range(1, WINDOW + 1):
            a, b = order[:-apart], order[apart:]
            together = key[a] == key[b]
            if not together.any():
                break
            a, b = (side[together & ~(found[a] & found[b])] for side in (a, b))
            likely = (hashes[:, a] == hashes[:, b]).mean(axis=0) >= LIKELY
            for i, j in zip(a[likely].tolist(), b[likely].tolist(), strict=True):
                if not (found[i] and found[j]) and jaccard(sets(i), sets(j)) >= SIMILAR:
                    found[i] = found[j] = True
    return sum(n for n, twin in zip(times.values(), found, strict=True) if twin)


def jaccard(a: set[int], b: set[int]) -> float:
    """Size of the intersection of two sets over the size of their union."""
    common = len(a & b)
    return common / (len(a) + len(b) - common)


def _shingles(texts: Sequence[tuple[str, ...]], run: int):
    """Shingles of all texts, one text after the other, as numbers; and where each text begins.

    No two shingles share a number as long as there are fewer than 2 ** (64 / run) different units:
    2.6 million words, 65,536 characters.
    """
    import numpy as np

    numbered: dict[str, int] = {}
    units = np.array(
        [numbered.setdefault(unit, len(numbered)) for text in texts for unit in text],
        dtype=np.uint64,
    )
    sizes = np.array([len(text) for text in texts])
    whole = np.ones(len(units), dtype=bool)
    for back in range(1, run):
        whole[np.cumsum(sizes) - back] = False  # would reach into the next text
    values = np.zeros(len(units), dtype=np.uint64)
    for ahead in range(run):
        values = values * np.uint64(len(numbered)) + np.roll(units, -ahead)
    starts = np.cumsum(sizes - run + 1)
    return values[whole], np.concatenate([[0], starts[:-1]])


def _hashes(shingles, starts):
    """Minimum of each text under BANDS * DEPTH hash functions: an array of functions by texts."""
    import numpy as np

    mixed = shingles * np.uint64(0x9E3779B97F4A7C15)
    # the finalizer of splitmix64
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    factors, masks = (_numbers(name, BANDS * DEPTH) for name in ("factor", "mask"))
    return np.stack(
        [
            np.minimum.reduceat((mixed ^ mask) * factor, starts)
            for factor, mask in zip(factors, masks, strict=True)
        ]
    )


def _numbers(purpose: str, count: int):
    """Odd numbers of 64 bits, always the same, in a column."""
    import numpy as np

    return np.array(
        [[derive_seed(0, "near-duplicates", purpose, i) * 2 + 1] for i in range(count)],
        dtype=np.uint64,
    )
