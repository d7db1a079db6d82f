"""HTTP: what is emitted while a request is answered belongs to the trace that the request names.

    app = sinkwell.http.ASGI(app)                     # FastAPI, Starlette, Quart, Django; for add_middleware, too
    app.wsgi_app = sinkwell.http.WSGI(app.wsgi_app)   # Flask, Django, Bottle
    httpx.get(url, headers=sinkwell.http.headers())   # a request of the program's own: the trace goes on with it

While governance forbids going on, requests are answered 503 and never reach the program; for any other reason,
telemetry costs no request: one for which there is no emitter is answered, and not told of. A request's
``traceparent`` and ``tracestate`` (W3C Trace Context) are the trace context of what is emitted, its ``X-Request-Id``
the correlation, and each request ends as one ``span`` event with its method, route and status, never with its URL's
values. What a client sends never costs an event: what is no trace context is left out, an id is made to fit, baggage
is not read. Where a span of OpenTelemetry is active, that goes before.
"""

from __future__ import annotations

import contextlib
import contextvars
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

from . import _native
from ._context import Scope, enter_trace, leave_trace
from ._emitter import Emitter, default_emitter
from ._errors import Error
from ._process import active_trace, log_seldom

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
_UNAVAILABLE = b"a required sink is unavailable"

_Scope = Mapping[str, Any]
_App = Callable[[Any, Any, Any], Awaitable[None]]


class _Request:
    """A request that is being answered."""

    def __init__(self, emitter: Emitter | None, method: str, headers: Mapping[str, list[bytes]]) -> None:
        self._emitter = emitter
        #: Whether governance lets it be answered.
        self.ready = True
        try:
            self._emitter = emitter or default_emitter()
            self.ready = self._emitter._may_go_on()
        except Error as error:
            self.ready = not _native._default_forbids(error.kind)
            self._not_told(error)
        self._method = method if method in _METHODS else "_OTHER"
        self._headers = headers
        self._start = time.monotonic()
        self._over = False
        #: What it was answered with; without an answer it failed.
        self.status = 500

    def enter(self) -> None:
        """Has events take from the request what it says, in the context of the calling code, until ``leave``."""
        # More than one is none, says W3C.
        parents = self._headers.get("traceparent", [])
        read = _native._outside_trace(parents[0]) if len(parents) == 1 else None
        trace = None
        if read is not None:
            state = b",".join(self._headers.get("tracestate", [])).decode("latin-1")
            trace = {"trace_id": read[0], "span_id": read[1], "flags": read[2], "state": state or None}
        # Without one, nor is it that of a request around this one.
        self._before = enter_trace(trace)
        given = self._headers.get("x-request-id", [])
        caller = _native._outside_text(given[0]) if given else None
        self._caller = Scope({} if caller is None else {"correlation": caller})
        self._caller._enter()

    def leave(self) -> None:
        """Undoes ``enter``, where it was called."""
        self._caller._leave()
        leave_trace(self._before)

    def end(self, route: str | None) -> None:
        """Tells of it, once."""
        if self._over:
            return
        self._over = True
        name = "HTTP" if self._method == "_OTHER" else self._method
        data = {
            "name": f"{name} {route}" if route else name,
            "duration_ms": round((time.monotonic() - self._start) * 1e3, 3),
            "http.response.status_code": self.status,
            "http.request.method": self._method,
        }
        if self._emitter is None:
            return
        try:
            self._emitter.emit("span", data, severity="error" if self.status >= 500 else None)
        except Error as error:
            # The response is on its way.
            self._not_told(error)

    @staticmethod
    def _not_told(error: Error) -> None:
        log_seldom("warning", f"a request's span was not emitted: {error.kind} {error.where or ''}".rstrip())


