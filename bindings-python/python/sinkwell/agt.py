"""Microsoft's Agent Governance Toolkit (AGT): sinkwell behind each of its sinks.

    sinkwell.agt.install()                                          # everything that govern() governs
    processor = sinkwell.agt.Processor()                            # for GovernanceEventProcessor; it loses nothing
    GovernanceEventProcessor().add_sink(sinkwell.agt.EventSink())
    AuditLog(sink=sinkwell.agt.AuditSink())
    GovernanceAuditLogger().add_backend(sinkwell.agt.AuditBackend())
    AgentControl(…, telemetry_sink=sinkwell.agt.TelemetrySink())

After ``install`` a governed call is a deed: it begins, once the toolkit's policy has allowed it, only when its intent
is safe; where governance requires a sink that is down, ``RequiredSinkUnavailable`` leaves the call and the function
does not run. Free texts and attributes, which may hold people's words, are content.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

try:
    from agent_os.event_sink import (  # type: ignore[import-not-found, unused-ignore]
        GovernanceEventProcessor,
        SinkExportResult,
    )
    from agentmesh.governance import (  # type: ignore[import-not-found, unused-ignore]
        GovernanceDenied,
        GovernedCallable,
    )
except (ImportError, ModuleNotFoundError) as error:
    raise ModuleNotFoundError(
        "sinkwell.agt needs the Agent Governance Toolkit: pip install 'sinkwell[agt]'",
        name=getattr(error, "name", None),
    ) from error

from ._emitter import Emitter, flush
from ._errors import Error
from ._process import log_seldom
from ._steps import Teller, new_id, plain, words

_DECISIONS = {
    "allow": "allow",
    "allowed": "allow",
    "permit": "allow",
    # It went on, and somebody was told.
    "warn": "allow",
    "log": "allow",
    "audit": "allow",
    "transform": "allow",
    "deny": "deny",
    "denied": "deny",
    "block": "deny",
    "blocked": "deny",
    "require_approval": "ask",
    "escalate": "ask",
    "ask": "ask",
}

_SEVERITIES = {"debug": "DEBUG", "info": "INFO", "warning": "WARN", "warn": "WARN", "error": "ERROR"}

_OUTCOMES = {"success": "ok", "denied": "denied"}

#: Kinds of the toolkit's events that are a violation, and those about an identity.
_BREACHES = {"policy_violation", "prompt_injection_detected", "mcp_tool_poisoning", "content_violation"}
_IDENTITIES = {"identity_verified": "verified", "identity_rejected": "refused"}
_CHECKS = {"policy_check": None, "tool_call_blocked": "deny", "escalation_requested": "ask"}


class _Told:
    """What the sinks share: one seam, and how what the toolkit says becomes an event."""

    def __init__(
        self,
        seam: str,
        emitter: Emitter | None,
        permit: str | None,
        package: str = "agent-governance-toolkit-core",
    ) -> None:
        self._teller = Teller(seam, package, emitter, permit)
        self._teller.watch()

    def stop(self) -> None:
        """Seal that nothing is watched any longer, and do nothing from now on."""
        self._teller.stop()

    @property
    def _stopped(self) -> bool:
        return not self._teller.watching

    def _emit(self, type: str, data: Mapping[str, Any], *texts: Any, **event: Any) -> None:
        """``texts`` are what may hold people's words: content parts."""
        content = []
        for text in texts:
            if text:
                said = text if isinstance(text, str) else json.dumps(plain(text), default=str, sort_keys=True)
                content += [
                    {**part, "permit": self._teller._permit or "off"} for part in words("message", said)
                ]
        kept = {name: value for name, value in data.items() if value is not None and value != ""}
        given = {name: value for name, value in event.items() if value is not None}
        self._teller.emitter.emit(type, kept, content=content or None, **given)

    def _flushed(self, seconds: float) -> bool:
        """Whether every lane delivered in time what it was given."""
        given = self._teller._given
        lanes = flush(seconds) if given is None else given.flush(seconds)
        return all(not lane.get("pending") for lane in lanes.values())


def _decision(word: Any) -> str:
    return _DECISIONS.get(str(getattr(word, "value", word)).lower(), "indeterminate")


def _id(value: Any) -> str | None:
    """An id of the toolkit's, if it can be one."""
    return value if isinstance(value, str) and re.fullmatch(r"[ -~]{1,128}", value) else None


def _subject(kind: str, name: Any) -> str | None:
    return f"{kind}:{name}" if name else None


