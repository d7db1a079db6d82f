"""AGENT-HOOKS (``agent-hooks-sdk``; not the unrelated ``agent-hooks``), which Microsoft's Agent Framework stands on.

    sinkwell.agent_hooks.watch(emitter)               # an InterceptionEmitter, after its other interceptors

A session is a run. A call of a tool is a deed: it begins only once its intent is safe, and where governance requires
a sink that is down, the verdict on ``pre_tool_call`` is ``deny``, with a message that says so. What the emitter decides
is a ``policy.decision``, from its records; the SDK swallows what a record's sink raises, so that this stops nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, TypeVar

try:
    from agent_hooks import InterceptionPoint, Verdict
except (ImportError, ModuleNotFoundError) as error:
    raise ModuleNotFoundError(
        "sinkwell.agent_hooks needs AGENT-HOOKS: pip install 'sinkwell[agent-hooks]'",
        name=getattr(error, "name", None),
    ) from error

from ._emitter import Emitter
from ._errors import Error
from ._steps import Call, Teller, new_id, now, put

_E = TypeVar("_E")

_ENDS = {"cancelled": "cancelled", "timeout": "timeout", "error": "error", "failed": "error"}


class Interceptor:
    """The interceptor; ``watch`` registers it. ``emitter`` is the process's default one unless given; ``permit`` the
    most that content may be captured (``off``, ``redacted_summary``, ``content_ref``, ``raw``), as that of a content
    part.
    """

    def __init__(self, emitter: Emitter | None = None, *, permit: str | None = None) -> None:
        self._teller = Teller("agent_hooks", "agent-hooks-sdk", emitter, permit)
        self._sessions: dict[str, dict[str, Any]] = {}
        self._models: dict[tuple[str, Any], dict[str, Any]] = {}
        self._calls: dict[tuple[str, str], Call] = {}
        #: The call that a record will be about, by session and number.
        self._asked: dict[tuple[str, int], tuple[str, str]] = {}
        self._lock = threading.Lock()
        self._teller.watch()

    def stop(self) -> None:
        """Seal that nothing is watched any longer, and do nothing from now on."""
        self._teller.stop()

    async def intercept(self, context: Mapping[str, Any], /) -> Verdict:
        """What happens now; it is let happen, unless it is a tool whose intent does not become safe."""
        if not self._teller.watching:
            return Verdict.allow()
        point, session = context["interception_point"], str(context["session"]["id"])
        tell = getattr(self, f"_{point}", None)
        if point == InterceptionPoint.AGENT_SHUTDOWN.value:
            await self._cut_off(session)
        if tell is not None:
            tell(context, session)
        elif point == InterceptionPoint.PRE_TOOL_CALL.value:
            return await self._begin(context, session)
        elif point == InterceptionPoint.POST_TOOL_CALL.value:
            await self._end(context, session)
        return Verdict.allow()

    async def _cut_off(self, session: str) -> None:
        """No call goes on where its session has ended: its end was not told."""
        with self._lock:
            keys = [key for key in self._calls if key[0] == session]
            calls = [self._calls.pop(key) for key in keys]
        for call in calls:
            call.ended(outcome="cancelled")
            await call.__aexit__(None, None, None)

    def _agent_startup(self, context: Mapping[str, Any], session: str) -> None:
        agent = context["agent"]
        step = {"name": str(agent.get("name") or agent["id"]), "start_unix_nano": now()}
        with self._lock:
            put(self._sessions, session, step)
        self._teller.tell("agent", session, **step)

    def _agent_shutdown(self, context: Mapping[str, Any], session: str) -> None:
        with self._lock:
            step = self._sessions.pop(session, {})
        outcome = _ENDS.get(str(context.get("summary", {}).get("reason")))
        self._teller.tell("agent", session, **step, end_unix_nano=now(), outcome=outcome)

    def _pre_model_call(self, context: Mapping[str, Any], session: str) -> None:
        step = {"start_unix_nano": now(), "input": context.get("messages")}
        with self._lock:
            put(self._models, (session, context.get("request_id")), step)

    def _post_model_call(self, context: Mapping[str, Any], session: str) -> None:
        with self._lock:
            step = self._models.pop((session, context.get("request_id")), {})
        response = context.get("response", {})
        calls = [
            {"type": "tool_call", "name": one.get("name"), "arguments": one.get("args")}
            for one in response.get("tool_calls", ())
        ]
        content = response.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) and content else []
        self._teller.tell(
            "model",
            new_id(),
            name=str(context["model"]["id"]),
            parent=session,
            end_unix_nano=now(),
            output=[{"role": "assistant", "content": [*parts, *calls]}],
            usage=context.get("usage"),
            usage_of="openai",
            **step,
        )

    async def _begin(self, context: Mapping[str, Any], session: str) -> Verdict:
        given = context["tool_call"]
        key = (session, str(given["id"]))
        call = self._teller.call(
            new_id(),
            str(given["name"]),
            parent=session,
            input=given.get("args"),
            attributes={"gen_ai.tool.call.id": str(given["id"])},
        )
        try:
            await call.__aenter__()
        except Error as error:
            return Verdict.deny(reason=f"sinkwell:{error.kind}", message=str(error))
        call._leave()
        with self._lock:
            put(self._calls, key, call)
            put(self._asked, (session, int(context["sequence"])), key)
        return Verdict.allow()

    async def _end(self, context: Mapping[str, Any], session: str) -> None:
        with self._lock:
            call = self._calls.pop((session, str(context["tool_call"]["id"])), None)
        if call is not None:
            result = context.get("tool_result", {})
            call.ended(output=result.get("value"), outcome="error" if result.get("is_error") else "ok")
            await call.__aexit__(None, None, None)

    def record(self, record: Any) -> None:
        """What the emitter decided of one point."""
        if not self._teller.watching:
            return
        with self._lock:
            key = self._asked.pop((record.session_id, record.sequence), None)
            call = None if record.proceeds or key is None else self._calls.pop(key, None)
        if call is not None:
            # Its intent was safe, and somebody else refused the call: the deed's end tells of the refusal.
            call.ended(outcome="asked" if record.verdict.approval else "denied")
            call.__exit__(None, None, None)
        elif not record.proceeds or record.interceptors_registered > 1:
            asked = not record.proceeds and record.verdict.approval
            decision = "allow" if record.proceeds else "ask" if asked else "deny"
            point = record.interception_point.value
            session = record.session_id
            self._teller.decided(decision, f"agent_hooks.{point}", parent=session, run=session)


def watch(target: _E, emitter: Emitter | None = None, *, permit: str | None = None) -> _E:
    """Register an interceptor and a record sink with an ``InterceptionEmitter``; returns it. ``emitter`` and ``permit``
    as those of ``Interceptor``. It has one record sink: one that was set before is called first.
    """
    watched: Any = target
    interceptor = Interceptor(emitter, permit=permit)
    before = getattr(watched, "_record_sink", None)

    def both(record: Any) -> None:
        try:
            if before is not None:
                before(record)
        finally:
            interceptor.record(record)

    watched.register(interceptor, "sinkwell")
    watched.set_record_sink(both)
    return target
