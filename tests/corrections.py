"""A small task for TriPosT with a scripted engine, whose attempts are right, wrong in one step,
or none at all."""

from selftrain_assets.domain.attempts import COMPACT, Attempt, Wording
from selftrain_assets.domain.types import Problem
from selftrain_assets.tasks import MultistepArithmetic

TASK = {
    "type": "multistep_arithmetic",
    "train": 12,
    "human": 4,
    "validation": 3,
    "test": 4,
    "transfer": 3,
}
TASK |= {"seen": [[3, 0]], "unseen": [[4, 0]]}
PROBLEMS = {p.question: p for p in MultistepArithmetic(**TASK).load()}
WORDING = Wording(**COMPACT)
SCRIPT = MultistepArithmetic.script


def wrong(problem: Problem, step: int) -> str:
    """Its solution with another result in a step, and another answer."""
    assert problem.solution
    attempt = WORDING.read(problem.solution)
    assert attempt
    steps = [*attempt.steps]
    steps[step - 1] = steps[step - 1].rpartition(" ")[0] + " 77"
    return WORDING.write(Attempt(tuple(steps), "77"))


def texts(*more: str) -> dict[str, list[str]]:
    """Completions to pick from."""
    made = {
        p.id: [p.solution, wrong(p, 1), wrong(p, 2)] if p.solution else []
        for p in PROBLEMS.values()
    }
    return {id: [*(text for text in own if text), "no idea", *more] for id, own in made.items()}
