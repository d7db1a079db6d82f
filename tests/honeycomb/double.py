"""A double of Honeycomb's batch API, written from its public documentation, for the tests of every language.

    python3 tests/honeycomb/double.py [CERTIFICATE KEY]

It listens on a port of its own, prints its URL as the first line, and ends when its standard input does. With a
certificate it speaks TLS.

    POST /1/batch/DATASET   events; the answer has a status for each
    GET  /1/auth            what the key may do
    POST /_say              a list of what it does with the next requests, one each, before it does as documented:
                            {"status", "headers", "body"} answers so; {"each": [202, ...]} gives these statuses, also too few;
                            {"cut": true} half an answer; {"drip": true} one that comes byte by byte; {"freeze": true} none,
                            until the client goes
    GET  /_kept             {"events": taken ones, "requests": how many, "keys": whether each had the right key}
    GET  /_wait?N           the same, once N requests have come
    GET  /_hang_up          the same, and "hung_up": how many connections that events came by it ended, as if they were idle

An event with a column `answer` asks for its own status: 202; 429 or 5xx, which it gets the first time and is taken the second;
any other, which it gets always. A time more than two hours ahead is refused.
"""

import gzip
import json
import socket
import ssl
import sys
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "hcaik_01abcdefghijklmnopqrstuvwxyz"
MOST_EVENT = 1_000_000
MOST_TEXT = 64_000
MOST_FIELDS = 2_000
MOST_REQUEST = 5_000_000

came = threading.Condition()
says: list = []
events: list = []
requests: list = []
put_off: set = set()
connections: set = set()


def ahead(event: dict) -> bool:
    """Whether its time is further ahead than is taken."""
    try:
        time = datetime.fromisoformat(event["time"][:19] + "+00:00")
    except (KeyError, TypeError, ValueError):
        return False
    return time > datetime.now(timezone.utc) + timedelta(hours=2)


def judge(event: dict) -> dict:
    """What the documentation says of an event."""
    data = event.get("data")
    if not isinstance(data, dict) or not data:
        return {"status": 400, "error": "the event has no data"}
    if len(data) > MOST_FIELDS:
        return {"status": 400, "error": "too many columns"}
    if any(isinstance(value, str) and len(value.encode()) > MOST_TEXT for value in data.values()):
        return {"status": 400, "error": "a string is too long"}
    if len(json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()) > MOST_EVENT:
        return {"status": 400, "error": "the event is too large"}
    if ahead(event):
        return {"status": 400, "error": "the time is too far ahead"}
    status = data.get("answer", 202)
    if status == 429 or status >= 500:
        with came:
            first = data["id"] not in put_off
            put_off.add(data["id"])
        return {"status": status, "error": "later"} if first else {"status": 202}
    return {"status": status} if status == 202 else {"status": status, "error": "no"}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def finish(self) -> None:
        """Forget the connection, which ends."""
        with came:
            connections.discard(self.connection)
        super().finish()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(
        self, status: int, body: object, headers: dict | None = None, cut: bool = False, drip: bool = False
    ) -> None:
        """Send an answer, or the first half of one, or byte by byte."""
        text = body if isinstance(body, str) else json.dumps(body)
        data = text.encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for byte in data if drip else b"":
            self.wfile.write(bytes([byte]))
        if not drip:
            self.wfile.write(data[: len(data) // 2] if cut else data)
        self.wfile.flush()
        if cut:
            self.close_connection = True
            self.connection.close()

    def body(self) -> bytes:
        """Read what was sent."""
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data

    def do_GET(self) -> None:
        """Answer a question."""
        path, _, query = self.path.partition("?")
        if path == "/1/auth":
            if self.headers.get("X-Honeycomb-Team") != KEY:
                self.answer(401, {"error": f"unknown API key {self.headers.get('X-Honeycomb-Team')}"})
                return
            access = {"events": True, "createDatasets": True}
            place = {"name": "Test", "slug": "test"}
            self.answer(
                200, {"api_key_access": access, "environment": place, "team": place, "type": "ingest"}
            )
            return
        with came:
            if path == "/_wait":
                came.wait_for(lambda: len(requests) >= int(query))
            kept = {"events": events, "requests": len(requests), "keys": requests}
            if path == "/_hang_up":
                kept["hung_up"] = len(connections)
                for connection in connections:
                    connection.shutdown(socket.SHUT_RDWR)
            self.answer(200, kept)

    def do_POST(self) -> None:
        """Take events, or be told what to do."""
        if self.headers.get("Content-Encoding") not in (None, "gzip"):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.answer(415, {"error": "this double reads gzip"})
            return
        body = self.body()
        if self.path == "/_say":
            with came:
                says.extend(json.loads(body))
            self.answer(200, {})
            return
        key = self.headers.get("X-Honeycomb-Team")
        with came:
            say = says.pop(0) if says else {}
            requests.append(key == KEY)
            connections.add(self.connection)
            came.notify_all()
        if say.get("freeze"):
            self.rfile.read(1)
            self.close_connection = True
            return
        if "status" in say:
            self.answer(say["status"], say.get("body", "").replace("KEY", str(key)), say.get("headers"))
            return
        if key != KEY:
            self.answer(401, {"error": f"unknown API key {key} - check your credentials"})
            return
        if not self.path.startswith("/1/batch/") or len(self.path) <= len("/1/batch/"):
            self.answer(404, {"error": "dataset not found"})
            return
        if len(body) > MOST_REQUEST:
            self.answer(413, {"error": "request body is too large"})
            return
        try:
            batch = json.loads(body)
        except ValueError:
            self.answer(400, {"error": "request body should be a JSON array"})
            return
        if "each" in say:
            answers = [{"status": n} if n == 202 else {"status": n, "error": "no"} for n in say["each"]]
        else:
            answers = [judge(event) for event in batch]
        if not say.get("cut") and len(answers) == len(batch):
            with came:
                events.extend(
                    event for event, one in zip(batch, answers, strict=True) if one["status"] == 202
                )
        self.answer(200, answers, cut=say.get("cut", False), drip=say.get("drip", False))


class Server(ThreadingHTTPServer):
    """Goes on when a client goes."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


server = Server(("127.0.0.1", 0), Handler)
scheme = "http"
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "https"
print(f"{scheme}://127.0.0.1:{server.server_port}", flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
