using System.Text;
using System.Text.Json;

namespace Sinkwell;

/// <summary>A tool's call under way, as it sees itself: see <see cref="Emitter.DeedOfStepAsync{T}"/>.</summary>
public sealed class StepCall
{
    internal StepCall(string id) => Id = id;

    /// <summary>The step's id, which is that of its intent.</summary>
    public string Id { get; }

    internal IReadOnlyDictionary<string, object?> Said { get; private set; } = new Dictionary<string, object?>();

    internal bool IsRefused { get; private set; }

    /// <summary>
    /// Says how it ended: members of a step, <c>output</c>, <c>outcome</c>, <c>error_type</c>, <c>content</c> among them; those
    /// that are null are not said. Said again, it replaces what was said.
    /// </summary>
    /// <param name="members">The members.</param>
    public void Ended(IEnumerable<KeyValuePair<string, object?>> members)
    {
        ArgumentNullException.ThrowIfNull(members);
        var said = new Dictionary<string, object?>();
        foreach (var (name, value) in members)
        {
            said[name] = value;
        }
        Said = said;
    }

    /// <summary>
    /// Says that somebody refused it meanwhile, which was told as a decision of its own: it ends as denied, and no further
    /// decision is told.
    /// </summary>
    public void Refused() => IsRefused = true;
}

/// <summary>An event of a step, as the core writes it.</summary>
internal sealed record StepEvent(string Type, byte[] Data, EventOptions Options)
{
    internal static StepEvent Read(JsonElement told)
    {
        Severity? severity = Text(told, "severity") is { } name ? new Severity(name) : default(Severity?);
        EventTime? time = Text(told, "time") is { } at ? new EventTime(at) : default(EventTime?);
        return new StepEvent(
            Text(told, "type") ?? "",
            told.TryGetProperty("data", out var data) ? Encoding.UTF8.GetBytes(data.GetRawText()) : "{}"u8.ToArray(),
            new EventOptions
            {
                Subject = Text(told, "subject"),
                Severity = severity,
                Run = Text(told, "run"),
                Id = Text(told, "id"),
                Causation = Text(told, "causation"),
                Correlation = Text(told, "correlation"),
                Time = time,
                Trace = Trace(told),
                Content = Parts(told),
            });
    }

    private static string? Text(JsonElement told, string name) =>
        told.TryGetProperty(name, out var member) && member.ValueKind == JsonValueKind.String ? member.GetString() : null;

    private static TraceContext? Trace(JsonElement told) =>
        told.TryGetProperty("trace", out var trace)
            ? new TraceContext(
                Text(trace, "trace_id") ?? "",
                Text(trace, "span_id") ?? "",
                trace.TryGetProperty("flags", out var flags) ? flags.GetByte() : (byte)0,
                Text(trace, "state"))
            : null;

    private static List<Part>? Parts(JsonElement told)
    {
        if (!told.TryGetProperty("content", out var content) || content.ValueKind != JsonValueKind.Array)
        {
            return null;
        }
        var parts = new List<Part>();
        foreach (var part in content.EnumerateArray())
        {
            Permit? permit = Text(part, "permit") is { } name ? new Permit(name) : default(Permit?);
            parts.Add(new Part(Text(part, "class") ?? "")
            {
                Text = Text(part, "text"),
                Bytes = part.TryGetProperty("bytes", out var bytes) ? bytes.GetBytesFromBase64() : default(ReadOnlyMemory<byte>?),
                MediaType = Text(part, "mediatype"),
                Role = Text(part, "role"),
                Ref = Text(part, "ref"),
                Summary = Text(part, "summary"),
                Tokens = part.TryGetProperty("tokens", out var tokens) ? tokens.GetInt64() : null,
                Permit = permit,
            });
        }
        return parts;
    }

    /// <summary>A content part, as JSON has it.</summary>
    internal static IEnumerable<KeyValuePair<string, object?>> Member(Part part) => new (string Name, object? Value)[]
    {
        ("class", part.ContentClass), ("mediatype", part.MediaType), ("text", part.Text),
        ("bytes", part.Bytes is { } bytes ? Convert.ToBase64String(bytes.Span) : null), ("role", part.Role), ("ref", part.Ref),
        ("summary", part.Summary), ("tokens", part.Tokens), ("permit", part.Permit?.Name),
    }.Where(static member => member.Value is not null).Select(static member => KeyValuePair.Create(member.Name, member.Value));
}
