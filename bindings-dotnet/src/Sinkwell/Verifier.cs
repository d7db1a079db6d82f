using System.Text.Json;
using Sinkwell.Interop;

namespace Sinkwell;

/// <summary>
/// A key to verify with, in a file or at hand. <c>hmac:</c> (the key's bytes as they are) or <c>ed25519:</c> (SPKI PEM) in front
/// says which it is; without a name only SPKI PEM is taken.
/// </summary>
public sealed record TrustedKey
{
    private TrustedKey()
    {
    }

    /// <summary>Its file.</summary>
    public string? File { get; private init; }

    /// <summary>The key itself, named alike.</summary>
    internal ReadOnlyMemory<byte>? Bytes { get; private init; }

    /// <summary>The agents it may seal for, where <c>*</c> stands for any text; null: all.</summary>
    public string? Agent { get; init; }

    /// <summary>A key in a file.</summary>
    /// <param name="path">The file: of an SPKI PEM, or <c>hmac:FILE</c>, <c>ed25519:FILE</c>.</param>
    public static TrustedKey FromFile(string path) => new() { File = path };

    /// <summary>A key at hand.</summary>
    /// <param name="bytes">An SPKI PEM, or <c>hmac:</c> and the key's bytes.</param>
    public static TrustedKey FromBytes(ReadOnlyMemory<byte> bytes) => new() { Bytes = bytes };

    /// <summary>A key in a file.</summary>
    /// <param name="path">The file.</param>
    public static implicit operator TrustedKey(string path) => FromFile(path);

    /// <summary>Never the key.</summary>
    public override string ToString() => "TrustedKey";
}

/// <summary>How to verify.</summary>
public sealed record VerificationOptions
{
    /// <summary>Files of checkpoints kept beside the envelopes.</summary>
    public IReadOnlyList<string> Checkpoints { get; init; } = [];

    /// <summary>Report streams not heard of for so long.</summary>
    public TimeSpan? Silence { get; init; }

    /// <summary>Report authorization edges that lead nowhere.</summary>
    public bool Edges { get; init; }

    /// <summary>Notes and declared losses are findings, too.</summary>
    public bool Strict { get; init; }

    /// <summary>The input is a part of what was written.</summary>
    public bool Partial { get; init; }

    /// <summary>Lanes of which the input should hold something: one of which it holds nothing is a finding.</summary>
    public IReadOnlyList<string> Lanes { get; init; } = [];
}

/// <summary>What envelopes prove: the report that <c>sinkwell verify --format json</c> prints.</summary>
/// <param name="Json">All of it.</param>
public sealed record VerificationReport(JsonElement Json)
{
    /// <summary><c>sound</c>, <c>incomplete</c>, <c>unchecked</c> or <c>findings</c>, from best to worst.</summary>
    public string Verdict => Json.GetProperty("verdict").GetString()!;

    /// <summary>How many were read.</summary>
    public long Envelopes => Json.GetProperty("envelopes").GetInt64();

    /// <summary>How many streams nobody closed: their ends are unproven.</summary>
    public long Open => Json.GetProperty("open").GetInt64();

    /// <summary>
    /// Files beside those that were read that may belong to them: of another emitter on the same path, or rotated.
    /// </summary>
    public IReadOnlyList<string> Beside =>
        Json.TryGetProperty("beside", out var beside) ? [.. beside.EnumerateArray().Select(static path => path.GetString()!)] : [];

    /// <summary>The kinds of all findings, the streams' included.</summary>
    public IEnumerable<string> Kinds =>
        Json.GetProperty("streams").EnumerateArray().Append(Json)
            .SelectMany(static part => part.GetProperty("findings").EnumerateArray())
            .Select(static finding => finding.GetProperty("kind").GetString()!);
}

/// <summary>Says what files of sealed events prove.</summary>
public static unsafe class Verifier
{
    /// <summary>Verifies a file, or a folder.</summary>
    /// <param name="path">Where.</param>
    /// <param name="keys">Whom to trust, by key id; without any the best verdict is <c>unchecked</c>.</param>
    /// <param name="options">How.</param>
    public static VerificationReport Verify(
        string path, IReadOnlyDictionary<string, TrustedKey>? keys = null, VerificationOptions? options = null) =>
        Verify([path], keys, options);

