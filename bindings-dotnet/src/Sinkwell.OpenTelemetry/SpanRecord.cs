using System.Diagnostics;
using System.Globalization;

namespace Sinkwell.OpenTelemetry;

/// <summary>An activity as the object that the core takes; what JSON cannot carry goes as it is, for the core to spell.</summary>
internal static class SpanRecord
{
    internal static List<KeyValuePair<string, object?>> Of(Activity activity, bool ended, string? permit)
    {
        var span = new List<KeyValuePair<string, object?>>(14)
        {
            new("name", activity.DisplayName),
            new("kind", activity.Kind switch
            {
                ActivityKind.Internal => "internal",
                ActivityKind.Server => "server",
                ActivityKind.Client => "client",
                ActivityKind.Producer => "producer",
                ActivityKind.Consumer => "consumer",
                _ => null,
            }),
        };
        if (activity.IdFormat == ActivityIdFormat.W3C)
        {
            Identify(span, activity.Context);
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
                new("name", one.Name),
                new("time_unix_nano", Nanoseconds(one.Timestamp.UtcDateTime)),
                new("attributes", Attributes(one.EnumerateTagObjects())),
            });
        }
        span.Add(new("events", events));
        var links = new List<object?>();
        foreach (ref readonly var one in activity.EnumerateLinks())
        {
            var link = new List<KeyValuePair<string, object?>>(5);
            Identify(link, one.Context);
            link.Add(new("attributes", Attributes(one.EnumerateTagObjects())));
            links.Add(link);
        }
        span.Add(new("links", links));
        span.Add(new("attributes", Attributes(activity.EnumerateTagObjects())));
        return span;
    }

    private static void Identify(List<KeyValuePair<string, object?>> to, ActivityContext context)
    {
        to.Add(new("trace_id", context.TraceId.ToHexString()));
        to.Add(new("span_id", context.SpanId.ToHexString()));
        to.Add(new("flags", (int)context.TraceFlags & 0xFF));
        to.Add(new("state", context.TraceState));
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