class ASGI:
    """An ASGI application around another. ``emitter`` is the process's default one unless given."""

    def __init__(self, app: _App, emitter: Emitter | None = None) -> None:
        self._app = app
        self._emitter = emitter

    async def __call__(self, scope: _Scope, receive: Any, send: Any) -> None:
        """One connection."""
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers: dict[str, list[bytes]] = {}
        for name, value in scope.get("headers") or ():
            headers.setdefault(name.decode("latin-1").lower(), []).append(value)
        request = _Request(self._emitter, str(scope.get("method", "GET")), headers)
        if not request.ready:
            await _refused(kind, send)
            return

        async def told(message: Any) -> None:
            # A connection that is refused or ends is none of these.
            if message["type"] == "http.response.start":
                request.status = int(message["status"])
            elif message["type"] == "websocket.accept":
                request.status = 101
            await send(message)

        request.enter()
        try:
            await self._app(scope, receive, told)
        except BaseException:
            request.status = 500
            raise
        finally:
            request.end(_route(scope))
            request.leave()


async def _refused(kind: str, send: Any) -> None:
    if kind == "websocket":
        await send({"type": "websocket.close", "code": 1013, "reason": _UNAVAILABLE.decode()})
        return
    said = [(b"content-type", b"text/plain"), (b"content-length", str(len(_UNAVAILABLE)).encode())]
    await send({"type": "http.response.start", "status": 503, "headers": said})
    await send({"type": "http.response.body", "body": _UNAVAILABLE})


def _route(scope: _Scope) -> str | None:
    """The pattern that matched, where the framework says so."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else None


class WSGI:
    """A WSGI application around another. ``emitter`` is the process's default one unless given."""

    def __init__(self, app: Callable[[Any, Any], Iterable[bytes]], emitter: Emitter | None = None) -> None:
        self._app = app
        self._emitter = emitter

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """One request."""
        headers = {
            name[5:].replace("_", "-").lower(): [value.encode("latin-1", "replace")]
            for name, value in environ.items()
            if name.startswith("HTTP_") and isinstance(value, str)
        }
        # A server joins what comes twice; a trace context with a comma is none.
        request = _Request(self._emitter, str(environ.get("REQUEST_METHOD", "GET")), headers)
        if not request.ready:
            said = [("Content-Type", "text/plain"), ("Content-Length", str(len(_UNAVAILABLE)))]
            start_response("503 Service Unavailable", said)
            return [_UNAVAILABLE]

        def told(status: str, *given: Any) -> Any:
            with contextlib.suppress(ValueError):
                request.status = int(status[:3])
            return start_response(status, *given)

        # Its own, also while the server reads the answer.
        context = contextvars.copy_context()
        context.run(request.enter)
        try:
            answer = context.run(self._app, environ, told)
        except BaseException:
            request.status = 500
            context.run(request.end, None)
            raise
        if isinstance(answer, (list, tuple)):
            # It is there as a whole, and its server knows how long it is.
            context.run(request.end, None)
            return answer
        return _Answer(context, answer, request)


class _Answer:
    """An answer as its server reads it: piece by piece, in the context of the request."""

    def __init__(self, context: contextvars.Context, answer: Iterable[bytes], request: _Request) -> None:
        self._context = context
        self._answer = answer
        self._request = request
        self._pieces: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._pieces is None:
                self._pieces = self._context.run(iter, self._answer)
            return self._context.run(next, self._pieces)
        except StopIteration:
            raise
        except BaseException:
            self._request.status = 500
            raise

    def close(self) -> None:
        """The server has read what it wants."""
        try:
            close = getattr(self._answer, "close", None)
            if close is not None:
                self._context.run(close)
        finally:
            self._context.run(self._request.end, None)


def headers() -> dict[str, str]:
    """The ``traceparent`` and ``tracestate`` of the trace that holds here, for a request of the program's own; empty
    where there is none.
    """
    trace = active_trace()
    if trace is None:
        return {}
    said = {"traceparent": f"00-{trace['trace_id']}-{trace['span_id']}-{int(trace.get('flags') or 0):02x}"}
    if trace.get("state"):
        said["tracestate"] = str(trace["state"])
    return said
