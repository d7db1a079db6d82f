using System.Collections;
using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Sinkwell.Interop;

namespace Sinkwell.Data;

/// <summary>
/// Values of .NET for the core, in one walk.
/// <para>
/// What the core can judge it is left to judge: numbers go as they are, and a value nested deeper than any
/// limit that can be configured is cut off there, where the core refuses it by its path. What JSON cannot say
/// at all (NaN, lone surrogates, bytes) is refused here with the kind, the path and the remedy that
/// every language gives.
/// </para>
/// </summary>
internal sealed class DataWriter<TOutput>(TOutput output, string root)
    where TOutput : struct, IValueOutput
{
    private const string NotANumber = "NaN and infinities have no JSON form; send the value as a string";

    private readonly TOutput _output = output;
    private Step[] _path = new Step[16];
    private int _depth;
    private bool _cut;

    /// <summary>Writes one value, from the beginning.</summary>
    internal void Write(object? value, int refusal)
    {
        Start();
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
        catch (TooMuchException e)
        {
            throw SinkwellException.Of(refusal, e.Message, root.Length == 0 ? null : root);
        }
        catch (Exception e)
        {
            // The program's own code, which runs while values are read: a getter, an enumerator. What it throws of ours is not about
            // this event.
            throw Refused($"reading it threw {e.GetType().Name}", refusal, e);
        }
        finally
        {
            Array.Clear(_path);
        }
    }

    /// <summary>Writes an object of these members, from the beginning.</summary>
    internal void Write(ReadOnlySpan<Attr> members, int refusal)
    {
        Start();
        try
        {
            _ = Enter();
            _output.BeginObject();
            foreach (ref readonly var member in members)
            {
                _path[0].Key = member.Key;
                Member(in member);
                if (_cut)
                {
                    break;
                }
            }
            _output.EndObject();
        }
        catch (LoneSurrogateException)
        {
            throw Refused(Native.LoneSurrogate, refusal);
        }
        catch (RefusedValueException e)
        {
            throw Refused(e.Message, refusal);
        }
        catch (TooMuchException e)
        {
            throw SinkwellException.Of(refusal, e.Message, root.Length == 0 ? null : root);
        }
        catch (Exception e)
        {
            // The program's own code, which runs while values are read: a getter, an enumerator. What it throws of ours is not about
            // this event.
            throw Refused($"reading it threw {e.GetType().Name}", refusal, e);
        }
        finally
        {
            Array.Clear(_path);
        }
    }

    private void Start()
    {
        _depth = 0;
        _cut = false;
    }

    private SinkwellException Refused(string message, int refusal, Exception? inner = null)
    {
        var path = new System.Text.StringBuilder(root);
        foreach (var step in _path.AsSpan(0, _depth))
        {
            _ = step switch
            {
                { Key: { } key } => (path.Length == 0 ? path : path.Append('.')).Append(key),
                { Item: > 0 and var item } => path.Append(CultureInfo.InvariantCulture, $"[{item - 1}]"),
                _ => path,
            };
        }
        return SinkwellException.Of(refusal, message, path.Length == 0 ? null : path.ToString(), inner);
    }

    private void Member(in Attr member)
    {
        NotNull(member.Key);
        _output.Key(member.Key);
        switch (member.Kind)
        {
            case AttrKind.Integer:
                _output.Integer(member.Bits);
                break;
            case AttrKind.Number:
                Number(BitConverter.Int64BitsToDouble(member.Bits));
                break;
            case AttrKind.Truth:
                _output.Truth(member.Bits != 0);
                break;
            default:
                Value(member.Value);
                break;
        }
    }

    private void Value(object? value)
    {
        switch (value)
        {
            case null:
                _output.Null();
                break;
            case string text:
                _output.Text(text);
                break;
            case bool truth:
                _output.Truth(truth);
                break;
            case int number:
                _output.Integer(number);
                break;
            case long number:
                _output.Integer(number);
                break;
            case double number:
                Number(number);
                break;
            case Dictionary<string, object?> map:
                if (Enter())
                {
                    _output.BeginObject();
                    foreach (var (key, item) in map)
                    {
                        Member(key, item);
                    }
                    _output.EndObject();
                }
                Leave();
                break;
            case KeyValuePair<string, object?>[] map:
                if (Enter())
                {
                    _output.BeginObject();
                    foreach (var (key, item) in map)
                    {
                        Member(key, item);
                    }
                    _output.EndObject();
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
            case float or Half:
                Short((IFormattable)value);
                break;
            case uint or short or ushort or byte or sbyte:
                _output.Integer(Convert.ToInt64(value, CultureInfo.InvariantCulture));
                break;
            case ulong or nint or nuint or BigInteger or Int128 or UInt128:
                // Digits, whatever their number: the core knows which integers are safe.
                _output.Json(((IFormattable)value).ToString(null, CultureInfo.InvariantCulture));
                break;
            case char character:
                _output.Text([character]);
                break;
            case byte[] or Memory<byte> or ReadOnlyMemory<byte>:
                throw Unsendable(value);
            case Guid or DateTimeOffset or DateTime or DateOnly or TimeOnly:
                Formatted((ISpanFormattable)value);
                break;
            case decimal number:
                Decimal(number);
                break;
            case Enum named:
                _output.Text(named.ToString());
                break;
            case Array { Rank: > 1 } array:
                List(Rows.Of(array));
                break;
            case IEnumerable list:
                List(list);
                break;
            default:
                throw Unsendable(value);
        }
    }

    /// <summary>Ids and times as the text that .NET itself reads back: RFC 9562, RFC 3339.</summary>
    private void Formatted(ISpanFormattable value)
    {
        Span<char> text = stackalloc char[64];
        var format = value switch
        {
            // In UTC, which is what it is by its own account; one of no zone keeps none.
            DateTime { Kind: not DateTimeKind.Unspecified } or DateTimeOffset => "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'",
            DateTime => "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF",
            DateOnly => "yyyy-MM-dd",
            TimeOnly => "HH:mm:ss.FFFFFFF",
            _ => "D",
        };
        value = value switch
        {
            DateTime { Kind: DateTimeKind.Local } local => local.ToUniversalTime(),
            DateTimeOffset offset => offset.UtcDateTime,
            _ => value,
        };
        _ = value.TryFormat(text, out var length, format, CultureInfo.InvariantCulture);
        _output.Text(text[..length]);
    }

    /// <summary>A number of JSON's is a double: one that is none is not rounded in silence.</summary>
    private void Decimal(decimal number)
    {
        var shortest = ((double)number).ToString("R", CultureInfo.InvariantCulture);
        if (!decimal.TryParse(shortest, NumberStyles.Float, CultureInfo.InvariantCulture, out var back) || back != number)
        {
            throw new RefusedValueException("a Decimal that no number of JSON's is; send it as a string");
        }
        _output.Json(number.ToString(CultureInfo.InvariantCulture));
    }

    private void Number(double number)
    {
        if (!double.IsFinite(number))
        {
            throw new RefusedValueException(NotANumber);
        }
        _output.Number(number);
    }

    /// <summary>A number of fewer digits than a double has, by its own: as a double it would have some that nobody wrote.</summary>
    private void Short(IFormattable number)
    {
        if (number is float single ? !float.IsFinite(single) : !Half.IsFinite((Half)number))
        {
            throw new RefusedValueException(NotANumber);
        }
        _output.Json(number.ToString("R", CultureInfo.InvariantCulture));
    }

    /// <summary>As the text has it: duplicate keys and lone surrogates too are the core's to refuse.</summary>
    private void Raw(JsonElement element)
    {
        if (element.ValueKind == JsonValueKind.Undefined)
        {
            throw Unsendable(element);
        }
        _output.Json(element.GetRawText());
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
            _output.BeginObject();
            foreach (var member in members)
            {
                var (key, item) = read(member);
                Member(key, item);
                if (_cut)
                {
                    break;
                }
            }
            _output.EndObject();
        }
        Leave();
    }

    private void Map(IDictionary map)
    {
        if (Enter())
        {
            _output.BeginObject();
            foreach (DictionaryEntry entry in map)
            {
                if (entry.Key is not string key)
                {
                    _path[_depth - 1].Key = Convert.ToString(entry.Key, CultureInfo.InvariantCulture);
                    throw new RefusedValueException($"a key must be a string, not {entry.Key.GetType().Name}");
                }
                Member(key, entry.Value);
            }
            _output.EndObject();
        }
        Leave();
    }

    private void List(IEnumerable list)
    {
        if (Enter())
        {
            _output.BeginArray();
            foreach (var item in list)
            {
                _path[_depth - 1].Item++;
                Value(item);
                if (_cut)
                {
                    break;
                }
            }
            _output.EndArray();
        }
        Leave();
    }

    private void Member(string key, object? value)
    {
        if (_cut)
        {
            return;
        }
        NotNull(key);
        _path[_depth - 1].Key = key;
        _output.Key(key);
        Value(value);
    }

    private static void NotNull(string? key)
    {
        if (key is null)
        {
            throw new RefusedValueException("a key must be a string, not null");
        }
    }

    /// <summary>One level down; false where the rest is cut off.</summary>
    private bool Enter()
    {
        if (++_depth > DataJson.Deepest)
        {
            _output.Null();
            _cut = true;
            return false;
        }
        if (_depth > _path.Length)
        {
            Array.Resize(ref _path, _path.Length * 2);
        }
        _path[_depth - 1] = default;
        return true;
    }

    private void Leave() => _depth--;

    private static RefusedValueException Unsendable(object value) =>
        new($"{Name(value)} has no JSON form; {Remedy(value)}");

    private static string Name(object value)
    {
        if (value is JsonElement)
        {
            return "a JsonElement that is undefined";
        }
        // The compiler's own names of anonymous types, and what stands behind a generic one's, tell nobody anything.
        var name = value.GetType().Name;
        return name.StartsWith('<') ? "an anonymous type" : $"a {name.Split('`')[0]}";
    }

    private static string Remedy(object value) => value switch
    {
        TimeSpan => "send its milliseconds as a number",
        Task => "await it, and send its result",
        byte[] or Memory<byte> or ReadOnlyMemory<byte> or Delegate or Exception or Uri or JsonElement or JsonNode => "send it as a string",
        _ => "send a dictionary of its members, a JsonNode, or it as a string; EmitJson takes types with a contract",
    };

    /// <summary>Where the walk is in an object or a list: the key, or how many items have been begun.</summary>
    private struct Step
    {
        internal string? Key;
        internal int Item;
    }

    private sealed class RefusedValueException(string message) : Exception(message);
}
