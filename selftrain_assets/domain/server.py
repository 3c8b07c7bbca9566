"""The address of an OpenAI-compatible server, and how it is asked."""

from __future__ import annotations

import os
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, field_validator

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.settings import Execution

Api = Literal["completions", "chat"]


class ServerSettings(Execution):
    """How a server is asked. `section` is where these settings stand in an experiment."""

    _section: str = PrivateAttr("engine")

    base_url: str = Field(
        "http://localhost:8000/v1",
        description="URL of the server, to which /models and /completions are appended",
    )
    key_env: str = Field(
        "OPENAI_API_KEY",
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable with the key; a server may need none",
    )
    concurrency: int = Field(32, ge=1, le=1000, description="requests in flight at once")
    timeout_seconds: float = Field(
        300.0, gt=0, le=86_400, description="longest wait for one answer"
    )
    retries: int = Field(
        4,
        ge=0,
        le=20,
        description=(
            "how often a request is asked again after a timeout, a lost connection or status 408,"
            " 409, 429 or 5xx; after the time that the server's Retry-After says, or else 0.5"
            " seconds that double up to 8, with jitter"
        ),
    )
    give_up_after: int = Field(
        8,
        ge=1,
        description=("failed requests in a row after which no more are sent"),
    )

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("should be the address of a server, like http://localhost:8000/v1")
        if parts.username or parts.password or parts.query:
            raise ValueError(
                "should hold no name, password or query; a key goes into the environment variable"
                " that key_env names"
            )
        return value.rstrip("/")

    @property
    def section(self) -> str:
        return self._section

    def at(self, section: str) -> Self:
        """The same, where they stand elsewhere."""
        moved = self.model_copy()
        moved._section = section
        return moved

    @property
    def key(self) -> str | None:
        """From the environment; it is never shown. UserError for what cannot be a key."""
        key = os.environ.get(self.key_env, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise UserError(
                f"{self.section}.key_env: {self.key_env} holds characters that no key has; set it"
                " again"
            )
        return key or None
