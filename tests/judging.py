"""Verdicts on completions of which nothing but the problem is known."""

from selftrain_assets import verifiers
from selftrain_assets.domain.types import Exchange
from selftrain_assets.verifiers import VerifierContext


def verdicts(verifier, sandbox, pairs):
    """The verdicts of pairs of problem and completion, in their order."""
    exchanges = [Exchange(problem, completion) for problem, completion in pairs]
    return verifiers.verdicts(verifier, VerifierContext(sandbox), exchanges)
