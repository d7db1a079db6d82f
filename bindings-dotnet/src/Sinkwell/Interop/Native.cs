using System.Text;

namespace Sinkwell.Interop;

/// <summary>
/// What every call across the C ABI shares: borrowed bytes in, owned bytes out, and a status that becomes an
/// exception.
/// </summary>
internal static unsafe class Native
{
    /// <summary>UTF-8 that refuses lone surrogates instead of replacing them.</summary>
    internal static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    internal const string LoneSurrogate =
        "a lone surrogate is not a character; send the text as well-formed Unicode";

    /// <summary>Turns a status into an exception, and frees what the error holds.</summary>
    internal static void Check(int status, ref SinkwellError error)
    {
        if (status != 0)
        {
            throw TakeError(status, ref error);
        }
    }

    internal static SinkwellException TakeError(int status, ref SinkwellError error)
    {
        var message = Text(error.message.data, error.message.len);
        var place = error.place.len == 0 ? null : Text(error.place.data, error.place.len);
        fixed (SinkwellError* given = &error)
        {
            NativeMethods.sinkwell_error_free(given);
        }
        return SinkwellException.Of(status, message, place);
    }

    internal static string Text(SinkwellBytes bytes) => Text(bytes.data, bytes.len);

    internal static string Text(byte* data, ulong length) =>
        data is null ? "" : Encoding.UTF8.GetString(data, checked((int)length));

    internal static ReadOnlySpan<byte> Span(SinkwellBytes bytes) =>
        bytes.data is null ? default : new ReadOnlySpan<byte>(bytes.data, checked((int)bytes.len));

    /// <summary>Copies owned bytes and frees them.</summary>
    internal static byte[] Take(ref SinkwellOwned owned)
    {
        fixed (SinkwellOwned* given = &owned)
        {
            try
            {
                return new ReadOnlySpan<byte>(owned.data, checked((int)owned.len)).ToArray();
            }
            finally
            {
                NativeMethods.sinkwell_owned_free(given);
            }
        }
    }

    /// <summary>Milliseconds, as the ABI counts; null or <see cref="Timeout.InfiniteTimeSpan"/> is no limit.</summary>
    internal static ulong Milliseconds(TimeSpan? timeout) => timeout switch
    {
        null => ulong.MaxValue,
        { } limit when limit == Timeout.InfiniteTimeSpan => ulong.MaxValue,
        { } limit when limit <= TimeSpan.Zero => 0,
        { } limit => (ulong)Math.Ceiling(limit.TotalMilliseconds),
    };
}
