"""Requests over HTTP: what is emitted while one is answered belongs to its trace, whatever a client sends."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import sinkwell
from environments import ROOT

Lines = Callable[[], list[dict[str, Any]]]
Headers = list[tuple[bytes, bytes]]

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACED = (b"traceparent", PARENT.encode())

# What the client sends; then the trace context, the state and the correlation that events have.
SENT: dict[str, tuple[Headers, str | None, str | None, str | None]] = {
    "all is well": (
        [TRACED, (b"tracestate", b"a=1,b=2"), (b"x-request-id", b"c1")],
        *(PARENT, "a=1,b=2", "c1"),
    ),
    "an id with a tab": ([(b"x-request-id", b"a\tb")], None, None, "a\ufffdb"),
    "an id past ASCII": ([(b"x-request-id", b"caf\xe9\x00")], None, None, "caf\ufffd\ufffd"),
    "an id of blanks": ([(b"x-request-id", b" \t ")], None, None, None),
    "an id of a megabyte": ([(b"x-request-id", b"a" * (1 << 20))], None, None, "a" * 256),
    "a state that is no text": ([TRACED, (b"tracestate", b"a=\xff")], PARENT, None, None),
    "a state with a control": ([TRACED, (b"tracestate", b"a=\x01")], PARENT, None, None),
    "a state of a megabyte": ([TRACED, (b"tracestate", b"a" * (1 << 20))], PARENT, None, None),
    "a parent that is no text": ([(b"traceparent", b"\xff" + PARENT.encode())], None, None, None),
    "a parent of zeros": (
        [(b"traceparent", b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01")],
        *(None, None, None),
    ),
    "a parent of version ff": ([(b"traceparent", b"ff" + PARENT.encode()[2:])], None, None, None),
    "a parent of a megabyte": ([(b"traceparent", b"0" * (1 << 20))], None, None, None),
    "two parents": ([TRACED, TRACED], None, None, None),
    "a state without a parent": ([(b"tracestate", b"a=1")], None, None, None),
    "baggage of whatever it may": ([(b"baggage", b"k=\xff\t")], None, None, None),
}


def hosts(lines: Lines) -> list[dict[str, Any]]:
    return [line for line in lines() if line.get("origin") is None]


async def asked(app: Any, headers: Headers = [], kind: str = "http", **more: Any) -> list[dict[str, Any]]:  # noqa: B006
    """What an ASGI application answers to one request."""
    said: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    await app({"type": kind, "method": "GET", "headers": headers, **more}, receive, send)
    return said


def read(app: Any, headers: Headers = [], method: str = "GET") -> tuple[str, bytes]:  # noqa: B006
    """What a WSGI application answers, as a server has it."""
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "wsgi.input": io.BytesIO()}
    for name, value in headers:
        key = "HTTP_" + name.decode().upper().replace("-", "_")
        # What comes twice, a server joins.
        environ[key] = ",".join(filter(None, (environ.get(key), value.decode("latin-1"))))
    status: list[str] = []
    answer: Iterable[bytes] = app(environ, lambda line, headers: status.append(line))
    body = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    return status[0], body


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
@pytest.mark.parametrize("name", SENT)
def test_what_a_client_sends_costs_no_event(
    name: str, kind: str, emitter: sinkwell.Emitter, lines: Lines
) -> None:
    headers, traced, state, caller = SENT[name]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        emitter.emit("com.example.inside")
        await send({"type": "http.response.start", "status": 204})

    def plain(environ: Any, start: Any) -> Iterable[bytes]:
        start("204 No Content", [])
        # While the server reads it.
        emitter.emit("com.example.inside")
        yield b""

    if kind == "asgi":
        asyncio.run(asked(sinkwell.http.ASGI(app, emitter), headers))
    else:
        assert read(sinkwell.http.WSGI(plain, emitter), headers) == ("204 No Content", b"")
    emitter.emit("com.example.outside")
    emitter.flush()
    inside, span, outside = hosts(lines)
    for event in (inside, span):
        told = (event.get("traceparent"), event.get("tracestate"), event.get("correlationid"))
        assert told == (traced, state, caller)
    assert (span["type"], span["data"]["http.response.status_code"]) == ("dev.sinkwell.span", 204)
    assert "traceparent" not in outside
    assert "correlationid" not in outside


def test_requests_beside_each_other_have_their_own(emitter: sinkwell.Emitter, lines: Lines) -> None:
    waiting: list[asyncio.Event] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        waiting.append(here := asyncio.Event())
        if len(waiting) == 2:
            for one in waiting:
                one.set()
        await here.wait()
        emitter.emit("com.example.inside")
        assert sinkwell.http.headers()["traceparent"] == scope["headers"][0][1].decode()
        await asyncio.to_thread(emitter.emit, "com.example.thread")

    async def main() -> None:
        watched = sinkwell.http.ASGI(app, emitter)
        parents = [PARENT.replace("0af7", start) for start in ("aaaa", "bbbb")]
        await asyncio.gather(*(asked(watched, [(b"Traceparent", one.encode())]) for one in parents))
        assert sinkwell.http.headers() == {}

    asyncio.run(main())
    emitter.flush()
    counted: dict[str, int] = {}
    for event in hosts(lines):
        trace = event["traceparent"][3:7]
        counted[trace] = counted.get(trace, 0) + 1
    assert counted == {"aaaa": 3, "bbbb": 3}


def test_what_a_request_ended_with(emitter: sinkwell.Emitter, lines: Lines) -> None:
    class Route:
        path = "/orders/{id}"

    async def fails(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = Route()
        raise KeyError("MARKER")

    async def socket(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    async def starts(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"

    async def main() -> None:
        with pytest.raises(KeyError):
            await asked(sinkwell.http.ASGI(fails, emitter), method="POST", path="/orders/MARKER")
        await asked(sinkwell.http.ASGI(socket, emitter), kind="websocket")
        await asked(sinkwell.http.ASGI(starts, emitter), kind="lifespan")

    asyncio.run(main())

    def breaks(environ: Any, start: Any) -> Iterable[bytes]:
        start("200 OK", [])
        yield b"some"
        raise OSError("MARKER")

    with pytest.raises(OSError, match="MARKER"):
        for _ in (
            answer := sinkwell.http.WSGI(breaks, emitter)({"REQUEST_METHOD": "B" * 999}, lambda *_: None)
        ):
            pass
    answer.close()  # type: ignore[attr-defined]
    whole = sinkwell.http.WSGI(lambda environ, start: start("404 Not Found", []) or [b"no"], emitter)
    assert read(whole) == ("404 Not Found", b"no")
    emitter.flush()
    told = [
        (data["name"], data["http.request.method"], data["http.response.status_code"], event["severitytext"])
        for event in hosts(lines)
        for data in [event["data"]]
    ]
    assert told == [
        ("POST /orders/{id}", "POST", 500, "ERROR"),
        ("GET", "GET", 101, "INFO"),
        ("HTTP", "_OTHER", 500, "ERROR"),
        ("GET", "GET", 404, "INFO"),
    ]
    assert "MARKER" not in json.dumps(hosts(lines))


def test_by_a_framework(emitter: sinkwell.Emitter, lines: Lines) -> None:
    fastapi = pytest.importorskip("fastapi")
    app: Any = fastapi.FastAPI()
    app.add_middleware(sinkwell.http.ASGI, emitter=emitter)

    def order(id: str) -> None:
        # On a thread of the framework's.
        emitter.emit("com.example.inside")

    app.get("/orders/{id}")(order)
    path = "/orders/MARKER"
    more: dict[str, Any] = {"path": path, "raw_path": path.encode(), "query_string": b"", "server": ("x", 80)}
    said = asyncio.run(asked(app, [TRACED], http_version="1.1", scheme="http", root_path="", **more))
    assert said[0]["status"] == 200
    emitter.flush()
    inside, span = hosts(lines)
    assert span["data"]["name"] == "GET /orders/{id}"
    assert inside["traceparent"] == span["traceparent"] == PARENT


class Down:
    """A required sink that goes away."""

    name = "siem"
    classes = frozenset({"siem"})
    down = False

    def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
        if self.down:
            raise ConnectionError("away")


def test_while_governance_forbids_going_on_requests_are_refused() -> None:
    retry = {"retry": {"initial": "1h", "cap": "1h"}, "breaker": {"failures": 1}}
    config = {
        "agent": {"id": "a"},
        "heartbeat": "off",
        "governance": {"version": "1", "requires_sink": "siem"},
        "lanes": [{"id": "siem", "classes": ["siem"], "sink": {"host": "siem"}, **retry}],
    }

    def app(*_: Any) -> Any:
        raise AssertionError("it was called")

    sink = Down()
    with sinkwell.Emitter.open(config, sinks=[sink]) as emitter:
        sink.down = True
        emitter.emit("com.example.lost")
        while True:
            try:
                emitter.ensure_ready()
            except sinkwell.RequiredSinkUnavailable:
                break
        start, body = asyncio.run(asked(sinkwell.http.ASGI(app, emitter)))
        assert (start["status"], body["body"]) == (503, b"a required sink is unavailable")
        (closed,) = asyncio.run(asked(sinkwell.http.ASGI(app, emitter), kind="websocket"))
        assert (closed["type"], closed["code"]) == ("websocket.close", 1013)
        status, said = read(sinkwell.http.WSGI(app, emitter))
        assert (status, said) == ("503 Service Unavailable", b"a required sink is unavailable")
        emitter.shutdown(0.1)


GOVERNED = {"agent": {"id": "a"}, "governance": {"required_sinks": [{"class": "audit"}]}}
FILE = {"classes": ["audit"], "sink": {"file": {"path": "events.ndjson"}}}
KEY = {"id": "k", "ed25519": {"file": "none.pem"}}

# What the environment's document says, and what a request is answered with; without one there is no such file.
DEFAULTS: dict[str, tuple[dict[str, Any] | None, int]] = {
    "nothing is amiss": ({**GOVERNED, "lanes": [FILE]}, 200),
    # What governance it would have required, nobody can say.
    "the document that is named is not there": (None, 503),
    "the document cannot be used": ({**GOVERNED, "lanes": [FILE], "lannes": 1}, 503),
    "the policy cannot be used": ({**GOVERNED, "governance": {"required_sinks": 7}, "lanes": [FILE]}, 503),
    "nothing has the required class": ({**GOVERNED, "lanes": ["null"]}, 503),
    "the key is missing where nothing is required": (
        {"agent": {"id": "a"}, "key": KEY, "lanes": ["null"]},
        200,
    ),
    "the key is missing where what is required fails closed": (
        {**GOVERNED, "key": KEY, "lanes": [FILE]},
        503,
    ),
    "a variable is missing": (
        {**GOVERNED, "lanes": [FILE, {"sink": {"file": {"path": "${SINKWELL_TEST_NOT_SET}"}}}]},
        503,
    ),
}


@pytest.mark.parametrize("what", DEFAULTS)
def test_without_a_default_emitter_a_request_is_refused_only_where_governance_fails_closed(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, expected = DEFAULTS[what]
    if document is not None:
        (tmp_path / "sinkwell.json").write_text(json.dumps(document))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SINKWELL_CONFIG", "sinkwell.json")
    # Not what another test has configured.
    program = """
