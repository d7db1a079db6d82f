"""``structlog`` into events: a processor that emits each entry as a ``log.record`` and passes it on.

    structlog.configure(processors=[..., sinkwell.structlog.Processor(), structlog.processors.JSONRenderer()])

The message and the bound values are the words of people: they travel as a content part, which leaves the
process only as far as the content policy lets it.
"""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

from ._content import part
from ._emitter import Emitter, default_emitter
from ._errors import Error
from ._process import inside_sink

_SEVERITIES = {
    "critical": "fatal",
    "fatal": "fatal",
    "exception": "error",
    "error": "error",
    "warning": "warn",
}


class Processor:
    """Emits an entry and returns it unchanged. Logging never fails because of it."""

    def __init__(self, emitter: Emitter | None = None) -> None:
        self._emitter = emitter

    def __call__(self, logger: Any, method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Called by structlog."""
        if inside_sink.get():
            return entry
        name = getattr(logger, "name", None)
        data: dict[str, Any] = {"level": method, **({"logger": name} if isinstance(name, str) else {})}
        severity = _SEVERITIES.get(method, method if method in ("warn", "info", "debug") else "info")
        text = json.dumps(entry, default=repr, sort_keys=True)
        content = [part("message", text=text, mediatype="application/json")]
        try:
            (self._emitter or default_emitter()).emit("log.record", data, severity=severity, content=content)
        except Error as error:
            entry.setdefault("sinkwell", f"not emitted: {error.kind}")
        return entry
