"""Judges of completions.

To add one: a function with `@verifier` in your own file; or a subclass of `Verifier`, and its name
in `VERIFIERS.add` here.
"""

from collections.abc import Iterable, Iterator

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.verifiers.answers import ExactVerifier, NumericVerifier, TextVerifier
from selftrain_assets.verifiers.choices import ChoiceVerifier
from selftrain_assets.verifiers.combined import AllOf, AnyOf, Combined, FirstOf, most_needed
from selftrain_assets.verifiers.context import VerifierContext
from selftrain_assets.verifiers.functions import FunctionVerifier, verifier
from selftrain_assets.verifiers.mathematics import MathVerifier
from selftrain_assets.verifiers.programs import CodeVerifier
from selftrain_assets.verifiers.protocol import Judge, Verifier, verdicts
from selftrain_assets.verifiers.sandboxed import SandboxSettings

VERIFIERS = Verifier.registry
VERIFIERS.add(
    NumericVerifier,
    TextVerifier,
    ExactVerifier,
    ChoiceVerifier,
    MathVerifier,
    CodeVerifier,
    AnyOf,
    AllOf,
    FirstOf,
)


def with_members(verifiers: Iterable[Verifier]) -> Iterator[Verifier]:
    """Each of these, followed by those that it is made of."""
    for member in verifiers:
        yield member
        if isinstance(member, Combined):
            yield from with_members(member.of)


def verifier_fingerprint(settings: Verifier) -> str:
    """Name, version and settings: what enters the key of a verdict."""
    return fingerprint("verifier", settings.version, settings)


__all__ = [
    "VERIFIERS",
    "AllOf",
    "AnyOf",
    "ChoiceVerifier",
    "CodeVerifier",
    "ExactVerifier",
    "FirstOf",
    "FunctionVerifier",
    "Judge",
    "MathVerifier",
    "NumericVerifier",
    "SandboxSettings",
    "TextVerifier",
    "Verifier",
    "VerifierContext",
    "most_needed",
    "verdicts",
    "verifier",
    "verifier_fingerprint",
    "with_members",
]
