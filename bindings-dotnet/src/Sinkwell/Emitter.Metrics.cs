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
    /// later becomes an instrument once a collection has come upon it, for the next one. A histogram that policies derive is
    /// a <see cref="Histogram{T}"/> that is given its values when a listener collects: as many in each bucket as there were,
    /// as their mean; where its buckets end a view of the listener's must say. Dispose of it before the emitter.
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
        private readonly Dictionary<string, Histogram<double>> _histograms = [];
        private List<Recording> _pending = [];
        private uint _reader;
        private bool _adding;

        internal Meter Meter { get; } = new("sinkwell");

        /// <summary>
        /// Records what has been counted since the last time. What has no histogram yet is kept; whether there is any.
        /// </summary>
        private bool Record()
        {
            lock (_lock)
            {
                var (reader, read) = emitter.ReadRecordings(_reader);
                _reader = reader;
                var all = _pending.Concat(read).ToList();
                _pending = all.FindAll(one => !_histograms.ContainsKey(one.Name));
                foreach (var one in all.Where(one => _histograms.ContainsKey(one.Name)))
                {
                    var histogram = _histograms[one.Name];
                    foreach (var (value, times, tags) in one.Values)
                    {
                        for (var n = 0L; n < times; n++)
                        {
                            histogram.Record(value, tags);
                        }
                    }
                }
                return _pending.Count > 0;
            }
        }

        /// <summary>Creates what is not there yet.</summary>
        internal void Add()
        {
            Record();
            List<Recording> missing;
            lock (_lock)
            {
                missing = [.. _pending.DistinctBy(static one => one.Name)];
            }
            foreach (var one in missing)
            {
                var histogram = Meter.CreateHistogram<double>(one.Name, one.Unit, one.Description);
                lock (_lock)
                {
                    _histograms.TryAdd(one.Name, histogram);
                }
            }
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
            // One of them stands for all histograms.
            Notice(metrics, name == "sinkwell.refused" && Record());
            return metrics.Find(metric => metric.Name == name)?.Points ?? [];
        }

        /// <summary>Has what is new created, on another thread: a listener may hold a lock while it collects.</summary>
        private void Notice(List<Metric> metrics, bool missing)
        {
            lock (_lock)
            {
                if (_adding || (!missing && metrics.TrueForAll(metric => _known.Contains(metric.Name))))
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

    /// <summary>What histograms are to be given that this reader has not been given yet; 0 is a new reader.</summary>
    private unsafe (uint Reader, List<Recording> All) ReadRecordings(uint reader)
    {
        SinkwellOwned bytes = default;
        SinkwellError error = default;
        using var lease = new Lease(_handle);
        Native.Check(NativeMethods.sinkwell_recordings(lease.Emitter, reader, &bytes, &error), ref error);
        using var document = JsonDocument.Parse(Native.Take(ref bytes));
        var all = new List<Recording>();
        foreach (var one in document.RootElement.GetProperty("recordings").EnumerateArray())
        {
            var values = new List<(double, long, KeyValuePair<string, object?>[])>();
            foreach (var point in one.GetProperty("points").EnumerateArray())
            {
                KeyValuePair<string, object?>[] tags = [.. point.GetProperty("attributes").EnumerateObject()
                    .Select(static attribute => new KeyValuePair<string, object?>(attribute.Name, attribute.Value.GetString()))];
                values.AddRange(point.GetProperty("values").EnumerateArray()
                    .Select(value => (value[0].GetDouble(), value[1].GetInt64(), tags)));
            }
            all.Add(new(
                one.GetProperty("name").GetString()!,
                one.GetProperty("unit").GetString()!,
                one.GetProperty("description").GetString()!,
                values));
        }
        return (document.RootElement.GetProperty("reader").GetUInt32(), all);
    }

    private sealed record Recording(
        string Name, string Unit, string Description, List<(double Value, long Times, KeyValuePair<string, object?>[] Tags)> Values);

    private sealed record Metric(string Name, bool IsCounter, string Unit, string Description, List<Measurement<double>> Points)
    {
        internal bool IsOwn => Name.StartsWith("sinkwell.", StringComparison.Ordinal);
    }
}
