"""The manifest of a finished stage: its identity, its parents, its settings and its result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.weights import WeightsRef
from selftrain_assets.store.results import In, Parts, StageResult

R = TypeVar("R", bound=StageResult)


class References(StageResult):
    """What the manifest of any stage refers to, besides its parents and tables.

    These are the weights that it made, the weights that it sampled from by their role, and the
    pools of verdicts that contain its keys.
    """

    weights: Annotated[WeightsRef | None, In("detail", formerly="place")] = None
    asked: Annotated[dict[str, WeightsRef], In("detail", formerly="places")] = Field(
        default_factory=dict
    )
    policy: Annotated[str | None, In("detail")] = None
    verifiers: Annotated[tuple[str, ...], In("detail")] = ()

    def all_weights(self) -> Iterator[WeightsRef]:
        """Every reference to weights, including those of each method and those below an adapter."""
        for weights in (*([self.weights] if self.weights else []), *self.asked.values()):
            yield from weights.with_parents()


@dataclass(frozen=True, slots=True)
class Manifest:
    """The record of a finished stage.

    `key` identifies the work (settings and parents), `digest` its result; work with an equal key is
    not done again. `parents` maps a stage name to its digest. `files` maps a name to (file,
    records, sha256). `seconds` is the wall time of the stage, `work_seconds` the part inside
    engine, verifier or trainer. `counts`, `metrics` and `detail` are the stage's own: `result`
    reads them.
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

    @property
    def names_samples(self) -> bool:
        """Whether the stage has a policy, so that its table names samples of the policy's pool."""
        return "policy" in self.parents

    def is_same_as(self, other: Manifest) -> bool:
        """Whether it is of the same work on the same parents, with the same result."""
        return (self.key, self.parents, self.digest) == (other.key, other.parents, other.digest)

    def name_in_history(self) -> str:
        """The name of its file once another replaces it: one for each result and its parents."""
        return f"{self.stage}-{fingerprint(self.key, self.parents, self.digest)[:16]}.json"

    def result(self, kind: type[R]) -> R:
        """The result that the stage recorded.

        Raises:
            IntegrityError: The manifest contains no such result.
        """
        parts: Parts = {"counts": self.counts, "metrics": self.metrics, "detail": self.detail}
        try:
            return kind.from_parts(parts)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            field = ".".join(map(str, fault["loc"]))
            raise IntegrityError(
                f"the manifest {self.experiment}/{self.scope}/{self.stage}.json has no usable"
                f" {field} ({fault['msg']}); move it away and run again, which makes it again"
            ) from error

    @property
    def references(self) -> References:
        """What it refers to besides its parents and tables."""
        return self.result(References)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read the manifest in a file.

        Raises:
            IntegrityError: The file contains none.
        """
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
