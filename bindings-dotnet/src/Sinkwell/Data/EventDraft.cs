using System.Diagnostics;
using System.Text.Json.Serialization.Metadata;
using Sinkwell.Interop;

namespace Sinkwell.Data;

/// <summary>
/// One event on its way to the core: everything it says, as UTF-8 in one buffer that is used again, so that a
/// call allocates next to nothing. One thread has it at a time; <see cref="Dispose"/> gives it back.
/// </summary>
internal sealed unsafe class EventDraft : IDisposable
{
    private const string Root = "data";

    private const int KeptBytes = 64 * 1024;

    [ThreadStatic]
    private static EventDraft? s_idle;

    private readonly Buffer _buffer = new();
    private readonly DataWriter<StreamOutput> _data;
    private ContractWriter? _contracts;
    private PartSpans[] _parts = [];
    /// <summary>What the parts are given as, for the call only: their addresses mean nothing after it.</summary>
    private SinkwellPart[] _given = [];
    private int _partCount;
    private TextSpan _type, _said, _subject, _severity, _run, _parentRun, _turn, _attempt, _agent, _tenant, _time, _id,
        _causation, _correlation, _child, _traceId, _spanId, _traceState;
    private byte _traceFlags;
    private byte _terminal;
    private byte _form;
    private int _limit;

    private EventDraft() => _data = new DataWriter<StreamOutput>(new StreamOutput(_buffer), Root);

    /// <summary>The thread's draft, or another while that one is in use: user code may emit while it is read.</summary>
    /// <param name="limit">How many bytes an envelope of the emitter's may have.</param>
    internal static EventDraft Rent(int limit)
    {
        var draft = s_idle ?? new EventDraft();
        s_idle = null;
        draft._limit = limit;
        return draft;
    }

    /// <summary>How many bytes it says all in all.</summary>
    internal int Length => _buffer.Length;

    public void Dispose()
    {
        _buffer.Reset(KeptBytes);
        Array.Clear(_parts, 0, _partCount);
        _partCount = 0;
        _said = default;
        s_idle = this;
    }

    internal EventDraft Fill(string? type, in EventOptions options)
    {
        _type = Put(type, "type");
        _subject = Put(options.Subject, "subject");
        _severity = Put(options.Severity?.Name, "severity");
        var around = SinkwellContext.Current;
        // Turn, attempt and parent belong to their run.
        var within = options.Run is null || options.Run == around?.RunId ? around : null;
        _run = Put(options.Run ?? around?.RunId, "run");
        _parentRun = Put(within?.ParentRun, "parent_run");
        _turn = Put(options.Turn ?? within?.TurnId, "turn");
        _attempt = Put(options.Attempt ?? within?.Attempt, "attempt");
        _agent = Put(options.Agent ?? around?.Agent, "agent");
        _tenant = Put(options.Tenant, "tenant");
        _time = Put(options.Time?.Text, "time");
        _id = Put(options.Id, "id");
        _causation = Put(options.Causation ?? around?.Causation, "causation");
        _correlation = Put(options.Correlation ?? around?.Correlation, "correlation");
        _child = Put(options.Child, "child");
        _terminal = options.Terminal switch { null => 0, false => 1, true => 2 };
        Trace(options.Trace);
        Content(options.Content);
        return this;
    }

    internal EventDraft WithData(object? data)
    {
        if (data is not null)
        {
            var start = Bounded();
            _data.Write(data, ErrorCodes.InvalidEvent);
            Says(start, NativeConstants.DataValues);
        }
        return this;
    }

    internal EventDraft WithData(ReadOnlySpan<Attr> data)
    {
        var start = Bounded();
        _data.Write(data, ErrorCodes.InvalidEvent);
        Says(start, NativeConstants.DataValues);
        return this;
    }

    internal EventDraft WithData<T>(T data, JsonTypeInfo<T> contract)
    {
        var start = Bounded();
        (_contracts ??= new()).Write(_buffer, data, contract, ErrorCodes.InvalidEvent, Root);
        Says(start, NativeConstants.DataJson);
        return this;
    }

