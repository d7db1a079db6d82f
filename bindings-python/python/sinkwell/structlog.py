"""``structlog`` into events: a processor that emits each entry as a ``log.record`` and passes it on.

    structlog.configure(processors=[..., sinkwell.structlog.Processor(), structlog.processors.JSONRenderer()])

The message and the bound values are the words of people: they travel as content parts, which leave the
process only as far as ``permit`` and the content policy let them. No entry is dropped for what it holds.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Any

from ._emitter import Emitter, default_emitter
from ._errors import Error
from ._process import active_trace, inside_sink
from .logging import _stack, exception


class Processor:
    """Emits an entry and returns it unchanged. Logging never fails because of it.

    ``emitter`` is the default one if not given; ``permit`` is the most that the words may be captured
    (``off``, ``redacted_summary``, ``content_ref``, ``raw``), as that of a content part; default ``off``.
    """

    def __init__(self, emitter: Emitter | None = None, *, permit: str | None = None) -> None:
        self._emitter = emitter
        self._permit = permit

    def __call__(self, logger: Any, method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Called by structlog."""
        if inside_sink.get():
            return entry
        try:
            (self._emitter or default_emitter()).emit_log(self._described(logger, method, entry))
        except Exception as error:
            # What the program's own objects raise while they are read costs an entry no more than a refusal does.
            why = error.kind if isinstance(error, Error) else type(error).__qualname__
            entry.setdefault("sinkwell", f"not emitted: {why}")
        return entry

    def _described(self, logger: Any, method: str, entry: MutableMapping[str, Any]) -> dict[str, Any]:
        given = dict(entry)
        described: dict[str, Any] = {"level": method, "permit": self._permit, **(active_trace() or {})}
        name = given.pop("logger", None) or getattr(logger, "name", None)
        if isinstance(name, str):
            described["logger"] = name
        described["message"] = given.pop("event", None)
        given.pop("level", None)
        info = given.pop("exc_info", None)
        if info is True:
            info = sys.exc_info()
        elif isinstance(info, BaseException):
            info = (type(info), info, info.__traceback__)
        if isinstance(info, tuple) and len(info) == 3 and info[0] is not None:
            described["exception"] = exception(info[0], info[1], _stack(info))
        described["attributes"] = given
        return described
