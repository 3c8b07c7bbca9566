"""What every task offers: its problems, split, and what is known of them without loading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from selftrain_assets.domain.attempts import Script
from selftrain_assets.domain.settings import Identity
from selftrain_assets.domain.types import Problem
from selftrain_assets.plugins import Member, Registry


@dataclass(frozen=True, slots=True)
class Card:
    """What a person wants to know of a problem set first.

    `splits` are the sizes as published, before duplicates are dropped; `hub` is a Hugging Face data
    set, of which `configs` are loaded, or the `files` of each split; `download` says what else can
    be read.
    """

    summary: str
    licence: str
    hub: str = ""
    configs: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    download: str = ""
    splits: Mapping[str, int] = field(default_factory=dict)
    solutions: bool = False


class Task(Member, Identity):
    """Settings that can load problems. The same settings load the same problems.

    A field `seed`, where there is one, is the seed of the problems or of their split: a repetition
    of an experiment with another seed sets it too.
    """

    registry: ClassVar[Registry[Task]] = Registry("task")
    type: str = ""
    card: ClassVar[Card] = Card("problems of another package", "not stated")
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Settings that an experiment on this task has unless its file says otherwise: `prompt`,
    `verifier`, `sampling`, and the `wording` of solutions in steps."""
    script: ClassVar[Script | None] = None
    """What finds and corrects errors in attempts at these problems without a model, where that
    can be done."""

    def load(self) -> list[Problem]:
        """Problems of every split; ids are unique.

        UserError names the file, line and field that is wrong.
        """
        raise NotImplementedError
