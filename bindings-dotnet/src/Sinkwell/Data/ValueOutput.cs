using System.Buffers.Binary;
using System.Text.Json;

namespace Sinkwell.Data;

/// <summary>What a <see cref="DataWriter{TOutput}"/> writes to, value by value.</summary>
internal interface IValueOutput
{
    void BeginObject();

    void EndObject();

    void BeginArray();

    void EndArray();

    /// <summary>A member's key.</summary>
    /// <exception cref="LoneSurrogateException">It holds one.</exception>
    void Key(string key);

    /// <inheritdoc cref="Key"/>
    void Text(ReadOnlySpan<char> text);

    void Integer(long number);

    /// <summary>A finite number.</summary>
    void Number(double number);

    void Truth(bool truth);

    void Null();

    /// <summary>A value that is JSON already, as it is.</summary>
    void Json(ReadOnlySpan<char> json);
}

/// <summary>Writes the stream of values that the C ABI takes (<c>SINKWELL_DATA_VALUES</c>): no digits, no escapes.</summary>
internal readonly struct StreamOutput(Buffer buffer) : IValueOutput
{
    private const int TagAndLength = 1 + sizeof(uint);
    private const int TagAndNumber = 1 + sizeof(ulong);

    public void BeginObject() => buffer.Put((byte)'{');

    public void EndObject() => buffer.Put((byte)'}');

    public void BeginArray() => buffer.Put((byte)'[');

    public void EndArray() => buffer.Put((byte)']');

    public void Key(string key) => Put((byte)'k', key);

    public void Text(ReadOnlySpan<char> text) => Put((byte)'s', text);

    public void Integer(long number)
    {
        var place = buffer.GetSpan(TagAndNumber);
        place[0] = (byte)'i';
        BinaryPrimitives.WriteInt64LittleEndian(place[1..], number);
        buffer.Advance(TagAndNumber);
    }

    public void Number(double number)
    {
        var place = buffer.GetSpan(TagAndNumber);
        place[0] = (byte)'d';
        BinaryPrimitives.WriteDoubleLittleEndian(place[1..], number);
        buffer.Advance(TagAndNumber);
    }

    public void Truth(bool truth) => buffer.Put(truth ? (byte)'t' : (byte)'f');

    public void Null() => buffer.Put((byte)'n');

    public void Json(ReadOnlySpan<char> json) => Put((byte)'j', json);

    private void Put(byte tag, ReadOnlySpan<char> text)
    {
        var place = buffer.GetSpan(checked(TagAndLength + Buffer.MostBytes(text.Length)));
        if (!Buffer.TryEncode(text, place[TagAndLength..], out var length))
        {
            throw new LoneSurrogateException();
        }
        place[0] = tag;
        BinaryPrimitives.WriteUInt32LittleEndian(place[1..], (uint)length);
        buffer.Advance(TagAndLength + length);
    }
}

/// <summary>Writes JSON text: for what is not an event's data.</summary>
internal readonly struct JsonOutput(Utf8JsonWriter json) : IValueOutput
{
    public void BeginObject() => json.WriteStartObject();

    public void EndObject() => json.WriteEndObject();

    public void BeginArray() => json.WriteStartArray();

    public void EndArray() => json.WriteEndArray();

    public void Key(string key) => json.WritePropertyName(key);

    public void Text(ReadOnlySpan<char> text) => json.WriteStringValue(text);

    public void Integer(long number) => json.WriteNumberValue(number);

    public void Number(double number) => json.WriteNumberValue(number);

    public void Truth(bool truth) => json.WriteBooleanValue(truth);

    public void Null() => json.WriteNullValue();

    public void Json(ReadOnlySpan<char> text) => json.WriteRawValue(text, skipInputValidation: true);
}