def _type(prefix: str, kind: Any) -> str:
    """A type of event that sinkwell has no name for."""
    return f"{prefix}.{re.sub(r'[^a-z0-9_]', '_', str(kind).lower()) or 'unknown'}"


def _trace(trace: Any, span: Any = None) -> dict[str, Any] | None:
    hexes = [str(one).replace("-", "").lower() for one in (trace, span or "0" * 15 + "1")]
    known = re.fullmatch(r"[0-9a-f]{32}", hexes[0]) and re.fullmatch(r"[0-9a-f]{16}", hexes[1])
    return {"trace_id": hexes[0], "span_id": hexes[1]} if known and span else None


def _number(value: Any) -> Any:
    return (
        value if isinstance(value, (int, float)) and value == value and abs(value) != float("inf") else None
    )


class EventSink(_Told):
    """A ``GovernanceEventSink``. ``emitter`` is the process's default one unless given; ``permit`` the most that
    reasons and attributes may be captured (``off``, ``redacted_summary``, ``content_ref``, ``raw``), as that of a
    content part.
    """

    def __init__(self, emitter: Emitter | None = None, *, permit: str | None = None) -> None:
        super().__init__("agt.events", emitter, permit)

    def emit(self, events: Sequence[Any]) -> Any:
        """Seal a batch; ``FAILURE`` where one of them was refused, and nothing is raised."""
        failed = False
        for event in events:
            try:
                self.told(event)
            except Error as error:
                failed = True
                log_seldom("warning", f"an event of the Agent Governance Toolkit was not emitted: {error}")
        return SinkExportResult.FAILURE if failed else SinkExportResult.SUCCESS

    def told(self, event: Any) -> None:
        """Seal one event; raises what ``emit`` does."""
        kind = str(getattr(event.kind, "value", event.kind))
        data = {
            "agt.kind": kind,
            "action": event.action,
            "resource": event.resource,
            "rule": event.policy_name,
            "gen_ai.agent.id": event.agent_did or event.agent_id,
            "duration_ms": _number(event.latency_ms),
        }
        if kind in _CHECKS:
            type, said = "policy.decision", _CHECKS[kind] or _decision(event.decision)
            data["decision"] = said
        elif kind in _BREACHES:
            type = "policy.breach"
            data["reason"] = kind
            data["agt.decision"] = event.decision
        elif kind in _IDENTITIES:
            type = "identity.assertion"
            data["assertion"] = _IDENTITIES[kind]
            data["identity"] = event.agent_did or event.agent_id
        else:
            type = _type("ai.agentos", kind)
            data["agt.decision"] = event.decision
        self._emit(
            type,
            data,
            event.reason,
            event.attributes,
            subject=_subject("tool" if kind == "tool_call_blocked" else "action", event.action),
            # A kind that has a severity of its own keeps it.
            severity=None if type.startswith("policy.") else _SEVERITIES.get(str(event.severity).lower()),
            id=_id(event.event_id),
            time=event.occurred_at,
            run=_id(event.session_id),
            trace=_trace(event.trace_id, event.span_id),
        )

    def force_flush(self, timeout_ms: int = 30000) -> bool:
        """Whether all was delivered in time."""
        return self._flushed(timeout_ms / 1000)

    def shutdown(self, timeout_ms: int = 5000) -> bool:
        """As ``force_flush``; the emitter is the host's, who ends it."""
        flushed = self._flushed(timeout_ms / 1000)
        self.stop()
        return flushed


class Processor(GovernanceEventProcessor):  # type: ignore[misc, unused-ignore]
    """A ``GovernanceEventProcessor`` that loses nothing: each event is sealed before ``on_event`` returns, whatever the
    queue holds. Sinks that are added get it as the toolkit's own processor gives it to them, which drops the oldest.
    ``emitter`` and ``permit`` as those of ``EventSink``; all else as the toolkit's own takes it.

    What the emitter refuses counts as ``failed_count``, and is said to the host's logger.
    """

    def __init__(
        self, emitter: Emitter | None = None, *, permit: str | None = None, **processor: Any
    ) -> None:
        super().__init__(**processor)
        self._sealing = EventSink(emitter, permit=permit)
        self._counts = {"submitted": 0, "delivered": 0, "failed": 0}

    def on_event(self, event: Any) -> None:
        """Seal an event, and hand it on to the sinks that were added."""
        sealed = self._sealing.emit([event]) == SinkExportResult.SUCCESS
        if self._sinks:
            super().on_event(event)
            return
        with self._lock:
            self._counts["submitted"] += 1
            self._counts["delivered" if sealed else "failed"] += 1

    @property
    def submitted_count(self) -> int:
        """Events that it was given."""
        return int(getattr(super(), "submitted_count", 0)) + self._counts["submitted"]

    @property
    def delivered_count(self) -> int:
        """Events that were sealed, and that a sink has taken where some were added."""
        return int(getattr(super(), "delivered_count", 0)) + self._counts["delivered"]

    @property
    def failed_count(self) -> int:
        """Events that were refused."""
        return int(getattr(super(), "failed_count", 0)) + self._counts["failed"]

    def force_flush(self, timeout_ms: int = 30000) -> bool:
        """Whether every lane, and every sink that was added, delivered in time."""
        others = super().force_flush(timeout_ms)
        return self._sealing.force_flush(timeout_ms) and others

    def shutdown(self, timeout_ms: int = 5000) -> bool:
        """End the sinks that were added; the emitter is the host's, who ends it, and events are sealed still."""
        others = super().shutdown(timeout_ms)
        return self._sealing.force_flush(timeout_ms) and others

    def stop(self) -> None:
        """Seal that nothing is watched any longer."""
        self._sealing.stop()


