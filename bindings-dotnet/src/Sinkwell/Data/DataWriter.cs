using System.Buffers;
using System.Collections;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Sinkwell.Interop;

namespace Sinkwell.Data;

/// <summary>
/// Values of .NET as JSON for the core, in one walk.
/// <para>
/// What the core can judge it is left to judge: numbers go as they are, and a value nested deeper than any
/// limit that can be configured is cut off there, where the core refuses it by its path. What JSON cannot say
/// at all (NaN, lone surrogates, decimals, dates) is refused here with the kind, the path and the remedy that
/// every language gives.
/// </para>
/// </summary>
internal sealed class DataWriter : IDisposable
{
    /// <summary>More levels than <c>limits.depth</c> can allow; also ends the walk of a cyclic object.</summary>
    private const int Deepest = 600;

    private const string NotANumber = "NaN and infinities have no JSON form; send the value as a string";

    private readonly Utf8JsonWriter _json;
    private readonly string _root;
    private object?[] _path = new object?[16];
    private int _depth;
    private bool _cut;

    internal DataWriter(IBufferWriter<byte> output, string root)
    {
        _root = root;
        _json = new Utf8JsonWriter(output, new JsonWriterOptions
        {
            Encoder = SurrogateRefusingEncoder.Instance,
            MaxDepth = Deepest + 2,
            SkipValidation = true,
        });
    }

    /// <summary>Writes one value, from the beginning.</summary>
    internal void Write(IBufferWriter<byte> output, object? value, int refusal)
    {
        Start(output);
        try
        {
            Value(value);
        }
        catch (LoneSurrogateException)
        {
            throw Refused(Native.LoneSurrogate, refusal);
        }
        catch (RefusedValueException e)
        {
            throw Refused(e.Message, refusal);
        }
        finally
        {
            Array.Clear(_path);
        }
        _json.Flush();
    }

    /// <summary>Writes a value by its own source-generated contract.</summary>
    internal void Write<T>(IBufferWriter<byte> output, T value, JsonTypeInfo<T> contract, int refusal)
    {
        Start(output);
        try
        {
            JsonSerializer.Serialize(_json, value, contract);
        }
        catch (LoneSurrogateException)
        {
            throw SinkwellException.Of(refusal, Native.LoneSurrogate, _root);
        }
        catch (Exception e) when (e is JsonException or ArgumentException or NotSupportedException)
        {
            throw SinkwellException.Of(refusal, $"{typeof(T).Name} has no JSON form: {e.Message}", _root);
        }
        _json.Flush();
    }

    public void Dispose() => _json.Dispose();

    private void Start(IBufferWriter<byte> output)
    {
        _json.Reset(output);
        _depth = 0;
        _cut = false;
    }

    private SinkwellException Refused(string message, int refusal)
    {
        var path = new System.Text.StringBuilder(_root);
        foreach (var step in _path.AsSpan(0, _depth))
        {
            _ = step switch
            {
                string key => (path.Length == 0 ? path : path.Append('.')).Append(key),
                int index => path.Append(CultureInfo.InvariantCulture, $"[{index}]"),
                _ => path,
            };
        }
        return SinkwellException.Of(refusal, message, path.Length == 0 ? null : path.ToString());
    }

    private void Value(object? value)
    {
        switch (value)
        {
            case null:
                _json.WriteNullValue();
                break;
            case string text:
                _json.WriteStringValue(text);
                break;
            case bool truth:
                _json.WriteBooleanValue(truth);
                break;
            case int number:
                _json.WriteNumberValue(number);
                break;
            case long number:
                _json.WriteNumberValue(number);
                break;
            case double number:
                Number(number);
                break;
            case Dictionary<string, object?> map:
                if (Enter())
                {
                    _json.WriteStartObject();
                    foreach (var (key, item) in map)
                    {
                        Member(key, item);
                    }
                    _json.WriteEndObject();
                }
                Leave();
                break;
            default:
                Other(value);
                break;
        }
    }

