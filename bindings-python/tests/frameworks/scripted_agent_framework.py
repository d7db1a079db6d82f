"""The scripted run (test_integrations.py) with Microsoft's Agent Framework:
`scripted_agent_framework.py OUT up|down|raw`."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from typing import Any

import sinkwell.agent_framework
from agent_framework import (
    Agent,
    BaseChatClient,
    ChatMiddlewareLayer,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionInvocationLayer,
    FunctionMiddleware,
    Message,
    MiddlewareFailure,
    ResponseStream,
    tool,
)
from scripted import MARKER, opened

logging.disable(logging.CRITICAL)
RAN: list[str] = []
USAGE: Any = {
    "input_token_count": 12,
    "output_token_count": 3,
    "total_token_count": 15,
    "cache_read_input_token_count": 4,
    "reasoning_output_token_count": 2,
}


class Scripted(FunctionInvocationLayer, ChatMiddlewareLayer, BaseChatClient):
    """The framework's own layers around answers and usage that are those of the script."""

    def __init__(self, *script: tuple[str, str]) -> None:
        super().__init__()
        self.script = iter(script)

    def _inner_get_response(self, *, messages: Any, stream: bool, options: Any, **named: Any) -> Any:
        what, text = next(self.script)
        content = Content.from_text(text)
        if what != "say":
            content = Content.from_function_call(call_id=text, name=what, arguments={"q": MARKER})

        async def pieces() -> AsyncIterator[ChatResponseUpdate]:
            yield ChatResponseUpdate(role="assistant", contents=[content], model="small")
            yield ChatResponseUpdate(role="assistant", contents=[Content.from_usage(USAGE)], model="small")

        async def whole() -> ChatResponse:
            said = Message(role="assistant", contents=[content])
            return ChatResponse(messages=[said], model="small", usage_details=USAGE)

        return ResponseStream(pieces(), finalizer=ChatResponse.from_updates) if stream else whole()


@tool
async def look(q: str) -> str:
    """Looks."""
    RAN.append("look")
    return MARKER


@tool
async def charge(q: str) -> str:
    """Charges."""
    RAN.append("charge")
    raise ValueError(MARKER)


@tool
async def pay(q: str) -> str:
    """Pays."""
    RAN.append("pay")
    return MARKER


class NoPayments(FunctionMiddleware):
    """A policy of the program's own."""

    async def process(self, context: Any, call_next: Any) -> None:
        if context.function.name == "pay":
            context.result = "no"
            return
        await call_next()


async def main(emitter: sinkwell.Emitter) -> None:
    watched = sinkwell.agent_framework.middleware(NoPayments(), emitter=emitter, permit="raw")
    triage = Agent(Scripted(("look", "c1"), ("say", MARKER)), name="triage", tools=[look], middleware=watched)
    refunds = Agent(
        Scripted(("charge", "c2"), ("pay", "c3"), ("say", MARKER)),
        MARKER,
        name="refunds",
        tools=[charge, pay],
        middleware=watched,
    )
    try:
        with sinkwell.run("shop"):
            await triage.run(MARKER)
            stream = refunds.run(MARKER, stream=True)
            async for _ in stream:
                pass
            print("END", (await stream.get_final_response()).messages[-1].text == MARKER)
    except MiddlewareFailure as error:
        print("REFUSED", getattr(error.__cause__, "kind", None), error)
    print("RAN", ",".join(RAN))
    watched.stop()
    await emitter.ashutdown(0.5)


asyncio.run(main(opened(*sys.argv[1:3])))
