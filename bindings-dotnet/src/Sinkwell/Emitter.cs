using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Sinkwell.Data;
using Sinkwell.Interop;

namespace Sinkwell;

/// <summary>
/// Seals events and hands them to every lane. All members may be used from any thread. Dispose of it, or let
/// the process end normally, and what it was given is delivered first.
/// </summary>
public sealed partial class Emitter : IAsyncDisposable, IDisposable
{
    private readonly EmitterHandle _handle;

    /// <summary>How many bytes an envelope may have.</summary>
    private readonly int _limit;

    /// <summary>A shutdown of it has begun.</summary>
    private volatile bool _ended;

    private unsafe Emitter(SinkwellEmitter* emitter)
    {
        _handle = new EmitterHandle(emitter);
        byte handles = 0;
        SinkwellError error = default;
        Native.Check(NativeMethods.sinkwell_handles_signals(emitter, &handles, &error), ref error);
        HandlesSignals = handles != 0;
        ulong limit = 0;
        Native.Check(NativeMethods.sinkwell_envelope_limit(emitter, &limit, &error), ref error);
        _limit = (int)Math.Min(limit, int.MaxValue);
        Lifetime.Add(this, HandlesSignals);
    }

    /// <summary>
    /// Whether this code runs inside a sink, a signer or a logger of the host's, where an emit never waits: what logs
    /// into an emitter leaves out what comes from there, as it would feed itself.
    /// </summary>
    public static bool IsInsideSink => HostCall.IsInside;

    /// <summary>Whether the configuration has <c>handle_signals</c>.</summary>
    internal bool HandlesSignals { get; }

    /// <summary>Emits an event.</summary>
    /// <param name="type">A built-in type, or any reverse-DNS type of your own.</param>
    /// <param name="data">
    /// Its attributes: null, texts, truth values, numbers, lists and maps. Anything else is refused, with its path.
    /// </param>
    /// <param name="options">What else it says.</param>
    /// <returns>
    /// What became of it. Waits on this thread where a blocking lane has no room; inside a sink of your own never:
    /// such a lane drops it as <c>reentrant</c>.
    /// </returns>
    /// <exception cref="InvalidEventException">It cannot be sealed as given; nothing of it is kept.</exception>
    /// <exception cref="BackpressureException">A blocking lane had no room within its limit.</exception>
    public Receipt Emit(
        string type, IEnumerable<KeyValuePair<string, object?>>? data = null, EventOptions options = default)
    {
        using var draft = EventDraft.Rent(_limit);
        return Emit(draft.Fill(type, options).WithData(data));
    }

    /// <inheritdoc cref="Emit(string, IEnumerable{KeyValuePair{string, object}}?, EventOptions)"/>
    public Receipt Emit(string type, JsonElement data, EventOptions options = default)
    {
        using var draft = EventDraft.Rent(_limit);
        return Emit(draft.Fill(type, options).WithData(data));
    }

    /// <inheritdoc cref="Emit(string, IEnumerable{KeyValuePair{string, object}}?, EventOptions)"/>
    /// <param name="type">A built-in type, or any reverse-DNS type of your own.</param>
    /// <param name="data">Its attributes, typed: <c>[("tool", "search"), ("duration_ms", 18.25)]</c>.</param>
    /// <param name="options">What else it says.</param>
    [OverloadResolutionPriority(-1)]
    public Receipt Emit(string type, ReadOnlySpan<Attr> data, EventOptions options = default)
    {
        using var draft = EventDraft.Rent(_limit);
        return Emit(draft.Fill(type, options).WithData(data));
    }

    /// <inheritdoc cref="Emit(string, IEnumerable{KeyValuePair{string, object}}?, EventOptions)"/>
    /// <param name="type">A built-in type, or any reverse-DNS type of your own.</param>
    /// <param name="utf8Json">Its attributes: a JSON object.</param>
    /// <param name="options">What else it says.</param>
    public Receipt EmitJson(string type, ReadOnlySpan<byte> utf8Json, EventOptions options = default)
    {
        using var draft = EventDraft.Rent(_limit);
        return Emit(draft.Fill(type, options).WithJson(utf8Json));
    }

    /// <inheritdoc cref="Emit(string, IEnumerable{KeyValuePair{string, object}}?, EventOptions)"/>
    /// <param name="type">A built-in type, or any reverse-DNS type of your own.</param>
    /// <param name="data">Its attributes.</param>
    /// <param name="contract">How they become JSON: of a source-generated <c>JsonSerializerContext</c>.</param>
    /// <param name="options">What else it says.</param>
    public Receipt EmitJson<T>(string type, T data, JsonTypeInfo<T> contract, EventOptions options = default)
    {
        using var draft = EventDraft.Rent(_limit);
        return Emit(draft.Fill(type, options).WithData(data, contract));
    }

