"""How calls and runs of Google's ADK end, and whether they hold anything up (test_outcomes.py):
`outcomes_google_adk.py FOLDER`."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import sinkwell.google_adk
from google.adk.agents import LlmAgent, RunConfig
from google.adk.agents.run_config import StreamingMode
from google.adk.errors.tool_execution_error import ToolErrorType, ToolExecutionError
from google.adk.models import BaseLlm, LlmResponse
from google.adk.runners import InMemoryRunner
from google.genai import types
from outcomes import Tools, read, told, turns

logging.disable(logging.CRITICAL)


class Scripted(BaseLlm):
    pieces: Any

    async def generate_content_async(self, llm_request: Any, stream: bool = False) -> Any:
        async for part, partial in self.pieces(llm_request):
            yield LlmResponse(content=types.Content(role="model", parts=[part]), partial=partial)


async def events(pieces: Any, emitter: sinkwell.Emitter, **agent: Any) -> AsyncIterator[Any]:
    """A run of an agent whose model says these pieces."""
    shop = LlmAgent(name="shop", model=Scripted(model="small", pieces=pieces), **agent)
    watched = sinkwell.google_adk.plugins(emitter=emitter)
    runner = InMemoryRunner(agent=shop, app_name="shop", plugins=watched)
    session = await runner.session_service.create_session(app_name="shop", user_id="u")
    given: dict[str, Any] = {"user_id": "u", "session_id": session.id}
    given["new_message"] = types.Content(role="user", parts=[types.Part(text="x")])
    given["run_config"] = RunConfig(streaming_mode=StreamingMode.SSE)
    async for event in runner.run_async(**given):
        yield event


async def called(tool: Any, emitter: sinkwell.Emitter, **agent: Any) -> None:
    """A run whose model calls this tool once."""

    async def pieces(request: Any) -> Any:
        answered = any(part.function_response for one in request.contents for part in one.parts)
        call = types.Part.from_function_call(name=tool.__name__, args={"q": "x"})
        yield types.Part(text="done") if answered else call, False

    async for _ in events(pieces, emitter, tools=[tool], **agent):
        pass


async def act(name: str, tools: Tools, emitter: sinkwell.Emitter) -> None:
    await called(getattr(tools, name), emitter)


async def limited(name: str, tools: Tools, emitter: sinkwell.Emitter) -> None:
    await called(tools.wait, emitter, timeout=0.05)


async def gateway(name: str, tools: Tools, emitter: sinkwell.Emitter) -> None:
    async def late(q: str) -> str:
        raise ToolExecutionError("x", ToolErrorType.GATEWAY_TIMEOUT)

    await called(late, emitter)


async def streamed(gate: asyncio.Event, emitter: sinkwell.Emitter) -> AsyncIterator[str]:
    async def pieces(request: Any) -> Any:
        yield types.Part(text="one"), True
        await gate.wait()
        yield types.Part(text="two"), True
        yield types.Part(text="onetwo"), False

    async for event in events(pieces, emitter):
        if event.partial:
            yield event.content.parts[0].text


out = Path(sys.argv[1])
print(
    json.dumps(
        {
            "late": told(out, act, "late"),
            "limited": told(out, limited, "limited"),
            "gateway": told(out, gateway, "gateway"),
            "wait": told(out, act, "wait"),
            "turns": turns(act),
            "read": read(streamed, out / "streamed.ndjson"),
        }
    )
)
