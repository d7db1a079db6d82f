"""An emitter's counters and states through the host's OpenTelemetry meter provider."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter_provider

from ._emitter import Emitter, default_emitter


def register_metrics(emitter: Emitter | None = None, provider: MeterProvider | None = None) -> None:
    """Register every counter and state of an emitter (by default the process's), and every counter that its policies
    derive from events at this time, as an observable instrument of the provider (by default the global one): read when
    it collects, from one consistent reading per lane.
    """
    chosen = emitter or default_emitter()
    meter = (provider or get_meter_provider()).get_meter("sinkwell")

    def read() -> list[dict[str, Any]]:
        metrics: list[dict[str, Any]] = json.loads(chosen._metrics())["metrics"]
        return metrics

    def observer(name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            for metric in read():
                if metric["name"] == name:
                    for point in metric["points"]:
                        yield Observation(point["value"], point["attributes"])

        return observe

    for metric in read():
        counter = metric["kind"] == "counter"
        create = meter.create_observable_counter if counter else meter.create_observable_gauge
        create(metric["name"], [observer(metric["name"])], metric["unit"], metric["description"])
