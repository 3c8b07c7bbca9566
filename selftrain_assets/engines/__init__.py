"""Samplers. To add one: a settings class with `open` here, and its name in `AnyEngine`."""

from typing import Annotated

from pydantic import Field

from selftrain_assets.engines.openai_engine import OpenAISettings
from selftrain_assets.engines.protocol import Engine, EngineDescription
from selftrain_assets.engines.scripted import ScriptedSettings
from selftrain_assets.engines.transformers_engine import TransformersSettings
from selftrain_assets.engines.vllm_engine import VllmSettings

AnyEngine = Annotated[
    TransformersSettings | VllmSettings | OpenAISettings | ScriptedSettings,
    Field(discriminator="type"),
]

__all__ = [
    "AnyEngine",
    "Engine",
    "EngineDescription",
    "OpenAISettings",
    "ScriptedSettings",
    "TransformersSettings",
    "VllmSettings",
]
