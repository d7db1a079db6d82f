"""``logging`` into events: one ``log.record`` per record.

    logging.getLogger().addHandler(sinkwell.logging.Handler())

What a record says (its message, what was given as ``extra``, an exception's text) are the words of people:
they travel as content parts, and leave the process only as far as ``permit`` and the content policy let
them. The event itself says which logger, at which level, from where, and the exception's type. No record is
dropped for what it holds.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

from . import _native
from ._emitter import Emitter, default_emitter
from ._process import active_trace, inside_sink

# What every record has; the rest is the program's own (`extra`).
_OWN = frozenset(vars(logging.LogRecord("", 0, "", 0, None, None, None))) | {"message", "asctime", "taskName"}


def severity(level: int) -> str:
    """The severity (``trace`` … ``fatal``) of a level of ``logging``."""
    name: str = _native._severity(level)
    return name


class Handler(logging.Handler):
    """Emits each record as a ``log.record``.

    ``emitter`` is the default one if not given; ``level`` the least that is taken. ``permit`` is the most
    that the words may be captured (``off``, ``redacted_summary``, ``content_ref``, ``raw``), as that of a
    content part; default ``off``. With a formatter, the message is what it makes of the record. Records of
    sinkwell's own logger are left out, and those from inside a sink: they would feed themselves. What goes
    wrong goes to ``handleError``.
    """

    def __init__(
        self, emitter: Emitter | None = None, level: int = logging.NOTSET, *, permit: str | None = None
    ) -> None:
        super().__init__(level)
        self._emitter = emitter
        self._permit = permit

    def emit(self, record: logging.LogRecord) -> None:
        """Emit a record; what goes wrong goes where ``logging`` sends it (``handleError``)."""
        if str(record.name).split(".")[0] == "sinkwell" or inside_sink.get():
            return
        try:
            (self._emitter or default_emitter()).emit_log(self._described(record))
        except Exception:  # also what a record of the program's own making raises while it is read
            self.handleError(record)

    def _described(self, record: logging.LogRecord) -> dict[str, Any]:
        described: dict[str, Any] = {
            "scale": "logging",
            "level": record.levelno,
            "level_name": record.levelname,
            "logger": record.name,
            "time_unix_nano": str(int(record.created * 1e9)),
            "code": {"function": record.funcName, "module": record.module, "line": record.lineno},
            "permit": self._permit,
            **(active_trace() or {}),
        }
        # Last of all: however much they hold, the record's own members come first.
        attributes = {key: value for key, value in vars(record).items() if key not in _OWN}
        try:
            described["message"] = record.getMessage() if self.formatter is None else self.format(record)
        except Exception:  # arguments that do not fit the message cost the arguments, not the record
            described["message"] = record.msg
            attributes["args"] = record.args
        if record.exc_info and record.exc_info[0] is not None:
            described["exception"] = exception(record.exc_info[0], record.exc_info[1], record.exc_text)
            if described["exception"]["stack"] is None:
                described["exception"]["stack"] = _stack(record.exc_info)
        described["attributes"] = attributes
        return described


def exception(
    kind: type[BaseException], error: BaseException | None, stack: str | None = None
) -> dict[str, Any]:
    """An exception, as a log record has one."""
    return {"type": kind.__qualname__, "message": _said(error), "stack": stack}


def _said(error: BaseException | None) -> str | None:
    try:
        return None if error is None else str(error)
    except Exception:
        return None


def _stack(info: Any) -> str | None:
    try:
        return "".join(traceback.format_exception(*info)).rstrip()
    except Exception:
        return None
