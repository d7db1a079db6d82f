using System.Buffers;
using System.Collections;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Sinkwell.OpenTelemetry;

/// <summary>
/// An activity as the JSON object that the core takes; what JSON cannot say comes as OTLP/JSON has it. Tags may be objects of
/// the program's own, whose code runs while they are read: one that throws, or never ends, costs its own value and nothing
/// else.
/// </summary>
internal static class SpanJson
{
    private const long Safe = (1L << 53) - 1;

    private const int Deepest = 16;

    /// <summary>The most items of all of a tag's lists together: one that never ends must not take the memory.</summary>
    private const int MostItems = 10_000;

    internal static ArrayBufferWriter<byte> Of(Activity activity, bool ended, string? permit)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("name", activity.DisplayName);
        if (activity.IdFormat == ActivityIdFormat.W3C)
        {
            json.WriteString("trace_id", activity.TraceId.ToHexString());
            json.WriteString("span_id", activity.SpanId.ToHexString());
            json.WriteNumber("flags", (int)activity.ActivityTraceFlags & 0xFF);
            json.WriteString("state", activity.TraceStateString);
        }
        if (activity.IdFormat == ActivityIdFormat.W3C && activity.ParentSpanId != default)
        {
            json.WriteString("parent_span_id", activity.ParentSpanId.ToHexString());
            json.WriteBoolean("parent_is_remote", activity.HasRemoteParent);
        }
        json.WriteString("start_unix_nano", Nanoseconds(activity.StartTimeUtc));
        if (ended)
        {
            json.WriteString("end_unix_nano", Nanoseconds(activity.StartTimeUtc + activity.Duration));
        }
        json.WriteString("status", activity.Status switch
        {
            ActivityStatusCode.Ok => "ok",
            ActivityStatusCode.Error => "error",
            _ => "unset",
        });
        if (permit is not null)
        {
            json.WriteString("permit", permit);
        }
        Attributes(json, activity.EnumerateTagObjects());
        json.WriteStartArray("events");
        foreach (ref readonly var one in activity.EnumerateEvents())
        {
            json.WriteStartObject();
            json.WriteString("name", one.Name);
            Attributes(json, one.EnumerateTagObjects());
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        return buffer;
    }

    private static string Nanoseconds(DateTime utc) =>
        Math.Max(0, (utc - DateTime.UnixEpoch).Ticks).ToString(CultureInfo.InvariantCulture) + "00";

    /// <summary>An activity may have a tag twice; the last one counts.</summary>
    private static void Attributes(Utf8JsonWriter json, Activity.Enumerator<KeyValuePair<string, object?>> tags)
    {
        Dictionary<string, object?>? attributes = null;
        foreach (ref readonly var tag in tags)
        {
            (attributes ??= new Dictionary<string, object?>(StringComparer.Ordinal))[tag.Key] = tag.Value;
        }
        if (attributes is null)
        {
            return;
        }
        json.WriteStartObject("attributes");
        foreach (var (name, value) in attributes)
        {
            json.WritePropertyName(name);
            Value(json, value);
        }
        json.WriteEndObject();
    }

    private static void Value(Utf8JsonWriter json, object? value)
    {
        var left = MostItems;
        Value(json, value, 0, ref left);
    }

    private static void Value(Utf8JsonWriter json, object? value, int depth, ref int left)
    {
        switch (value)
        {
            case null:
                json.WriteNullValue();
                break;
            case string text:
                json.WriteStringValue(text);
                break;
            case bool flag:
                json.WriteBooleanValue(flag);
                break;
            case sbyte or byte or short or ushort or int or uint or long:
                Integer(json, Convert.ToInt64(value, CultureInfo.InvariantCulture));
                break;
            case float or double:
                Fraction(json, Convert.ToDouble(value, CultureInfo.InvariantCulture));
                break;
            case byte[] bytes:
                json.WriteBase64StringValue(bytes);
                break;
            case IEnumerable items when depth < Deepest:
                json.WriteStartArray();
                Items(json, items, depth, ref left);
                json.WriteEndArray();
                break;
            default:
                json.WriteStringValue(Text(value));
                break;
        }
    }

    private static void Items(Utf8JsonWriter json, IEnumerable items, int depth, ref int left)
    {
        IEnumerator? walk = null;
        try
        {
            walk = items.GetEnumerator();
            while (walk.MoveNext())
            {
                var item = walk.Current;
                if (left-- <= 0)
                {
                    json.WriteStringValue("(and more)");
                    break;
                }
                Value(json, item, depth + 1, ref left);
            }
        }
        catch (Exception e)
        {
            json.WriteStringValue(Unread(e));
        }
        finally
        {
            try
            {
                (walk as IDisposable)?.Dispose();
            }
            catch (Exception)
            {
                // All that it had is written.
            }
        }
    }

    private static string? Text(object value)
    {
        try
        {
            return Convert.ToString(value, CultureInfo.InvariantCulture);
        }
        catch (Exception e)
        {
            return Unread(e);
        }
    }

    /// <summary>What stands for a value that could not be read: what threw, never its text.</summary>
    private static string Unread(Exception e) => $"(reading it threw {e.GetType().Name})";

    private static void Integer(Utf8JsonWriter json, long value)
    {
        if (value is >= -Safe and <= Safe)
        {
            json.WriteNumberValue(value);
        }
        else
        {
            json.WriteStringValue(value.ToString(CultureInfo.InvariantCulture));
        }
    }

    private static void Fraction(Utf8JsonWriter json, double value)
    {
        if (double.IsFinite(value) && (Math.Abs(value) <= Safe || value != Math.Floor(value)))
        {
            json.WriteNumberValue(value);
        }
        else
        {
            json.WriteStringValue(value.ToString(CultureInfo.InvariantCulture));
        }
    }
}
