"""One scripted run in each framework: two agents, a handoff, three tools of which one fails and one is denied, streamed
model output, usage. Each gives the same graph of events, as far as it has what that takes (docs/INTEGRATIONS.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import sinkwell

HERE = Path(__file__).parent / "frameworks"
ROOT = Path(__file__).resolve().parents[2]

USAGE = {
    "input_tokens": 12,
    "output_tokens": 3,
    "cached_tokens": 4,
    "reasoning_tokens": 2,
    "total_tokens": 15,
}

# What happens, in order: what it is, in which run, and what is said of it.
GRAPH: list[tuple[Any, ...]] = [
    ("run.started", "shop", None),
    ("run.started", "triage", "shop"),
    ("model.usage", "triage", USAGE),
    ("tool", "triage", "look", "ok"),
    ("model.usage", "triage", USAGE),
    ("handoff", "triage", "refunds"),
    ("run.completed", "triage", "shop"),
    ("run.started", "refunds", "shop", "caused by the handoff"),
    ("model.usage", "refunds", USAGE),
    ("tool", "refunds", "charge", "error"),
    ("model.usage", "refunds", USAGE),
    ("decision", "refunds", "deny", "pay"),
    ("tool", "refunds", "pay", "denied"),
    ("model.usage", "refunds", USAGE),
    ("run.completed", "refunds", "shop"),
    ("run.completed", "shop", None),
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
        if kind in ("run.started", "run.completed", "run.failed"):
            one: tuple[Any, ...] = (kind, run, names[data.get("parent_run")])
            found.append((*one, "caused by the handoff") if event.get("causationid") in handoffs else one)
        elif kind == "model.usage":
            found.append((kind, run, {name: data[name] for name in USAGE}))
        elif kind == "run.progress":
            handoffs.add(event["id"])
            found.append(("handoff", run, data["to"]))
        elif kind == "tool.invocation":
            # LangGraph hands off by a tool, which is told as one, too.
            if data.get("phase") != "intent" and not data["tool"].startswith("transfer_to_"):
                found.append(("tool", run, data["tool"], data["outcome"]))
        elif kind == "policy.decision":
            found.append(("decision", run, data["decision"], event["subject"].removeprefix("tool:")))
    return found


def scripted(program: str, python: Path, out: Path, *how: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Runs the program; returns what it printed and the host's events that it sealed."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'bindings-python' / 'python'}{os.pathsep}{HERE}"}
    command: list[str | Path] = [python, HERE / f"scripted_{program}.py", out, *how]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    # Content is off: not one word of people left the process.
    assert b"MARKER" not in out.read_bytes()
    assert "MARKER" not in ran.stdout
    lines = (json.loads(line) for line in out.read_text().splitlines())
    return ran.stdout.splitlines(), [event for event in lines if "origin" not in event]


NEWEST = Path(sys.executable)


def named(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else "-".join(value)


FRAMEWORKS = [
    ("langchain", "langgraph", ("up",)),
    ("langchain", "langgraph", ("async",)),
    ("openai_agents", "agents", ("up",)),
]


@pytest.mark.parametrize(("program", "package", "how"), FRAMEWORKS, ids=named)
def test_the_scripted_run_gives_the_same_graph(
    program: str, package: str, how: tuple[str, ...], tmp_path: Path
) -> None:
    pytest.importorskip(package)
    out = tmp_path / "events.ndjson"
    said, events = scripted(program, NEWEST, out, *how)
    assert said == ["END True", "RAN look,charge"]
    assert graph(events) == GRAPH
    check_deeds(events)
    assert [event["data"]["state"] for event in events if event["type"].endswith("coverage")] == [
        "watching",
        "stopped",
    ]
    assert sinkwell.verify([out])["verdict"] == "unchecked"


def check_deeds(events: list[dict[str, Any]]) -> None:
    """Each intent has one result that names it, and no two events have one id."""
    ids = [event["id"] for event in events]
    assert len(set(ids)) == len(ids)
    intents = [event["id"] for event in events if event["data"].get("phase") == "intent"]
    results = [event["causationid"] for event in events if event["data"].get("phase") == "result"]
    assert intents
    assert sorted(intents) == sorted(results)


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
    check_mcp(environment(HERE / "oldest_mcp.txt"), tmp_path / "events.ndjson")


def test_an_mcp_client_says_what_the_server_answered(tmp_path: Path) -> None:
    pytest.importorskip("mcp")
    said, events = scripted("mcp", NEWEST, tmp_path / "events.ndjson", "up", "client")
    assert said == ["END True", "RAN look,charge"]
    # That a person declined is known to the server.
    tools = [("look", "ok"), ("charge", "error"), ("pay", "error")]
    assert graph(events) == [("tool", "shop", *tool) for tool in tools]
    check_deeds(events)


DOWN = [
    ("langchain", "langgraph", ("down",)),
    ("openai_agents", "agents", ("down",)),
    ("mcp", "mcp", ("down", "server")),
    ("mcp", "mcp", ("down", "client")),
]


@pytest.mark.parametrize(("program", "package", "how"), DOWN, ids=named)
def test_while_a_required_sink_is_down_no_tool_runs(
    program: str, package: str, how: tuple[str, ...], tmp_path: Path
) -> None:
    pytest.importorskip(package)
    said, _ = scripted(program, NEWEST, tmp_path / "events.ndjson", *how)
    assert "RAN " in said
    refused = next(line for line in said if line.startswith("REFUSED"))
    assert "required_sink_unavailable" in refused
    # Which sink, and what to do.
    assert "siem" in refused
    assert "mend the sink" in refused


EXAMPLES = [("mcp", "mcp"), ("langgraph", "langgraph"), ("openai_agents", "agents")]


@pytest.mark.parametrize(("example", "package"), EXAMPLES)
def test_the_examples_run_offline(example: str, package: str, tmp_path: Path) -> None:
    pytest.importorskip(package)
    out = tmp_path / "events.ndjson"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "bindings-python" / "python")}
    command = [sys.executable, ROOT / "examples" / "frameworks" / f"with_{example}.py", out]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "paid 3\n"), ran.stderr
    events = [event for line in out.read_text().splitlines() if "origin" not in (event := json.loads(line))]
    check_deeds(events)


def environment(requirements: Path) -> Path:
    """The interpreter of an environment of its own; without a registry a skip, or a failure where nothing may be
    missing.
    """
    stamp = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = ROOT / "target" / "frameworks" / f"python-{stamp}"
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        command: list[str | Path] = [python, "-m", "pip", "install", "-q", "-r", requirements]
        installed = subprocess.run(command, capture_output=True, text=True)
        if installed.returncode != 0:
            missing = f"it cannot be installed: {installed.stderr[-500:]}"
            if os.environ.get("SINKWELL_REQUIRE") == "all":
                pytest.fail(missing)
            pytest.skip(missing)
        (folder / "installed").touch()
    return python
