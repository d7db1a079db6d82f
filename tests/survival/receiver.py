"""What all three products send to: an HTTP server on a free port that answers every export with success, and keeps what
was in it.

Sinkwell sends OTLP log records whose body is the sealed line; the others send OTLP spans, whose name is the event's. Both
are read here by a few lines of protobuf, so that the harness needs no package of any product.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# The name of a span of this harness, and the number of its event.
NAME = re.compile(r"event-(\d+)")


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message: the number, and the bytes (of length-delimited ones) or None."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            varint()
            yield key >> 3, None
        elif kind == 2:
            length = varint()
            yield key >> 3, message[at : at + length]
            at += length
        else:
            at += {1: 8, 5: 4}[kind]
            yield key >> 3, None


def inside(message: bytes, *path: int) -> Iterator[bytes]:
    """The length-delimited fields at the end of a path of field numbers."""
    for number, value in fields(message):
        if number == path[0] and value is not None:
            if len(path) == 1:
                yield value
            else:
                yield from inside(value, *path[1:])


def spans(body: bytes, content_type: str) -> list[str]:
    """The names of the spans of an OTLP request."""
    if "json" in content_type:
        request = json.loads(body)
        return [
            span["name"]
            for resource in request.get("resourceSpans", [])
            for scope in resource.get("scopeSpans", [])
            for span in scope.get("spans", [])
        ]
    # ExportTraceServiceRequest.resource_spans.scope_spans.spans.name
    return [name.decode() for name in inside(body, 1, 2, 2, 5)]


def lines(body: bytes) -> list[str]:
    """The bodies of the log records of an OTLP request."""
    # ExportLogsServiceRequest.resource_logs.scope_logs.log_records.body.string_value
    return [text.decode() for text in inside(body, 1, 2, 2, 5, 1)]


class Receiver:
    """Takes everything; on request it holds the answer to the first export that has an event in it."""

    def __init__(self, *, hold: bool = False) -> None:
        self.numbers: list[int] = []
        self.lines: list[str] = []
        self.holding = threading.Event()
        self.go_on = threading.Event()
        self._hold = hold
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.socket.listen(1024)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()

    def _take(self, path: str, body: bytes, content_type: str) -> None:
        found = []
        sealed = []
        if path.endswith("/v1/logs"):
            sealed = lines(body)
            for line in sealed:
                number = json.loads(line).get("data", {}).get("n")
                found += [] if number is None else [number]
        elif path.endswith("/v1/traces"):
            found = [int(named[1]) for name in spans(body, content_type) if (named := NAME.fullmatch(name))]
        with self._lock:
            first = self._hold and found and not self.holding.is_set()
            self.numbers += found
            self.lines += sealed
            if first:
                self.holding.set()
        if first:
            self.go_on.wait(600)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                try:
                    body = self._body()
                    if self.headers.get("Content-Encoding") == "gzip":
                        body = gzip.decompress(body)
                    content_type = self.headers.get("Content-Type", "")
                    receiver._take(self.path, body, content_type)
                    answer = b"{}" if "json" in content_type else b""
                    self.send_response(200)
                    self.send_header("Content-Type", content_type)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except (ConnectionError, EOFError):
                    # Whoever sent it was killed meanwhile.
                    self.close_connection = True

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    length = int(self.headers.get("Content-Length", "0"))
                    body = self.rfile.read(length)
                    if len(body) < length:
                        raise EOFError
                    return body
                body = b""
                while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
