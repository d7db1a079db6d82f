using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Sinkwell.Interop;

namespace Sinkwell.Data;

/// <summary>Writes values of types of the program's own, as their source-generated contracts say, as JSON text.</summary>
internal sealed class ContractWriter : IDisposable
{
    private readonly Utf8JsonWriter _json = new(Stream.Null, DataJson.Options);

    internal void Write<T>(Buffer output, T value, JsonTypeInfo<T> contract, int refusal, string root)
    {
        _json.Reset(output);
        try
        {
            JsonSerializer.Serialize(_json, value, contract);
        }
        catch (LoneSurrogateException)
        {
            throw SinkwellException.Of(refusal, Native.LoneSurrogate, root);
        }
        catch (TooMuchException e)
        {
            throw SinkwellException.Of(refusal, e.Message, root);
        }
        catch (Exception e) when (e is JsonException or ArgumentException or NotSupportedException && IsTheSerializers(e))
        {
            throw SinkwellException.Of(refusal, $"{typeof(T).Name} has no JSON form: {e.Message}", root, e);
        }
        catch (Exception e)
        {
            // A getter, or a converter of the program's own, whose text may quote the value.
            throw SinkwellException.Of(refusal, $"reading {typeof(T).Name} threw {e.GetType().Name}", root, e);
        }
        _json.Flush();
    }

    private static bool IsTheSerializers(Exception? e) =>
        e is null || (e.Source == typeof(JsonSerializer).Assembly.GetName().Name && IsTheSerializers(e.InnerException));

    public void Dispose() => _json.Dispose();
}

/// <summary>How JSON text is written here: nothing in it is escaped, replaced or judged but what must be.</summary>
internal static class DataJson
{
    /// <summary>More levels than <c>limits.depth</c> can allow; also ends the walk of a cyclic object.</summary>
    internal const int Deepest = 600;

    /// <summary>The most bytes of a document that is no event.</summary>
    private const int MostDocument = 8 << 20;

    internal static readonly JsonWriterOptions Options = new()
    {
        Encoder = SurrogateRefusingEncoder.Instance,
        MaxDepth = Deepest + 2,
        SkipValidation = true,
    };

    /// <summary>A value of .NET's as JSON text at the buffer's end.</summary>
    internal static void Write(Buffer output, object? value, int refusal, string root)
    {
        output.Bound(MostDocument);
        using var json = new Utf8JsonWriter(output, Options);
        new DataWriter<JsonOutput>(new JsonOutput(json), root).Write(value, refusal);
        json.Flush();
    }
}
