"""The Model Context Protocol: calls of tools as deeds, at the server and at the client.

    server = MCPServer("shop", middleware=[sinkwell.mcp.Middleware()])        # the server
    async with sinkwell.mcp.watch(Client(...)) as client: ...                 # the client

A call reaches the tool only once its intent is safe (docs/DEEDS.md). Where governance requires a sink that is down, a
server answers with an error of the protocol, and a client raises ``RequiredSinkUnavailable``: the tool does not run.
Arguments and results become content parts. What a person is asked (elicitation), and answers, is a ``policy.decision``.
The caller's run, and what caused the call, cross to the server in ``params._meta``, beside the W3C trace context.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

try:
    from mcp.shared.exceptions import MCPError
except (ImportError, ModuleNotFoundError) as error:
    raise ModuleNotFoundError(
        "sinkwell.mcp needs the MCP SDK, 2.0 or later: pip install 'sinkwell[mcp]'",
        name=getattr(error, "name", None),
    ) from error

from ._context import context
from ._emitter import Emitter
from ._errors import Error
from ._steps import Call, Teller, active_trace, new_id, words

_C = TypeVar("_C")

_RUN = "dev.sinkwell/run"
_CAUSATION = "dev.sinkwell/causation"

# JSON-RPC's code for what went wrong inside the one who answers.
_INTERNAL = -32603

# What a client of the SDK says itself where a server takes too long.
_TIMEOUTS = (-32001, 408)

_ANSWERS = {"accept": "allow", "decline": "deny", "cancel": "deny"}


def _id(value: Any) -> str | None:
    """An id that another process sent, if it can be one."""
    if isinstance(value, str) and 1 <= len(value) <= 128 and all(" " <= c < "\x7f" for c in value):
        return value
    return None


class Middleware:
    """For ``MCPServer(..., middleware=[...])``: each ``tools/call``, ``prompts/get`` and ``resources/read`` that a
    client asks for is a deed. ``emitter`` is the process's default one unless given; ``permit`` the most that content
    may be captured (``off``, ``redacted_summary``, ``content_ref``, ``raw``), as that of a content part.
    """

    def __init__(self, emitter: Emitter | None = None, *, permit: str | None = None) -> None:
        self._teller = Teller("mcp.server", "mcp", emitter, permit)
        self._teller.watch()

    def stop(self) -> None:
        """Seal that calls are watched no longer, and let them pass."""
        self._teller.stop()

    async def __call__(self, ctx: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        """One message."""
        method = ctx.method
        if not self._teller.watching or method not in ("tools/call", "prompts/get", "resources/read"):
            return await call_next(ctx)
        params: Mapping[str, Any] = ctx.params or {}
        meta: Mapping[str, Any] = ctx.meta or {}
        name = params.get("name")
        attributes: dict[str, Any] = {
            "mcp.method.name": method,
            "mcp.protocol.version": ctx.protocol_version,
            "jsonrpc.request.id": None if ctx.request_id is None else str(ctx.request_id),
        }
        if method == "prompts/get" and isinstance(name, str):
            attributes["gen_ai.prompt.name"] = name
        call = self._teller.call(
            new_id(),
            name if isinstance(name, str) and method == "tools/call" else "",
            input=params.get("arguments") if method != "resources/read" else params.get("uri"),
            attributes=attributes,
            run=_id(meta.get(_RUN)),
            causation=_id(meta.get(_CAUSATION)),
        )
        self._answered(call, params, method)
        try:
            await call.__aenter__()
        except Error as error:
            message = f"the call was not made: {error}"
            raise MCPError(code=_INTERNAL, message=message, data={"kind": error.kind}) from error
        async with _Entered(call):
            self._watch_questions(ctx, call)
            result = await call_next(ctx)
            self._told(call, result)
            return result

    def _told(self, call: Call, result: Any) -> None:
        shown = result
        if hasattr(result, "model_dump"):
            shown = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        if not isinstance(shown, Mapping):
            call.ended(outcome="ok")
            return
        if shown.get("resultType") == "input_required":
            # It has not run: a person is asked first, and the client calls again with the answer.
            call.ended(outcome="asked")
            return
        failed = shown.get("isError") is True
        call.denied = call.denied and failed
        output = {key: value for key, value in shown.items() if key not in ("_meta", "resultType")}
        call.ended(output=output, outcome="error" if failed else "ok")

    def _answered(self, call: Call, params: Mapping[str, Any], method: str) -> None:
        """The answers to what was asked when this call was made before."""
        responses = params.get("inputResponses")
        for response in responses.values() if isinstance(responses, Mapping) else ():
            action = response.get("action") if isinstance(response, Mapping) else None
            if action in _ANSWERS:
                self._decide(call, _ANSWERS[action], str(params.get("name") or method), None)

    def _decide(self, call: Call, decision: str, tool: str, message: str | None) -> None:
        call.denied = call.denied or decision == "deny"
        self._teller.decided(
            decision,
            "elicitation",
            parent=call.id,
            tool=tool,
            run=call._members.get("run"),
            content=None if message is None else words("message", message),
            attributes={"mcp.method.name": "elicitation/create"},
        )

    def _watch_questions(self, ctx: Any, call: Call) -> None:
        """Has what the tool asks a person, and what they answer, told as decisions."""
        session, tool = ctx.session, str((ctx.params or {}).get("name") or ctx.method)
        send = session.send_request

        @functools.wraps(send)
        async def asked(request: Any, *arguments: Any, **more: Any) -> Any:
            if getattr(request, "method", None) != "elicitation/create":
                return await send(request, *arguments, **more)
            self._decide(call, "ask", tool, str(getattr(request.params, "message", "")))
            result = await send(request, *arguments, **more)
            self._decide(call, _ANSWERS.get(getattr(result, "action", ""), "indeterminate"), tool, None)
            return result

        # A session that takes no attributes tells of no questions; its calls are deeds all the same.
        try:
            session.send_request = asked
        except AttributeError:
            return


class _Entered:
    """A call that was let happen, until it ends."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def __aenter__(self) -> Call:
        return self._call

    async def __aexit__(self, *ended: Any) -> None:
        await self._call.__aexit__(*ended)


