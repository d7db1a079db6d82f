"""Usage of models, from what providers report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _native


def model_usage(provider: str, usage: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a ``model.usage`` event, from a provider's usage object."""
    data: dict[str, Any] = _native.usage_from_json(provider, usage)
    return data
