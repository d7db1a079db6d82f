using System.Text.Json;
using Sinkwell.Data;
using Sinkwell.Interop;

namespace Sinkwell;

/// <summary>What an emitter is opened with beside its configuration.</summary>
public sealed record EmitterOptions
{
    /// <summary>Sinks of your own; they count as required sinks.</summary>
    public IReadOnlyList<IGovernanceEventSink> Sinks { get; init; } = [];

    /// <summary>What <c>key: { signer: host }</c> signs with.</summary>
    public ISigner? Signer { get; init; }

    /// <summary>Without threads: <see cref="Emitter.Drain"/> delivers.</summary>
    public bool Manual { get; init; }
}

public sealed partial class Emitter
{
    /// <summary>Opens an emitter as environment variables say: <c>SINKWELL_CONFIG</c>, <c>SINKWELL_LANES</c>, or the default.</summary>
    /// <param name="options">Sinks of your own, and the like.</param>
    public static Emitter Open(EmitterOptions? options = null) =>
        Open(NativeConstants.Environment, default, default, options);

    /// <summary>Opens an emitter from a file, YAML or JSON. Waits until every required class has a healthy sink.</summary>
    /// <param name="path">The file; relative paths in it are its folder's.</param>
    /// <param name="options">Sinks of your own, and the like.</param>
    public static Emitter Open(string path, EmitterOptions? options = null) =>
        Open(NativeConstants.Path, Utf8Text.Of(path, "config"), default, options);

    /// <summary>Opens an emitter from a configuration as values.</summary>
    /// <param name="configuration">What the file would hold.</param>
    /// <param name="options">Sinks of your own, and the like.</param>
    public static Emitter Open(
        IEnumerable<KeyValuePair<string, object?>> configuration, EmitterOptions? options = null) =>
        Open(NativeConstants.Mapping, Utf8Text.Json(configuration), default, options);

    /// <inheritdoc cref="Open(IEnumerable{KeyValuePair{string, object}}, EmitterOptions?)"/>
    public static Emitter Open(JsonElement configuration, EmitterOptions? options = null) =>
        Open(NativeConstants.Mapping, Utf8Text.Json(configuration), default, options);

    /// <summary>Opens an emitter from a document's text, YAML or JSON.</summary>
    /// <param name="text">The document.</param>
    /// <param name="name">What errors call it; its folder is that of relative paths.</param>
    /// <param name="options">Sinks of your own, and the like.</param>
    public static Emitter OpenText(string text, string? name = null, EmitterOptions? options = null) =>
        Open(NativeConstants.Text, Utf8Text.Of(text, "config"), Utf8Text.Of(name, "name"), options);

    private static unsafe Emitter Open(int source, Utf8Text config, Utf8Text name, EmitterOptions? options)
    {
        options ??= new EmitterOptions();
        // Before the core could take signals itself.
        _ = Lifetime.LimitMilliseconds;
        var program = Utf8Text.Of(AppDomain.CurrentDomain.FriendlyName, "program");
        using var sinks = new HostTables(options.Sinks, options.Signer);
        fixed (byte* c = config.Bytes, n = name.Bytes, p = program.Bytes)
        {
            var opening = new SinkwellOpening
            {
                source = source,
                manual = options.Manual ? (byte)1 : (byte)0,
                config = config.At(c),
                name = name.At(n),
                program = program.At(p),
                sinks = sinks.Sinks,
                sinks_len = sinks.SinkCount,
                signer = sinks.Signer,
            };
            SinkwellEmitter* emitter;
            SinkwellError error = default;
            sinks.HandOver();
            Native.Check(NativeMethods.sinkwell_open(&opening, &emitter, &error), ref error);
            return new Emitter(emitter);
        }
    }

    private static unsafe Emitter OpenDefault()
    {
        _ = Lifetime.LimitMilliseconds;
        var program = Utf8Text.Of(AppDomain.CurrentDomain.FriendlyName, "program");
        fixed (byte* p = program.Bytes)
        {
            SinkwellEmitter* emitter;
            SinkwellError error = default;
            Native.Check(NativeMethods.sinkwell_default(program.At(p), &emitter, &error), ref error);
            return new Emitter(emitter);
        }
    }
}
