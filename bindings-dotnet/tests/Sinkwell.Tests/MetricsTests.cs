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
}
