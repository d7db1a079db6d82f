"""The emitter, and the process's default one."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, TypeVar

from . import _native, _sinks, _vacuum
from ._errors import InvalidArgument
from ._native import Receipt
from ._process import flush_before_exec, inside_sink, last_words
from ._sinks import GovernanceEventSink, Signer
from ._vacuum import Log, Vacuumed

if TYPE_CHECKING:
    from ._deed import Deed

_T = TypeVar("_T")

Configuration = str | os.PathLike[str] | Mapping[str, Any]


async def with_room(attempt: Callable[[_native.Room], _T]) -> _T:
    """What ``attempt`` answers, tried again whenever blocking lanes that had no room may have some, as long as the core
    lets it wait; without blocking the event loop.
    """
    loop = asyncio.get_running_loop()
    start = loop.time()
    while True:
        waited = loop.time() - start
        room = _native.Room(waited)
        try:
            return attempt(room)
        except _native._NoRoom as no_room:
            limit: float = no_room.args[0]
        await asyncio.wait([room.future], timeout=max(0.0, limit - waited))


class Emitter(_native.Emitter):
    """Seals events and hands them to every lane. All calls may come from any thread.

    Made by ``Emitter.open``. ``with`` and ``async with`` shut it down at the end; so does the normal end of the
    process.
    """

    def __new__(cls, *arguments: Any, **more: Any) -> Emitter:
        """Not for users: ``Emitter.open`` opens one."""
        if len(arguments) != 5:
            raise TypeError("open an emitter with sinkwell.Emitter.open(config), or use sinkwell.emit")
        opened: Emitter = super().__new__(cls, *arguments, **more)  # type: ignore[assignment]
        return opened

    @classmethod
    def open(
        cls,
        config: Configuration | None = None,
        *,
        sinks: Iterable[Any] = (),
        signer: Any | None = None,
        manual: bool = False,
    ) -> Emitter:
        """Open an emitter from a file, a mapping, or (with neither) the environment.

        ``sinks`` are written in Python (``GovernanceEventSink``); ``signer`` is what ``key: {signer: host}``
        signs with. A ``manual`` emitter has no threads: ``drain`` delivers. Raises ``InvalidConfig`` (with file, line
        and key in ``where``), ``Policy``, ``Key``, ``Journal``, ``RequiredSinkUnavailable``.
        """
        described = [_sinks.describe(sink, manual=manual) for sink in sinks]
        runner = None if signer is None else _sinks.SignerRunner(signer)
        return cls(config, described, runner, manual, _sinks.plugin)

    async def aemit(self, type: str, data: Mapping[str, Any] | None = None, **event: Any) -> Receipt:
        """Emit as ``emit`` does, waiting for room in blocking lanes without blocking the event loop."""
        return await with_room(lambda room: self.emit(type, data, _room=room, **event))

    def deed(
        self,
        type: str,
        data: Mapping[str, Any] | None = None,
        *,
        until: str | None = None,
        timeout: float | None = None,
        **event: Any,
    ) -> Deed:
        """Do something with an outside effect only once its intent is safe, as ``sinkwell.deed`` does with the
        process's default emitter.
        """
        from ._deed import Deed

        return Deed(self, type, data, until, timeout, event)

    def vacuum(
        self,
        log: Log,
        *,
        process: str | None = None,
        nonce: int | None = None,
        format: str = "auto",
        out: IO[Any] | None = None,
    ) -> Vacuumed:
        """Take the events out of a log; every other line passes through.

        ``log`` is text, bytes, a file object, or an iterable of either. ``process`` says whose log it is and ``nonce``
        which message, block or batch of it, an integer from 0 that a double holds: the same line has the same id then,
        and a lane that has the nonce is not sent it again. ``format`` is what carries the lines: ``auto``, ``plain``,
        ``docker``, ``cri``, ``lambda`` or ``journald``. What goes through is written to ``out``, or returned. Off, and
        everything goes through, until the configuration (``vacuum``) or ``SINKWELL_VACUUM_TRANSPORTS`` says otherwise.

        Raises ``InvalidArgument``; what the log's own ``read`` raises ends it, and its nonce does not count then.
        """
        return _vacuum.vacuum(self, log, process=process, nonce=nonce, format=format, out=out)

    def add_sink(self, sink: GovernanceEventSink | Any, **lane: Any) -> None:
        """Add a lane for a sink written in Python; ``lane`` takes any key of a lane."""
        self._add_sink(_sinks.describe(sink, lane or None))

    def change_key(self, key: Mapping[str, Any], *, signer: Signer | Any | None = None) -> None:
        """Seal with another key from the next envelope on; ``key`` is a ``key:`` section."""
        self._change_key(key, None if signer is None else _sinks.SignerRunner(signer))

    def repair(self, lane: str, start: Mapping[str, Any]) -> None:
        """Have a durable lane export again what its journal still holds, from an envelope on: ``start`` has a
        ``streamid`` and a ``sequence``, as the ``repair`` cursor of a record has.

        Nothing is sealed anew, and content goes only as far as today's policy lets it.
        """
        try:
            streamid, sequence = str(start["streamid"]), int(start["sequence"])
        except (KeyError, TypeError, ValueError):
            raise InvalidArgument("a cursor has a streamid and a sequence", "from") from None
        self._repair(lane, streamid, sequence)

    def drain(self, lane: str) -> Drained:
        """Deliver what a lane of a manual emitter holds, on this thread."""
        with _sinks.parked():
            return Drained(self._drain(lane))

    def flush(self, timeout: float | None = None) -> dict[str, dict[str, Any]]:
        """Wait, ``timeout`` seconds at most (5 unless given), until every lane has delivered or declared what it was
        given. Returns by lane what was ``delivered``, what is ``pending``, and ``where`` that is (``none``, ``memory``,
        ``journal``).

        On a thread that runs an event loop, await ``aflush`` instead. Inside a sink neither waits, as it
        would wait for itself.
        """
        with _sinks.parked():
            return self._flush(0 if inside_sink.get() else timeout)

    def shutdown(self, timeout: float | None = None) -> dict[str, dict[str, Any]]:
        """End the emitter: what is queued is delivered, every stream closed, as far as ``timeout`` (seconds, 5 unless
        given) allows. Returns what ``flush`` returns.

        On a thread that runs an event loop, await ``ashutdown`` instead. Inside a sink both begin it, and say what is
        left now, as they would wait for themselves. Safe to call again.
        """
        with _sinks.parked():
            return self._shutdown(timeout, inside_sink.get())

    async def aflush(self, timeout: float | None = None) -> dict[str, dict[str, Any]]:
        """As ``flush``, without blocking the event loop."""
        limit = 0 if inside_sink.get() else timeout
        return await asyncio.get_running_loop().run_in_executor(None, self._flush, limit)

    async def ashutdown(self, timeout: float | None = None) -> dict[str, dict[str, Any]]:
        """As ``shutdown``, without blocking the event loop."""
        return await asyncio.get_running_loop().run_in_executor(
            None, self._shutdown, timeout, inside_sink.get()
        )

    def __enter__(self) -> Emitter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()

    async def __aenter__(self) -> Emitter:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.ashutdown()


class Drained(dict[str, Any]):
    """What one ``drain`` did: ``count`` events delivered, and the ``records`` of changes of state."""

    @property
    def count(self) -> int:
        """Events delivered."""
        count: int = self["count"]
        return count

    @property
    def records(self) -> list[dict[str, Any]]:
        """Changes of the lane's state on the way."""
        records: list[dict[str, Any]] = self["records"]
        return records


