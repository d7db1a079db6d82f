"""Usage of models and what it costs, from what providers report. Content is never needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import _native


def model_usage(provider: str, usage: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a ``model.usage`` event, from a provider's usage object or its whole response; ``otel``
    takes the attributes of a span that follows the OpenTelemetry GenAI conventions.
    """
    data: dict[str, Any] = _native.usage_from_json(provider, usage)
    return data


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
