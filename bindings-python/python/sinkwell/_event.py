"""A sealed event, as host sinks receive it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

from . import _native
from ._verify import KeySource, key_list


def _when(text: str) -> datetime.datetime:
    # The wire has nanoseconds; Python's dates have microseconds.
    return datetime.datetime.fromisoformat(text[:26]).replace(tzinfo=datetime.timezone.utc)


class SignedGovernanceEvent:
    """A sealed event: its attributes as properties, and the exact bytes that verify.

    Every attribute of the envelope answers to its name on the wire (``agentid``) and, where that differs, to
    Python's spelling (``agent_id``). Optional attributes are ``None`` where the envelope has none.
    """

    __slots__ = ("_document", "_envelope")

    def __init__(self, envelope: _native.Envelope) -> None:
        self._envelope = envelope
        self._document: dict[str, Any] | None = None

    @property
    def bytes(self) -> bytes:
        """The exact line, without its newline."""
        return self._envelope.bytes

    @property
    def envelope(self) -> dict[str, Any]:
        """The whole envelope as a mapping."""
        if self._document is None:
            self._document = json.loads(self._envelope.bytes)
        return self._document

    @property
    def hash(self) -> str:
        """64 hex digits: the next envelope's ``prevhash``."""
        return self._envelope.hash

    @property
    def idempotency_key(self) -> str:
        """The hash: a receiver drops a repeat of the same."""
        return self._envelope.hash

    @property
    def event_digest(self) -> str:
        """64 hex digits: what happened, without its place; the same in every lane that sealed it in the same form."""
        return self._envelope.digest

    @property
    def terminal(self) -> bool:
        """Whether losing it would falsify a run's outcome, usage, cost or a sink's state."""
        return self._envelope.terminal

    def verify(self, keys: Mapping[str, KeySource]) -> bool:
        """Whether one of ``keys`` has sealed exactly this. Says nothing of its place in a stream."""
        return self._envelope.verify(key_list(keys))

    @property
    def data(self) -> dict[str, Any]:
        """The event's data."""
        data: dict[str, Any] = self.envelope["data"]
        return data

    @property
    def sequence(self) -> int:
        """Its number in its stream."""
        return int(self.envelope["sequence"])

    @property
    def time(self) -> datetime.datetime:
        """When it occurred."""
        return _when(self.envelope["time"])

    @property
    def recordedtime(self) -> datetime.datetime:
        """When it was sealed."""
        return _when(self.envelope["recordedtime"])

    @property
    def specversion(self) -> str:
        """Of CloudEvents."""
        return self._text("specversion")

    @property
    def id(self) -> str:
        """Its id, the same in every lane: a UUIDv7, or the host's own."""
        return self._text("id")

    @property
    def source(self) -> str:
        """URI-reference of the producer."""
        return self._text("source")

    @property
    def type(self) -> str:
        """The full type."""
        return self._text("type")

    @property
    def subject(self) -> str | None:
        """What it is about."""
        return self._maybe("subject")

    @property
    def datacontenttype(self) -> str:
        """Of ``data``."""
        return self._text("datacontenttype")

    @property
    def dataschema(self) -> str:
        """The schema and its version."""
        return self._text("dataschema")

    @property
    def origin(self) -> str | None:
        """``core`` on sinkwell's own envelopes."""
        return self._maybe("origin")

    @property
    def agentid(self) -> str:
        """The emitting agent."""
        return self._text("agentid")

    @property
    def tenantid(self) -> str | None:
        """Tenant scope."""
        return self._maybe("tenantid")

    @property
    def policyversion(self) -> str | None:
        """Version of the policy bundle in force."""
        return self._maybe("policyversion")

    @property
    def traceparent(self) -> str | None:
        """W3C trace context."""
        return self._maybe("traceparent")

    @property
    def tracestate(self) -> str | None:
        """W3C trace state."""
        return self._maybe("tracestate")

    @property
    def correlationid(self) -> str | None:
        """Of the whole conversation."""
        return self._maybe("correlationid")

    @property
    def causationid(self) -> str | None:
        """Of the event that caused this one."""
        return self._maybe("causationid")

    @property
    def severitytext(self) -> str:
        """``TRACE`` … ``FATAL``."""
        return self._text("severitytext")

    @property
    def severitynumber(self) -> int:
        """1 … 21."""
        return int(self.envelope["severitynumber"])

    @property
    def runid(self) -> str | None:
        """The agent run."""
        return self._maybe("runid")

    @property
    def turnid(self) -> str | None:
        """The turn in the run."""
        return self._maybe("turnid")

    @property
    def attemptid(self) -> str | None:
        """The attempt in the turn."""
        return self._maybe("attemptid")

    @property
    def streamid(self) -> str:
        """The stream it belongs to."""
        return self._text("streamid")

    @property
    def prevhash(self) -> str | None:
        """Hash of the stream's previous envelope; none on the first."""
        return self._maybe("prevhash")

    @property
    def sigalg(self) -> str | None:
        """``ed25519`` or ``hmac-sha256``."""
        return self._maybe("sigalg")

    @property
    def keyid(self) -> str | None:
        """Which key: a hint, never itself trusted."""
        return self._maybe("keyid")

    @property
    def signature(self) -> str | None:
        """Base64."""
        return self._maybe("signature")

    spec_version = specversion
    recorded_time = recordedtime
    data_content_type = datacontenttype
    data_schema = dataschema
    agent_id = agentid
    tenant_id = tenantid
    policy_version = policyversion
    trace_parent = traceparent
    trace_state = tracestate
    correlation_id = correlationid
    causation_id = causationid
    severity_text = severitytext
    severity_number = severitynumber
    run_id = runid
    turn_id = turnid
    attempt_id = attemptid
    stream_id = streamid
    prev_hash = prevhash
    sig_alg = sigalg
    key_id = keyid

    def _text(self, name: str) -> str:
        value: str = self.envelope[name]
        return value

    def _maybe(self, name: str) -> str | None:
        return self.envelope.get(name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SignedGovernanceEvent) and self.bytes == other.bytes

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        return f"<SignedGovernanceEvent {self.type} {self.streamid}/{self.sequence}>"