class AuditSink(_Told):
    """An ``AuditSink`` for agentmesh's ``AuditLog``. ``emitter`` and ``permit`` as those of ``EventSink``. What the
    emitter refuses is raised: what the log was to be about does not happen.
    """

    def __init__(self, emitter: Emitter | None = None, *, permit: str | None = None) -> None:
        super().__init__("agt.audit", emitter, permit)

    def write(self, entry: Any) -> None:
        """Seal an entry."""
        if self._stopped:
            return
        more = dict(entry.data or {})
        rule = entry.matched_rule or more.pop("rule", None)
        data = {
            "agt.kind": entry.event_type,
            "action": entry.action,
            "resource": entry.resource,
            "gen_ai.agent.id": entry.agent_did,
            "agt.target": entry.target_did,
            "agt.entry_hash": entry.entry_hash,
            "agt.previous_hash": entry.previous_hash,
            "rule": rule if isinstance(rule, str) else None,
            "ruleset_version": getattr(entry, "policy_version", None),
        }
        if entry.policy_decision:
            type = "policy.decision"
            data["decision"] = _decision(entry.policy_decision)
            data["duration_ms"] = _number(more.pop("evaluation_ms", None))
        elif entry.event_type == "tool_invocation":
            type = "tool.invocation"
            data["tool"] = entry.action
            data["outcome"] = _OUTCOMES.get(entry.outcome, "error")
        else:
            type = _type("ai.agentmesh", entry.event_type)
            data["outcome"] = entry.outcome
        self._emit(
            type,
            data,
            more,
            subject=_subject("action", entry.action),
            id=_id(entry.entry_id),
            time=entry.timestamp,
            run=_id(entry.session_id),
        )

    def write_batch(self, entries: list[Any]) -> None:
        """Seal entries, in order."""
        for entry in entries:
            self.write(entry)

    def verify_integrity(self) -> tuple[bool, str | None]:
        """Whether everything was delivered; ``sinkwell verify`` checks what was written, with the keys."""
        if self._flushed(5):
            return True, None
        return False, "not everything is delivered; the lanes' health says why"

    def close(self) -> None:
        """Deliver what is on its way; the emitter is the host's, who ends it."""
        self._flushed(5)
        self.stop()


class AuditBackend(_Told):
    """An ``AuditBackend`` for ``GovernanceAuditLogger``. ``emitter`` and ``permit`` as those of ``EventSink``. What the
    emitter refuses is raised.
    """

    def __init__(self, emitter: Emitter | None = None, *, permit: str | None = None) -> None:
        super().__init__("agt.audit_logger", emitter, permit)

    def write(self, entry: Any) -> None:
        """Seal an entry."""
        if self._stopped:
            return
        data = {
            "agt.kind": entry.event_type,
            "action": entry.action,
            "gen_ai.agent.id": entry.agent_id,
            "duration_ms": _number(entry.latency_ms),
        }
        type = _type("ai.agentos", entry.event_type)
        if entry.decision:
            type = "policy.decision"
            data["decision"] = _decision(entry.decision)
        subject = _subject("action", entry.action)
        self._emit(type, data, entry.reason, entry.metadata, subject=subject, time=entry.timestamp)

    def flush(self) -> None:
        """Wait, five seconds at most, until every lane has delivered."""
        self._flushed(5)

    def close(self) -> None:
        """Seal that nothing is watched any longer."""
        self.stop()


