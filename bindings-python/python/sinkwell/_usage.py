"""Usage of models and what it costs, from what providers report. Content is never needed."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping
from typing import Any

from . import _native


def model_usage(provider: str, usage: Any) -> dict[str, Any]:
    """The data of a ``model.usage`` event, from a provider's usage object or its whole response, as its client
    library gives it (a mapping, a pydantic model, a dataclass, any object with attributes); ``otel`` takes the
    attributes of a span that follows the OpenTelemetry GenAI conventions.
    """
    data: dict[str, Any] = _native.usage_from_json(provider, _plain(usage, 0))
    return data


_LONGEST = 256
"""Characters of a text that may be a model's name: longer ones are people's words, which usage has no need of."""
_DEEPEST = 8


def _plain(value: Any, depth: int) -> Any:
    """What counts of a response: numbers and short texts, under their names. The rest is nothing."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, enum.Enum):
        return _plain(value.value, depth)
    if isinstance(value, str):
        return value if len(value) <= _LONGEST and _is_text(value) else None
    if depth >= _DEEPEST or isinstance(value, (bytes, bytearray, type)) or callable(value):
        return None
    members = _members(value)
    if members is None:
        # A list holds what was said, never what was used.
        return None
    plain = {
        name: _plain(member, depth + 1)
        for name, member in members
        if isinstance(name, str) and _is_text(name)
    }
    return {name: member for name, member in plain.items() if member is not None}


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _members(value: Any) -> list[tuple[Any, Any]] | None:
    """Names and values of a mapping or an object, without calling what a client library has for printing."""
    try:
        if isinstance(value, Mapping):
            return list(value.items())
        if isinstance(value, (list, tuple, set, frozenset)):
            return None
        fields = getattr(type(value), "model_fields", None) or getattr(value, "__dataclass_fields__", None)
        names = list(fields) if fields else []
        names += [name for name in getattr(value, "__dict__", {}) if name not in names]
        names += [name for kind in type(value).__mro__ for name in _slots(kind) if name not in names]
        extra = getattr(value, "model_extra", None)
        members = [(name, getattr(value, name, None)) for name in names if not name.startswith("_")]
        return members + (list(extra.items()) if isinstance(extra, Mapping) else [])
    except Exception:
        # An object that cannot be read holds no usage.
        return None


def _slots(kind: type) -> tuple[str, ...]:
    slots: Any = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def cost(
    amount_micros: int,
    currency: str,
    rate_table_version: str,
    *,
    reported: bool = False,
    correction_ref: str | None = None,
) -> dict[str, Any]:
    """The data of a cost event, ``amount_micros`` in millionths of the currency: of ``cost.corrected`` with
    the id of the event that it corrects, else of ``cost.estimated``. ``reported``: the provider itself names
    it.
    """
    request: dict[str, Any] = {
        "amount_micros": amount_micros,
        "currency": currency,
        "rate_table_version": rate_table_version,
        "correction_ref": correction_ref,
    }
    if reported:
        request["reported"] = True
    data: dict[str, Any] = _native._cost(request)
    return data


def roll_up(children: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The data of a parent run's ``model.usage``, from its children's: ``run``, the event's ``id`` and its
    ``data`` of each. One that comes twice counts once.
    """
    data: dict[str, Any] = _native._roll_up(list(children))
    return data
