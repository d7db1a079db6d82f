"""Content parts and what policy decides about them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from . import _native


def part(
    content_class: str,
    *,
    text: str | None = None,
    bytes: bytes | None = None,
    mediatype: str | None = None,
    role: str | None = None,
    ref: str | None = None,
    summary: str | None = None,
    tokens: int | None = None,
    permit: str | None = None,
) -> dict[str, Any]:
    """Make a content part: its class, and ``text`` or ``bytes``.

    The words of people leave the process only as far as ``permit``, the policy and the lane allow; see
    ``evaluate_content_capture``.
    """
    encoded = None if bytes is None else base64.b64encode(bytes).decode("ascii")
    members = {
        "class": content_class,
        "text": text,
        "bytes": encoded,
        "mediatype": mediatype,
        "role": role,
        "ref": ref,
        "summary": summary,
        "tokens": tokens,
        "permit": permit,
    }
    return {name: value for name, value in members.items() if value is not None}


def evaluate_content_capture(request: Mapping[str, Any]) -> dict[str, Any]:
    """What content capture would decide about a part, without emitting anything."""
    decision: dict[str, Any] = _native.evaluate_content_capture(request)
    return decision
