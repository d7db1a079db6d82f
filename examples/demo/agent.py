"""A small agent without a network: it walks a folder, reads and summarises files, and writes a report.

It does what files tell it to do, as agents will: one of them holds instructions of somebody else's. What it
may do is for its policy to say, and what it did for its events.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import sinkwell

AGENT = "urn:demo:agent"
SUMMARISER = f"{AGENT}:summariser"
RUN = "run-1"


class Denied(Exception):
    """The policy does not let the agent do this."""


class Policy:
    """What the agent may do: tools by name, files by folder."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._tools = {"list_folder", "read_file", "summarise", "write_report", "report_loss"}

    def decide(self, tool: str, argument: object) -> tuple[str, str]:
        """`allow` or `deny`, and the rule that says so."""
        if tool not in self._tools:
            return "deny", "tools-by-name"
        if tool == "read_file" and self._root not in Path(str(argument)).resolve().parents:
            return "deny", "files-of-the-workspace"
        return "allow", "tools-by-name"


class Agent:
    """Plans, asks its policy, runs tools, and emits an event for each step."""

    def __init__(self, emitter: sinkwell.Emitter, root: Path, report: Path) -> None:
        self._emitter = emitter
        self._policy = Policy(root)
        self._root = root
        self._report = report
        self._summaries: list[str] = []
        self._tools: dict[str, Callable[[object], object]] = {
            "list_folder": lambda _: sorted(path for path in root.rglob("*") if path.is_file()),
            "read_file": lambda path: Path(str(path)).read_text(encoding="utf-8"),
            "summarise": lambda text: summarise(str(text)),
            "write_report": lambda _: report.write_text("\n".join(self._summaries) + "\n", encoding="utf-8"),
            "report_loss": self._report_loss,
        }

    def run(self) -> None:
        """One run, from the goal to its end."""
        self._emitter.emit("run.started", {"goal": "summarise the folder"}, run=RUN, subject=RUN)
        try:
            for path in self._use("list_folder", self._root):  # type: ignore[attr-defined]
                self._read(path)
            self._use("write_report", self._report)
        except Exception as error:
            self._emitter.emit("run.failed", {"error.type": type(error).__name__}, run=RUN, subject=RUN)
            raise
        self._emitter.emit("run.completed", {"terminal_status": "completed"}, run=RUN, subject=RUN)

    def _read(self, path: Path) -> None:
        name = path.relative_to(self._root)
        self._emitter.emit("run.progress", {"step": f"read {name}"}, run=RUN)
        text = str(self._use("read_file", path))
        summary = self._use("summarise", text, agent=SUMMARISER)
        self._summaries.append(f"{name}: {summary}")
        for tool, argument in instructions(text):
            try:
                self._use(tool, argument)
            except Denied as denied:
                self._summaries.append(f"{name}: {denied}")

    def _use(self, tool: str, argument: object, *, agent: str = AGENT) -> object:
        decision, rule = self._policy.decide(tool, argument)
        decided = self._emitter.emit(
            "policy.decision",
            {"decision": decision, "rule": rule, "action": tool},
            subject=f"tool:{tool}",
            run=RUN,
            agent=agent,
        )
        # The words themselves stay here: an event commits to them without holding them.
        content = [sinkwell.part("tool_arguments", text=str(argument))]
        told = {"subject": f"tool:{tool}", "run": RUN, "agent": agent, "causation": decided.id}
        if decision != "allow":
            self._emitter.emit(
                "tool.invocation", {"tool": tool, "outcome": "denied"}, content=content, **told
            )
            raise Denied(f"{tool} is not allowed ({rule})")
        result = self._tools[tool](argument)
        content.append(sinkwell.part("tool_result", text=str(result)))
        self._emitter.emit("tool.invocation", {"tool": tool, "outcome": "ok"}, content=content, **told)
        return result

    def _report_loss(self, sequence: object) -> str:
        """A well-meant tool: whoever talks the agent into it makes it claim a loss that never was."""
        lost = {"from": f"{int(str(sequence)):020}", "to": f"{int(str(sequence)):020}"}
        self._emitter.emit("policy.breach", {"reason": "overflow", "count": 1, "lost": [lost]}, run=RUN)
        return "reported"


def summarise(text: str) -> str:
    """The first sentence, or the total of a table."""
    lines = text.strip().splitlines()
    if len(lines) > 1 and len({line.count(",") for line in lines}) == 1 and "," in lines[0]:
        rows = list(csv.DictReader(lines))
        column = lines[0].split(",")[-1]
        return f"{len(rows)} rows, {column} {sum(int(row[column]) for row in rows)}"
    return text.strip().split(". ")[0].split("\n")[0].rstrip(".") + "."


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """What a file tells the reader to do."""
    for line in text.splitlines():
        if line.startswith("TOOL "):
            tool, _, argument = line.removeprefix("TOOL ").partition(": ")
            yield tool, argument


def main(target: Path) -> None:
    """Run the agent; its events go to the console and to `events.ndjson`."""
    config = {
        "agent": {"id": AGENT, "allow": [SUMMARISER]},
        "key": {"id": "agent", "ed25519": {"file": str(target / "agent.pem")}},
        "heartbeat": "off",
        "lanes": ["console", {"id": "file", "sink": {"file": {"path": str(target / "events.ndjson")}}}],
        "checkpoint": {"file": str(target / "checkpoints.ndjson")},
        "handle_signals": True,
    }
    with sinkwell.Emitter.open(config) as emitter:
        Agent(emitter, Path(__file__).parent / "workspace", target / "report.txt").run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
