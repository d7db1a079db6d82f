using System.Text.Json;
using Sinkwell.Interop;

namespace Sinkwell;

/// <summary>
/// A sealed envelope: its exact bytes, and its attributes by their wire names. Attributes that an envelope does
/// not have are null. It may be kept as long as you like.
/// </summary>
public sealed class SignedGovernanceEvent
{
    private readonly byte[] _bytes;
    private readonly long _time;
    private readonly long _recordedTime;
    private JsonElement? _root;

    internal unsafe SignedGovernanceEvent(SinkwellEnvelope* view)
    {
        _bytes = Native.Span(view->bytes).ToArray();
        Type = Native.Text(view->event_type);
        AgentId = Native.Text(view->agentid);
        IdempotencyKey = Convert.ToHexString(new ReadOnlySpan<byte>(view->hash, 32)).ToLowerInvariant();
        EventDigest = Convert.ToHexString(new ReadOnlySpan<byte>(view->digest, 32)).ToLowerInvariant();
        Sequence = (long)view->sequence;
        _time = view->time;
        _recordedTime = view->recordedtime;
        IsOwn = view->own != 0;
        IsTerminal = view->terminal != 0;
    }

    /// <summary>The exact line, RFC 8785, without its newline.</summary>
    public ReadOnlyMemory<byte> Bytes => _bytes;

    /// <summary>The envelope's hash, in hex: a receiver drops a repeat of the same.</summary>
    public string IdempotencyKey { get; }

    /// <summary>SHA-256, in hex, of what happened, without its place: the same in every lane that sealed it in the same form.</summary>
    public string EventDigest { get; }

    /// <summary>The full type.</summary>
    public string Type { get; }

    /// <summary>The emitting agent.</summary>
    public string AgentId { get; }

    /// <summary>Its place in the stream.</summary>
    public long Sequence { get; }

    /// <summary>When it occurred, to 100 ns; <see cref="Bytes"/> has the nanoseconds.</summary>
    public DateTimeOffset Time => FromUnixNanoseconds(_time);

    /// <summary>When it was sealed, to 100 ns.</summary>
    public DateTimeOffset RecordedTime => FromUnixNanoseconds(_recordedTime);

    /// <summary>Whether sinkwell made it about itself.</summary>
    public bool IsOwn { get; }

    /// <summary>Whether losing it would falsify a run's outcome.</summary>
    public bool IsTerminal { get; }

    /// <summary>The event's data.</summary>
    public JsonElement Data => Root.GetProperty("data");

    /// <summary><c>1.0</c>.</summary>
    public string SpecVersion => Text("specversion")!;

    /// <summary>The event's id; the same in every lane.</summary>
    public string Id => Text("id")!;

    /// <summary>The producer.</summary>
    public string Source => Text("source")!;

    /// <summary>What it is about.</summary>
    public string? Subject => Text("subject");

    /// <summary><c>application/json</c>.</summary>
    public string DataContentType => Text("datacontenttype")!;

    /// <summary>The schema, with its version.</summary>
    public string DataSchema => Text("dataschema")!;

    /// <summary><c>core</c> on sinkwell's own envelopes.</summary>
    public string? Origin => Text("origin");

    /// <summary>Tenant scope.</summary>
    public string? TenantId => Text("tenantid");

    /// <summary>Version of the policy bundle in force.</summary>
    public string? PolicyVersion => Text("policyversion");

    /// <summary>W3C trace context.</summary>
    public string? TraceParent => Text("traceparent");

    /// <summary>W3C trace state.</summary>
    public string? TraceState => Text("tracestate");

    /// <summary>Id of the whole conversation.</summary>
    public string? CorrelationId => Text("correlationid");

    /// <summary>Id of the event that caused this one.</summary>
    public string? CausationId => Text("causationid");

    /// <summary><c>TRACE</c> … <c>FATAL</c>.</summary>
    public string SeverityText => Text("severitytext")!;

    /// <summary>1 … 21.</summary>
    public int SeverityNumber => Root.GetProperty("severitynumber").GetInt32();

    /// <summary>The agent run.</summary>
    public string? RunId => Text("runid");

    /// <summary>The turn in the run.</summary>
    public string? TurnId => Text("turnid");

    /// <summary>The attempt in the turn.</summary>
    public string? AttemptId => Text("attemptid");

    /// <summary>The stream it belongs to.</summary>
    public string StreamId => Text("streamid")!;

    /// <summary>Hash of the stream's previous envelope, in hex.</summary>
    public string? PrevHash => Text("prevhash");

    /// <summary><c>hmac-sha256</c> or <c>ed25519</c>.</summary>
    public string? SigAlg => Text("sigalg");

    /// <summary>Which key; a lookup hint, never itself trusted.</summary>
    public string? KeyId => Text("keyid");

    /// <summary>Standard base64.</summary>
    public string? Signature => Text("signature");

    private JsonElement Root => _root ??= Reports.Any(_bytes);

    /// <summary>
    /// Whether its form, signature and disclosures are good by one of these keys; nothing about its stream.
    /// </summary>
    /// <param name="keys">Whom to trust, by key id.</param>
    public bool Verify(IReadOnlyDictionary<string, TrustedKey> keys) => Verifier.VerifyEnvelope(_bytes, keys);

    /// <summary>Names the envelope, by type, id and place, and never its data; <see cref="Bytes"/> is the line.</summary>
    public override string ToString() => $"{Type} {Id} {StreamId}/{Sequence}";

    private string? Text(string name) => Root.TryGetProperty(name, out var value) ? value.GetString() : null;

    private static DateTimeOffset FromUnixNanoseconds(long nanoseconds) =>
        DateTimeOffset.UnixEpoch.AddTicks((long)Math.Floor(nanoseconds / 100m));
}
