"""Trace context from OpenTelemetry, where the program uses it."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import INVALID_SPAN, get_current_span


def active() -> dict[str, Any] | None:
    """The active span's context, as ``emit`` takes one."""
    span = get_current_span()
    if span is INVALID_SPAN:
        return None
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return {
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "flags": int(context.trace_flags),
        "state": context.trace_state.to_header() or None,
    }
