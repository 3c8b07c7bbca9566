"""A small stand-in for the Hugging Face hub: repositories in memory, over HTTP, as the hub's own
client speaks to it."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote

TOKEN = "hf_writes"
COMMIT = "a" * 40


@dataclass
class Repository:
    private: bool
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Hub:
    """Repositories by "models/OWNER/NAME" or "datasets/OWNER/NAME"."""

    url: str
    repositories: dict[str, Repository] = field(default_factory=dict)


@contextmanager
def hub_server() -> Iterator[Hub]:
    """A hub that listens on this machine until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.hub = Hub(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.hub  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes | None) -> None:
        status, found = (
            self._found(body)
            if self.headers.get("Authorization") == f"Bearer {TOKEN}"
            else (401, {"error": "no"})
        )
        content = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _found(self, body: bytes | None) -> tuple[int, object]:
        hub: Hub = self.server.hub  # type: ignore[attr-defined]
        path = unquote(self.path.partition("?")[0]).removeprefix("/api/")
        if path == "whoami-v2":
            return 200, {"type": "user", "name": "someone"}
        if path == "validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path == "repos/create":
            asked = json.loads(body or b"")
            name = f"{asked.get('type') or 'model'}s/{asked.get('organization') or 'someone'}/{asked['name']}"  # noqa: E501
            known = name in hub.repositories
            private = asked.get("private") or asked.get("visibility") == "private"
            hub.repositories.setdefault(name, Repository(bool(private)))
            return 409 if known else 200, {"url": f"{hub.url}/{name.removeprefix('models/')}"}
        name = re.split("/(?:preupload|commit|tree|revision)/", path)[0]
        if name not in hub.repositories:
            return 404, {"error": "not found"}
        repository = hub.repositories[name]
        if "/preupload/" in path:
            asked = json.loads(body or b"")["files"]
            return 200, {
                "files": [
                    {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for f in asked
                ]
            }
        if "/commit/" in path:
            for line in (body or b"").splitlines():
                operation = json.loads(line)
                if operation["key"] == "file":
                    repository.files[operation["value"]["path"]] = base64.b64decode(
                        operation["value"]["content"]
                    )
                elif operation["key"] == "deletedFile":
                    del repository.files[operation["value"]["path"]]
            return 200, {
                "success": True,
                "commitOid": COMMIT,
                "commitUrl": f"{hub.url}/{name.removeprefix('models/')}/commit/{COMMIT}",
            }
        if "/tree/" in path:
            return 200, [
                {"type": "file", "path": p, "size": len(c), "oid": COMMIT}
                for p, c in repository.files.items()
            ]
        files = [{"rfilename": path} for path in repository.files]
        return 200, {
            "id": name.partition("/")[2],
            "private": repository.private,
            "sha": COMMIT,
            "siblings": files,
            "tags": [],
        }
