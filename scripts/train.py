"""What a profile is taken of: events as agents emit them, through each language, and the command over what they left.

::

    python3 scripts/train.py COMMAND PROGRAM...

COMMAND is `sinkwell`; each PROGRAM is one of a language's, that answers `run CANDIDATE LOAD PORT DIR` (bench/), called
in the current folder. The package `sinkwell` is on PYTHONPATH. Nothing is measured; what fails ends it.
"""

from __future__ import annotations

import http.server
import pathlib
import subprocess
import sys
import tempfile
import threading
from typing import Any

# Candidate, load, of the programs that there are: a dozen attributes, into three lanes (memory, file, OTLP), or one.
LOADS = [
    ("three", "hot:40000"),
    ("three-block", "hot:20000"),
    ("three-attrs", "hot:40000"),
    ("three-put", "hot:40000"),
]
LOADS += [("three", "paced:5000:5000"), ("otlp", "bursts:10000:20000:20")]
# Each program's own: who is not there need not be asked.
ONLY = {"three-attrs": ("go-bench", "Bench"), "three-put": ("Bench",)}

KEY = {"id": "k1", "hmac_sha256": {"base64": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}}
POLICY = {
    "apiVersion": "sinkwell.dev/v1alpha1",
    "kind": "TelemetryPolicy",
    "metadata": {"name": "trained"},
    "spec": {
        "targetRefs": [{"kind": "Emitter"}],
        "events": {
            "keep": [{"cel": "event.type == 'policy.decision' && event.data.decision == 'deny'"}],
            "matches": [
                {"cel": "event.severity >= ERROR"},
                {"cel": "event.data.http.status >= 500"},
                {"cel": "event.data.tool in ['shell', 'browser', 'payments']"},
                {"cel": "event.data.path.matches('^/admin(/|$)')"},
                {"cel": "event.data.message.contains('out of memory')"},
                {"cel": "event.data.outcome != 'ignored'"},
            ],
            "fields": [{"key": "env", "value": {"literal": "production"}}],
            "drop": ["retries"],
        },
    },
}


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes what it is sent, as a collector would that has nothing to say."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """An empty answer is one that has accepted everything."""
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line for each request would be all that the log holds."""


def called(n: int) -> dict[str, Any]:
    """What an agent says of a call."""
    return {
        "tool": ("search", "browser", "tickets")[n % 3],
        "outcome": "ok" if n % 7 else "error",
        "duration_ms": n % 997 / 4,
        "http": {"status": 200 if n % 50 else 503},
        "path": f"/api/v1/items/{n}",
        "message": 'fetched the page\nand found "what" was asked for',
        "gen_ai.request.model": "example-model-large",
        "tags": ["a", "b", n],
        "retries": n % 3,
        "user.confirmed": True,
    }


def agent(folder: str, command: str) -> None:
    """Policies, content and its redaction, a journal, an audit chain, log records; then who reads what that left."""
    import sinkwell

    def part(n: int) -> Any:
        words = f"write to me{n}@example.com, card 4111 1111 1111 1111, token ghp_{n:036d}"
        return sinkwell.part("prompt", text=words, permit="raw")

    seen = {"content": {"mode": "raw", "classes": ["prompt"]}}
    config: dict[str, Any] = {
        "agent": {"id": "urn:example:agent"},
        "key": KEY,
        "journal": {"dir": f"{folder}/journal"},
        "telemetry": [POLICY],
        "lanes": [
            {"id": "see", "sink": {"file": {"path": f"{folder}/see.ndjson"}}, "overflow": "block", **seen},
            {"id": "audit", "sink": {"audit_chain": {"path": f"{folder}/audit.db"}}, "overflow": "block"},
            {
                "id": "safe",
                "sink": {"file": {"path": f"{folder}/safe.ndjson"}},
                "overflow": "block",
                "durable": True,
            },
        ],
        "governance": {
            "version": "1",
            "content": {
                "mode": "off",
                "classes": {"prompt": {"mode": "raw"}},
                "redaction": {"id": "pii-1", "detectors": ["email", "card", "secrets"]},
                "retention": {"class": "short", "window": "30d"},
                "sampling": {"key": "run", "rate": {"numerator": 1, "denominator": 1}},
                "limits": {"bytes": "64KiB"},
            },
        },
    }
    with sinkwell.Emitter.open(config) as emitter:
        for n in range(4_000):
            emitter.emit("tool.invocation", called(n), run=f"r-{n // 40}", subject="tool:search")
            if n % 4 == 0:
                emitter.emit("com.example.turn", run=f"r-{n // 40}", content=[part(n)])
            if n % 8 == 0:
                emitter.emit_log(
                    {
                        "scale": "python",
                        "level": 20,
                        "logger": "agent",
                        "message": "went on",
                        "attributes": called(n),
                    }
                )
            if n % 40 == 0:
                emitter.emit("policy.decision", {"decision": "deny", "rule": "no-shell"}).wait(
                    "delivered", timeout=60
                )
    key = pathlib.Path(folder, "agent.key")
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    for name in ("see.ndjson", "safe.ndjson", "audit.db"):
        subprocess.run(
            [command, "verify", "--key", f"k1=hmac:{key}", f"{folder}/{name}"],
            check=True,
            stdout=subprocess.DEVNULL,
        )


def main() -> None:
    """Runs all of it, one after the other."""
    command, *programs = sys.argv[1:]
    if command == "agent":
        return agent(*programs)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for program in programs:
        for who, load in LOADS:
            if who in ONLY and not program.endswith(ONLY[who]):
                continue
            with tempfile.TemporaryDirectory() as folder:
                words = [*program.split(), "run", who, load, str(server.server_port), folder]
                print(" ".join(words), flush=True)
                subprocess.run(words, check=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "agent", folder, command], check=True)


if __name__ == "__main__":
    main()
