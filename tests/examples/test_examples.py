"""Every script in examples/ does what it says, as a person starts it."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SAYS = {
    "own_verifier": "pass",
    "own_task": "round 1: held-out accuracy",
    "own_recipe": "1 endings {'stopped'",
    "notebook": "round 2:",
    "sweep": "sweep-cap-4",
    "foreign_samples": "held-out accuracy:",
}
"""A part of what each prints at the end."""


def run(name, folder, **environment):
    """What a script prints, in a folder and a store of its own."""
    environment = os.environ | {"SELFTRAIN_STORE": str(folder / "runs"), **environment}
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs(name, tmp_path):
    assert SAYS[name] in run(name, tmp_path)


@pytest.fixture
def judge_server():
    """A server with OpenAI's API whose model says yes where the student's answer ends in the
    reference answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            lines = body["messages"][0]["content"].splitlines()
            answer, completion = (line.partition(": ")[2] for line in lines[1:3])
            reply = "yes, it is" if completion.endswith(answer) else "no"
            message = {"role": "assistant", "content": reply}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            answer = json.dumps(
                {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"]}
                | {"choices": [choice]}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_a_language_model_judges(tmp_path, judge_server):
    printed = run(
        "llm_judge", tmp_path, OPENAI_BASE_URL=judge_server, OPENAI_API_KEY="none", JUDGE="judge"
    )
    replies = {line.split()[-1] for line in printed.splitlines()[1:]}
    assert replies
    assert replies <= {"no", "is"}  # the last words of its replies


def test_the_table_has_every_example():
    table = (EXAMPLES / "README.md").read_text()
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    assert {name for name in scripts if f"[{name}]({name})" in table} == scripts
    assert {path.removesuffix(".py") for path in scripts} == {*SAYS, "llm_judge"}
