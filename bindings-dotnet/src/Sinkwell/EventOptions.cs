using System.Diagnostics;
using System.Globalization;

namespace Sinkwell;

/// <summary>What an event says beside its type and data. All of it is optional; what is not said, the core completes.</summary>
public readonly record struct EventOptions
{
    /// <summary>What it is about: <c>tool:file_write</c>, a resource path, a run id.</summary>
    public string? Subject { get; init; }

    /// <summary>How much it matters; default by type.</summary>
    public Severity? Severity { get; init; }

    /// <summary>For a type of your own: whether losing it would falsify a run's outcome.</summary>
    public bool? Terminal { get; init; }

    /// <summary>The agent run.</summary>
    public string? Run { get; init; }

    /// <summary>The turn in the run.</summary>
    public string? Turn { get; init; }

    /// <summary>The attempt in the turn.</summary>
    public string? Attempt { get; init; }

    /// <summary>Prompts, completions, tool arguments, results: see <see cref="Part"/>.</summary>
    public IReadOnlyList<Part>? Content { get; init; }

    /// <summary>
    /// The trace context; default: that of <see cref="Activity.Current"/>. It comes from other processes: one that is none is
    /// left out, and never costs the event.
    /// </summary>
    public TraceContext? Trace { get; init; }

    /// <summary>Another agent than the emitter's; the configuration must allow it.</summary>
    public string? Agent { get; init; }

    /// <summary>Another tenant than the emitter's.</summary>
    public string? Tenant { get; init; }

    /// <summary>When it occurred; default: now.</summary>
    public EventTime? Time { get; init; }

    /// <summary>Its id, 1 to 128 printable ASCII characters; default: a new UUIDv7.</summary>
    public string? Id { get; init; }

    /// <summary>Id of the event that caused this one.</summary>
    public string? Causation { get; init; }

    /// <summary>Id of the whole conversation.</summary>
    public string? Correlation { get; init; }

    /// <summary>For content: the child agent or extension it comes from.</summary>
    public string? Child { get; init; }
}

/// <summary>A W3C trace context; an <see cref="ActivityContext"/> is one.</summary>
/// <param name="TraceId">32 hex digits.</param>
/// <param name="SpanId">16 hex digits.</param>
/// <param name="Flags">W3C trace flags.</param>
/// <param name="State"><c>tracestate</c>.</param>
public readonly record struct TraceContext(string TraceId, string SpanId, byte Flags = 0, string? State = null)
{
    /// <summary>The context of an activity.</summary>
    /// <param name="context">The context.</param>
    public static implicit operator TraceContext(ActivityContext context) => new(
        context.TraceId.ToHexString(), context.SpanId.ToHexString(), (byte)context.TraceFlags, context.TraceState);
}

/// <summary>A point in time: a <see cref="DateTimeOffset"/>, or RFC 3339 text, which can carry nanoseconds.</summary>
/// <param name="Text">RFC 3339.</param>
public readonly record struct EventTime(string Text)
{
    /// <summary>To 100 ns.</summary>
    /// <param name="time">The time.</param>
    public static implicit operator EventTime(DateTimeOffset time) =>
        new(time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture));

    /// <summary>RFC 3339.</summary>
    /// <param name="text">The text.</param>
    public static implicit operator EventTime(string text) => new(text);
}

/// <summary>
/// A content part: its class, and <see cref="Text"/> or <see cref="Bytes"/>. The words of people leave the
/// process only as far as <see cref="Permit"/>, the policy and the lane allow.
/// </summary>
/// <param name="ContentClass"><c>prompt</c>, <c>completion</c>, <c>tool_arguments</c>, <c>tool_result</c>, …</param>
public sealed record Part(string ContentClass)
{
    /// <summary>The content, if it is text.</summary>
    public string? Text { get; init; }

    /// <summary>The content, if it is not.</summary>
    public ReadOnlyMemory<byte>? Bytes { get; init; }

    /// <summary>Media type.</summary>
    public string? MediaType { get; init; }

    /// <summary><c>user</c>, <c>assistant</c>, …</summary>
    public string? Role { get; init; }

    /// <summary>A reference into your own content store.</summary>
    public string? Ref { get; init; }

    /// <summary>What may be said of it instead.</summary>
    public string? Summary { get; init; }

    /// <summary>Its tokens.</summary>
    public long? Tokens { get; init; }

    /// <summary>The most its source permits; default: <see cref="Sinkwell.Permit.Off"/>.</summary>
    public Permit? Permit { get; init; }

    /// <summary>Never the content: only its class.</summary>
    public override string ToString() => $"Part({ContentClass})";
}