import asyncio, sinkwell.http

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})

async def send(message):
    if message["type"] == "http.response.start":
        print(message["status"])

asyncio.run(sinkwell.http.ASGI(app)({"type": "http", "headers": []}, None, send))

def plain(environ, start_response):
    start_response("200 OK", [])
    return []

sinkwell.http.WSGI(plain)({}, lambda status, headers: print(status[:3]))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == f"{expected}\n{expected}\n", ran.stderr
    assert ("a request's span was not emitted" in ran.stderr) == (what != "nothing is amiss")


@pytest.mark.parametrize(("on_unhealthy", "expected"), [(None, 200), ("degrade", 200), ("fail_closed", 503)])
def test_an_emitter_that_has_ended_costs_a_request_only_where_governance_fails_closed(
    on_unhealthy: str | None, expected: int, tmp_path: Path
) -> None:
    config: dict[str, Any] = {
        "agent": {"id": "a"},
        "lanes": [{**FILE, "sink": {"file": {"path": str(tmp_path / "events.ndjson")}}}],
    }
    if on_unhealthy is not None:
        config["governance"] = {"required_sinks": [{"class": "audit", "on_unhealthy": on_unhealthy}]}
    emitter = sinkwell.Emitter.open(config)
    emitter.shutdown()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    start, *_ = asyncio.run(asked(sinkwell.http.ASGI(app, emitter)))
    assert start["status"] == expected


