"""Thoughts that end within a budget of tokens, on every engine alike.

The budget is kept from above the engines: what they draw up to it is looked at, a thought that is
still open gets the model's own end mark, and they go on from there. vLLM has a budget of its own
(`thinking_token_budget`). It is not used: it asks for a parser of the model's family when the
engine is started, does not say which tokens it forced, and is vLLM's alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from selftrain_assets.domain.errors import ModelError
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.seeds import derive_seed
from selftrain_assets.domain.thinking import Marks, thought_in
from selftrain_assets.domain.types import Completion, Request
from selftrain_assets.engines.protocol import Engine, check_length, distinct
from selftrain_assets.models.tokenization import decode, encode_completion, encode_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def within_budget(
    engine: Engine,
    requests: Sequence[Request],
    sampling: DrawSettings,
    marks: Marks | None,
    tokenizer: PreTrainedTokenizerBase | None,
) -> Iterator[Completion]:
    """`Engine.generate` with a limit on thoughts.

    Thoughts that are still open after `sampling.thinking.budget` tokens are closed, and answered.
    What was not finished by then continues with a seed that is derived from its own, closed or not,
    so that a completion without a thought is drawn as it would be without a budget.

    Raises:
        ModelError: The thought marks or token ids of the model are not known, or the marks leave no
            room for an answer.
    """
    budget = sampling.thinking.budget
    if budget is None:
        yield from engine.generate(requests, sampling)
        return
    described = engine.describe()
    if tokenizer is None or described.tokenizer is None:
        raise ModelError(
            f"sampling.thinking.budget: {described.name} at {described.device} does not return the"
            " ids of its tokens, which a budget needs; leave the budget out, or sample with"
            " engine transformers or vllm, or from a server that is vLLM"
        )
    if marks is None:
        raise ModelError(
            "sampling.thinking.budget: neither the tokens of this model nor its chat template show"
            " how it marks a thought; set thinking.start and thinking.end, or leave the budget out"
        )
    closing = encode_completion(tokenizer, marks.closing or marks.end)
    if budget + len(closing) >= sampling.max_tokens:
        raise ModelError(
            f"sampling.thinking.budget: {budget} tokens and the {len(closing)} that end a thought"
            f" leave no room for an answer in max_tokens {sampling.max_tokens}; lower the budget"
            " or raise max_tokens"
        )
    by_key = {request.key: request for request in distinct(requests)}
    for request in by_key.values():
        check_length(
            request.problem_id,
            len(encode_prompt(tokenizer, request.prompt)),
            sampling.max_tokens,
            described.positions,
        )
    unfinished: dict[int, list[Request]] = defaultdict(list)
    forced: dict[str, tuple[int, int]] = {}
    for completion in engine.generate(requests, sampling.up_to(budget)):
        if completion.finish_reason == "stop" or completion.key not in by_key:
            yield completion
            continue
        request = by_key[completion.key]
        assert completion.tokens is not None, described.name  # it has said whose ids they are
        drawn = completion.tokens
        thought = thought_in(completion.text, marks, marks.opened_by(request.prompt))
        mark = [] if thought is None or thought.closed else closing[_begun(drawn, closing) :]
        if mark:
            forced[request.key] = (
                len(decode(tokenizer, drawn)),
                len(decode(tokenizer, [*drawn, *mark])),
            )
        goes_on = replace(
            request, seed=derive_seed(request.seed, "behind the budget"), continues=(*drawn, *mark)
        )
        unfinished[len(goes_on.continues)].append(goes_on)
    for used, later in unfinished.items():
        continued = {request.key: request.continues for request in later}
        for completion in engine.generate(later, sampling.up_to(sampling.max_tokens - used)):
            whole = _up_to_stop(
                completion, continued.get(completion.key, ()), sampling.stop, tokenizer
            )
            yield replace(whole, forced=forced.get(completion.key))


def _begun(drawn: Sequence[int], closing: Sequence[int]) -> int:
    """How many tokens of the mark are drawn already, at the very end."""
    return next(
        count
        for count in range(len(closing), -1, -1)
        if list(drawn[len(drawn) - count :]) == list(closing[:count])
    )


def _up_to_stop(
    completion: Completion,
    continues: Sequence[int],
    stops: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
) -> Completion:
    """Cut a completion at a stop text that began before the budget and ended behind it.

    Such a stop text was not seen while the completion was drawn.
    """
    tokens = completion.tokens
    if (
        tokens is None
        or completion.ended_by not in stops
        or len(completion.text) >= len(decode(tokenizer, continues))
    ):
        return completion
    count = next(
        n
        for n in range(len(continues), len(tokens) + 1)
        if any(stop in decode(tokenizer, tokens[:n]) for stop in stops)
    )
    return replace(completion, tokens=list(tokens[:count]), completion_tokens=count)
