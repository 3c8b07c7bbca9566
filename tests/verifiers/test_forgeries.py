"""Forgeries, as the verifier of programs is given them; tests/sandbox has them all."""

import pytest

from selftrain_assets.domain.program_tests import ProgramTests
from selftrain_assets.testing import FORGERIES, ForgeryConformance, forged_passes


class TestCodeVerifier(ForgeryConformance):
    forgeries = FORGERIES[::12]

    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls, programs):
        return programs


def test_a_judge_that_takes_the_programs_word_is_found_out():
    def passes(problem, program):
        names = {}
        exec(program, names)
        calls = ProgramTests.from_json(problem.tests).calls
        return all(names["f"](*args) == expected for args, _, expected in calls)

    harmless = {"calls: always equal", "calls: always equal int", "calls: arguments sent back"}
    forgeries = [forgery for forgery in FORGERIES if forgery.name in harmless]
    forged = {forgery.name for forgery in forged_passes(passes, forgeries)}
    assert forged == {"calls: always equal", "calls: always equal int"}
