"""Samplers. To add one: a subclass of `EngineSettings`, and its name in `ENGINES.add` here."""

from selftrain_assets.engines.openai_engine import OpenAISettings
from selftrain_assets.engines.protocol import Engine, EngineDescription, EngineSettings
from selftrain_assets.engines.scripted import ScriptedSettings
from selftrain_assets.engines.transformers_engine import TransformersSettings
from selftrain_assets.engines.vllm_engine import VllmSettings

ENGINES = EngineSettings.registry
ENGINES.add(TransformersSettings, VllmSettings, OpenAISettings, ScriptedSettings)

__all__ = [
    "ENGINES",
    "Engine",
    "EngineDescription",
    "EngineSettings",
    "OpenAISettings",
    "ScriptedSettings",
    "TransformersSettings",
    "VllmSettings",
]
