namespace Sinkwell;

// One class for each of the closed list of kinds; their numbers never change meaning.

/// <summary><c>invalid_config</c> (1): the configuration cannot be used.</summary>
public sealed class InvalidConfigException : SinkwellException
{
    internal InvalidConfigException(int code, string kind, string message, string? where, Exception? inner = null)
        : base(code, kind, message, where, inner)
    {
    }
}

/// <summary><c>invalid_event</c> (2): the event cannot be sealed as given.</summary>
public sealed class InvalidEventException : SinkwellException
{
    internal InvalidEventException(int code, string kind, string message, string? where, Exception? inner = null)
        : base(code, kind, message, where, inner)
    {
    }
}

/// <summary><c>invalid_argument</c> (3): a call's argument is wrong.</summary>
public sealed class InvalidArgumentException : SinkwellException
{
    internal InvalidArgumentException(int code, string kind, string message, string? where, Exception? inner = null)
        : base(code, kind, message, where, inner)
    {
    }
}

/// <summary><c>backpressure</c> (4): a blocking lane had no room within its limit.</summary>
public sealed class BackpressureException : SinkwellException
{
    internal BackpressureException(int code, string kind, string message, string? where)
        : base(code, kind, message, where)
    {
    }
}

/// <summary><c>required_sink_unavailable</c> (5): governance forbids going on.</summary>
public sealed class RequiredSinkUnavailableException : SinkwellException
{
    internal RequiredSinkUnavailableException(int code, string kind, string message, string? where)
        : base(code, kind, message, where)
    {
    }
}

/// <summary><c>timeout</c> (6): waiting took longer than asked.</summary>
public sealed class WaitTimeoutException : SinkwellException
{
    internal WaitTimeoutException(int code, string kind, string message, string? where)
        : base(code, kind, message, where)
    {
    }
}

/// <summary><c>closed</c> (7): the emitter has been shut down.</summary>
public sealed class EmitterClosedException : SinkwellException
{
    internal EmitterClosedException(int code, string kind, string message, string? where)
        : base(code, kind, message, where)
    {
    }
}

/// <summary><c>sink</c> (8): a sink failed, with its own kind.</summary>
public sealed class SinkFailureException : SinkwellException
{
    internal SinkFailureException(int code, string kind, string message, string? where)
        : base(code, kind, message, where)
    {
    }
}

/// <summary><c>journal</c> (9): the journal cannot be read or written.</summary>
public sealed class JournalException : SinkwellException
{
    internal JournalException(int code, string kind, string message, string? where)
        : base(code, kind, message, where)
    {
    }
}

/// <summary><c>key</c> (10): a key is missing, malformed or refused.</summary>
public sealed class KeyException : SinkwellException
{
    internal KeyException(int code, string kind, string message, string? where)
        : base(code, kind, message, where)
    {
    }
}

/// <summary><c>policy</c> (11): a policy document is invalid.</summary>
public sealed class PolicyException : SinkwellException
{
    internal PolicyException(int code, string kind, string message, string? where)
        : base(code, kind, message, where)
    {
    }
}

/// <summary><c>verification</c> (12): input to the verifier cannot be read.</summary>
public sealed class VerificationException : SinkwellException
{
    internal VerificationException(int code, string kind, string message, string? where)
        : base(code, kind, message, where)
    {
    }
}

/// <summary><c>unsupported</c> (13): this build or platform cannot.</summary>
public sealed class UnsupportedException : SinkwellException
{
    internal UnsupportedException(int code, string kind, string message, string? where)
        : base(code, kind, message, where)
    {
    }
}

/// <summary><c>internal</c> (255): a defect of sinkwell: please report.</summary>
public sealed class InternalErrorException : SinkwellException
{
    internal InternalErrorException(int code, string kind, string message, string? where)
        : base(code, kind, message, where)
    {
    }
}
