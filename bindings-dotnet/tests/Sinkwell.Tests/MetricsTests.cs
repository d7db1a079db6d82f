using System.Diagnostics.Metrics;

namespace Sinkwell.Tests;

/// <summary>Counters and states through the platform's meters.</summary>
public sealed class MetricsTests
{
    [Fact]
    public async Task Counters_are_observable_instruments()
    {
        await using var emitter = Emitter.Open(Configurations.Null());
        using var meter = emitter.CreateMeter();
        using var receipt = emitter.Emit("com.example.x");
        await receipt.DeliveredAsync().WaitAsync(TimeSpan.FromSeconds(60));
        var read = new Dictionary<string, (long Value, string? Lane)>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter == meter)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
            read[instrument.Name] = (value, tags.Length > 0 ? tags[0].Value as string : null));
        listener.Start();
        listener.RecordObservableInstruments();
        Assert.Equal((1, "null"), read["sinkwell.lane.delivered"]);
        Assert.Equal(1, read["sinkwell.lane.state"].Value);
        Assert.Equal(0, read["sinkwell.refused"].Value);
    }

    [Fact]
    public async Task What_policies_derive_is_observable_too()
    {
        var spent = Configurations.Map(
            ("name", "spent"), ("type", "Counter"),
            ("value", Configurations.Map(("attribute", "amount"))),
            ("dimensions", new object[]
            {
                Configurations.Map(("key", "tool"), ("value", Configurations.Map(("attribute", "tool")))),
            }));
        var policy = Configurations.Map(
            ("apiVersion", "sinkwell.dev/v1alpha1"), ("kind", "TelemetryPolicy"),
            ("metadata", Configurations.Map(("name", "counts"))),
            ("spec", Configurations.Map(
                ("targetRefs", new object[] { Configurations.Map(("kind", "Emitter")) }),
                ("metrics", Configurations.Map(("overrides", new object[] { spent }))))));
        await using var emitter = Emitter.Open(Configurations.Null(("telemetry", new object[] { policy })));
        using var meter = emitter.CreateMeter();
        for (var i = 0; i < 3; i++)
        {
            using var receipt = emitter.Emit("tool.invocation", Configurations.Map(("tool", "search"), ("amount", 0.25)));
            await receipt.DeliveredAsync().WaitAsync(TimeSpan.FromSeconds(60));
        }
        var read = new Dictionary<string, (double Value, string? Tool)>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter == meter)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) =>
            read[instrument.Name] = (value, tags.Length > 0 ? tags[0].Value as string : null));
        listener.Start();
        listener.RecordObservableInstruments();
        Assert.Equal((0.75, "search"), read["spent"]);
    }

    [Fact]
    public async Task Histograms_are_given_their_values()
    {
        var took = Configurations.Map(
            ("name", "took"), ("type", "Histogram"), ("unit", "ms"), ("buckets", new object[] { 1, 10 }),
            ("value", Configurations.Map(("attribute", "n"))),
            ("dimensions", new object[]
            {
                Configurations.Map(("key", "of"), ("value", Configurations.Map(("attribute", "of")))),
            }));
        var policy = Configurations.Map(
            ("apiVersion", "sinkwell.dev/v1alpha1"), ("kind", "TelemetryPolicy"),
            ("metadata", Configurations.Map(("name", "takes"))),
            ("spec", Configurations.Map(
                ("targetRefs", new object[] { Configurations.Map(("kind", "Emitter")) }),
                ("metrics", Configurations.Map(("overrides", new object[] { took }))))));
        await using var emitter = Emitter.Open(Configurations.Null(("telemetry", new object[] { policy })));
        async Task Emit(double n, string of)
        {
            using var receipt = emitter.Emit("com.example.n", Configurations.Map(("n", n), ("of", of)));
            await receipt.DeliveredAsync().WaitAsync(TimeSpan.FromSeconds(60));
        }

        // What was counted before anybody listened is there, too.
        await Emit(0.5, "a");
        await Emit(1, "a");
        await Emit(4, "a");
        using var meter = emitter.CreateMeter();
        var given = new List<(string, double, string?)>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter == meter)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) =>
            given.Add((instrument.Name + instrument.Unit, value, tags[0].Value as string)));
        listener.Start();
        listener.RecordObservableInstruments();
        // Those of one bucket as their mean.
        Assert.Equal([("tookms", 0.75, "a"), ("tookms", 0.75, "a"), ("tookms", 4, "a")], given);
        await Emit(99, "b");
        listener.RecordObservableInstruments();
        listener.RecordObservableInstruments();
        Assert.Equal(("tookms", 99, "b"), given[^1]);
        Assert.Equal(4, given.Count);
    }

    [Fact]
    public async Task What_a_reload_adds_comes_without_another_meter()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("policies.json");
        void Count(params string[] names) => File.WriteAllText(file, System.Text.Json.JsonSerializer.Serialize(new
        {
            apiVersion = "sinkwell.dev/v1alpha1",
            kind = "TelemetryPolicy",
            metadata = new { name = "counts" },
            spec = new
            {
                targetRefs = new[] { new { kind = "Emitter" } },
                metrics = new { overrides = names.Select(static name => new { name, type = "Counter" }) },
            },
        }));
        Count("early");
        await using var emitter = Emitter.Open(Configurations.Null(("telemetry", new object[] { file })));
        using var meter = emitter.CreateMeter();
        var read = new System.Collections.Concurrent.ConcurrentDictionary<string, double>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter == meter)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((instrument, value, _, _) => read[instrument.Name] = value);
        listener.Start();
        emitter.Emit("com.example.n").Dispose();
        listener.RecordObservableInstruments();
        Assert.Equal(1, read["early"]);
        Count("early", "late");
        emitter.ReloadPolicies();
        emitter.Emit("com.example.n").Dispose();
        var deadline = DateTime.UtcNow.AddMinutes(1);
        while (!read.ContainsKey("late"))
        {
            Assert.True(DateTime.UtcNow < deadline);
            listener.RecordObservableInstruments();
            await Task.Yield();
        }
        Assert.Equal((2, 1), (read["early"], read["late"]));
    }
}
