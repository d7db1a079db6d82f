"""The scripted run (test_integrations.py) with pydantic-ai: `scripted_pydantic_ai.py OUT up|down`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import sinkwell.pydantic_ai
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.usage import RequestUsage
from scripted import MARKER, opened

RAN: list[str] = []


class PolicyDenied(Exception):
    """As a program's own policy refuses a call."""


def usage() -> RequestUsage:
    return RequestUsage(
        input_tokens=12, output_tokens=3, cache_read_tokens=4, details={"reasoning_tokens": 2}
    )


class Scripted(FunctionModel):
    """pydantic-ai's own function model, whose answers and usage are those of the script."""

    def __init__(self, script: list[tuple[str, str]]) -> None:
        answers = iter(script)

        def whole(messages: Any, info: Any) -> ModelResponse:
            what, text = next(answers)
            if what == "say":
                return ModelResponse(parts=[TextPart(text)], usage=usage())
            return ModelResponse(parts=[ToolCallPart(what, {"q": MARKER}, tool_call_id=text)], usage=usage())

        super().__init__(whole, model_name="small")

    async def request(self, *given: Any, **named: Any) -> ModelResponse:
        response = await super().request(*given, **named)
        response.usage = usage()
        return response


async def main(emitter: sinkwell.Emitter) -> None:
    capability = sinkwell.pydantic_ai.Capability(emitter, permit="raw")
    triage = Agent(Scripted([("look", "c1"), ("say", MARKER)]), name="triage", capabilities=[capability])
    refunds = Agent(
        Scripted([("charge", "c2"), ("pay", "c3"), ("say", MARKER)]),
        name="refunds",
        capabilities=[capability],
    )

    @triage.tool_plain
    async def look(q: str) -> str:
        RAN.append("look")
        return MARKER

    @refunds.tool_plain(retries=3)
    async def charge(q: str) -> str:
        RAN.append("charge")
        raise ModelRetry(MARKER)

    @refunds.tool_plain(retries=3)
    async def pay(q: str) -> str:
        raise PolicyDenied(MARKER)

    try:
        with sinkwell.run("shop"):
            await triage.run(MARKER)
            try:
                await refunds.run(MARKER)
            except PolicyDenied:
                print("END", True)
    except sinkwell.Error as error:
        print("REFUSED", error.kind, error)
    print("RAN", ",".join(RAN))
    capability.stop()
    await emitter.ashutdown(0.5)


asyncio.run(main(opened(*sys.argv[1:3])))
