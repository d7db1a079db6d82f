using System.Globalization;
using System.Text.Json;
using Sinkwell.Interop;

namespace Sinkwell;

public sealed partial class Emitter
{
    /// <summary>
    /// Waits on this thread until every lane has delivered or declared what it was given. Inside a sink of your own it
    /// does not wait, as it would wait for itself.
    /// </summary>
    /// <param name="timeout">
    /// How long at most; null: five seconds; <see cref="Timeout.InfiniteTimeSpan"/>: as long as it takes.
    /// </param>
    public unsafe IReadOnlyDictionary<string, LaneReport> Flush(TimeSpan? timeout = null)
    {
        SinkwellOwned bytes = default;
        SinkwellError error = default;
        using var lease = new Lease(_handle);
        Native.Check(
            NativeMethods.sinkwell_flush(lease.Emitter, HostCall.Limit(timeout), &bytes, &error), ref error);
        return Reports.Lanes(Native.Take(ref bytes));
    }

    /// <summary>As <see cref="Flush"/>, without holding a thread of the pool.</summary>
    /// <param name="timeout">As <see cref="Flush"/>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public unsafe Task<IReadOnlyDictionary<string, LaneReport>> FlushAsync(
        TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        Aside(&NativeMethods.sinkwell_flush_on, HostCall.Limit(timeout), cancellationToken);

    /// <summary>
    /// Ends the emitter: what is queued is delivered, every stream closed, as far as the time allows. Later
    /// emits are refused. Safe to call again. Inside a sink of your own it does not wait, as it would wait for itself: the lanes
    /// end within that time, and the report says how they are now.
    /// </summary>
    /// <param name="timeout">
    /// How long at most; null: five seconds; <see cref="Timeout.InfiniteTimeSpan"/>: as long as it takes.
    /// </param>
    public unsafe IReadOnlyDictionary<string, LaneReport> Shutdown(TimeSpan? timeout = null)
    {
        SinkwellOwned bytes = default;
        SinkwellError error = default;
        _ended = true;
        if (HostCall.IsInside)
        {
            EndAside(timeout);
            return Flush(TimeSpan.Zero);
        }
        using var lease = new Lease(_handle);
        Native.Check(
            NativeMethods.sinkwell_shutdown(lease.Emitter, HostCall.Limit(timeout), &bytes, &error), ref error);
        return Reports.Lanes(Native.Take(ref bytes));
    }

    /// <summary>Has it end, and waits for nothing.</summary>
    private unsafe void EndAside(TimeSpan? timeout)
    {
        SinkwellError error = default;
        using var lease = new Lease(_handle);
        var limit = Native.Milliseconds(timeout ?? Lifetime.Limit);
        Native.Check(NativeMethods.sinkwell_shutdown_on(lease.Emitter, limit, 0, EmitterHandle.NobodyWaits, &error), ref error);
    }

    /// <summary>As <see cref="Shutdown"/>, without holding a thread of the pool.</summary>
    /// <param name="timeout">As <see cref="Shutdown"/>.</param>
    /// <param name="cancellationToken">Ends the wait; the shutdown goes on.</param>
    public unsafe Task<IReadOnlyDictionary<string, LaneReport>> ShutdownAsync(
        TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        _ended = true;
        if (HostCall.IsInside)
        {
            EndAside(timeout);
            return FlushAsync(TimeSpan.Zero, cancellationToken);
        }
        return Aside(&NativeMethods.sinkwell_shutdown_on, HostCall.Limit(timeout), cancellationToken);
    }

    /// <summary>
    /// Shuts down within five seconds, as at the end of the process; <see cref="ShutdownAsync"/> gives it as long as
    /// you say. Counters and health stay readable.
    /// </summary>
    public async ValueTask DisposeAsync() => await ShutdownAsync(Lifetime.Limit).ConfigureAwait(false);

    /// <inheritdoc cref="DisposeAsync"/>
    public void Dispose() => Shutdown(Lifetime.Limit);

    /// <summary>Delivers on this thread what a lane of a manual emitter holds.</summary>
    /// <param name="lane">The lane's id.</param>
    public unsafe Drained Drain(string lane)
    {
        var name = Utf8Text.Of(lane, "lane");
        SinkwellOwned bytes = default;
        SinkwellError error = default;
        using var lease = new Lease(_handle);
        fixed (byte* n = name.Bytes)
        {
            Native.Check(NativeMethods.sinkwell_drain(lease.Emitter, name.At(n), &bytes, &error), ref error);
        }
        return Reports.Drained(Native.Take(ref bytes));
    }

