"""How a call of a tool, and the run around it, end where they do not end well, in each framework that runs in this
process: a time-out of the tool's own, one of the framework's, a run that is cancelled. And that nothing holds up the
event loop while a call waits for its intent, or a streamed answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sinkwell

Ends = tuple[list[str], list[str]]


class Tools:
    """A tool that answers at once, one that raises a time-out, and one that never answers."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.turns: list[str] = []

    async def quick(self, q: str) -> str:
        """Acts."""
        self.turns.append("act")
        return q

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


async def langgraph(name: str, tools: Tools, emitter: sinkwell.Emitter) -> Any:
    from langchain_core.messages import AIMessage
    from langchain_core.tools import tool
    from langgraph.graph import START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode

    graph = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode([tool(getattr(tools, name))]))
    graph.add_edge(START, "tools")
    call = {"name": name, "args": {"q": "x"}, "id": "c"}
    given: Any = {"messages": [AIMessage("", tool_calls=[call])]}
    config: Any = {"callbacks": [sinkwell.langchain.Handler(emitter)]}
    return await graph.compile(name="shop").ainvoke(given, config)


def test_langgraph(tmp_path: Path) -> None:
    pytest.importorskip("langgraph")
    assert told(tmp_path, langgraph, "late") == (["timeout"], ["timed_out"])
    assert told(tmp_path, langgraph, "wait") == (["cancelled"], ["cancelled"])


async def openai_agents(
    name: str, tools: Tools, emitter: sinkwell.Emitter, limit: float | None = None
) -> Any:
    from agents import Agent, Runner, function_tool, set_trace_processors
    from agents.testing import ScriptedModel, assistant_message, function_call

    processor = sinkwell.openai_agents.Processor(emitter)
    set_trace_processors([processor])
    model = ScriptedModel([[function_call(name, {"q": "x"}, call_id="c")], [assistant_message("done")]])
    one = function_tool(getattr(tools, name), timeout=limit)
    try:
        return await Runner.run(processor.protect(Agent(name="shop", model=model, tools=[one])), "x")
    finally:
        set_trace_processors([])


def test_openai_agents(tmp_path: Path) -> None:
    pytest.importorskip("agents")

    async def limited(name: str, tools: Tools, emitter: sinkwell.Emitter) -> Any:
        # What is handled where a run begins did not end it.
        try:
            raise KeyError("of the program's own")
        except KeyError:
            return await openai_agents(name, tools, emitter, 0.01)

    # Of what a tool raises the SDK makes an answer for the model, and tells the words alone.
    assert told(tmp_path, openai_agents, "late") == (["error"], ["completed", "completed"])
    assert told(tmp_path, limited, "limited") == (["timeout"], ["completed", "completed"])
    assert told(tmp_path, openai_agents, "wait") == (["cancelled"], ["cancelled", "cancelled"])


async def pydantic_ai(name: str, tools: Tools, emitter: sinkwell.Emitter, limit: float | None = None) -> Any:
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import FunctionModel

    def answer(messages: Any, info: Any) -> ModelResponse:
        called = ToolCallPart(name, {"q": "x"})
        return ModelResponse(parts=[called if len(messages) == 1 else TextPart("done")])

    capability = sinkwell.pydantic_ai.Capability(emitter)
    agent: Any = Agent(FunctionModel(answer), name="shop", capabilities=[capability])
    agent.tool_plain(timeout=limit)(getattr(tools, name))
    return await agent.run("x")


def test_pydantic_ai(tmp_path: Path) -> None:
    pytest.importorskip("pydantic_ai")

    async def limited(name: str, tools: Tools, emitter: sinkwell.Emitter) -> Any:
        return await pydantic_ai(name, tools, emitter, 0.01)

    assert told(tmp_path, pydantic_ai, "late") == (["timeout"], ["timed_out"])
    assert told(tmp_path, limited, "limited") == (["timeout"], ["completed"])
    assert told(tmp_path, pydantic_ai, "wait") == (["cancelled"], ["cancelled"])


async def agent_framework(name: str, tools: Tools, emitter: sinkwell.Emitter) -> Any:
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

    class Scripted(FunctionInvocationLayer, ChatMiddlewareLayer, BaseChatClient):
        async def _inner_get_response(self, *, messages: Any, **_: Any) -> Any:
            said = Content.from_function_call(call_id="c", name=name, arguments={"q": "x"})
            if messages[-1].contents[-1].type == "function_result":
                said = Content.from_text("done")
            return ChatResponse(messages=[Message(role="assistant", contents=[said])])

    watched = sinkwell.agent_framework.middleware(emitter=emitter)
    agent = Agent(Scripted(), name="shop", tools=[tool(getattr(tools, name))], middleware=watched)
    return await agent.run("x")


def test_the_agent_framework(tmp_path: Path) -> None:
    pytest.importorskip("agent_framework")
    assert told(tmp_path, agent_framework, "late") == (["timeout"], ["completed"])
    assert told(tmp_path, agent_framework, "wait") == (["cancelled"], ["cancelled"])


async def mcp(name: str, tools: Tools, emitter: sinkwell.Emitter, limit: float | None = None) -> Any:
    from mcp import Client
    from mcp.server import MCPServer

    server = MCPServer("shop", middleware=[] if limit else [sinkwell.mcp.Middleware(emitter)])
    server.tool()(getattr(tools, name))
    async with Client(server) as client:
        sinkwell.mcp.watch(client, emitter)
        return await client.call_tool(name, {"q": "x"}, read_timeout_seconds=limit)