_default: Emitter | None = None


def default_emitter() -> Emitter:
    """The process's default emitter, opened from the environment on first use and again once it was shut."""
    global _default
    if _default is None or _default._closed:
        _default = Emitter(None, [], None, False, _sinks.plugin, default=True)
    return _default


def configure(
    config: Configuration | None = None, *, sinks: Iterable[Any] = (), signer: Any | None = None
) -> Emitter:
    """Open the process's default emitter as the program says, instead of from the environment: as ``Emitter.open``.

    Before its first event; where it is open already that is ``InvalidArgument``: ``shutdown`` it first. After
    ``shutdown`` the next use opens it again, from what was said last.
    """
    global _default
    described = [_sinks.describe(sink) for sink in sinks]
    runner = None if signer is None else _sinks.SignerRunner(signer)
    _default = Emitter(config, described, runner, False, _sinks.plugin, configure=True)
    return _default


def _open_default() -> Emitter | None:
    return None if _default is None or _default._closed else _default


def flush(timeout: float | None = None) -> dict[str, dict[str, Any]]:
    """Flush the process's default emitter, as ``Emitter.flush``; nothing is opened for it."""
    emitter = _open_default()
    return {} if emitter is None else emitter.flush(timeout)


def shutdown(timeout: float | None = None) -> dict[str, dict[str, Any]]:
    """Shut the process's default emitter down, as ``Emitter.shutdown``. The next use opens it again."""
    emitter = _open_default()
    return {} if emitter is None else emitter.shutdown(timeout)


async def aflush(timeout: float | None = None) -> dict[str, dict[str, Any]]:
    """As ``flush``, without blocking the event loop."""
    emitter = _open_default()
    return {} if emitter is None else await emitter.aflush(timeout)


async def ashutdown(timeout: float | None = None) -> dict[str, dict[str, Any]]:
    """As ``shutdown``, without blocking the event loop."""
    emitter = _open_default()
    return {} if emitter is None else await emitter.ashutdown(timeout)


def emit(type: str, data: Mapping[str, Any] | None = None, **event: Any) -> Receipt:
    return default_emitter().emit(type, data, **event)


emit.__doc__ = f"""Emit with the process's default emitter, as ``Emitter.emit`` does with one of your own.

{inspect.cleandoc(Emitter.emit.__doc__ or "")}
"""


async def aemit(type: str, data: Mapping[str, Any] | None = None, **event: Any) -> Receipt:
    """Emit with the process's default emitter, without blocking the event loop."""
    return await default_emitter().aemit(type, data, **event)


def authority_boundary() -> dict[str, Any]:
    """What sinks can and cannot do, as a value for those who must show it."""
    boundary: dict[str, Any] = _native.authority_boundary()
    return boundary


# --- the life of the process ------------------------------------------------------------------------------


def _after_fork() -> None:
    # The native half and the sinks hear of every fork by themselves. This is for multiprocessing, which ends
    # its children with os._exit, which runs its own finalizers only, and clears those of the parent first:
    # ours is registered when it has.
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(_child, _register_in_child)


class _Child:
    """Something for multiprocessing to hold on to."""


_child = _Child()


def _register_in_child(_: object) -> None:
    from multiprocessing import util

    util.Finalize(None, _end, exitpriority=0)


def _end() -> None:
    _native._end_all()
    last_words()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_end)
flush_before_exec()
_native._set_logger()
_util = sys.modules.get("multiprocessing.util")
if _util is not None:
    # In a child of the fork server this import comes before multiprocessing clears its finalizers.
    _util.register_after_fork(_child, _register_in_child)
_multiprocessing = sys.modules.get("multiprocessing.process")
if _multiprocessing is not None and _multiprocessing.parent_process() is not None:
    _register_in_child(None)
