"""What the native half asks of this process: its name, its thread, its logger."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import logging
import os
import signal
import sys
import threading
from types import FrameType

inside_sink: contextvars.ContextVar[bool] = contextvars.ContextVar("sinkwell_inside_sink", default=False)
"""Whether this code runs inside a host sink's delivery."""

_logger = logging.getLogger("sinkwell")
_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}


def program() -> str | None:
    """What the running program is called: the module given to ``-m``, else the script."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None and spec.name:
        name: str = spec.name
        return name.removesuffix(".__main__")
    stem = os.path.splitext(os.path.basename(sys.argv[0] if getattr(sys, "argv", None) else ""))[0]
    return stem if stem and not stem.startswith("-") else None


def place() -> str:
    """Where the calling code runs: ``sink``, ``loop``, or a ``thread`` that may wait."""
    if inside_sink.get():
        return "sink"
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return "thread"
    return "loop"


def moment(time: object) -> str | None:
    """An aware ``datetime`` as RFC 3339 text in UTC; ``None`` for anything else."""
    if not isinstance(time, datetime.datetime) or time.utcoffset() is None:
        return None
    return time.astimezone(datetime.timezone.utc).replace(tzinfo=None).isoformat() + "Z"


def log(level: str, message: str) -> None:
    """A diagnostic of the core."""
    _logger.log(_LEVELS[level], message)


def place_signal_handlers() -> None:
    """Puts a handler of ours where Python knows of none, above the one that the native half places below Python.

    A server that takes a signal for its own time (uvicorn) puts back what it found, by Python's own table, and
    raises the signal again: without this, that would be the default action, with everything still queued.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _on_signal)


def _on_signal(number: int, frame: FrameType | None) -> None:
    from . import _native, _sinks

    # Returns at once where the handler below Python's has the signal already, else not at all.
    with _sinks.parked():
        _native._end_on_signal(number)
