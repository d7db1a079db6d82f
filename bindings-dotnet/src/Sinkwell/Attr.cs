namespace Sinkwell;

/// <summary>
/// One member of an event's data, typed, so that it costs no allocation: a pair of its key and a text, a truth value
/// or a number becomes one, <see cref="Of"/> makes one of whatever else data may be.
/// </summary>
/// <example><c>emitter.Put("tool.invocation", [("tool", "search"), ("duration_ms", 18.25)]);</c></example>
public readonly struct Attr
{
    private Attr(string key, AttrKind kind, long bits, object? value)
    {
        Key = key;
        Kind = kind;
        Bits = bits;
        Value = value;
    }

    internal string Key { get; }

    internal AttrKind Kind { get; }

    internal long Bits { get; }

    internal object? Value { get; }

    /// <summary>A member with any value that data may have: null, lists and maps too.</summary>
    /// <param name="key">Its key.</param>
    /// <param name="value">Its value.</param>
    public static Attr Of(string key, object? value) => new(key, AttrKind.Value, 0, value);

    /// <summary>A member with a text, or null.</summary>
    /// <param name="member">Its key and value.</param>
    public static implicit operator Attr((string Key, string? Value) member) =>
        new(member.Key, AttrKind.Value, 0, member.Value);

    /// <summary>A member that is true or false.</summary>
    /// <param name="member">Its key and value.</param>
    public static implicit operator Attr((string Key, bool Value) member) =>
        new(member.Key, AttrKind.Truth, member.Value ? 1 : 0, null);

    /// <summary>A member with an integer.</summary>
    /// <param name="member">Its key and value.</param>
    public static implicit operator Attr((string Key, int Value) member) =>
        new(member.Key, AttrKind.Integer, member.Value, null);

    /// <summary>A member with an integer; beyond ±(2^53−1) it is refused: send it as a string.</summary>
    /// <param name="member">Its key and value.</param>
    public static implicit operator Attr((string Key, long Value) member) =>
        new(member.Key, AttrKind.Integer, member.Value, null);

    /// <summary>
    /// A member with a number; NaN and infinities are refused. C# makes a double of a <c>float</c> and of a <c>ulong</c> in
    /// brackets, with the digits of that; <see cref="Of"/> takes them as they are.
    /// </summary>
    /// <param name="member">Its key and value.</param>
    public static implicit operator Attr((string Key, double Value) member) =>
        new(member.Key, AttrKind.Number, BitConverter.DoubleToInt64Bits(member.Value), null);

    /// <summary>Its key only: the value may be the words of people.</summary>
    public override string ToString() => $"Attr({Key})";
}

/// <summary>Where an <see cref="Attr"/> has its value.</summary>
internal enum AttrKind : byte
{
    Value,
    Truth,
    Integer,
    Number,
}
