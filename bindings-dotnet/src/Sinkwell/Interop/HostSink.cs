using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sinkwell.Interop;

/// <summary>
/// A lane's calls of a sink of the host's. The core's thread only hands a batch over; the sink runs on the
/// thread pool, and every batch is answered once, whatever the sink does.
/// </summary>
internal sealed class HostSink(IGovernanceEventSink sink)
{
    internal static unsafe delegate* unmanaged[Cdecl]<ulong, SinkwellEnvelope*, ulong, ulong, SinkwellReply*, void> DeliverCallback => &Deliver;

    internal static unsafe delegate* unmanaged[Cdecl]<ulong, SinkwellHealthReply*, void> HealthCallback => &Health;

    internal static unsafe delegate* unmanaged[Cdecl]<ulong, void> FreeCallback => &Free;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void Deliver(
        ulong user, SinkwellEnvelope* batch, ulong length, ulong timeoutMilliseconds, SinkwellReply* reply)
    {
        var answer = new Reply((nint)reply);
        try
        {
            var sink = (HostSink)GCHandle.FromIntPtr((nint)user).Target!;
            var events = new SignedGovernanceEvent[length];
            for (var i = 0; i < events.Length; i++)
            {
                events[i] = new SignedGovernanceEvent(batch + i);
            }
            ThreadPool.UnsafeQueueUserWorkItem(
                static call => _ = call.Sink.DeliverAsync(call.Events, call.Timeout, call.Answer),
                (Sink: sink, Events: events, Timeout: timeoutMilliseconds, Answer: answer),
                preferLocal: false);
        }
        catch (Exception e)
        {
            // Nothing may leave an unmanaged frame.
            answer.All(e);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void Health(ulong user, SinkwellHealthReply* reply)
    {
        try
        {
            var sink = (HostSink)GCHandle.FromIntPtr((nint)user).Target!;
            ThreadPool.UnsafeQueueUserWorkItem(
                static call => _ = call.Sink.HealthAsync(call.Reply), (Sink: sink, Reply: (nint)reply), preferLocal: false);
        }
        catch (Exception e)
        {
            AnswerHealth((nint)reply, new SinkHealth(false, Failure.Detail(e)));
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Free(ulong user) => GCHandle.FromIntPtr((nint)user).Free();

    private async Task DeliverAsync(SignedGovernanceEvent[] events, ulong timeoutMilliseconds, Reply reply)
    {
        HostCall.Enter();
        using var timeout = new CancellationTokenSource(Limit(timeoutMilliseconds));
        if (sink is IBatchGovernanceEventSink batches)
        {
            await DeliverBatchAsync(batches, events, reply, timeout.Token).ConfigureAwait(false);
            return;
        }
        var answers = new List<Exception?>(events.Length);
        foreach (var one in events)
        {
            try
            {
                var task = sink.EmitAsync(one, timeout.Token) ?? throw new NoTaskException();
                await task.ConfigureAwait(false);
                answers.Add(null);
            }
            catch (Exception e)
            {
                answers.Add(e);
                if (e is not (RejectedException or UncertainException))
                {
                    // What comes after it must not overtake it.
                    break;
                }
            }
        }
        reply.First(answers);
    }

    private static async Task DeliverBatchAsync(
        IBatchGovernanceEventSink sink, SignedGovernanceEvent[] events, Reply reply, CancellationToken cancellation)
    {
        try
        {
            var task = sink.EmitBatchAsync(events, cancellation) ?? throw new NoTaskException();
            var answers = await task.ConfigureAwait(false);
            if (answers is null)
            {
                reply.All(null);
            }
            else
            {
                reply.Each(answers);
            }
        }
        catch (Exception e)
        {
            reply.All(e);
        }
    }

    private async Task HealthAsync(nint reply)
    {
        SinkHealth health;
        try
        {
            HostCall.Enter();
            var task = sink.HealthAsync(CancellationToken.None) ?? throw new NoTaskException();
            health = await task.ConfigureAwait(false) ?? throw new NoTaskException();
        }
        catch (Exception e)
        {
            health = new SinkHealth(false, Failure.Detail(e));
        }
        AnswerHealth(reply, health);
    }

    private static unsafe void AnswerHealth(nint reply, SinkHealth health)
    {
        using var arena = new Arena();
        var taken = (SinkwellHealthReply*)reply;
        var healthy = health.Healthy ? (byte)1 : (byte)0;
        if (NativeMethods.sinkwell_health_reply(&taken, healthy, Failure.Put(arena, health.Detail), null) != 0)
        {
            _ = NativeMethods.sinkwell_health_reply(&taken, 0, default, null);
        }
    }

    /// <summary>What a timer can count; beyond it there is none.</summary>
    private static TimeSpan Limit(ulong milliseconds) =>
        milliseconds > int.MaxValue ? Timeout.InfiniteTimeSpan : TimeSpan.FromMilliseconds(milliseconds);
}

/// <summary>The one answer to a batch.</summary>
internal readonly unsafe struct Reply(nint reply)
{
    /// <summary>An answer for each event of a batch.</summary>
    internal void Each(IReadOnlyList<Exception?> answers) => Events(answers, first: false);

    /// <summary>An answer for each event that the sink was given by itself, as far as it came.</summary>
    internal void First(IReadOnlyList<Exception?> answers) => Events(answers, first: true);

    private void Events(IReadOnlyList<Exception?> answers, bool first)
    {
        using var arena = new Arena();
        // Counted once: the list is the sink's, which may go on with it.
        var all = answers.ToArray();
        var given = arena.Array<SinkwellAnswer>(all.Length);
        for (var i = 0; i < all.Length; i++)
        {
            given[i] = Failure.Answer(arena, all[i]);
        }
        var taken = (SinkwellReply*)reply;
        var status = first
            ? NativeMethods.sinkwell_reply_first(&taken, given, (ulong)all.Length, null)
            : NativeMethods.sinkwell_reply_each(&taken, given, (ulong)all.Length, null);
        if (status != 0)
        {
            NativeMethods.sinkwell_reply_free(&taken);
        }
    }

    /// <summary>One answer for the batch; null if all is there.</summary>
    internal void All(Exception? failure)
    {
        using var arena = new Arena();
        var answer = Failure.Answer(arena, failure);
        var taken = (SinkwellReply*)reply;
        if (NativeMethods.sinkwell_reply(&taken, &answer, null) != 0)
        {
            NativeMethods.sinkwell_reply_free(&taken);
        }
    }
}

/// <summary>What the core hears of an exception: its type for sealed records, its text for the host's eyes only.</summary>
internal static class Failure
{
    internal static SinkwellAnswer Answer(Arena arena, Exception? failure) => failure is null
        ? default
        : new SinkwellAnswer
        {
            outcome = failure switch
            {
                RejectedException => NativeConstants.Refused,
                UncertainException => NativeConstants.Uncertain,
                _ => NativeConstants.Retry,
            },
            reason = Put(arena, failure.GetType().Name),
            detail = Put(arena, Detail(failure)),
        };

    internal static string Detail(Exception failure)
    {
        var name = failure.GetType().Name;
        try
        {
            return $"{name}: {failure.Message}";
        }
        catch (Exception e)
        {
            // A lane must not wait for an answer because an exception cannot be read.
            return $"{name}, whose message threw {e.GetType().Name}";
        }
    }

    /// <summary>Text of the host's that may be anything: what is no character is replaced.</summary>
    internal static SinkwellBytes Put(Arena arena, string? text) =>
        text is null ? default : arena.Put(System.Text.Encoding.UTF8.GetBytes(text));
}

/// <summary>A sink or signer of the host's that returned null where a task is due.</summary>
internal sealed class NoTaskException() : Exception("it returned null instead of a task or an answer");
