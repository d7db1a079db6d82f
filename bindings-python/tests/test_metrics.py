"""Counters and states through the OpenTelemetry metrics SDK."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import sinkwell
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from sinkwell.opentelemetry import register_metrics


def test_counters_are_observable_instruments() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    with sinkwell.Emitter.open({"lanes": [{"id": "kept", "sink": "memory"}]}) as emitter:
        register_metrics(emitter, provider)
        emitter.emit("tool.invocation", {"tool": "search", "outcome": "ok"}).wait("delivered", timeout=30)
        data = reader.get_metrics_data()
        assert data is not None
        scope = data.resource_metrics[0].scope_metrics[0]
        assert scope.scope.name == "sinkwell"
        metrics = {metric.name: metric for metric in scope.metrics}
        delivered = metrics["sinkwell.lane.delivered"]
        assert delivered.unit == "{event}"
        (point,) = delivered.data.data_points
        assert dict(point.attributes or {}) == {"lane": "kept"}
        assert point.value == 1  # type: ignore[union-attr]
        (state,) = metrics["sinkwell.lane.state"].data.data_points
        assert dict(state.attributes or {}) == {"lane": "kept", "state": "healthy"}
    provider.shutdown()


def test_what_policies_derive_is_observable_too() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    overrides = [
        {
            "name": "spent",
            "type": "Counter",
            "unit": "{unit}",
            "value": {"attribute": "amount"},
            "dimensions": [{"key": "tool", "value": {"attribute": "tool"}}],
        }
    ]
    policy = {
        "apiVersion": "sinkwell.dev/v1alpha1",
        "kind": "TelemetryPolicy",
        "metadata": {"name": "counts"},
        "spec": {"targetRefs": [{"kind": "Emitter"}], "metrics": {"overrides": overrides}},
    }
    with sinkwell.Emitter.open({"lanes": [{"sink": "memory"}], "telemetry": [policy]}) as emitter:
        register_metrics(emitter, provider)
        for _ in range(3):
            emitter.emit("tool.invocation", {"tool": "search", "amount": 0.25})
        data = reader.get_metrics_data()
        assert data is not None
        metrics = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
        (point,) = metrics["spent"].data.data_points
        assert metrics["spent"].unit == "{unit}"
        assert dict(point.attributes or {}) == {"tool": "search"}
        assert point.value == 0.75  # type: ignore[union-attr]
    provider.shutdown()


def test_histograms_are_given_their_values(tmp_path: Path) -> None:
    def policy(*names: str) -> dict[str, Any]:
        how = {"type": "Histogram", "unit": "ms", "value": {"attribute": "n"}, "buckets": [1, 10]}
        document = counting(*names)
        document["spec"]["metrics"]["overrides"] = [
            {"name": name, "dimensions": [{"key": "of", "value": {"attribute": "of"}}], **how}
            for name in names
        ]
        return document

    file = tmp_path / "policies.json"
    file.write_text(json.dumps(policy("took")), encoding="utf-8")
    reader, other = InMemoryMetricReader(), InMemoryMetricReader()
    provider = MeterProvider([reader, other])

    def read(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
        data = reader.get_metrics_data()
        assert data is not None
        metrics = data.resource_metrics[0].scope_metrics[0].metrics
        return {
            metric.name: [
                metric.unit,
                *(
                    (dict(point.attributes or {}), point.count, point.sum, point.bucket_counts)  # type: ignore[union-attr]
                    for point in metric.data.data_points
                ),
            ]
            for metric in metrics
            if not metric.name.startswith("sinkwell.")
        }

    with sinkwell.Emitter.open({"lanes": [{"sink": "memory"}], "telemetry": [str(file)]}) as emitter:
        # What was counted before somebody registered is there, too.
        for value in (0.5, 1, 4):
            emitter.emit("com.example.n", {"n": value, "of": "a"})
        register_metrics(emitter, provider)
        first = ({"of": "a"}, 3, 5.5, (2, 1, 0))
        assert read(reader) == {"took": ["ms", first]} == read(other)
        emitter.emit("com.example.n", {"n": 99, "of": "b"})
        assert read(reader) == {"took": ["ms", first, ({"of": "b"}, 1, 99, (0, 0, 1))]}
        # What a reload adds comes, too.
        file.write_text(json.dumps(policy("took", "late")), encoding="utf-8")
        emitter.reload_policies()
        emitter.emit("com.example.n", {"n": 2, "of": "a"})
        deadline = time.monotonic() + 60
        while read(reader).get("late") != ["ms", ({"of": "a"}, 1, 2, (0, 1, 0))]:
            assert time.monotonic() < deadline, read(reader)
        assert read(other)["took"][1] == ({"of": "a"}, 4, 7.5, (2, 2, 0))
    provider.shutdown()


def counting(*names: str) -> dict[str, Any]:
    overrides = [{"name": name, "type": "Counter"} for name in names]
    return {
        "apiVersion": "sinkwell.dev/v1alpha1",
        "kind": "TelemetryPolicy",
        "metadata": {"name": "counts"},
        "spec": {"targetRefs": [{"kind": "Emitter"}], "metrics": {"overrides": overrides}},
    }


def test_what_a_reload_adds_comes_without_registering_again(tmp_path: Path) -> None:
    file = tmp_path / "policies.json"
    file.write_text(json.dumps(counting("early")), encoding="utf-8")
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])

    def read() -> dict[str, int | float]:
        data = reader.get_metrics_data()
        assert data is not None
        metrics = data.resource_metrics[0].scope_metrics[0].metrics
        return {
            metric.name: metric.data.data_points[0].value  # type: ignore[union-attr]
            for metric in metrics
            if not metric.name.startswith("sinkwell.")
        }

    with sinkwell.Emitter.open({"lanes": [{"sink": "memory"}], "telemetry": [str(file)]}) as emitter:
        register_metrics(emitter, provider)
        emitter.emit("com.example.n")
        assert read() == {"early": 1}
        file.write_text(json.dumps(counting("early", "late")), encoding="utf-8")
        emitter.reload_policies()
        emitter.emit("com.example.n")
        deadline = time.monotonic() + 60
        while read() != {"early": 2, "late": 1}:
            assert time.monotonic() < deadline, read()
        # What is there no more is read no more, and comes back as what it was.
        file.write_text(json.dumps(counting("late")), encoding="utf-8")
        emitter.reload_policies()
        assert read() == {"late": 1}
    provider.shutdown()
