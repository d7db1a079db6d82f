"""An agent of the OpenAI Agents SDK with a tool, on the SDK's own scripted model: runs, and the tool as a deed.

pip install 'sinkwell[openai-agents]'
python with_openai_agents.py events.ndjson
"""

import asyncio
import sys

import sinkwell
from agents import Agent, Runner, function_tool, set_trace_processors
from agents.testing import ScriptedModel, assistant_message, function_call


@function_tool
async def pay(amount: int) -> str:
    """Pays; it runs only once its intent is safe."""
    return f"paid {amount}"


async def main(path: str) -> None:
    lanes = [{"id": "out", "sink": {"file": {"path": path}}}]
    sinkwell.configure({"agent": {"id": "urn:example:shop"}, "lanes": lanes})
    set_trace_processors([])  # the SDK's own sends to its maker
    call = function_call("pay", {"amount": 3}, call_id="call-1")
    model = ScriptedModel([[call], [assistant_message("paid 3")]])
    agent = Agent(name="shop", model=model, tools=[pay])

    processor = sinkwell.openai_agents.install()
    processor.protect(agent)

    print((await Runner.run(agent, "pay, please")).final_output)
    processor.stop()
    await sinkwell.ashutdown()


asyncio.run(main(sys.argv[1]))
