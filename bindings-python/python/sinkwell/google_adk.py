"""Google's Agent Development Kit (ADK): runs, agents, models, tools, transfers, confirmations.

    runner = Runner(…, plugins=sinkwell.google_adk.plugins(*own))

An invocation is a run, and each agent in it one of its own. A call of a tool is a deed: it begins, after the
program's ``own`` plugins have let it through, only once its intent is safe, and where governance requires a sink that
is down, the tool does not run and the invocation ends with the ``RuntimeError`` that ADK makes of what a plugin
raises; its words say why, its ``__cause__`` is ``RequiredSinkUnavailable``. A transfer to another agent is a handoff.
A call that a person must confirm is a decision, and so is the answer.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import json
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

try:
    from google.adk.plugins.base_plugin import BasePlugin  # type: ignore[import-not-found, unused-ignore]
except (ImportError, ModuleNotFoundError) as error:
    raise ModuleNotFoundError(
        "sinkwell.google_adk needs Google's ADK: pip install 'sinkwell[google-adk]'",
        name=getattr(error, "name", None),
    ) from error

from ._emitter import Emitter
from ._steps import Call, Teller, new_id, now, plain, put, type_of

# Where a run is: the invocation, the branch of those that run beside each other, the agent.
_Place = tuple[str, str, str]

#: What ADK's own `ToolExecutionError` says of a tool that waited too long for somebody else.
_LATE = {"REQUEST_TIMEOUT", "GATEWAY_TIMEOUT"}

_ROLES = {"user": "user", "model": "assistant"}

#: The tool's call that the code is inside: an invocation that begins there is a part of it.
_inside: contextvars.ContextVar[str | None] = contextvars.ContextVar("sinkwell_google_adk", default=None)


class _Run:
    """An invocation or an agent that has begun."""

    __slots__ = ("asked", "id", "model", "name", "parent", "start", "task")

    def __init__(self, id: str, name: str, parent: str | None) -> None:
        self.id = id
        self.name = name
        self.parent = parent
        self.start = now()
        #: Whether a tool in it waits for a person.
        self.asked = False
        #: The request to a model that it waits for.
        self.model: dict[str, Any] | None = None
        #: The task that it is in, and what is called when that ends.
        self.task: tuple[asyncio.Task[Any], Callable[[asyncio.Task[Any]], None]] | None = None

    def watch(self, broken: Callable[..., None]) -> None:
        """ADK tells no plugin of a run that is cancelled, and some releases not of one that fails; the task that it is
        in knows.
        """
        task = asyncio.current_task()
        if task is not None:

            def ended(task: asyncio.Task[Any]) -> None:
                if task.cancelled():
                    broken(outcome="cancelled")
                elif (error := task.exception()) is not None:
                    broken(error_type=type_of(error))

            self.task = (task, ended)
            task.add_done_callback(ended)

    def unwatch(self) -> None:
        """It has ended."""
        if self.task is not None:
            task, ended = self.task
            task.remove_done_callback(ended)
            self.task = None


class Plugin(BasePlugin):  # type: ignore[misc, unused-ignore]
    """For ``Runner(…, plugins=[…])``, where the program has no plugins of its own; else ``plugins``. ``emitter`` is the
    process's default one unless given; ``permit`` the most that content may be captured (``off``, ``redacted_summary``,
    ``content_ref``, ``raw``), as that of a content part.
    """

    def __init__(self, emitter: Emitter | None = None, *, permit: str | None = None) -> None:
        super().__init__(name="sinkwell")
        self._teller = Teller("google_adk", "google-adk", emitter, permit)
        self._lock = threading.Lock()
        self._invocations: dict[str, _Run] = {}
        #: Invocations that wait for a person: one that goes on is another run.
        self._waiting: dict[str, None] = {}
        #: The agents at work in one place, the innermost last.
        self._agents: dict[_Place, list[_Run]] = {}
        #: Handoffs to agents that have not begun: the handoff's id, and the run that gave the work away.
        self._handoffs: dict[tuple[str, str], tuple[str, _Run]] = {}
        #: Calls of tools, by the context that ADK makes for each.
        self._calls: dict[int, tuple[Call, Any, str | None]] = {}
        #: Calls that the program's own plugins are asked about, where it has some.
        self._asked: dict[int, tuple[dict[str, Any], Any]] = {}
        self._innermost: _Innermost | None = None
        self._stopped = False
        self._teller.watch()

    def stop(self) -> None:
        """Seal that nothing is watched any longer, and do nothing from now on."""
        self._stopped = True
        self._teller.stop()

    async def close(self) -> None:
        """A runner is closed: nothing is watched until one runs that has this plugin, too."""
        self._teller.stop()

    # --- invocations ---

    async def before_run_callback(self, *, invocation_context: Any) -> None:
        """An invocation begins."""
        if self._stopped:
            return
        self._teller.watch()
        id = str(invocation_context.invocation_id)
        with self._lock:
            run = _Run(
                new_id() if id in self._waiting else id, str(invocation_context.app_name), _inside.get()
            )
            put(self._invocations, id, run)
        given = _messages([getattr(invocation_context, "user_content", None)])
        self._run_told(run, "run", input=given)
        run.watch(functools.partial(self._invocation_ended, id))

    async def after_run_callback(self, *, invocation_context: Any) -> None:
        """An invocation has ended."""
        self._invocation_ended(str(invocation_context.invocation_id))

    async def on_run_error_callback(self, *, invocation_context: Any, error: BaseException) -> None:
        """An invocation has failed."""
        self._invocation_ended(str(invocation_context.invocation_id), error_type=type_of(error))

    def _invocation_ended(self, id: str, **members: Any) -> None:
        with self._lock:
            run = self._invocations.pop(id, None)
            places = [place for place in self._agents if place[0] == id]
            agents = [agent for place in places for agent in self._agents.pop(place)]
            open_calls = [key for key, (_, context, _) in self._calls.items() if context.invocation_id == id]
            calls = [self._calls.pop(key)[0] for key in open_calls]
            for key in [key for key in self._handoffs if key[0] == id]:
                del self._handoffs[key]
            asked = [context for _, context in self._asked.values() if context.invocation_id == id]
        if run is None:
            return
        # What is still open ends with it.
        for context in asked:
            self._refused(context)
        for call in calls:
            call.ended(outcome="cancelled")
            call.__exit__(None, None, None)
        for agent in reversed(agents):
            self._agent_ended(agent, **members)
        run.unwatch()
        if run.asked and not members:
            members = {"outcome": "asked"}
            with self._lock:
                put(self._waiting, id, None)
        self._run_told(run, "run", end_unix_nano=now(), **members)

    def _run_told(self, run: _Run, kind: str, **members: Any) -> None:
        given = {"name": run.name, "parent": run.parent, "start_unix_nano": run.start}
        self._teller.tell(kind, run.id, **given, **members)

    # --- agents ---

    async def before_agent_callback(self, *, agent: Any, callback_context: Any) -> None:
        """An agent begins."""
        if self._stopped:
            return
        place = _place(callback_context)
        with self._lock:
            cause, giver = self._handoffs.pop((place[0], place[2]), (None, None))
            gone = giver is not None and self._forgotten(giver)
            parent = self._around(place[0], agent) if giver is None else giver.parent
            run = _Run(new_id(), place[2], parent)
            self._agents.setdefault(place, []).append(run)
        if giver is not None and gone:
            # It gave its work away; some releases end it only when the other has ended.
            self._agent_ended(giver)
        self._run_told(run, "agent", causation=cause)

        around = self._invocations.get(place[0])
        root = around is not None and run.parent == around.id

        def broken(**members: Any) -> None:
            with self._lock:
                known = self._forgotten(run)
            if known:
                self._agent_ended(run, **members)
            if root:
                self._invocation_ended(place[0], **members)

        run.watch(broken)

    def _around(self, invocation: str, agent: Any) -> str | None:
        """The run around an agent that nobody handed work to."""
        while (agent := getattr(agent, "parent_agent", None)) is not None:
            for place, runs in self._agents.items():
                if place[0] == invocation and place[2] == agent.name and runs:
                    return runs[-1].id
        run = self._invocations.get(invocation)
        return None if run is None else run.id

    def _forgotten(self, run: _Run) -> bool:
        """Whether it was among the agents at work; it is no more."""
        for place, runs in self._agents.items():
            if run in runs:
                runs.remove(run)
                if not runs:
                    del self._agents[place]
                return True
        return False

    def _agent_ended(self, run: _Run, **members: Any) -> None:
        run.unwatch()
        self._model_ended(run)
        if run.asked and not members:
            members = {"outcome": "asked"}
        self._run_told(run, "agent", end_unix_nano=now(), **members)

    def _agent(self, context: Any) -> _Run | None:
        """The agent that asks a model or calls a tool."""
        runs = self._agents.get(_place(context))
        return runs[-1] if runs else None

    async def after_agent_callback(self, *, agent: Any, callback_context: Any) -> None:
        """An agent has ended, or is being cancelled."""
        error = sys.exc_info()[1]
        self._agent_left(callback_context, **({} if error is None else {"error_type": type_of(error)}))

    async def on_agent_error_callback(
        self, *, agent: Any, callback_context: Any, error: BaseException
    ) -> None:
        """An agent has failed."""
        self._agent_left(callback_context, error_type=type_of(error))

    def _agent_left(self, context: Any, **members: Any) -> None:
        with self._lock:
            run = self._agent(context)
            known = run is not None and self._forgotten(run)
        if run is not None and known:
            self._agent_ended(run, **members)

    # --- models ---

    async def before_model_callback(self, *, callback_context: Any, llm_request: Any) -> None:
        """A model is asked."""
        run = None if self._stopped else self._agent(callback_context)
        if run is None:
            return
        self._model_ended(run)
        config = getattr(llm_request, "config", None)
        run.model = {
            "name": getattr(llm_request, "model", None),
            "parent": run.id,
            "start_unix_nano": now(),
            "input": _messages(llm_request.contents),
            "system": _text(getattr(config, "system_instruction", None)),
        }

    async def after_model_callback(self, *, callback_context: Any, llm_response: Any) -> None:
        """A model has answered, or a piece of the answer is there."""
        run = self._agent(callback_context)
        if run is None or run.model is None or getattr(llm_response, "partial", None):
            return
        run.model["output"] = _messages([getattr(llm_response, "content", None)])
        usage = getattr(llm_response, "usage_metadata", None)
        code = getattr(llm_response, "error_code", None)
        if code:
            run.model["error_type"] = str(code)
        if usage is not None:
            run.model.update(usage=plain(usage), usage_of="google")
        if usage is not None or code:
            self._model_ended(run)

    async def on_model_error_callback(
        self, *, callback_context: Any, llm_request: Any, error: BaseException
    ) -> None:
        """A model has failed."""
        run = self._agent(callback_context)
        if run is not None and run.model is not None:
            run.model["error_type"] = type_of(error)
            self._model_ended(run)

    def _model_ended(self, run: _Run) -> None:
        model, run.model = run.model, None
        # What another plugin answered in the model's place is no use of a model.
        if model is not None and ("output" in model or "error_type" in model):
            self._teller.tell("model", new_id(), end_unix_nano=now(), **model)

    # --- tools ---

    async def before_tool_callback(self, *, tool: Any, tool_args: Any, tool_context: Any) -> None:
        """A tool is about to be called: its intent is safe when this returns, or else it raises."""
        if self._stopped:
            return
        run = self._agent(tool_context)
        if run is None:
            run = self._invocations.get(str(tool_context.invocation_id))
        parent = None if run is None else run.id
        if run is not None:
            self._model_ended(run)
        answer = getattr(tool_context, "tool_confirmation", None)
        if answer is not None and answer.confirmed:
            self._teller.decided("allow", "tool_confirmation", parent=parent, tool=tool.name)
        step = {
            "name": str(tool.name),
            "parent": parent,
            "input": plain(tool_args),
            "attributes": {"gen_ai.tool.call.id": getattr(tool_context, "function_call_id", None)},
        }
        if self._innermost is None:
            await self._begin(step, tool_context)
            return
        with self._lock:
            put(self._asked, id(tool_context), ({**step, "start_unix_nano": now()}, tool_context))

    async def _begin(self, step: dict[str, Any], context: Any) -> None:
        call = self._teller.call(new_id(), **step)
        await call.__aenter__()
        with self._lock:
            put(self._calls, id(context), (call, context, _inside.get()))
        _inside.set(call.id)

    def _refused(self, context: Any) -> None:
        """Another plugin answered in the tool's place, or raised: the tool was not called."""
        with self._lock:
            step, _ = self._asked.pop(id(context), (None, None))
        if step is not None:
            self._teller.tell("tool", new_id(), **step, end_unix_nano=now(), outcome="denied")

    async def after_tool_callback(self, *, tool: Any, tool_args: Any, tool_context: Any, result: Any) -> None:
        """A tool has answered."""
        actions, answer = tool_context.actions, getattr(tool_context, "tool_confirmation", None)
        members: dict[str, Any] = {"output": plain(result), "outcome": "ok"}
        if getattr(actions, "requested_tool_confirmations", None) or actions.requested_auth_configs:
            members = {"outcome": "asked"}
            for run in (self._agent(tool_context), self._invocations.get(str(tool_context.invocation_id))):
                if run is not None:
                    run.asked = True
        elif answer is not None and not answer.confirmed:
            members = {"outcome": "denied"}
        called = self._call_left(tool_context)
        if called is None:
            self._refused(tool_context)
            return
        called.ended(**members)
        await called.__aexit__(None, None, None)
        to, run = actions.transfer_to_agent, self._agent(tool_context)
        if to and run is not None:
            id, at = new_id(), now()
            times = {"start_unix_nano": at, "end_unix_nano": at}
            self._teller.tell("handoff", id, name=str(to), parent=run.id, **times)
            with self._lock:
                put(self._handoffs, (str(tool_context.invocation_id), str(to)), (id, run))

    async def on_tool_error_callback(
        self, *, tool: Any, tool_args: Any, tool_context: Any, error: BaseException
    ) -> None:
        """A tool has failed, or was cancelled."""
        called = self._call_left(tool_context)
        if called is not None:
            if getattr(error, "error_type", None) in _LATE:
                called.ended(outcome="timeout")
            await called.__aexit__(type(error), error, None)
        else:
            self._refused(tool_context)

    def _call_left(self, context: Any) -> Call | None:
        with self._lock:
            call, _, around = self._calls.pop(id(context), (None, None, None))
        if call is not None and _inside.get() == call.id:
            _inside.set(around)
        return call


