"""Engine on any server that speaks OpenAI's HTTP protocol.

vLLM, SGLang, llama.cpp, Ollama, or a hosted one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field

from selftrain_assets.domain.errors import InfraError, ModelError, SelftrainError, UserError
from selftrain_assets.domain.prompts import Frame
from selftrain_assets.domain.sampling import DrawSettings, cut_at_stop
from selftrain_assets.domain.server import Api, ServerSettings
from selftrain_assets.domain.types import Completion, Request
from selftrain_assets.domain.weights import NOTES_FILE
from selftrain_assets.engines.openai_server import (
    ENDS,
    Answer,
    Choice,
    ServedModel,
    connection,
    error_text,
    permanent_error,
    served_models,
    unknown_model,
)
from selftrain_assets.engines.protocol import EngineDescription, EngineSettings, distinct
from selftrain_assets.engines.streaming import streamed
from selftrain_assets.models.digests import weights_digest
from selftrain_assets.models.loading import ModelRef
from selftrain_assets.models.tokenization import (
    decode,
    encode_prompt,
    end_name,
    end_tokens,
    load_tokenizer,
    tokenizer_digest,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from transformers import PreTrainedTokenizerBase

PATHS: dict[Api, str] = {"completions": "/completions", "chat": "/chat/completions"}
SEEDS = 2**31
"""Seeds are taken modulo this: some servers take no more than 32 bits with a sign. Two draws of
a prompt that share one are rare."""

NAME = 16  # hex digits of a digest in an adapter's name
TOO_LONG = (
    "context_length",
    "context length",
    "context window",
    "max_model_len",
    "too long",
    "maximum length",
)


class OpenAISettings(EngineSettings, ServerSettings):
    """Sampling by a server that has the experiment's model.

    It is asked to complete prompts as they are, which is how they are trained on. Of trained
    policies it can serve LoRA adapters, if it is vLLM and started for it (docs/engines.md).
    """

    type: Literal["openai"] = "openai"
    model: str | None = Field(
        None,
        min_length=1,
        description="name of the experiment's model on the server; None: the only one it has",
    )

    def open(self, ref: ModelRef) -> OpenAIEngine:
        """Ask the server what it serves.

        UserError or ModelError where that is not these weights, InfraError where it is down.
        """
        engine = OpenAIEngine(self, self.model)
        engine.use(ref)
        return engine


class OpenAIEngine:
    """One model of a server.

    Without `model` it is the only one there; `use` chooses the weights, which a teacher needs not.
    Of `frames`, chat messages are the turns and what lies within.

    Each request is one completion with its own seed. Servers that honour seeds repeat themselves up
    to rounding; others do not: a sample that is lost and drawn again then keeps its key and not its
    text.
    """

    def __init__(
        self,
        server: ServerSettings,
        model: str | None,
        api: Api = "completions",
        frames: Sequence[Frame] = (),
    ) -> None:
        self._server, self._model, self._api, self._frames = server, model, api, frames
        self._name = model or ""
        self._adapter: Path | None = None
        self._tokenizer: PreTrainedTokenizerBase | None = None
        self._spaced = False  # does the server's text begin with a space that decoding leaves out?
        self._digest: str | None = None  # of the tokenizer whose ids the server gives
        self._ends: list[int] = []
        self._known: list[str] = []

    def describe(self) -> EngineDescription:
        import openai

        return EngineDescription(
            "openai", openai.__version__, self._server.base_url, False, self._digest
        )

    # -- weights -----------------------------------------------------------------------------------

    def use(self, ref: ModelRef) -> None:
        """Switch to these weights: the server's own, or an adapter that it is told to load."""
        served = served_models(self._server)
        name = self._model or self._only(served)
        root = next((model.root for model in served if model.id == name), None)
        self._known = [model.id for model in served]
        if self._known and name not in self._known:
            raise unknown_model(self._server, name, self._known)
        if not _has(root, ref):
            raise ModelError(
                f"{self._server.base_url} serves {root or name}, which has other weights than"
                f" {ref.directory}, and a server cannot change whole weights while it runs; train"
                " adapters (trainer.lora), start it with that folder, or use engine transformers"
                " or vllm"
            )
        self._name, self._adapter = (
            (self._load_adapter(ref, name) if ref.adapter else name),
            ref.adapter,
        )
        self._tokenizer = load_tokenizer(ref)
        self._spaced = _loses_first_space(self._tokenizer)
        gives_tokens = any(model.owned_by == "vllm" for model in served)
        self._digest = tokenizer_digest(self._tokenizer) if gives_tokens else None
        self._ends = end_tokens(ref) if gives_tokens else []

    def _only(self, served: list[ServedModel]) -> str:
        whole = [model.id for model in served if model.parent is None]
        if len(whole) == 1:
            return whole[0]
        reason = (
            f"serves {', '.join(whole)}; choose one of them"
            if whole
            else "does not say what it serves; say what to ask for"
        )
        raise UserError(f"{self._server.section}.model: {self._server.base_url} {reason}")

    def _load_adapter(self, ref: ModelRef, on: str) -> str:
        """The server's name of the adapter, which is loaded unless the server has it.

        The name is a digest, so that the adapter of one name is always the same.
        """
        from openai import APIStatusError, OpenAI, OpenAIError

        name = ref.digest[:NAME]
        if name in self._known:
            return name
        try:
            with OpenAI(**connection(self._server)) as client:
                client.post(
                    "/load_lora_adapter",
                    body={"lora_name": name, "lora_path": str(ref.adapter)},
                    cast_to=str,
                )
        except OpenAIError as error:
            where, reason = self._server.base_url, error_text(self._server, error)
            if not isinstance(error, APIStatusError):
                raise InfraError(
                    f"{where} did not load the adapter {ref.adapter} ({reason}); run again to"
                    " continue"
                ) from error
            # there is no such path
            if error.status_code in (404, 405) and "adapter" not in reason.lower():
                raise ModelError(
                    f"{where} loads no adapters while it runs; start it by"
                    " VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve ... --enable-lora, or use"
                    " engine vllm"
                ) from error
            # else another process was first
            if name not in [model.id for model in served_models(self._server)]:
                raise ModelError(
                    f"{where} cannot put the adapter {ref.adapter} on {on} ({reason}); it must be"
                    " able to read that folder, and be started with --enable-lora and a large"
                    " enough --max-lora-rank; or use engine vllm"
                ) from error
        self._known.append(name)
        return name

    # -- completions -------------------------------------------------------------------------------

    def generate(self, requests: Sequence[Request], sampling: DrawSettings) -> Iterator[Completion]:
        """As they finish.

        What fails for good is left out, and after all others InfraError says how many those are.
        """
        if requests:
            encode = self._encoder()
            bodies = [(r, self._body(encode(r), r.seed, sampling)) for r in distinct(requests)]
            yield from streamed(partial(self._ask_all, bodies, sampling.stop))

    def _encoder(self) -> Callable[[Request], dict[str, Any]]:
        """A function from a request to the fields that state its prompt.

        A prompt is sent as text. It is sent as tokens where a server would not make the tokens of
        the text that training makes: for empty prompts, with white space or without, those that
        bring the begin token themselves, and those that a tokenizer ends with its end token; and
        where the completion continues given tokens. A teacher's tokens are not known.
        """
        if self._api == "chat":
            return lambda request: {"messages": self._messages(request.prompt)}
        if (tokenizer := self._tokenizer) is None:
            return lambda request: {"prompt": request.prompt}
        begin = tokenizer.bos_token

        def encode(request: Request) -> dict[str, Any]:
            prompt, ids = request.prompt, encode_prompt(tokenizer, request.prompt)
            own = (
                not prompt.strip()
                or (begin and prompt.startswith(begin))
                or ids != tokenizer(prompt).input_ids
            )
            return {"prompt": [*ids, *request.continues] if own or request.continues else prompt}

        return encode

    def _messages(self, prompt: str) -> list[dict[str, str]]:
        """A prompt as chat messages.

        They are taken out of the longest frame around the prompt, which has the turns of few-shot
        examples.
        """
        around = (frame for frame in self._frames if frame.is_around(prompt))
        frame = max(around, key=lambda frame: len(frame.before), default=Frame("", ""))
        turns = [
            ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
            for question, answer in frame.turns
        ]
        return [*chain.from_iterable(turns), {"role": "user", "content": frame.message(prompt)}]

    def _body(self, prompt: dict[str, Any], seed: int, sampling: DrawSettings) -> dict[str, Any]:
        body = {
            "model": self._name,
            **prompt,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": seed % SEEDS,
        }
        # top_k is no part of OpenAI's protocol
        optional = {"stop": list(sampling.stop), "top_k": sampling.top_k}
        body |= {name: value for name, value in optional.items() if value}
        if self._digest is None:
            return body
        exact = {
            "return_token_ids": True,
            "skip_special_tokens": False,
            "spaces_between_special_tokens": False,
        }
        return body | exact | {"stop_token_ids": self._ends}  # vLLM's alone

    async def _ask_all(
        self,
        bodies: list[tuple[Request, dict[str, Any]]],
        stop: tuple[str, ...],
        deliver: Callable[[Completion], None],
    ) -> None:
        from anyio import create_task_group
        from openai import AsyncOpenAI

        waiting, tally = iter(bodies), _Tally()

        async def ask_one_after_the_other() -> None:
            for request, body in waiting:
                try:
                    deliver(await self._ask(client, request, body, stop))
                    tally.in_a_row = 0
                except _Unanswered as failure:
                    tally.count(str(failure))
                    if tally.in_a_row >= self._server.give_up_after:
                        group.cancel_scope.cancel()
                except SelftrainError as error:
                    tally.fatal = error
                    group.cancel_scope.cancel()
                else:
                    tally.answered += 1

        async with AsyncOpenAI(**connection(self._server)) as client, create_task_group() as group:
            for _ in range(min(self._server.concurrency, len(bodies))):
                group.start_soon(ask_one_after_the_other)
        if tally.fatal is not None:
            raise tally.fatal
        if tally.failed:
            given_up = tally.in_a_row >= self._server.give_up_after
            raise InfraError(
                f"{self._server.base_url} left {len(bodies) - tally.answered} of {len(bodies)}"
                f" requests unanswered{f', the last {tally.in_a_row} in a row' if given_up else ''}"
                f" ({tally.reason}); running again draws them"
            )

    async def _ask(
        self, client: AsyncOpenAI, request: Request, body: dict[str, Any], stop: tuple[str, ...]
    ) -> Completion:
        from openai import OpenAIError

        try:
            answer = Answer.model_validate(
                await client.post(PATHS[self._api], body=body, cast_to=object)
            )
        except OpenAIError as error:
            raise self._fault(error, request) from error
        except ValueError as error:  # no JSON, or not of a completion
            raise _Unanswered("what it answers is no completion") from error
        choice = answer.choices[0]
        if choice.finish_reason not in ENDS:
            raise _Unanswered(f'an answer ended with finish_reason "{choice.finish_reason}"')
        if answer.usage is None:
            raise ModelError(
                f"{self._server.base_url} does not count tokens: its answers have no usage; use"
                " another server"
            )
        drawn, limit = answer.usage.completion_tokens, body["max_tokens"]
        # vLLM lowers max_tokens to what fits, and says nothing
        if choice.finish_reason == "length" and drawn < limit:
            raise ModelError(
                f"problem {request.problem_id}: its prompt is too long, {self._server.base_url} has"
                f" room for {drawn} of {limit} tokens after it; shorten it or lower max_tokens"
            )
        before = len(request.continues)  # which the server takes for a part of the prompt
        tokens = (
            [*request.continues, *choice.token_ids]
            if self._digest and choice.token_ids is not None
            else None
        )
        text, ended_by = self._read(choice, tokens, stop)
        reason = "stop" if ended_by else ENDS[choice.finish_reason]
        return Completion(
            request.key,
            text,
            reason,
            answer.usage.prompt_tokens - before,
            before + drawn,
            tokens,
            ended_by,
        )

    def _read(
        self, choice: Choice, tokens: list[int] | None, stops: tuple[str, ...]
    ) -> tuple[str, str | None]:
        """Text of a choice, and what ended it, where that is known.

        Tokens are decoded as the other engines do; without tokens it is what the server says.
        """
        if tokens is None:
            text = choice.content()
            return cut_at_stop(text.removeprefix(" ") if self._spaced else text, stops)
        has_end = choice.finish_reason == "stop" and not isinstance(choice.stop_reason, str)
        text, stop = cut_at_stop(decode(self._tokenizer, tokens[:-1] if has_end else tokens), stops)
        return text, end_name(self._tokenizer, tokens[-1]) if has_end else stop

    def _fault(self, error: Exception, request: Request) -> Exception:
        status, reason = getattr(error, "status_code", None), error_text(self._server, error)
        if status == 404 and self._adapter:
            return InfraError(
                f"{self._server.base_url} has lost the adapter {self._name}; running again loads it"
                " once more"
            )
        if status == 404:
            return unknown_model(
                self._server,
                self._name,
                self._known or [model.id for model in served_models(self._server)],
            )
        if status == 413 or (
            status in (400, 422)
            and any(sign in f"{reason} {getattr(error, 'code', '')}".lower() for sign in TOO_LONG)
        ):
            return ModelError(
                f"problem {request.problem_id}: its prompt and max_tokens are too long for"
                f" {self._name} at {self._server.base_url}, which says ({reason}); shorten it or"
                " lower max_tokens"
            )
        if status in (400, 422):
            return ModelError(
                f"problem {request.problem_id}: {self._server.base_url} refuses its prompt or"
                f" settings ({reason})"
            )
        return permanent_error(self._server, error) or _Unanswered(reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing is held between calls."""


class _Unanswered(Exception):
    """A request that failed after its retries; another time it may not."""


@dataclass(slots=True)
class _Tally:
    answered: int = 0
    failed: int = 0
    in_a_row: int = 0
    reason: str = ""
    fatal: SelftrainError | None = None

    def count(self, reason: str) -> None:
        self.failed, self.in_a_row, self.reason = self.failed + 1, self.in_a_row + 1, reason


def _has(root: str | None, ref: ModelRef) -> bool:
    """Does a server that has loaded `root` have these weights?

    Where it names no folder of this machine it is believed, but for a checkpoint, which it cannot
    have by chance.
    """
    if root is not None and (Path(root) / "config.json").is_file():
        return weights_digest(Path(root)) == weights_digest(ref.directory)
    return not (ref.directory / NOTES_FILE).exists()


def _loses_first_space(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether decoding drops the space before the first token.

    The tokens of some tokenizers have no spaces; decoding puts them between words but not before
    the first. Completions here are decoded, and trained on, like that. A server that decodes token
    by token keeps the first space.
    """
    return not decode(
        tokenizer, tokenizer("= =", add_special_tokens=False).input_ids[1:]
    ).startswith(" ")
