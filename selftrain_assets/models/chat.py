"""Questions asked as a person asks them in a chat, by the chat template of a model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from selftrain_assets.domain.errors import UserError, nearest
from selftrain_assets.domain.prompts import Frame, PromptSettings, Turn
from selftrain_assets.domain.thinking import without_thought
from selftrain_assets.models.loading import ModelRef
from selftrain_assets.models.templates import render, variables
from selftrain_assets.models.tokenization import cached_tokenizer, learnt_end

MESSAGE = "\N{OBJECT REPLACEMENT CHARACTER}"  # stands for the message in a chat template
SET_HERE = (
    "messages",
    "add_generation_prompt",
    "continue_final_message",
    "bos_token",
    "eos_token",
    "pad_token",
    "unk_token",
)
"""What a template reads and a person does not set."""


@dataclass(frozen=True, slots=True)
class _Chat:
    """A chat with one model, by one system message and one set of arguments, at one moment."""

    ref: ModelRef
    system: str
    arguments: str
    moment: datetime

    @property
    def where(self) -> str:
        return f"the chat template of {self.ref.directory}"

    def text(self, turns: Sequence[Turn], message: str) -> str:
        """What the template makes of a message behind earlier turns.

        Raises what the template raises.
        """
        messages = [{"role": "system", "content": self.system}] if self.system else []
        for question, answer in turns:
            messages += [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]
        messages.append({"role": "user", "content": message})
        return render(cached_tokenizer(self.ref), messages, self.moment, json.loads(self.arguments))


def chat_frame(
    ref: ModelRef, settings: PromptSettings, moment: datetime, turns: tuple[Turn, ...] = ()
) -> Frame:
    """What stands around a person's message, which the model is to answer, behind earlier turns.

    UserError where the model has no chat template, or one that does not show the message, the turns
    and the system message as they are, or does not read an argument.
    """
    return _framed(_chat(ref, settings, moment), turns)


def check_frame(
    ref: ModelRef, settings: PromptSettings, moment: datetime, frame: Frame, messages: Iterable[str]
) -> None:
    """Check that a frame gives what the chat template gives for these messages.

    Raises:
        UserError: For the first message for which the two differ.
    """
    chat = _chat(ref, settings, moment)
    for message in messages:
        text = _rendered(chat, frame.turns, message)
        if text == frame.around(message):
            continue
        excerpt = message if len(message) <= 80 else f"{message[:80]}..."
        how = (
            "leaves white space at its ends out"
            if frame.around(message.strip()) == text
            else "puts it differently into the chat"
        )
        raise UserError(
            f"prompt.chat: {chat.where} changes a message: of {excerpt!r} it {how}; change the"
            " question or prompt.template so that it stays, leave chat out, or give the model"
            " another template"
        )


def _chat(ref: ModelRef, settings: PromptSettings, moment: datetime) -> _Chat:
    return _Chat(
        ref, settings.system, json.dumps(settings.template_arguments, sort_keys=True), moment
    )


@lru_cache(maxsize=64)
def _framed(chat: _Chat, turns: tuple[Turn, ...]) -> Frame:
    _check_template(chat)
    text = _rendered(chat, turns, MESSAGE)
    if (count := text.count(MESSAGE)) != 1:
        fault = (
            f"shows it {count} times"
            if count
            else "does not show it as text, perhaps because it takes messages in parts"
        )
        raise UserError(
            f"prompt.chat: {chat.where} changes a message: it {fault}; leave chat out, or"
            " give the model another template"
        )
    before, _, after = text.partition(MESSAGE)
    _check_shown(chat, turns, before, after)
    strips = _rendered(chat, turns, f" \n{MESSAGE}\n ") == text
    return Frame(before, after, learnt_end(chat.ref, chat=True), strips, turns)


def _check_template(chat: _Chat) -> None:
    tokenizer = cached_tokenizer(chat.ref)
    if not tokenizer.chat_template:
        raise UserError(
            f"prompt.chat: the tokenizer of {chat.ref.directory} has no chat template; leave chat"
            " out, or choose a model with one"
        )
    try:
        read = variables(tokenizer) - set(SET_HERE)
    except Exception as error:  # no template at all, or one that transformers has no way to read
        raise UserError(
            f"prompt.chat: {chat.where} cannot be read ({_reason(error)}); leave chat out, or"
            " correct the template"
        ) from error
    if unread := [name for name in json.loads(chat.arguments) if name not in read]:
        known = nearest(unread[0], read) if read else "; it reads none"
        raise UserError(
            f'prompt.template_arguments: {chat.where} does not read "{unread[0]}"{known}'
        )


def _check_shown(chat: _Chat, turns: tuple[Turn, ...], before: str, after: str) -> None:
    """Is all there that was said?"""
    if chat.system.strip() not in before + after:
        raise UserError(
            f"prompt.system: {chat.where} leaves the system message out, or changes it; put its"
            " text into prompt.template instead"
        )
    for question, answer in turns:
        answer = without_thought(answer)  # templates leave earlier thoughts out, and are to
        if lost := [text for text in (question, answer) if text.strip() not in before]:
            raise UserError(
                f"prompt.few_shot: {chat.where} leaves an example out, or changes it"
                f" ({lost[0][:80]!r}); give worked examples as a text, prompt.examples, or set"
                " few_shot: 0"
            )


def _rendered(chat: _Chat, turns: tuple[Turn, ...], message: str) -> str:
    """The text of the chat. UserError, with what the template says, where it fails."""
    try:
        return chat.text(turns, message)
    except Exception as error:  # a template may raise anything
        raise _fault(chat, turns, message, error) from error


def _fault(chat: _Chat, turns: tuple[Turn, ...], message: str, error: Exception) -> UserError:
    """What a template that fails does not take."""
    reason = f"({_reason(error)})"
    if chat.system and _takes(_Chat(chat.ref, "", chat.arguments, chat.moment), turns, message):
        return UserError(
            f"prompt.system: {chat.where} takes no system message {reason}; leave it out, or put"
            " its text into prompt.template"
        )
    if turns and _takes(chat, (), message):
        return UserError(
            f"prompt.few_shot: {chat.where} takes no earlier turns {reason}; give worked examples"
            " as a text, prompt.examples, or set few_shot: 0"
        )
    if chat.arguments != "{}" and _takes(
        _Chat(chat.ref, chat.system, "{}", chat.moment), turns, message
    ):
        return UserError(
            f"prompt.template_arguments: {chat.where} fails with {chat.arguments} {reason}; correct"
            " them"
        )
    return UserError(
        f"prompt.chat: {chat.where} fails {reason}; set what it needs in prompt.template_arguments,"
        " or leave chat out"
    )


def _takes(chat: _Chat, turns: tuple[Turn, ...], message: str) -> bool:
    try:
        return bool(chat.text(turns, message))
    except Exception:
        return False


def _reason(error: Exception) -> str:
    """The kind of an error, and the first line of its text."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
