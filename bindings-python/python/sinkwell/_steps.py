"""What the integrations share: telling the core of steps, calls of tools as deeds, coverage.

Guarantees: telling of a step raises nothing and waits for nothing on a thread that runs an event loop; what the core
refuses it counts and says to the host's logger. A call of a tool runs only once its intent is safe. Which step is which
event is the core's to say (docs/STEPS.md).
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from . import _native
from ._context import Scope, context
from ._deed import Deed, deed
from ._emitter import Emitter, default_emitter
from ._errors import Error, InvalidEvent
from ._process import active_trace as _active
from ._process import log_seldom


def now() -> str:
    """The time in the form that a step has."""
    return str(time.time_ns())


def new_id() -> str:
    """An id for a step to which the framework gives none."""
    return _native._new_id()


def type_of(error: BaseException) -> str:
    """The class of an error, as the core knows errors."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def active_trace() -> dict[str, Any]:
    """The trace context that holds here, as members of a step."""
    return {name: value for name, value in (_active() or {}).items() if value is not None}


class Teller:
    """One integration, put in at one place of a program."""

    def __init__(self, seam: str, package: str, emitter: Emitter | None, permit: str | None) -> None:
        self._given = emitter
        self._seam = seam
        self._package = package
        self._permit = permit
        self._watching: str | None = None

    @property
    def emitter(self) -> Emitter:
        """The emitter of this integration: the one that it was given, or the process's default one."""
        return self._given or default_emitter()

    @property
    def watching(self) -> bool:
        """Whether this seam is watched: not before ``watch``, nor after ``stop``."""
        return self._watching is not None

    def watch(self) -> None:
        """Seal that this seam is watched from now on."""
        if self._watching is None:
            self._watching = new_id()
            self._cover("watching", {"id": self._watching})

    def stop(self) -> None:
        """Seal that this seam is watched no longer."""
        since, self._watching = self._watching, None
        if since is not None:
            self._cover("stopped", {"causation": since})

    def _cover(self, state: str, event: dict[str, Any]) -> None:
        try:
            version = importlib.metadata.version(self._package)
        except importlib.metadata.PackageNotFoundError:
            version = "unknown"
        data = {"seam": self._seam, "package": self._package, "version": version, "state": state}
        try:
            self.emitter.emit("coverage", data, **event)
        except Error as error:
            log_seldom("warning", f"that {self._seam} is {state} was not sealed: {error}")

    def step(self, kind: str, id: str, members: Mapping[str, Any]) -> dict[str, Any]:
        """A step, with what is the same for all that this integration tells."""
        step: dict[str, Any] = {"kind": kind, "id": id, "permit": self._permit}
        step.update(active_trace())
        step.update(members)
        if step.get("run") is None:
            step["run"] = context().get("run")
        return {name: value for name, value in step.items() if value is not None}

    def tell(self, kind: str, id: str, **members: Any) -> None:
        """Tell of a step; nothing is raised."""
        try:
            emitter = self.emitter
        except Error as error:
            log_seldom("warning", f"a step was not emitted: {error.kind} {error.where or ''}".rstrip())
            return
        # An integration never breaks what it watches; of what is refused the core counts and tells the logger.
        with contextlib.suppress(Error):
            emitter.emit_step(self.step(kind, id, members))

    def decided(
        self, decision: str, name: str, *, parent: str | None = None, tool: str | None = None, **members: Any
    ) -> None:
        """Tell what a guardrail, a policy or a person decided just now."""
        attributes = dict(members.pop("attributes", None) or {})
        if tool is not None:
            attributes["gen_ai.tool.name"] = tool
        at = now()
        self.tell(
            "decision",
            members.pop("id", None) or new_id(),
            name=name,
            parent=parent,
            decision=decision,
            start_unix_nano=at,
            end_unix_nano=at,
            attributes=attributes,
            **members,
        )

    def call(self, id: str, name: str, **members: Any) -> Call:
        """A tool's call as a deed: ``with`` or ``async with``. ``members`` are those of its step."""
        return Call(self, id, {"name": name, **members})


