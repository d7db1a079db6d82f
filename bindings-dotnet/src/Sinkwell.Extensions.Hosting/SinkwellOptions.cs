namespace Sinkwell.Extensions.Hosting;

/// <summary>What the host's emitter is opened with. Sinks and a signer come from dependency injection, too.</summary>
public sealed class SinkwellOptions
{
    /// <summary>The configuration's file; null, without <see cref="Configuration"/> too: the environment says.</summary>
    public string? Path { get; set; }

    /// <summary>The configuration as values, instead of a file.</summary>
    public IEnumerable<KeyValuePair<string, object?>>? Configuration { get; set; }

    /// <summary>Sinks of your own, beside those that are registered as <see cref="IGovernanceEventSink"/>.</summary>
    public IList<IGovernanceEventSink> Sinks { get; } = [];
}
