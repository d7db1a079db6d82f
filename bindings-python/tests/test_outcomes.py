"""How a call of a tool, and the run around it, end where they do not end well, in each framework that runs in this
process: a time-out of the tool's own, one of the framework's, a run that is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sinkwell

Ends = tuple[list[str], list[str]]


class Tools:
    """A tool that raises a time-out, and one that never answers."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def late(self, q: str) -> str:
        """Is late."""
        raise TimeoutError(q)

    async def wait(self, q: str) -> str:
        """Waits."""
        self.begun.set()
        await asyncio.Event().wait()
        return q


async def cancelled(begun: asyncio.Event, run: Awaitable[Any]) -> None:
    """Cancels a run whose tool has begun."""
    task = asyncio.ensure_future(run)
    await begun.wait()
    task.cancel()
    with contextlib.suppress(BaseException):
        await task
    # What it had begun is cancelled with it, but not always within it.
    for other in asyncio.all_tasks() - {asyncio.current_task()}:
        with contextlib.suppress(BaseException):
            await asyncio.wait_for(asyncio.shield(other), 1)


def ends(out: Path) -> Ends:
    """How the calls ended that had an intent, and how the runs."""
    events = [event for line in out.read_text().splitlines() if "origin" not in (event := json.loads(line))]
    of = [(event["type"].removeprefix("dev.sinkwell."), event["data"]) for event in events]
    intents = [event["id"] for event in events if event["data"].get("phase") == "intent"]
    causes = [event["causationid"] for event in events if event["data"].get("phase") == "result"]
    assert intents
    assert sorted(intents) == sorted(causes)
    results = [data["outcome"] for _, data in of if data.get("phase") == "result"]
    runs = [
        data["terminal_status"] for kind, data in of if kind.startswith("run.") and "terminal_status" in data
    ]
    return results, runs


Act = Callable[[str, Tools, sinkwell.Emitter], Awaitable[Any]]


def told(tmp_path: Path, act: Act, how: str) -> Ends:
    out = tmp_path / f"{how}.ndjson"
    lanes = [{"id": "out", "sink": {"file": {"path": str(out)}}}]

    async def main() -> None:
        config = {"agent": {"id": "a"}, "heartbeat": "off", "lanes": lanes}
        with sinkwell.Emitter.open(config) as emitter:
            tools = Tools()
            run = act("late" if how == "late" else "wait", tools, emitter)
            if how == "wait":
                await cancelled(tools.begun, run)
            else:
                with contextlib.suppress(Exception):
                    await run

    asyncio.run(main())
    return ends(out)


def test_langgraph(tmp_path: Path) -> None:
    pytest.importorskip("langgraph")
    from langchain_core.messages import AIMessage
    from langchain_core.tools import tool
    from langgraph.graph import START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode

    async def act(name: str, tools: Tools, emitter: sinkwell.Emitter) -> Any:
        graph = StateGraph(MessagesState)
        graph.add_node("tools", ToolNode([tool(getattr(tools, name))]))
        graph.add_edge(START, "tools")
        call = {"name": name, "args": {"q": "x"}, "id": "c"}
        given: Any = {"messages": [AIMessage("", tool_calls=[call])]}
        return await graph.compile(name="shop").ainvoke(
            given, {"callbacks": [sinkwell.langchain.Handler(emitter)]}
        )

    assert told(tmp_path, act, "late") == (["timeout"], ["timed_out"])
    assert told(tmp_path, act, "wait") == (["cancelled"], ["cancelled"])


def test_openai_agents(tmp_path: Path) -> None:
    pytest.importorskip("agents")
    from agents import Agent, Runner, function_tool, set_trace_processors
    from agents.testing import ScriptedModel, assistant_message, function_call

    async def act(name: str, tools: Tools, emitter: sinkwell.Emitter) -> Any:
        limit = 0.01 if name == "limited" else None
        name = "wait" if name == "limited" else name
        processor = sinkwell.openai_agents.Processor(emitter)
        set_trace_processors([processor])
        model = ScriptedModel([[function_call(name, {"q": "x"}, call_id="c")], [assistant_message("done")]])
        one = function_tool(getattr(tools, name), timeout=limit)
        try:
            return await Runner.run(processor.protect(Agent(name="shop", model=model, tools=[one])), "x")
        finally:
            set_trace_processors([])

    async def limited(_: str, tools: Tools, emitter: sinkwell.Emitter) -> Any:
        # What is handled where a run begins did not end it.
        try:
            raise KeyError("of the program's own")
        except KeyError:
            return await act("limited", tools, emitter)

    # Of what a tool raises the SDK makes an answer for the model, and tells the words alone.
    assert told(tmp_path, act, "late") == (["error"], ["completed", "completed"])
    assert told(tmp_path, limited, "limited") == (["timeout"], ["completed", "completed"])
    assert told(tmp_path, act, "wait") == (["cancelled"], ["cancelled", "cancelled"])


