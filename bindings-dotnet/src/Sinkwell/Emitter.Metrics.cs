using System.Diagnostics.Metrics;
using System.Text.Json;
using Sinkwell.Interop;

namespace Sinkwell;

public sealed partial class Emitter
{
    /// <summary>
    /// A meter named <c>sinkwell</c> with every counter and state of this emitter, and every counter that its policies
    /// derive from events (as <c>double</c>), as an observable instrument, read
    /// when a listener (OpenTelemetry's <c>AddMeter("sinkwell")</c>, <c>dotnet-counters</c>) collects. What policies derive
    /// later becomes an instrument once a collection has come upon it, for the next one. Dispose of it
    /// before the emitter.
    /// </summary>
    public Meter CreateMeter()
    {
        var instruments = new Instruments(this);
        instruments.Add();
        return instruments.Meter;
    }

    /// <summary>The instruments of one meter.</summary>
    private sealed class Instruments(Emitter emitter)
    {
        private readonly object _lock = new();
        private readonly HashSet<string> _known = [];
        private bool _adding;

        internal Meter Meter { get; } = new("sinkwell");

        /// <summary>Creates what is not there yet.</summary>
        internal void Add()
        {
            foreach (var metric in emitter.ReadMetrics())
            {
                lock (_lock)
                {
                    if (!_known.Add(metric.Name))
                    {
                        continue;
                    }
                }
                if (!metric.IsOwn)
                {
                    Meter.CreateObservableCounter(metric.Name, () => Observe(metric.Name), metric.Unit, metric.Description);
                }
                else if (metric.IsCounter)
                {
                    Meter.CreateObservableCounter(metric.Name, () => Count(metric.Name), metric.Unit, metric.Description);
                }
                else
                {
                    Meter.CreateObservableGauge(metric.Name, () => Count(metric.Name), metric.Unit, metric.Description);
                }
            }
        }

        private IEnumerable<Measurement<long>> Count(string name) =>
            Observe(name).Select(point => new Measurement<long>((long)point.Value, point.Tags));

        private List<Measurement<double>> Observe(string name)
        {
            var metrics = emitter.ReadMetrics();
            Notice(metrics);
            return metrics.Find(metric => metric.Name == name)?.Points ?? [];
        }

        /// <summary>Has what is new created, on another thread: a listener may hold a lock while it collects.</summary>
        private void Notice(List<Metric> metrics)
        {
            lock (_lock)
            {
                if (_adding || metrics.TrueForAll(metric => _known.Contains(metric.Name)))
                {
                    return;
                }
                _adding = true;
            }
            ThreadPool.QueueUserWorkItem(_ =>
            {
                try
                {
                    Add();
                }
                catch (Exception e) when (e is SinkwellException or ObjectDisposedException)
                {
                    // The emitter has ended meanwhile: there is nothing to read any more.
                }
                finally
                {
                    lock (_lock)
                    {
                        _adding = false;
                    }
                }
            });
        }
    }

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
