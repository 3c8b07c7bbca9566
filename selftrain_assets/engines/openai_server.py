"""Client side of an OpenAI-compatible server: its address, models, answers, and errors."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, PrivateAttr, field_validator

from selftrain_assets.domain.errors import (
    InfraError,
    ModelError,
    SelftrainError,
    UserError,
    nearest,
)
from selftrain_assets.domain.settings import Execution

CONNECT_SECONDS = 10.0
TOLD = 300  # characters that are passed on of what a server says


class ServerSettings(Execution):
    """How a server is asked. `section` is where these settings stand in an experiment."""

    _section: str = PrivateAttr("engine")

    base_url: str = Field(
        "http://localhost:8000/v1",
        description="address of the server, up to where /models and /completions follow",
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
        description=(
            "requests that fail one after the other before the others are not asked any more"
        ),
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

    def connection(self) -> dict[str, Any]:
        """Arguments of `openai.OpenAI` and `openai.AsyncOpenAI`, which do the retries."""
        from openai import Timeout

        timeout = Timeout(self.timeout_seconds, connect=min(CONNECT_SECONDS, self.timeout_seconds))
        return {
            "base_url": self.base_url,
            "api_key": self.key or "none",
            "max_retries": self.retries,
            "timeout": timeout,
        }

    def models(self) -> list[ServedModel]:
        """What it says that it serves; nothing where it keeps no such list."""
        from openai import APIStatusError, OpenAI, OpenAIError

        with OpenAI(**self.connection()) as client:
            try:
                return ModelList.model_validate(client.get("/models", cast_to=object)).data
            except ValueError:
                return []
            except OpenAIError as error:
                if isinstance(error, APIStatusError) and error.status_code in (404, 405, 501):
                    return []
                raise self.fault(error) or InfraError(
                    f"{self.base_url} does not answer ({self.told(error)}); start the server, or"
                    f" correct {self.section}.base_url; running again goes on"
                ) from error

    def fault(self, error: Exception) -> SelftrainError | None:
        """The error that a request ended with, if repeating it is of no use.

        Returns:
            What is wrong with the settings or the request; None where the same request may be
            answered later.
        """
        status = getattr(error, "status_code", None)
        if status in (401, 403):
            said = (
                f"does not accept the key in {self.key_env}"
                if self.key
                else f"wants a key, and {self.key_env} is not set"
            )
            return UserError(
                f"{self.section}.key_env: {self.base_url} {said} (status {status}); set that"
                " variable, or name another"
            )
        if status is None or status in (408, 409, 429) or status >= 500:
            return None
        return ModelError(
            f"{self.base_url} refuses what it is asked (status {status}): {self.told(error)}"
        )

    def told(self, error: Exception) -> str:
        """What a server says is wrong, in one line without the key."""
        body = getattr(error, "body", None)
        said = body.get("message") or body.get("detail") if isinstance(body, dict) else None
        status = f"status {error.status_code}: " if hasattr(error, "status_code") else ""
        text = (
            " ".join(f"{status}{said or body or ''}".split()).rstrip(".: ")
            if status
            else _plain(error)
        )
        return (text.replace(self.key, "[key]") if self.key else text)[:TOLD]

    def unknown(self, model: str, known: list[str]) -> SelftrainError:
        """For a model, or a path, that is not there."""
        if known and model not in known:
            return ModelError(
                f'{self.section}.model: {self.base_url} serves no "{model}"{nearest(model, known)}'
            )
        return UserError(
            f"{self.section}.base_url: {self.base_url} does not take what it is asked for {model}"
            " (status 404); give the address up to where /completions follows, often one that ends"
            " in /v1, and a model that it serves"
        )


def _plain(error: Exception) -> str:
    """The cause of a connection error says more than itself."""
    cause = str(error.__cause__ or "").strip()
    return " ".join(f"{str(error).rstrip('.')}{f': {cause}' if cause else ''}".split())


class ServedModel(BaseModel):
    """An entry of a server's list.

    `root` is what was loaded; an adapter names the model it is on as `parent` (both: vLLM, which
    says that it is the owner).
    """

    id: str
    root: str | None = None
    parent: str | None = None
    owned_by: str | None = None


class ModelList(BaseModel):
    """The list."""

    data: list[ServedModel]


ENDS: dict[str, Literal["stop", "length"]] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "length",  # cut off, if not by us: asked again it would be cut off again
    "tool_calls": "stop",  # it was offered no tool; what it says beside the call is its answer
    "function_call": "stop",
}


class Message(BaseModel):
    """What a chat answers with."""

    content: str | None = None


class Choice(BaseModel):
    """One completion.

    Its tokens, and the token or the text that ended it, where vLLM was asked for them.
    """

    finish_reason: str
    text: str | None = None
    message: Message | None = None
    token_ids: list[int] | None = None
    stop_reason: int | str | None = None

    def said(self) -> str:
        return (self.message.content if self.message else self.text) or ""


class Usage(BaseModel):
    """Counts of tokens."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class Answer(BaseModel):
    """What is read of an answer, by either protocol."""

    choices: Annotated[list[Choice], Field(min_length=1)]
    usage: Usage | None = None
