using System.Text.Json;
using Sinkwell.Interop;

namespace Sinkwell;

/// <summary>The data of usage and cost events, from what providers report. Content is never needed.</summary>
public static unsafe class Usage
{
    /// <summary>The data of <c>model.usage</c>, from what a provider answered.</summary>
    /// <param name="provider"><c>openai</c>, <c>anthropic</c>, …, or <c>otel</c> for the attributes of a GenAI span.</param>
    /// <param name="answer">Its usage object, or the whole response.</param>
    public static JsonElement Model(string provider, JsonElement answer) =>
        Model(provider, Utf8Text.Json(answer, ErrorCodes.InvalidArgument));

    /// <inheritdoc cref="Model(string, JsonElement)"/>
    public static JsonElement Model(string provider, IEnumerable<KeyValuePair<string, object?>> answer) =>
        Model(provider, Utf8Text.Json(answer, ErrorCodes.InvalidArgument));

    /// <summary>
    /// The data of a cost event: of <c>cost.corrected</c> with a <see cref="Sinkwell.Cost.CorrectionRef"/>, else of
    /// <c>cost.estimated</c>.
    /// </summary>
    /// <param name="cost">What it cost.</param>
    public static JsonElement Cost(Cost cost)
    {
        ArgumentNullException.ThrowIfNull(cost);
        var request = Utf8Text.Json(cost.Members(), ErrorCodes.InvalidArgument);
        fixed (byte* bytes = request.Bytes)
        {
            SinkwellOwned data = default;
            SinkwellError error = default;
            Native.Check(NativeMethods.sinkwell_usage_cost(request.At(bytes), &data, &error), ref error);
            return Reports.Any(Native.Take(ref data));
        }
    }

    /// <summary>The data of a parent run's <c>model.usage</c>: the sums, and each child's own under its run.</summary>
    /// <param name="children">The children's facts; one that comes twice, by its event's id, counts once.</param>
    public static JsonElement RollUp(IEnumerable<ChildUsage> children)
    {
        ArgumentNullException.ThrowIfNull(children);
        var facts = children.Select(static child => (object?)child.Members()).ToList();
        var request = Utf8Text.Json(facts, ErrorCodes.InvalidArgument);
        fixed (byte* bytes = request.Bytes)
        {
            SinkwellOwned data = default;
            SinkwellError error = default;
            Native.Check(NativeMethods.sinkwell_usage_roll_up(request.At(bytes), &data, &error), ref error);
            return Reports.Any(Native.Take(ref data));
        }
    }

    private static JsonElement Model(string provider, Utf8Text answer)
    {
        var name = Utf8Text.Of(provider, "provider");
        fixed (byte* n = name.Bytes)
        fixed (byte* bytes = answer.Bytes)
        {
            SinkwellOwned data = default;
            SinkwellError error = default;
            Native.Check(NativeMethods.sinkwell_usage_model(name.At(n), answer.At(bytes), &data, &error), ref error);
            return Reports.Any(Native.Take(ref data));
        }
    }
}

/// <summary>An amount that a run cost.</summary>
/// <param name="AmountMicros">In millionths of the currency; a correction may be negative.</param>
/// <param name="Currency">By ISO 4217.</param>
/// <param name="RateTableVersion">Which prices it was reckoned with.</param>
public sealed record Cost(long AmountMicros, string Currency, string RateTableVersion)
{
    /// <summary>Whether the provider itself names the cost.</summary>
    public bool Reported { get; init; }

    /// <summary>The id of the event that this one corrects, which stays as it is.</summary>
    public string? CorrectionRef { get; init; }

    internal Dictionary<string, object?> Members()
    {
        var members = new Dictionary<string, object?>
        {
            ["amount_micros"] = AmountMicros,
            ["currency"] = Currency,
            ["rate_table_version"] = RateTableVersion,
            ["correction_ref"] = CorrectionRef,
        };
        if (Reported)
        {
            members["reported"] = true;
        }
        return members;
    }
}

/// <summary>A <c>model.usage</c> event of a child run.</summary>
/// <param name="Run">The child's run.</param>
/// <param name="Id">The event's id.</param>
/// <param name="Data">Its data.</param>
public sealed record ChildUsage(string Run, string Id, JsonElement Data)
{
    internal Dictionary<string, object?> Members() => new() { ["run"] = Run, ["id"] = Id, ["data"] = Data };
}
