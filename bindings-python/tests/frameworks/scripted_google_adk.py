"""The scripted run (test_integrations.py) with Google's ADK: `scripted_google_adk.py OUT up|down|raw`."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator
from typing import Any

import sinkwell.google_adk
from google.adk.agents import LlmAgent, RunConfig
from google.adk.agents.run_config import StreamingMode
from google.adk.models import BaseLlm, LlmResponse
from google.adk.runners import InMemoryRunner
from google.genai import types
from scripted import MARKER, opened

logging.disable(logging.CRITICAL)
RAN: list[str] = []


class PolicyDenied(Exception):
    """As a program's own policy refuses a call."""


def usage() -> Any:
    return types.GenerateContentResponseUsageMetadata(
        prompt_token_count=12,
        candidates_token_count=1,
        thoughts_token_count=2,
        cached_content_token_count=4,
        total_token_count=15,
    )


def call(name: str, **arguments: str) -> Any:
    return types.Part.from_function_call(name=name, args=arguments)


class Scripted(BaseLlm):
    """ADK's own base of a model, whose answers and usage are those of the script."""

    script: Any

    async def generate_content_async(self, llm_request: Any, stream: bool = False) -> Any:
        part = next(self.script)
        if part.text is not None:
            for piece in (part.text[:3], part.text[3:]):
                said = types.Content(role="model", parts=[types.Part(text=piece)])
                yield LlmResponse(content=said, partial=True)
        content = types.Content(role="model", parts=[part])
        yield LlmResponse(content=content, usage_metadata=usage())


def model(script: Iterator[Any]) -> Scripted:
    return Scripted(model="small", script=script)


async def look(q: str) -> str:
    RAN.append("look")
    return MARKER


async def charge(q: str) -> str:
    RAN.append("charge")
    raise ValueError(MARKER)


async def pay(q: str) -> str:
    raise PolicyDenied(MARKER)


def failed(tool: Any, args: Any, tool_context: Any, error: Exception) -> Any:
    return {"error": "it failed"}


async def main(emitter: sinkwell.Emitter) -> None:
    plugin = sinkwell.google_adk.Plugin(emitter, permit="raw")
    refunds = LlmAgent(
        name="refunds",
        model=model(iter([call("charge", q=MARKER), call("pay", q=MARKER), types.Part(text=MARKER)])),
        instruction=MARKER,
        tools=[charge, pay],
        on_tool_error_callback=failed,
    )
    triage = LlmAgent(
        name="triage",
        model=model(iter([call("look", q=MARKER), call("transfer_to_agent", agent_name="refunds")])),
        tools=[look],
        sub_agents=[refunds],
    )
    runner = InMemoryRunner(agent=triage, app_name="shop", plugins=[plugin])
    session = await runner.session_service.create_session(app_name="shop", user_id="u")
    given = types.Content(role="user", parts=[types.Part(text=MARKER)])
    said = []
    try:
        async for event in runner.run_async(
            user_id="u",
            session_id=session.id,
            new_message=given,
            run_config=RunConfig(streaming_mode=StreamingMode.SSE),
        ):
            if event.content and event.content.parts and not event.partial:
                said.append(event.content.parts[0].text)
        print("END", said[-1] == MARKER)
    except RuntimeError as error:
        print("REFUSED", getattr(error.__cause__, "kind", None), error)
    finally:
        print("RAN", ",".join(RAN))
        plugin.stop()
        await emitter.ashutdown(0.5)


asyncio.run(main(opened(*sys.argv[1:3])))
