"""How calls end that the Agent Governance Toolkit governs, and whether they hold anything up (test_outcomes.py):
`outcomes_agt.py FOLDER`."""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from pathlib import Path
from typing import Any

import sinkwell.agt
from agentmesh.governance import govern
from outcomes import Tools, told, turns

POLICY = "{apiVersion: governance.toolkit/v1, name: shop, default_action: allow, rules: []}"


async def governed(act: Any, emitter: sinkwell.Emitter) -> None:
    """A governed call of it."""
    installed = sinkwell.agt.install(emitter)
    try:
        result = govern(act, policy=POLICY, agent_id="shop")(q="x")
        if asyncio.iscoroutine(result):
            await result
    finally:
        installed.stop()


async def act(name: str, tools: Tools, emitter: sinkwell.Emitter) -> None:
    await governed(getattr(tools, name), emitter)


async def limited(name: str, tools: Tools, emitter: sinkwell.Emitter) -> None:
    """A limit of the tool's own."""

    async def within(q: str) -> str:
        return await asyncio.wait_for(tools.wait(q), 0.01)

    await governed(within, emitter)


class Late:
    """A tool that is an object."""

    async def __call__(self, q: str) -> str:
        raise TimeoutError(q)


async def of_object(name: str, tools: Tools, emitter: sinkwell.Emitter) -> None:
    await governed(Late(), emitter)


async def plain(name: str, tools: Tools, emitter: sinkwell.Emitter) -> None:
    """A tool that is no coroutine, on a thread of its own: on one that runs an event loop it cannot wait."""

    def late(q: str) -> str:
        raise TimeoutError(q)

    installed = sinkwell.agt.install(emitter)
    try:
        await asyncio.to_thread(functools.partial(govern(late, policy=POLICY, agent_id="shop"), q="x"))
    finally:
        installed.stop()


out = Path(sys.argv[1])
print(
    json.dumps(
        {
            "late": told(out, act, "late"),
            "limited": told(out, limited, "limited"),
            "object": told(out, of_object, "object"),
            "wait": told(out, act, "wait"),
            "plain": told(out, plain, "plain"),
            "turns": turns(act),
        }
    )
)
