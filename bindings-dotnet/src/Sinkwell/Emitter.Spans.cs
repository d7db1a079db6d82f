using System.Text.Json;
using Sinkwell.Data;
using Sinkwell.Interop;

namespace Sinkwell;

public sealed partial class Emitter
{
    /// <summary>
    /// Emits the events that a span of any tracing SDK stands for: see <see cref="SpanEvents.Of"/>. An exception is
    /// about the first event that was refused; the others are emitted all the same.
    /// </summary>
    /// <param name="span">The span. Its attributes may hold what JSON cannot carry (NaN, bytes): the core spells it.</param>
    /// <returns>How many.</returns>
    public int EmitSpan(IEnumerable<KeyValuePair<string, object?>> span)
    {
        ArgumentNullException.ThrowIfNull(span);
        return EmitSpan(new RecordWriter().Write(span, null).Written);
    }

    /// <inheritdoc cref="EmitSpan(IEnumerable{KeyValuePair{string, object}})"/>
    /// <param name="span">The span, a JSON object as UTF-8.</param>
    public unsafe int EmitSpan(ReadOnlySpan<byte> span)
    {
        ulong emitted;
        SinkwellError error = default;
        using var lease = new Lease(_handle);
        fixed (byte* bytes = span)
        {
            var given = new SinkwellBytes { data = bytes, len = (ulong)span.Length };
            var status = NativeMethods.sinkwell_emit_span(lease.Emitter, given, HostCall.Wait, &emitted, &error);
            Native.Check(status, ref error);
        }
        return (int)emitted;
    }
}

/// <summary>Spans of any tracing SDK as events: the mapping is the core's, the same in every language.</summary>
public static class SpanEvents
{
    /// <summary>
    /// The events that a span stands for, without emitting them. A span has a <c>name</c> and may have
    /// <c>trace_id</c>, <c>span_id</c>, <c>flags</c>, <c>state</c>, <c>start_unix_nano</c> and
    /// <c>end_unix_nano</c> (decimal digits in a string; without an end it has just started), <c>status</c>
    /// (<c>unset</c>, <c>ok</c>, <c>error</c>), <c>attributes</c>, <c>events</c> (<c>{name, attributes}</c>) and
    /// <c>permit</c>.
    /// </summary>
    /// <param name="span">The span, a JSON object as UTF-8.</param>
    /// <returns>A list of events, with the members that an event has in every language.</returns>
    public static unsafe JsonElement Of(ReadOnlySpan<byte> span)
    {
        SinkwellOwned events = default;
        SinkwellError error = default;
        fixed (byte* bytes = span)
        {
            var given = new SinkwellBytes { data = bytes, len = (ulong)span.Length };
            Native.Check(NativeMethods.sinkwell_events_of_span(given, &events, &error), ref error);
        }
        return Reports.Any(Native.Take(ref events));
    }
}
