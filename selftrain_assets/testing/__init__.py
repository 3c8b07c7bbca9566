"""Tests for what you add to selftrain, in pytest.

Each kind of plug-in has a suite, a class to subclass in a test file:

    import selftrain_assets as st

    class TestClose(st.testing.VerifierConformance):
        verifier = Close(tolerance=0.01)
        problem = st.Problem("p", "How much is 1/3?", "0.333")
        right = ["0.333", "#### 0.334"]
        wrong = ["0.5", "#### -0.333"]

`ForgeryConformance` gives a sandbox, or a verifier of programs, programs that try to forge a pass.
"""

import pytest

# Before they are imported: their assertions then show what they compared, as those of tests do.
pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("verifiers", "engines", "trainers", "tasks", "forgery"))
)
