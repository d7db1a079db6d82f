using System.Diagnostics;
using System.Text.Json;
using Sinkwell.Data;
using Sinkwell.Interop;

namespace Sinkwell;

public sealed partial class Emitter
{
    /// <summary>The deeds of processes before this one that have an intent and no result, the oldest first: what the journals
    /// hold that this process took over. Whether such an act was done, only the world outside can tell.</summary>
    public unsafe IReadOnlyList<UnfinishedDeed> Unfinished()
    {
        using var deeds = JsonDocument.Parse(Ask(&NativeMethods.sinkwell_unfinished));
        var all = new List<UnfinishedDeed>();
        foreach (var deed in deeds.RootElement.EnumerateArray())
        {
            string Text(string name) => deed.GetProperty(name).GetString()!;
            string? Maybe(string name) => deed.TryGetProperty(name, out var value) ? value.GetString() : null;
            all.Add(new(
                Text("id"),
                Text("type"),
                deed.GetProperty("time").GetDateTimeOffset(),
                Text("agentid"),
                Maybe("subject"),
                Maybe("runid"),
                Maybe("tool"),
                Text("streamid"),
                deed.GetProperty("sequence").GetInt64(),
                Text("where")));
        }
        return all;
    }

    /// <summary>
    /// Does something with an outside effect only once its intent is safe: on disk, or with the sinks that governance requires.
    /// The event is sealed as the intent; when that is safe, <paramref name="act"/> runs; when it has ended, however it did, a
    /// second event says so: its <c>phase</c> is <c>result</c>, and it has <c>outcome</c>, <c>duration_ms</c> and
    /// <c>error.type</c>. What the act throws is the caller's as it is.
    /// </summary>
    /// <param name="type">A built-in type, or any reverse-DNS type of your own.</param>
    /// <param name="data">Its attributes, read before the call returns.</param>
    /// <param name="act">What to do; it is given the token, too.</param>
    /// <param name="options">What else the event says.</param>
    /// <param name="terms">What to wait for, and for how long.</param>
    /// <param name="cancellationToken">Ends the wait, and then the act does not run.</param>
    /// <returns>What the act returns.</returns>
    /// <exception cref="RequiredSinkUnavailableException">The act did not run: governance requires a sink that is away.</exception>
    /// <exception cref="JournalException">The act did not run: the journal failed.</exception>
    /// <exception cref="BackpressureException">The act did not run: a lane had no room.</exception>
    /// <exception cref="WaitTimeoutException">The act did not run: the intent was not safe in time.</exception>
    public Task<T> DeedAsync<T>(
        string type,
        IEnumerable<KeyValuePair<string, object?>>? data,
        Func<Deed, CancellationToken, Task<T>> act,
        EventOptions options = default,
        DeedTerms terms = default,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(act);
        var draft = Filled(
            (type, options, data), static (draft, given) => draft.Fill(given.type, given.options).WithData(given.data));
        return Perform(draft, act, terms, cancellationToken);
    }

    /// <inheritdoc cref="DeedAsync{T}"/>
    public Task DeedAsync(
        string type,
        IEnumerable<KeyValuePair<string, object?>>? data,
        Func<Deed, CancellationToken, Task> act,
        EventOptions options = default,
        DeedTerms terms = default,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(act);
        return DeedAsync(
            type,
            data,
            async (deed, token) =>
            {
                await Started(act(deed, token), nameof(act)).ConfigureAwait(false);
                return true;
            },
            options,
            terms,
            cancellationToken);
    }

    private async Task<T> Perform<T>(
        EventDraft draft, Func<Deed, CancellationToken, Task<T>> act, DeedTerms terms, CancellationToken cancellationToken)
    {
        // Freed before it has ended, it is withdrawn.
        using var handle = await Begin(draft, terms, cancellationToken).ConfigureAwait(false);
        T result;
        try
        {
            result = await Started(act(new Deed(handle, _limit), cancellationToken), nameof(act)).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            await End(handle, OutcomeOf(e), KindOf(e)).ConfigureAwait(false);
            throw;
        }
        await End(handle, OutcomeOf(null), null).ConfigureAwait(false);
        return result;
    }

    /// <summary>The task that the program's own code returned.</summary>
    private static TTask Started<TTask>(TTask? task, string what)
        where TTask : Task =>
        task ?? throw SinkwellException.Of(ErrorCodes.InvalidArgument, "it returned null instead of a task", what);

    private async Task<DeedHandle> Begin(EventDraft draft, DeedTerms terms, CancellationToken cancellationToken)
    {
        var since = Stopwatch.GetTimestamp();
        DeedHandle? handle = null;
        try
        {
            TimeSpan limit;
            using (draft)
            {
                cancellationToken.ThrowIfCancellationRequested();
                while ((handle = Intend(draft, terms, Stopwatch.GetElapsedTime(since), out limit)) is null)
                {
                    await Until(OnRoom(), limit, since, cancellationToken).ConfigureAwait(false);
                }
            }
            await Until(handle.Settled(), limit, since, cancellationToken).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            handle.Act();
            return handle;
        }
        catch
        {
            handle?.Dispose();
            throw;
        }
    }

    /// <summary>Waits, at most until so long after the beginning: then the core says what that means.</summary>
    private static async Task Until(Task task, TimeSpan limit, long since, CancellationToken cancellationToken)
    {
        var rest = limit - Stopwatch.GetElapsedTime(since);
        try
        {
            await task.WaitAsync(rest > TimeSpan.Zero ? rest : TimeSpan.Zero, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The core says so, as it knows which lanes it was.
        }
    }

    private unsafe DeedHandle? Intend(EventDraft draft, DeedTerms terms, TimeSpan waited, out TimeSpan limit)
    {
        using var lease = new Lease(_handle);
        var deed = draft.Intend(lease.Emitter, terms, HostCall.IsInside, waited, out limit);
        return deed is null ? null : new DeedHandle(deed);
    }

    /// <summary>Seals the result. The act has happened: nothing here changes what it returned.</summary>
    private async Task End(DeedHandle handle, string outcome, string? kind)
    {
        var since = Stopwatch.GetTimestamp();
        try
        {
            while (!handle.End(outcome, kind, Stopwatch.GetElapsedTime(since), out var limit))
            {
                try
                {
                    await Until(OnRoom(), limit, since, CancellationToken.None).ConfigureAwait(false);
                }
                catch (EmitterClosedException)
                {
                    // The next try says so.
                }
            }
        }
        catch (Exception e) when (e is SinkwellException or ObjectDisposedException)
        {
            SinkwellDiagnostics.Warn($"a deed's result was not sealed: {e.Message}");
        }
    }

    internal static string OutcomeOf(Exception? failure) => failure switch
    {
        null => "ok",
        OperationCanceledException => "cancelled",
        TimeoutException => "timeout",
        _ => "error",
    };

    internal static string KindOf(Exception failure) => failure.GetType().FullName ?? failure.GetType().Name;
}