    /// <summary>How many events wait in a lane to be sealed.</summary>
    /// <param name="lane">The lane's id.</param>
    public unsafe long Queued(string lane)
    {
        var name = Utf8Text.Of(lane, "lane");
        ulong queued;
        SinkwellError error = default;
        using var lease = new Lease(_handle);
        fixed (byte* n = name.Bytes)
        {
            Native.Check(NativeMethods.sinkwell_queued(lease.Emitter, name.At(n), &queued, &error), ref error);
        }
        return (long)queued;
    }

    /// <summary>Adds a lane for a sink of your own while the emitter runs.</summary>
    /// <param name="sink">The sink.</param>
    /// <param name="lane">Any keys of a lane: <c>overflow</c>, <c>queue</c>, …</param>
    public unsafe void AddSink(IGovernanceEventSink sink, IEnumerable<KeyValuePair<string, object?>>? lane = null)
    {
        ArgumentNullException.ThrowIfNull(sink);
        using var tables = new HostTables([sink], signer: null, lane);
        SinkwellError error = default;
        using var lease = new Lease(_handle);
        tables.HandOver();
        Native.Check(NativeMethods.sinkwell_add_sink(lease.Emitter, tables.Sinks, &error), ref error);
    }

    /// <summary>Seals with another key from the next envelope on.</summary>
    /// <param name="key">A <c>key:</c> section, as in the configuration.</param>
    /// <param name="signer">What <c>signer: host</c> signs with.</param>
    public unsafe void ChangeKey(IEnumerable<KeyValuePair<string, object?>> key, ISigner? signer = null)
    {
        var section = Utf8Text.Json(key);
        using var tables = new HostTables([], signer);
        SinkwellError error = default;
        using var lease = new Lease(_handle);
        fixed (byte* s = section.Bytes)
        {
            tables.HandOver();
            Native.Check(
                NativeMethods.sinkwell_change_key(lease.Emitter, section.At(s), tables.Signer, &error), ref error);
        }
    }

    /// <summary>
    /// Has a durable lane export again what its journal still holds, from an envelope on: nothing is sealed anew, and
    /// content goes only as far as today's policy lets it.
    /// </summary>
    /// <param name="lane">The lane's id.</param>
    /// <param name="from">From where: a record's cursor, for example.</param>
    /// <exception cref="UnsupportedException">The lane is not durable.</exception>
    public unsafe void Repair(string lane, ExportCursor from)
    {
        ArgumentNullException.ThrowIfNull(from);
        if (!ulong.TryParse(from.Sequence, NumberStyles.None, CultureInfo.InvariantCulture, out var sequence))
        {
            throw SinkwellException.Of(ErrorCodes.InvalidArgument, "must be a number, as in a cursor", "from.sequence");
        }
        var name = Utf8Text.Of(lane, "lane");
        var stream = Utf8Text.Of(from.StreamId, "from.streamid");
        SinkwellError error = default;
        using var lease = new Lease(_handle);
        fixed (byte* n = name.Bytes)
        fixed (byte* s = stream.Bytes)
        {
            Native.Check(
                NativeMethods.sinkwell_repair(lease.Emitter, name.At(n), stream.At(s), sequence, &error), ref error);
        }
    }

    /// <summary>What sinks can and cannot do, as a value for those who must show it.</summary>
    public static JsonElement AuthorityBoundary() => Reports.Any(Native.Span(NativeMethods.sinkwell_authority_boundary()));

    private unsafe Task<IReadOnlyDictionary<string, LaneReport>> Aside(
        delegate*<SinkwellEmitter*, ulong, ulong, delegate* unmanaged[Cdecl]<ulong, int, SinkwellBytes, void>, SinkwellError*, int> start,
        ulong milliseconds,
        CancellationToken cancellationToken)
    {
        var completion = new Completion<IReadOnlyDictionary<string, LaneReport>>(static bytes => Reports.Lanes(bytes));
        var token = completion.Arm();
        SinkwellError error = default;
        using var lease = new Lease(_handle);
        var status = start(lease.Emitter, milliseconds, token, Completion.Callback, &error);
        if (status != 0)
        {
            Completion.Abandon(token);
            return Task.FromException<IReadOnlyDictionary<string, LaneReport>>(Native.TakeError(status, ref error));
        }
        return completion.Task.WaitAsync(cancellationToken);
    }
}
