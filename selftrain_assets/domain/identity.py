"""Content keys: equal content, equal key; doing work twice cannot count twice.

A fingerprint is the SHA-256 of a canonical JSON text. Values without one canonical form are refused
instead of being hashed by their repr, because a key that drifts silently repeats or skips work.
Keys of samples, verdicts and rows, of which there are millions, are hashes of fingerprints and text
digests, so that a database can compute them too (store/queries/macros.sql).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from selftrain_assets.domain.settings import Execution, Identity, Settings
from selftrain_assets.domain.types import Problem, Section

KEY_LENGTH = 32  # hex digits, 128 bits


def canonical(value: Any) -> Any:
    """`value` reduced to JSON types, or TypeError for what has no single canonical form."""
    if isinstance(value, Identity):
        kind = type(value)
        sections = (
            (name, getattr(value, name), field.default) for name, field in kind.model_fields.items()
        )
        entering = {
            name: section
            for name, section, default in sections
            if name not in kind.added or section != default
        }
        # a section that says how to run is no part of what is computed
        return canonical(
            {
                kind.renamed.get(name, name): section
                for name, section in entering.items()
                if not isinstance(section, Execution)
            }
            | dict(kind.identity_of_class())
        )
    if isinstance(value, Settings):
        raise TypeError(
            f"{type(value).__name__} says how to run, not what to compute; it must not enter a key"
        )
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


def text_digest(text: str) -> str:
    """SHA-256 of a text's UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def _hash(*parts: str) -> str:
    """Key of parts without colons; store/queries/macros.sql computes the same for tables."""
    return text_digest(":".join(parts))[:KEY_LENGTH]


def draws_key(policy: str, sampling: Identity, seed: int) -> str:
    """What all draws of one kind have in common: weights, sampling settings and seed."""
    return fingerprint("draws", policy, sampling, seed)


def sample_key(draws: str, prompt: str, index: int) -> str:
    """Identity of a sample; `draws` is a `draws_key`. The engine is provenance and stays out."""
    return _hash("sample", draws, text_digest(prompt), str(index))


def problem_digest(problem: Problem) -> str:
    """What a verdict depends on: the question and its reference answer or tests, not the id."""
    tests = [] if problem.tests is None else [text_digest(problem.tests)]
    return _hash("problem", text_digest(problem.question), text_digest(problem.answer), *tests)


def verification_key(sample: str, completion: str, problem: str, verifier: str) -> str:
    """Identity of a verdict.

    The completion is part of it: drawn again after a loss, by an engine that does not repeat
    itself, a sample keeps its key and not its text. `completion` is its `text_digest`, `problem` a
    `problem_digest`, `verifier` the fingerprint of a verifier's name, version and settings.
    """
    return _hash("verification", sample, completion, problem, verifier)


def row_key(
    prompt: str,
    completion: str,
    weight: float,
    source: str,
    sample: str | None,
    sections: Sequence[Section] | None = None,
    tokens: Sequence[int] | None = None,
    ended_by: str | None = None,
    forced: Sequence[int] | None = None,
) -> str:
    """Identity of a training row: its text and tokens, their weight, and its sample."""
    parts = []
    if sections is not None:
        parts.append(text_digest(json.dumps([[s["length"], s["factor"]] for s in sections])))
    parts += [] if tokens is None else ["tokens=" + text_digest(",".join(map(str, tokens)))]
    parts += [] if ended_by is None else ["end=" + text_digest(ended_by)]
    parts += [] if forced is None else ["forced=" + "-".join(map(str, forced))]
    return _hash(
        "row",
        text_digest(prompt),
        text_digest(completion),
        f"{weight:.17g}",
        source,
        sample or "",
        *parts,
    )


def digest_files(paths: list[Path]) -> str:
    """Digest of files by name and bytes, independent of where they lie and of their order."""
    outer = hashlib.sha256()
    for path in sorted(paths, key=lambda p: p.name):
        with path.open("rb") as file:
            inner = hashlib.file_digest(file, "sha256").hexdigest()
        outer.update(f"{path.name}\0{inner}\n".encode())
    return outer.hexdigest()[:KEY_LENGTH]