    /// <inheritdoc cref="Verify(string, IReadOnlyDictionary{string, TrustedKey}?, VerificationOptions?)"/>
    /// <param name="paths">Files or folders.</param>
    /// <param name="keys">Whom to trust, by key id; without any the best verdict is <c>unchecked</c>.</param>
    /// <param name="options">How.</param>
    public static VerificationReport Verify(
        IReadOnlyList<string> paths,
        IReadOnlyDictionary<string, TrustedKey>? keys = null,
        VerificationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(paths);
        using var arena = new Arena();
        var inputs = arena.Each(paths, path => new SinkwellInput { path = arena.Put(path, "inputs") }, out var count);
        return Verify(arena, inputs, count, keys, options);
    }

    /// <summary>Verifies what a file would hold.</summary>
    /// <param name="envelopes">One envelope a line.</param>
    /// <param name="keys">Whom to trust, by key id; without any the best verdict is <c>unchecked</c>.</param>
    /// <param name="options">How.</param>
    public static VerificationReport VerifyBytes(
        ReadOnlySpan<byte> envelopes,
        IReadOnlyDictionary<string, TrustedKey>? keys = null,
        VerificationOptions? options = null)
    {
        using var arena = new Arena();
        var input = arena.Array<SinkwellInput>(1);
        input->bytes = arena.Put(envelopes);
        return Verify(arena, input, 1, keys, options);
    }

    internal static bool VerifyEnvelope(ReadOnlySpan<byte> envelope, IReadOnlyDictionary<string, TrustedKey> keys)
    {
        using var arena = new Arena();
        byte sound;
        SinkwellError error = default;
        fixed (byte* bytes = envelope)
        {
            var given = new SinkwellBytes { data = bytes, len = (ulong)envelope.Length };
            var trusted = Keys(arena, keys, out var count);
            var status = NativeMethods.sinkwell_verify_envelope(given, trusted, count, &sound, &error);
            Native.Check(status, ref error);
        }
        return sound != 0;
    }

    private static VerificationReport Verify(
        Arena arena,
        SinkwellInput* inputs,
        ulong count,
        IReadOnlyDictionary<string, TrustedKey>? keys,
        VerificationOptions? options)
    {
        options ??= new VerificationOptions();
        keys ??= new Dictionary<string, TrustedKey>();
        var checkpoints = arena.Each(
            options.Checkpoints, path => new SinkwellInput { path = arena.Put(path, "checkpoints") }, out var checkpointCount);
        var lanes = arena.Each(options.Lanes, lane => arena.Put(lane, "lanes"), out var laneCount);
        var trusted = Keys(arena, keys, out var keyCount);
        var given = new SinkwellVerification
        {
            inputs = inputs,
            inputs_len = count,
            keys = trusted,
            keys_len = keyCount,
            checkpoints = checkpoints,
            checkpoints_len = checkpointCount,
            lanes = lanes,
            lanes_len = laneCount,
            silence_ms = options.Silence is { } silence ? Native.Milliseconds(silence) : 0,
            has_silence = Flag(options.Silence is not null),
            edges = Flag(options.Edges),
            strict = Flag(options.Strict),
            partial = Flag(options.Partial),
        };
        SinkwellOwned report = default;
        SinkwellError error = default;
        Native.Check(NativeMethods.sinkwell_verify(&given, &report, &error), ref error);
        return new VerificationReport(Reports.Any(Native.Take(ref report)));
    }

    private static SinkwellKey* Keys(Arena arena, IReadOnlyDictionary<string, TrustedKey> keys, out ulong count) => arena.Each(
        keys,
        one => new SinkwellKey
        {
            id = arena.Put(one.Key, "keys.id"),
            file = arena.Put(one.Value.File, "keys.file"),
            bytes = one.Value.Bytes is { } bytes ? arena.Put(bytes.Span) : default,
            agent = arena.Put(one.Value.Agent, "keys.agent"),
        },
        out count);

    private static byte Flag(bool value) => value ? (byte)1 : (byte)0;
}
