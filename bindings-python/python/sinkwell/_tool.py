"""``@sinkwell.tool``: what each call of a function came to, as a ``tool.invocation``.

Guarantees: the function does, returns and raises what it does without it; the event is emitted after the call, waits
for nothing, and one that cannot be emitted is counted by the emitter (``refused``) and said once a minute.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, TypeVar, overload

from ._content import part
from ._emitter import Emitter, default_emitter
from ._errors import Error, InvalidArgument
from ._process import log_seldom

_F = TypeVar("_F", bound=Callable[..., Any])


@overload
def tool(function: _F, /) -> _F: ...
@overload
def tool(
    name: str | None = None,
    /,
    *,
    emitter: Emitter | None = None,
    subject: str | None = None,
    content: bool = False,
) -> Callable[[_F], _F]: ...
def tool(
    function: Any = None,
    /,
    *,
    emitter: Emitter | None = None,
    subject: str | None = None,
    content: bool = False,
) -> Any:
    """Emit a ``tool.invocation`` after each call of a function, plain, ``async`` or a generator of either kind::

        @sinkwell.tool                       # or @sinkwell.tool("search", subject="tool:search")
        async def search(query: str) -> list[str]: ...

    The event has the function's name (or the one given), ``outcome`` (``ok``, ``error``, ``timeout``, ``cancelled``),
    ``duration_ms`` and ``error.type``, and belongs to the ambient run. It never waits: where a blocking lane has no
    room, the call goes on and the event is counted as refused. An act that must not happen without its record is a
    deed, not a tool. ``emitter`` is the process's default one unless given; with ``content=True`` arguments and
    result go along as content parts, which leave the process only as far as the content policy lets them.
    """
    if callable(function):
        return _wrapped(function, function.__name__, emitter, subject, content)
    if not isinstance(function, str | None):
        raise InvalidArgument('a tool is a function, or has a name: @tool or @tool("search")', where="tool")
    return lambda wrapped: _wrapped(wrapped, function or wrapped.__name__, emitter, subject, content)


class _Call:
    """One call, from its begin to its event."""

    def __init__(self, name: str, emitter: Emitter | None, subject: str | None) -> None:
        self._name = name
        self._emitter = emitter
        self._subject = subject
        self.content: list[dict[str, Any]] = []
        self._start = time.perf_counter()

    def ended(self, error: BaseException | None) -> None:
        data: dict[str, Any] = {
            "tool": self._name,
            "outcome": _outcome(error),
            "duration_ms": round((time.perf_counter() - self._start) * 1000),
        }
        if error is not None:
            data["error.type"] = type(error).__qualname__
        try:
            emitter = self._emitter or default_emitter()
            emitter.emit(
                "tool.invocation", data, subject=self._subject, content=self.content or None, _may_wait=False
            )
        except Error as refused:
            log_seldom("warning", f"a call of the tool {self._name!r} is not recorded: {refused}")


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return "ok"
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
        return "timeout"
    if isinstance(error, (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit)):
        return "cancelled"
    return "error"


def _words(content_class: str, value: Any) -> dict[str, Any]:
    """A value as the words of people; one that cannot be written says only what it is."""
    try:
        text = json.dumps(value, default=repr, ensure_ascii=False)
        text.encode()
    except Exception:
        text = json.dumps(type(value).__qualname__)
    return part(content_class, text=text, mediatype="application/json")


def _wrapped(
    function: Any, name: str, emitter: Emitter | None, subject: str | None, content: bool
) -> Callable[..., Any]:
    def begin(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> _Call:
        call = _Call(name, emitter, subject)
        if content:
            given = [*arguments, keywords] if keywords else [*arguments]
            call.content.append(_words("tool_arguments", given))
        return call

    def result(call: _Call, value: Any) -> Any:
        if content:
            call.content.append(_words("tool_result", value))
        call.ended(None)
        return value

    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def stream(*arguments: Any, **keywords: Any) -> AsyncGenerator[Any, Any]:
            call = begin(arguments, keywords)
            items = function(*arguments, **keywords)
            try:
                async for item in items:
                    yield item
            except BaseException as error:
                call.ended(error)
                raise
            finally:
                await items.aclose()
            call.ended(None)

        return stream

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*arguments: Any, **keywords: Any) -> Any:
            call = begin(arguments, keywords)
            try:
                value = await function(*arguments, **keywords)
            except BaseException as error:
                call.ended(error)
                raise
            return result(call, value)

        return awaited

    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generated(*arguments: Any, **keywords: Any) -> Generator[Any, Any, Any]:
            call = begin(arguments, keywords)
            try:
                value = yield from function(*arguments, **keywords)
            except BaseException as error:
                call.ended(error)
                raise
            return result(call, value)

        return generated

    @functools.wraps(function)
    def plain(*arguments: Any, **keywords: Any) -> Any:
        call = begin(arguments, keywords)
        try:
            value = function(*arguments, **keywords)
        except BaseException as error:
            call.ended(error)
            raise
        return result(call, value)

    return plain
