"""A problem set as it was loaded, cleared of duplicates and of held-out text.

Each question is kept once, held-out ones are kept apart from those to learn from, and what was left
out is counted. What counts as the same question is said in domain/text.py, and what counts as a
held-out one inside another text in domain/contamination.py: the rules of the check
`held_out_apart`, so that a set which was cleared here passes there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from selftrain_assets.domain.contamination import Questions
from selftrain_assets.domain.numbers import number
from selftrain_assets.domain.text import canonical, first_equal
from selftrain_assets.domain.types import HELD_OUT, Problem, Split

FIRST_KEPT: tuple[Split, ...] = ("test", "transfer", "validation", "human", "train")
# of contradictions and leaks that a sentence names, and characters of a question
NAMED, EXCERPT = 3, 60


@dataclass(frozen=True, slots=True)
class Loaded:
    """Every problem with its solution, where there is one.

    `duplicates` were dropped, by their split; `contradictions` are the ids of equal questions with
    different answers; `remarks` say in sentences what was left out and why.
    """

    problems: list[Problem]
    duplicates: Mapping[str, int] = field(default_factory=dict)
    contradictions: tuple[tuple[str, ...], ...] = ()
    remarks: tuple[str, ...] = ()


def once_each(problems: Sequence[Problem], statements: Sequence[str] | None = None) -> Loaded:
    """One copy of each question, a held-out one before one to learn from, else the first.

    Of equal `statements` those of one split alone.

    Where copies in the split that would keep one have different answers, none is kept: nobody knows
    which is right.
    """
    kept: set[int] = set()
    contradictions = []
    for copies in _groups([p.question for p in problems]):
        split = _first_kept(problems[i].split for i in copies)
        best = [i for i in copies if problems[i].split == split]
        if len({_answer(problems[i]) for i in best}) == 1:
            kept.add(best[0])
        if len({_answer(problems[i]) for i in copies}) > 1:
            contradictions.append([problems[i] for i in copies])
    for copies in _groups(statements or ()):
        split = _first_kept(problems[i].split for i in copies if i in kept)
        kept -= {i for i in copies if problems[i].split != split}
    ids = {problems[i].id for i in kept}
    dropped = [problem for place, problem in enumerate(problems) if place not in kept]
    many = _several(len(contradictions), "question occurs", "questions occur")
    return Loaded(
        [problem for place, problem in enumerate(problems) if place in kept],
        Counter(problem.split for problem in dropped),
        tuple(tuple(p.id for p in copies) for copies in contradictions),
        (
            (f"{many} with different answers: {_named(contradictions, ids)}",)
            if contradictions
            else ()
        ),
    )


def apart(loaded: Loaded) -> Loaded:
    """The set without training problems that contain a whole held-out question.

    It may stand in their question or in their solution.
    """
    held_out = Questions(p for p in loaded.problems if p.split in HELD_OUT)
    kept, leaks = [], []
    for p in loaded.problems:
        texts = [] if p.split in HELD_OUT else [p.question, *([p.solution] if p.solution else [])]
        if leak := next((leak for text in texts if (leak := held_out.within(text))), None):
            leaks.append(f"{p.id} (that of {leak.held_out})")
        else:
            kept.append(p)
    if not leaks:
        return loaded
    remark = (
        f"{_several(len(leaks), 'problem', 'problems')} to learn from left out, with a whole"
        f" held-out question inside: {_list(leaks)}"
    )
    return Loaded(kept, loaded.duplicates, loaded.contradictions, (*loaded.remarks, remark))


def _groups(texts: Sequence[str]) -> Iterable[list[int]]:
    """Places of equal texts."""
    groups: dict[int, list[int]] = defaultdict(list)
    for place, first in enumerate(first_equal(texts)):
        groups[first].append(place)
    return groups.values()


def _first_kept(splits: Iterable[Split]) -> Split | None:
    return min(splits, key=FIRST_KEPT.index, default=None)


def _answer(problem: Problem) -> str | Fraction:
    """A key that is equal for answers that say the same.

    Programs all have one key, since their tests may differ and agree.
    """
    value = number(problem.answer)
    return canonical(problem.answer) if value is None else value


def _named(contradictions: Sequence[Sequence[Problem]], kept: set[str]) -> str:
    return _list(
        [
            f'"{" ".join(copies[0].question.split())[:EXCERPT]}"'
            f" ({', '.join(f'{p.id}: {p.answer}' for p in copies)}; "
            f"kept: {next((p.id for p in copies if p.id in kept), 'none')})"
            for copies in contradictions
        ]
    )


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (
        f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    )


def _several(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"
