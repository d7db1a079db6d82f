"""Real instrumented agent frameworks against a scripted model server: sealed, sound, with no word of content.

Each runs in an environment of its own under target/, installed once from its pinned requirements.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sinkwell
from environments import FRAMEWORKS, ROOT, environment


class Model(BaseHTTPRequestHandler):
    """Answers chat completions: a call of the tool first, then a sentence."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = json.dumps(request["messages"])
        message: dict[str, Any] = {"role": "assistant", "content": "MARKER it is sunny."}
        if '"tool"' not in said:
            city = "Atlantis" if "Atlantis" in said else "Rome"
            call = {"name": "weather", "arguments": json.dumps({"city": city})}
            message = {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": call}],
            }
        reason = "tool_calls" if "tool_calls" in message else "stop"
        usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
        choice = {"index": 0, "message": message, "finish_reason": reason}
        answer = {"id": "r1", "object": "chat.completion", "created": 1, "model": "scripted-1"}
        body = json.dumps({**answer, "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def model() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def test_pydantic_ai(model: str, tmp_path: Path) -> None:
    out, key = tmp_path / "events.ndjson", tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    config = tmp_path / "sinkwell.json"
    document = {
        "agent": {"id": "urn:sinkwell:agent:forecaster"},
        "key": {"id": "k1", "hmac_sha256": {"file": str(key)}},
        "lanes": [{"sink": {"file": {"path": str(out)}}}],
    }
    config.write_text(json.dumps(document))
    env = {**os.environ, "PYTHONPATH": str(ROOT / "bindings-python" / "python")}
    command: list[str | Path] = [
        environment("requirements"),
        FRAMEWORKS / "pydantic_ai_agent.py",
        model,
        config,
    ]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (0, "MARKER it is sunny.\nfailed\n"), ran.stderr

    assert sinkwell.verify([out], {"k1": f"hmac:{key}"})["verdict"] == "sound"
    assert b"MARKER" not in out.read_bytes()
    events = [event for line in out.read_text().splitlines() if "origin" not in (event := json.loads(line))]
    types = [event["type"].removeprefix("dev.sinkwell.") for event in events]
    good = ["run.started", "model.usage", "tool.invocation", "model.usage"]
    # The usage of a run comes with its end.
    assert types[:6] == [*good, "model.usage", "run.completed"]
    assert types[6:9] == good[:3]
    assert types[-1] == "run.failed"
    first, second = ({event["runid"] for event in run} for run in (events[:6], events[6:]))
    assert len(first) == len(second) == 1
    assert first != second
    usage, tool, of_run, end = events[1]["data"], events[2]["data"], events[4]["data"], events[5]["data"]
    assert (usage["source.family"], usage["model"], usage["total_tokens"]) == ("model", "scripted-1", 15)
    assert [part["class"] for part in usage["content"]] == ["system", "prompt", "tool_arguments"]
    assert (tool["tool"], tool["outcome"]) == ("weather", "ok")
    assert (of_run["source.family"], of_run["total_tokens"]) == ("run", 30)
    assert (end["terminal_status"], end["gen_ai.agent.name"]) == ("completed", "forecaster")
    failed = events[8]["data"]
    assert (failed["tool"], failed["outcome"], failed["error.type"]) == ("weather", "error", "LookupError")
