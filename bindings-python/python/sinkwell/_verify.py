"""The verifier."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from . import _native
from ._errors import InvalidArgument
from ._types import VerificationReport

PathLike = str | os.PathLike[str]
KeySource = PathLike | bytes | Mapping[str, Any]
"""A key's file, its bytes, or ``{"file": …, "agent": GLOB}`` to bind it to the agents it may seal for.

In front of path or bytes, ``hmac:`` (the key's bytes as they are) or ``ed25519:`` (SPKI PEM) says which it is; without
a name only SPKI PEM is taken.
"""
Input = PathLike | bytes


def key_list(keys: Mapping[str, KeySource] | None) -> list[tuple[str, Any, str | None]]:
    """Keys by id, as the native half takes them."""
    if keys is not None and not isinstance(keys, Mapping):
        raise InvalidArgument('keys are named by their ids, as {"k1": "agent.pem.pub"}', where="keys")
    listed: list[tuple[str, Any, str | None]] = []
    for keyid, source in (keys or {}).items():
        if isinstance(source, Mapping):
            listed.append((keyid, source["file"], source.get("agent")))
        else:
            listed.append((keyid, source, None))
    return listed


def _inputs(given: Input | Iterable[Input]) -> list[Input]:
    if isinstance(given, (str, bytes, os.PathLike)):
        return [given]
    return list(given)


def verify(
    paths: Input | Iterable[Input],
    keys: Mapping[str, KeySource] | None = None,
    *,
    checkpoints: Input | Iterable[Input] = (),
    silence: float | None = None,
    edges: bool = False,
    strict: bool = False,
    partial: bool = False,
    lanes: Iterable[str] = (),
) -> VerificationReport:
    """Say what files (or bytes) of sealed events prove: the report of ``sinkwell verify --format json``.

    ``silence`` is in seconds. Without ``keys`` the best verdict is ``unchecked``: anyone could have made
    the envelopes. ``lanes`` names lanes of which the input should hold something: one of which it holds
    nothing is a finding.
    """
    report: VerificationReport = _native._verify(
        _inputs(paths), key_list(keys), _inputs(checkpoints), silence, edges, strict, partial, list(lanes)
    )
    return report
