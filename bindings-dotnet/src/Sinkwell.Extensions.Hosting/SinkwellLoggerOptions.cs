namespace Sinkwell.Extensions.Hosting;

/// <summary>How log records become events.</summary>
public sealed class SinkwellLoggerOptions
{
    /// <summary>
    /// The most that messages, structured state, scopes and exceptions may be captured, as the source of a content part
    /// permits it; null is <c>off</c>.
    /// </summary>
    public Permit? Permit { get; set; }
}
