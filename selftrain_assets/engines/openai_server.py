"""Client side of an OpenAI-compatible server: its address, models, answers, and errors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from selftrain_assets.domain.errors import (
    InfraError,
    ModelError,
    SelftrainError,
    UserError,
    nearest,
)
from selftrain_assets.domain.server import ServerSettings

CONNECT_SECONDS = 10.0
MOST_ERROR_TEXT = 300  # characters of a server's message that are passed on


def connection(server: ServerSettings) -> dict[str, Any]:
    """Arguments of `openai.OpenAI` and `openai.AsyncOpenAI`, which do the retries."""
    from openai import Timeout

    timeout = Timeout(server.timeout_seconds, connect=min(CONNECT_SECONDS, server.timeout_seconds))
    return {
        "base_url": server.base_url,
        "api_key": server.key or "none",
        "max_retries": server.retries,
        "timeout": timeout,
    }


def served_models(server: ServerSettings) -> list[ServedModel]:
    """Models that a server lists; empty where it keeps no such list.

    Raises:
        UserError: The address or the key is wrong.
        ModelError: The server refuses the request.
        InfraError: The server does not answer.
    """
    from openai import APIStatusError, OpenAI, OpenAIError

    with OpenAI(**connection(server)) as client:
        try:
            return ModelList.model_validate(client.get("/models", cast_to=object)).data
        except ValueError:
            return []
        except OpenAIError as error:
            if isinstance(error, APIStatusError) and error.status_code in (404, 405, 501):
                return []
            raise permanent_error(server, error) or InfraError(
                f"{server.base_url} does not answer ({error_text(server, error)}); start the"
                f" server, or correct {server.section}.base_url; run again to continue"
            ) from error


def permanent_error(server: ServerSettings, error: Exception) -> SelftrainError | None:
    """The error that a request ended with, if repeating it is of no use.

    Returns:
        What is wrong with the settings or the request; None where the same request may be
        answered later.
    """
    status = getattr(error, "status_code", None)
    if status in (401, 403):
        fault = (
            f"does not accept the key in {server.key_env}"
            if server.key
            else f"wants a key, and {server.key_env} is not set"
        )
        return UserError(
            f"{server.section}.key_env: {server.base_url} {fault} (status {status}); set that"
            " variable, or name another"
        )
    if status is None or status in (408, 409, 429) or status >= 500:
        return None
    return ModelError(
        f"{server.base_url} refuses what it is asked (status {status}): {error_text(server, error)}"
    )


def error_text(server: ServerSettings, error: Exception) -> str:
    """What a server says is wrong, in one line without the key."""
    body = getattr(error, "body", None)
    message = body.get("message") or body.get("detail") if isinstance(body, dict) else None
    if hasattr(error, "status_code"):
        text = f"status {error.status_code}: {message or body or ''}"
        text = " ".join(text.split()).rstrip(".: ")
    else:
        text = _plain(error)
    return (text.replace(server.key, "[key]") if server.key else text)[:MOST_ERROR_TEXT]


def unknown_model(server: ServerSettings, model: str, known: list[str]) -> SelftrainError:
    """The error for a model, or a path, that a server does not have."""
    if known and model not in known:
        return ModelError(
            f'{server.section}.model: {server.base_url} serves no "{model}"{nearest(model, known)}'
        )
    return UserError(
        f"{server.section}.base_url: {server.base_url} does not take what it is asked for {model}"
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

    def content(self) -> str:
        """The text, by either protocol."""
        return (self.message.content if self.message else self.text) or ""


class Usage(BaseModel):
    """Counts of tokens."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class Answer(BaseModel):
    """What is read of an answer, by either protocol."""

    choices: Annotated[list[Choice], Field(min_length=1)]
    usage: Usage | None = None
