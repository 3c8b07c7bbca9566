"""What the chat template of a tokenizer makes of messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import nodes
    from transformers import PreTrainedTokenizerBase

Message = Mapping[str, str]
NEVER = datetime(2000, 1, 1)
"""For texts that are looked at and never asked."""


def render(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    moment: datetime = NEVER,
    arguments: Mapping[str, Any] | None = None,
    asks: bool = True,
) -> str:
    """The text of a chat; `asks`: the assistant's turn is opened behind it.

    `moment` is the time that the template is told. Raises what the template raises.
    """
    context = {"strftime_now": moment.strftime, **(arguments or {})}
    return tokenizer.apply_chat_template(
        list(messages), tokenize=False, add_generation_prompt=asks, **context
    )


def variables(tokenizer: PreTrainedTokenizerBase) -> set[str]:
    """Names that the chat template reads from outside."""
    from jinja2 import meta

    return meta.find_undeclared_variables(_parsed(tokenizer))


def _parsed(tokenizer: PreTrainedTokenizerBase) -> nodes.Template:
    """The syntax tree, read with the extensions that transformers gives to templates."""
    from transformers.utils.chat_template_utils import _compile_jinja_template

    template = tokenizer.get_chat_template()
    return _compile_jinja_template(template).environment.parse(template)


def chat_openings(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """Texts with one of which every chat of the template begins.

    They are its first added token, or all that stands before what is said. There is none without a
    template, or where a template begins with what is said.
    """
    if not tokenizer.chat_template:
        return ()
    openings = []
    for first in ({"role": "user", "content": "One?"}, {"role": "system", "content": "One?"}):
        behind = [] if first["role"] == "user" else [{"role": "user", "content": "Two?"}]
        with suppress(Exception):  # whatever a template raises: who asks in this chat is told
            before, _, _ = render(tokenizer, [first, *behind]).partition("One?")
            openings.append(_first_token(before, tokenizer) or before)
    return tuple(dict.fromkeys(filter(None, openings)))


def turn_end(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The token that the chat template puts behind the last message of an assistant.

    None where there is no template, or no such token. What stands behind an earlier message may be
    another token: with several channels in one answer it ends a channel and not the turn.
    """
    if not tokenizer.chat_template:
        return None
    question, answer = {"role": "user", "content": "One?"}, {"role": "assistant", "content": "Two."}
    try:
        text = render(tokenizer, [question, answer], asks=False)
        tells_apart = render(tokenizer, [question]) != render(tokenizer, [question], asks=False)
    except Exception:  # whatever a template raises: who asks in this chat is told
        return None
    _, _, behind = text.rpartition(answer["content"])
    token = _first_token(behind.lstrip(), tokenizer)
    if token is None or tells_apart or token == tokenizer.eos_token:
        return token
    # The template opens the next turn even here: a single token may be what opens it.
    rest = behind.lstrip().removeprefix(token).lstrip()
    return token if _first_token(rest, tokenizer) else None


def _first_token(text: str, tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The added token that a text begins with."""
    tokens: Iterable[str] = (token.content for token in tokenizer.added_tokens_decoder.values())
    matches = [
        token for token in (*tokens, tokenizer.eos_token or "") if token and text.startswith(token)
    ]
    return max(matches, key=len, default=None)
