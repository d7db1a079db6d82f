"""Sealed governance and telemetry events for AI agents.

``emit`` seals an event with the process's default emitter; ``Emitter.open`` opens one of your own;
``verify`` says what a file of sealed events proves.
"""

from ._audit import AuditLog
from ._content import evaluate_content_capture, part
from ._emitter import Emitter, aemit, authority_boundary, default_emitter, emit
from ._errors import (
    Backpressure,
    Closed,
    Error,
    Internal,
    InvalidArgument,
    InvalidConfig,
    InvalidEvent,
    Journal,
    Key,
    Policy,
    RequiredSinkUnavailable,
    Sink,
    Timeout,
    Unsupported,
    Verification,
)
from ._event import SignedGovernanceEvent
from ._native import Receipt, __version__
from ._sinks import (
    BatchGovernanceEventSink,
    GovernanceEventSink,
    Rejected,
    Signer,
    SinkClass,
    SinkHealth,
    Uncertain,
)
from ._spans import events_of_span
from ._usage import cost, model_usage, roll_up
from ._verify import verify

__all__ = [
    "AuditLog",
    "Backpressure",
    "BatchGovernanceEventSink",
    "Closed",
    "Emitter",
    "Error",
    "GovernanceEventSink",
    "Internal",
    "InvalidArgument",
    "InvalidConfig",
    "InvalidEvent",
    "Journal",
    "Key",
    "Policy",
    "Receipt",
    "Rejected",
    "RequiredSinkUnavailable",
    "SignedGovernanceEvent",
    "Signer",
    "Sink",
    "SinkClass",
    "SinkHealth",
    "Timeout",
    "Uncertain",
    "Unsupported",
    "Verification",
    "__version__",
    "aemit",
    "authority_boundary",
    "cost",
    "default_emitter",
    "emit",
    "evaluate_content_capture",
    "events_of_span",
    "model_usage",
    "part",
    "roll_up",
    "verify",
]
