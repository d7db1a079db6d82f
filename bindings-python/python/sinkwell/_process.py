"""What the native half asks of this process: its name, its thread, its logger."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import datetime
import functools
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

inside_sink: contextvars.ContextVar[bool] = contextvars.ContextVar("sinkwell_inside_sink", default=False)
"""Whether this code runs inside a host sink's delivery."""

_executor = concurrent.futures.ThreadPoolExecutor
_submit = _executor.submit


def follow_into_executors() -> None:
    """Have what a sink gives to an executor (``loop.run_in_executor``) count as inside the sink, as what it gives to
    ``asyncio.to_thread`` does: an executor's threads know nothing of the context they work for, and what is logged
    there would come back to the sink without end.
    """
    if _executor.submit is not _submit_inside:
        _executor.submit = _submit_inside  # type: ignore[method-assign, assignment]


@functools.wraps(_submit)  # type: ignore[arg-type]
def _submit_inside(
    self: concurrent.futures.ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> concurrent.futures.Future[Any]:
    if not inside_sink.get():
        return _submit(self, fn, *args, **kwargs)
    # The thread that may be started for it is everybody's.
    token = inside_sink.set(False)
    try:
        return _submit(self, _inside, fn, *args, **kwargs)
    finally:
        inside_sink.reset(token)


def _inside(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    token = inside_sink.set(True)
    try:
        return fn(*args, **kwargs)
    finally:
        inside_sink.reset(token)


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


def active_trace() -> dict[str, Any] | None:
    """The active span's context as ``emit`` takes one, where the program uses OpenTelemetry; else that of the request
    that is being answered.
    """
    if "opentelemetry.trace" in sys.modules:
        from ._trace import active

        if (span := active()) is not None:
            return span
    from ._context import request_trace

    return request_trace()


def moment(time: object) -> str | None:
    """An aware ``datetime`` as RFC 3339 text in UTC; ``None`` for anything else."""
    if not isinstance(time, datetime.datetime):
        return None
    try:
        if time.utcoffset() is None:
            return None
        return time.astimezone(datetime.timezone.utc).replace(tzinfo=None).isoformat() + "Z"
    except Exception:
        # The years 1 and 9999 have moments that are in neither; a time zone may be the program's own.
        return None


_unheard: list[str] = []


def _somebody_listens() -> bool:
    """Whether a record of our logger reaches anybody: a handler that does something, or ``logging``'s last resort."""
    found = False
    logger: logging.Logger | None = _logger
    while logger is not None:
        for handler in logger.handlers:
            found = True
            if not isinstance(handler, logging.NullHandler):
                return True
        logger = logger.parent if logger.propagate else None
    return not found and logging.lastResort is not None


def log(level: str, message: str) -> None:
    """A diagnostic of the core. What nobody hears is said at the end of the process, on stderr."""
    number = _LEVELS[level]
    if number >= logging.WARNING and not (_logger.isEnabledFor(number) and _somebody_listens()):
        if len(_unheard) < 100:
            _unheard.append(message)
        return
    _logger.log(number, message)


_seldom: dict[str, float] = {}


def log_seldom(level: str, message: str) -> None:
    """A diagnostic of ours that could come with every event: each once a minute at most, a hundred of them."""
    now = time.monotonic()
    if now < _seldom.get(message, now) or (len(_seldom) >= 100 and message not in _seldom):
        return
    _seldom[message] = now + 60
    log(level, message)


def last_words() -> None:
    """At the end of the process: what nobody has heard."""
    unheard, _unheard[:] = list(_unheard), []
    try:
        for message in unheard:
            # In one write: between print's two, a lane that writes to stderr could put an event.
            sys.stderr.write(f"sinkwell: {message}\n")
    except (OSError, ValueError, AttributeError):
        # A stderr that is closed, or none: nobody is left to be told.
        pass


def flush_before_exec() -> None:
    """Have what is queued delivered before this process becomes another program (``os.execv`` and its like, which all
    end in these two). It may still fail, so nothing is shut down.
    """
    for name in ("execv", "execve"):
        original = getattr(os, name, None)
        if original is not None and not hasattr(original, "_sinkwell"):
            setattr(os, name, _flushing(original))


def _flushing(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def execute(*arguments: Any, **keywords: Any) -> Any:
        from . import _native, _sinks

        with _sinks.parked():
            _native._flush_all()
        return original(*arguments, **keywords)

    execute._sinkwell = True  # type: ignore[attr-defined]
    return execute


def place_signal_handlers(free: list[int]) -> None:
    """Put a handler of ours where nobody has one (``free``), above the one that the native half places below. Where
    Python knows of none and a server that runs Python has one (uWSGI), that one stays.

    A server that takes a signal for its own time (uvicorn) puts back what it found, by Python's own table,
    and raises the signal again. That would be the default action, with everything queued; so from now on
    whoever asks for the default action of these signals gets it by way of the emitters.
    """
    if signal.signal is not _set_signal:
        signal.signal = _set_signal
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if number in free and signal.getsignal(number) is signal.SIG_DFL:
                _signal(number, _on_signal)


_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_signal = signal.signal


@functools.wraps(_signal)
def _set_signal(signalnum: int, handler: Any) -> Any:
    return _signal(signalnum, _on_signal if signalnum in _SIGNALS and handler == signal.SIG_DFL else handler)


def _on_signal(number: int, frame: FrameType | None) -> None:
    from . import _native, _sinks

    # Returns at once where the handler below Python's has the signal already, else not at all.
    with _sinks.parked():
        _native._end_on_signal(number)


def _real_start() -> Callable[..., Any] | None:
    """What starts a thread of the system, where gevent or eventlet has put green ones in its place."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("_thread"):
        start: Callable[..., Any] = gevent.get_original("_thread", "start_new_thread")
        return start
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        start = eventlet.original("_thread").start_new_thread
        return start
    return None


def new_event_loop() -> asyncio.AbstractEventLoop:
    """An event loop for such a thread."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("selectors"):
        return asyncio.SelectorEventLoop(gevent.get_original("selectors", "DefaultSelector")())
    return asyncio.new_event_loop()


def start_thread(run: Callable[[], Any], name: str) -> None:
    """Start a thread that the process does not wait for. A green one would run only while its hub has nothing
    else to do, and no lane could wake it.
    """
    start = _real_start()
    if start is None:
        threading.Thread(target=run, name=name, daemon=True).start()
    else:
        start(run, ())
