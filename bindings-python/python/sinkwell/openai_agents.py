"""The OpenAI Agents SDK: runs, agents, models, tools, handoffs, guardrails, approvals.

    processor = sinkwell.openai_agents.install()      # every run of the process
    processor.protect(agent)                          # its tools, and those of agents that it hands off to, as deeds

The SDK swallows what a trace processor raises, so that tracing alone stops nothing: a tool that ``protect`` has seen
begins only once its intent is safe, and where governance requires a sink that is down, the run ends with the SDK's
``UserError``, which says so, and the tool does not run. Any other call of a tool is told when it has ended.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import sys
import threading
import weakref
from collections.abc import Mapping
from typing import Any

try:
    from agents import FunctionTool, RunContextWrapper, ToolInputGuardrail
    from agents import add_trace_processor as _add
    from agents.tool_guardrails import ToolGuardrailFunctionOutput
    from agents.tracing import TracingProcessor, get_current_span
except (ImportError, ModuleNotFoundError) as error:
    raise ModuleNotFoundError(
        "sinkwell.openai_agents needs the OpenAI Agents SDK: pip install 'sinkwell[openai-agents]'",
        name=getattr(error, "name", None),
    ) from error

from ._emitter import Emitter, flush
from ._steps import Call, Teller, new_id, now, plain, put, type_of

# The rule that decisions about approvals have as their name.
_APPROVAL = "tool_approval"

# Most agents that work was handed to and that have not begun: one that never does is forgotten.
_MOST_HANDOFFS = 1_000

_KINDS = {
    "agent": "agent",
    "function": "tool",
    "generation": "model",
    "response": "model",
    "handoff": "handoff",
    "guardrail": "decision",
}


class _Span:
    """A span that has started."""

    __slots__ = (
        "asked",
        "call",
        "cause",
        "denied",
        "handling",
        "kind",
        "late",
        "parent",
        "start",
        "told",
        "trace",
        "unanswered",
    )

    def __init__(self, kind: str | None, parent: str | None, trace: str) -> None:
        self.kind = kind
        self.parent = parent
        self.trace = trace
        self.start = now()
        #: The error that the program was handling when it began: not its own.
        self.handling = sys.exc_info()[1]
        #: Of a tool's call: that it took longer than the tool allows.
        self.late = False
        #: Whether the core knows of it before it ends.
        self.told = False
        #: The handoff that brought this agent to work.
        self.cause: str | None = None
        #: A tool's call that is a deed.
        self.call: Call | None = None
        #: Whether a guardrail or a person refused it.
        self.denied = False
        #: Of an agent: whether it ends, for now, as a person is asked about a call in it.
        self.asked = False
        #: Of a tool's call: that nobody has approved or rejected it.
        self.unanswered = False


class Processor(TracingProcessor):
    """A trace processor. ``emitter`` is the process's default one unless given; ``permit`` the most that content may be
    captured (``off``, ``redacted_summary``, ``content_ref``, ``raw``), as that of a content part.
    """

    def __init__(self, emitter: Emitter | None = None, *, permit: str | None = None) -> None:
        self._teller = Teller("openai_agents", "openai-agents", emitter, permit)
        self._spans: dict[str, _Span] = {}
        self._traces: dict[str, tuple[str, BaseException | None]] = {}
        self._handoffs: dict[tuple[str, str], str] = {}
        #: How a run ended, where its last agent did not end well.
        self._ends: dict[str, str | None] = {}
        #: Tools that ``protect`` has seen; calls that must be approved, and that were, by trace and call.
        self._names: dict[str, None] = {}
        self._needing: dict[tuple[str, str], None] = {}
        self._approved: dict[tuple[str, str], None] = {}
        self._lock = threading.Lock()
        self._teller.watch()

    # --- runs ---

    def on_trace_start(self, trace: Any) -> None:
        """A run begins."""
        if self._stopped:
            return
        with self._lock:
            self._traces[trace.trace_id] = (start := now(), sys.exc_info()[1])
        self._teller.tell("run", trace.trace_id, name=trace.name, start_unix_nano=start)

    def on_trace_end(self, trace: Any) -> None:
        """A run has ended."""
        with self._lock:
            start, handling = self._traces.pop(trace.trace_id, (None, None))
            outcome = self._ends.pop(trace.trace_id, None)
        if start is not None:
            thrown = _thrown(handling)
            if thrown is not None and outcome != "denied":
                outcome = None
            self._teller.tell(
                "run",
                trace.trace_id,
                name=trace.name,
                outcome=outcome,
                error_type=None if thrown is None else type_of(thrown),
                start_unix_nano=start,
                end_unix_nano=now(),
            )

    def on_span_start(self, span: Any) -> None:
        """Something within a run begins."""
        if self._stopped:
            return
        data = span.span_data
        noted = _Span(_KINDS.get(data.type), span.parent_id, span.trace_id)
        noted.told = noted.kind == "agent"
        with self._lock:
            put(self._spans, span.span_id, noted)
            if noted.kind == "agent":
                noted.cause = self._handoffs.pop((span.trace_id, data.name), None)
        if noted.kind == "agent":
            self._teller.tell(
                "agent",
                span.span_id,
                name=data.name,
                parent=self._around(noted),
                run=self._goes_on(noted.trace),
                causation=noted.cause,
                start_unix_nano=noted.start,
            )

    def on_span_end(self, span: Any) -> None:
        """Something within a run has ended."""
        with self._lock:
            noted = self._spans.pop(span.span_id, None)
        if noted is None or noted.kind is None:
            return
        data, error = span.span_data, span.error
        step: dict[str, Any] = {
            "parent": self._around(noted),
            "run": self._goes_on(noted.trace),
            "start_unix_nano": noted.start,
            "end_unix_nano": now(),
        }
        tell = getattr(self, f"_{noted.kind}")
        tell(span.span_id, noted, data, error, step)

    def _agent(self, id: str, noted: _Span, data: Any, error: Any, step: dict[str, Any]) -> None:
        outcome, error_type = "asked" if noted.asked else None, None
        if (thrown := _thrown(noted.handling)) is not None:
            outcome, error_type = None, type_of(thrown)
        elif error is not None:
            outcome, error_type = "error", _type(error)
        if noted.denied:
            outcome = "denied"
        with self._lock:
            if noted.trace in self._traces:
                self._ends[noted.trace] = outcome
        self._teller.tell("agent", id, name=data.name, outcome=outcome, error_type=error_type, **step)

    def _tool(self, id: str, noted: _Span, data: Any, error: Any, step: dict[str, Any]) -> None:
        thrown = _thrown(noted.handling)
        outcome: str | None = "ok" if error is None else "error"
        error_type = _type(error)
        if noted.late:
            outcome, error_type = "timeout", "ToolTimeoutError"
        if (call := noted.call) is not None:
            if thrown is None or noted.late:
                call.ended(output=plain(data.output), outcome=outcome, error_type=error_type)
            call.__exit__(None if thrown is None else type(thrown), thrown, None)
            return
        if noted.denied:
            outcome = "denied"
        elif noted.unanswered and error is None and thrown is None and data.name in self._names:
            # Of a tool that ``protect`` has seen: it would have begun as a deed.
            if (around := self._spans.get(step["parent"])) is not None:
                around.asked = True
            self._teller.decided(
                "ask", _APPROVAL, parent=step["parent"], tool=data.name, run=self._goes_on(noted.trace)
            )
            return
        elif thrown is not None and not noted.late:
            outcome, error_type = None, type_of(thrown)
        self._teller.tell(
            "tool",
            id,
            name=data.name,
            input=data.input,
            output=plain(data.output),
            outcome=outcome,
            error_type=error_type,
            **step,
        )

    def _model(self, id: str, noted: _Span, data: Any, error: Any, step: dict[str, Any]) -> None:
        thrown, response = _thrown(noted.handling), getattr(data, "response", None)
        output = getattr(data, "output", None) if response is None else getattr(response, "output", None)
        usage = getattr(data, "usage", None)
        if usage is None and response is not None:
            usage = plain(getattr(response, "usage", None))
        name = getattr(data, "model", None) or getattr(response, "model", None)
        self._teller.tell(
            "model",
            id,
            name=None if name is None else str(name),
            input=plain(getattr(data, "input", None)),
            output=_output(output),
            usage=plain(usage),
            usage_of="openai",
            outcome=None if error is None or thrown is not None else "error",
            error_type=_type(error) if thrown is None else type_of(thrown),
            **step,
        )

    def _handoff(self, id: str, noted: _Span, data: Any, error: Any, step: dict[str, Any]) -> None:
        if data.to_agent is None:
            return
        with self._lock:
            put(self._handoffs, (noted.trace, data.to_agent), id, _MOST_HANDOFFS)
        attributes = {"gen_ai.agent.name": data.from_agent}
        self._teller.tell("handoff", id, name=data.to_agent, attributes=attributes, **step)

    def _decision(self, id: str, noted: _Span, data: Any, error: Any, step: dict[str, Any]) -> None:
        if data.triggered and (around := self._spans.get(step["parent"])) is not None:
            # A guardrail that trips ends its agent's run, of which the agent's own span does not always tell.
            around.denied = True
        self._teller.tell(
            "decision", id, name=data.name, decision="deny" if data.triggered else "allow", **step
        )

    def _goes_on(self, trace: str) -> str | None:
        """The run of a trace that has ended here, or began elsewhere, and goes on once a person has answered."""
        return None if trace in self._traces else trace

    def _around(self, noted: _Span) -> str:
        """The nearest span around that the core knows, or the run."""
        parent = noted.parent
        while parent is not None:
            around = self._spans.get(parent)
            if around is None:
                break
            if around.told:
                return parent if around.call is None else around.call.id
            parent = around.parent
        return noted.trace

    # --- tools ---

    def protect(self, agent: Any) -> Any:
        """Make each call of the agent's function tools a deed, and of the agents that it hands off to; returns the
        agent. Tools that it gets later need another call.
        """
        _hear(self)
        seen: set[int] = set()
        waiting = [agent]
        while waiting:
            one = waiting.pop()
            one = getattr(one, "agent", None) or getattr(one, "_agent_ref", lambda: None)() or one
            if id(one) in seen or not hasattr(one, "tools"):
                continue
            seen.add(id(one))
            one.tools = [self._protected(tool) for tool in one.tools]
            waiting.extend(getattr(one, "handoffs", ()))
        return agent

    def _protected(self, tool: Any) -> Any:
        if not isinstance(tool, FunctionTool):
            return tool
        guards = list(tool.tool_input_guardrails or ())
        if any(getattr(guard, "_sinkwell", False) for guard in guards):
            return tool
        told = [self._telling(guard) for guard in guards]
        last: ToolInputGuardrail[Any] = ToolInputGuardrail(
            functools.partial(self._begin, getattr(tool, "needs_approval", False)), name="sinkwell"
        )
        last._sinkwell = True  # type: ignore[attr-defined]
        put(self._names, tool.name, None)
        changes: dict[str, Any] = {}
        if getattr(tool, "timeout_seconds", None) is not None:
            changes.update(self._late(tool))
        if callable(needs := getattr(tool, "needs_approval", False)):
            changes["needs_approval"] = self._needs(needs)
        return dataclasses.replace(tool, tool_input_guardrails=[*told, last], **changes)

    def _late(self, tool: Any) -> dict[str, Any]:
        """Hear that a call took longer than the tool allows, of which the SDK makes an answer for the model."""
        own = tool.timeout_error_function
        if own is None and getattr(tool, "output_json_schema", None) is not None:
            # The SDK holds an answer of its own to no schema, and any other to it.
            return {}

        async def late(context: Any, error: Any) -> Any:
            current = get_current_span()
            noted = None if current is None else self._spans.get(current.span_id)
            if noted is not None:
                noted.late = True
            if own is None:
                return str(error)
            told = own(context, error)
            return await told if inspect.isawaitable(told) else told

        return {"timeout_error_function": late}

    def _telling(self, guard: ToolInputGuardrail[Any]) -> ToolInputGuardrail[Any]:
        """A guardrail of the program's own, whose refusals are told."""

        @functools.wraps(guard.guardrail_function)
        async def asked(data: Any) -> ToolGuardrailFunctionOutput:
            output = await guard.run(data)
            if output.behavior["type"] != "allow" and not self._stopped:
                noted, parent = self._here()
                if noted is not None:
                    noted.denied = True
                else:
                    self._teller.decided("deny", guard.get_name(), parent=parent, tool=data.context.tool_name)
            return output

        return ToolInputGuardrail(asked, name=guard.get_name())

    def _here(self) -> tuple[_Span | None, str | None]:
        """The span of the tool's call that is about to be made, and the step around it."""
        current = get_current_span()
        noted = None if current is None else self._spans.get(current.span_id)
        if noted is None or noted.kind != "tool":
            return None, None if noted is None else self._around(noted)
        return noted, self._around(noted)

    async def _begin(self, needs: Any, data: Any) -> ToolGuardrailFunctionOutput:
        """The last guardrail: the call's intent is safe when it answers, or else it raises."""
        if self._stopped:
            return ToolGuardrailFunctionOutput.allow()
        noted, parent = self._here()
        tool: Any = data.context
        if noted is not None and noted.unanswered:
            if needs is True or (noted.trace, tool.tool_call_id) in self._needing:
                # A person is asked once the guardrails let it pass; when they have answered, these are asked again.
                return ToolGuardrailFunctionOutput.allow()
            noted.unanswered = False
        call = self._teller.call(
            new_id(),
            tool.tool_name,
            parent=parent,
            run=None if noted is None else self._goes_on(noted.trace),
            input=tool.tool_arguments,
            attributes={"gen_ai.tool.call.id": tool.tool_call_id},
        )
        await call.__aenter__()
        if noted is None:
            # Without tracing nothing tells when the call ends.
            call.ended(outcome="ok")
            await call.__aexit__(None, None, None)
        else:
            noted.call = call
            noted.told = True
        return ToolGuardrailFunctionOutput.allow()

    # --- approvals ---

    def _needs(self, policy: Any) -> Any:
        """A tool's own policy of what must be approved, whose answer is remembered."""

        @functools.wraps(policy)
        async def asked(context: Any, arguments: Any, call_id: str) -> Any:
            needs = policy(context, arguments, call_id)
            if inspect.isawaitable(needs):
                needs = await needs
            current = get_current_span()
            if needs and current is not None:
                put(self._needing, (current.trace_id, call_id), None)
            return needs

        return asked

    def _answered(self, tool: str, call_id: str, answer: bool | None) -> None:
        current = get_current_span()
        noted = None if current is None else self._spans.get(current.span_id)
        if current is None or noted is None:
            return
        noted.unanswered = answer is None and noted.kind == "tool"
        key = (current.trace_id, call_id)
        # The same approval is looked up more than once.
        if answer is not True or key in self._approved:
            return
        put(self._approved, key, None)
        self._teller.decided(
            "allow",
            _APPROVAL,
            parent=current.span_id if noted.told else self._around(noted),
            tool=tool,
            run=self._goes_on(noted.trace),
        )

    def _rejected(self, tool: str) -> None:
        current = get_current_span()
        noted = None if current is None else self._spans.get(current.span_id)
        if current is None or noted is None:
            return
        if noted.kind == "tool":
            noted.denied = True
            return
        # When a run goes on, such a call has no span of its own.
        at = now()
        self._teller.tell(
            "tool",
            new_id(),
            name=tool,
            outcome="denied",
            parent=current.span_id if noted.told else self._around(noted),
            run=self._goes_on(noted.trace),
            start_unix_nano=at,
            end_unix_nano=at,
        )

    # --- life ---

    @property
    def _stopped(self) -> bool:
        return not self._teller.watching

    def stop(self) -> None:
        """Seal that nothing is watched any longer, and do nothing from now on."""
        self._teller.stop()
        _deaf(self)

    def shutdown(self) -> None:
        """The emitter is the host's, who ends it."""
        self.stop()

    def force_flush(self) -> None:
        """Wait, five seconds at most, until every lane has delivered."""
        with contextlib.suppress(Exception):
            if self._teller._given is None:
                flush(5)
            else:
                self._teller._given.flush(5)


