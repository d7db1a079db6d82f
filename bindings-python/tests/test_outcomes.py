"""How a call of a tool, and the run around it, end where they do not end well, in each framework: a time-out of the
tool's own, one of the framework's, a run that is cancelled. And that nothing holds up the event loop while a call waits
for its intent, or a streamed answer.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sinkwell
from environments import FRAMEWORKS, ROOT, environment
from frameworks.outcomes import Act, Stream, Tools, read, told, turns


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


async def claude_agent_sdk(name: str, tools: Tools, emitter: sinkwell.Emitter) -> Any:
    from claude_agent_sdk import ResultMessage

    hooks: Any = sinkwell.claude_agent_sdk.hooks(emitter=emitter)

    async def tell(event: str, **more: Any) -> None:
        await hooks[event][-1].hooks[0]({"hook_event_name": event, "session_id": "s", **more}, None, {})

    async def messages() -> Any:
        call = {"tool_name": name, "tool_use_id": "c", "tool_input": {"q": "x"}}
        reason = "completed"
        await tell("UserPromptSubmit", prompt="x")
        await tell("PreToolUse", **call)
        if name == "quick":
            await tell("PostToolUse", **call, tool_response=await tools.quick("x"))
        else:
            # A person interrupts it, and with it the turn.
            await tell("PostToolUseFailure", **call, error="x", is_interrupt=True)
            reason = "aborted_tools"
        given: dict[str, Any] = {"subtype": "result", "is_error": name != "quick", "num_turns": 1}
        given |= {"duration_ms": 1, "duration_api_ms": 1, "session_id": "s"}
        yield ResultMessage(**given, terminal_reason=reason)

    async for _ in hooks.watch(messages()):
        pass


def test_the_claude_agent_sdk(tmp_path: Path) -> None:
    pytest.importorskip("claude_agent_sdk")
    assert told(tmp_path, claude_agent_sdk, "interrupted") == (["cancelled"], ["cancelled"])


async def agent_hooks(name: str, tools: Tools, emitter: sinkwell.Emitter) -> Any:
    from agent_hooks import AgentContextBuilder, InterceptionEmitter

    hooks = sinkwell.agent_hooks.watch(InterceptionEmitter(), emitter)
    builder = AgentContextBuilder(agent_id="a", framework="f", session_id="s-1", agent_name="shop")
    await hooks.emit(builder.agent_startup(tools_registered=[name]))
    await hooks.emit(builder.pre_tool_call(call_id="c", name=name, args={"q": "x"}))
    if name == "quick":
        await tools.quick("x")
    await hooks.emit(builder.agent_shutdown(reason="cancelled"))


def test_agent_hooks(tmp_path: Path) -> None:
    """A call whose session ends."""
    pytest.importorskip("agent_hooks")
    assert told(tmp_path, agent_hooks, "ended") == (["cancelled"], ["cancelled"])


WAITING: list[tuple[str, Act]] = [
    ("agent_framework", agent_framework),
    ("agent_hooks", agent_hooks),
    ("agents", openai_agents),
    ("claude_agent_sdk", claude_agent_sdk),
    ("langgraph", langgraph),
    ("mcp", mcp),
    ("pydantic_ai", pydantic_ai),
]


@pytest.mark.parametrize(("package", "act"), WAITING, ids=[package for package, _ in WAITING])
def test_while_a_tool_waits_for_its_intent_the_event_loop_goes_on(package: str, act: Act) -> None:
    pytest.importorskip(package)
    assert turns(act) == ["other", "act"]


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


async def streamed_by_openai_agents(gate: asyncio.Event, emitter: sinkwell.Emitter) -> AsyncIterator[str]:
    from agents import Agent, Runner, set_trace_processors
    from agents.testing import ScriptedModel, assistant_message

    class Scripted(ScriptedModel):
        async def stream_response(self, *given: Any, **named: Any) -> Any:
            async for event in super().stream_response(*given, **named):
                if event.type != "response.output_text.delta":
                    yield event
                    continue
                yield event.model_copy(update={"delta": "one"})
                await gate.wait()
                yield event.model_copy(update={"delta": "two"})

    processor = sinkwell.openai_agents.Processor(emitter)
    set_trace_processors([processor])
    agent = processor.protect(Agent(name="shop", model=Scripted([[assistant_message("onetwo")]])))
    async for event in Runner.run_streamed(agent, "x").stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            yield event.data.delta
    set_trace_processors([])


async def streamed_by_claude_agent_sdk(gate: asyncio.Event, emitter: sinkwell.Emitter) -> AsyncIterator[str]:
    from claude_agent_sdk import AssistantMessage, TextBlock

    async def messages() -> Any:
        yield AssistantMessage(content=[TextBlock("one")], model="small", session_id="s")
        await gate.wait()
        yield AssistantMessage(content=[TextBlock("two")], model="small", session_id="s")

    async for message in sinkwell.claude_agent_sdk.hooks(emitter=emitter).watch(messages()):
        yield message.content[0].text


STREAMED: list[tuple[str, Stream]] = [
    ("agent_framework", streamed_by_agent_framework),
    ("agents", streamed_by_openai_agents),
    ("claude_agent_sdk", streamed_by_claude_agent_sdk),
    ("langgraph", streamed_by_langgraph),
]


@pytest.mark.parametrize(("package", "stream"), STREAMED, ids=[package for package, _ in STREAMED])
def test_streamed_output_is_not_held_back(package: str, stream: Stream, tmp_path: Path) -> None:
    pytest.importorskip(package)
    assert read(stream, tmp_path / "events.ndjson") == "onetwo"


def outcomes(program: str, tmp_path: Path) -> Any:
    """What a program prints that has a framework in an environment of its own."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'bindings-python' / 'python'}{os.pathsep}{FRAMEWORKS}"}
    command: list[str | Path] = [
        environment(f"newest_{program}"),
        FRAMEWORKS / f"outcomes_{program}.py",
        tmp_path,
    ]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_google_adk(tmp_path: Path) -> None:
    assert outcomes("google_adk", tmp_path) == {
        "late": [["timeout"], ["timed_out", "timed_out"]],
        # By an agent's own limit: what it cuts off is cancelled, and what it was cut off from is told why.
        "limited": [["cancelled"], ["cancelled", "timed_out"]],
        "gateway": [["timeout"], ["failed", "failed"]],
        "wait": [["cancelled"], ["cancelled", "cancelled"]],
        "turns": ["other", "act"],
        "read": "onetwo",
    }


def test_the_agent_governance_toolkit(tmp_path: Path) -> None:
    assert outcomes("agt", tmp_path) == {
        "late": [["timeout"], []],
        "limited": [["timeout"], []],
        "object": [["timeout"], []],
        "wait": [["cancelled"], []],
        "plain": [["timeout"], []],
        "turns": ["other", "act"],
    }
