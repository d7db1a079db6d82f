"""Spans of any tracing SDK as events: the mapping is the core's, the same in every language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _native


def events_of_span(span: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The events that a span stands for, as keyword arguments of ``emit``; ``Emitter.emit_span`` emits them.

    A span has a ``name`` and may have ``trace_id``, ``span_id``, ``flags``, ``state``, ``start_unix_nano``,
    ``end_unix_nano`` (decimal digits in a string; without an end it has just started), ``status`` (``unset``,
    ``ok``, ``error``), ``attributes``, ``events`` (``{name, attributes}``) and ``permit``.
    """
    events: list[dict[str, Any]] = _native.events_of_span(span)
    return events
