"""The Claude Agent SDK: runs, sub-agents, tools, permissions by its hooks; models and usage by its messages.

    hooks = sinkwell.claude_agent_sdk.hooks()
    options = ClaudeAgentOptions(hooks=hooks)
    async for message in hooks.watch(query(prompt=…, options=options)): …     # models and their usage, too

A call of a tool is a deed: ``PreToolUse`` lets it happen only once its intent is safe, and where governance requires a
sink that is down, it answers ``deny`` with the words that say so: the tool does not run. A turn of a session is a run,
and so is a sub-agent. That a person is asked for leave, and what comes of it, is a decision.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any

try:
    from claude_agent_sdk import HookMatcher
except (ImportError, ModuleNotFoundError) as error:
    raise ModuleNotFoundError(
        "sinkwell.claude_agent_sdk needs the Claude Agent SDK: pip install 'sinkwell[claude-agent-sdk]'",
        name=getattr(error, "name", None),
    ) from error

from ._emitter import Emitter
from ._errors import Error
from ._steps import Call, Teller, new_id, now, plain, put

_EVENTS = (
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    "PermissionRequest",
    "SubagentStart",
    "SubagentStop",
    "Stop",
)

# The tools by which an agent has another one work; the second is the newer name.
_AGENTS = ("Task", "Agent")


class _Run:
    """A turn of a session, or a sub-agent, that has begun."""

    __slots__ = ("id", "name", "parent", "prompt", "start")

    def __init__(self, name: str, parent: str | None, prompt: Any = None) -> None:
        self.id = new_id()
        self.name = name
        self.parent = parent
        self.prompt = prompt
        self.start = now()


class _Open:
    """A tool's call that was let happen."""

    __slots__ = ("asked", "call", "input", "place", "run", "tool")

    def __init__(self, call: Call, place: tuple[str, str], tool: str, input: Any, run: _Run) -> None:
        self.call = call
        self.place = place
        self.tool = tool
        self.input = input
        self.run = run
        #: Whether a person is asked for leave.
        self.asked = False


