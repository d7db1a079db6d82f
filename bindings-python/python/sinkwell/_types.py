"""Mappings that the package answers with, for type checkers."""

from __future__ import annotations

from typing import TypedDict


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
