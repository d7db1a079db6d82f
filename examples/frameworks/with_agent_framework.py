"""An agent of Microsoft's Agent Framework with a tool, on a client that answers by script: runs, the tool as a deed.

pip install 'sinkwell[agent-framework]'
python with_agent_framework.py events.ndjson
"""

import asyncio
import sys
from typing import Any

import sinkwell
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
    """Asks for the tool, and then repeats what it said."""

    async def _inner_get_response(self, *, messages: Any, **_: Any) -> ChatResponse:
        last = messages[-1].contents[-1]
        said = Content.from_function_call(call_id="call-1", name="pay", arguments={"amount": 3})
        if last.type == "function_result":
            said = Content.from_text(last.result)
        return ChatResponse(messages=[Message(role="assistant", contents=[said])])


@tool
async def pay(amount: int) -> str:
    """Pays; it runs only once its intent is safe."""
    return f"paid {amount}"


async def main(path: str) -> None:
    lanes = [{"id": "out", "sink": {"file": {"path": path}}}]
    sinkwell.configure({"agent": {"id": "urn:example:shop"}, "lanes": lanes})

    watched = sinkwell.agent_framework.middleware()
    agent = Agent(Scripted(), name="shop", tools=[pay], middleware=watched)

    print((await agent.run("pay, please")).text)
    watched.stop()
    await sinkwell.ashutdown()


asyncio.run(main(sys.argv[1]))