# The server of the tool, in a process of its own. Nobody has OpenTelemetry's SDK.
SERVER = """
import sys, sinkwell.mcp
from mcp.server import MCPServer

emitter = sinkwell.Emitter.open({
    "agent": {"id": "urn:example:shop"}, "heartbeat": "off", "lanes": [{"sink": {"file": {"path": sys.argv[1]}}}],
})
server = MCPServer("shop", middleware=[sinkwell.mcp.Middleware(emitter)])

@server.tool()
async def pay(to: str) -> str:
    emitter.emit("com.example.paid")
    return "paid"

server.run("stdio")
emitter.shutdown(5)
"""


def test_one_request_through_a_service_an_agent_and_a_server_is_one_graph(
    emitter: sinkwell.Emitter, lines: Lines, tmp_path: Path
) -> None:
    pytest.importorskip("mcp")
    from mcp import Client, StdioServerParameters, stdio_client

    served, script = tmp_path / "shop.ndjson", tmp_path / "server.py"
    script.write_text(SERVER)
    sys_path = f"{ROOT / 'bindings-python' / 'python'}"
    parameters = StdioServerParameters(
        command=sys.executable, args=[str(script), str(served)], env={"PYTHONPATH": sys_path}
    )

    async def main() -> None:
        async with Client(stdio_client(parameters)) as client:
            sinkwell.mcp.watch(client, emitter)

            async def app(scope: Any, receive: Any, send: Any) -> None:
                with sinkwell.run("order-1"):
                    emitter.emit("run.started")
                    decided = emitter.emit("policy.decision", {"decision": "allow", "rule": "small"})
                    with sinkwell.turn(causation=decided):
                        await client.call_tool("pay", {"to": "CANARY"})
                    emitter.emit("run.completed")
                await send({"type": "http.response.start", "status": 200})

            await asked(sinkwell.http.ASGI(app, emitter), [TRACED])

    asyncio.run(main())
    emitter.flush()
    ours = [event for event in hosts(lines) if not event["type"].endswith("coverage")]
    theirs = [
        event
        for line in served.read_text().splitlines()
        if "origin" not in (event := json.loads(line)) and not event["type"].endswith("coverage")
    ]
    kinds = [event["type"].removeprefix("dev.sinkwell.") for event in (*ours, *theirs)]
    call = "tool.invocation"
    assert kinds == [
        *("run.started", "policy.decision", call, call, "run.completed", "span"),
        *(call, "com.example.paid", call),
    ]
    assert {event["traceparent"][:36] for event in (*ours, *theirs)} == {PARENT[:36]}
    assert {event.get("runid") for event in (*ours[:-1], *theirs)} == {"order-1"}
    decided, intent, result = ours[1:4]
    began, paid, ended = theirs
    assert [event["causationid"] for event in (intent, result, began, paid, ended)] == [
        *(decided["id"], intent["id"], intent["id"], began["id"], began["id"])
    ]
    command = ROOT / "target" / "debug" / "sinkwell"
    if not command.exists():
        pytest.skip("the command is not built here")
    ours_file = tmp_path / "ours.ndjson"
    ours_file.write_text("".join(json.dumps(event) + "\n" for event in hosts(lines)))
    line: list[str | Path] = [command, "graph", "--format", "json", "--run", "order-1", ours_file, served]
    graph = json.loads(subprocess.run(line, capture_output=True, text=True).stdout)
    edges = {frozenset((edge["from"], edge["to"])) for edge in graph["edges"] if edge["there"]}
    for one, other in ((intent, decided), (result, intent), (began, intent), (ended, began)):
        assert frozenset((f"event:{one['id']}", f"event:{other['id']}")) in edges
