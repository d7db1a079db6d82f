"""Errors: one class per kind of the core's closed list."""

from __future__ import annotations

from typing import ClassVar

from . import _native

_CODES = dict(_native._kinds())


class Error(Exception):
    """An error of sinkwell.

    ``kind`` is the name that every language shares, ``code`` its frozen number, ``where`` the place it is
    about (a path in the data, a configuration key with file and line, a lane), ``message`` what happened and
    what to do.
    """

    kind: ClassVar[str] = "internal"

    def __init__(self, message: str, where: str | None = None) -> None:
        super().__init__(message, where)
        self.message = message
        self.where = where

    @property
    def code(self) -> int:
        """The kind's number, the same in every language."""
        return _CODES[self.kind]

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{self.kind}: {place}{self.message}"


class InvalidConfig(Error, ValueError):
    """The configuration document cannot be used."""

    kind = "invalid_config"


class InvalidEvent(Error, ValueError):
    """The event cannot be sealed as given."""

    kind = "invalid_event"


class InvalidArgument(Error, ValueError):
    """A call's argument is wrong."""

    kind = "invalid_argument"


class Backpressure(Error):
    """A blocking lane had no room within its limit; the event is in no lane."""

    kind = "backpressure"


class RequiredSinkUnavailable(Error):
    """Governance forbids going on."""

    kind = "required_sink_unavailable"


class Timeout(Error, TimeoutError):
    """Waiting took longer than asked."""

    kind = "timeout"


class Closed(Error):
    """The emitter has been shut down."""

    kind = "closed"


class Sink(Error):
    """A sink failed."""

    kind = "sink"


class Journal(Error):
    """The journal cannot be read or written."""

    kind = "journal"


class Key(Error):
    """A key is missing, malformed or refused."""

    kind = "key"


class Policy(Error, ValueError):
    """A policy document is invalid."""

    kind = "policy"


class Verification(Error):
    """Input to the verifier cannot be read."""

    kind = "verification"


class Unsupported(Error):
    """This build or platform cannot."""

    kind = "unsupported"


class Internal(Error):
    """A defect of sinkwell: please report."""

    kind = "internal"


_CLASSES = {cls.kind: cls for cls in Error.__subclasses__()}


def _make(kind: str, message: str, where: str | None) -> Error:
    return _CLASSES.get(kind, Internal)(message, where)