class TelemetrySink(_Told):
    """A ``TelemetrySink`` for ``agent_control_specification``. ``emitter`` and ``permit`` as those of ``EventSink``.
    Its host swallows what a sink raises, so that this stops nothing.
    """

    def __init__(self, emitter: Emitter | None = None, *, permit: str | None = None) -> None:
        super().__init__("agt.telemetry", emitter, permit, "agent-control-specification")

    def emit(self, event: Any) -> None:
        """Seal an event."""
        if self._stopped:
            return
        point = str(getattr(event.intervention_point, "value", event.intervention_point))
        kind = str(getattr(event.event_type, "value", event.event_type))
        data = {
            "agt.kind": kind,
            "action": point,
            "rule": event.policy_id,
            # It is a code: free text is left out by its maker.
            "reason": event.reason_code,
            "error.type": event.error_class,
            "duration_ms": _number(event.duration_ms),
            "agt.mode": getattr(event.enforcement_mode, "value", event.enforcement_mode),
            "agt.evidence": event.evidence_artefact,
            "agt.action_identity": event.action_identity,
        }
        type = _type("ai.agentcontrol", kind)
        if event.decision is not None:
            type = "policy.decision"
            data["decision"] = _decision(event.decision)
        self._emit(type, data, dict(event.metadata or {}), subject=_subject("point", point))

    def force_flush(self) -> None:
        """Wait, five seconds at most, until every lane has delivered."""
        self._flushed(5)

    def shutdown(self) -> None:
        """As ``force_flush``; the emitter is the host's, who ends it."""
        self._flushed(5)
        self.stop()


class Installed(_Told):
    """What ``install`` has put in."""

    def __init__(self, emitter: Emitter | None, permit: str | None) -> None:
        super().__init__("agt.govern", emitter, permit)
        self._audit = AuditSink(emitter, permit=permit)

    def stop(self) -> None:
        """Seal that nothing is watched any longer, and do nothing from now on."""
        super().stop()
        self._audit.stop()

    def _adopt(self, governed: Any) -> None:
        """Have a governed call be a deed, and its decisions told."""
        if governed.__dict__.get("_sinkwell") is self:
            return
        governed.__dict__["_sinkwell"] = self
        governed._fn = self._deed(governed._fn)
        log = governed._audit
        if log is not None and (log._sink is None or isinstance(log._sink, AuditSink)):
            log._sink = self._audit

    def _deed(self, act: Callable[..., Any]) -> Callable[..., Any]:
        act = getattr(act, "_sinkwell_act", act)
        name = str(getattr(act, "__name__", None) or type(act).__name__)

        def call(args: Any, kwargs: Any) -> Any:
            given = {**{str(i): value for i, value in enumerate(args)}, **kwargs}
            shown = json.loads(json.dumps(plain(given), default=str))
            return self._teller.call(new_id(), name, input=shown)

        @functools.wraps(act)
        def called(*args: Any, **kwargs: Any) -> Any:
            if self._stopped:
                return act(*args, **kwargs)
            with call(args, kwargs) as deed:
                result = act(*args, **kwargs)
                deed.ended(output=str(result), outcome="ok")
                return result

        @functools.wraps(act)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            if self._stopped:
                return await act(*args, **kwargs)
            async with call(args, kwargs) as deed:
                result = await act(*args, **kwargs)
                deed.ended(output=str(result), outcome="ok")
                return result

        # A tool may be an object that is called.
        waits = any(map(inspect.iscoroutinefunction, (act, type(act).__call__)))
        made: Any = awaited if waits else called
        made._sinkwell_act = act
        return made  # type: ignore[no-any-return]


_call = GovernedCallable.__call__
_installed: Installed | None = None


@functools.wraps(_call)
def _watched(self: Any, *args: Any, **kwargs: Any) -> Any:
    installed = _installed
    if installed is None or installed._stopped:
        return _call(self, *args, **kwargs)
    installed._adopt(self)
    try:
        return _call(self, *args, **kwargs)
    except GovernanceDenied:
        if self._audit is None:
            # Nothing else tells of it.
            installed._teller.decided("deny", "agt.govern", tool=str(getattr(self, "__name__", "call")))
        raise


def install(emitter: Emitter | None = None, *, permit: str | None = None) -> Installed:
    """Watch every call that ``govern()`` governs, also those governed before: its decisions, and the call as a deed.
    ``emitter`` and ``permit`` as those of ``EventSink``. Installed again, what is there is returned; its ``stop`` ends
    it.
    """
    global _installed
    if _installed is None or _installed._stopped:
        _installed = Installed(emitter, permit)
        GovernedCallable.__call__ = _watched
    return _installed
