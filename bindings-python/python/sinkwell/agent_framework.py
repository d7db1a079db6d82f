"""Microsoft's Agent Framework: agents, models, tools, approvals.

    agent = Agent(client, …, middleware=sinkwell.agent_framework.middleware(*own))

A run of an agent is a run. A call of a tool is a deed: it begins, after the program's ``own`` middleware has let it
through, only once its intent is safe; where governance requires a sink that is down, the tool does not run and
``MiddlewareFailure`` ends the run, with the words that say so and ``RequiredSinkUnavailable`` as its ``__cause__``.
That a call must be approved, and whether it was, are decisions.
"""

from __future__ import annotations

import contextlib
import contextvars
import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

try:
    from agent_framework import AgentMiddleware, ChatMiddleware, FunctionMiddleware, MiddlewareFailure
except (ImportError, ModuleNotFoundError) as error:
    raise ModuleNotFoundError(
        "sinkwell.agent_framework needs Microsoft's Agent Framework: pip install 'sinkwell[agent-framework]'",
        name=getattr(error, "name", None),
    ) from error

from ._emitter import Emitter
from ._errors import Error
from ._steps import Teller, new_id, now, plain, type_of

_Next = Callable[[], Awaitable[None]]

#: The step that the calling code is inside: an agent, or a tool's call.
_inside: contextvars.ContextVar[str | None] = contextvars.ContextVar("sinkwell_agent_framework", default=None)
#: The call of a tool that the middleware is at, from the outermost to the innermost.
_call: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("sinkwell_call", default=None)

_USAGE = {
    "input_token_count": "gen_ai.usage.input_tokens",
    "output_token_count": "gen_ai.usage.output_tokens",
    "cache_read_input_token_count": "gen_ai.usage.cache_read.input_tokens",
    "reasoning_output_token_count": "gen_ai.usage.reasoning.output_tokens",
}


@contextlib.contextmanager
def _within(id: str) -> Iterator[None]:
    before = _inside.set(id)
    try:
        yield
    finally:
        # Where a stream is closed in another task, the place is not ours to change.
        with contextlib.suppress(ValueError):
            _inside.reset(before)


class _Told:
    """A step that ends once: by its result, by an error, or by the end of its stream."""

    def __init__(self, teller: Teller, kind: str, id: str, members: dict[str, Any]) -> None:
        self._teller = teller
        self._kind = kind
        self._id = id
        self._members = members
        self._over = False

    def ended(self, **more: Any) -> None:
        if not self._over:
            self._over = True
            members = {**self._members, **more}
            self._teller.tell(self._kind, self._id, **members, end_unix_nano=now())

    def broken(self, error: BaseException) -> None:
        self.ended(error_type=type_of(error))

    def stream(self, stream: Any, result: Callable[[Any], dict[str, Any]]) -> None:
        """Has it end with the stream, whose pieces go on as they come."""

        def finished(response: Any) -> None:
            self.ended(**result(response))

        def cleaned() -> None:
            error = sys.exc_info()[1]
            if error is not None and not isinstance(error, StopAsyncIteration):
                self.broken(error)

        stream.with_result_hook(finished)
        stream.with_cleanup_hook(cleaned)


class _Watching(ABC):
    """Middleware that lets everything pass once nothing is watched."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller

    async def process(self, context: Any, call_next: _Next) -> None:
        await (self._watched(context, call_next) if self._teller.watching else call_next())

    @abstractmethod
    async def _watched(self, context: Any, call_next: _Next) -> None: ...


class _Agents(_Watching, AgentMiddleware):
    async def _watched(self, context: Any, call_next: _Next) -> None:
        id = new_id()
        name = getattr(context.agent, "name", None) or getattr(context.agent, "id", None) or "agent"
        step = {"name": str(name), "parent": _inside.get(), "start_unix_nano": now()}
        self._teller.tell("agent", id, **step, input=_messages(context.messages))
        self._answered(context.messages, id)
        told = _Told(self._teller, "agent", id, step)
        try:
            with _within(id):
                await call_next()
        except BaseException as error:
            told.broken(error)
            raise
        if context.stream and hasattr(context.result, "with_pull_context_manager"):
            # What is inside the stream happens when it is read.
            context.result.with_pull_context_manager(lambda: _within(id))
            told.stream(context.result, lambda response: self._result(response, id))
        else:
            told.ended(**self._result(context.result, id))

    def _result(self, response: Any, id: str) -> dict[str, Any]:
        asked = False
        for content in _contents(getattr(response, "messages", None)):
            if content.type == "function_approval_request":
                asked = True
                self._decided("ask", content, id)
        output = _messages(getattr(response, "messages", None))
        return {"output": output, "outcome": "asked" if asked else None}

    def _answered(self, messages: Any, id: str) -> None:
        """What a person said to the calls that had to be approved."""
        for content in _contents(messages):
            if content.type == "function_approval_response":
                self._decided("allow" if content.approved is True else "deny", content, id)

    def _decided(self, decision: str, content: Any, id: str) -> None:
        name = getattr(content.function_call, "name", None)
        self._teller.decided(decision, "tool_approval", parent=id, tool=None if name is None else str(name))


class _Models(_Watching, ChatMiddleware):
    async def _watched(self, context: Any, call_next: _Next) -> None:
        options = context.options or {}
        model = options.get("model") or options.get("model_id") or getattr(context.client, "model", None)
        provider = getattr(context.client, "OTEL_PROVIDER_NAME", None)
        asked = {"gen_ai.provider.name": None if provider == "unknown" else provider}
        step: dict[str, Any] = {
            "name": None if model is None else str(model),
            "parent": _inside.get(),
            "start_unix_nano": now(),
            "input": _messages(context.messages),
            "system": options.get("instructions"),
            "attributes": asked,
        }
        told = _Told(self._teller, "model", new_id(), step)
        try:
            await call_next()
        except BaseException as error:
            told.broken(error)
            raise

        def result(response: Any) -> dict[str, Any]:
            usage = getattr(response, "usage_details", None) or {}
            attributes = {there: usage.get(here) for here, there in _USAGE.items()}
            answered = getattr(response, "model", None) or getattr(response, "model_id", None)
            attributes["gen_ai.response.model"] = None if answered is None else str(answered)
            output = _messages(getattr(response, "messages", None))
            return {"output": output, "attributes": {**asked, **attributes}}

        if context.stream and hasattr(context.result, "with_result_hook"):
            told.stream(context.result, result)
        else:
            told.ended(**result(context.result))


class _Outermost(_Watching, FunctionMiddleware):
    """Before the program's own middleware: what that refuses does not reach the innermost."""

    async def _watched(self, context: Any, call_next: _Next) -> None:
        start, at = now(), {"reached": False}
        before = _call.set(at)
        try:
            await call_next()
        finally:
            _call.reset(before)
            if not at["reached"]:
                self._teller.tell(
                    "tool",
                    new_id(),
                    **_tool(context),
                    outcome="denied",
                    start_unix_nano=start,
                    end_unix_nano=now(),
                )


