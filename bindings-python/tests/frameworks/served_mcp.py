"""A watched MCP server on standard input and output (test_integrations.py): `served_mcp.py OUT`."""

from __future__ import annotations

import sys

import sinkwell.mcp
from mcp.server.mcpserver import MCPServer
from scripted import opened

emitter = opened(sys.argv[1], "up")
server = MCPServer("shop", middleware=[sinkwell.mcp.Middleware(emitter)])


@server.tool()
async def pay(q: str) -> str:
    """Pays, and tells of it."""
    emitter.emit("com.example.paid")
    return q


server.run("stdio")
emitter.shutdown(2)
