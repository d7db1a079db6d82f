namespace Sinkwell;

/// <summary>
/// What events have in common that are emitted within a run, said once: an event takes from here what it does not say itself,
/// across <c>await</c>. A run within a run has the other as its parent: <c>parent_run</c> in the data of its <c>run.*</c> events.
/// Entering one emits nothing.
/// </summary>
/// <example>
/// <code>
/// using (SinkwellContext.Run("r-17"))
/// {
///     emitter.Emit("run.started");
///     using (SinkwellContext.Turn("1"))
///     {
///         await Answer();
///     }
///     emitter.Emit("run.completed");
/// }
/// </code>
/// </example>
public sealed record SinkwellContext
{
    private static readonly AsyncLocal<SinkwellContext?> Here = new();

    private SinkwellContext()
    {
    }

    /// <summary>The context that holds here; null outside of every one.</summary>
    public static SinkwellContext? Current => Here.Value;

    /// <summary>The agent run.</summary>
    public string? RunId { get; private init; }

    /// <summary>The run around it.</summary>
    public string? ParentRun { get; private init; }

    /// <summary>The turn in the run.</summary>
    public string? TurnId { get; private init; }

    /// <summary>The attempt in the turn.</summary>
    public string? Attempt { get; private init; }

    /// <summary>Another agent than the emitter's; <c>agent.allow</c> must let it.</summary>
    public string? Agent { get; private init; }

    /// <summary>Id of the event that caused what happens here.</summary>
    public string? Causation { get; private init; }

    /// <summary>Id of the whole conversation.</summary>
    public string? Correlation { get; private init; }

    /// <summary>
    /// Has events belong to a run until the answer is disposed of. Of the context around it a run takes agent, causation and
    /// correlation, unless they are given; turn and attempt are its own.
    /// </summary>
    /// <param name="run">The run's id; null: a new one.</param>
    /// <param name="turn">The turn in it.</param>
    /// <param name="attempt">The attempt in the turn.</param>
    /// <param name="agent">Another agent than the emitter's.</param>
    /// <param name="causation">Id of the event that caused the run.</param>
    /// <param name="correlation">Id of the whole conversation.</param>
    /// <param name="parentRun">The run that it is part of; null: the run around it.</param>
    /// <returns>What ends it, in the method that began it.</returns>
    public static IDisposable Run(
        string? run = null,
        string? turn = null,
        string? attempt = null,
        string? agent = null,
        string? causation = null,
        string? correlation = null,
        string? parentRun = null)
    {
        var around = Here.Value;
        run ??= Guid.NewGuid().ToString();
        return Enter(new SinkwellContext
        {
            RunId = run,
            // The same run entered again is no part of itself.
            ParentRun = parentRun ?? (around?.RunId == run ? around?.ParentRun : around?.RunId),
            TurnId = turn,
            Attempt = attempt,
            Agent = agent ?? around?.Agent,
            Causation = causation ?? around?.Causation,
            Correlation = correlation ?? around?.Correlation,
        });
    }

    /// <summary>
    /// Has events belong to a turn of the run around, until the answer is disposed of: what is not given is as around, but for
    /// the attempt.
    /// </summary>
    /// <param name="turn">The turn's id; null: as around.</param>
    /// <param name="attempt">The attempt in the turn.</param>
    /// <param name="agent">Another agent than the emitter's.</param>
    /// <param name="causation">Id of the event that caused what happens here.</param>
    /// <param name="correlation">Id of the whole conversation.</param>
    /// <returns>What ends it, in the method that began it.</returns>
    public static IDisposable Turn(
        string? turn = null,
        string? attempt = null,
        string? agent = null,
        string? causation = null,
        string? correlation = null)
    {
        var around = Here.Value ?? new SinkwellContext();
        return Enter(around with
        {
            TurnId = turn ?? around.TurnId,
            Attempt = attempt,
            Agent = agent ?? around.Agent,
            Causation = causation ?? around.Causation,
            Correlation = correlation ?? around.Correlation,
        });
    }

    /// <summary>Has this hold beside the context around it; of another run, without what is that one's.</summary>
    internal static IDisposable Within(string? run, string causation)
    {
        var around = Here.Value ?? new SinkwellContext();
        return Enter(run is null || run == around.RunId
            ? around with { Causation = causation }
            : new SinkwellContext
            {
                RunId = run,
                Agent = around.Agent,
                Causation = causation,
                Correlation = around.Correlation,
            });
    }

    private static Scope Enter(SinkwellContext context)
    {
        var scope = new Scope(Here.Value);
        Here.Value = context;
        return scope;
    }

    private sealed class Scope(SinkwellContext? around) : IDisposable
    {
        private bool _ended;

        public void Dispose()
        {
            if (!_ended)
            {
                _ended = true;
                Here.Value = around;
            }
        }
    }
}