class _Innermost(_Watching, FunctionMiddleware):
    """After the program's own middleware: the call's intent is safe when the tool begins, or else it does not begin."""

    async def _watched(self, context: Any, call_next: _Next) -> None:
        if (at := _call.get()) is not None:
            at["reached"] = True
        members = _tool(context)
        call = self._teller.call(new_id(), members.pop("name"), **members)
        try:
            await call.__aenter__()
        except Error as error:
            # Any other exception would become a result that the model sees, and the run would go on.
            raise MiddlewareFailure(str(error)) from error
        try:
            with _within(call.id):
                await call_next()
            asked = getattr(context.result, "type", None) == "function_approval_request"
            call.ended(output=None if asked else _text(context.result), outcome="asked" if asked else "ok")
        finally:
            await call.__aexit__(*sys.exc_info())


def _tool(context: Any) -> dict[str, Any]:
    id = (getattr(context, "metadata", None) or {}).get("call_id")
    return {
        "name": str(context.function.name),
        "parent": _inside.get(),
        "input": plain(context.arguments),
        "attributes": {"gen_ai.tool.call.id": None if id is None else str(id)},
    }


def _contents(messages: Any) -> Iterable[Any]:
    for message in messages or ():
        yield from getattr(message, "contents", None) or ()


def _text(result: Any) -> Any:
    """A tool's result: text, or the framework's contents."""
    if result is None or isinstance(result, str):
        return result
    if isinstance(result, list):
        return "\n".join(str(getattr(item, "text", None) or "") or str(plain(item)) for item in result)
    return str(plain(result))


def _messages(messages: Any) -> list[dict[str, Any]]:
    """Messages as chat interfaces have them; reasoning is dropped by the core."""
    found: list[dict[str, Any]] = []
    for message in messages or ():
        role = str(getattr(message, "role", "user"))
        for content in getattr(message, "contents", None) or ():
            if content.type == "text":
                found.append({"role": role, "content": content.text})
            elif content.type == "text_reasoning":
                found.append({"role": role, "content": [{"type": "thinking", "content": ""}]})
            elif content.type == "function_call":
                call = {"type": "tool_call", "name": content.name, "arguments": plain(content.arguments)}
                found.append({"role": "assistant", "content": [call]})
            elif content.type == "function_result":
                found.append({"role": "tool", "content": _text(content.result)})
    return found


class Middleware(list[Any]):
    """What ``Agent(…, middleware=…)`` takes; ``middleware`` makes it."""

    def __init__(self, teller: Teller, own: Iterable[Any]) -> None:
        super().__init__([_Agents(teller), _Models(teller), _Outermost(teller), *own, _Innermost(teller)])
        self._teller = teller

    def stop(self) -> None:
        """Seal that nothing is watched any longer, and do nothing from now on."""
        self._teller.stop()


def middleware(*own: Any, emitter: Emitter | None = None, permit: str | None = None) -> Middleware:
    """For ``Agent(…, middleware=…)``: sinkwell's middleware around the program's ``own``. ``emitter`` is the process's
    default one unless given; ``permit`` the most that content may be captured (``off``, ``redacted_summary``,
    ``content_ref``, ``raw``), as that of a content part.
    """
    teller = Teller("agent_framework", "agent-framework-core", emitter, permit)
    teller.watch()
    return Middleware(teller, own)
