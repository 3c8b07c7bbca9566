"""Seeds derived by keyed hash.

A draw depends on what is drawn, and not on when, where or in which batch.
"""

from __future__ import annotations

import hashlib
import json


def derive_seed(seed: int, *parts: str | int) -> int:
    """A 63-bit seed for `parts` under `seed`."""
    text = json.dumps(parts, ensure_ascii=False).encode()
    digest = hashlib.blake2b(text, key=str(seed).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
