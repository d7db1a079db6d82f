"""The scripted run's tools (test_integrations.py) by MCP: `scripted_mcp.py OUT up|down server|client`."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import mcp.types as types
import sinkwell.mcp
from mcp.client import Client
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel
from scripted import MARKER, opened

logging.disable(logging.CRITICAL)
RAN: list[str] = []


class Sure(BaseModel):
    sure: bool


async def person(context: Any, params: Any) -> Any:
    return types.ElicitResult(action="decline")


def build(emitter: sinkwell.Emitter, watched: bool) -> MCPServer:
    server = MCPServer("shop", middleware=[sinkwell.mcp.Middleware(emitter, permit="raw")] if watched else [])

    @server.tool()
    async def look(q: str) -> str:
        RAN.append("look")
        return MARKER

    @server.tool()
    async def charge(q: str) -> str:
        RAN.append("charge")
        raise ValueError(MARKER)

    @server.tool()
    async def pay(q: str, context: Context) -> str:
        answer = await context.elicit(MARKER, schema=Sure)
        if answer.action != "accept":
            raise ValueError(MARKER)
        RAN.append("pay")
        return MARKER

    return server


async def main(emitter: sinkwell.Emitter, side: str) -> None:
    server = build(emitter, side == "server")
    # Elicitation goes back through the connection only by the protocol's handshake.
    client = Client(server, elicitation_callback=person, mode="legacy")
    if side == "client":
        sinkwell.mcp.watch(client, emitter, permit="raw")
    async with client:
        try:
            with sinkwell.run("shop"):
                for name in ("look", "charge", "pay"):
                    await client.call_tool(name, {"q": MARKER})
            print("END", True)
        except sinkwell.Error as error:
            print("REFUSED", error.kind, error)
        except MCPError as error:
            print("REFUSED", error.error.data["kind"], error)
    print("RAN", ",".join(RAN))
    await emitter.ashutdown(0.5)


asyncio.run(main(opened(*sys.argv[1:3]), sys.argv[3]))
