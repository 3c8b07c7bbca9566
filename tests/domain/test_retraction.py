"""Which rows stem from what was retracted."""

from dataclasses import replace

import pytest

from selftrain_assets.domain.retraction import Retraction, Retractions
from selftrain_assets.domain.selection import make_row

OWN = make_row("prompt", "completion", 1.0, "self", "p1", 2, "sample")
TRANSLATED = replace(OWN, source="translated", sample_key="translation", translates="sample")
HUMAN = make_row("prompt", "completion", 1.0, "human", "p1", 2)


def retracted(*things, reason="wrong", at="today"):
    return Retractions(tuple(Retraction(kind, value, reason, at) for kind, value in things))


@pytest.mark.parametrize(
    ("thing", "touched"),
    [
        (("problem", "p1"), (True, True, True)),
        (("problem", "p2"), (False, False, False)),
        (("sample", "sample"), (True, True, False)),
        (("sample", "translation"), (False, True, False)),
        (("source", "human"), (False, False, True)),
        (("source", "translated"), (False, True, False)),
        (("source", "iter-002"), (True, True, False)),  # human rows are of no round
        (("source", "iter-001"), (False, False, False)),
    ],
)
def test_a_row_is_touched_by_its_problem_its_samples_and_its_source(thing, touched):
    found = retracted(thing)
    assert tuple(found.touches(row, "iter-002") for row in (OWN, TRANSLATED, HUMAN)) == touched


def test_what_is_retracted_enters_keys_and_why_and_when_do_not():
    things = ("sample", "b"), ("problem", "a")
    first = retracted(*things)
    assert first.identity() == [("problem", "a"), ("sample", "b")]
    assert retracted(*things[::-1], reason="another", at="later").identity() == first.identity()
    assert retracted(things[0]).identity() != first.identity()


def test_what_two_experiments_list_counts_once():
    first, second = retracted(("sample", "b")), retracted(("sample", "b"), ("problem", "a"))
    united = Retractions.union([first, second])
    assert united.identity() == second.identity()
    assert Retractions.from_records(united.to_records()) == united
