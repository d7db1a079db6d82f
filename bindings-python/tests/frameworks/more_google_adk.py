"""What else Google's ADK tells (test_integrations.py), an agent as a tool, a person who confirms, a cancelled run:
`more_google_adk.py OUT`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from typing import Any

import sinkwell.google_adk
from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmResponse
from google.adk.plugins.base_plugin import BasePlugin
from google.adk.runners import InMemoryRunner
from google.adk.tools import AgentTool, FunctionTool
from google.genai import types
from scripted import MARKER, opened

logging.disable(logging.CRITICAL)


class Scripted(BaseLlm):
    script: Any

    async def generate_content_async(self, llm_request: Any, stream: bool = False) -> Any:
        usage = types.GenerateContentResponseUsageMetadata(prompt_token_count=1, total_token_count=1)
        content = types.Content(role="model", parts=[next(self.script)])
        yield LlmResponse(content=content, usage_metadata=usage)


def agent(name: str, *parts: Any, **more: Any) -> LlmAgent:
    return LlmAgent(name=name, model=Scripted(model="small", script=iter(parts)), **more)


def call(name: str, **arguments: str) -> Any:
    return types.Part.from_function_call(name=name, args=arguments)


async def pay(q: str) -> str:
    return q


class NoPayments(BasePlugin):
    """A policy of the program's own."""

    async def before_tool_callback(self, *, tool: Any, tool_args: Any, tool_context: Any) -> Any:
        return {"error": "no"} if tool.name == "pay" else None


async def look(q: str) -> str:
    return q


async def run(runner: InMemoryRunner, session: str, part: Any) -> str | None:
    """Runs once; the id of the call that a person must confirm, if one."""
    asked = None
    given = types.Content(role="user", parts=[part])
    async for event in runner.run_async(user_id="u", session_id=session, new_message=given):
        for one in event.get_function_calls():
            if one.name == "adk_request_confirmation":
                asked = one.id
    return asked


async def session(runner: InMemoryRunner) -> str:
    return str((await runner.session_service.create_session(app_name="shop", user_id="u")).id)


async def main(emitter: sinkwell.Emitter) -> None:
    plugin = sinkwell.google_adk.Plugin(emitter, permit="raw")
    said = types.Part(text=MARKER)

    helper = agent("helper", said)
    outer = agent("outer", call("helper", request=MARKER), said, tools=[AgentTool(helper)])
    runner = InMemoryRunner(agent=outer, app_name="shop", plugins=[plugin])
    await run(runner, await session(runner), said)
    # A runner that closes ends nothing for the next one.
    await runner.close()

    for sure in (True, False):
        teller = agent(
            "teller", call("pay", q=MARKER), said, tools=[FunctionTool(pay, require_confirmation=True)]
        )
        runner = InMemoryRunner(agent=teller, app_name="shop", plugins=[plugin])
        here = await session(runner)
        asked = await run(runner, here, said)
        answer = types.FunctionResponse(
            id=asked, name="adk_request_confirmation", response={"confirmed": sure}
        )
        await run(runner, here, types.Part(function_response=answer))

    asking = agent("asking", call("pay", q=MARKER), call("look", q=MARKER), said, tools=[pay, look])
    watched = sinkwell.google_adk.plugins(NoPayments("no_payments"), emitter=emitter)
    runner = InMemoryRunner(agent=asking, app_name="shop", plugins=watched)
    await run(runner, await session(runner), said)
    watched.stop()

    begun = asyncio.Event()

    async def wait(q: str) -> str:
        begun.set()
        await asyncio.Event().wait()
        return q

    runner = InMemoryRunner(
        agent=agent("waiter", call("wait", q=MARKER), tools=[wait]), app_name="shop", plugins=[plugin]
    )
    task = asyncio.create_task(run(runner, await session(runner), said))
    await begun.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    plugin.stop()
    await emitter.ashutdown(0.5)


asyncio.run(main(opened(sys.argv[1], "up")))
