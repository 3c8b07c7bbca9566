"""Judges of completions. To add one: a settings class with `verify` here, and its name in `AnyVerifier`."""

from typing import Annotated

from pydantic import Field

from selftrain_assets.core.identity import fingerprint
from selftrain_assets.verifiers.answers import NumericVerifier, TextVerifier
from selftrain_assets.verifiers.protocol import Verifier

AnyVerifier = Annotated[NumericVerifier | TextVerifier, Field(discriminator="type")]


def verifier_fingerprint(verifier: Verifier) -> str:
    """Name, version and settings: what enters the key of a verdict."""
    return fingerprint("verifier", verifier.version, verifier)


__all__ = ["AnyVerifier", "NumericVerifier", "TextVerifier", "Verifier", "verifier_fingerprint"]
