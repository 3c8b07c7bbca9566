"""Judges of completions. To add one: a settings class with `open` here, and its name in `AnyVerifier`."""

from typing import Annotated

from pydantic import Field

from selftrain_assets.core.identity import fingerprint
from selftrain_assets.verifiers.answers import ExactVerifier, NumericVerifier, TextVerifier
from selftrain_assets.verifiers.choices import ChoiceVerifier
from selftrain_assets.verifiers.mathematics import MathVerifier
from selftrain_assets.verifiers.programs import CodeVerifier
from selftrain_assets.verifiers.protocol import Judge, Verifier, verdicts
from selftrain_assets.verifiers.sandboxed import SandboxSettings

AnyVerifier = Annotated[
    NumericVerifier | TextVerifier | ExactVerifier | ChoiceVerifier | MathVerifier | CodeVerifier, Field(discriminator="type")
]


def verifier_fingerprint(verifier: Verifier) -> str:
    """Name, version and settings: what enters the key of a verdict."""
    return fingerprint("verifier", verifier.version, verifier)


__all__ = [
    "AnyVerifier",
    "ChoiceVerifier",
    "CodeVerifier",
    "ExactVerifier",
    "Judge",
    "MathVerifier",
    "NumericVerifier",
    "SandboxSettings",
    "TextVerifier",
    "Verifier",
    "verdicts",
    "verifier_fingerprint",
]
