"""An emitter's counters and states through the host's OpenTelemetry meter provider."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.metrics import (
    CallbackOptions,
    Histogram,
    Meter,
    MeterProvider,
    Observation,
    get_meter_provider,
)

from ._emitter import Emitter, default_emitter


def register_metrics(emitter: Emitter | None = None, provider: MeterProvider | None = None) -> None:
    """Register every counter and state of an emitter (by default the process's), and every counter that its policies
    derive from events, as an observable instrument of the provider (by default the global one): read when it collects,
    from one consistent reading per lane. A histogram that policies derive is one of the provider's, which is given its
    values when the provider collects: as many in each bucket as there were, as their mean. What policies derive later
    is registered once a collection has come upon it, for the next one.
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
        self._histograms: dict[str, Histogram] = {}
        # What has been read and not recorded yet, as its histogram is not there.
        self._pending: list[dict[str, Any]] = []
        self._reader = 0
        self._adding = False

    def _read(self) -> list[dict[str, Any]]:
        metrics: list[dict[str, Any]] = json.loads(self._emitter._metrics())["metrics"]
        return metrics

    def _record(self) -> list[dict[str, Any]]:
        """Record what has been counted since the last time; what has no histogram yet is kept, and returned."""
        with self._lock:
            read = json.loads(self._emitter._recordings(self._reader))
            self._reader = read["reader"]
            self._pending += read["recordings"]
            ready = [(self._histograms.get(one["name"]), one) for one in self._pending]
            self._pending = [one for histogram, one in ready if histogram is None]
            missing = list(self._pending)
        for histogram, one in ready:
            if histogram is None:
                continue
            for point in one["points"]:
                for value, times in point["values"]:
                    for _ in range(times):
                        histogram.record(value, point["attributes"])
        return missing

    def _create(self, recording: dict[str, Any]) -> Histogram:
        name, unit, about = recording["name"], recording["unit"], recording["description"]
        try:
            return self._meter.create_histogram(
                name, unit, about, explicit_bucket_boundaries_advisory=recording["buckets"]
            )
        except TypeError:
            # Before version 1.30 an instrument cannot say where its buckets end.
            return self._meter.create_histogram(name, unit, about)

    def add(self) -> None:
        """Register what is not there yet."""
        for recording in self._record():
            if recording["name"] not in self._histograms:
                self._histograms[recording["name"]] = self._create(recording)
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
            # One of them stands for all histograms.
            missing = name == "sinkwell.refused" and self._record()
            self._notice(metrics, bool(missing))
            for metric in metrics:
                if metric["name"] == name:
                    for point in metric["points"]:
                        yield Observation(point["value"], point["attributes"])

        return observe

    def _notice(self, metrics: list[dict[str, Any]], missing: bool) -> None:
        """Have what is new registered, on another thread: whoever collects holds the lock that this takes."""
        with self._lock:
            known = not missing and all(metric["name"] in self._known for metric in metrics)
            if self._adding or known:
                return
            self._adding = True
        threading.Thread(target=self.add, name="sinkwell-metrics", daemon=True).start()
