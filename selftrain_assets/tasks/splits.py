"""Which split a name means: one rule for files, folders, the keys of a JSON object and columns."""

from __future__ import annotations

import re
from pathlib import Path

from selftrain_assets.domain.seeds import derive_seed
from selftrain_assets.domain.types import Split

SPLIT = re.compile(r"(?:^|[^a-z])(train|validation|valid|val|dev|test|prompt)(?:ing)?(?![a-z])")
SAME_SPLIT = {"valid": "validation", "val": "validation", "dev": "validation"}
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def hashed_split(seed: int, text: str, test_share: float, validation_share: float) -> Split:
    """The split of a problem that is published without one, by a hash of its text or id.

    The same text is in the same split whatever stands beside it.
    """
    place = derive_seed(seed, "split", text) / 2**63
    if place < test_share:
        return "test"
    return "validation" if place < test_share + validation_share else "train"


def split_called(name: str) -> str | None:
    """The split that is called so and nothing else."""
    match = SPLIT.fullmatch(name.strip().lower())
    return SAME_SPLIT.get(match[1], match[1]) if match else None


def splits_in(name: str) -> set[str]:
    """Splits that are a word of this name.

    `test` is one of `test-00000-of-00001`, `gsm8k_test` and `TestSet`, not of `latest` or
    `unit_tests`.
    """
    return {SAME_SPLIT.get(word, word) for word in SPLIT.findall(CAMEL.sub(" ", name).lower())}


def split_of(below: Path, folder: Path) -> str | None:
    """The split that a file is in.

    Its name says it, or else that of the nearest folder below `folder`, by a word in it. Where none
    does, `folder` or the nearest one above it that is called so and nothing else, within the folder
    that the command runs in or the home directory. Two such words say nothing.
    """
    for part in reversed(below.parts):
        if len(named := splits_in(part)) == 1:
            return named.pop()
    for above in (folder.absolute(), *folder.absolute().parents):
        if above in (Path.cwd(), Path.home()) and above != folder.absolute():
            return None
        if (called := split_called(above.name)) not in (None, "prompt"):
            return called
    return None
