"""The scripted run's tools (test_integrations.py) with AGENT-HOOKS: `scripted_agent_hooks.py OUT up|down|raw`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import sinkwell.agent_hooks
from agent_hooks import AgentContextBuilder, InterceptionEmitter, Verdict
from scripted import MARKER, opened

RAN: list[str] = []


class Blocked(Exception):
    """A verdict that blocks a call."""


class NoPayments:
    """A policy of the program's own."""

    def intercept(self, context: Any, /) -> Verdict:
        if context["interception_point"] == "pre_tool_call" and context["tool_call"]["name"] == "pay":
            return Verdict.deny(reason="no_payments")
        return Verdict.allow()


async def tool(hooks: InterceptionEmitter, builder: AgentContextBuilder, id: str, name: str) -> None:
    args = {"q": MARKER}
    record = await hooks.emit_unchecked(builder.pre_tool_call(call_id=id, name=name, args=args))
    if not record.proceeds:
        raise Blocked(record.verdict)
    RAN.append(name)
    failed = name == "charge"
    after = builder.post_tool_call(call_id=id, name=name, args=args, value=MARKER, is_error=failed)
    await hooks.emit(after)


async def main(emitter: sinkwell.Emitter) -> None:
    hooks = sinkwell.agent_hooks.watch(InterceptionEmitter(), emitter, permit="raw")
    hooks.register(NoPayments(), "payments")
    builder = AgentContextBuilder(agent_id="a", framework="f", session_id="s-1", agent_name="shop")
    usage = {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}
    await hooks.emit(builder.agent_startup(tools_registered=["look", "charge", "pay"]))
    asked = [{"role": "user", "content": MARKER}]
    await hooks.emit(builder.pre_model_call(model_id="small", messages=asked))
    answer = {"content": MARKER, "tool_calls": [], "finish_reason": "stop"}
    await hooks.emit(builder.post_model_call(model_id="small", usage=usage, **answer))
    try:
        await tool(hooks, builder, "c1", "look")
        await tool(hooks, builder, "c2", "charge")
        try:
            await tool(hooks, builder, "c3", "pay")
        except Blocked:
            print("END", True)
    except Blocked as blocked:
        verdict = blocked.args[0]
        print("REFUSED", str(verdict.reason).removeprefix("sinkwell:"), verdict.message)
    await hooks.emit(builder.agent_shutdown(reason="completed"))
    print("RAN", ",".join(RAN))
    await emitter.ashutdown(0.5)


asyncio.run(main(opened(*sys.argv[1:3])))
