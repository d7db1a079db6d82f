using System.Buffers.Binary;
using System.Collections;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Sinkwell.Data;

/// <summary>
/// Values of .NET for spans and log records, of which nothing is refused: what JSON cannot carry goes as it is
/// (<c>SINKWELL_DATA_VALUES</c> has tags for it), and the core spells it, the same for every language.
/// <para>
/// The program's own code runs while values are read (a getter, an enumerator, <c>ToString</c>): what throws costs its own
/// value. What holds itself ends where the core keeps nothing more.
/// </para>
/// </summary>
internal sealed class RecordWriter
{
    private const int Deepest = 100;

    private const int MostValues = 20_000;

    private readonly Buffer _buffer = new();
    private readonly char[] _open = new char[Deepest + 1];
    private int _depth;
    private int _values;

    internal ReadOnlySpan<byte> Written => _buffer.Written;

    /// <summary>Writes an object; attributes last, as of one of too many values the core keeps the first.</summary>
    internal RecordWriter Write(
        IEnumerable<KeyValuePair<string, object?>> members, in TraceContext? trace, SinkwellContext? here = null)
    {
        Begin('{');
        object? attributes = null;
        var (traced, placed) = (false, false);
        foreach (var (key, value) in members)
        {
            if (key == "attributes")
            {
                attributes = value;
                continue;
            }
            traced |= key == "trace_id";
            placed |= key == "ambient";
            Member(key, value);
        }
        if (here is not null && !placed)
        {
            // What of it the record takes is the core's to say.
            Text('k', "ambient");
            Begin('{');
            Member("run", here.RunId);
            Member("turn", here.TurnId);
            Member("attempt", here.Attempt);
            Member("correlation", here.Correlation);
            Member("causation", here.Causation);
            Member("agent", here.Agent);
            End('}');
        }
        if (trace is { } context && !traced)
        {
            Member("trace_id", context.TraceId);
            Member("span_id", context.SpanId);
            Member("flags", (int)context.Flags);
            Member("state", context.State);
        }
        if (attributes is not null)
        {
            Member("attributes", attributes);
        }
        End('}');
        return this;
    }

    private void Member(string? key, object? value)
    {
        Text('k', key ?? "null");
        Value(value);
    }

    private void Value(object? value)
    {
        if (++_values > MostValues || _depth >= Deepest)
        {
            Text('u', "nested too deep, or too much");
            return;
        }
        var (before, depth) = (_buffer.Length, _depth);
        try
        {
            Read(value);
        }
        catch (Exception e)
        {
            _buffer.Back(before);
            _depth = depth;
            Text('u', $"{value!.GetType().Name} threw {e.GetType().Name}");
        }
    }

    private void Read(object? value)
    {
        switch (value)
        {
            case null:
                _buffer.Put((byte)'n');
                break;
            case string text:
                Text('s', text);
                break;
            case bool truth:
                _buffer.Put(truth ? (byte)'t' : (byte)'f');
                break;
            case int or long or uint or short or ushort or byte or sbyte:
                Number('i', Convert.ToInt64(value, CultureInfo.InvariantCulture));
                break;
            case ulong or nint or nuint or BigInteger or Int128 or UInt128:
                Text('z', ((IFormattable)value).ToString("D", CultureInfo.InvariantCulture));
                break;
            case double number:
                Number('d', BitConverter.DoubleToInt64Bits(number));
                break;
            case float number:
                Single(number);
                break;
            case Half number when Half.IsFinite(number):
                Text('j', number.ToString("R", CultureInfo.InvariantCulture));
                break;
            case Half number:
                Single((float)number);
                break;
            case decimal number:
                Decimal(number);
                break;
            case byte[] bytes:
                Bytes(bytes);
                break;
            case Memory<byte> bytes:
                Bytes(bytes.Span);
                break;
            case ReadOnlyMemory<byte> bytes:
                Bytes(bytes.Span);
                break;
            case JsonElement { ValueKind: not JsonValueKind.Undefined } element:
                Text('j', element.GetRawText());
                break;
            case JsonNode node:
                Text('j', node.ToJsonString());
                break;
            case IEnumerable<KeyValuePair<string, object?>> map:
                Object(map, static item => (item.Key, item.Value));
                break;
            case IEnumerable<KeyValuePair<string, string>> map:
                Object(map, static item => (item.Key, item.Value));
                break;
            case IDictionary map:
                Object(Entries(map), static item => (Formatted(item.Key), item.Value));
                break;
            case Guid or DateTimeOffset or DateTime or DateOnly or TimeOnly or Enum or char or TimeSpan:
                Text('s', Formatted(value));
                break;
            case Array { Rank: > 1 } array:
                List(Rows.Of(array));
                break;
            case IEnumerable list:
                List(list);
                break;
            default:
                Text('s', Formatted(value));
                break;
        }
    }

