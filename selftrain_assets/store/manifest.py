"""The manifest of a finished stage: what it is, what it was made from, how, and what came of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.domain.identity import fingerprint

DRAWN = ("samples", "hinted_samples", "translated_samples")
"""Stages whose table names samples."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`key` identifies the work (settings and parents), `digest` its result; equal keys need no
    work.

    `parents` maps a stage name to its digest. `files` maps a name to (file, records, sha256).
    `seconds` is the wall time of the stage, `work_seconds` the part inside engine, verifier or
    trainer. `detail` is the stage's own.
    """

    stage: str
    experiment: str
    scope: str
    key: str
    digest: str
    parents: dict[str, str]
    settings: dict[str, Any]
    versions: dict[str, str]
    counts: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    files: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    work_seconds: float = 0.0
    tokens: int = 0
    finished: str = ""

    def is_same_as(self, other: Manifest) -> bool:
        """Is it of the same work on the same parents, with the same result?"""
        return (self.key, self.parents, self.digest) == (other.key, other.parents, other.digest)

    def name_in_history(self) -> str:
        """File that keeps it when another takes its place: one for each result, and for what it
        was made from."""
        return f"{self.stage}-{fingerprint(self.key, self.parents, self.digest)[:16]}.json"

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """The manifest in a file; IntegrityError where it holds none."""
        try:
            values = json.loads(path.read_text())
            return cls(
                **{
                    **values,
                    "files": {name: tuple(entry) for name, entry in values["files"].items()},
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(
                f"{path} is not readable as a manifest; move it away and run again, which makes it"
                " again"
            ) from error