def test_pydantic_ai(tmp_path: Path) -> None:
    pytest.importorskip("pydantic_ai")
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import FunctionModel

    async def act(name: str, tools: Tools, emitter: sinkwell.Emitter, limit: float | None = None) -> Any:
        def answer(messages: Any, info: Any) -> ModelResponse:
            called = ToolCallPart(name, {"q": "x"})
            return ModelResponse(parts=[called if len(messages) == 1 else TextPart("done")])

        capability = sinkwell.pydantic_ai.Capability(emitter)
        agent: Any = Agent(FunctionModel(answer), name="shop", capabilities=[capability])
        agent.tool_plain(timeout=limit)(getattr(tools, name))
        return await agent.run("x")

    async def limited(name: str, tools: Tools, emitter: sinkwell.Emitter) -> Any:
        return await act(name, tools, emitter, 0.01)

    assert told(tmp_path, act, "late") == (["timeout"], ["timed_out"])
    assert told(tmp_path, limited, "limited") == (["timeout"], ["completed"])
    assert told(tmp_path, act, "wait") == (["cancelled"], ["cancelled"])


def test_the_agent_framework(tmp_path: Path) -> None:
    pytest.importorskip("agent_framework")
    from agent_framework import (
        Agent,
        BaseChatClient,
        ChatMiddlewareLayer,
        ChatResponse,
        Content,
        FunctionInvocationLayer,
        Message,
        tool,
    )

    async def act(name: str, tools: Tools, emitter: sinkwell.Emitter) -> Any:
        class Scripted(FunctionInvocationLayer, ChatMiddlewareLayer, BaseChatClient):
            async def _inner_get_response(self, *, messages: Any, **_: Any) -> Any:
                said = Content.from_function_call(call_id="c", name=name, arguments={"q": "x"})
                if messages[-1].contents[-1].type == "function_result":
                    said = Content.from_text("done")
                return ChatResponse(messages=[Message(role="assistant", contents=[said])])

        watched = sinkwell.agent_framework.middleware(emitter=emitter)
        return await Agent(
            Scripted(), name="shop", tools=[tool(getattr(tools, name))], middleware=watched
        ).run("x")

    assert told(tmp_path, act, "late") == (["timeout"], ["completed"])
    assert told(tmp_path, act, "wait") == (["cancelled"], ["cancelled"])


def test_mcp(tmp_path: Path) -> None:
    pytest.importorskip("mcp")
    from mcp import Client
    from mcp.server import MCPServer

    async def act(name: str, tools: Tools, emitter: sinkwell.Emitter, limit: float | None = None) -> Any:
        server = MCPServer("shop", middleware=[] if limit else [sinkwell.mcp.Middleware(emitter)])
        server.tool()(getattr(tools, name))
        async with Client(server) as client:
            sinkwell.mcp.watch(client, emitter)
            return await client.call_tool(name, {"q": "x"}, read_timeout_seconds=limit)

    async def limited(name: str, tools: Tools, emitter: sinkwell.Emitter) -> Any:
        return await act(name, tools, emitter, 0.01)

    # The client's call, which takes too long; the server hears that it is cancelled.
    assert told(tmp_path, limited, "limited") == (["timeout"], [])
    assert told(tmp_path, act, "wait") == (["cancelled", "cancelled"], [])


def test_agent_hooks(tmp_path: Path) -> None:
    """A call whose session ends."""
    pytest.importorskip("agent_hooks")
    from agent_hooks import AgentContextBuilder, InterceptionEmitter

    async def act(name: str, tools: Tools, emitter: sinkwell.Emitter) -> Any:
        hooks = sinkwell.agent_hooks.watch(InterceptionEmitter(), emitter)
        builder = AgentContextBuilder(agent_id="a", framework="f", session_id="s-1", agent_name="shop")
        await hooks.emit(builder.agent_startup(tools_registered=["wait"]))
        await hooks.emit(builder.pre_tool_call(call_id="c", name="wait", args={"q": "x"}))
        await hooks.emit(builder.agent_shutdown(reason="cancelled"))

    assert told(tmp_path, act, "ended") == (["cancelled"], ["cancelled"])


def test_the_claude_agent_sdk(tmp_path: Path) -> None:
    """A call that a person interrupts, and with it the turn."""
    pytest.importorskip("claude_agent_sdk")
    from claude_agent_sdk import ResultMessage

    async def act(name: str, tools: Tools, emitter: sinkwell.Emitter) -> Any:
        hooks = sinkwell.claude_agent_sdk.hooks(emitter=emitter)

        async def tell(event: Any, **more: Any) -> None:
            await hooks[event][-1].hooks[0]({"hook_event_name": event, "session_id": "s", **more}, None, {})

        async def messages() -> Any:
            call = {"tool_name": "wait", "tool_use_id": "c", "tool_input": {"q": "x"}}
            await tell("UserPromptSubmit", prompt="x")
            await tell("PreToolUse", **call)
            await tell("PostToolUseFailure", **call, error="x", is_interrupt=True)
            given: dict[str, Any] = {"subtype": "error_during_execution", "is_error": True, "num_turns": 1}
            given |= {"duration_ms": 1, "duration_api_ms": 1, "session_id": "s"}
            yield ResultMessage(**given, terminal_reason="aborted_tools")

        async for _ in hooks.watch(messages()):
            pass

    assert told(tmp_path, act, "interrupted") == (["cancelled"], ["cancelled"])
