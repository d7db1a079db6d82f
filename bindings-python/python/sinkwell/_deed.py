"""Deeds: acts that happen only once their intent is safe.

Guarantees: the body of a deed runs only after its intent is as safe as asked; what it returns and raises is its own;
however it ends, a result says so. Every rule is the core's (docs/DEEDS.md).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, TypeVar

from . import _native
from ._emitter import Emitter, default_emitter, with_room
from ._tool import _outcome

_F = TypeVar("_F", bound=Callable[..., Any])


class Deed:
    """One deed, or, as a decorator, one for each call. Made by ``Emitter.deed`` and ``sinkwell.deed``."""

    __slots__ = ("_act", "_data", "_emitter", "_event", "_timeout", "_type", "_until")

    def __init__(
        self,
        emitter: Emitter | None,
        type: str,
        data: Mapping[str, Any] | None,
        until: str | None,
        timeout: float | None,
        event: dict[str, Any],
    ) -> None:
        self._emitter = emitter
        self._type = type
        self._data = data
        self._event = event
        self._until = until
        self._timeout = timeout
        self._act: _native.Act | None = None

    @property
    def id(self) -> str:
        """The intent's id, which the result has as ``causationid``. There is one inside the deed."""
        return self._running().id

    def result(self, data: Mapping[str, Any], *, content: Iterable[Mapping[str, Any]] | None = None) -> None:
        """Say what came of the act, for the result's ``data`` and content parts; said again, it replaces what was said.

        ``outcome`` may be among it: ``ok``, ``error``, ``denied``, ``timeout``, ``cancelled``. Raises ``InvalidEvent``
        where the type of the deed does not allow it.
        """
        self._running().say(data, None if content is None else list(content))

    def _running(self) -> _native.Act:
        if self._act is None:
            raise RuntimeError("a deed is under way only inside its `with`")
        return self._act

    def _opening(
        self,
    ) -> tuple[Emitter, str, Mapping[str, Any] | None, dict[str, Any], str | None, float | None]:
        if self._act is not None:
            raise RuntimeError("this deed is under way; make another")
        emitter = self._emitter or default_emitter()
        return emitter, self._type, self._data, self._event, self._until, self._timeout

    def __enter__(self) -> Deed:
        self._act = _native.Act(*self._opening())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        act = self._running()
        self._act = None
        act.end(_outcome(error), _type_of(error))

    async def __aenter__(self) -> Deed:
        opening = self._opening()
        loop = asyncio.get_running_loop()
        start = loop.time()
        intent = await with_room(lambda room: _native.Intent(*opening, room))
        try:
            left = intent.timeout - (loop.time() - start)
            await asyncio.wait([intent.settled()], timeout=max(0.0, left))
        except BaseException:
            intent.withdraw()
            raise
        self._act = intent.act()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        act = self._running()
        self._act = None
        outcome, failed = _outcome(error), _type_of(error)
        try:
            await with_room(lambda room: act.end(outcome, failed, room))
        except BaseException:
            # Nobody waits any more: what fits now is sealed, and what does not the core says.
            act.end(outcome, failed)
            raise

    def __call__(self, function: _F) -> _F:
        """As a decorator: each call of the function, plain or ``async``, is a deed of its own."""
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                "a generator runs when it is iterated, not when it is called; use a deed inside it"
            )
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*arguments: Any, **keywords: Any) -> Any:
                async with self._again():
                    return await function(*arguments, **keywords)

            return awaited  # type: ignore[return-value]

        @functools.wraps(function)
        def plain(*arguments: Any, **keywords: Any) -> Any:
            with self._again():
                return function(*arguments, **keywords)

        return plain  # type: ignore[return-value]

    def _again(self) -> Deed:
        return Deed(self._emitter, self._type, self._data, self._until, self._timeout, self._event)


def _type_of(error: BaseException | None) -> str | None:
    return None if error is None else type(error).__qualname__


def deed(
    type: str,
    data: Mapping[str, Any] | None = None,
    *,
    emitter: Emitter | None = None,
    until: str | None = None,
    timeout: float | None = None,
    **event: Any,
) -> Deed:
    """Do something with an outside effect only once its intent is safe: on disk, or with the sinks that governance
    requires::

        with sinkwell.deed("tool.invocation", {"tool": "pay"}) as deed:
            receipt = pay()
            deed.result({"receipt": receipt.id})

    ``async with`` on a thread that runs an event loop; ``@sinkwell.deed(...)`` makes each call of a function a deed.
    ``type``, ``data`` and ``event`` are those of ``emit``. ``until`` is ``journaled`` (by default where a lane is
    durable), ``delivered`` to every required class, or ``enqueued``; ``timeout`` is in seconds, 10 unless given. When
    the body has ended, however it did, a second event says so: its ``phase`` is ``result``, and it has ``outcome``,
    ``duration_ms`` and ``error.type``.

    Where the intent does not become safe the body does not run, and this raises ``RequiredSinkUnavailable``,
    ``Journal``, ``Backpressure`` or ``Timeout``; also what ``emit`` raises, and ``InvalidArgument`` for a blocking deed
    on an event loop.
    """
    return Deed(emitter, type, data, until, timeout, event)
