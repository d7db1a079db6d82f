using System.Text.Json.Serialization;

namespace Sinkwell.Bench;

/// <summary>The event that everybody emits: a dozen attributes, about 500 bytes as JSON, one different each time.</summary>
internal static class Event
{
    public const string Type = "com.example.tool.called";

    public const string Version = "2026.11.3";
    public const string Decision = "allowed";
    public const string Model = "example-model-large-2026-10-01";
    public const string Policy = "urn:example:policy/tools/read-only";
    public const string Resource = "https://tickets.example.com/api/v2/tickets/483920/comments";
    public const string Session = "0193f9a2-7c1e-7b52-a1f4-5d0c2f6e8b91";
    public const string Summary =
        "Looked up the comments of a ticket to find out which release the customer runs; 14 found";
    public const string Tool = "ticket_comments";

    /// <summary>As attributes: what ILogger takes as its state, and sinkwell as data.</summary>
    public static KeyValuePair<string, object?>[] Attributes(long n) =>
    [
        new("agent.version", Version),
        new("decision", Decision),
        new("gen_ai.request.model", Model),
        new("policy", Policy),
        new("resource", Resource),
        new("session.id", Session),
        new("summary", Summary),
        new("tool.name", Tool),
        new("usage.call", n),
        new("usage.duration_ms", 18.25),
        new("usage.input_tokens", 1843),
        new("user.confirmed", true),
    ];
}

/// <summary>The same as a type of the program's own, for a source-generated contract.</summary>
internal readonly record struct ToolCalled(
    [property: JsonPropertyName("agent.version")] string Version,
    [property: JsonPropertyName("decision")] string Decision,
    [property: JsonPropertyName("gen_ai.request.model")] string Model,
    [property: JsonPropertyName("policy")] string Policy,
    [property: JsonPropertyName("resource")] string Resource,
    [property: JsonPropertyName("session.id")] string Session,
    [property: JsonPropertyName("summary")] string Summary,
    [property: JsonPropertyName("tool.name")] string Tool,
    [property: JsonPropertyName("usage.call")] long Call,
    [property: JsonPropertyName("usage.duration_ms")] double DurationMs,
    [property: JsonPropertyName("usage.input_tokens")] int InputTokens,
    [property: JsonPropertyName("user.confirmed")] bool Confirmed)
{
    public static ToolCalled Of(long n) => new(
        Event.Version, Event.Decision, Event.Model, Event.Policy, Event.Resource, Event.Session, Event.Summary,
        Event.Tool, n, 18.25, 1843, true);
}

[JsonSerializable(typeof(ToolCalled))]
internal sealed partial class Contracts : JsonSerializerContext;
