"""Spans and log records as events: the mapping is the core's, the same in every language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _native


def event_of_log(record: Mapping[str, Any]) -> dict[str, Any]:
    """The event that a log record stands for, as ``emit`` takes one; ``Emitter.emit_log`` emits it.

    A record may have ``level`` (a name, or a number on the ``scale`` ``logging``, ``pino``, ``slog``,
    ``loglevel``, or OpenTelemetry's), ``level_name``, ``logger``, ``time`` or ``time_unix_nano``,
    ``message``, ``attributes``, ``exception`` (``{type, message, stack}``), ``code`` (``{function, module,
    file, line}``), ``trace_id``, ``span_id``, ``flags``, ``state``, ``run``, ``turn``, ``attempt``,
    ``correlation``, ``causation``, ``agent``, ``subject``, ``ambient`` (the run that the calling code works
    for, which ``emit_log`` adds) and ``permit``. Nothing is refused: what JSON cannot carry
    is spelled as a string, and ``respelled`` in the event's data counts it.
    """
    event: dict[str, Any] = _native.event_of_log(record)
    return event


def events_of_span(span: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The events that a span stands for, as keyword arguments of ``emit``; ``Emitter.emit_span`` emits them.

    A span has a ``name`` and may have ``trace_id``, ``span_id``, ``flags``, ``state``, ``start_unix_nano``,
    ``end_unix_nano`` (decimal digits in a string; without an end it has just started), ``status`` (``unset``,
    ``ok``, ``error``), ``attributes``, ``events`` (``{name, attributes}``) and ``permit``.
    """
    events: list[dict[str, Any]] = _native.events_of_span(span)
    return events
