using System.Text.Json;
using System.Text.Json.Serialization;

namespace Sinkwell;

/// <summary>How an event ended in a lane.</summary>
/// <param name="State"><c>delivered</c>, <c>lost</c>, <c>uncertain</c> or <c>filtered</c>.</param>
/// <param name="Reason">Why, where it was not delivered.</param>
/// <param name="StreamId">Its stream, once it was sealed.</param>
/// <param name="Sequence">Its place there.</param>
/// <param name="Hash">Its envelope's hash, in hex.</param>
/// <param name="Digest">The digest of its event, in hex: the same in every lane that sealed it in the same form.</param>
/// <param name="When">When it ended, RFC 3339 with nanoseconds.</param>
public sealed record Ending(
    string State,
    string? Reason,
    [property: JsonPropertyName("streamid")] string? StreamId,
    long? Sequence,
    string? Hash,
    string? Digest,
    string When);

/// <summary>What a lane counted; one consistent snapshot. Events of the host only, but for <see cref="Own"/>.</summary>
public sealed class LaneCounters
{
    private readonly Dictionary<string, long> _values = [];
    private readonly Dictionary<string, IReadOnlyDictionary<string, long>> _reasons = [];

    internal LaneCounters(JsonElement counters)
    {
        foreach (var counter in counters.EnumerateObject())
        {
            if (counter.Value.ValueKind == JsonValueKind.Number)
            {
                _values[counter.Name] = counter.Value.GetInt64();
            }
            else
            {
                _reasons[counter.Name] = counter.Value.EnumerateObject()
                    .ToDictionary(static reason => reason.Name, static reason => reason.Value.GetInt64());
            }
        }
    }

    /// <summary>Taken in.</summary>
    public long Admitted => this["admitted"];

    /// <summary>Acknowledged by the sink.</summary>
    public long Delivered => this["delivered"];

    /// <summary>Lost to overflow and the like, before the sink saw them.</summary>
    public long Dropped => this["dropped"];

    /// <summary>Refused by the sink for good, or given up.</summary>
    public long Rejected => this["rejected"];

    /// <summary>Held by the lane, in flight included.</summary>
    public long Pending => this["pending"];

    /// <summary>Kept out by policy.</summary>
    public long Filtered => this["filtered"];

    /// <summary>Numbered, chained and signed.</summary>
    public long Sealed => this["sealed"];

    /// <summary>On disk.</summary>
    public long Journaled => this["journaled"];

    /// <summary>Deliveries that were tried again.</summary>
    public long Retried => this["retried"];

    /// <summary>Envelopes that sinkwell made about itself.</summary>
    public long Own => this["own"];

    /// <summary>Dropped, by reason.</summary>
    public IReadOnlyDictionary<string, long> DroppedBy => _reasons["dropped_by"];

    /// <summary>Rejected, by reason.</summary>
    public IReadOnlyDictionary<string, long> RejectedBy => _reasons["rejected_by"];

    /// <summary>Filtered, by reason.</summary>
    public IReadOnlyDictionary<string, long> FilteredBy => _reasons["filtered_by"];

    /// <summary>All counters, by the names that every language has.</summary>
    public IReadOnlyDictionary<string, long> All => _values;

    /// <summary>A counter by its name: <c>oldest_pending_ms</c>, say.</summary>
    public long this[string name] => _values[name];
}

/// <summary>A place in a lane's export.</summary>
/// <param name="StreamId">The stream.</param>
/// <param name="Sequence">The place there: 20 digits.</param>
/// <param name="Export">The lane's own count.</param>
public sealed record ExportCursor([property: JsonPropertyName("streamid")] string StreamId, string Sequence, long Export);

