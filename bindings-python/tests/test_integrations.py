"""One scripted run in each framework: two agents, a handoff, three tools of which one fails and one is denied, streamed
model output, usage. Each gives the same graph of events, as far as it has what that takes (docs/INTEGRATIONS.md).
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sinkwell
from environments import FRAMEWORKS, ROOT, environment

# What happens, in order: what it is, in which run, and what is said of it. The same in every language.
SCRIPTED = json.loads((ROOT / "tests" / "vectors" / "scripted" / "run.json").read_text(encoding="utf-8"))
USAGE = SCRIPTED["usage"]
GRAPH: list[tuple[Any, ...]] = [
    tuple(USAGE if said == "usage" else said for said in one) for one in SCRIPTED["graph"]
]

TOOLS = [(what, "shop", *more) for what, _, *more in GRAPH if what in ("tool", "decision")]


def graph(events: Iterable[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What the events say, by the names of runs."""
    names: dict[Any, Any] = {None: None}
    handoffs = set()
    found: list[tuple[Any, ...]] = []
    for event in events:
        kind, data = event["type"].removeprefix("dev.sinkwell."), event["data"]
        if kind == "run.started":
            names[event["runid"]] = data.get("gen_ai.agent.name") or data["gen_ai.workflow.name"]
        run = names.get(event.get("runid"), event.get("runid"))
        if kind in ("run.started", "run.completed", "run.failed", "run.cancelled"):
            one: tuple[Any, ...] = (kind, run, names.get(data.get("parent_run"), data.get("parent_run")))
            found.append((*one, "caused by the handoff") if event.get("causationid") in handoffs else one)
        elif kind == "model.usage":
            found.append((kind, run, {name: data.get(name) for name in USAGE}))
        elif kind == "run.progress":
            handoffs.add(event["id"])
            found.append(("handoff", run, data["to"]))
        elif kind == "tool.invocation":
            # LangGraph hands off by a tool, which is told as one, too.
            if data.get("phase") != "intent" and not data["tool"].startswith("transfer_to_"):
                found.append(("tool", run, data["tool"], data["outcome"]))
        elif kind == "policy.decision":
            found.append(("decision", run, data["decision"], event.get("subject", "").partition(":")[2]))
    return found


