"""What a stage wants of a policy.

What is owed of it is that minus what is committed (pipeline/generation.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from selftrain_assets.domain.identity import draws_key, fingerprint, sample_key
from selftrain_assets.domain.prompts import Prompt
from selftrain_assets.domain.sampling import DrawSettings, Sampling
from selftrain_assets.domain.seeds import derive_seed
from selftrain_assets.domain.types import Problem, Request


@dataclass(frozen=True)
class Draws:
    """`samples_per_problem` completions of each prompt, drawn in one way.

    Raising that number keeps the keys of earlier draws.

    `method` is asked for in all of them. Translations are of `origin` samples, whose keys
    `translates` holds, one for each prompt. An evaluation tells by `greedy` what a draw is for; it
    is no part of any key.
    """

    prompts: Sequence[tuple[str, str]]  # problem id and prompt
    sampling: DrawSettings
    samples_per_problem: int
    policy: str
    seed: int
    method: str | None = None
    origin: str | None = None
    translates: Sequence[str] = ()
    greedy: bool = False

    @cached_property
    def key(self) -> str:
        """What all of them have in common."""
        return draws_key(self.policy, self.sampling, self.seed)

    def __len__(self) -> int:
        return len(self.prompts) * self.samples_per_problem

    def identity(self) -> str:
        """Digest of everything that is wanted."""
        return fingerprint(
            "wanted",
            self.key,
            self.samples_per_problem,
            self.prompts,
            self.method,
            self.origin,
            self.translates,
        )

    def request(self, position: int, index: int) -> Request:
        """Draw `index` of the prompt at `position`."""
        problem_id, prompt = self.prompts[position]
        return Request(
            sample_key(self.key, prompt, index),
            problem_id,
            prompt,
            derive_seed(self.seed, self.policy, prompt, index),
            index,
        )

    def requests(self) -> Iterator[Request]:
        """All of them, by problem."""
        return (
            self.request(position, index)
            for position in range(len(self.prompts))
            for index in range(self.samples_per_problem)
        )


def plan_draws(
    problems: Iterable[Problem],
    prompt: Prompt,
    sampling: Sampling,
    policy: str,
    seed: int,
    method: str | None = None,
    greedy: bool = False,
) -> Draws:
    """The draws of these problems."""
    prompts = [(problem.id, prompt.render(problem)) for problem in problems]
    return Draws(
        prompts,
        sampling.per_draw(),
        sampling.samples_per_problem,
        policy,
        seed,
        method,
        greedy=greedy,
    )