def _thrown(handling: BaseException | None) -> BaseException | None:
    """What ends that which ends right now, where it does not end well; of a cancellation the SDK notes nothing.
    ``handling`` is what the program was handling when it began.
    """
    thrown = sys.exc_info()[1]
    return None if thrown is handling else thrown


def _type(error: Any) -> str | None:
    """The SDK tells of an error by its words, which are no class and no data."""
    return None if error is None else "tool_error"


def _output(output: Any) -> Any:
    """A model's output as messages: items of other kinds are calls of tools, or reasoning, which the core drops."""
    items = plain(output)
    if not isinstance(items, list):
        return items
    return [
        item
        if isinstance(item, Mapping) and ("role" in item or "content" in item)
        else {"role": "assistant", "content": [item]}
        for item in items
        if not (isinstance(item, Mapping) and item.get("type") == "reasoning")
    ]


# The SDK calls back for no approval. But it looks up what was said of a call before each that may need one, and
# the message for the model of each that was rejected. Its contexts are copied as runs go on: hence their class.
_HEARD = ("get_approval_status", "get_rejection_message")
_hearing: weakref.WeakSet[Processor] = weakref.WeakSet()
_silent: dict[str, Any] = {}


def _hear(processor: Processor) -> None:
    """Have a processor hear what runs look up of approvals; the oldest releases have none."""
    _hearing.add(processor)
    if _silent or not all(hasattr(RunContextWrapper, name) for name in _HEARD):
        return
    _silent.update((name, getattr(RunContextWrapper, name)) for name in _HEARD)
    status, message = (_silent[name] for name in _HEARD)

    @functools.wraps(status)
    def looked_up(self: Any, tool: str, call_id: str, *given: Any, **named: Any) -> Any:
        answer = status(self, tool, call_id, *given, **named)
        for one in list(_hearing):
            one._answered(tool, call_id, answer)
        return answer

    @functools.wraps(message)
    def rejected(self: Any, tool: str, call_id: str, *given: Any, **named: Any) -> Any:
        for one in list(_hearing):
            one._rejected(tool)
        return message(self, tool, call_id, *given, **named)

    for name, heard in zip(_HEARD, (looked_up, rejected), strict=True):
        setattr(RunContextWrapper, name, heard)


def _deaf(processor: Processor) -> None:
    """Have it hear nothing more; where none is left, the SDK's class is as it was."""
    _hearing.discard(processor)
    while not _hearing and _silent:
        setattr(RunContextWrapper, *_silent.popitem())


_installed: Processor | None = None


def install(emitter: Emitter | None = None, *, permit: str | None = None) -> Processor:
    """Watch every run of this process; ``emitter`` and ``permit`` as those of ``Processor``. Installed again, the
    processor that is there is returned.
    """
    global _installed
    if _installed is None or _installed._stopped:
        _installed = Processor(emitter, permit=permit)
        _add(_installed)
    return _installed
