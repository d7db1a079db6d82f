using System.Diagnostics;
using System.Text.Json;
using Sinkwell.Data;
using Sinkwell.Interop;

namespace Sinkwell;

public sealed partial class Emitter
{
    /// <summary>
    /// Emits a log record of any logging library: see <see cref="LogRecords.EventOf(IEnumerable{KeyValuePair{string, object}})"/>.
    /// The trace context is that of <see cref="Activity.Current"/> where the record has none, and the run that of
    /// <see cref="SinkwellContext.Current"/>.
    /// </summary>
    /// <param name="record">The record.</param>
    /// <exception cref="SinkwellException">The emitter is closed, full or forbidden to go on; never for what the record says.</exception>
    public void EmitLog(IEnumerable<KeyValuePair<string, object?>> record)
    {
        ArgumentNullException.ThrowIfNull(record);
        TraceContext? trace = Activity.Current is { IdFormat: ActivityIdFormat.W3C } activity ? activity.Context : null;
        EmitLog(new RecordWriter().Write(record, trace, SinkwellContext.Current).Written);
    }

    /// <inheritdoc cref="EmitLog(IEnumerable{KeyValuePair{string, object}})"/>
    /// <param name="record">The record, a JSON object as UTF-8.</param>
    public unsafe void EmitLog(ReadOnlySpan<byte> record)
    {
        SinkwellError error = default;
        using var lease = new Lease(_handle);
        fixed (byte* bytes = record)
        {
            var given = new SinkwellBytes { data = bytes, len = (ulong)record.Length };
            Native.Check(NativeMethods.sinkwell_emit_log(lease.Emitter, given, HostCall.Wait, &error), ref error);
        }
    }
}

/// <summary>Log records of any logging library as events: the mapping is the core's, the same in every language.</summary>
public static class LogRecords
{
    /// <summary>
    /// The event that a log record stands for, without emitting it. All of a record is optional: <c>scale</c>
    /// (<c>logging</c>, <c>pino</c>, <c>slog</c>, <c>loglevel</c>: whose numbers the level is in; absent: OpenTelemetry's),
    /// <c>level</c>, <c>level_name</c>, <c>logger</c>, <c>time</c> or <c>time_unix_nano</c>, <c>message</c>,
    /// <c>attributes</c>, <c>exception</c> (<c>{type, message, stack}</c>), <c>code</c> (<c>{function, module, file,
    /// line}</c>), <c>event_id</c>, <c>event_name</c>, <c>trace_id</c>, <c>span_id</c>, <c>flags</c>, <c>state</c>,
    /// <c>run</c>, <c>turn</c>, <c>attempt</c>, <c>correlation</c>, <c>causation</c>, <c>agent</c>,
    /// <c>subject</c>, <c>ambient</c> (the run that the calling code works for), <c>permit</c>.
    /// <para>
    /// The message, the attributes and what an exception says are people's words: they become content parts, and leave only
    /// as far as <c>permit</c> and the content policy let them. Nothing is refused for what it holds: what JSON cannot carry
    /// is spelled, what is too long is cut, and <c>data.respelled</c> says how many.
    /// </para>
    /// </summary>
    /// <param name="record">The record.</param>
    /// <returns>An event, with the members that one has in every language.</returns>
    public static JsonElement EventOf(IEnumerable<KeyValuePair<string, object?>> record)
    {
        ArgumentNullException.ThrowIfNull(record);
        return EventOf(new RecordWriter().Write(record, null).Written);
    }

    /// <inheritdoc cref="EventOf(IEnumerable{KeyValuePair{string, object}})"/>
    /// <param name="record">The record, a JSON object as UTF-8.</param>
    public static unsafe JsonElement EventOf(ReadOnlySpan<byte> record)
    {
        SinkwellOwned made = default;
        SinkwellError error = default;
        fixed (byte* bytes = record)
        {
            var given = new SinkwellBytes { data = bytes, len = (ulong)record.Length };
            Native.Check(NativeMethods.sinkwell_event_of_log(given, &made, &error), ref error);
        }
        return Reports.Any(Native.Take(ref made));
    }
}
