using System.Text.Json;
using Sinkwell.Interop;

namespace Sinkwell;

public sealed partial class Emitter
{
    /// <summary>Held to look and to put, never while an emitter opens or ends.</summary>
    private static readonly object DefaultGate = new();
    private static volatile Emitter? s_default;
    private static Func<Emitter>? s_configured;

    /// <summary>There while somebody opens, replaces or ends the default emitter; done when that is.</summary>
    private static TaskCompletionSource? s_turn;

    /// <summary>This thread opens the default emitter: what it reads meanwhile, a getter of the program's, must not wait for that.</summary>
    [ThreadStatic]
    private static bool s_opens;

    /// <summary>
    /// The process's default emitter, opened on first use, and again after it was shut down: as <c>Configure</c> was told last,
    /// else from the environment. While it is replaced or ends it is the one that was open, which refuses events as closed.
    /// </summary>
    /// <exception cref="InvalidConfigException">What it is opened from cannot be used.</exception>
    /// <exception cref="EmitterClosedException">
    /// It is not open, and is not opened from inside a sink, a signer or a logger.
    /// </exception>
    public static Emitter Default
    {
        get
        {
            if (s_default is { _ended: false } open)
            {
                return open;
            }
            lock (DefaultGate)
            {
                if (s_turn is not null && s_default is { } standing)
                {
                    return standing;
                }
            }
            if (HostCall.IsInside)
            {
                throw NotOpenInside();
            }
            TakeTurn(CancellationToken.None).GetAwaiter().GetResult();
            try
            {
                if (s_default is not { _ended: false } opened)
                {
                    s_default = opened = Opened(s_configured ?? OpenDefault);
                }
                return opened;
            }
            finally
            {
                EndTurn();
            }
        }
    }

    /// <summary>
    /// Opens the process's default emitter from a file, instead of from the environment. One that is open already is shut down
    /// first, within five seconds, as both may write to one file; events of the default emitter are refused as closed while it
    /// ends. What cannot be opened leaves what was said before.
    /// </summary>
    /// <remarks>
    /// While it opens, other threads that use the default emitter wait. So the program's own code that runs for the opening (a
    /// sink's name and classes, a getter that is read as configuration) must not wait for another thread that emits: that would
    /// never end.
    /// </remarks>
    /// <param name="path">The file; relative paths in it are its folder's.</param>
    /// <param name="options">Sinks of your own, and the like.</param>
    /// <exception cref="InvalidConfigException">The document cannot be used.</exception>
    /// <exception cref="InvalidArgumentException">It is called from inside a sink, a signer or a logger.</exception>
    public static Emitter Configure(string path, EmitterOptions? options = null) => Configure(() => Open(path, options));

    /// <inheritdoc cref="Configure(string, EmitterOptions?)"/>
    /// <param name="configuration">What the file would hold.</param>
    /// <param name="options">Sinks of your own, and the like.</param>
    public static Emitter Configure(
        IEnumerable<KeyValuePair<string, object?>> configuration, EmitterOptions? options = null) =>
        Configure(() => Open(configuration, options));

    /// <inheritdoc cref="Configure(IEnumerable{KeyValuePair{string, object}}, EmitterOptions?)"/>
    public static Emitter Configure(JsonElement configuration, EmitterOptions? options = null) =>
        Configure(() => Open(configuration, options));

    /// <summary>As <see cref="Flush"/>, of the default emitter if it is open; nothing otherwise.</summary>
    /// <param name="timeout">How long at most; null: five seconds.</param>
    public static IReadOnlyDictionary<string, LaneReport> FlushDefault(TimeSpan? timeout = null) =>
        s_default is { _ended: false } open ? open.Flush(timeout) : Nothing;

    /// <summary>
    /// As <see cref="ShutdownAsync"/>, of the default emitter if it is open; its next use after that opens it again.
    /// </summary>
    /// <param name="timeout">How long at most; null: five seconds.</param>
    /// <param name="cancellationToken">Ends the wait; the shutdown goes on.</param>
    public static async Task<IReadOnlyDictionary<string, LaneReport>> ShutdownDefaultAsync(
        TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        await TakeTurn(cancellationToken).ConfigureAwait(false);
        try
        {
            return s_default is { _ended: false } open
                ? await open.ShutdownAsync(timeout, cancellationToken).ConfigureAwait(false)
                : Nothing;
        }
        finally
        {
            EndTurn();
        }
    }

    private static readonly IReadOnlyDictionary<string, LaneReport> Nothing = new Dictionary<string, LaneReport>();

    private static Emitter Configure(Func<Emitter> open)
    {
        if (HostCall.IsInside)
        {
            throw SinkwellException.Of(
                ErrorCodes.InvalidArgument, "Configure cannot be called from inside a sink, a signer or a logger", null);
        }
        TakeTurn(CancellationToken.None).GetAwaiter().GetResult();
        try
        {
            s_default?.Dispose();
            var opened = Opened(open);
            s_default = opened;
            s_configured = open;
            return opened;
        }
        finally
        {
            EndTurn();
        }
    }

    private static Emitter Opened(Func<Emitter> open)
    {
        s_opens = true;
        try
        {
            return open();
        }
        finally
        {
            s_opens = false;
        }
    }

    private static SinkwellException NotOpenInside() => SinkwellException.Of(
        ErrorCodes.Closed,
        "the default emitter is not open, and is not opened from inside a sink, a signer or a logger; open it before, by its first use or by Configure",
        null);

    /// <summary>Waits until nobody opens, replaces or ends the default emitter; from inside a callback not at all.</summary>
    private static async Task TakeTurn(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task taken;
            lock (DefaultGate)
            {
                if (s_turn is null)
                {
                    s_turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    return;
                }
                if (HostCall.IsInside || s_opens)
                {
                    throw SinkwellException.Of(
                        ErrorCodes.Closed,
                        "the default emitter is being opened or ended, which nothing waits for inside a sink, a signer or a logger, and nothing that runs for it",
                        null);
                }
                taken = s_turn.Task;
            }
            await taken.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static void EndTurn()
    {
        lock (DefaultGate)
        {
            s_turn!.SetResult();
            s_turn = null;
        }
    }
}
