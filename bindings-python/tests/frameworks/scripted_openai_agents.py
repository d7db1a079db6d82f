"""The scripted run (test_integrations.py) with the OpenAI Agents SDK: `scripted_openai_agents.py OUT [down]`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import sinkwell.openai_agents
from agents import (
    Agent,
    RunConfig,
    Runner,
    ToolGuardrailFunctionOutput,
    function_tool,
    set_trace_processors,
    tool_input_guardrail,
)
from agents.exceptions import UserError
from agents.items import ModelResponse
from agents.models.interface import Model
from agents.usage import Usage
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseUsage,
)
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails
from scripted import MARKER, opened

RAN: list[str] = []


def call(name: str, id: str) -> Any:
    return ResponseFunctionToolCall(
        type="function_call", call_id=id, name=name, arguments='{"q": "' + MARKER + '"}', id=id
    )


def said(text: str) -> Any:
    part = ResponseOutputText(type="output_text", text=text, annotations=[])
    return ResponseOutputMessage(id="m", type="message", role="assistant", status="completed", content=[part])


class Scripted(Model):
    """Answers with what the script says, each time with the same usage."""

    def __init__(self, name: str, script: list[Any]) -> None:
        self.model = name
        self.script = iter(script)

    async def get_response(self, *_: Any, **__: Any) -> Any:
        from agents.tracing import generation_span

        with generation_span(input=[{"role": "user", "content": MARKER}], model=self.model) as span:
            item = next(self.script)
            span.span_data.output = [item.model_dump()]
            usage = Usage(
                requests=1,
                input_tokens=12,
                output_tokens=3,
                total_tokens=15,
                input_tokens_details=InputTokensDetails.model_validate(
                    {"cached_tokens": 4, "cache_write_tokens": 0}
                ),
                output_tokens_details=OutputTokensDetails(reasoning_tokens=2),
            )
            span.span_data.usage = {
                "input_tokens": 12,
                "output_tokens": 3,
                "total_tokens": 15,
                "input_tokens_details": {"cached_tokens": 4},
                "output_tokens_details": {"reasoning_tokens": 2},
            }
            return ModelResponse(output=[item], usage=usage, response_id="r")

    async def stream_response(self, *given: Any, **named: Any) -> Any:
        response = await self.get_response(*given, **named)
        usage = ResponseUsage(
            input_tokens=12,
            output_tokens=3,
            total_tokens=15,
            input_tokens_details=InputTokensDetails.model_validate(
                {"cached_tokens": 4, "cache_write_tokens": 0}
            ),
            output_tokens_details=OutputTokensDetails(reasoning_tokens=2),
        )
        whole = Response(
            id="r",
            created_at=0,
            model=self.model,
            object="response",
            output=response.output,
            tool_choice="auto",
            tools=[],
            parallel_tool_calls=False,
            usage=usage,
        )
        yield ResponseCompletedEvent(type="response.completed", response=whole, sequence_number=0)


@function_tool
async def look(q: str) -> str:
    RAN.append("look")
    return MARKER


@function_tool
async def charge(q: str) -> str:
    RAN.append("charge")
    raise ValueError(MARKER)


@tool_input_guardrail
def no_payments(data: Any) -> Any:
    return ToolGuardrailFunctionOutput.reject_content(MARKER)


@function_tool(tool_input_guardrails=[no_payments])
async def pay(q: str) -> str:
    RAN.append("pay")
    return MARKER


async def main(emitter: sinkwell.Emitter) -> None:
    set_trace_processors([])
    processor = sinkwell.openai_agents.install(emitter, permit="raw")
    refunds = Agent(
        name="refunds",
        model=Scripted("small", [call("charge", "c2"), call("pay", "c3"), said(MARKER)]),
        tools=[charge, pay],
    )
    triage = Agent(
        name="triage",
        model=Scripted("small", [call("look", "c1"), call("transfer_to_refunds", "c9")]),
        tools=[look],
        handoffs=[refunds],
    )
    processor.protect(triage)
    try:
        result = Runner.run_streamed(triage, MARKER, run_config=RunConfig(workflow_name="shop"))
        async for _ in result.stream_events():
            pass
        print("END", result.final_output == MARKER)
    except UserError as error:
        print("REFUSED", getattr(error.__cause__, "kind", None), error)
    finally:
        print("RAN", ",".join(RAN))
        processor.stop()
        await emitter.ashutdown(0.5)


asyncio.run(main(opened(*sys.argv[1:3])))
