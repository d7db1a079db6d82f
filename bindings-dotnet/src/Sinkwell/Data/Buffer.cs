using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text.Unicode;
using Sinkwell.Interop;

namespace Sinkwell.Data;

/// <summary>A place in the draft's buffer; the default is an absent value.</summary>
internal readonly record struct TextSpan(bool Present, int Start, int Length)
{
    internal unsafe SinkwellBytes At(byte* start) =>
        Present ? new SinkwellBytes { data = start + Start, len = (ulong)Length } : default;
}

/// <summary>What is written is more than may be: a sequence without an end, for example.</summary>
internal sealed class TooMuchException(int limit)
    : Exception($"more than {limit} bytes, the limit, or without an end; nothing is truncated: send less, or a reference");

/// <summary>Bytes that grow at their end.</summary>
internal sealed class Buffer : IBufferWriter<byte>
{
    internal byte[] Bytes { get; private set; } = new byte[1024];

    internal int Length { get; private set; }

    /// <summary>How long it may become, and what it is that is longer then.</summary>
    private (int Bytes, int Limit) _most = (int.MaxValue, int.MaxValue);

    internal TextSpan Since(int start) => new(true, start, Length - start);

    internal ReadOnlySpan<byte> Written => Bytes.AsSpan(0, Length);

    /// <summary>
    /// What is written from here on may be so many bytes as JSON. In another form nothing takes five times that: what does is too
    /// much for certain, and the core, which counts, refuses the rest.
    /// </summary>
    internal void Bound(int limit) => _most = ((int)Math.Min(Length + 5L * limit, int.MaxValue), limit);

    internal void Unbound() => _most = (int.MaxValue, int.MaxValue);

    internal void Reset(int keptBytes)
    {
        Length = 0;
        Unbound();
        if (Bytes.Length > keptBytes)
        {
            Bytes = new byte[1024];
        }
    }

    /// <summary>Text as UTF-8; false if it holds a lone surrogate.</summary>
    internal bool TryPut(string text, out TextSpan span)
    {
        var start = Length;
        var fits = TryEncode(text, GetSpan(MostBytes(text.Length)), out var length);
        Advance(length);
        span = Since(start);
        return fits;
    }

    /// <summary>The most bytes that so many UTF-16 units take.</summary>
    internal static int MostBytes(int units) => checked(units * 3);

    /// <summary>Text as UTF-8 into a place that has room for <see cref="MostBytes"/>.</summary>
    internal static bool TryEncode(ReadOnlySpan<char> text, Span<byte> place, out int length)
    {
        length = CopyAscii(text, place);
        if (length == text.Length)
        {
            return true;
        }
        var status = Utf8.FromUtf16(
            text[length..], place[length..], out _, out var rest, replaceInvalidSequences: false);
        length += rest;
        return status == OperationStatus.Done;
    }

    /// <summary>
    /// Copies ASCII from the beginning on, and says how much. Texts are short here, and mostly all ASCII: what the
    /// runtime has for any length costs more to enter than to do.
    /// </summary>
    private static int CopyAscii(ReadOnlySpan<char> text, Span<byte> place)
    {
        const int width = 8;
        if (!Vector128.IsHardwareAccelerated || text.Length < width || place.Length < text.Length)
        {
            var i = 0;
            for (; i < text.Length && i < place.Length && text[i] < 0x80; i++)
            {
                place[i] = (byte)text[i];
            }
            return i;
        }
        ref var from = ref Unsafe.As<char, ushort>(ref MemoryMarshal.GetReference(text));
        ref var to = ref MemoryMarshal.GetReference(place);
        // The last step overlaps the one before it.
        var last = text.Length - width;
        for (var at = 0; ; at = Math.Min(at + width, last))
        {
            var units = Vector128.LoadUnsafe(ref from, (nuint)at);
            if ((units & Vector128.Create((ushort)0xff80)) != Vector128<ushort>.Zero)
            {
                return at;
            }
            Vector128.Narrow(units, units).GetLower().StoreUnsafe(ref to, (nuint)at);
            if (at == last)
            {
                return text.Length;
            }
        }
    }

    internal void Put(byte value)
    {
        GetSpan(1)[0] = value;
        Advance(1);
    }

    internal TextSpan Put(ReadOnlySpan<byte> bytes)
    {
        var start = Length;
        bytes.CopyTo(GetSpan(bytes.Length));
        Advance(bytes.Length);
        return Since(start);
    }

    internal TextSpan PutHex(ReadOnlySpan<byte> bytes)
    {
        var start = Length;
        var hex = GetSpan(bytes.Length * 2);
        for (var i = 0; i < bytes.Length; i++)
        {
            hex[2 * i] = "0123456789abcdef"u8[bytes[i] >> 4];
            hex[2 * i + 1] = "0123456789abcdef"u8[bytes[i] & 15];
        }
        Advance(bytes.Length * 2);
        return Since(start);
    }

    public void Advance(int count) => Length += count;

    /// <summary>Forgets what was written since.</summary>
    internal void Back(int length) => Length = length;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return Bytes.AsMemory(Length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return Bytes.AsSpan(Length);
    }

    private void Reserve(int more)
    {
        // Never empty behind the end: an empty value that is present needs an address.
        var needed = checked(Length + Math.Max(more, 256));
        if (needed > Bytes.Length)
        {
            if (needed > _most.Bytes)
            {
                throw new TooMuchException(_most.Limit);
            }
            var grown = new byte[Math.Max(needed, (int)Math.Min(2L * Bytes.Length, Math.Min(_most.Bytes, Array.MaxLength)))];
            Bytes.AsSpan(0, Length).CopyTo(grown);
            Bytes = grown;
        }
    }
}
