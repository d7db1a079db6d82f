namespace Sinkwell;

/// <summary>
/// How much an event matters. Text becomes one, in any case (<c>Severity = "warn"</c>), and so does OpenTelemetry's number, 1
/// to 24; the core judges whether it is one.
/// </summary>
/// <param name="Name">Its name, as in the configuration: <c>warn</c>, say; null leaves it to the type.</param>
public readonly record struct Severity(string? Name)
{
    /// <summary>The finest detail.</summary>
    public static Severity Trace { get; } = new("trace");

    /// <summary>Of use while developing.</summary>
    public static Severity Debug { get; } = new("debug");

    /// <summary>What happens in the normal course.</summary>
    public static Severity Info { get; } = new("info");

    /// <summary>Something should be looked at: a denial, say.</summary>
    public static Severity Warn { get; } = new("warn");

    /// <summary>Something failed.</summary>
    public static Severity Error { get; } = new("error");

    /// <summary>Nothing goes on after it.</summary>
    public static Severity Fatal { get; } = new("fatal");

    /// <summary>By its name.</summary>
    /// <param name="name">The name.</param>
    public static implicit operator Severity(string? name) => new(name);

    /// <summary>By OpenTelemetry's number.</summary>
    /// <param name="number">The number, 1 to 24.</param>
    public static implicit operator Severity(int number) =>
        new(number.ToString(System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>Its name.</summary>
    public override string ToString() => Name ?? "";
}

/// <summary>
/// The most that the source of a content part permits to be captured. Text becomes one (<c>Permit = "raw"</c>); the core
/// judges whether it is one of the four.
/// </summary>
/// <param name="Name">Its name, as in the configuration: <c>content_ref</c>, say; null is <c>off</c>.</param>
public readonly record struct Permit(string? Name)
{
    /// <summary>Nothing but its class, its size and a commitment to it.</summary>
    public static Permit Off { get; } = new("off");

    /// <summary>A summary, redacted.</summary>
    public static Permit RedactedSummary { get; } = new("redacted_summary");

    /// <summary>A reference into your own content store.</summary>
    public static Permit ContentRef { get; } = new("content_ref");

    /// <summary>The content itself.</summary>
    public static Permit Raw { get; } = new("raw");

    /// <summary>By its name.</summary>
    /// <param name="name">The name.</param>
    public static implicit operator Permit(string? name) => new(name);

    /// <summary>Its name.</summary>
    public override string ToString() => Name ?? "";
}
