"""Engine on transformers' `generate`, which needs no server and no GPU.

`model: embedded` runs on it by default.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field

from selftrain_assets.domain.sampling import DrawSettings, cut_at_stop
from selftrain_assets.domain.types import Completion, Request
from selftrain_assets.engines.protocol import (
    EngineDescription,
    EngineSettings,
    check_length,
    distinct,
)
from selftrain_assets.models.gpu_memory import release_gpu_memory
from selftrain_assets.models.loading import ModelRef, load_model
from selftrain_assets.models.tokenization import (
    decode,
    encode_prompt,
    end_name,
    load_tokenizer,
    tokenizer_digest,
)

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class TransformersSettings(EngineSettings):
    """Batched sampling in this process."""

    type: Literal["transformers"] = "transformers"
    batch_size: int = Field(
        256, ge=1, description="requests decoded together; lower it when memory is short"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: cuda where there is one"
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: bfloat16 on cuda, float32 on cpu"
    )

    def open(self, ref: ModelRef) -> TransformersEngine:
        """Load the model and its tokenizer."""
        return TransformersEngine(
            load_model(ref, self.device, self.dtype), load_tokenizer(ref), self.batch_size
        )


class TransformersEngine:
    """A loaded model and its tokenizer.

    Every request draws from a generator of its own: Gumbel noise on the truncated
    log-probabilities, then the largest, which is an exact draw. So a completion does not depend on
    the requests beside it, up to rounding.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batch_size: int
    ) -> None:
        self._model, self._tokenizer, self._batch_size = model, tokenizer, batch_size
        self._digest = tokenizer_digest(tokenizer)

    def describe(self) -> EngineDescription:
        import transformers

        device = self._model.device.type
        return EngineDescription(
            "transformers", transformers.__version__, device, False, self._digest, self._positions
        )

    @property
    def _positions(self) -> int | None:
        return getattr(self._model.config, "max_position_embeddings", None)

    def use(self, ref: ModelRef) -> None:
        device, dtype = self._model.device.type, str(self._model.dtype).removeprefix("torch.")
        self._model = None  # before the next one is loaded: there may be no room for both
        self._model, self._tokenizer = load_model(ref, device, dtype), load_tokenizer(ref)
        self._digest = tokenizer_digest(self._tokenizer)

    def generate(self, requests: Sequence[Request], sampling: DrawSettings) -> Iterator[Completion]:
        requests = distinct(requests)
        prompts = [self._encode(request, sampling.max_tokens) for request in requests]
        by_length = sorted(
            range(len(requests)),
            key=lambda i: (len(prompts[i]), requests[i].prompt, requests[i].index),
        )
        for start in range(0, len(by_length), self._batch_size):
            chosen = by_length[start : start + self._batch_size]
            yield from self._generate_batch(
                [requests[i] for i in chosen], [prompts[i] for i in chosen], sampling
            )

    def _encode(self, request: Request, max_tokens: int) -> list[int]:
        ids = [*encode_prompt(self._tokenizer, request.prompt), *request.continues]
        check_length(request.problem_id, len(ids), max_tokens, self._positions)
        return ids

    def _generate_batch(
        self, requests: list[Request], prompts: list[list[int]], sampling: DrawSettings
    ) -> Iterator[Completion]:
        import torch

        width = max(map(len, prompts))
        pad = self._tokenizer.pad_token_id
        device = self._model.device
        ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts], device=device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
        processors = (
            []
            if sampling.temperature == 0
            else [_GumbelMax([r.seed for r in requests], sampling, device)]
        )
        stops = [_StopText(self._tokenizer, width, sampling.stop)] if sampling.stop else []
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=sampling.max_tokens,
                do_sample=False,
                pad_token_id=pad,
                logits_processor=processors,
                stopping_criteria=stops,
            )
        for request, prompt, tokens in zip(
            requests, prompts, output[:, width:].tolist(), strict=True
        ):
            yield self._finish(
                request,
                len(prompt) - len(request.continues),
                [*request.continues, *tokens],
                sampling,
            )

    def _finish(
        self, request: Request, prompt_tokens: int, tokens: list[int], sampling: DrawSettings
    ) -> Completion:
        ends = self._model.generation_config.eos_token_id or []
        ends = set(ends) if isinstance(ends, list) else {ends}
        length = next(
            (i for i, token in enumerate(tokens) if token in ends and i >= len(request.continues)),
            len(tokens),
        )
        text, ended_by = cut_at_stop(decode(self._tokenizer, tokens[:length]), sampling.stop)
        # what follows the stop text is padding up to the longest row of the batch
        if ended_by is not None:
            drawn = tokens[: self._tokens_up_to_stop(tokens, sampling.stop)]
        else:
            drawn = tokens[: length + 1]
            ended_by = end_name(self._tokenizer, tokens[length]) if length < len(tokens) else None
        return Completion(
            request.key,
            text,
            "stop" if ended_by else "length",
            prompt_tokens,
            len(drawn),
            drawn,
            ended_by,
        )

    def _tokens_up_to_stop(self, tokens: list[int], stops: tuple[str, ...]) -> int:
        texts = (decode(self._tokenizer, tokens[:n]) for n in range(1, len(tokens) + 1))
        return next(n for n, text in enumerate(texts, 1) if any(stop in text for stop in stops))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._model = None
        release_gpu_memory()


class _StopText:
    """Ends a row once its decoded completion holds a stop text.

    transformers' `stop_strings` refuses word-level tokenizers and also looks at the prompt.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, width: int, stops: tuple[str, ...]
    ) -> None:
        self._tokenizer, self._width, self._stops = tokenizer, width, stops

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        import torch

        texts = [decode(self._tokenizer, tokens) for tokens in input_ids[:, self._width :].tolist()]
        return torch.tensor(
            [any(stop in text for stop in self._stops) for text in texts], device=input_ids.device
        )


class _GumbelMax:
    """Turns greedy decoding into sampling with one seed per row.

    Called by `generate` once per new token with scores of shape (batch, vocabulary).
    """

    def __init__(self, seeds: list[int], sampling: DrawSettings, device: torch.device) -> None:
        import torch

        self._sampling = sampling
        self._generators = [torch.Generator(device=device).manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        import torch

        logits = truncate(
            scores.float() / self._sampling.temperature, self._sampling.top_k, self._sampling.top_p
        )
        uniform = torch.stack(
            [
                torch.rand(logits.shape[1], generator=g, device=logits.device)
                for g in self._generators
            ]
        )
        return logits - torch.log(-torch.log(uniform.clamp(1e-20, 1 - 1e-7)))


def truncate(logits: torch.Tensor, top_k: int, top_p: float) -> torch.Tensor:
    """Set all but the top-k, then all but the smallest set of probability top_p, to -inf.

    Shape (batch, vocabulary).
    """
    import torch

    if top_k and top_k < logits.shape[1]:
        logits = logits.masked_fill(logits < logits.topk(top_k).values[:, -1:], -torch.inf)
    if top_p < 1:
        ordered, order = logits.sort(descending=True)
        before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
        logits = logits.masked_fill(
            (before >= top_p).scatter(1, order, before >= top_p), -torch.inf
        )
    return logits