    /// <summary>Takes text that is JSON already, as it is.</summary>
    internal EventDraft WithJson(ReadOnlySpan<byte> json)
    {
        var start = _buffer.Length;
        _buffer.Put(json);
        Says(start, NativeConstants.DataJson);
        return this;
    }

    /// <summary>Emits, waiting on this thread for room where the core may.</summary>
    /// <param name="emitter">Whom.</param>
    /// <param name="wait">Whether.</param>
    /// <param name="receipt">Where its receipt goes, if anybody wants it.</param>
    internal void Emit(SinkwellEmitter* emitter, int wait, SinkwellReceipt** receipt)
    {
        fixed (byte* start = _buffer.Bytes)
        fixed (SinkwellPart* parts = Parts(start))
        {
            var given = Event(start, parts);
            SinkwellError error = default;
            Native.Check(NativeMethods.sinkwell_emit(emitter, &given, wait, receipt, &error), ref error);
        }
    }

    /// <summary>Emits if there is room; null otherwise, with how long to wait for it in all.</summary>
    internal SinkwellReceipt* TryEmit(SinkwellEmitter* emitter, TimeSpan waited, out TimeSpan limit)
    {
        fixed (byte* start = _buffer.Bytes)
        fixed (SinkwellPart* parts = Parts(start))
        {
            var given = Event(start, parts);
            SinkwellReceipt* receipt = null;
            SinkwellError error = default;
            byte receipted;
            ulong milliseconds;
            var status = NativeMethods.sinkwell_try_emit(
                emitter, &given, (ulong)waited.TotalMilliseconds, &receipted, &milliseconds, &receipt, &error);
            Native.Check(status, ref error);
            limit = TimeSpan.FromMilliseconds(Math.Min(milliseconds, int.MaxValue));
            return receipt;
        }
    }

    /// <summary>Seals it as a deed's intent if there is room; null otherwise, with how long to wait for it in all.</summary>
    internal SinkwellDeed* Intend(
        SinkwellEmitter* emitter, in DeedTerms terms, bool inside, TimeSpan waited, out TimeSpan limit)
    {
        var until = Put(terms.Until, "until");
        fixed (byte* start = _buffer.Bytes)
        fixed (SinkwellPart* parts = Parts(start))
        {
            var given = Event(start, parts);
            SinkwellDeed* deed = null;
            SinkwellError error = default;
            byte entered;
            ulong milliseconds;
            var status = NativeMethods.sinkwell_deed_intend(
                emitter,
                &given,
                until.At(start),
                terms.Timeout is { } timeout ? (long)Math.Min(Native.Milliseconds(timeout), long.MaxValue) : -1,
                inside ? NativeConstants.Inside : NativeConstants.NoWait,
                (ulong)waited.TotalMilliseconds,
                &entered,
                &milliseconds,
                &deed,
                &error);
            Native.Check(status, ref error);
            limit = TimeSpan.FromMilliseconds(Math.Min(milliseconds, int.MaxValue));
            return deed;
        }
    }

    /// <summary>Says its data and content of a deed's result.</summary>
    internal void Say(SinkwellDeed* deed)
    {
        fixed (byte* start = _buffer.Bytes)
        fixed (SinkwellPart* parts = Parts(start))
        {
            var given = Event(start, parts);
            SinkwellError error = default;
            Native.Check(NativeMethods.sinkwell_deed_say(deed, &given, &error), ref error);
        }
    }

    /// <summary>Begins the data, which has a bound of its own: content parts may be larger.</summary>
    private int Bounded()
    {
        _buffer.Bound(_limit);
        return _buffer.Length;
    }

    private void Says(int start, byte form)
    {
        _buffer.Unbound();
        _said = _buffer.Since(start);
        _form = form;
    }

