"""The scripted run (test_integrations.py) with the Claude Agent SDK, whose own code speaks here with a script in the
place of its command, by its control protocol: `scripted_claude_agent_sdk.py OUT up|down|raw`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import sinkwell.claude_agent_sdk
from claude_agent_sdk import ClaudeAgentOptions, Transport, create_sdk_mcp_server, query, tool
from scripted import MARKER, opened

RAN: list[str] = []
USAGE = {
    "input_tokens": 8,
    "cache_read_input_tokens": 4,
    "cache_creation_input_tokens": 0,
    "output_tokens": 3,
}


@tool("look", "Looks.", {"q": str})
async def look(args: Any) -> Any:
    RAN.append("look")
    return {"content": [{"type": "text", "text": MARKER}]}


@tool("charge", "Charges.", {"q": str})
async def charge(args: Any) -> Any:
    RAN.append("charge")
    return {"content": [{"type": "text", "text": MARKER}], "is_error": True}


@tool("pay", "Pays.", {"q": str})
async def pay(args: Any) -> Any:
    RAN.append("pay")
    return {"content": [{"type": "text", "text": MARKER}]}


class Command(Transport):
    """Says what the command says, and asks the hooks what it asks them."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.hooks: dict[str, Any] = {}
        self.denied: list[str] = []

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
            await self.said.put({"type": "control_response", "response": response})
        elif message["type"] == "control_response":
            self.answers.pop(message["response"]["request_id"]).set_result(message["response"])
        elif message["type"] == "user":
            self.work = asyncio.create_task(self.script())
            # However it ends, nothing more is said.
            self.work.add_done_callback(lambda _: self.said.put_nowait(None))

    async def ask(self, **request: Any) -> dict[str, Any]:
        id = f"r{len(self.answers)}-{asyncio.get_running_loop().time()}"
        answer = self.answers[id] = asyncio.get_running_loop().create_future()
        await self.said.put({"type": "control_request", "request_id": id, "request": request})
        return dict((await answer).get("response") or {})

    async def hook(self, event: str, **given: Any) -> dict[str, Any]:
        """Asks every hook of an event, as the command does."""
        base = {"session_id": "s-1", "transcript_path": "", "cwd": "", "hook_event_name": event}
        answers: dict[str, Any] = {}
        for matcher in self.hooks.get(event, []):
            for id in matcher["hookCallbackIds"]:
                answers |= await self.ask(
                    subtype="hook_callback",
                    callback_id=id,
                    input={**base, **given},
                    tool_use_id=given.get("tool_use_id"),
                )
        return answers

    async def model(self, id: str, block: dict[str, Any], by: str | None) -> None:
        message = {"id": f"m-{id}", "role": "assistant", "model": "small", "content": [block], "usage": USAGE}
        await self.said.put(
            {
                "type": "assistant",
                "message": message,
                "parent_tool_use_id": by,
                "session_id": "s-1",
                "uuid": id,
            }
        )

    async def result(self, id: str, failed: bool, by: str | None) -> None:
        block = {"type": "tool_result", "tool_use_id": id, "content": MARKER, "is_error": failed}
        message = {"role": "user", "content": [block]}
        await self.said.put(
            {"type": "user", "message": message, "parent_tool_use_id": by, "session_id": "s-1"}
        )

    async def call(self, id: str, name: str, by: str, **agent: str) -> None:
        given = {"tool_name": name, "tool_input": {"q": MARKER}, "tool_use_id": id, **agent}
        await self.model(id, {"type": "tool_use", "id": id, "name": name, "input": {"q": MARKER}}, by)
        answer = await self.hook("PreToolUse", **given)
        if answer.get("hookSpecificOutput", {}).get("permissionDecision") == "deny":
            self.denied.append(answer["hookSpecificOutput"]["permissionDecisionReason"])
            await self.result(id, True, by)
            return
        if name == "pay":
            # A rule of the settings asks a person, who says no.
            await self.hook("PermissionRequest", **{k: v for k, v in given.items() if k != "tool_use_id"})
            await self.result(id, True, by)
            return
        params = {"name": name, "arguments": {"q": MARKER}}
        result = await self.served("tools/call", id=id, params=params)
        failed = bool(result.get("isError"))
        if failed:
            await self.hook("PostToolUseFailure", **given, error=MARKER)
        else:
            await self.hook("PostToolUse", **given, tool_response=result)
        await self.result(id, failed, by)

    async def agent(self, kind: str, *calls: str) -> None:
        agent, task = {"agent_id": f"a-{kind}", "agent_type": kind}, f"t-{kind}"
        given = {"subagent_type": kind, "prompt": MARKER}
        started = {"tool_name": "Task", "tool_input": given, "tool_use_id": task}
        answer = await self.hook("PreToolUse", **started)
        if answer.get("hookSpecificOutput", {}).get("permissionDecision") == "deny":
            self.denied.append(answer["hookSpecificOutput"]["permissionDecisionReason"])
            await self.result(task, True, None)
            return
        await self.hook("SubagentStart", **agent)
        for name in calls:
            await self.call(f"c-{name}", name, task, **agent)
        await self.model(f"last-{kind}", {"type": "text", "text": MARKER}, task)
        await self.hook("SubagentStop", **agent, stop_hook_active=False, agent_transcript_path="")
        await self.hook("PostToolUse", **started, tool_response=MARKER)
        await self.result(task, False, None)

    async def served(self, method: str, **message: Any) -> dict[str, Any]:
        """What the program's own server answers."""
        message = {"jsonrpc": "2.0", "method": method, **message}
        answer = await self.ask(subtype="mcp_message", server_name="shop", message=message)
        return dict(answer["mcp_response"].get("result", {}))

    async def script(self) -> None:
        client = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "c", "version": "1"},
        }
        await self.served("initialize", id="i", params=client)
        await self.served("notifications/initialized")
        await self.hook("UserPromptSubmit", prompt=MARKER)
        await self.agent("triage", "look")
        await self.agent("refunds", "charge", "pay")
        await self.hook("Stop", stop_hook_active=False)
        said = {
            "type": "result",
            "subtype": "success",
            "is_error": False,
            "session_id": "s-1",
            "usage": USAGE,
        }
        times = {"duration_ms": 1, "duration_api_ms": 1, "num_turns": 1}
        await self.said.put({**said, **times, "result": MARKER})


async def main(emitter: sinkwell.Emitter) -> None:
    hooks = sinkwell.claude_agent_sdk.hooks(emitter=emitter, permit="raw", name="shop")
    servers = {"shop": create_sdk_mcp_server("shop", tools=[look, charge, pay])}
    options = ClaudeAgentOptions(hooks=hooks, mcp_servers=servers)
    command = Command()
    last = None
    async for message in hooks.watch(query(prompt=MARKER, options=options, transport=command)):
        last = message
    await command.work
    if command.denied:
        print("REFUSED", command.denied[0])
    else:
        print("END", last.result == MARKER)
    print("RAN", ",".join(RAN))
    hooks.stop()
    await emitter.ashutdown(0.5)


asyncio.run(main(opened(*sys.argv[1:3])))
