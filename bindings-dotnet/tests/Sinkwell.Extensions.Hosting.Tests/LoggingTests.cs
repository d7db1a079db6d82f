using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Sinkwell.Extensions.Hosting.Tests;

/// <summary>What a program logs: no record is lost, and its words leave only through the gates.</summary>
public sealed class LoggingTests : IDisposable
{
    private const string Word = "CANARY-0815";

    private const string RawPolicy =
        "governance: { content: { mode: raw, redaction: { id: none, detectors: [] }, retention: { class: short, window: 30d }, "
        + "sampling: { key: event, rate: { numerator: 1, denominator: 1 } }, limits: { bytes: 64MiB } } }";

    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    private readonly string _folder = Directory.CreateTempSubdirectory("sinkwell-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task No_record_is_lost_and_no_word_leaves()
    {
        var records = await Logged(null);
        Assert.Equal(5, records.Count);
        Assert.DoesNotContain(records, static record => record.GetRawText().Contains("CANARY", StringComparison.Ordinal));
        Assert.Equal(
            ["FATAL", "INFO", "INFO", "ERROR", "WARN"], records.Select(static record => record.GetProperty("severitytext").GetString()));
        Assert.Equal("Sinkwell.Extensions.Hosting.Tests.LoggingTests+OddException", records[3].GetProperty("data").GetProperty("error.type").GetString());
        Assert.True(records[1].GetProperty("data").GetProperty("respelled").GetInt32() >= 5, records[1].ToString());
    }

    [Fact]
    public async Task With_every_gate_open_they_leave()
    {
        var records = await Logged(options => options.Permit = Permit.Raw);
        string[] Texts(int i) => [.. records[i].GetProperty("data").GetProperty("disclosures").EnumerateArray()
            .Select(static one => one.GetProperty("text").GetString()!)];

        var paid = Texts(0);
        Assert.Equal($"paid {Word}", paid[0]);
        Assert.Equal(
            $$"""{"Word":"{{Word}}","{OriginalFormat}":"paid {Word}","scopes":["{{Word}}",{"tenant":"{{Word}}"}]}""", paid[1]);
        Assert.StartsWith($"System.InvalidOperationException: {Word}", paid[2], StringComparison.Ordinal);
        foreach (var member in new[]
        {
            "\"nan\":\"NaN\"", "\"large\":\"18446744073709551615\"", "\"bytes\":\"AP8=\"", "\"lone\":\"a\uFFFDb\"",
            "\"money\":\"1.0000000000000000000000000001\"", "\"span\":\"10675199.02:48:05.4775807\"", "\"single\":0.1", "\"odd\":\"[unreadable: ",
        })
        {
            Assert.Contains(member, Texts(1)[1], StringComparison.Ordinal);
        }
        Assert.Equal("[unreadable: it threw OddException]", Texts(2)[0]);
    }

    [Fact]
    public async Task What_a_closed_emitter_refuses_is_told()
    {
        var path = Path.Combine(_folder, "sinkwell.yaml");
        File.WriteAllText(path, "agent: { id: a1 }\nlanes: [ 'null' ]\n");
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSinkwell(path);
        builder.Logging.AddSinkwell();
        using var host = builder.Build();
        await host.StartAsync().WaitAsync(Long);
        ConcurrentQueue<string> told = [];
        Action<DiagnosticLevel, string> listener = (_, text) => told.Enqueue(text);
        SinkwellDiagnostics.Written += listener;
        try
        {
            await host.Services.GetRequiredService<Emitter>().ShutdownAsync(Long);
            host.Services.GetRequiredService<ILogger<LoggingTests>>().LogError("{Word}", Word);
        }
        finally
        {
            SinkwellDiagnostics.Written -= listener;
        }
        Assert.Contains(told, static text => text.StartsWith("1 log record was not emitted (closed): ", StringComparison.Ordinal));
        Assert.DoesNotContain(told, static text => text.Contains(Word, StringComparison.Ordinal));
        await host.StopAsync().WaitAsync(Long);
    }

    /// <summary>What comes out of a host whose sink may see every word.</summary>
    private async Task<List<JsonElement>> Logged(Action<SinkwellLoggerOptions>? configure)
    {
        var path = Path.Combine(_folder, "sinkwell.yaml");
        File.WriteAllText(path, "agent: { id: a1 }\nheartbeat: off\n"
            + "lanes: [ { sink: { host: guard }, content: { mode: raw, classes: [message] } } ]\n" + RawPolicy + "\n");
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSinkwell(path);
        var guard = new Guard();
        builder.Services.AddSingleton<IGovernanceEventSink>(guard);
        builder.Logging.AddSinkwell(configure);
        using var host = builder.Build();
        await host.StartAsync().WaitAsync(Long);
        Say(host.Services.GetRequiredService<ILogger<LoggingTests>>());
        Assert.Equal(0L, host.Services.GetRequiredService<Emitter>().Refused);
        await host.StopAsync().WaitAsync(Long);
        return [.. guard.Lines.Select(static line => JsonDocument.Parse(line).RootElement)
            .Where(static line => line.GetProperty("data").TryGetProperty("logger", out var logger)
                && logger.GetString()!.EndsWith(nameof(LoggingTests), StringComparison.Ordinal))];
    }

    private static void Say(ILogger log)
    {
        using (log.BeginScope(Word))
        using (log.BeginScope(new Dictionary<string, object?> { ["tenant"] = Word }))
        {
            log.LogCritical(new EventId(7, "Paid"), new InvalidOperationException(Word), "paid {Word}", Word);
        }
        var circle = new List<object?> { Word };
        circle.AddRange([circle, circle]);
        log.Log(LogLevel.Information, default, new Dictionary<string, object?>
        {
            ["nan"] = double.NaN,
            ["large"] = ulong.MaxValue,
            ["bytes"] = new byte[] { 0, 255 },
            ["lone"] = "a\ud800b",
            ["money"] = 1.0000000000000000000000000001m,
            ["span"] = TimeSpan.MaxValue,
            ["single"] = 0.1f,
            ["odd"] = new Odd(),
            ["time"] = Word,
            ["message"] = Word,
            [Word] = circle,
        }, null, static (_, _) => "odd");
        log.Log(LogLevel.Information, default, new Odd(), null, static (_, _) => throw new OddException());
        log.LogError(new OddException(), "{A}", Failing());
        log.LogWarning("{Long}", string.Concat(Enumerable.Repeat(Word, 200_000)));
    }

    private static IEnumerable<string> Failing()
    {
        yield return Word;
        throw new OddException();
    }

    private sealed class Odd
    {
        public override string ToString() => throw new OddException();
    }

    private sealed class OddException : Exception
    {
        public override string Message => throw new InvalidOperationException(Word);
    }

    private sealed class Guard : IGovernanceEventSink
    {
        internal ConcurrentQueue<string> Lines { get; } = [];

        public string Name => "guard";

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Debug };

        public Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default)
        {
            Lines.Enqueue(Encoding.UTF8.GetString(envelope.Bytes.Span));
            return Task.CompletedTask;
        }
    }
}
