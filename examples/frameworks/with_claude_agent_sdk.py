"""A tool of the Claude Agent SDK as a deed. Offline, a script speaks in the place of the SDK's command.

pip install 'sinkwell[claude-agent-sdk]'
python with_claude_agent_sdk.py events.ndjson
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import sinkwell
from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, Transport, create_sdk_mcp_server, query, tool


@tool("pay", "Pays.", {"amount": int})
async def pay(given: dict[str, Any]) -> dict[str, Any]:
    """Pays; it runs only once its intent is safe."""
    return {"content": [{"type": "text", "text": f"paid {given['amount']}"}]}


class Scripted(Transport):
    """Asks for the tool once, as the SDK's command does: the hooks first, then the program's own server."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.answered: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.hooks: dict[str, Any] = {}

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    async def end_input(self) -> None: ...

    def is_ready(self) -> bool:
        return True

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        while (message := await self.said.get()) is not None:
            yield message

    async def write(self, data: str) -> None:
        message = json.loads(data)
        if message["type"] == "control_request":
            self.hooks = message["request"]["hooks"]
            response = {"subtype": "success", "request_id": message["request_id"], "response": {}}
            self.said.put_nowait({"type": "control_response", "response": response})
        elif message["type"] == "control_response":
            self.answered.put_nowait(message["response"].get("response", {}))
        else:
            self.work = asyncio.create_task(self.script())

    async def ask(self, **request: Any) -> dict[str, Any]:
        self.said.put_nowait({"type": "control_request", "request_id": "r", "request": request})
        return await self.answered.get()

    async def hook(self, event: str, **given: Any) -> None:
        given |= {"session_id": "s", "hook_event_name": event}
        for id in (id for matcher in self.hooks[event] for id in matcher["hookCallbackIds"]):
            await self.ask(subtype="hook_callback", callback_id=id, input=given)

    async def serve(self, method: str, params: dict[str, Any]) -> Any:
        message = {"jsonrpc": "2.0", "id": method, "method": method, "params": params}
        answer = await self.ask(subtype="mcp_message", server_name="shop", message=message)
        return answer["mcp_response"].get("result")

    async def script(self) -> None:
        call = {"tool_name": "mcp__shop__pay", "tool_input": {"amount": 3}, "tool_use_id": "call-1"}
        me = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "c", "version": "1"},
        }
        await self.serve("initialize", me)
        await self.hook("UserPromptSubmit", prompt="pay, please")
        await self.hook("PreToolUse", **call)
        result = await self.serve("tools/call", {"name": "pay", "arguments": {"amount": 3}})
        await self.hook("PostToolUse", **call, tool_response=result)
        await self.hook("Stop", stop_hook_active=False)
        said = {"type": "result", "subtype": "success", "is_error": False, "session_id": "s", "num_turns": 1}
        times = {"duration_ms": 1, "duration_api_ms": 1}
        self.said.put_nowait({**said, **times, "result": result["content"][0]["text"]})
        self.said.put_nowait(None)


async def main(path: str) -> None:
    lanes = [{"id": "out", "sink": {"file": {"path": path}}}]
    sinkwell.configure({"agent": {"id": "urn:example:shop"}, "lanes": lanes})
    servers = {"shop": create_sdk_mcp_server("shop", tools=[pay])}

    hooks = sinkwell.claude_agent_sdk.hooks()
    options = ClaudeAgentOptions(hooks=hooks, mcp_servers=servers)
    async for message in hooks.watch(query(prompt="pay, please", options=options, transport=Scripted())):
        if isinstance(message, ResultMessage):
            print(message.result)
    hooks.stop()
    await sinkwell.ashutdown()


asyncio.run(main(sys.argv[1]))
