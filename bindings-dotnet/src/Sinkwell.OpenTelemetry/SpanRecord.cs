using System.Diagnostics;
using System.Globalization;

namespace Sinkwell.OpenTelemetry;

/// <summary>An activity as the object that the core takes; what JSON cannot carry goes as it is, for the core to spell.</summary>
internal static class SpanRecord
{
    internal static List<KeyValuePair<string, object?>> Of(Activity activity, bool ended, string? permit)
    {
        var span = new List<KeyValuePair<string, object?>>(12) { new("name", activity.DisplayName) };
        if (activity.IdFormat == ActivityIdFormat.W3C)
        {
            span.Add(new("trace_id", activity.TraceId.ToHexString()));
            span.Add(new("span_id", activity.SpanId.ToHexString()));
            span.Add(new("flags", (int)activity.ActivityTraceFlags & 0xFF));
            span.Add(new("state", activity.TraceStateString));
        }
        if (activity.IdFormat == ActivityIdFormat.W3C && activity.ParentSpanId != default)
        {
            span.Add(new("parent_span_id", activity.ParentSpanId.ToHexString()));
            span.Add(new("parent_is_remote", activity.HasRemoteParent));
        }
        span.Add(new("start_unix_nano", Nanoseconds(activity.StartTimeUtc)));
        if (ended)
        {
            span.Add(new("end_unix_nano", Nanoseconds(activity.StartTimeUtc + activity.Duration)));
        }
        span.Add(new("status", activity.Status switch
        {
            ActivityStatusCode.Ok => "ok",
            ActivityStatusCode.Error => "error",
            _ => "unset",
        }));
        span.Add(new("permit", permit));
        var events = new List<object?>();
        foreach (ref readonly var one in activity.EnumerateEvents())
        {
            events.Add(new KeyValuePair<string, object?>[]
            {
                new("name", one.Name), new("attributes", Attributes(one.EnumerateTagObjects())),
            });
        }
        span.Add(new("events", events));
        span.Add(new("attributes", Attributes(activity.EnumerateTagObjects())));
        return span;
    }

    private static string Nanoseconds(DateTime utc) =>
        Math.Max(0, (utc - DateTime.UnixEpoch).Ticks).ToString(CultureInfo.InvariantCulture) + "00";

    /// <summary>An activity may have a tag twice; the last one counts.</summary>
    private static Dictionary<string, object?> Attributes(Activity.Enumerator<KeyValuePair<string, object?>> tags)
    {
        var attributes = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (ref readonly var tag in tags)
        {
            attributes[tag.Key] = tag.Value;
        }
        return attributes;
    }
}
