"""What an integration costs per step, beside the framework's own tracing: CPU time of the whole process.

    python integrations.py [FRAMEWORK]... [--rounds N] [--runs N]

A run of an agent is four steps: the run, two requests to a model that answers at once, one call of a tool. Each
framework runs in three processes (without anything, with its own tracing, with sinkwell), which take turns: a round is
some runs in each. Shown are the medians over the rounds, in microseconds of CPU time per step, of all threads; and what
tracing adds. Its own tracing makes and batches its spans as in operation, and an exporter takes and forgets them;
sinkwell seals each event into a file, without a key and without a journal. A framework that is not installed is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

STEPS = 4
MODES = ("without", "its own", "sinkwell")
PACKAGES = {
    "langchain": "langgraph",
    "openai_agents": "agents",
    "pydantic_ai": "pydantic_ai",
    "agent_framework": "agent_framework",
    "google_adk": "google.adk",
}

Run = Callable[[], Awaitable[Any]]


def emitter() -> Any:
    """An emitter that writes to a file."""
    import sinkwell

    path = os.path.join(tempfile.mkdtemp(), "events.ndjson")
    lanes = [{"id": "out", "sink": {"file": {"path": path}}}]
    return sinkwell.Emitter.open({"agent": {"id": "urn:example:bench"}, "heartbeat": "off", "lanes": lanes})


def provider() -> Any:
    """OpenTelemetry's SDK, whose spans are batched and forgotten."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Forget(SpanExporter):
        def export(self, spans: Any) -> Any:
            return SpanExportResult.SUCCESS

    made = TracerProvider()
    made.add_span_processor(BatchSpanProcessor(Forget()))
    return made


def langchain(mode: str) -> Run:
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage, HumanMessage
    from langchain_core.tools import tool
    from langgraph.graph import END, START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode

    callbacks: list[Any] = []
    if mode == "its own":
        # What LangSmith's tracer makes of a run, before it would be sent.
        from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

        class Forget(RunCollectorCallbackHandler):
            def _persist_run(self, run: Any) -> None:
                run.dict() if hasattr(run, "dict") else None

        callbacks = [Forget()]
    elif mode == "sinkwell":
        import sinkwell.langchain

        callbacks = [sinkwell.langchain.Handler(emitter())]

    @tool
    async def pay(amount: int) -> str:
        """Pays."""
        return f"paid {amount}"

    def answers() -> Any:
        while True:
            yield AIMessage("", tool_calls=[{"name": "pay", "args": {"amount": 3}, "id": "c"}])
            yield AIMessage("done")

    model = GenericFakeChatModel(messages=answers())
    graph = StateGraph(MessagesState)

    async def ask(state: Any) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph.add_node("model", ask)
    graph.add_node("tools", ToolNode([pay]))
    graph.add_edge(START, "model")
    graph.add_edge("tools", "model")
    graph.add_conditional_edges("model", lambda state: "tools" if state["messages"][-1].tool_calls else END)
    built = graph.compile(name="shop")
    return lambda: built.ainvoke({"messages": [HumanMessage("pay")]}, {"callbacks": callbacks})


def openai_agents(mode: str) -> Run:
    from agents import Agent, RunConfig, Runner, function_tool, set_trace_processors
    from agents.testing import ScriptedModel, assistant_message, function_call
    from agents.tracing.processors import BatchTraceProcessor, TracingExporter

    class Forget(TracingExporter):
        def export(self, items: Any) -> None:
            [item.export() for item in items]

    @function_tool
    async def pay(amount: int) -> str:
        """Pays."""
        return f"paid {amount}"

    set_trace_processors([BatchTraceProcessor(Forget())] if mode == "its own" else [])
    protect: Any = lambda agent: agent  # noqa: E731
    if mode == "sinkwell":
        import sinkwell.openai_agents

        protect = sinkwell.openai_agents.install(emitter()).protect
    config = RunConfig(tracing_disabled=mode == "without")

    def run() -> Any:
        call = function_call("pay", {"amount": 3}, call_id="c")
        agent = Agent(name="shop", model=ScriptedModel([[call], [assistant_message("done")]]), tools=[pay])
        return Runner.run(protect(agent), "pay", run_config=config)

    return run


def pydantic_ai(mode: str) -> Run:
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import FunctionModel

    def answer(messages: Any, info: Any) -> ModelResponse:
        if len(messages) == 1:
            return ModelResponse(parts=[ToolCallPart("pay", {"amount": 3})])
        return ModelResponse(parts=[TextPart("done")])

    more: dict[str, Any] = {}
    if mode == "its own":
        from pydantic_ai.models.instrumented import InstrumentationSettings

        settings = InstrumentationSettings(tracer_provider=provider())
        try:
            from pydantic_ai.capabilities import Instrumentation

            more["capabilities"] = [Instrumentation(settings)]
        except ImportError:
            more["instrument"] = settings
    elif mode == "sinkwell":
        import sinkwell.pydantic_ai

        more["capabilities"] = [sinkwell.pydantic_ai.Capability(emitter())]
    agent: Any = Agent(FunctionModel(answer), name="shop", **more)

    @agent.tool_plain
    async def pay(amount: int) -> str:
        return f"paid {amount}"

    return lambda: agent.run("pay")


