using System.Text.Json;

namespace Sinkwell.Tests;

/// <summary>JSON as the plain values that host code would pass.</summary>
internal static class Plain
{
    internal static object? Value(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().ToDictionary(static member => member.Name, static member => Value(member.Value)),
        JsonValueKind.Array => element.EnumerateArray().Select(Value).ToList(),
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Number => element.TryGetInt64(out var whole) && !element.GetRawText().StartsWith("-0", StringComparison.Ordinal) ? whole : element.GetDouble(),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => null,
    };

    /// <summary>JSON as plain values, with those that JSON has not: a double, an integer of any size, bytes.</summary>
    internal static object? Marked(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object when element.EnumerateObject().Count() == 1 && element.EnumerateObject().First() is var only
            && only.Value.ValueKind == JsonValueKind.String && only.Name.StartsWith('$') => only.Name switch
            {
                "$double" => double.Parse(only.Value.GetString()!, System.Globalization.CultureInfo.InvariantCulture),
                "$integer" => System.Numerics.BigInteger.Parse(only.Value.GetString()!, System.Globalization.CultureInfo.InvariantCulture),
                "$bytes" => Convert.FromBase64String(only.Value.GetString()!),
                _ => throw new InvalidDataException(only.Name),
            },
        JsonValueKind.Object => element.EnumerateObject().ToDictionary(static member => member.Name, static member => Marked(member.Value)),
        JsonValueKind.Array => element.EnumerateArray().Select(Marked).ToList(),
        _ => Value(element),
    };

    /// <summary>Emits an event of a vector; an unknown member fails.</summary>
    internal static Receipt Emit(Emitter emitter, JsonElement given)
    {
        var (type, data, options) = Event(given);
        return emitter.Emit(type, data, options);
    }

    /// <summary>An event of a vector as the arguments of a call; an unknown member fails.</summary>
    internal static (string Type, Dictionary<string, object?>? Data, EventOptions Options) Event(JsonElement given)
    {
        string? type = null;
        Dictionary<string, object?>? data = null;
        var options = default(EventOptions);
        foreach (var member in given.EnumerateObject())
        {
            var value = member.Value;
            switch (member.Name)
            {
                case "type": type = value.GetString(); break;
                case "data": data = (Dictionary<string, object?>?)Value(value); break;
                case "subject": options = options with { Subject = value.GetString() }; break;
                case "severity" when value.ValueKind == JsonValueKind.Number: options = options with { Severity = value.GetInt32() }; break;
                case "severity": options = options with { Severity = value.GetString() }; break;
                case "terminal": options = options with { Terminal = value.GetBoolean() }; break;
                case "run": options = options with { Run = value.GetString() }; break;
                case "turn": options = options with { Turn = value.GetString() }; break;
                case "attempt": options = options with { Attempt = value.GetString() }; break;
                case "agent": options = options with { Agent = value.GetString() }; break;
                case "tenant": options = options with { Tenant = value.GetString() }; break;
                case "time": options = options with { Time = value.GetString()! }; break;
                case "id": options = options with { Id = value.GetString() }; break;
                case "causation": options = options with { Causation = value.GetString() }; break;
                case "correlation": options = options with { Correlation = value.GetString() }; break;
                case "child": options = options with { Child = value.GetString() }; break;
                case "trace": options = options with { Trace = Trace(value) }; break;
                case "content": options = options with { Content = [.. value.EnumerateArray().Select(Part)] }; break;
                default: throw new InvalidDataException($"unknown member {member.Name} of an event");
            }
        }
        return (type!, data, options);
    }

    private static TraceContext Trace(JsonElement trace) => new(
        trace.GetProperty("trace_id").GetString()!,
        trace.GetProperty("span_id").GetString()!,
        trace.TryGetProperty("flags", out var flags) ? flags.GetByte() : (byte)0,
        trace.TryGetProperty("state", out var state) ? state.GetString() : null);

    internal static Part Part(JsonElement given)
    {
        var part = new Part(given.GetProperty("class").GetString()!);
        foreach (var member in given.EnumerateObject())
        {
            var value = member.Value;
            part = member.Name switch
            {
                "class" => part,
                "text" => part with { Text = value.GetString() },
                "bytes" => part with { Bytes = value.GetBytesFromBase64() },
                "mediatype" => part with { MediaType = value.GetString() },
                "role" => part with { Role = value.GetString() },
                "ref" => part with { Ref = value.GetString() },
                "summary" => part with { Summary = value.GetString() },
                "permit" => part with { Permit = value.GetString() },
                "tokens" => part with { Tokens = value.GetInt64() },
                _ => throw new InvalidDataException($"unknown member {member.Name} of a part"),
            };
        }
        return part;
    }
}