class Hooks(dict[Any, Any]):
    """What ``ClaudeAgentOptions(hooks=…)`` takes; ``hooks`` makes it."""

    def __init__(self, emitter: Emitter | None, permit: str | None, name: str) -> None:
        super().__init__()
        self._teller = Teller("claude_agent_sdk", "claude-agent-sdk", emitter, permit)
        self._name = name
        self._lock = threading.Lock()
        #: Turns and sub-agents, by session and the sub-agent's id.
        self._runs: dict[tuple[str, str], _Run] = {}
        self._calls: dict[str, _Open] = {}
        #: The run of the sub-agent that a call of a tool has work. Its messages come later than its hooks.
        self._working: dict[str, _Run] = {}
        #: How many streams of messages are watched: a turn ends with its message, which has the usage.
        self._streams = 0
        self._teller.watch()

    def stop(self) -> None:
        """Seal that nothing is watched any longer, and do nothing from now on."""
        self._teller.stop()

    async def _hook(self, given: Any, tool_use_id: str | None, context: Any) -> Any:
        """Any of the events."""
        if not self._teller.watching:
            return {}
        event, place = given["hook_event_name"], (str(given["session_id"]), str(given.get("agent_id") or ""))
        if event == "PreToolUse":
            return await self._begin(given, place)
        if event in ("PostToolUse", "PostToolUseFailure"):
            await self._end(given, event == "PostToolUse")
        elif event == "PermissionRequest":
            self._asked(given, place)
        elif event == "SubagentStart":
            self._agent_started(given, place)
        elif event == "SubagentStop":
            await self._run_ended(place, output=given.get("last_assistant_message"))
        elif event == "UserPromptSubmit":
            await self._run_ended(place)
            self._run(place, given.get("prompt"))
        elif not self._streams:
            await self._run_ended(place, output=given.get("last_assistant_message"))
        else:
            await self._refused_in(place)
        return {}

    # --- runs ---

    def _run(self, place: tuple[str, str], prompt: Any = None) -> _Run:
        """The turn of a session that is on, or that begins."""
        with self._lock:
            run = self._runs.get(place)
            if run is not None:
                return run
            run = _Run(self._name, None, prompt)
            put(self._runs, place, run)
        self._started(run, place[0])
        return run

    def _started(self, run: _Run, session: str) -> None:
        self._teller.tell(
            "agent",
            run.id,
            name=run.name,
            parent=run.parent,
            start_unix_nano=run.start,
            input=run.prompt,
            attributes={"gen_ai.conversation.id": session},
        )

    def _agent_started(self, given: Mapping[str, Any], place: tuple[str, str]) -> None:
        around = self._run((place[0], ""))
        kind = str(given["agent_type"])
        with self._lock:
            # The hook does not say which call has it work: the first that asked for an agent of this type and has none.
            waiting = (
                (id, one)
                for id, one in self._calls.items()
                if one.place[0] == place[0] and one.tool in _AGENTS and id not in self._working
            )
            id, by = next(
                (pair for pair in waiting if str((pair[1].input or {}).get("subagent_type", kind)) == kind),
                (None, None),
            )
            run = _Run(kind, around.id if by is None else by.call.id)
            if id is not None:
                put(self._working, id, run)
            put(self._runs, place, run)
        self._started(run, place[0])

    async def _run_ended(self, place: tuple[str, str], **members: Any) -> None:
        await self._refused_in(place)
        with self._lock:
            run = self._runs.pop(place, None)
        if run is not None:
            given = {"name": run.name, "parent": run.parent, "start_unix_nano": run.start}
            self._teller.tell("agent", run.id, **given, end_unix_nano=now(), **members)

    # --- tools ---

    async def _begin(self, given: Mapping[str, Any], place: tuple[str, str]) -> dict[str, Any]:
        with self._lock:
            run = self._runs.get(place)
        run = run or self._run((place[0], ""))
        tool, id = str(given["tool_name"]), str(given["tool_use_id"])
        call = self._teller.call(
            new_id(),
            tool,
            parent=run.id,
            input=given.get("tool_input"),
            attributes={"gen_ai.tool.call.id": id},
        )
        try:
            await call.__aenter__()
        except Error as error:
            said = {
                "hookEventName": "PreToolUse",
                "permissionDecision": "deny",
                "permissionDecisionReason": str(error),
            }
            return {"hookSpecificOutput": said, "systemMessage": f"sinkwell: {error}"}
        # The tool runs elsewhere: nothing that this task does next is a part of it.
        call._leave()
        with self._lock:
            put(self._calls, id, _Open(call, place, tool, given.get("tool_input"), run))
        return {}

    def _left(self, id: Any) -> _Open | None:
        with self._lock:
            return self._calls.pop(str(id), None)

    async def _end(self, given: Mapping[str, Any], well: bool) -> None:
        one = self._left(given["tool_use_id"])
        if one is None:
            return
        if one.asked:
            self._teller.decided("allow", "permission_request", parent=one.run.id, tool=one.tool)
        if well:
            one.call.ended(output=given.get("tool_response"), outcome="ok")
        else:
            outcome = "cancelled" if given.get("is_interrupt") else "error"
            one.call.ended(output=given.get("error"), outcome=outcome, error_type="tool_error")
        await one.call.__aexit__(None, None, None)

    def _asked(self, given: Mapping[str, Any], place: tuple[str, str]) -> None:
        with self._lock:
            one = next(
                (
                    one
                    for one in reversed(self._calls.values())
                    if (one.place, one.tool, one.input)
                    == (place, given["tool_name"], given.get("tool_input"))
                ),
                None,
            )
            run = None if one is None else one.run
            if one is not None:
                one.asked = True
        run = run or self._run((place[0], ""))
        self._teller.decided("ask", "permission_request", parent=run.id, tool=str(given["tool_name"]))

    async def _refused(self, id: Any) -> None:
        """It did not run: a rule, another hook or a person said no."""
        one = self._left(id)
        if one is not None:
            one.call.ended(outcome="denied")
            await one.call.__aexit__(None, None, None)

    async def _refused_in(self, place: tuple[str, str]) -> None:
        """All calls have been answered where an agent stops: of those whose end was not told, none ran."""
        with self._lock:
            # A call that has another agent work may go on in the background.
            ids = [id for id, one in self._calls.items() if one.place == place and id not in self._working]
        for id in ids:
            await self._refused(id)

    # --- messages ---

    async def watch(self, messages: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The messages of ``query(…)`` or ``client.receive_response()``, as they are; models and their usage are told
        on the way, and a turn ends with its usage.
        """
        models = _Models(self)
        self._streams += 1
        try:
            async for message in messages:
                if self._teller.watching:
                    await models.told(message)
                yield message
        finally:
            self._streams -= 1
            models.ended()
            # What it wraps is closed with it.
            close = getattr(messages, "aclose", None)
            if close is not None:
                with contextlib.suppress(RuntimeError):
                    await close()


class _Models:
    """The models' answers in one stream of messages."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks
        #: The answers that have begun, by the call of the agent that asked: each comes in pieces, with one id.
        self._answers: dict[Any, tuple[Any, dict[str, Any]]] = {}
        self._since = now()

    async def told(self, message: Any) -> None:
        kind = type(message).__name__
        if kind == "AssistantMessage":
            self._answer(message)
        elif kind == "UserMessage":
            self.ended(getattr(message, "parent_tool_use_id", None))
            self._since = now()
            content = message.content if isinstance(message.content, list) else []
            for block in content:
                if type(block).__name__ == "ToolResultBlock" and block.is_error:
                    await self._hooks._refused(block.tool_use_id)
        elif kind == "ResultMessage":
            self.ended()
            reason = str(getattr(message, "terminal_reason", None) or "")
            failed = "error" if message.is_error else None
            await self._hooks._run_ended(
                (str(message.session_id), ""),
                outcome="cancelled" if reason.startswith("aborted") else failed,
                output=message.result,
                usage=message.usage,
                usage_of="anthropic",
            )

    def _answer(self, message: Any) -> None:
        place, id = message.parent_tool_use_id, getattr(message, "message_id", None)
        before = self._answers.get(place)
        if before is not None and (id is None or before[0] != id):
            self.ended(place)
            before = None
        if before is None:
            run = self._at(message, place)
            step = {
                "name": message.model,
                "parent": None if run is None else run.id,
                "run": None if run is None else run.id,
                "start_unix_nano": self._since,
                "output": [],
                "attributes": {"gen_ai.response.model": message.model, "gen_ai.provider.name": "anthropic"},
            }
            before = self._answers[place] = (id, step)
        step = before[1]
        step["output"].append({"role": "assistant", "content": [_block(one) for one in message.content]})
        step["end_unix_nano"] = now()
        # Each piece has the usage of the whole, as far as it is known by then.
        if getattr(message, "usage", None):
            step.update(usage=plain(message.usage), usage_of="anthropic")
        if message.error is not None:
            step["error_type"] = str(message.error)

    def _at(self, message: Any, place: Any) -> _Run | None:
        hooks = self._hooks
        if place is not None:
            return hooks._working.get(place)
        session = getattr(message, "session_id", None)
        if session is not None:
            return hooks._run((str(session), ""))
        return next((run for (_, agent), run in hooks._runs.items() if not agent), None)

    def ended(self, place: Any = ...) -> None:
        """The answers that have begun are whole: all, or that of one agent."""
        for one in list(self._answers) if place is ... else [place]:
            if one in self._answers:
                _, step = self._answers.pop(one)
                self._hooks._teller.tell("model", new_id(), **step)


def _block(block: Any) -> dict[str, Any]:
    """A piece of an answer, as chat interfaces have it; thinking is dropped by the core."""
    kind = type(block).__name__
    if kind == "TextBlock":
        return {"type": "text", "text": block.text}
    if kind == "ToolUseBlock":
        return {"type": "tool_call", "name": block.name, "arguments": plain(block.input)}
    if kind == "ThinkingBlock":
        return {"type": "thinking", "content": ""}
    return {"type": kind}


def hooks(
    own: Mapping[Any, Any] | None = None,
    emitter: Emitter | None = None,
    *,
    permit: str | None = None,
    name: str = "claude",
) -> Hooks:
    """For ``ClaudeAgentOptions(hooks=…)``: sinkwell's hooks, and the program's ``own``, if it has some. ``emitter`` is
    the process's default one unless given; ``permit`` the most that content may be captured (``off``,
    ``redacted_summary``, ``content_ref``, ``raw``), as that of a content part; ``name`` what a session's own agent is
    called.
    """
    made = Hooks(emitter, permit, name)
    for event, matchers in (own or {}).items():
        made[event] = list(matchers)
    for event in _EVENTS:
        made.setdefault(event, []).append(HookMatcher(hooks=[made._hook]))
    return made
