"""vLLM's own OpenAI-compatible server, with the embedded model, in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from selftrain_assets.engines import VllmSettings
from selftrain_assets.models.loading import ModelRef

NAME = "arithmetic"
RANK = 8  # of adapters at most
CHAT = "{{ messages[0].content }}"
"""Chat template that adds nothing: the embedded model knows no chats."""


class VllmServer:
    """Serves at one address until it is killed, and from then on again when it is started again.
    Adapters can be loaded into it."""

    def __init__(self, ref: ModelRef, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._log, self._ref = log, ref

    def start(self, seconds: float = 400) -> None:
        """Start, and wait until it answers."""
        settings = VllmSettings(cpu_cache_gib=1, max_sequences=32)
        flags = [
            flag
            for name, value in settings.arguments(on_cpu=True, rank=RANK).items()
            for flag in _flag(name, value)
        ]
        flags += [
            "--served-model-name",
            NAME,
            "--generation-config",
            "vllm",
            "--chat-template",
            CHAT,
            "--disable-uvicorn-access-log",
        ]
        where = [
            "--model",
            str(self._ref.directory),
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        environment = (
            os.environ | settings.environment() | {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"}
        )
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *where, *flags],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + seconds
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()[-3000:]
            assert time.monotonic() < deadline, (
                f"the start took too long:\n{self._log.read_text()[-3000:]}"
            )
            time.sleep(0.25)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/models", timeout=10):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        """At once, with the process in which it computes, which is of the same group."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _flag(name: str, value: object) -> list[str]:
    """As vLLM's command line spells an argument of its engine."""
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    return [] if value is None else [f"--{flag}", str(value)]


@contextmanager
def serving(ref: ModelRef, folder: Path) -> Iterator[VllmServer]:
    """A server that is gone at the end, whatever happens."""
    server = VllmServer(ref, folder / "server.log")
    try:
        server.start()
        yield server
    finally:
        server.kill()