class Call:
    """One call of a tool, which happens only once its intent is safe."""

    __slots__ = ("_deed", "_ended", "_members", "_place", "_teller", "denied", "id")

    def __init__(self, teller: Teller, id: str, members: dict[str, Any]) -> None:
        self.id = id
        #: Whether somebody refused it meanwhile, which was told as a decision of its own.
        self.denied = False
        self._teller = teller
        self._members = members
        self._ended: dict[str, Any] = {}
        self._deed: Deed | None = None
        self._place: Scope | None = None

    def ended(self, **members: Any) -> None:
        """Say how it ended: ``output``, ``outcome``, ``error_type``, ``content`` of its step."""
        self._ended = members

    def _intent(self) -> tuple[Deed, dict[str, Any]]:
        start = {"start_unix_nano": now()}
        step = self._teller.step("tool", self.id, {**self._members, **start})
        self._members = {**{k: v for k, v in step.items() if k not in ("kind", "id", "input", "content")}}
        event: dict[str, Any] = self._teller.emitter._step_intent(step)
        return self._make(event), event

    def _make(self, event: Mapping[str, Any]) -> Deed:
        more = {name: value for name, value in event.items() if name not in ("type", "data")}
        return deed(event["type"], event.get("data"), emitter=self._teller.emitter, **more)

    def _without_content(self, event: dict[str, Any], error: InvalidEvent) -> Deed:
        """What is too large with people's words is told without them: the words are no reason to refuse an act."""
        parts = event.pop("content", None)
        if not parts:
            raise error
        event["data"] = {**event.get("data", {}), "content_left_out": len(parts)}
        return self._make(event)

    def _begun(self, begun: Deed, event: Mapping[str, Any]) -> None:
        self._deed = begun
        changes = {"causation": self.id}
        run = event.get("run")
        if run is not None and run != context().get("run"):
            changes["run"] = run
        self._place = Scope(dict(changes))
        self._place._enter()

    def _refused(self) -> None:
        # The step is over for the core, too.
        with contextlib.suppress(Error):
            self._teller.emitter._step_result(self._end(outcome="error"))

    def _end(self, **members: Any) -> dict[str, Any]:
        return self._teller.step("tool", self.id, {**self._members, **members, "end_unix_nano": now()})

    def _say(self, error: BaseException | None) -> None:
        members = dict(self._ended)
        if error is not None:
            members.setdefault("error_type", type_of(error))
        if self.denied:
            members["outcome"] = "error"
        # The act has happened: whatever is wrong with its record is no reason to break it.
        with contextlib.suppress(Error):
            said = self._teller.emitter._step_result(self._end(**members))
            data = said["data"]
            if self.denied:
                data["outcome"] = "denied"
            if self._deed is not None:
                try:
                    self._deed.result(data, content=said["content"] or None)
                except InvalidEvent:
                    self._deed.result({**data, "content_left_out": len(said["content"])})

    def _leave(self) -> None:
        if self._place is not None:
            self._place._leave()
            self._place = None

    def __enter__(self) -> Call:
        begun, event = self._intent()
        try:
            try:
                begun.__enter__()
            except InvalidEvent as error:
                begun = self._without_content(event, error)
                begun.__enter__()
        except BaseException:
            self._refused()
            raise
        self._begun(begun, event)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()
        self._say(error)
        begun, self._deed = self._deed, None
        if begun is not None:
            begun.__exit__(kind, error, trace)

    async def __aenter__(self) -> Call:
        begun, event = self._intent()
        try:
            try:
                await begun.__aenter__()
            except InvalidEvent as error:
                begun = self._without_content(event, error)
                await begun.__aenter__()
        except BaseException:
            self._refused()
            raise
        self._begun(begun, event)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()
        self._say(error)
        begun, self._deed = self._deed, None
        if begun is not None:
            await begun.__aexit__(kind, error, trace)


def put(table: dict[Any, Any], key: Any, value: Any, most: int = 16_384) -> None:
    """Remember what has begun and not ended; of a program that never ends what it begins, only the latest."""
    table[key] = value
    if len(table) > most:
        table.pop(next(iter(table)))


def words(content_class: str, text: str, role: str | None = None) -> list[dict[str, Any]]:
    """One content part of plain text."""
    part = {"class": content_class, "mediatype": "text/plain", "text": text}
    return [part if role is None else {**part, "role": role}]


def plain(value: Any) -> Any:
    """A framework's object as values of Python's own: what pydantic and dataclasses hold, and the rest as it is."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, bytearray)):
        return [plain(item) for item in value]
    return value
