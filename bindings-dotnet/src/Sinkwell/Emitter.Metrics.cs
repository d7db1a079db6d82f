using System.Diagnostics.Metrics;
using System.Text.Json;
using Sinkwell.Interop;

namespace Sinkwell;

public sealed partial class Emitter
{
    /// <summary>
    /// A meter named <c>sinkwell</c> with every counter and state of this emitter, and every counter that its policies
    /// derive from events at this time (as <c>double</c>), as an observable instrument, read
    /// when a listener (OpenTelemetry's <c>AddMeter("sinkwell")</c>, <c>dotnet-counters</c>) collects. Dispose of it
    /// before the emitter.
    /// </summary>
    public Meter CreateMeter()
    {
        var meter = new Meter("sinkwell");
        foreach (var metric in ReadMetrics())
        {
            if (!metric.IsOwn)
            {
                meter.CreateObservableCounter(metric.Name, () => Observe(metric.Name), metric.Unit, metric.Description);
            }
            else if (metric.IsCounter)
            {
                meter.CreateObservableCounter(metric.Name, () => Count(metric.Name), metric.Unit, metric.Description);
            }
            else
            {
                meter.CreateObservableGauge(metric.Name, () => Count(metric.Name), metric.Unit, metric.Description);
            }
        }
        return meter;
    }

    private IEnumerable<Measurement<long>> Count(string name) =>
        Observe(name).Select(point => new Measurement<long>((long)point.Value, point.Tags));

    private List<Measurement<double>> Observe(string name) =>
        ReadMetrics().Find(metric => metric.Name == name)?.Points ?? [];

    private unsafe List<Metric> ReadMetrics()
    {
        using var document = JsonDocument.Parse(Ask(&NativeMethods.sinkwell_metrics));
        var all = new List<Metric>();
        foreach (var metric in document.RootElement.GetProperty("metrics").EnumerateArray())
        {
            var points = new List<Measurement<double>>();
            foreach (var point in metric.GetProperty("points").EnumerateArray())
            {
                var tags = new List<KeyValuePair<string, object?>>();
                foreach (var attribute in point.GetProperty("attributes").EnumerateObject())
                {
                    tags.Add(new(attribute.Name, attribute.Value.GetString()));
                }
                points.Add(new(point.GetProperty("value").GetDouble(), tags));
            }
            all.Add(new(
                metric.GetProperty("name").GetString()!,
                metric.GetProperty("kind").GetString() == "counter",
                metric.GetProperty("unit").GetString()!,
                metric.GetProperty("description").GetString()!,
                points));
        }
        return all;
    }

    private sealed record Metric(string Name, bool IsCounter, string Unit, string Description, List<Measurement<double>> Points)
    {
        internal bool IsOwn => Name.StartsWith("sinkwell.", StringComparison.Ordinal);
    }
}
