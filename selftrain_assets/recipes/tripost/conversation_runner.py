"""Run conversations about many problems at once, in waves.

In each wave, all completions that conversations ask for are drawn and judged together. They go
through the pools like all others: committed shard by shard, under keys that follow from the
request. A stage that was killed repeats the same waves and finds in the pools what was drawn
before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from typing import Any

from selftrain_assets.domain.requests import Draws
from selftrain_assets.domain.types import Exchange, Outcome
from selftrain_assets.models.loading import Policy
from selftrain_assets.pipeline.generation import OpenEngines, generate_missing, plan_requests
from selftrain_assets.pipeline.run import Clock, Run
from selftrain_assets.recipes.tripost.conversations import (
    CompletionRequest,
    ConversationRequest,
    Response,
    Role,
    VerdictRequest,
)
from selftrain_assets.store.database import WINDOW
from selftrain_assets.verifiers.guard import judge_all
from selftrain_assets.verifiers.protocol import Judge

Conversation = Generator[ConversationRequest, Response, Any]


class Responder:
    """Answers the requests of conversations, with the models by role and the verifier.

    `drawn` counts the completions that were requested, `tokens` the tokens of newly drawn ones.
    """

    def __init__(self, run: Run, models: Mapping[Role, Policy], label: str, clock: Clock) -> None:
        self._run, self._models, self._label, self._clock = run, models, label, clock
        self._held = ExitStack()
        self._judge_open: Judge | None = None
        self.drawn = self.tokens = 0

    def __enter__(self) -> Responder:
        self._engines = self._held.enter_context(OpenEngines(self._run))
        return self

    def __exit__(self, *exception: object) -> None:
        self._held.close()

    def converse(self, conversations: Iterable[Conversation]) -> Iterator[Any]:
        """Run conversations to their end, and yield what each returns, in order."""
        waiting = iter(conversations)
        while window := list(islice(waiting, WINDOW)):
            yield from self._converse(window)

    def _converse(self, conversations: list[Conversation]) -> list[Any]:
        returned: list[Any] = [None] * len(conversations)
        pending: dict[int, ConversationRequest] = {}

        def advance(place: int, response: Response | None) -> None:
            try:
                pending[place] = conversations[place].send(response)  # type: ignore[arg-type]  # None starts it
            except StopIteration as end:
                returned[place] = end.value

        for place in range(len(conversations)):
            advance(place, None)
        while pending:
            requests, pending = pending, {}
            for place, response in self._respond(requests).items():
                advance(place, response)
        return returned

    def _respond(self, requests: Mapping[int, ConversationRequest]) -> dict[int, Response]:
        responses: dict[int, Response] = {}
        by_role: dict[Role, dict[int, CompletionRequest]] = defaultdict(dict)
        for place, request in requests.items():
            if isinstance(request, CompletionRequest):
                by_role[request.role][place] = request
        for role, role_requests in by_role.items():
            responses |= self._draw(self._models[role], role_requests)
        return responses | self._judge(
            {
                place: request
                for place, request in requests.items()
                if isinstance(request, VerdictRequest)
            }
        )

    def _draw(
        self, model: Policy, requests: Mapping[int, CompletionRequest]
    ) -> dict[int, Response]:
        """Draw completions; equal prompts, as of equal attempts at a problem, are drawn once."""
        plan = []
        for sampling in dict.fromkeys(request.sampling for request in requests.values()):
            prompts = {
                request.prompt: request.problem_id
                for request in requests.values()
                if request.sampling == sampling
            }
            plan.append(
                Draws(
                    [(id, prompt) for prompt, id in prompts.items()],
                    sampling,
                    1,
                    model.digest,
                    self._run.config.seed,
                )
            )
        with self._run.store.workspace() as ws:
            planned = plan_requests(ws, plan)
            result = generate_missing(
                self._run, ws, planned, model, plan, self._label, self._clock, self._engines
            )
            responses = ws.rows("generation.responses", requests=planned, samples=result.samples)
        self.drawn, self.tokens = self.drawn + result.requested, self.tokens + result.tokens
        texts = {
            (plan[draws].sampling, plan[draws].prompts[prompt][1]): Response(
                answer, key, cut_off=reason != "stop"
            )
            for draws, prompt, answer, key, reason in responses
        }
        return {
            place: texts[request.sampling, request.prompt] for place, request in requests.items()
        }

    def _judge(self, requests: Mapping[int, VerdictRequest]) -> dict[int, Response]:
        """Judge texts with the experiment's verifier; what cannot be judged gets infra_error."""
        if not requests:
            return {}
        if self._judge_open is None:
            self._judge_open = self._held.enter_context(
                self._run.config.verifier.open(self._run.verifier_context)
            )
        exchanges = [Exchange(request.problem, request.text) for request in requests.values()]
        with self._clock.working():
            outcomes = {
                position: verdict.outcome
                for position, verdict in judge_all(self._judge_open, exchanges)
            }
        return {
            place: Response(outcome=outcomes.get(n, Outcome.INFRA_ERROR))
            for n, place in enumerate(requests)
        }