    /// <summary>Text as .NET itself reads it back, times in UTC where they have a zone.</summary>
    private static string Formatted(object value) => value switch
    {
        DateTime { Kind: DateTimeKind.Local } time => Formatted(time.ToUniversalTime()),
        DateTime { Kind: DateTimeKind.Utc } time => time.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture),
        DateTime time => time.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF", CultureInfo.InvariantCulture),
        DateTimeOffset time => Formatted(time.UtcDateTime),
        DateOnly date => date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
        TimeOnly time => time.ToString("HH:mm:ss.FFFFFFF", CultureInfo.InvariantCulture),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };

    /// <summary>A float by its own digits: as a double it would have some that nobody wrote.</summary>
    private void Single(float number)
    {
        if (float.IsFinite(number))
        {
            Text('j', number.ToString("R", CultureInfo.InvariantCulture));
        }
        else
        {
            Number('d', BitConverter.DoubleToInt64Bits(number));
        }
    }

    /// <summary>As a number where that is the same one to every reader, else as its digits.</summary>
    private void Decimal(decimal number)
    {
        var digits = number.ToString(CultureInfo.InvariantCulture);
        var shortest = ((double)number).ToString("R", CultureInfo.InvariantCulture);
        var same = decimal.TryParse(shortest, NumberStyles.Float, CultureInfo.InvariantCulture, out var back) && back == number;
        Text(same ? 'j' : 's', digits);
    }

    private void Bytes(ReadOnlySpan<byte> bytes)
    {
        Length('b', bytes.Length);
        _buffer.Put(bytes);
    }

    private void Object<T>(IEnumerable<T> members, Func<T, (string? Key, object? Value)> read)
    {
        Begin('{');
        Each(members, item =>
        {
            var (key, value) = read((T)item!);
            Member(key, value);
        });
        End('}');
    }

    private static IEnumerable<DictionaryEntry> Entries(IDictionary map)
    {
        foreach (DictionaryEntry entry in map)
        {
            yield return entry;
        }
    }

    private void List(IEnumerable list)
    {
        Begin('[');
        Each(list, Value);
        End(']');
    }

    /// <summary>A walk that throws half-way, or never ends, keeps what it gave.</summary>
    private void Each(IEnumerable items, Action<object?> write)
    {
        IEnumerator? walk = null;
        try
        {
            walk = items.GetEnumerator();
            while (_values <= MostValues && walk.MoveNext())
            {
                write(walk.Current);
            }
        }
        catch (Exception e) when (walk is not null)
        {
            Unfinished(e);
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

    /// <summary>Says in a container that its walk threw: in an object by a member, whose key cannot be missing.</summary>
    private void Unfinished(Exception e)
    {
        if (_open[_depth - 1] == '{')
        {
            Text('k', "…");
        }
        Text('u', e.GetType().Name);
    }

    private void Begin(char tag)
    {
        _buffer.Put((byte)tag);
        _open[_depth++] = tag;
    }

    private void End(char tag)
    {
        _buffer.Put((byte)tag);
        _depth--;
    }

    private void Number(char tag, long bits)
    {
        var place = _buffer.GetSpan(1 + sizeof(long));
        place[0] = (byte)tag;
        BinaryPrimitives.WriteInt64LittleEndian(place[1..], bits);
        _buffer.Advance(1 + sizeof(long));
    }

    private void Length(char tag, int length)
    {
        var place = _buffer.GetSpan(1 + sizeof(uint));
        place[0] = (byte)tag;
        BinaryPrimitives.WriteUInt32LittleEndian(place[1..], (uint)length);
        _buffer.Advance(1 + sizeof(uint));
    }

    private void Text(char tag, string text)
    {
        const int head = 1 + sizeof(uint);
        var place = _buffer.GetSpan(checked(head + Buffer.MostBytes(text.Length)));
        if (!Buffer.TryEncode(text, place[head..], out var length))
        {
            length = Ill(text, place[head..]);
        }
        place[0] = (byte)tag;
        BinaryPrimitives.WriteUInt32LittleEndian(place[1..], (uint)length);
        _buffer.Advance(head + length);
    }

    /// <summary>Text with half of a surrogate pair: a byte that UTF-8 has not stands for it, which the core spells.</summary>
    private static int Ill(string text, Span<byte> place)
    {
        var length = 0;
        for (var at = 0; at < text.Length;)
        {
            if (Rune.TryGetRuneAt(text, at, out var rune))
            {
                length += rune.EncodeToUtf8(place[length..]);
                at += rune.Utf16SequenceLength;
            }
            else
            {
                place[length++] = 0xFF;
                at++;
            }
        }
        return length;
    }
}