def scripted(program: str, python: Path, out: Path, *how: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Runs the scripted run; returns what it printed and the host's events that it sealed."""
    return ran(f"scripted_{program}.py", python, out, *how)


def ran(program: str, python: Path, out: Path, *how: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Runs a program; returns what it printed and the host's events that it sealed."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'bindings-python' / 'python'}{os.pathsep}{FRAMEWORKS}"}
    command: list[str | Path] = [python, FRAMEWORKS / program, out, *how]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    if "raw" not in how:
        # The policy lets none through: not one word of people left the process, whatever the integration permits.
        assert b"MARKER" not in out.read_bytes()
    assert "MARKER" not in done.stdout
    lines = (json.loads(line) for line in out.read_text().splitlines())
    return done.stdout.splitlines(), [event for event in lines if "origin" not in event]


NEWEST = Path(sys.executable)

# Those that do not go with what the other tests need: Google's ADK holds OpenTelemetry back, the Agent Governance
# Toolkit cryptography.
APART = {"google_adk": "newest_google_adk", "agt": "newest_agt"}


def newest(program: str, package: str) -> Path:
    """The interpreter that has the newest release of a framework."""
    if program in APART:
        return environment(APART[program])
    pytest.importorskip(package)
    return NEWEST


Ran = tuple[list[str], list[dict[str, Any]], Path]
_BEGUN: dict[tuple[str, tuple[str, ...]], Future[Ran]] = {}


@pytest.fixture(scope="module", autouse=True)
def two_at_a_time(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Begins the programs that the tests of this file are about to ask for: most of their time they import."""

    def begin(program: str, package: str, how: tuple[str, ...], out: Path) -> Ran:
        return (*scripted(program, newest(program, package), out, *how), out)

    with ThreadPoolExecutor(2) as pool:
        for item in request.session.items:
            given = getattr(item, "callspec", None)
            if item.path == Path(__file__) and given is not None and "how" in given.params:
                program, package, how = (given.params[name] for name in ("program", "package", "how"))
                out = tmp_path_factory.mktemp(program) / "events.ndjson"
                _BEGUN[program, how] = pool.submit(begin, program, package, how, out)
        yield
        pool.shutdown(cancel_futures=True)


def named(value: str | tuple[str, ...] | set[str]) -> str:
    return value if isinstance(value, str) else "-".join(sorted(value))


SAME = [
    ("google_adk", "google.adk", ("up",)),
    ("langchain", "langgraph", ("up",)),
    ("langchain", "langgraph", ("async",)),
    ("openai_agents", "agents", ("up",)),
]


@pytest.mark.parametrize(("program", "package", "how"), SAME, ids=named)
def test_the_scripted_run_gives_the_same_graph(program: str, package: str, how: tuple[str, ...]) -> None:
    said, events, out = _BEGUN[program, how].result()
    assert said == ["END True", "RAN look,charge"]
    assert graph(events) == GRAPH
    check_deeds(events)
    check_coverage(events)
    assert sinkwell.verify([out])["verdict"] == "unchecked"


def check_coverage(events: list[dict[str, Any]]) -> None:
    states = [event["data"]["state"] for event in events if event["type"].endswith("coverage")]
    assert states == ["watching", "stopped"]


def check_deeds(events: list[dict[str, Any]]) -> None:
    """Each intent has one result that names it, and no two events have one id."""
    ids = [event["id"] for event in events]
    assert len(set(ids)) == len(ids)
    intents = [event["id"] for event in events if event["data"].get("phase") == "intent"]
    results = [event["causationid"] for event in events if event["data"].get("phase") == "result"]
    assert intents
    assert sorted(intents) == sorted(results)


def check_agent_framework(python: Path, out: Path) -> None:
    said, events = scripted("agent_framework", python, out, "up")
    assert said == ["END True", "RAN look,charge"]
    # It has no handoffs: the program's own code runs one agent after the other.
    wanted: list[tuple[Any, ...]] = [one[:3] if one[0].startswith("run.") else one for one in GRAPH]
    assert graph(events) == [one for one in wanted if one[0] != "handoff" and one[1] != "shop"]
    check_deeds(events)
    check_coverage(events)


def test_the_scripted_run_with_the_agent_framework(tmp_path: Path) -> None:
    check_agent_framework(newest("agent_framework", "agent_framework"), tmp_path / "events.ndjson")


def test_the_oldest_agent_framework(tmp_path: Path) -> None:
    check_agent_framework(environment("oldest"), tmp_path / "events.ndjson")


def test_approvals_of_the_agent_framework_are_decisions(tmp_path: Path) -> None:
    pytest.importorskip("agent_framework")
    out = tmp_path / "events.ndjson"
    with sinkwell.Emitter.open(plain_config(out)) as emitter:
        asyncio.run(approved(sinkwell.agent_framework.middleware(emitter=emitter)))
    told = [one for one in graph(read(out)) if one[0] != "model.usage"]
    run = [("run.started", "shop", None), ("run.completed", "shop", None)]
    assert told == [
        *(run[0], ("decision", "shop", "ask", "pay"), run[1]),
        *(run[0], ("decision", "shop", "allow", "pay"), ("tool", "shop", "pay", "ok"), run[1]),
        *(run[0], ("decision", "shop", "ask", "pay"), run[1]),
        *(run[0], ("decision", "shop", "deny", "pay"), run[1]),
        # A stream that is not read to its end.
        *(run[0], ("run.cancelled", "shop", None)),
    ]
    check_deeds(read(out))


async def approved(watched: Any) -> None:
    """A tool that a person must approve: one says yes, one says no. Then a run that is cancelled as it streams."""
    from agent_framework import (
        Agent,
        BaseChatClient,
        ChatMiddlewareLayer,
        ChatResponse,
        ChatResponseUpdate,
        Content,
        FunctionInvocationLayer,
        Message,
        ResponseStream,
        tool,
    )

    begun = asyncio.Event()

    class Scripted(FunctionInvocationLayer, ChatMiddlewareLayer, BaseChatClient):
        async def _inner_get_response(self, *, messages: Any, stream: bool, **_: Any) -> Any:
            async def pieces() -> Any:
                yield ChatResponseUpdate(role="assistant", contents=[Content.from_text("x")])
                begun.set()
                await asyncio.Event().wait()

            if stream:
                return ResponseStream(pieces(), finalizer=ChatResponse.from_updates)
            said = Content.from_function_call(call_id="c", name="pay", arguments={"q": "x"})
            if any(one.type == "function_result" for message in messages for one in message.contents):
                said = Content.from_text("x")
            return ChatResponse(messages=[Message(role="assistant", contents=[said])])

    @tool(approval_mode="always_require")
    async def pay(q: str) -> str:
        """Pays."""
        return q

    agent = Agent(Scripted(), name="shop", tools=[pay], middleware=watched)
    for sure in (True, False):
        session = agent.create_session()
        asked = await agent.run("x", session=session)
        (request,) = (
            one
            for message in asked.messages
            for one in message.contents
            if one.type == "function_approval_request"
        )
        answer = request.to_function_approval_response(sure)
        await agent.run(Message(role="user", contents=[answer]), session=session)

    async def streamed() -> None:
        async for _ in agent.run("x", stream=True):
            pass

    task = asyncio.create_task(streamed())
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    watched.stop()


def check_agt(python: Path, out: Path) -> list[dict[str, Any]]:
    said, events = scripted("agt", python, out, "sinks")
    assert said == ["END True", "RAN look,charge"]
    # What its policy denies is a decision, and no call.
    assert graph(events)[:5] == [
        ("decision", "shop", "allow", "look"),
        ("tool", "shop", "look", "ok"),
        ("decision", "shop", "allow", "charge"),
        ("tool", "shop", "charge", "error"),
        ("decision", "shop", "deny", "pay"),
    ]
    check_deeds(events)
    return events


def test_the_agent_governance_toolkit(tmp_path: Path) -> None:
    events = check_agt(environment("newest_agt"), tmp_path / "events.ndjson")
    ends = [event["data"].get("seam") for event in events if event["data"].get("state") == "stopped"]
    assert ends == ["agt.govern", "agt.audit", "agt.events", "agt.events", "agt.audit", "agt.telemetry"]
    (breach,) = (event for event in events if event["id"] == "e-1")
    assert (breach["type"], breach["runid"]) == ("dev.sinkwell.policy.breach", "s-1")
    assert breach["data"]["reason"] == "policy_violation"
    # Twenty events through a processor whose queue holds five.
    of = [event["data"].get("gen_ai.agent.id") for event in events]
    assert [agent for agent in of if str(agent).startswith("a-")] == [f"a-{i}" for i in range(20)]
    # Its audit logs, and the telemetry of its policy engine.
    last = [one for one in graph(events) if one[1] is None]
    assert last[-3:] == [
        ("tool", None, "look", "ok"),
        ("decision", None, "ask", "pay"),
        ("decision", None, "ask", "pre_tool_call"),
    ]


def test_the_oldest_agent_governance_toolkit(tmp_path: Path) -> None:
    check_agt(environment("oldest"), tmp_path / "events.ndjson")


def test_the_scripted_run_with_pydantic_ai(tmp_path: Path) -> None:
    check_pydantic_ai(newest("pydantic_ai", "pydantic_ai"), tmp_path / "events.ndjson")


def test_the_oldest_pydantic_ai(tmp_path: Path) -> None:
    check_pydantic_ai(environment("oldest"), tmp_path / "events.ndjson")


def check_pydantic_ai(python: Path, out: Path) -> None:
    said, events = scripted("pydantic_ai", python, out, "up")
    assert said == ["END True", "RAN look,charge"]
    # It has no handoffs, the program's own code runs one agent after the other, and an exception that no tool handles
    # ends the run.
    wanted: list[tuple[Any, ...]] = [one[:3] if one[0].startswith("run.") else one for one in GRAPH]
    wanted = [one for one in wanted if one[0] != "handoff" and one[1] != "shop"]
    wanted[-2:] = [("run.failed", "refunds", "shop")]
    assert graph(events) == wanted
    check_deeds(events)


def test_the_tools_of_the_scripted_run_by_agent_hooks(tmp_path: Path) -> None:
    check_agent_hooks(newest("agent_hooks", "agent_hooks"), tmp_path / "events.ndjson")


def test_the_oldest_agent_hooks(tmp_path: Path) -> None:
    check_agent_hooks(environment("oldest"), tmp_path / "events.ndjson")


def check_agent_hooks(python: Path, out: Path) -> None:
    said, events = scripted("agent_hooks", python, out, "up")
    assert said == ["END True", "RAN look,charge"]
    # Each point that it lets pass is a decision, too.
    passed = [event for event in events if event["data"].get("decision") != "allow"]
    usage = {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15}
    kept = [one for one in passed if not one["type"].endswith("model.usage")]
    assert graph(kept) == [("run.started", "shop", None), *TOOLS, ("run.completed", "shop", None)]
    (used,) = (event["data"] for event in events if event["type"].endswith("model.usage"))
    assert {name: used[name] for name in usage} == usage
    assert {event.get("runid") for event in events if not event["type"].endswith("coverage")} == {"s-1"}
    check_deeds(events)


# Sub-agents instead of handoffs; a person is asked, and says no.
SUBAGENTS: list[tuple[Any, ...]] = [
    ("run.started", "shop", None),
    ("run.started", "triage", "shop"),
    ("tool", "triage", "look", "ok"),
    ("run.completed", "triage", "shop"),
    ("tool", "shop", "Task", "ok"),
    ("run.started", "refunds", "shop"),
    ("tool", "refunds", "charge", "error"),
    ("decision", "refunds", "ask", "pay"),
    ("decision", "refunds", "deny", "pay"),
    ("tool", "refunds", "pay", "denied"),
    ("run.completed", "refunds", "shop"),
    ("tool", "shop", "Task", "ok"),
    ("run.completed", "shop", None),
]


def check_claude(python: Path, out: Path) -> None:
    said, events = scripted("claude_agent_sdk", python, out, "up")
    assert said == ["END True", "RAN look,charge"]
    told = graph(events)
    assert [one for one in told if one[0] != "model.usage"] == SUBAGENTS
    # Its messages come beside its hooks. That it does not tell reasoning apart is the provider's way.
    used = {**USAGE, "reasoning_tokens": None}
    of_models = [(one[1], one[2]) for one in told if one[0] == "model.usage"]
    # What each answer took, and in the end what the run did.
    assert (
        sorted(of_models, key=lambda one: one[0])
        == [("refunds", used)] * 3 + [("shop", used)] + [("triage", used)] * 2
    )
    families = [event["data"]["source.family"] for event in events if event["type"].endswith("model.usage")]
    assert sorted(families) == ["model"] * 5 + ["run"]
    check_deeds(events)
    check_coverage(events)


def test_the_oldest_claude_agent_sdk(tmp_path: Path) -> None:
    check_claude(environment("oldest"), tmp_path / "events.ndjson")


def test_the_scripted_run_with_the_claude_agent_sdk(tmp_path: Path) -> None:
    check_claude(newest("claude_agent_sdk", "claude_agent_sdk"), tmp_path / "events.ndjson")


WORDS = {"prompt", "completion", "tool_arguments", "tool_result"}

RAW = [
    ("agt", "agent_os", ("raw",), {"tool_arguments", "tool_result"}),
    ("agent_framework", "agent_framework", ("raw",), {"system", *WORDS}),
    ("claude_agent_sdk", "claude_agent_sdk", ("raw",), WORDS),
    ("google_adk", "google.adk", ("raw",), {"system", *WORDS}),
    ("agent_hooks", "agent_hooks", ("raw",), WORDS),
    ("langchain", "langgraph", ("raw",), WORDS),
    ("openai_agents", "agents", ("raw",), WORDS),
    ("pydantic_ai", "pydantic_ai", ("raw",), WORDS),
    ("mcp", "mcp", ("raw", "server"), {"message", "tool_arguments", "tool_result"}),
]


@pytest.mark.parametrize(("program", "package", "how", "classes"), RAW, ids=named)
def test_where_the_policy_lets_them_the_words_go_as_parts(
    program: str, package: str, how: tuple[str, ...], classes: set[str]
) -> None:
    _, events, _ = _BEGUN[program, how].result()
    shown = set()
    for event in events:
        data = event["data"]
        for disclosed in data.pop("disclosures", []):
            if "MARKER" in disclosed.get("text", ""):
                shown.add(data["content"][disclosed["part"]]["class"])
        # They are parts, and nothing else of the event has them.
        assert "MARKER" not in json.dumps(event)
    assert shown == classes


def test_what_else_google_adk_tells(tmp_path: Path) -> None:
    python = environment("newest_google_adk")
    _, events = ran("more_google_adk.py", python, tmp_path / "events.ndjson")
    told = [one for one in graph(events) if one[0] != "model.usage"]
    # An agent that a tool runs is an invocation within the call; it has the calling agent as its parent.
    assert told[:8] == [
        ("run.started", "shop", None),
        ("run.started", "outer", "shop"),
        ("run.started", "shop", "outer"),
        ("run.started", "helper", "shop"),
        ("run.completed", "helper", "shop"),
        ("run.completed", "shop", "outer"),
        ("tool", "outer", "helper", "ok"),
        ("run.completed", "outer", "shop"),
    ]
    assert told[8] == ("run.completed", "shop", None)
    calls = [one[2:] for one in told if one[1] == "teller" and not one[0].startswith("run.")]
    asked = [("ask", "pay"), ("pay", "denied")]
    assert calls == [*asked, ("allow", "pay"), ("pay", "ok"), *asked, ("deny", "pay"), ("pay", "denied")]
    # What a plugin of the program's own answers in a tool's place is no call.
    asking = [one[2:] for one in told if one[1] == "asking" and not one[0].startswith("run.")]
    assert asking == [("deny", "pay"), ("pay", "denied"), ("look", "ok")]
    assert told[-4:] == [
        ("run.started", "waiter", "shop"),
        ("tool", "waiter", "wait", "cancelled"),
        ("run.cancelled", "waiter", "shop"),
        ("run.cancelled", "shop", None),
    ]
    states = [event["data"]["state"] for event in events if event["type"].endswith("coverage")]
    # A runner that closes, the next one, and one within that with plugins of its own.
    assert states == ["watching", "stopped", "watching", "watching", "stopped", "stopped"]
    check_deeds(events)


def test_interrupts_of_langgraph_and_their_answers_are_decisions(tmp_path: Path) -> None:
    pytest.importorskip("langgraph")
    out = tmp_path / "events.ndjson"
    with sinkwell.Emitter.open(plain_config(out)) as emitter:
        interrupted(sinkwell.langchain.Handler(emitter))
    events = read(out)
    told = [
        (event["type"].removeprefix("dev.sinkwell."), event.get("subject"), event["data"].get("decision"))
        for event in events
        if "phase" not in event["data"] and not event["type"].endswith("coverage")
    ]
    assert told == [
        ("run.started", None, None),
        ("policy.decision", "tool:pay", "ask"),
        ("run.completed", None, None),
        ("run.started", None, None),
        ("policy.decision", None, "allow"),
        ("run.completed", None, None),
    ]
    ends = [event["data"]["terminal_status"] for event in events if event["type"].endswith("run.completed")]
    assert ends == ["unknown", "completed"]
    results = [event["data"]["outcome"] for event in events if event["data"].get("phase") == "result"]
    assert results == ["denied", "ok"]
    assert b"MARKER" not in out.read_bytes()


def interrupted(handler: Any) -> None:
    """A graph that asks a person, and is told yes."""
    from langchain_core.messages import AIMessage
    from langchain_core.tools import tool
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import START, MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode
    from langgraph.types import Command, interrupt

    @tool
    def pay(q: str) -> str:
        """Pays."""
        return str(interrupt("MARKER"))

    graph = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode([pay]))
    graph.add_edge(START, "tools")
    call = {"name": "pay", "args": {"q": "MARKER"}, "id": "c1"}
    config: Any = {"callbacks": [handler], "configurable": {"thread_id": "t"}}
    built: Any = graph.compile(checkpointer=InMemorySaver(), name="shop")
    built.invoke({"messages": [AIMessage("", tool_calls=[call])]}, config)
    built.invoke(Command(resume=True), config)


def test_a_guardrail_that_trips_is_a_decision(tmp_path: Path) -> None:
    pytest.importorskip("agents")
    out = tmp_path / "events.ndjson"
    with sinkwell.Emitter.open(plain_config(out)) as emitter:
        asyncio.run(tripped(sinkwell.openai_agents.Processor(emitter)))
    told = [
        (event["type"].removeprefix("dev.sinkwell."), event["data"].get("decision"))
        for event in read(out)
        if not event["type"].endswith("coverage")
    ]
    assert told == [
        ("run.started", None),
        ("run.started", None),
        ("policy.decision", "deny"),
        ("run.failed", None),
        ("run.failed", None),
    ]


def test_approvals_of_openai_agents_are_decisions(tmp_path: Path) -> None:
    pytest.importorskip("agents")
    said, events = ran("approvals_openai_agents.py", NEWEST, tmp_path / "events.ndjson")
    # With guardrails that are asked before the person, too.
    assert said == ["yes done", "no done", "yes done", "later done", "RAN look,pay,look,look,pay"]
    told = [one for one in graph(events) if not one[0].startswith("run.") and one[0] != "model.usage"]

    def call(name: str, outcome: str) -> tuple[str, ...]:
        return ("tool", "teller", name, outcome)

    def decided(decision: str, name: str) -> tuple[str, ...]:
        return ("decision", "teller", decision, name)

    look = call("look", "ok")
    yes = [look, decided("ask", "pay"), decided("allow", "pay"), call("pay", "ok")]
    # Of what a person rejects there is no intent.
    no = [look, decided("ask", "pay"), decided("deny", "pay"), call("pay", "denied")]
    later = [decided("ask", "look"), decided("deny", "look"), call("look", "denied")]
    assert told == [*yes, *no, *yes, *later]
    check_deeds(events)
    # What goes on is an agent's run of its own, in the run that asked.
    ends = [event["data"] for event in events if event["type"].endswith("run.completed")]
    runs = {
        event["runid"]
        for event in events
        if event["type"].endswith("run.started") and "parent_run" not in event["data"]
    }
    assert len(runs) == 4
    of = [(end["terminal_status"], end.get("parent_run") in runs) for end in ends]
    assert of == [("unknown", True), ("unknown", False), ("completed", True)] * 4


async def tripped(processor: Any) -> None:
    """A run that an input guardrail of the agent stops."""
    from agents import (
        Agent,
        GuardrailFunctionOutput,
        InputGuardrailTripwireTriggered,
        Runner,
        input_guardrail,
        set_trace_processors,
    )
    from agents.testing import ScriptedModel, assistant_message

    @input_guardrail(run_in_parallel=False)
    async def no_pii(context: Any, agent: Any, given: Any) -> Any:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    set_trace_processors([processor])
    agent = Agent(
        name="shop", model=ScriptedModel([[assistant_message("MARKER")]]), input_guardrails=[no_pii]
    )
    with pytest.raises(InputGuardrailTripwireTriggered):
        await Runner.run(agent, "MARKER")
    set_trace_processors([])


def test_streamed_output_is_not_held_back(tmp_path: Path) -> None:
    pytest.importorskip("pydantic_ai")
    from pydantic_ai import Agent
    from pydantic_ai.models.function import FunctionModel

    seen: list[str] = []

    async def main(capability: Any) -> None:
        gate = asyncio.Event()

        async def stream(messages: Any, info: Any) -> Any:
            yield "one"
            # It goes on only once the caller has the first piece.
            await gate.wait()
            yield "two"

        model = FunctionModel(stream_function=stream)
        agent = Agent(model, name="shop", capabilities=[capability])
        async with agent.run_stream("x") as result:
            async for text in result.stream_text(debounce_by=None):
                seen.append(text)
                gate.set()

    with sinkwell.Emitter.open(plain_config(tmp_path / "events.ndjson")) as emitter:
        asyncio.run(main(sinkwell.pydantic_ai.Capability(emitter)))
    assert seen == ["one", "onetwo"]


def plain_config(out: Path) -> dict[str, Any]:
    lanes = [{"id": "out", "sink": {"file": {"path": str(out)}}}]
    return {"agent": {"id": "urn:example:agent"}, "heartbeat": "off", "lanes": lanes}


def read(out: Path) -> list[dict[str, Any]]:
    """The host's events of a file."""
    return [event for line in out.read_text().splitlines() if "origin" not in (event := json.loads(line))]


def check_mcp(python: Path, out: Path) -> None:
    said, events = scripted("mcp", python, out, "up", "server")
    assert said == ["END True", "RAN look,charge"]
    asked = ("decision", "shop", "ask", "pay")
    assert [one for one in graph(events) if one != asked] == TOOLS
    assert asked in graph(events)
    check_deeds(events)


def test_the_tools_of_the_scripted_run_by_mcp(tmp_path: Path) -> None:
    pytest.importorskip("mcp")
    check_mcp(NEWEST, tmp_path / "events.ndjson")


def test_the_oldest_mcp(tmp_path: Path) -> None:
    check_mcp(environment("oldest"), tmp_path / "events.ndjson")


OLDEST = [("google_adk", "oldest"), ("langchain", "oldest"), ("openai_agents", "oldest_openai_agents")]


@pytest.mark.parametrize(("program", "pinned"), OLDEST, ids=named)
def test_the_oldest_releases_give_the_same_graph(program: str, pinned: str, tmp_path: Path) -> None:
    said, events = scripted(program, environment(pinned), tmp_path / "events.ndjson", "up")
    assert said == ["END True", "RAN look,charge"]
    assert graph(events) == GRAPH
    check_deeds(events)


def test_a_call_in_one_process_and_what_it_did_in_another_are_one_graph(tmp_path: Path) -> None:
    pytest.importorskip("mcp")
    from mcp.client import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    here, there = tmp_path / "here.ndjson", tmp_path / "there.ndjson"
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'bindings-python' / 'python'}{os.pathsep}{FRAMEWORKS}"}
    served = StdioServerParameters(
        command=sys.executable, args=[str(FRAMEWORKS / "served_mcp.py"), str(there)], env=env
    )

    async def main(emitter: sinkwell.Emitter) -> None:
        async with sinkwell.mcp.watch(Client(stdio_client(served)), emitter) as client:
            with sinkwell.run("order-17"):
                await client.call_tool("pay", {"q": "x"})

    with sinkwell.Emitter.open(plain_config(here)) as emitter:
        asyncio.run(main(emitter))
    asked, answered = ([event for event in read(out) if "runid" in event] for out in (here, there))
    assert [event["data"].get("phase") for event in asked] == ["intent", "result"]
    assert [event["data"].get("phase") for event in answered] == ["intent", None, "result"]
    assert {event["runid"] for event in [*asked, *answered]} == {"order-17"}
    # One trace, and each caused by the one before.
    assert len({event["traceparent"][3:35] for event in [*asked, *answered] if "traceparent" in event}) == 1
    assert answered[0]["traceparent"][3:35] == asked[0]["traceparent"][3:35]
    assert answered[0]["causationid"] == asked[0]["id"]
    assert answered[1]["causationid"] == answered[0]["id"]


def test_an_mcp_client_says_what_the_server_answered(tmp_path: Path) -> None:
    pytest.importorskip("mcp")
    said, events = scripted("mcp", NEWEST, tmp_path / "events.ndjson", "up", "client")
    assert said == ["END True", "RAN look,charge"]
    # That a person declined is known to the server.
    tools = [("look", "ok"), ("charge", "error"), ("pay", "error")]
    assert graph(events) == [("tool", "shop", *tool) for tool in tools]
    check_deeds(events)


DOWN = [
    ("agt", "agent_os", ("down",)),
    ("agent_framework", "agent_framework", ("down",)),
    ("claude_agent_sdk", "claude_agent_sdk", ("down",)),
    ("google_adk", "google.adk", ("down",)),
    ("langchain", "langgraph", ("down",)),
    ("openai_agents", "agents", ("down",)),
    ("mcp", "mcp", ("down", "server")),
    ("mcp", "mcp", ("down", "client")),
    ("pydantic_ai", "pydantic_ai", ("down",)),
    ("agent_hooks", "agent_hooks", ("down",)),
]


@pytest.mark.parametrize(("program", "package", "how"), DOWN, ids=named)
def test_while_a_required_sink_is_down_no_tool_runs(program: str, package: str, how: tuple[str, ...]) -> None:
    said, _, _ = _BEGUN[program, how].result()
    assert "RAN " in said
    refused = next(line for line in said if line.startswith("REFUSED"))
    assert "required_sink_unavailable" in refused
    # Which sink, and what to do.
    assert "siem" in refused
    assert "mend the sink" in refused


EXAMPLES = [
    ("agent_hooks", "agent_hooks"),
    ("pydantic_ai", "pydantic_ai"),
    ("agt", "agent_os"),
    ("agent_framework", "agent_framework"),
    ("claude_agent_sdk", "claude_agent_sdk"),
    ("claude_agent_sdk", "claude_agent_sdk"),
    ("google_adk", "google.adk"),
    ("mcp", "mcp"),
    ("langgraph", "langgraph"),
    ("openai_agents", "agents"),
]


@pytest.mark.parametrize(("example", "package"), EXAMPLES)
def test_the_examples_run_offline(example: str, package: str, tmp_path: Path) -> None:
    python = newest(example, package)
    out = tmp_path / "events.ndjson"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "bindings-python" / "python")}
    command: list[str | Path] = [python, ROOT / "examples" / "frameworks" / f"with_{example}.py", out]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "paid 3\n"), ran.stderr
    events = [event for line in out.read_text().splitlines() if "origin" not in (event := json.loads(line))]
    check_deeds(events)
