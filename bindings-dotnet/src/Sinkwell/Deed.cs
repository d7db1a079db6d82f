using System.Runtime.CompilerServices;
using Sinkwell.Data;
using Sinkwell.Interop;

namespace Sinkwell;

/// <summary>When a deed's intent is safe.</summary>
public static class DeedUntil
{
    /// <summary>Every durable lane that it entered has it on disk; by default where there is one.</summary>
    public const string Journaled = "journaled";

    /// <summary>A sink of every class that governance requires has acknowledged it.</summary>
    public const string Delivered = "delivered";

    /// <summary>It is in a lane's queue, in memory.</summary>
    public const string Enqueued = "enqueued";
}

/// <summary>What a deed waits for, and for how long.</summary>
public readonly record struct DeedTerms
{
    /// <summary>One of <see cref="DeedUntil"/>; default as <see cref="DeedUntil"/> says.</summary>
    public string? Until { get; init; }

    /// <summary>How long the act may be held up, room in full lanes included; default 10 s.</summary>
    public TimeSpan? Timeout { get; init; }
}

/// <summary>An act under way, as it sees itself: see <see cref="Emitter.DeedAsync{T}"/>.</summary>
public sealed class Deed
{
    private readonly DeedHandle _handle;
    private readonly int _limit;

    internal Deed(DeedHandle handle, int limit) => (_handle, _limit) = (handle, limit);

    /// <summary>The intent's id, which the result has as <c>causationid</c>.</summary>
    /// <exception cref="InvalidArgumentException">The deed has ended.</exception>
    public unsafe string Id
    {
        get
        {
            // SINKWELL_ID_MAX
            var id = stackalloc byte[128];
            ulong length = 0;
            SinkwellError error = default;
            using var lease = Held();
            Native.Check(NativeMethods.sinkwell_deed_id(lease.Deed, id, &length, &error), ref error);
            return Native.Text(id, length);
        }
    }

    /// <summary>
    /// Says what came of the act, for the result's data and content parts; said again, it replaces what was said.
    /// <c>outcome</c> may be among it: <c>ok</c>, <c>error</c>, <c>denied</c>, <c>timeout</c>, <c>cancelled</c>.
    /// </summary>
    /// <param name="data">As <see cref="Emitter.Emit(string, IEnumerable{KeyValuePair{string, object}}, EventOptions)"/> takes it.</param>
    /// <param name="content">Content parts.</param>
    /// <exception cref="InvalidEventException">The type of the deed does not allow it; what was said before stays.</exception>
    /// <exception cref="InvalidArgumentException">The deed has ended.</exception>
    public void Result(IEnumerable<KeyValuePair<string, object?>> data, IReadOnlyList<Part>? content = null)
    {
        using var draft = EventDraft.Rent(_limit);
        Say(draft.Fill(null, new EventOptions { Content = content }).WithData(data));
    }

    /// <inheritdoc cref="Result(IEnumerable{KeyValuePair{string, object}}, IReadOnlyList{Part})"/>
    [OverloadResolutionPriority(-1)]
    public void Result(ReadOnlySpan<Attr> data, IReadOnlyList<Part>? content = null)
    {
        using var draft = EventDraft.Rent(_limit);
        Say(draft.Fill(null, new EventOptions { Content = content }).WithData(data));
    }

    /// <summary>As <c>Result</c>, of what is JSON already.</summary>
    internal void Say(byte[] data, IReadOnlyList<Part>? content)
    {
        using var draft = EventDraft.Rent(_limit);
        Say(draft.Fill(null, new EventOptions { Content = content }).WithJson(data));
    }

    private unsafe void Say(EventDraft draft)
    {
        using var lease = Held();
        draft.Say(lease.Deed);
    }

    private Lease Held()
    {
        try
        {
            return new Lease(_handle);
        }
        catch (ObjectDisposedException)
        {
            throw SinkwellException.Of(ErrorCodes.InvalidArgument, "the deed has ended; only its act can use it", "deed");
        }
    }
}

/// <summary>An intent without a result, of a process before this one.</summary>
/// <param name="Id">The intent's.</param>
/// <param name="Type">Its type.</param>
/// <param name="Time">When it was about to be done.</param>
/// <param name="AgentId">Whose it was.</param>
/// <param name="Subject">What it is about.</param>
/// <param name="RunId">The agent run.</param>
/// <param name="Tool"><c>data.tool</c></param>
/// <param name="StreamId">Where the intent stands.</param>
/// <param name="Sequence">Its number there.</param>
/// <param name="Where">The journal that held it.</param>
public sealed record UnfinishedDeed(
    string Id,
    string Type,
    DateTimeOffset Time,
    string AgentId,
    string? Subject,
    string? RunId,
    string? Tool,
    string StreamId,
    long Sequence,
    string Where);
