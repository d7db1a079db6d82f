"""Mappings that the package answers with, for type checkers."""

from __future__ import annotations

from typing import Literal, TypedDict


class Ending(TypedDict):
    """How an event ended in a lane."""

    state: str
    """``delivered``, ``lost``, ``uncertain`` or ``filtered``."""
    reason: str | None
    """Why, where it was lost."""
    streamid: str | None
    sequence: int | None
    hash: str | None
    when: str


Verdict = Literal["sound", "incomplete", "unchecked", "findings"]
"""What the verifier makes of what it read, from best to worst."""


class Point(TypedDict):
    """An envelope in a stream."""

    sequence: int
    time: str


_Place = TypedDict("_Place", {"from": int, "to": int, "where": str}, total=False)


class Finding(_Place):
    """Something that the verifier found; ``from`` and ``to`` are sequences."""

    kind: str
    note: str


class _StreamReport(TypedDict, total=False):
    agentid: str
    first: Point
    last: Point
    head: str


class StreamReport(_StreamReport):
    """What the verifier says of a stream."""

    streamid: str
    envelopes: int
    closed: bool
    verdict: Verdict
    findings: list[Finding]


class _VerificationReport(TypedDict, total=False):
    beside: list[str]
    """Files beside those that were read that may belong to them: of another emitter on the same path, or rotated."""


class VerificationReport(_VerificationReport):
    """The report of ``verify``, as ``sinkwell verify --format json`` prints it."""

    verdict: Verdict
    envelopes: int
    unsigned: int
    malformed: int
    open: int
    """How many streams nobody closed: their ends are unproven."""
    streams: list[StreamReport]
    lost: dict[str, int]
    """How many events were declared lost, by reason."""
    erased: int
    findings: list[Finding]