def test_mcp(tmp_path: Path) -> None:
    pytest.importorskip("mcp")

    async def limited(name: str, tools: Tools, emitter: sinkwell.Emitter) -> Any:
        return await mcp(name, tools, emitter, 0.01)

    # The client's call, which takes too long; the server hears that it is cancelled.
    assert told(tmp_path, limited, "limited") == (["timeout"], [])
    assert told(tmp_path, mcp, "wait") == (["cancelled", "cancelled"], [])


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


class Gated:
    """A required sink that holds each intent until the gate is open."""

    name = "siem"
    classes = frozenset({"siem"})

    def __init__(self) -> None:
        self.holds = threading.Event()
        self.gate = threading.Event()

    def emit(self, event: sinkwell.SignedGovernanceEvent) -> None:
        if event.data.get("phase") == "intent":
            self.holds.set()
            self.gate.wait()


WAITING: list[tuple[str, Act]] = [
    ("agents", openai_agents),
    ("agent_framework", agent_framework),
    ("langgraph", langgraph),
    ("mcp", mcp),
    ("pydantic_ai", pydantic_ai),
]


@pytest.mark.parametrize(("package", "act"), WAITING, ids=[package for package, _ in WAITING])
def test_while_a_tool_waits_for_its_intent_the_event_loop_goes_on(package: str, act: Act) -> None:
    pytest.importorskip(package)
    sink = Gated()
    config = {
        "agent": {"id": "a"},
        "heartbeat": "off",
        "governance": {"version": "1", "requires_sink": "siem"},
        "lanes": [{"id": "siem", "classes": ["siem"], "sink": {"host": "siem"}}],
    }

    async def main(emitter: sinkwell.Emitter) -> list[str]:
        tools = Tools()

        async def other() -> None:
            await asyncio.to_thread(sink.holds.wait)
            tools.turns.append("other")
            sink.gate.set()

        await asyncio.gather(act("quick", tools, emitter), other())
        return tools.turns

    with sinkwell.Emitter.open(config, sinks=[sink]) as emitter:
        assert asyncio.run(main(emitter)) == ["other", "act"]


async def streamed_by_agent_framework(gate: asyncio.Event, emitter: sinkwell.Emitter) -> AsyncIterator[str]:
    from agent_framework import (
        Agent,
        BaseChatClient,
        ChatMiddlewareLayer,
        ChatResponse,
        ChatResponseUpdate,
        Content,
        FunctionInvocationLayer,
        ResponseStream,
    )

    async def pieces() -> Any:
        yield ChatResponseUpdate(role="assistant", contents=[Content.from_text("one")])
        await gate.wait()
        yield ChatResponseUpdate(role="assistant", contents=[Content.from_text("two")])

    class Scripted(FunctionInvocationLayer, ChatMiddlewareLayer, BaseChatClient):
        async def _inner_get_response(self, *, stream: bool, **_: Any) -> Any:
            return ResponseStream(pieces(), finalizer=ChatResponse.from_updates)

    watched = sinkwell.agent_framework.middleware(emitter=emitter)
    async for update in Agent(Scripted(), name="shop", middleware=watched).run("x", stream=True):
        yield update.text


async def streamed_by_langgraph(gate: asyncio.Event, emitter: sinkwell.Emitter) -> AsyncIterator[str]:
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessageChunk
    from langchain_core.outputs import ChatGenerationChunk
    from langgraph.graph import START, MessagesState, StateGraph

    class Scripted(GenericFakeChatModel):
        async def _astream(self, *_: Any, **__: Any) -> Any:
            yield ChatGenerationChunk(message=AIMessageChunk(content="one"))
            await gate.wait()
            yield ChatGenerationChunk(message=AIMessageChunk(content="two"))

    model = Scripted(messages=iter(()))

    async def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", ask)
    graph.add_edge(START, "model")
    config: Any = {"callbacks": [sinkwell.langchain.Handler(emitter)]}
    given: Any = {"messages": [("user", "x")]}
    async for message, _ in graph.compile(name="shop").astream(given, config, stream_mode="messages"):
        yield str(message.content)  # type: ignore[union-attr, unused-ignore]


STREAMED = [("agent_framework", streamed_by_agent_framework), ("langgraph", streamed_by_langgraph)]


@pytest.mark.parametrize(("package", "stream"), STREAMED, ids=[package for package, _ in STREAMED])
def test_streamed_output_is_not_held_back(package: str, stream: Any, tmp_path: Path) -> None:
    pytest.importorskip(package)
    lanes = [{"id": "out", "sink": {"file": {"path": str(tmp_path / "events.ndjson")}}}]

    async def main(emitter: sinkwell.Emitter) -> str:
        gate, seen = asyncio.Event(), ""
        async for piece in stream(gate, emitter):
            seen += piece
            # The model goes on only once its reader has the first piece.
            gate.set()
        return seen

    with sinkwell.Emitter.open({"agent": {"id": "a"}, "heartbeat": "off", "lanes": lanes}) as emitter:
        assert asyncio.run(asyncio.wait_for(main(emitter), 20)) == "onetwo"
