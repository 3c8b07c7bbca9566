"""Content keys: equal content, equal key; doing work twice cannot count twice.

A key is the SHA-256 of a canonical JSON text. Values without one canonical form are refused instead of being
hashed by their repr, because a key that drifts silently repeats or skips work.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from selftrain_assets.core.settings import Identity, Settings
from selftrain_assets.core.types import Problem

KEY_LENGTH = 32  # hex digits, 128 bits


def canonical(value: Any) -> Any:
    """`value` reduced to JSON types, or TypeError for what has no single canonical form."""
    if isinstance(value, Identity):
        return canonical(value.model_dump(mode="python"))
    if isinstance(value, Settings):
        raise TypeError(f"{type(value).__name__} says how to run, not what to compute; it must not enter a key")
    if isinstance(value, Enum):
        return canonical(value.value)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{value} has no canonical form")
        return value
    if isinstance(value, (list, tuple)):
        return [canonical(v) for v in value]
    if isinstance(value, Mapping):
        if not all(isinstance(k, str) for k in value):
            raise TypeError("only text keys have a canonical order")
        return {k: canonical(value[k]) for k in sorted(value)}
    raise TypeError(f"{type(value).__name__} has no canonical form")


def fingerprint(*parts: Any) -> str:
    """The key of an ordered list of parts."""
    text = json.dumps(canonical(parts), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def problem_digest(problem: Problem) -> str:
    """What a verdict depends on: the question and its reference answer or tests, not the id."""
    return fingerprint("problem", problem.question, problem.answer, *([problem.tests] if problem.tests else []))


def sample_key(policy: str, prompt: str, sampling: Identity, seed: int, index: int) -> str:
    """Identity of a sample. The engine is provenance and stays out."""
    return fingerprint("sample", policy, prompt, sampling, seed, index)


def verification_key(sample: str, problem: Problem, verifier: str) -> str:
    """Identity of a verdict; `verifier` is the fingerprint of the verifier's name, version and settings."""
    return fingerprint("verification", sample, problem_digest(problem), verifier)


def digest_files(paths: list[Path]) -> str:
    """Digest of files by name and bytes, independent of where they lie and of their order."""
    outer = hashlib.sha256()
    for path in sorted(paths, key=lambda p: p.name):
        with path.open("rb") as file:
            inner = hashlib.file_digest(file, "sha256").hexdigest()
        outer.update(f"{path.name}\0{inner}\n".encode())
    return outer.hexdigest()[:KEY_LENGTH]
