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
