using System.Text.Json;

namespace Sinkwell;

public sealed partial class Emitter
{
    private static readonly object OpeningDefault = new();
    private static volatile Emitter? s_default;
    private static Func<Emitter>? s_configured;

    /// <summary>
    /// The process's default emitter, opened on first use, and again after it was shut down: as <c>Configure</c> was told last,
    /// else from the environment.
    /// </summary>
    /// <exception cref="InvalidConfigException">What it is opened from cannot be used.</exception>
    public static Emitter Default
    {
        get
        {
            if (s_default is { _ended: false } open)
            {
                return open;
            }
            lock (OpeningDefault)
            {
                if (s_default is not { _ended: false })
                {
                    s_default = (s_configured ?? OpenDefault)();
                }
                return s_default;
            }
        }
    }

    /// <summary>
    /// Opens the process's default emitter from a file, instead of from the environment. One that is open already is shut down
    /// first, within five seconds, as both may write to one file. What cannot be opened leaves what was said before.
    /// </summary>
    /// <param name="path">The file; relative paths in it are its folder's.</param>
    /// <param name="options">Sinks of your own, and the like.</param>
    /// <exception cref="InvalidConfigException">The document cannot be used.</exception>
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
    /// <param name="timeout">How long at most; null: as long as it takes.</param>
    public static IReadOnlyDictionary<string, LaneReport> FlushDefault(TimeSpan? timeout = null) =>
        s_default is { _ended: false } open ? open.Flush(timeout) : Nothing;

    /// <summary>As <see cref="ShutdownAsync"/>, of the default emitter if it is open; its next use opens it again.</summary>
    /// <param name="timeout">How long at most; null: as long as it takes.</param>
    /// <param name="cancellationToken">Ends the wait; the shutdown goes on.</param>
    public static Task<IReadOnlyDictionary<string, LaneReport>> ShutdownDefaultAsync(
        TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        s_default is { _ended: false } open ? open.ShutdownAsync(timeout, cancellationToken) : Task.FromResult(Nothing);

    private static readonly IReadOnlyDictionary<string, LaneReport> Nothing = new Dictionary<string, LaneReport>();

    private static Emitter Configure(Func<Emitter> open)
    {
        lock (OpeningDefault)
        {
            if (s_default is { _ended: false } before)
            {
                before.Dispose();
            }
            s_default = open();
            s_configured = open;
            return s_default;
        }
    }
}
