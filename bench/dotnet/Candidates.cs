using System.Diagnostics.Tracing;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Logs;
using Serilog;
using Serilog.Formatting.Json;
using Serilog.Sinks.Async;

namespace Sinkwell.Bench;

/// <summary>Somebody who is measured.</summary>
/// <param name="Emit">Emits the n-th event.</param>
/// <param name="Flush">Waits until everything so far is delivered.</param>
/// <param name="Settle">Ends it, and tells what it knows.</param>
internal sealed record Candidate(Action<long> Emit, Action Flush, Func<Figures> Settle);

internal static class Candidates
{
    private const string Key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    /// <summary>JSON escapes no more than it must, as canonical JSON demands.</summary>
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Candidate Open(string name, string port, string dir) => name switch
    {
        "otel" => OpenTelemetry(port, Attributes),
        "otel-message" => OpenTelemetry(port, Message),
        "three" => Ours(Three(port, dir, "")),
        "three-attrs" => Ours(Three(port, dir, ""), ByAttrs),
        "three-json" => Ours(Three(port, dir, ""), ByContract),
        "three-logger" => OursLogged(Three(port, dir, ""), dir),
        "three-block" => Ours(Three(port, dir, ""","overflow":"block" """)),
        "otlp" => Ours(Document(Otlp(port, ""))),
        "otlp-attrs" => Ours(Document(Otlp(port, "")), ByAttrs),
        "convert" => Ours(Document(Otlp(port, ""))),
        "convert-attrs" => Ours(Document(Otlp(port, "")), ByAttrs),
        "convert-nothing" => Ours(Document(Otlp(port, "")), static emitter => _ => emitter.Put(Event.Type)),
        "logging" => Logging(dir),
        "serilog" => SerilogFile(dir),
        "hand" => ByHand(dir),
        _ => throw new ArgumentException($"no candidate is called {name}"),
    };

    private static string PeerFile(string dir) => Path.Combine(dir, "peer.ndjson");

    private static string Otlp(string port, string more) =>
        $$"""
        {"id":"otlp","batch":{"linger":"200ms"}{{more}},
         "sink":{"otlp":{"endpoint":"http://127.0.0.1:{{port}}","protocol":"http/protobuf","compression":"none"} } }
        """;

    /// <summary>Three lanes as the bars ask for: memory, file, OTLP.</summary>
    private static string Three(string port, string dir, string more) => Document(
        $$"""
        {"id":"memory","batch":{"linger":"200ms"}{{more}},"sink":"memory"},
        {"id":"file","batch":{"linger":"200ms"}{{more}},
         "sink":{"file":{"path":{{JsonSerializer.Serialize(Path.Combine(dir, "events.ndjson"))}}} } },
        {{Otlp(port, more)}}
        """);

    private static string Document(string lanes) =>
        $$"""
        {"agent":{"id":"urn:example:agent"},"key":{"id":"k1","hmac_sha256":{"base64":"{{Key}}"} },"lanes":[{{lanes}}]}
        """;

    private static Candidate Ours(string document, Func<Emitter, Action<long>>? through = null)
    {
        var emitter = Emitter.OpenText(document);
        return new((through ?? ByPairs)(emitter), () => emitter.Flush(TimeSpan.FromMinutes(1)), () => Ended(emitter));
    }

    private static Figures Ended(Emitter emitter)
    {
        emitter.Shutdown(TimeSpan.FromMinutes(1));
        // Of a disabled emitter there are none.
        if (!emitter.Counters().TryGetValue("otlp", out var counters))
        {
            return [];
        }
        return new Figures
        {
            ["otlp_own"] = counters.Own,
            ["otlp_dropped"] = counters.Dropped,
            ["otlp_rejected"] = counters.Rejected,
        };
    }

    /// <summary>As most programs will: pairs, and a receipt that nobody looks at.</summary>
    private static Action<long> ByPairs(Emitter emitter) => n => emitter.Emit(Event.Type, Event.Attributes(n));

