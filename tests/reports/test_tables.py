"""The table of an experiment: which pass@k and maj@k it shows."""

import pytest

from selftrain_assets.reports.tables import header, rows
from tests.reports import made_up


@pytest.mark.parametrize(
    ("passed", "voted", "titles", "shown"),
    [
        (
            {"1": 0.5, "2": 0.6, "10": 0.7},
            {"4": 0.4},
            ["pass@1", "pass@10", "maj@4"],
            ["0.500", "0.700", "0.400"],
        ),
        ({"1": 0.5}, {}, ["pass@1", "maj@k"], ["0.500", ""]),
        ({}, {}, ["pass@1", "maj@k"], ["", ""]),
    ],
)
def test_pass_at_1_and_the_largest_k_are_shown_each_once(passed, voted, titles, shown):
    summary = made_up.summary(
        pass_at_k=made_up.estimates(passed), maj_at_k=made_up.estimates(voted)
    )
    (row,) = rows(summary)
    assert len(row) == len(header(summary))
    assert header(summary)[3 : 3 + len(titles)] == titles
    assert header(summary)[2] == "90% interval"
    assert row[3 : 3 + len(shown)] == shown
