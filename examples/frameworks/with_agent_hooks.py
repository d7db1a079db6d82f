"""A call of a tool between two points of AGENT-HOOKS, as a framework makes it: a session as a run, the tool as a deed.

pip install 'sinkwell[agent-hooks]'
python with_agent_hooks.py events.ndjson
"""

import asyncio
import sys

import sinkwell
from agent_hooks import AgentContextBuilder, InterceptionEmitter


async def main(path: str) -> None:
    lanes = [{"id": "out", "sink": {"file": {"path": path}}}]
    sinkwell.configure({"agent": {"id": "urn:example:shop"}, "lanes": lanes})

    hooks = sinkwell.agent_hooks.watch(InterceptionEmitter())

    # From here on it is what a framework does.
    builder = AgentContextBuilder(agent_id="a", framework="example", session_id="s-1", agent_name="shop")
    await hooks.emit(builder.agent_startup(tools_registered=["pay"]))
    call = {"call_id": "call-1", "name": "pay", "args": {"amount": 3}}
    # It raises where the call must not be made; after it the intent is safe.
    await hooks.emit(builder.pre_tool_call(**call))
    result = f"paid {call['args']['amount']}"
    await hooks.emit(builder.post_tool_call(**call, value=result, is_error=False))
    print(result)
    await hooks.emit(builder.agent_shutdown(reason="completed"))
    await sinkwell.ashutdown()


asyncio.run(main(sys.argv[1]))
