"""The process that vLLM lives in, a worker (runtime/worker.py) that vllm_engine.py controls.

The only file that imports vllm. The process ends with the one that started it, and all memory of
the GPU goes back with it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from selftrain_assets.domain.errors import ModelError
from selftrain_assets.domain.sampling import cut_at_stop
from selftrain_assets.engines.protocol import check_length
from selftrain_assets.models.loading import ModelRef
from selftrain_assets.models.tokenization import (
    decode,
    encode_prompt,
    end_name,
    end_tokens,
    load_tokenizer,
    tokenizer_digest,
    tokenless,
)
from selftrain_assets.runtime.worker import open_replies, open_requests

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams
    from vllm.lora.request import LoRARequest

Order = dict[str, Any]
Reply = Callable[[Order], None]


class Worker:
    """One loaded model, which answers with an adapter or without."""

    def __init__(
        self, reply: Reply, orders: SimpleQueue[Order], directory: str, arguments: dict[str, Any]
    ) -> None:
        from vllm import EngineArgs, LLMEngine

        self._reply, self._orders = reply, orders
        ref = ModelRef(Path(directory), digest="")
        self._tokenizer, self._ends = load_tokenizer(ref), end_tokens(ref)
        # the least that vLLM takes for "not this token"
        self._never = dict.fromkeys(tokenless(ref), -100.0)
        # A model's own generation defaults (penalties, temperature) would bend the declared
        # sampling distribution.
        self._engine = LLMEngine.from_engine_args(
            EngineArgs(directory, generation_config="vllm", disable_log_stats=True, **arguments)
        )
        self._adapters: dict[str, int] = {}
        self._adapter: LoRARequest | None = None

    def describe(self) -> Order:
        """What the engine says of itself, once it is ready."""
        import vllm
        from vllm.platforms import current_platform

        return {
            "version": vllm.__version__,
            "device": current_platform.device_type,
            "tokenizer": tokenizer_digest(self._tokenizer),
            "positions": self._engine.model_config.max_model_len,
        }

    def stop(self) -> None:
        """Nothing: that it came has ended the order before it."""

    def use(self, adapter: str | None) -> None:
        """From now on answer with this adapter; None is the model alone."""
        from vllm.lora.request import LoRARequest

        number = self._adapters.setdefault(adapter, len(self._adapters) + 1) if adapter else 0
        self._adapter = LoRARequest(str(adapter), number, str(adapter)) if adapter else None

    def generate(
        self, requests: list[tuple[str, str, str, int, list[int]]], sampling: dict[str, Any]
    ) -> None:
        """Send each completion when it is finished.

        An order that comes before the last one ends it early.
        """
        prompts = [
            self._encode(problem, prompt, before, sampling["max_tokens"])
            for _, problem, prompt, _, before in requests
        ]
        waiting = {}
        for (key, _, _, seed, before), prompt in zip(requests, prompts, strict=True):
            self._engine.add_request(
                key,
                {"prompt_token_ids": prompt},
                self._parameters(seed, sampling),
                lora_request=self._adapter,
            )
            waiting[key] = before
        while waiting and self._orders.empty():
            for output in self._engine.step():
                if output.finished:
                    self._reply(
                        {
                            "completion": self._completion(
                                output, waiting.pop(output.request_id), sampling["stop"]
                            )
                        }
                    )
        self._engine.abort_request(sorted(waiting))

    def _encode(self, problem: str, prompt: str, before: list[int], max_tokens: int) -> list[int]:
        ids = [*encode_prompt(self._tokenizer, prompt), *before]
        check_length(problem, len(ids), max_tokens, self._engine.model_config.max_model_len)
        return ids

    def _parameters(self, seed: int, sampling: dict[str, Any]) -> SamplingParams:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            seed=seed,
            temperature=sampling["temperature"],
            top_k=sampling["top_k"],
            top_p=sampling["top_p"],
            max_tokens=sampling["max_tokens"],
            stop=sampling["stop"],
            stop_token_ids=self._ends,
            logit_bias=self._never or None,
            skip_special_tokens=False,  # a stop text may hold some
            spaces_between_special_tokens=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _completion(self, output: RequestOutput, before: list[int], stops: list[str]) -> list[Any]:
        """The fields of a Completion, whose tokens continue those `before`.

        Its text is decoded as a whole, as in the other engines: vLLM's own may begin with the white
        space between prompt and completion.
        """
        drawn = output.outputs[0]
        tokens, has_end = (
            [*before, *drawn.token_ids],
            drawn.finish_reason == "stop" and not isinstance(drawn.stop_reason, str),
        )
        text, stop = cut_at_stop(decode(self._tokenizer, tokens[:-1] if has_end else tokens), stops)
        ended_by = end_name(self._tokenizer, tokens[-1]) if has_end else stop
        reason = "stop" if ended_by else drawn.finish_reason
        return [
            output.request_id,
            text,
            reason,
            len(output.prompt_token_ids) - len(before),
            len(tokens),
            tokens,
            ended_by,
        ]


def main(kind: type[Worker] = Worker) -> None:
    """Obey until the orders end.

    What vLLM prints goes to standard error, which is kept for when it fails.
    """
    reply, orders = open_replies(), open_requests()
    worker = kind(reply, orders, **orders.get())
    reply({"ready": worker.describe()})
    while True:
        for name, arguments in orders.get().items():
            try:
                getattr(worker, name)(**arguments)
                reply({"done": name})
            except ModelError as error:
                reply({"refused": str(error)})


if __name__ == "__main__":
    main()