def agent_framework(mode: str) -> Run:
    from agent_framework import (
        Agent,
        BaseChatClient,
        ChatMiddlewareLayer,
        ChatResponse,
        Content,
        FunctionInvocationLayer,
        Message,
        observability,
        tool,
    )

    layers: tuple[type, ...] = (FunctionInvocationLayer, ChatMiddlewareLayer, BaseChatClient)
    if mode == "its own":
        from opentelemetry import trace

        trace.set_tracer_provider(provider())
        observability.enable_instrumentation()
        layers = (
            FunctionInvocationLayer,
            ChatMiddlewareLayer,
            observability.ChatTelemetryLayer,
            BaseChatClient,
        )
    else:
        observability.disable_instrumentation()

    async def answer(self: Any, *, messages: Any, **_: Any) -> ChatResponse:
        said = Content.from_function_call(call_id="c", name="pay", arguments={"amount": 3})
        if messages[-1].contents[-1].type == "function_result":
            said = Content.from_text("done")
        return ChatResponse(messages=[Message(role="assistant", contents=[said])])

    client = type("Scripted", layers, {"_inner_get_response": answer})()

    @tool
    async def pay(amount: int) -> str:
        """Pays."""
        return f"paid {amount}"

    more: dict[str, Any] = {}
    if mode == "sinkwell":
        import sinkwell.agent_framework

        more["middleware"] = sinkwell.agent_framework.middleware(emitter=emitter())
    agent = Agent(client, name="shop", tools=[pay], **more)
    return lambda: agent.run("pay")


def google_adk(mode: str) -> Run:
    from google.adk.agents import LlmAgent
    from google.adk.models import BaseLlm, LlmResponse
    from google.adk.runners import InMemoryRunner
    from google.genai import types

    class Scripted(BaseLlm):
        async def generate_content_async(self, llm_request: Any, stream: bool = False) -> Any:
            part = types.Part.from_function_call(name="pay", args={"amount": 3})
            if llm_request.contents[-1].parts[0].function_response is not None:
                part = types.Part(text="done")
            yield LlmResponse(content=types.Content(role="model", parts=[part]))

    async def pay(amount: int) -> str:
        return f"paid {amount}"

    plugins: list[Any] = []
    if mode == "its own":
        from opentelemetry import trace

        trace.set_tracer_provider(provider())
    elif mode == "sinkwell":
        import sinkwell.google_adk

        plugins = [sinkwell.google_adk.Plugin(emitter())]
    agent = LlmAgent(name="shop", model=Scripted(model="scripted"), tools=[pay])
    runner = InMemoryRunner(agent=agent, app_name="shop", plugins=plugins)
    given = types.Content(role="user", parts=[types.Part(text="pay")])

    async def run() -> None:
        session = await runner.session_service.create_session(app_name="shop", user_id="u")
        async for _ in runner.run_async(user_id="u", session_id=session.id, new_message=given):
            pass
        await runner.session_service.delete_session(app_name="shop", user_id="u", session_id=session.id)

    return run


async def serve(framework: str, mode: str) -> None:
    """Runs as often as the other side says, and answers with the CPU time that it took, in nanoseconds."""
    logging.disable(logging.CRITICAL)
    run: Run = globals()[framework](mode)
    for line in sys.stdin:
        begun = time.process_time_ns()
        for _ in range(int(line)):
            await run()
        print(time.process_time_ns() - begun, flush=True)


def measure(framework: str, rounds: int, runs: int) -> dict[str, list[float]]:
    """Microseconds per step, by mode, of each round."""
    me = [sys.executable, "-W", "ignore", __file__, "--serve", framework]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = {mode: subprocess.Popen([*me, mode], **pipes) for mode in MODES}

    def ask(mode: str) -> float:
        worker = workers[mode]
        worker.stdin.write(f"{runs}\n")
        worker.stdin.flush()
        return int(worker.stdout.readline()) / 1_000 / runs / STEPS

    try:
        for mode in MODES:
            ask(mode)
        found: dict[str, list[float]] = {mode: [] for mode in MODES}
        for _ in range(rounds):
            for mode in MODES:
                found[mode].append(ask(mode))
        return found
    finally:
        for worker in workers.values():
            worker.stdin.close()
            worker.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("frameworks", nargs="*", choices=[*PACKAGES, []])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    print("| framework | without | its own tracing adds | sinkwell adds |")
    print("| --- | --- | --- | --- |")
    for framework in given.frameworks or PACKAGES:
        if importlib.util.find_spec(PACKAGES[framework].split(".")[0]) is None:
            continue
        found = measure(framework, given.rounds, given.runs)
        middle = {mode: statistics.median(values) for mode, values in found.items()}
        added = [middle[mode] - middle["without"] for mode in MODES[1:]]
        print(
            f"| {framework} | {middle['without']:.0f} µs | {added[0]:.0f} µs | {added[1]:.0f} µs |",
            flush=True,
        )
        if given.json:
            print(json.dumps(found), file=sys.stderr)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve(*sys.argv[2:4]))
    else:
        main()
