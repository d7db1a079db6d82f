using System.Text;
using Sinkwell.Data;

namespace Sinkwell.Interop;

/// <summary>Text for one call, as UTF-8; the default is an absent one.</summary>
internal readonly struct Utf8Text
{
    private readonly int _length;

    private Utf8Text(byte[] bytes, int length)
    {
        Bytes = bytes;
        _length = length;
    }

    /// <summary>To be pinned for the call.</summary>
    internal byte[]? Bytes { get; }

    internal ReadOnlySpan<byte> Span => Bytes.AsSpan(0, _length);

    internal unsafe SinkwellBytes At(byte* pinned) =>
        Bytes is null ? default : new SinkwellBytes { data = pinned, len = (ulong)_length };

    internal static Utf8Text Of(string? text, string where)
    {
        if (text is null)
        {
            return default;
        }
        try
        {
            // One byte more, as pinning an empty array gives no address, which would mean that it is absent.
            var bytes = new byte[Native.Utf8.GetByteCount(text) + 1];
            return new Utf8Text(bytes, Native.Utf8.GetBytes(text, bytes));
        }
        catch (EncoderFallbackException)
        {
            throw SinkwellException.Of(ErrorCodes.InvalidArgument, Native.LoneSurrogate, where);
        }
    }

    internal static Utf8Text Of(ReadOnlySpan<byte> bytes)
    {
        var copy = new byte[bytes.Length + 1];
        bytes.CopyTo(copy);
        return new Utf8Text(copy, bytes.Length);
    }

    /// <summary>A mapping of the configuration's, as JSON.</summary>
    internal static Utf8Text Json(object mapping, int refusal = ErrorCodes.InvalidConfig)
    {
        var buffer = new Data.Buffer();
        DataJson.Write(buffer, mapping, refusal, root: "");
        return new Utf8Text(buffer.Bytes, buffer.Length);
    }
}

/// <summary>The constants of the header.</summary>
internal static class NativeConstants
{
    internal const int Environment = 0;
    internal const int Path = 1;
    internal const int Text = 2;
    internal const int Mapping = 3;

    internal const int Wait = 0;
    internal const int NoWait = 1;
    internal const int Inside = 2;

    internal const int Acknowledged = 0;
    internal const int Retry = 1;
    internal const int Refused = 2;
    internal const int Uncertain = 3;

    internal const byte DataJson = 0;
    internal const byte DataValues = 1;

    internal const int LevelsLogLevel = 1;
}
