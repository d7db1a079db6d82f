"""An agent of pydantic-ai with a tool, on its own function model: runs, usage, and the tool as a deed.

pip install 'sinkwell[pydantic-ai]'
python with_pydantic_ai.py events.ndjson
"""

import asyncio
import sys

import sinkwell
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel


def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Asks for the tool, and then repeats what it said."""
    if len(messages) == 1:
        return ModelResponse(parts=[ToolCallPart("pay", {"amount": 3})])
    return ModelResponse(parts=[TextPart(messages[-1].parts[0].content)])


async def main(path: str) -> None:
    lanes = [{"id": "out", "sink": {"file": {"path": path}}}]
    sinkwell.configure({"agent": {"id": "urn:example:shop"}, "lanes": lanes})

    watched = sinkwell.pydantic_ai.Capability()
    agent = Agent(FunctionModel(answer), name="shop", capabilities=[watched])

    @agent.tool_plain
    async def pay(amount: int) -> str:
        """Pays; it runs only once its intent is safe."""
        return f"paid {amount}"

    print((await agent.run("pay, please")).output)
    watched.stop()
    await sinkwell.ashutdown()


asyncio.run(main(sys.argv[1]))
