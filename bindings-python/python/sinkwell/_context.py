"""Where the calling code is: the agent run it works for, and what an event takes from there.

Guarantees: what an ``emit`` says itself goes before what is ambient, member by member, as in every language
(docs/CONTEXT.md). What is ambient follows the code as context variables do: into tasks, ``asyncio.to_thread`` and
whatever copies a context, not into threads that are started by hand.
"""

from __future__ import annotations

import contextvars
from types import TracebackType
from typing import Any, TypeVar

from . import _native
from ._errors import InvalidArgument

_NAMES = ("run", "parent_run", "turn", "attempt", "causation", "correlation", "agent")
_Values = tuple[str | None, ...]
_S = TypeVar("_S", bound="Scope")


_NOWHERE: _Values = (None,) * len(_NAMES)


class _Place:
    """What is ambient, who said so, and what was before."""

    __slots__ = ("outer", "scope", "values")

    def __init__(self, values: _Values, scope: Scope, outer: _Place | None) -> None:
        self.values = values
        self.scope = scope
        self.outer = outer


_place: contextvars.ContextVar[_Place | None] = contextvars.ContextVar("sinkwell_place", default=None)


#: The trace context of the request that the calling code answers, as ``emit`` takes one.
_request: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar(
    "sinkwell_request", default=None
)


def request_trace() -> dict[str, Any] | None:
    """The trace context of the request that the calling code answers."""
    return _request.get()


def enter_trace(trace: dict[str, Any] | None) -> dict[str, Any] | None:
    """Have events take this trace context from here on, where no span of OpenTelemetry is active; what held before."""
    before = _request.get()
    if trace is not None:
        _native._look_for_trace(request_trace)
    _request.set(trace)
    return before


def leave_trace(before: dict[str, Any] | None) -> None:
    """Undo ``enter_trace``."""
    _request.set(before)


def _values() -> _Values | None:
    place = _place.get()
    return None if place is None else place.values


def _text(name: str, value: Any) -> str | None:
    """An id as text; the receipt of an event stands for its id."""
    if isinstance(value, _native.Receipt):
        return value.id
    if isinstance(value, str):
        return value
    raise InvalidArgument(f"must be a string, not {type(value).__name__}", name)


class Scope:
    """A stretch of code with something ambient: ``with`` or ``async with``. It may be entered again."""

    def __init__(self, changes: dict[str, str | None]) -> None:
        self._changes = changes

    def _enter(self) -> None:
        outer = _place.get()
        before = dict(zip(_NAMES, _NOWHERE if outer is None else outer.values, strict=True))
        if "run" in self._changes:
            # A run of its own: turn and attempt belong to the one around it. The same one again is no part of itself.
            around = before["run"]
            parent = before["parent_run"] if around == self._changes["run"] else around
            before.update(parent_run=parent, turn=None, attempt=None)
        elif "turn" in self._changes:
            before["attempt"] = None
        values = tuple((before | self._changes).values())
        _native._look_around(_values)
        _place.set(_Place(values, self, outer))

    def _leave(self) -> None:
        place = _place.get()
        above: list[_Place] = []
        while place is not None and place.scope is not self:
            above.append(place)
            place = place.outer
        if place is None:
            # Left in another context than it was entered in (a generator that another task closes): not ours to change.
            return
        # What was entered since, and is still to be left, stays (a generator that is closed within another scope). The
        # places themselves may be those of other tasks, too.
        left = place.outer
        for place in reversed(above):
            left = _Place(place.values, place.scope, left)
        _place.set(left)

    def __enter__(self: _S) -> _S:
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    async def __aenter__(self: _S) -> _S:
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()


class Run(Scope):
    """The scope of one agent run; see ``run``."""

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self._changes["run"])


def run(
    id: str | None = None,
    *,
    turn: str | None = None,
    attempt: str | None = None,
    agent: str | None = None,
    causation: str | _native.Receipt | None = None,
    correlation: str | None = None,
    parent_run: str | None = None,
) -> Run:
    """Events emitted inside belong to an agent run: ``with sinkwell.run("r-17") as run: …``.

    Without ``id`` the run gets a new one (``run.id``). Inside another run, that one is the ``parent_run``, and its
    ``agent``, ``causation`` and ``correlation`` go on. ``causation`` is the id, or the receipt, of what caused the run;
    ``agent`` must be the emitter's own or match its ``agent.allow``. It emits nothing itself: ``emit("run.started")``
    and ``emit("run.completed", …)`` inside it are about this run.
    """
    given = {"turn": turn, "attempt": attempt, "agent": agent, "causation": causation}
    more = {"correlation": correlation, "parent_run": parent_run}
    return Run(_changes({"run": _native._new_id() if id is None else id, **given, **more}))


def turn(
    id: str | None = None,
    *,
    attempt: str | None = None,
    agent: str | None = None,
    causation: str | _native.Receipt | None = None,
    correlation: str | None = None,
) -> Scope:
    """Events emitted inside belong to a turn of the run around it: ``with sinkwell.turn("t-2"): …``.

    What is not given stays as it is around it, but for the ``attempt`` where the turn is another. ``causation`` may be
    the receipt of the event that causes what follows.
    """
    given = {
        "turn": id,
        "attempt": attempt,
        "agent": agent,
        "causation": causation,
        "correlation": correlation,
    }
    return Scope(_changes(given))


def context() -> dict[str, str]:
    """What an event emitted here takes from where it is: those of ``run``, ``parent_run``, ``turn``, ``attempt``,
    ``causation``, ``correlation`` and ``agent`` that there are.
    """
    values = _values() or _NOWHERE
    return {name: value for name, value in zip(_NAMES, values, strict=True) if value is not None}


def _changes(given: dict[str, Any]) -> dict[str, str | None]:
    return {name: _text(name, value) for name, value in given.items() if value is not None}