    /// <summary>
    /// Emits an event, for who needs no receipt: it costs less, as nothing of the event is kept for questions.
    /// </summary>
    /// <inheritdoc cref="Emit(string, IEnumerable{KeyValuePair{string, object}}?, EventOptions)"/>
    public void Put(string type, IEnumerable<KeyValuePair<string, object?>>? data = null, EventOptions options = default)
    {
        using var draft = EventDraft.Rent(_limit);
        Put(draft.Fill(type, options).WithData(data));
    }

    /// <inheritdoc cref="Put(string, IEnumerable{KeyValuePair{string, object}}?, EventOptions)"/>
    /// <param name="type">A built-in type, or any reverse-DNS type of your own.</param>
    /// <param name="data">Its attributes, typed: <c>[("tool", "search"), ("duration_ms", 18.25)]</c>.</param>
    /// <param name="options">What else it says.</param>
    [OverloadResolutionPriority(-1)]
    public void Put(string type, ReadOnlySpan<Attr> data, EventOptions options = default)
    {
        using var draft = EventDraft.Rent(_limit);
        Put(draft.Fill(type, options).WithData(data));
    }

    /// <inheritdoc cref="Put(string, IEnumerable{KeyValuePair{string, object}}?, EventOptions)"/>
    public void Put(string type, JsonElement data, EventOptions options = default)
    {
        using var draft = EventDraft.Rent(_limit);
        Put(draft.Fill(type, options).WithData(data));
    }

    /// <inheritdoc cref="Put(string, IEnumerable{KeyValuePair{string, object}}?, EventOptions)"/>
    /// <param name="type">A built-in type, or any reverse-DNS type of your own.</param>
    /// <param name="utf8Json">Its attributes: a JSON object.</param>
    /// <param name="options">What else it says.</param>
    public void PutJson(string type, ReadOnlySpan<byte> utf8Json, EventOptions options = default)
    {
        using var draft = EventDraft.Rent(_limit);
        Put(draft.Fill(type, options).WithJson(utf8Json));
    }

    /// <inheritdoc cref="Put(string, IEnumerable{KeyValuePair{string, object}}?, EventOptions)"/>
    /// <param name="type">A built-in type, or any reverse-DNS type of your own.</param>
    /// <param name="data">Its attributes.</param>
    /// <param name="contract">How they become JSON: of a source-generated <c>JsonSerializerContext</c>.</param>
    /// <param name="options">What else it says.</param>
    public void PutJson<T>(string type, T data, JsonTypeInfo<T> contract, EventOptions options = default)
    {
        using var draft = EventDraft.Rent(_limit);
        Put(draft.Fill(type, options).WithData(data, contract));
    }

    /// <summary>Emits an event; where a blocking lane has no room, the wait holds no thread.</summary>
    /// <inheritdoc cref="Emit(string, IEnumerable{KeyValuePair{string, object}}?, EventOptions)"/>
    /// <param name="type">A built-in type, or any reverse-DNS type of your own.</param>
    /// <param name="data">Its attributes, read before the call returns.</param>
    /// <param name="options">What else it says.</param>
    /// <param name="cancellationToken">Ends the wait; the event has entered no lane then.</param>
    public ValueTask<Receipt> EmitAsync(
        string type,
        IEnumerable<KeyValuePair<string, object?>>? data = null,
        EventOptions options = default,
        CancellationToken cancellationToken = default) =>
        EmitAsync(
            Filled((type, options, data), static (draft, given) => draft.Fill(given.type, given.options).WithData(given.data)),
            cancellationToken);

    /// <inheritdoc cref="EmitAsync(string, IEnumerable{KeyValuePair{string, object}}?, EventOptions, CancellationToken)"/>
    public ValueTask<Receipt> EmitAsync(
        string type, JsonElement data, EventOptions options = default, CancellationToken cancellationToken = default) =>
        EmitAsync(
            Filled((type, options, data), static (draft, given) => draft.Fill(given.type, given.options).WithData(given.data)),
            cancellationToken);

    /// <inheritdoc cref="EmitAsync(string, IEnumerable{KeyValuePair{string, object}}?, EventOptions, CancellationToken)"/>
    public ValueTask<Receipt> EmitJsonAsync<T>(
        string type,
        T data,
        JsonTypeInfo<T> contract,
        EventOptions options = default,
        CancellationToken cancellationToken = default) =>
        EmitAsync(
            Filled(
                (type, options, data, contract),
                static (draft, given) => draft.Fill(given.type, given.options).WithData(given.data, given.contract)),
            cancellationToken);