/// <summary>How a lane is.</summary>
/// <param name="State"><c>starting</c>, <c>healthy</c>, <c>degraded</c>, <c>failed</c> or <c>closed</c>.</param>
/// <param name="Since">Since when.</param>
/// <param name="Failure">The kind of its last failure: <c>network</c>, <c>timeout</c>, …</param>
/// <param name="Summary">What may be recorded of it.</param>
/// <param name="Detail">What only the host sees of it.</param>
/// <param name="Acked">The last place that the sink acknowledged.</param>
/// <param name="Classes">What the lane is for.</param>
public sealed record LaneHealth(
    string State,
    string Since,
    string? Failure,
    string? Summary,
    string? Detail,
    ExportCursor? Acked,
    IReadOnlyList<string> Classes);

/// <summary>What a flush or a shutdown leaves of a lane.</summary>
/// <param name="Delivered">Delivered in all.</param>
/// <param name="Pending">Still there.</param>
/// <param name="Journaled">How much of that a journal holds on disk.</param>
/// <param name="Where">Where that is: <c>none</c>, <c>memory</c> or <c>journal</c>.</param>
public sealed record LaneReport(long Delivered, long Pending, long Journaled, string Where);

/// <summary>A change of a lane's state.</summary>
/// <param name="Lane">Which lane.</param>
/// <param name="Kind">The kind of its sink.</param>
/// <param name="State">The state it has now.</param>
/// <param name="Failure">The kind of failure.</param>
/// <param name="Summary">What may be recorded of it.</param>
/// <param name="TerminalPreserved">Whether terminal events were kept.</param>
/// <param name="Dropped">How many events were lost.</param>
/// <param name="Acked">The last place that the sink acknowledged.</param>
/// <param name="Repair">Where a repair would begin.</param>
/// <param name="UnsafeReplay">Why a replay would be unsafe.</param>
public sealed record StateRecord(
    string Lane,
    string Kind,
    string State,
    string? Failure,
    string Summary,
    bool TerminalPreserved,
    long Dropped,
    ExportCursor? Acked,
    ExportCursor? Repair,
    string? UnsafeReplay);

/// <summary>What one drain did.</summary>
/// <param name="Count">Events delivered.</param>
/// <param name="Records">Changes of state on the way.</param>
public sealed record Drained(long Count, IReadOnlyList<StateRecord> Records);

internal sealed record Admission(string Id, Dictionary<string, string> Lanes, Dictionary<string, long> Evicted);

/// <summary>Reads the core's reports; their contracts are generated, so that nothing needs reflection.</summary>
internal static class Reports
{
    internal static IReadOnlyDictionary<string, Ending?> Endings(ReadOnlySpan<byte> json) =>
        JsonSerializer.Deserialize(json, ReportsContext.Default.DictionaryStringEnding)!;

    internal static Admission Admission(byte[] json) =>
        JsonSerializer.Deserialize(json, ReportsContext.Default.Admission)!;

    internal static IReadOnlyDictionary<string, LaneCounters> Counters(byte[] json) =>
        Any(json).EnumerateObject().ToDictionary(static lane => lane.Name, static lane => new LaneCounters(lane.Value));

    internal static IReadOnlyDictionary<string, LaneHealth> Health(byte[] json) =>
        JsonSerializer.Deserialize(json, ReportsContext.Default.DictionaryStringLaneHealth)!;

    internal static IReadOnlyDictionary<string, LaneReport> Lanes(ReadOnlySpan<byte> json) =>
        JsonSerializer.Deserialize(json, ReportsContext.Default.DictionaryStringLaneReport)!;

    internal static Drained Drained(byte[] json) => JsonSerializer.Deserialize(json, ReportsContext.Default.Drained)!;

    internal static JsonElement Any(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        return JsonElement.ParseValue(ref reader);
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(Dictionary<string, Ending?>))]
[JsonSerializable(typeof(Dictionary<string, LaneHealth>))]
[JsonSerializable(typeof(Dictionary<string, LaneReport>))]
[JsonSerializable(typeof(Admission))]
[JsonSerializable(typeof(Drained))]
internal sealed partial class ReportsContext : JsonSerializerContext;