    private void Other(object value)
    {
        switch (value)
        {
            case JsonElement element:
                Raw(element);
                break;
            case JsonValue node:
                Node(node);
                break;
            case IEnumerable<KeyValuePair<string, object?>> map:
                Object(map, static item => (item.Key, item.Value));
                break;
            case IEnumerable<KeyValuePair<string, JsonNode?>> map:
                Object(map, static item => (item.Key, item.Value));
                break;
            case IEnumerable<KeyValuePair<string, string>> map:
                Object(map, static item => (item.Key, item.Value));
                break;
            case IDictionary map:
                Map(map);
                break;
            case float number:
                Number(number);
                break;
            case Half number:
                Number((double)number);
                break;
            case uint or ulong or short or ushort or byte or sbyte or nint or nuint or BigInteger or Int128 or UInt128:
                // Digits, whatever their number: the core knows which integers are safe.
                _json.WriteRawValue(((IFormattable)value).ToString(null, CultureInfo.InvariantCulture), true);
                break;
            case char character:
                _json.WriteStringValue([character]);
                break;
            case byte[] or Memory<byte> or ReadOnlyMemory<byte>:
                throw Unsendable(value);
            case IEnumerable list:
                List(list);
                break;
            default:
                throw Unsendable(value);
        }
    }

    private void Number(double number)
    {
        if (!double.IsFinite(number))
        {
            throw new RefusedValueException(NotANumber);
        }
        _json.WriteNumberValue(number);
    }

    /// <summary>As the text has it: duplicate keys and lone surrogates too are the core's to refuse.</summary>
    private void Raw(JsonElement element)
    {
        if (element.ValueKind == JsonValueKind.Undefined)
        {
            throw Unsendable(element);
        }
        _json.WriteRawValue(element.GetRawText(), skipInputValidation: true);
    }

    private void Node(JsonValue node)
    {
        if (node.TryGetValue(out JsonElement element))
        {
            Raw(element);
        }
        else if (node.TryGetValue(out object? value) && value is not JsonValue)
        {
            Value(value);
        }
        else
        {
            throw Unsendable(node);
        }
    }

    private void Object<T>(IEnumerable<T> members, Func<T, (string Key, object? Value)> read)
    {
        if (Enter())
        {
            _json.WriteStartObject();
            foreach (var member in members)
            {
                var (key, item) = read(member);
                Member(key, item);
                if (_cut)
                {
                    break;
                }
            }
            _json.WriteEndObject();
        }
        Leave();
    }

    private void Map(IDictionary map)
    {
        if (Enter())
        {
            _json.WriteStartObject();
            foreach (DictionaryEntry entry in map)
            {
                if (entry.Key is not string key)
                {
                    _path[_depth - 1] = Convert.ToString(entry.Key, CultureInfo.InvariantCulture);
                    throw new RefusedValueException($"a key must be a string, not {entry.Key.GetType().Name}");
                }
                Member(key, entry.Value);
            }
            _json.WriteEndObject();
        }
        Leave();
    }

    private void List(IEnumerable list)
    {
        if (Enter())
        {
            _json.WriteStartArray();
            var index = 0;
            foreach (var item in list)
            {
                _path[_depth - 1] = index++;
                Value(item);
                if (_cut)
                {
                    break;
                }
            }
            _json.WriteEndArray();
        }
        Leave();
    }

    private void Member(string key, object? value)
    {
        if (_cut)
        {
            return;
        }
        _path[_depth - 1] = key;
        _json.WritePropertyName(key);
        Value(value);
    }

    /// <summary>One level down; false where the rest is cut off.</summary>
    private bool Enter()
    {
        if (++_depth > Deepest)
        {
            _json.WriteNullValue();
            _cut = true;
            return false;
        }
        if (_depth > _path.Length)
        {
            Array.Resize(ref _path, _path.Length * 2);
        }
        _path[_depth - 1] = null;
        return true;
    }

    private void Leave() => _depth--;

    private static RefusedValueException Unsendable(object value) =>
        new($"a {Name(value)} has no JSON form; send it as a string");

    private static string Name(object value) => value is JsonElement ? "JsonElement that is undefined" : value.GetType().Name;

    private sealed class RefusedValueException(string message) : Exception(message);
}