    /// <summary>Typed members, no receipt.</summary>
    private static Action<long> ByAttrs(Emitter emitter) => n => emitter.Put(
        Event.Type,
        [
            ("agent.version", Event.Version),
            ("decision", Event.Decision),
            ("gen_ai.request.model", Event.Model),
            ("policy", Event.Policy),
            ("resource", Event.Resource),
            ("session.id", Event.Session),
            ("summary", Event.Summary),
            ("tool.name", Event.Tool),
            ("usage.call", n),
            ("usage.duration_ms", 18.25),
            ("usage.input_tokens", 1843),
            ("user.confirmed", true),
        ]);

    /// <summary>A type of the program's own, by its source-generated contract.</summary>
    private static Action<long> ByContract(Emitter emitter) =>
        n => emitter.EmitJson(Event.Type, ToolCalled.Of(n), Contracts.Default.ToolCalled);

    /// <summary>
    /// Through ILogger, as the SDK. Of a record sinkwell seals its logger, level and event id, and its message as
    /// content; not its state, which is not held to any rule for data.
    /// </summary>
    private static Candidate OursLogged(string document, string dir)
    {
        var path = Path.Combine(dir, "sinkwell.json");
        File.WriteAllText(path, document);
        var services = new ServiceCollection()
            .AddSinkwell(path)
            .AddLogging(static logging => logging.AddSinkwell())
            .BuildServiceProvider();
        var emitter = services.GetRequiredService<Emitter>();
        return new(
            Attributes(services.GetRequiredService<ILoggerFactory>()),
            () => emitter.Flush(TimeSpan.FromMinutes(1)),
            () => Ended(emitter));
    }

    /// <summary>The SDK's batch processor and OTLP exporter as they are by default, through ILogger.</summary>
    private static Candidate OpenTelemetry(string port, Func<ILoggerFactory, Action<long>> through)
    {
        var told = new ToldOfDrops();
        var exporter = new OtlpLogExporter(new OtlpExporterOptions
        {
            Endpoint = new Uri($"http://127.0.0.1:{port}/v1/logs"),
            Protocol = OtlpExportProtocol.HttpProtobuf,
        });
        var processor = new BatchLogRecordExportProcessor(exporter);
        var factory = LoggerFactory.Create(logging => logging.AddOpenTelemetry(options => options.AddProcessor(processor)));
        return new(through(factory), () => processor.ForceFlush(), () =>
        {
            factory.Dispose();
            told.Dispose();
            return new Figures { ["told"] = told.Dropped };
        });
    }

    /// <summary>Attributes as the log's state: the least that ILogger can be given.</summary>
    private static Action<long> Attributes(ILoggerFactory factory)
    {
        var logger = factory.CreateLogger("bench");
        var id = new EventId(1, Event.Type);
        return n => logger.Log(LogLevel.Information, id, Event.Attributes(n), null, static (_, _) => Event.Type);
    }

    /// <summary>A message with holes, as most programs log.</summary>
    private static Action<long> Message(ILoggerFactory factory)
    {
        var logger = factory.CreateLogger("bench");
        var id = new EventId(1, Event.Type);
        return n => logger.LogInformation(
            id,
            "called {AgentVersion} {Decision} {Model} {Policy} {Resource} {Session} {Summary} {Tool} {Call} {DurationMs} {InputTokens} {Confirmed}",
            Event.Version, Event.Decision, Event.Model, Event.Policy, Event.Resource, Event.Session, Event.Summary,
            Event.Tool, n, 18.25, 1843, true);
    }