def watch(client: _C, emitter: Emitter | None = None, *, permit: str | None = None) -> _C:
    """Make each ``call_tool`` of a ``Client`` or a ``ClientSession`` a deed; returns it. ``emitter`` and ``permit`` as
    those of ``Middleware``. Raises what a deed raises, and then the server hears nothing. Watching again changes
    nothing; ``unwatch`` ends it.
    """
    seen: Any = client
    if getattr(seen.call_tool, "_sinkwell", None) is not None:
        return client
    teller = Teller("mcp.client", "mcp", emitter, permit)
    original = seen.call_tool

    @functools.wraps(original)
    async def call_tool(name: str, arguments: dict[str, Any] | None = None, *more: Any, **named: Any) -> Any:
        id = new_id()
        run = context().get("run")
        trace = active_trace() or _trace_for(run or id, id)
        attributes = {"mcp.method.name": "tools/call"}
        async with teller.call(id, name, input=arguments, attributes=attributes, **trace) as call:
            meta = dict(named.pop("meta", None) or {})
            meta[_CAUSATION] = id
            if run is not None:
                meta[_RUN] = run
            # The SDK adds that of OpenTelemetry's active span itself, if there is one.
            flags = int(trace.get("flags", 0))
            meta.setdefault("traceparent", f"00-{trace['trace_id']}-{trace['span_id']}-{flags:02x}")
            try:
                result = await original(name, arguments, *more, meta=meta, **named)
            except MCPError as error:
                if _code(error) in _TIMEOUTS:
                    call.ended(outcome="timeout")
                raise
            shown = result.model_dump(by_alias=True, mode="json", exclude_none=True)
            failed = shown.get("isError") is True
            output = {key: value for key, value in shown.items() if key not in ("_meta", "resultType")}
            outcome = "asked" if shown.get("resultType") == "input_required" else "error" if failed else "ok"
            call.ended(output=output, outcome=outcome)
            return result

    call_tool._sinkwell = (teller, original)  # type: ignore[attr-defined]
    seen.call_tool = call_tool
    teller.watch()
    return client


def _code(error: MCPError) -> Any:
    return getattr(error, "code", None) or getattr(getattr(error, "error", None), "code", None)


def unwatch(client: Any) -> None:
    """Undo ``watch``."""
    known = getattr(client.call_tool, "_sinkwell", None)
    if known is not None:
        teller, client.call_tool = known
        teller.stop()


def elicitation(
    callback: Callable[[Any, Any], Awaitable[Any]],
    emitter: Emitter | None = None,
    *,
    permit: str | None = None,
) -> Callable[[Any, Any], Awaitable[Any]]:
    """A client's ``elicitation_callback`` that has what was asked, and what the person answered, told as decisions."""
    teller = Teller("mcp.client.elicitation", "mcp", emitter, permit)

    @functools.wraps(callback)
    async def asked(ctx: Any, params: Any) -> Any:
        attributes = {"mcp.method.name": "elicitation/create"}
        message = words("message", str(getattr(params, "message", "")))
        teller.decided("ask", "elicitation", content=message, attributes=attributes)
        result = await callback(ctx, params)
        decision = _ANSWERS.get(getattr(result, "action", ""), "indeterminate")
        teller.decided(decision, "elicitation", attributes=attributes)
        return result

    return asked


def _trace_for(run: str, id: str) -> dict[str, Any]:
    """A trace context where the program has none: one trace for each run."""
    digest = hashlib.sha256(run.encode()).hexdigest()
    return {
        "trace_id": digest[:32],
        "span_id": hashlib.sha256(id.encode()).hexdigest()[:16],
        "flags": 0,
    }
