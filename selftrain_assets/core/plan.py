"""What is owed: wanted minus committed. The one rule by which every stage resumes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from selftrain_assets.core.identity import sample_key
from selftrain_assets.core.prompts import Prompt
from selftrain_assets.core.sampling import Sampling
from selftrain_assets.core.seeds import derive_seed
from selftrain_assets.core.types import Problem, Request


@dataclass(frozen=True, slots=True)
class Owed:
    """Requests still to be drawn, and how many of the wanted ones were there already."""

    requests: list[Request]
    wanted: int

    @property
    def reused(self) -> int:
        return self.wanted - len(self.requests)


def plan_requests(problems: Iterable[Problem], prompt: Prompt, sampling: Sampling, policy: str, seed: int) -> list[Request]:
    """One request per problem and draw. Raising `samples_per_problem` keeps the keys of the earlier draws."""
    identity = sampling.per_draw()
    requests = []
    for problem in problems:
        text = prompt.render(problem)
        for index in range(sampling.samples_per_problem):
            key = sample_key(policy, text, identity, seed, index)
            requests.append(Request(key, problem.id, text, derive_seed(seed, policy, text, index), index))
    return requests


def owed(wanted: list[Request], committed: Collection[str]) -> Owed:
    """Requests whose key no committed shard holds."""
    return Owed([r for r in wanted if r.key not in committed], len(wanted))
