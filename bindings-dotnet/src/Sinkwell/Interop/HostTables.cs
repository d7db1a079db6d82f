using System.Runtime.InteropServices;

namespace Sinkwell.Interop;

/// <summary>
/// Sinks and a signer of the host's, as the core takes them: it owns them from the call on, and frees each once.
/// </summary>
internal sealed unsafe class HostTables : IDisposable
{
    private readonly Arena _arena = new();
    private readonly List<GCHandle> _handles = [];

    internal HostTables(
        IReadOnlyList<IGovernanceEventSink> sinks,
        ISigner? signer,
        IEnumerable<KeyValuePair<string, object?>>? lane = null)
    {
        try
        {
            // Counted once, as the list is the program's.
            var all = sinks.ToArray();
            Sinks = _arena.Array<SinkwellSink>(all.Length);
            SinkCount = (ulong)all.Length;
            for (var i = 0; i < all.Length; i++)
            {
                Sinks[i] = Table(all[i], lane);
            }
            if (signer is not null)
            {
                Signer = _arena.Array<SinkwellSigner>(1);
                *Signer = new SinkwellSigner
                {
                    user = Keep(new HostSigner(signer)),
                    sign = HostSigner.SignCallback,
                    free = HostSink.FreeCallback,
                };
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal SinkwellSink* Sinks { get; }

    internal ulong SinkCount { get; }

    internal SinkwellSigner* Signer { get; }

    /// <summary>From here on the core frees the sinks and the signer, whether the call succeeds or not.</summary>
    internal void HandOver() => _handles.Clear();

    public void Dispose()
    {
        _handles.ForEach(static handle => handle.Free());
        _handles.Clear();
        _arena.Dispose();
    }

    private SinkwellSink Table(IGovernanceEventSink sink, IEnumerable<KeyValuePair<string, object?>>? lane)
    {
        ArgumentNullException.ThrowIfNull(sink);
        var classes = sink.Classes.Count == 0 ? null : string.Join(',', sink.Classes.Select(Name).Order(StringComparer.Ordinal));
        return new SinkwellSink
        {
            name = _arena.Put(sink.Name, "sink.name"),
            classes = _arena.Put(classes, "sink.classes"),
            lane = lane is null ? default : _arena.Put(Utf8Text.Json(lane).Span),
            user = Keep(new HostSink(sink)),
            deliver = HostSink.DeliverCallback,
            health = HostSink.HealthCallback,
            free = HostSink.FreeCallback,
            idempotent = sink is IIdempotentSink ? (byte)1 : (byte)0,
        };
    }

    private static string Name(SinkClass value) => value switch
    {
        SinkClass.Siem => "siem",
        SinkClass.Audit => "audit",
        SinkClass.Observability => "observability",
        SinkClass.Debug => "debug",
        // The core refuses it, naming those that it knows.
        _ => value.ToString(),
    };

    private ulong Keep(object target)
    {
        var handle = GCHandle.Alloc(target);
        _handles.Add(handle);
        return (ulong)(nint)GCHandle.ToIntPtr(handle);
    }
}