    /// <summary>Says whether an emit would be let through now.</summary>
    /// <exception cref="RequiredSinkUnavailableException">Governance forbids going on.</exception>
    /// <exception cref="EmitterClosedException">It has been shut down.</exception>
    public unsafe void EnsureReady()
    {
        SinkwellError error = default;
        using var lease = new Lease(_handle);
        Native.Check(NativeMethods.sinkwell_ensure_ready(lease.Emitter, &error), ref error);
    }

    /// <summary>Counters by lane; one consistent snapshot of each.</summary>
    public unsafe IReadOnlyDictionary<string, LaneCounters> Counters() =>
        Reports.Counters(Ask(&NativeMethods.sinkwell_counters));

    /// <summary>Health by lane.</summary>
    public unsafe IReadOnlyDictionary<string, LaneHealth> Health() => Reports.Health(Ask(&NativeMethods.sinkwell_health));

    /// <summary>Counters and states in the Prometheus text format.</summary>
    public unsafe string Prometheus() => System.Text.Encoding.UTF8.GetString(Ask(&NativeMethods.sinkwell_prometheus));

    /// <summary>How many events <c>closed</c>, <c>backpressure</c> and <c>required_sink_unavailable</c> kept out.</summary>
    public unsafe long Refused
    {
        get
        {
            ulong refused;
            SinkwellError error = default;
            using var lease = new Lease(_handle);
            Native.Check(NativeMethods.sinkwell_refused(lease.Emitter, &refused, &error), ref error);
            return (long)refused;
        }
    }

    private unsafe byte[] Ask(delegate*<SinkwellEmitter*, SinkwellOwned*, SinkwellError*, int> question)
    {
        SinkwellOwned bytes = default;
        SinkwellError error = default;
        using var lease = new Lease(_handle);
        Native.Check(question(lease.Emitter, &bytes, &error), ref error);
        return Native.Take(ref bytes);
    }

    private unsafe Receipt Emit(EventDraft draft)
    {
        SinkwellReceipt* receipt;
        Emit(draft, &receipt);
        return new Receipt(receipt, draft.Length);
    }

    private unsafe void Put(EventDraft draft) => Emit(draft, null);

    private unsafe void Emit(EventDraft draft, SinkwellReceipt** receipt)
    {
        using var lease = new Lease(_handle);
        // Inside a sink of the host's nothing may wait: it would wait for itself.
        draft.Emit(lease.Emitter, HostCall.Wait, receipt);
    }

    private EventDraft Filled<TGiven>(TGiven given, Action<EventDraft, TGiven> fill)
    {
        var draft = EventDraft.Rent(_limit);
        try
        {
            fill(draft, given);
            return draft;
        }
        catch
        {
            draft.Dispose();
            throw;
        }
    }

    private ValueTask<Receipt> EmitAsync(EventDraft draft, CancellationToken cancellationToken)
    {
        Receipt? receipt = null;
        TimeSpan limit = default;
        var waits = false;
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            receipt = TryEmit(draft, TimeSpan.Zero, out limit);
            waits = receipt is null;
        }
        catch (Exception e) when (e is SinkwellException or OperationCanceledException)
        {
            return ValueTask.FromException<Receipt>(e);
        }
        finally
        {
            if (!waits)
            {
                draft.Dispose();
            }
        }
        return receipt is null ? new(WaitForRoom(draft, limit, cancellationToken)) : new(receipt);
    }

    private async Task<Receipt> WaitForRoom(EventDraft draft, TimeSpan limit, CancellationToken cancellationToken)
    {
        using (draft)
        {
            var since = Stopwatch.GetTimestamp();
            while (true)
            {
                await Until(OnRoom(), limit, since, cancellationToken).ConfigureAwait(false);
                if (TryEmit(draft, Stopwatch.GetElapsedTime(since), out limit) is { } receipt)
                {
                    return receipt;
                }
            }
        }
    }

    private unsafe Receipt? TryEmit(EventDraft draft, TimeSpan waited, out TimeSpan limit)
    {
        using var lease = new Lease(_handle);
        if (HostCall.IsInside)
        {
            limit = default;
            SinkwellReceipt* dropped;
            draft.Emit(lease.Emitter, NativeConstants.Inside, &dropped);
            return new Receipt(dropped, draft.Length);
        }
        var receipt = draft.TryEmit(lease.Emitter, waited, out limit);
        return receipt is null ? null : new Receipt(receipt, draft.Length);
    }

    private unsafe Task OnRoom()
    {
        var completion = new Completion<bool>(static _ => true);
        var token = completion.Arm();
        SinkwellError error = default;
        using var lease = new Lease(_handle);
        var status = NativeMethods.sinkwell_on_room(lease.Emitter, token, Completion.Callback, &error);
        if (status != 0)
        {
            Completion.Abandon(token);
            return Task.FromException(Native.TakeError(status, ref error));
        }
        return completion.Task;
    }
}