    /// <summary>
    /// Microsoft.Extensions.Logging with the only writer of its own: the console's, as JSON, here into a file.
    /// </summary>
    private static Candidate Logging(string dir)
    {
        var file = new StreamWriter(PeerFile(dir), append: false, new UTF8Encoding(false)) { AutoFlush = true };
        Console.SetOut(file);
        var factory = LoggerFactory.Create(logging => logging.AddJsonConsole());
        return new(Attributes(factory), Nothing, () =>
        {
            factory.Dispose();
            file.Dispose();
            return [];
        });
    }

    /// <summary>Serilog, as JSON, by its background worker to a file.</summary>
    private static Candidate SerilogFile(string dir)
    {
        var monitor = new Monitor();
        var logger = new LoggerConfiguration()
            .WriteTo.Async(to => to.File(new JsonFormatter(), PeerFile(dir)), monitor: monitor)
            .CreateLogger();
        return new(
            n => logger.Information("{Type} {@Data}", Event.Type, new Dictionary<string, object?>(Event.Attributes(n))),
            Nothing,
            () =>
            {
                logger.Dispose();
                return new Figures { ["told"] = monitor.Dropped };
            });
    }

    /// <summary>
    /// Signs each event where it happens, as toolkits for agents do: sorted JSON, the hash of the one before, HMAC,
    /// append.
    /// </summary>
    private static Candidate ByHand(string dir)
    {
        var file = new FileStream(PeerFile(dir), FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
        var key = Convert.FromBase64String(Key);
        var (previous, sequence) = ("", 0L);
        return new(
            n =>
            {
                var signed = new SortedDictionary<string, object?>(StringComparer.Ordinal)
                {
                    ["id"] = Guid.CreateVersion7().ToString(),
                    ["type"] = Event.Type,
                    ["source"] = "urn:example:agent",
                    ["time"] = DateTimeOffset.UtcNow.ToString("O"),
                    ["sequence"] = ++sequence,
                    ["previous"] = previous,
                    ["data"] = Sorted(Event.Attributes(n)),
                };
                var mac = HMACSHA256.HashData(key, JsonSerializer.SerializeToUtf8Bytes(signed, Plain));
                signed["signature"] = Convert.ToHexStringLower(mac);
                var line = JsonSerializer.SerializeToUtf8Bytes(signed, Plain);
                previous = Convert.ToHexStringLower(SHA256.HashData(line));
                file.Write([.. line, (byte)'\n']);
            },
            Nothing,
            () =>
            {
                file.Dispose();
                return [];
            });
    }

    private static SortedDictionary<string, object?> Sorted(KeyValuePair<string, object?>[] attributes)
    {
        var sorted = new SortedDictionary<string, object?>(StringComparer.Ordinal);
        foreach (var (key, value) in attributes)
        {
            sorted[key] = value;
        }
        return sorted;
    }

    private static void Nothing()
    {
    }

    /// <summary>What the SDK dropped it says at its end, to whoever listens to its event source.</summary>
    private sealed class ToldOfDrops : EventListener
    {
        private long _dropped;

        public long Dropped => Interlocked.Read(ref _dropped);

        protected override void OnEventSourceCreated(EventSource eventSource)
        {
            if (eventSource.Name == "OpenTelemetry-Sdk")
            {
                EnableEvents(eventSource, EventLevel.Warning);
            }
        }

        protected override void OnEventWritten(EventWrittenEventArgs eventData)
        {
            if (eventData is { EventName: "ExistsDroppedExportProcessorItems", Payload: [_, _, long dropped] })
            {
                Interlocked.Add(ref _dropped, dropped);
            }
        }
    }

    private sealed class Monitor : IAsyncLogEventSinkMonitor
    {
        private IAsyncLogEventSinkInspector? _inspector;
        private long _last;

        public long Dropped => _inspector?.DroppedMessagesCount ?? _last;

        public void StartMonitoring(IAsyncLogEventSinkInspector inspector) => _inspector = inspector;

        public void StopMonitoring(IAsyncLogEventSinkInspector inspector)
        {
            _last = inspector.DroppedMessagesCount;
            _inspector = null;
        }
    }
}
