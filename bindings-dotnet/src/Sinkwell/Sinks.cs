namespace Sinkwell;

/// <summary>What a sink is for.</summary>
public enum SinkClass
{
    /// <summary>Security monitoring.</summary>
    Siem,

    /// <summary>Evidence.</summary>
    Audit,

    /// <summary>Operations.</summary>
    Observability,

    /// <summary>Development.</summary>
    Debug,
}

/// <summary>How a sink says it is.</summary>
/// <param name="Healthy">Whether it can take events.</param>
/// <param name="Detail">What the host may read about it.</param>
public sealed record SinkHealth(bool Healthy, string? Detail = null);

/// <summary>
/// A destination for sealed events. Its lane calls it from the thread pool, one call at a time, in the order of
/// the stream. Whatever it does (throw, hang, return null) is an answer to its lane, and to nobody else.
/// </summary>
public interface IGovernanceEventSink
{
    /// <summary>What it is called: its lane's id, unless a lane names another.</summary>
    /// <remarks>
    /// It is asked while an emitter opens, as <see cref="Classes"/> is, and the opening goes on when it answers. Where that is
    /// the default emitter, an event that it emits itself is refused as closed at once, but another thread that uses the default
    /// emitter waits for the opening: it must not wait for such a thread.
    /// </remarks>
    string Name { get; }

    /// <summary>What it is for.</summary>
    IReadOnlySet<SinkClass> Classes { get; }

    /// <summary>
    /// Takes one event. An exception means that it is tried again; <see cref="RejectedException"/>, that it never is;
    /// <see cref="UncertainException"/>, that nobody will know.
    /// </summary>
    /// <param name="envelope">The event.</param>
    /// <param name="cancellationToken">Cancelled when the lane has given the call up.</param>
    Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default);

    /// <summary>Says how it is. Unless implemented: healthy as long as it delivers.</summary>
    /// <param name="cancellationToken">Cancelled when nobody waits for the answer any more.</param>
    Task<SinkHealth> HealthAsync(CancellationToken cancellationToken = default) => Task.FromResult(new SinkHealth(true));
}

/// <summary>A sink that takes batches: the optional second form.</summary>
public interface IBatchGovernanceEventSink : IGovernanceEventSink
{
    /// <summary>Takes a batch, oldest first.</summary>
    /// <param name="events">The events.</param>
    /// <param name="cancellationToken">Cancelled when the lane has given the call up.</param>
    /// <returns>
    /// Null: all are there. Otherwise an answer for each, in order: null, or the exception that
    /// <see cref="IGovernanceEventSink.EmitAsync"/> would have thrown. Thrown, it is about the batch as one: after
    /// <see cref="RejectedException"/> that is halved until the offender is alone.
    /// </returns>
    Task<IReadOnlyList<Exception?>?> EmitBatchAsync(
        IReadOnlyList<SignedGovernanceEvent> events, CancellationToken cancellationToken = default);
}

/// <summary>A sink for which a repeat of the same envelope does no harm.</summary>
public interface IIdempotentSink;

/// <summary>Thrown by a sink that refuses an event for good: it is declared lost, and not tried again.</summary>
public sealed class RejectedException : Exception
{
    /// <summary>Refuses.</summary>
    public RejectedException()
    {
    }

    /// <summary>Refuses, saying why.</summary>
    /// <param name="message">Why; only the host sees it.</param>
    public RejectedException(string message)
        : base(message)
    {
    }

    /// <summary>Refuses, saying why.</summary>
    /// <param name="message">Why; only the host sees it.</param>
    /// <param name="innerException">What led to it.</param>
    public RejectedException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>
/// Thrown by a sink that will never know whether an event arrived: it is not tried again, and declared as maybe lost.
/// </summary>
public sealed class UncertainException : Exception
{
    /// <summary>Nobody knows.</summary>
    public UncertainException()
    {
    }

    /// <summary>Nobody knows, and why.</summary>
    /// <param name="message">Why; only the host sees it.</param>
    public UncertainException(string message)
        : base(message)
    {
    }

    /// <summary>Nobody knows, and why.</summary>
    /// <param name="message">Why; only the host sees it.</param>
    /// <param name="innerException">What led to it.</param>
    public UncertainException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>A signer of your own (a KMS, an HSM), for <c>key: { id, alg, signer: host }</c>.</summary>
public interface ISigner
{
    /// <summary>
    /// Signs a batch: one raw signature per signing input, in order. Several lanes may call at once. While it is
    /// slow or failing its lanes wait; nothing is ever sent unsigned instead.
    /// </summary>
    /// <param name="inputs">The signing inputs.</param>
    /// <param name="cancellationToken">Never cancelled at present.</param>
    Task<IReadOnlyList<ReadOnlyMemory<byte>>> SignAsync(
        IReadOnlyList<ReadOnlyMemory<byte>> inputs, CancellationToken cancellationToken = default);
}
