"""What the suites of this package share that judge programs."""

import pytest

from selftrain_assets.verifiers import SandboxSettings


class JudgesPrograms:
    """Base of a suite; override `sandbox` for another engine than the default one."""

    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls) -> SandboxSettings:
        """Where programs run."""
        return SandboxSettings()
