using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Sinkwell.Extensions.Hosting;

/// <summary>
/// The host's one emitter. It opens on first use, with what is registered; who must not be the one to open it (a
/// logger, as a sink may want one) looks at <see cref="Current"/>.
/// </summary>
internal sealed class SinkwellHost(IServiceProvider services) : IDisposable
{
    private readonly object _opening = new();
    private volatile Emitter? _current;

    /// <summary>Null before it is open.</summary>
    internal Emitter? Current => _current;

    /// <summary>Opens it, unless it is. Waits until every required class has a healthy sink.</summary>
    internal Emitter Open()
    {
        lock (_opening)
        {
            return _current ??= New();
        }
    }

    /// <summary>The host has stopped and given the emitter its time.</summary>
    internal bool Stopped { get; set; }

    public void Dispose()
    {
        if (!Stopped)
        {
            _current?.Dispose();
        }
    }

    private Emitter New()
    {
        var given = services.GetRequiredService<IOptions<SinkwellOptions>>().Value;
        var options = new EmitterOptions
        {
            Sinks = [.. given.Sinks, .. services.GetServices<IGovernanceEventSink>()],
            Signer = services.GetService<ISigner>(),
        };
        return given switch
        {
            { Configuration: { } values } => Emitter.Open(values, options),
            { Path: { } path } => Emitter.Open(path, options),
            _ => Emitter.Open(options),
        };
    }
}
