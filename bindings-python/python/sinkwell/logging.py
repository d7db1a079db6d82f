"""``logging`` into events: one ``log.record`` per record.

    logging.getLogger().addHandler(sinkwell.logging.Handler())

The message is the words of people: it travels as a content part, and leaves the process only as far as the
content policy lets it. The event itself says which logger, at which level, from where.
"""

from __future__ import annotations

import logging
from typing import Any

from . import _native
from ._content import part
from ._emitter import Emitter, default_emitter
from ._errors import Error
from ._process import inside_sink


def severity(level: int) -> str:
    """The severity of a level of ``logging``."""
    name: str = _native._severity(level)
    return name


class Handler(logging.Handler):
    """Emits each record as a ``log.record``.

    Records of sinkwell's own logger are left out, and those from inside a sink: they would feed themselves.
    """

    def __init__(self, emitter: Emitter | None = None, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._emitter = emitter

    def emit(self, record: logging.LogRecord) -> None:
        """Emit a record; what goes wrong goes where ``logging`` sends it (``handleError``)."""
        if record.name.split(".")[0] == "sinkwell" or inside_sink.get():
            return
        try:
            data: dict[str, Any] = {"logger": record.name, "level": record.levelname}
            if record.exc_info and record.exc_info[0] is not None:
                data["error.type"] = record.exc_info[0].__qualname__
            data["code"] = {"function": record.funcName, "module": record.module, "line": record.lineno}
            (self._emitter or default_emitter()).emit(
                "log.record",
                data,
                severity=severity(record.levelno),
                content=[part("message", text=self.format(record))],
            )
        except (Error, ValueError, TypeError, RecursionError):
            self.handleError(record)
