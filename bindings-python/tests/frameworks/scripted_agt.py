"""The scripted run's tools (test_integrations.py) with the Agent Governance Toolkit, and each of its sinks:
`scripted_agt.py OUT up|down|raw`."""

from __future__ import annotations

import contextlib
import sys

import sinkwell.agt
from agent_os.audit_logger import AuditBackend, GovernanceAuditLogger
from agent_os.event_sink import (
    GovernanceEvent,
    GovernanceEventKind,
    GovernanceEventProcessor,
    GovernanceEventSink,
    GovernanceEventSinkBase,
)
from agentmesh.governance import AuditLog, AuditSink, GovernanceDenied, govern
from scripted import MARKER, opened

RAN: list[str] = []
POLICY = """
apiVersion: governance.toolkit/v1
name: shop
default_action: allow
rules:
  - name: no_payments
    condition: "action.type == 'pay'"
    action: deny
"""


def look(q: str, action: str) -> str:
    RAN.append("look")
    return MARKER


def charge(q: str, action: str) -> str:
    RAN.append("charge")
    raise ValueError(MARKER)


def pay(q: str, action: str) -> str:
    RAN.append("pay")
    return MARKER


class Slow(GovernanceEventSinkBase):
    """A sink beside sinkwell's, which takes nothing."""

    def emit(self, events: object) -> object:
        raise OSError


def sinks(emitter: sinkwell.Emitter) -> None:
    """One event through each of the toolkit's sinks, and more through the processor than its queue holds."""
    said = GovernanceEvent(
        kind=GovernanceEventKind.POLICY_VIOLATION,
        event_id="e-1",
        agent_id="shop",
        action="pay",
        decision="deny",
        reason=MARKER,
        session_id="s-1",
        attributes={"q": MARKER},
    )
    sink = sinkwell.agt.EventSink(emitter, permit="raw")
    assert isinstance(sink, GovernanceEventSink)
    inner = GovernanceEventProcessor(schedule_delay_ms=1).add_sink(sink)
    inner.on_event(said)
    assert inner.shutdown()

    processor = sinkwell.agt.Processor(emitter, permit="raw", max_queue_size=5, schedule_delay_ms=60_000)
    processor.add_sink(Slow())
    for number in range(20):
        processor.on_event(GovernanceEvent(agent_id=f"a-{number}", decision="allow", reason=MARKER))
    assert processor.dropped_count > 0
    processor.shutdown()
    processor.stop()

    audit = sinkwell.agt.AuditSink(emitter, permit="raw")
    assert isinstance(audit, AuditSink)
    log = AuditLog(sink=audit)
    log.log("tool_invocation", "did:web:shop", "look", data={"q": MARKER})
    assert audit.verify_integrity() == (True, None)
    audit.close()

    backend: AuditBackend = sinkwell.agt.AuditBackend(emitter, permit="raw")
    logger = GovernanceAuditLogger()
    logger.add_backend(backend)
    logger.log_decision("shop", "pay", "require_approval", reason=MARKER, q=MARKER)
    logger.flush()

    try:
        from agent_control_specification import (
            Decision,
            InterventionPoint,
            TelemetryEvent,
            TelemetryEventType,
        )
    except ImportError:
        return
    telemetry = sinkwell.agt.TelemetrySink(emitter, permit="raw")
    point = InterventionPoint.PRE_TOOL_CALL
    telemetry.emit(TelemetryEvent(TelemetryEventType.DECISION, point, Decision.ESCALATE, reason_code="limit"))
    telemetry.shutdown()


def main(emitter: sinkwell.Emitter, how: str) -> None:
    installed = sinkwell.agt.install(emitter, permit="raw")
    tools = [govern(tool, policy=POLICY, agent_id="shop") for tool in (look, charge, pay)]
    try:
        with sinkwell.run("shop"):
            tools[0](q=MARKER, action="look")
            with contextlib.suppress(ValueError):
                tools[1](q=MARKER, action="charge")
            try:
                tools[2](q=MARKER, action="pay")
            except GovernanceDenied:
                print("END", True)
    except sinkwell.Error as error:
        print("REFUSED", error.kind, error)
    print("RAN", ",".join(RAN))
    installed.stop()
    if how == "sinks":
        sinks(emitter)
    emitter.shutdown(0.5)


main(opened(*sys.argv[1:3]), sys.argv[2])
