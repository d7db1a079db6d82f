"""Counters and states through the OpenTelemetry metrics SDK."""

from __future__ import annotations

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
