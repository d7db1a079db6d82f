"""Events out of log streams."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from . import _native

if TYPE_CHECKING:
    from ._emitter import Emitter

# What a file object is asked for at once.
_READ = 1 << 18

Log = str | bytes | bytearray | memoryview | IO[str] | IO[bytes] | Iterable[str] | Iterable[bytes]


class Vacuumed(NamedTuple):
    """What became of a log."""

    passed: bytes | str
    """What went through, as the log was given: text or bytes. Empty where it was written elsewhere."""
    report: dict[str, Any]
    """Counts: ``lines``, ``events``, ``skipped``, ``passed``, ``too_large``, ``refused``, ``unsent``, and more."""


def _pieces(log: Log) -> Iterator[str | bytes]:
    if isinstance(log, str):
        yield log
    elif isinstance(log, bytes | bytearray | memoryview):
        yield bytes(log)
    elif callable(read := getattr(log, "read", None)):
        while piece := read(_READ):
            yield piece
    else:
        yield from log


def vacuum(
    emitter: Emitter,
    log: Log,
    *,
    process: str | None,
    nonce: int | None,
    format: str,
    out: IO[Any] | None,
) -> Vacuumed:
    """See ``Emitter.vacuum``."""
    native = _native.Vacuum(emitter, json.dumps({"process": process, "nonce": nonce, "format": format}))
    text: bool | None = None
    kept: list[bytes] = []

    def put(passed: bytes) -> None:
        if out is None:
            kept.append(passed)
        elif passed:
            out.write(passed.decode("utf-8", "surrogateescape") if text else passed)

    rest = b""
    whole = False
    try:
        for piece in _pieces(log):
            if text is None:
                text = isinstance(piece, str)
            data = piece.encode("utf-8", "surrogateescape") if isinstance(piece, str) else piece
            passed = rest + native.push(data)
            # Text is written in whole lines, so that no character is cut.
            cut = passed.rfind(b"\n") + 1 if text and out is not None else len(passed)
            rest = passed[cut:]
            put(passed[:cut])
        whole = True
    finally:
        passed, report = native.finish(whole)
        put(rest + passed)
    together = b"".join(kept)
    return Vacuumed(together.decode("utf-8", "surrogateescape") if text else together, report)
