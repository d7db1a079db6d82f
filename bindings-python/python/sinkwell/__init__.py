"""Sealed governance and telemetry events for AI agents.

``emit`` seals an event with the process's default emitter; ``Emitter.open`` opens one of your own;
``verify`` says what a file of sealed events proves.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._audit import AuditLog
from ._content import evaluate_content_capture, part
from ._context import Run, Scope, context, run, turn
from ._deed import Deed, deed
from ._emitter import (
    Emitter,
    aemit,
    aflush,
    ashutdown,
    authority_boundary,
    configure,
    default_emitter,
    emit,
    flush,
    shutdown,
)
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
from ._spans import event_of_log, events_of_span
from ._tool import tool
from ._usage import cost, model_usage, roll_up
from ._verify import verify
from ._view import View, view

__all__ = [
    "AuditLog",
    "Backpressure",
    "BatchGovernanceEventSink",
    "Closed",
    "Deed",
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
    "Run",
    "Scope",
    "SignedGovernanceEvent",
    "Signer",
    "Sink",
    "SinkClass",
    "SinkHealth",
    "Timeout",
    "Uncertain",
    "Unsupported",
    "Verification",
    "View",
    "__version__",
    "aemit",
    "aflush",
    "ashutdown",
    "authority_boundary",
    "configure",
    "context",
    "cost",
    "deed",
    "default_emitter",
    "emit",
    "evaluate_content_capture",
    "event_of_log",
    "events_of_span",
    "flush",
    "model_usage",
    "part",
    "roll_up",
    "run",
    "shutdown",
    "tool",
    "turn",
    "verify",
    "view",
]

_BRIDGES = frozenset(
    {
        "agent_framework",
        "agent_hooks",
        "agt",
        "celery",
        "claude_agent_sdk",
        "google_adk",
        "http",
        "langchain",
        "logging",
        "mcp",
        "openai_agents",
        "opentelemetry",
        "pydantic_ai",
        "structlog",
    }
)

if TYPE_CHECKING:
    from . import agent_framework as agent_framework
    from . import agent_hooks as agent_hooks
    from . import agt as agt
    from . import celery as celery
    from . import claude_agent_sdk as claude_agent_sdk
    from . import google_adk as google_adk
    from . import http as http
    from . import langchain as langchain
    from . import logging as logging
    from . import mcp as mcp
    from . import openai_agents as openai_agents
    from . import opentelemetry as opentelemetry
    from . import pydantic_ai as pydantic_ai
    from . import structlog as structlog
else:

    def __getattr__(name: str) -> Any:
        """The bridges are loaded when they are first named: each needs what it is a bridge to."""
        if name in _BRIDGES:
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