class _Innermost(BasePlugin):  # type: ignore[misc, unused-ignore]
    """After the program's own plugins: a call that one of them answers does not come here."""

    def __init__(self, outermost: Plugin) -> None:
        super().__init__(name="sinkwell_innermost")
        self._outermost = outermost
        outermost._innermost = self

    async def before_tool_callback(self, *, tool: Any, tool_args: Any, tool_context: Any) -> None:
        """A tool is about to be called: its intent is safe when this returns, or else it raises."""
        outermost = self._outermost
        with outermost._lock:
            step, _ = outermost._asked.pop(id(tool_context), (None, None))
        if step is not None:
            await outermost._begin({**step, "input": plain(tool_args)}, tool_context)


class Plugins(list[Any]):
    """What ``Runner(…, plugins=…)`` takes; ``plugins`` makes it."""

    def __init__(self, outermost: Plugin, own: Iterable[Any]) -> None:
        super().__init__([outermost, *own, _Innermost(outermost)])
        self._outermost = outermost

    def stop(self) -> None:
        """Seal that nothing is watched any longer, and do nothing from now on."""
        self._outermost.stop()


def plugins(*own: Any, emitter: Emitter | None = None, permit: str | None = None) -> Plugins:
    """For ``Runner(…, plugins=…)``: sinkwell's plugins around the program's ``own``. ``emitter`` and ``permit`` as
    those of ``Plugin``.
    """
    return Plugins(Plugin(emitter, permit=permit), own)


def _place(context: Any) -> _Place:
    """Where a callback's context is."""
    around = context._invocation_context
    return str(context.invocation_id), str(getattr(around, "branch", None) or ""), str(context.agent_name)


def _text(instruction: Any) -> str | None:
    """An agent's instruction: text, or a message."""
    if instruction is None or isinstance(instruction, str):
        return instruction
    return json.dumps(plain(instruction))


def _messages(contents: Any) -> list[dict[str, Any]]:
    """Messages as chat interfaces have them; thoughts are dropped by the core."""
    found: list[dict[str, Any]] = []
    for content in contents:
        role = _ROLES.get(getattr(content, "role", None) or "", "user")
        for part in getattr(content, "parts", None) or ():
            if getattr(part, "thought", None):
                found.append({"role": role, "content": [{"type": "thinking", "content": ""}]})
            elif part.text is not None:
                found.append({"role": role, "content": part.text})
            elif part.function_call is not None:
                called = part.function_call
                call = {"type": "tool_call", "name": called.name, "arguments": plain(called.args)}
                found.append({"role": "assistant", "content": [call]})
            elif part.function_response is not None:
                response = json.dumps(plain(part.function_response.response), default=str)
                found.append({"role": "tool", "content": response})
    return found