    private SinkwellEvent Event(byte* start, SinkwellPart* parts) => new()
    {
        event_type = _type.At(start),
        data = _said.At(start),
        subject = _subject.At(start),
        severity = _severity.At(start),
        run = _run.At(start),
        parent_run = _parentRun.At(start),
        turn = _turn.At(start),
        attempt = _attempt.At(start),
        agent = _agent.At(start),
        tenant = _tenant.At(start),
        time = _time.At(start),
        id = _id.At(start),
        causation = _causation.At(start),
        correlation = _correlation.At(start),
        child = _child.At(start),
        trace_id = _traceId.At(start),
        span_id = _spanId.At(start),
        trace_state = _traceState.At(start),
        content = parts,
        content_len = (ulong)_partCount,
        trace_flags = _traceFlags,
        terminal = _terminal,
        data_form = _form,
    };

    private SinkwellPart[]? Parts(byte* start)
    {
        if (_partCount == 0)
        {
            return null;
        }
        if (_given.Length < _partCount)
        {
            _given = new SinkwellPart[_partCount];
        }
        for (var i = 0; i < _partCount; i++)
        {
            _given[i] = _parts[i].At(start);
        }
        return _given;
    }

    private void Content(IReadOnlyList<Part>? content)
    {
        _partCount = content?.Count ?? 0;
        if (_parts.Length < _partCount)
        {
            _parts = new PartSpans[_partCount];
        }
        for (var i = 0; i < _partCount; i++)
        {
            var part = content![i];
            _parts[i] = new PartSpans
            {
                ContentClass = Put(part.ContentClass, "content.class"),
                MediaType = Put(part.MediaType, "content.mediatype"),
                Text = Put(part.Text, "content.text"),
                Bytes = part.Bytes is { } bytes ? _buffer.Put(bytes.Span) : default,
                Role = Put(part.Role, "content.role"),
                Ref = Put(part.Ref, "content.ref"),
                Summary = Put(part.Summary, "content.summary"),
                Permit = Put(part.Permit?.Name, "content.permit"),
                Tokens = part.Tokens,
            };
        }
    }

    private void Trace(TraceContext? given)
    {
        _traceId = _spanId = _traceState = default;
        _traceFlags = 0;
        if (given is { } trace)
        {
            _traceId = Foreign(trace.TraceId);
            _spanId = Foreign(trace.SpanId);
            _traceState = Foreign(trace.State);
            _traceFlags = trace.Flags;
        }
        else if (Activity.Current is { IdFormat: ActivityIdFormat.W3C } activity)
        {
            Span<byte> raw = stackalloc byte[16];
            activity.TraceId.CopyTo(raw);
            _traceId = _buffer.PutHex(raw);
            activity.SpanId.CopyTo(raw[..8]);
            _spanId = _buffer.PutHex(raw[..8]);
            _traceFlags = (byte)activity.ActivityTraceFlags;
            _traceState = Foreign(activity.TraceStateString);
        }
    }

    /// <summary>
    /// Text of a trace context, which comes from other processes: what is no text is no trace context, which the core leaves
    /// out.
    /// </summary>
    private TextSpan Foreign(string? text) =>
        text is not null && _buffer.TryPut(text, out var span) ? span : Put(text is null ? null : "\ufffd", "trace");

    private TextSpan Put(string? text, string where)
    {
        if (text is null)
        {
            return default;
        }
        return _buffer.TryPut(text, out var span)
            ? span
            : throw SinkwellException.Of(ErrorCodes.InvalidEvent, Native.LoneSurrogate, where);
    }

    private struct PartSpans
    {
        internal TextSpan ContentClass, MediaType, Text, Bytes, Role, Ref, Summary, Permit;
        internal long? Tokens;

        internal readonly SinkwellPart At(byte* start) => new()
        {
            content_class = ContentClass.At(start),
            mediatype = MediaType.At(start),
            text = Text.At(start),
            bytes = Bytes.At(start),
            role = Role.At(start),
            reference = Ref.At(start),
            summary = Summary.At(start),
            permit = Permit.At(start),
            tokens = (ulong)(Tokens ?? 0),
            has_tokens = Tokens is null ? (byte)0 : (byte)1,
        };
    }
}
