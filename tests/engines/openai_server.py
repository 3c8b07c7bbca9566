"""A small OpenAI-compatible server with the embedded model, for tests: real HTTP, real sampling,
and faults on demand."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from selftrain_assets.domain.errors import ModelError
from selftrain_assets.domain.prompts import Frame
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Completion, Request
from selftrain_assets.engines.openai_engine import OpenAIEngine
from selftrain_assets.engines.transformers_engine import TransformersEngine
from selftrain_assets.models.loading import ModelRef, load_model
from selftrain_assets.models.tokenization import load_tokenizer
from selftrain_assets.recipes.teachers import ServedTeacher

NAME = "arithmetic"


def as_teacher(teacher: ServedTeacher, frames: Sequence[Frame] = ()) -> OpenAIEngine:
    """The engine that a stage opens for a teacher on a server."""
    return OpenAIEngine(teacher, teacher.model, teacher.api, frames)


@dataclass(frozen=True)
class Fault:
    """What a server does in place of an answer: a status, waiting, garbage, or hanging up."""

    status: int = 0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    hangs_up: bool = False


def status(code: int, message: str = "no", **headers: str) -> Fault:
    """An error in OpenAI's form."""
    return Fault(
        code,
        {"error": {"message": message, "code": code}},
        {name.replace("_", "-"): value for name, value in headers.items()},
    )


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """Who asked has gone: nothing to tell."""


