"""Calls that a person must approve (test_integrations.py): one says yes, one says no, one is asked in one process and
answered in another; guardrails that are asked before the person; a policy that lets a call through:
`approvals_openai_agents.py OUT`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import sinkwell.openai_agents
from agents import (
    Agent,
    RunConfig,
    Runner,
    RunState,
    ToolExecutionConfig,
    ToolGuardrailFunctionOutput,
    function_tool,
    set_trace_processors,
    tool_input_guardrail,
)
from agents.testing import ScriptedModel, assistant_message, function_call
from scripted import MARKER, opened

RAN: list[str] = []


@tool_input_guardrail
def passes(data: Any) -> Any:
    return ToolGuardrailFunctionOutput.allow()


@function_tool(needs_approval=True, tool_input_guardrails=[passes])
async def pay(q: str) -> str:
    RAN.append("pay")
    return MARKER


async def unusual(context: Any, arguments: dict[str, Any], call_id: str) -> bool:
    return bool(arguments["q"] != MARKER)


@function_tool(needs_approval=unusual)
async def look(q: str) -> str:
    RAN.append("look")
    return MARKER


async def main(emitter: sinkwell.Emitter) -> None:
    set_trace_processors([])
    processor = sinkwell.openai_agents.install(emitter, permit="raw")

    def call(name: str, id: str, q: str = MARKER) -> Any:
        return [function_call(name, {"q": q}, call_id=id)]

    def teller(*script: Any) -> Any:
        return processor.protect(Agent(name="teller", model=ScriptedModel(list(script)), tools=[pay, look]))

    done = [assistant_message("done")]
    first = ToolExecutionConfig(pre_approval_tool_input_guardrails=True)
    for how, before in (("yes", None), ("no", None), ("yes", first)):
        config = RunConfig(workflow_name="shop", tool_execution=before)
        agent = teller(call("look", "c1"), call("pay", "c2"), done)
        asked = await Runner.run(agent, MARKER, run_config=config)
        state = asked.to_state()
        (state.approve if how == "yes" else state.reject)(asked.interruptions[0])
        print(how, (await Runner.run(agent, state, run_config=config)).final_output)

    # As another process would go on, from what was written down; what the policy is a function of is asked about, too.
    config = RunConfig(workflow_name="shop")
    written = (
        (await Runner.run(teller(call("look", "c3", "x")), MARKER, run_config=config)).to_state().to_string()
    )
    again = teller(done)
    state = await RunState.from_string(again, written)
    state.reject(state.get_interruptions()[0])
    print("later", (await Runner.run(again, state, run_config=config)).final_output)
    print("RAN", ",".join(RAN))
    processor.stop()
    await emitter.ashutdown(0.5)


asyncio.run(main(opened(sys.argv[1], "up")))
