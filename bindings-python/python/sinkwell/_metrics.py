"""An emitter's counters and states through the host's OpenTelemetry meter provider."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation, get_meter_provider

from ._emitter import Emitter, default_emitter


def register_metrics(emitter: Emitter | None = None, provider: MeterProvider | None = None) -> None:
    """Register every counter and state of an emitter (by default the process's), and every counter that its policies
    derive from events, as an observable instrument of the provider (by default the global one): read when it collects,
    from one consistent reading per lane. What policies derive later is registered once a collection has come upon it,
    for the next one.
    """
    chosen = emitter or default_emitter()
    _Registered(chosen, (provider or get_meter_provider()).get_meter("sinkwell")).add()


class _Registered:
    """What is registered of an emitter."""

    def __init__(self, emitter: Emitter, meter: Meter) -> None:
        self._emitter = emitter
        self._meter = meter
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._adding = False

    def _read(self) -> list[dict[str, Any]]:
        metrics: list[dict[str, Any]] = json.loads(self._emitter._metrics())["metrics"]
        return metrics

    def add(self) -> None:
        """Register what is not there yet."""
        for metric in self._read():
            with self._lock:
                if metric["name"] in self._known:
                    continue
                self._known.add(metric["name"])
            counter = metric["kind"] == "counter"
            create = self._meter.create_observable_counter if counter else self._meter.create_observable_gauge
            create(metric["name"], [self._observer(metric["name"])], metric["unit"], metric["description"])
        with self._lock:
            self._adding = False

    def _observer(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            metrics = self._read()
            self._notice(metrics)
            for metric in metrics:
                if metric["name"] == name:
                    for point in metric["points"]:
                        yield Observation(point["value"], point["attributes"])

        return observe

    def _notice(self, metrics: list[dict[str, Any]]) -> None:
        """Have what is new registered, on another thread: whoever collects holds the lock that this takes."""
        with self._lock:
            if self._adding or all(metric["name"] in self._known for metric in metrics):
                return
            self._adding = True
        threading.Thread(target=self.add, name="sinkwell-metrics", daemon=True).start()