class LocalServer:
    """Serves until it is killed. `fault` is asked before each completion; `alter` is given what
    was asked and the answer, and returns what is sent; where that says something else anyway,
    `longest` is how many tokens are drawn at most."""

    def __init__(
        self, ref: ModelRef, port: int = 0, key: str | None = None, adapters: bool = True
    ) -> None:
        self.ref, self.key, self.adapters = ref, key, adapters
        self.fault: Callable[[dict[str, Any]], Fault | None] = lambda body: None
        self.alter: Callable[[dict[str, Any], dict[str, Any]], Any] = lambda body, answer: answer
        self.longest: int | None = None
        self.models: dict[str, dict[str, Any]] = {NAME: {"id": NAME, "root": str(ref.directory)}}
        self.asked: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.keys: list[str | None] = []
        self.lists_models = True
        self.in_flight = self.most_in_flight = 0
        self.tokenizer = load_tokenizer(ref)
        self._engines = {
            NAME: TransformersEngine(load_model(ref, "cpu", "float32"), self.tokenizer, 1)
        }
        self._drawing, self._counting = threading.Lock(), threading.Lock()
        self._connections: set[socket.socket] = set()
        self._start(port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def connections(self) -> int:
        """Those that are open."""
        return len(self._connections)

    def _start(self, port: int) -> None:
        self._http = _Quiet(("127.0.0.1", port), _handler(self))
        self.port = self._http.server_address[1]
        threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def kill(self) -> None:
        """Nobody listens any more, and every connection breaks."""
        self._http.shutdown()
        self._http.server_close()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def restart(self) -> None:
        """At the same address. Adapters are forgotten."""
        self.models = {name: model for name, model in self.models.items() if name == NAME}
        self._start(self.port)

    def load(self, name: str, path: str) -> Fault | None:
        """An adapter on the model."""
        if not self.adapters:
            return Fault(404, {"detail": "Not Found"})
        if name in self.models:
            return status(400, f"The lora adapter '{name}' has already been loaded.")
        if not (Path(path) / "adapter_config.json").is_file():
            return status(404, f"No adapter found for {path}")
        ref = ModelRef(self.ref.directory, name, Path(path))
        self._engines[name] = TransformersEngine(
            load_model(ref, "cpu", "float32"), self.tokenizer, 1
        )
        self.models[name] = {"id": name, "root": path, "parent": NAME}
        return None

    def complete(self, body: dict[str, Any], prompt: str) -> dict[str, Any] | Fault:
        """A completion, or why there is none."""
        if body["model"] not in self.models:
            return status(404, f"The model `{body['model']}` does not exist.")
        sampling = DrawSettings(
            temperature=body["temperature"],
            top_p=body["top_p"],
            top_k=body.get("top_k", 0),
            max_tokens=min(body["max_tokens"], self.longest or body["max_tokens"]),
            stop=tuple(body.get("stop", ())),
        )
        with self._drawing:
            try:
                (drawn,) = self._engines[body["model"]].generate(
                    [Request("", "", prompt, body["seed"], 0)], sampling
                )
            except ModelError as error:
                return status(400, f"This model's maximum context length is 512 tokens; {error}")
        usage = {"prompt_tokens": drawn.prompt_tokens, "completion_tokens": drawn.completion_tokens}
        return {
            "object": "text_completion",
            "text": drawn.text,
            "finish_reason": drawn.finish_reason,
            "usage": usage,
        }


def without_tokens(completions: Iterable[Completion]) -> dict[str, Completion]:
    """The completions by key, as a server gives them that says no tokens and not what ended
    them."""
    return {c.key: replace(c, tokens=None, ended_by=None) for c in completions}


def _handler(server: LocalServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            server._connections.add(self.connection)

        def finish(self) -> None:
            server._connections.discard(self.connection)
            with suppress(OSError):
                super().finish()

        def log_message(self, *_: Any) -> None:
            pass

        def send(self, code: int, body: Any, headers: dict[str, str] | None = None) -> None:
            is_text = isinstance(body, str)
            data = (body if is_text else json.dumps(body)).encode()
            with suppress(OSError):  # who asked has gone
                self.send_response(code)
                for name, value in {
                    "Content-Type": "text/plain" if is_text else "application/json",
                    **(headers or {}),
                }.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        def give(self, fault: Fault) -> None:
            time.sleep(fault.seconds)
            if fault.hangs_up:
                self.close_connection = True
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
            elif fault.status:
                self.send(fault.status, fault.body, fault.headers)

        def is_let_in(self) -> bool:
            given = self.headers.get("Authorization")
            server.keys.append(given)
            if server.key is not None and given != f"Bearer {server.key}":
                self.give(status(401, f"Incorrect API key provided: {given}"))
                return False
            return True

        def do_GET(self) -> None:
            if not self.is_let_in():
                return
            if self.path == "/v1/models" and server.lists_models:
                self.send(200, {"object": "list", "data": list(server.models.values())})
            else:
                self.send(404, {"detail": "Not Found"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self.is_let_in():
                return
            if self.path == "/v1/load_lora_adapter":
                fault = server.load(body["lora_name"], body["lora_path"])
                self.give(fault) if fault else self.send(200, "Success")
            elif self.path in ("/v1/completions", "/v1/chat/completions"):
                self.complete(body, chat=self.path == "/v1/chat/completions")
            else:
                self.send(404, {"detail": "Not Found"})

        def complete(self, body: dict[str, Any], chat: bool) -> None:
            with server._counting:
                server.asked.append(body)
                server.times.append(time.monotonic())
                server.in_flight += 1
                server.most_in_flight = max(server.most_in_flight, server.in_flight)
            try:
                fault = server.fault(body)
                if fault is not None:
                    self.give(fault)
                    if fault.status or fault.hangs_up:
                        return
                prompt = f"Q: {body['messages'][0]['content']} A:" if chat else body["prompt"]
                drawn = server.complete(
                    body, prompt if isinstance(prompt, str) else server.tokenizer.decode(prompt)
                )
                if isinstance(drawn, Fault):
                    return self.give(drawn)
                text = drawn.pop("text")
                # a server that decodes token by token keeps the space between prompt and completion
                text = text if chat else " " + text
                said = (
                    {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
                )
                choice = {"index": 0, "finish_reason": drawn.pop("finish_reason"), **said}
                self.send(200, server.alter(body, {**drawn, "choices": [choice]}))
            finally:
                with server._counting:
                    server.in_flight -= 1

    return Handler


@contextmanager
def serving(ref: ModelRef, **settings: Any) -> Iterator[LocalServer]:
    """A server that is gone at the end."""
    server = LocalServer(ref, **settings)
    try:
        yield server
    finally:
        server.kill()
