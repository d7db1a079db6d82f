using Sinkwell.Interop;

namespace Sinkwell;

/// <summary>
/// The ancestor of all errors of sinkwell. One class per kind derives from it; the message says what happened
/// and what to do.
/// </summary>
public abstract class SinkwellException : Exception
{
    private protected SinkwellException(int code, string kind, string message, string? where, Exception? inner = null)
        : base(where is null ? message : $"{where}: {message}", inner)
    {
        Code = code;
        Kind = kind;
        Where = where;
        Reason = message;
    }

    /// <summary>The kind's public name, the same in every language: <c>invalid_event</c>, say.</summary>
    public string Kind { get; }

    /// <summary>The kind's number; it never changes meaning.</summary>
    public int Code { get; }

    /// <summary>Where: a path, a key, a lane; null where there is none.</summary>
    public string? Where { get; }

    /// <summary>What happened and what to do, without the place.</summary>
    public string Reason { get; }

    /// <summary>The exception for a status of the C ABI.</summary>
    /// <param name="code">The status.</param>
    /// <param name="message">What happened and what to do.</param>
    /// <param name="where">Where.</param>
    /// <param name="inner">What the program's own code threw, if that is why.</param>
    internal static SinkwellException Of(int code, string message, string? where, Exception? inner = null)
    {
        var name = Native.Text(NativeMethods.sinkwell_error_name(code));
        var kind = name.Length == 0 ? "internal" : name;
        return code switch
        {
            1 => new InvalidConfigException(code, kind, message, where, inner),
            2 => new InvalidEventException(code, kind, message, where, inner),
            3 => new InvalidArgumentException(code, kind, message, where, inner),
            4 => new BackpressureException(code, kind, message, where),
            5 => new RequiredSinkUnavailableException(code, kind, message, where),
            6 => new WaitTimeoutException(code, kind, message, where),
            7 => new EmitterClosedException(code, kind, message, where),
            8 => new SinkFailureException(code, kind, message, where),
            9 => new JournalException(code, kind, message, where),
            10 => new KeyException(code, kind, message, where),
            11 => new PolicyException(code, kind, message, where),
            12 => new VerificationException(code, kind, message, where),
            13 => new UnsupportedException(code, kind, message, where),
            _ => new InternalErrorException(code, kind, message, where),
        };
    }
}

/// <summary>The numbers of the kinds that this package raises by itself: what only it can see.</summary>
internal static class ErrorCodes
{
    internal const int InvalidConfig = 1;
    internal const int InvalidEvent = 2;
    internal const int InvalidArgument = 3;
    internal const int Closed = 7;
}
