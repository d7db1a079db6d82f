"""A tool behind the Model Context Protocol, its calls as deeds; client and server in one process, without a network.

pip install 'sinkwell[mcp]'
python with_mcp.py events.ndjson
"""

import asyncio
import sys

import sinkwell
from mcp.client import Client
from mcp.server.mcpserver import MCPServer


async def main(path: str) -> None:
    lanes = [{"id": "out", "sink": {"file": {"path": path}}}]
    sinkwell.configure({"agent": {"id": "urn:example:shop"}, "lanes": lanes})

    server = MCPServer("shop", middleware=[sinkwell.mcp.Middleware()])

    @server.tool()
    async def pay(amount: int) -> str:
        """Pays; it runs only once its intent is safe."""
        return f"paid {amount}"

    async with sinkwell.mcp.watch(Client(server)) as client:
        with sinkwell.run("order-17"):
            print((await client.call_tool("pay", {"amount": 3})).content[0].text)
    await sinkwell.ashutdown()


asyncio.run(main(sys.argv[1]))
