using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Sinkwell.Extensions.Hosting.Tests;

/// <summary>The emitter in a host: its life, logging, health.</summary>
public sealed class HostingTests : IDisposable
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    private readonly string _folder = Directory.CreateTempSubdirectory("sinkwell-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task What_hosted_services_emit_at_start_and_while_stopping_is_delivered()
    {
        var builder = Builder($"lanes: [ {{ sink: {{ file: {{ path: {_folder}/events.ndjson }} }} }} ]");
        builder.Services.AddHostedService<Agent>();
        using (var host = builder.Build())
        {
            await host.StartAsync().WaitAsync(Long);
            var emitter = host.Services.GetRequiredService<Emitter>();
            Assert.Same(emitter, host.Services.GetRequiredService<Emitter>());
            await host.StopAsync().WaitAsync(Long);
            Assert.Throws<EmitterClosedException>(() => emitter.Emit("com.example.late"));
        }
        var report = Verifier.Verify(Path.Combine(_folder, "events.ndjson"));
        Assert.Equal("unchecked", report.Verdict);
        Assert.True(report.Json.GetProperty("streams")[0].GetProperty("closed").GetBoolean());
        var lines = File.ReadAllText(Path.Combine(_folder, "events.ndjson"));
        Assert.Contains("com.example.starting", lines, StringComparison.Ordinal);
        Assert.Contains("com.example.stopping", lines, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sinks_come_from_dependency_injection_with_loggers_of_their_own()
    {
        var builder = Builder("lanes: []\ngovernance: { requires_sink: siem }");
        builder.Services.AddSingleton<Guard>();
        builder.Services.AddSingleton<IGovernanceEventSink>(static services => services.GetRequiredService<Guard>());
        builder.Logging.AddSinkwell();
        using var host = builder.Build();
        await host.StartAsync().WaitAsync(Long);
        var receipt = host.Services.GetRequiredService<Emitter>().Emit("com.example.x");
        Assert.Equal("delivered", (await receipt.DeliveredAsync().WaitAsync(Long))["guard"]!.State);
        await host.StopAsync().WaitAsync(Long);
        // What the sink logged of what it was given would have fed it without end.
        var guard = host.Services.GetRequiredService<Guard>();
        Assert.DoesNotContain(guard.Lines, static line => line.Contains(nameof(Guard), StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_host_without_a_required_sink_does_not_start_and_is_told_which()
    {
        using var host = Builder("lanes: [ \"null\" ]\ngovernance: { requires_sink: siem }").Build();
        var e = await Assert.ThrowsAsync<RequiredSinkUnavailableException>(() => host.StartAsync().WaitAsync(Long));
        Assert.Contains("siem", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Log_records_become_events_and_their_words_leave_only_through_the_gates()
    {
        var guard = new Guard(null);
        var builder = Builder("lanes: []");
        builder.Services.AddSingleton<IGovernanceEventSink>(guard);
        builder.Logging.AddSinkwell().SetMinimumLevel(LogLevel.Debug);
        using var host = builder.Build();
        var early = host.Services.GetRequiredService<ILoggerFactory>().CreateLogger("app");
        early.LogWarning("before the emitter is open");
        await host.StartAsync().WaitAsync(Long);
        var log = host.Services.GetRequiredService<ILogger<HostingTests>>();
        log.LogCritical(new EventId(7, "Paid"), new InvalidOperationException("canary-exception"), "canary {Word}", "canary-word");
        log.LogDebug("canary-debug");
        await host.StopAsync().WaitAsync(Long);
        var records = guard.Lines.Where(static line => line.Contains(nameof(HostingTests), StringComparison.Ordinal)).ToList();
        Assert.Equal(2, records.Count);
        foreach (var said in new[]
        {
            "\"error.type\":\"System.InvalidOperationException\"", "\"event_id\":7", "\"event_name\":\"Paid\"",
            "\"level\":\"Critical\"", "\"severitytext\":\"FATAL\"", "\"class\":\"message\"",
        })
        {
            Assert.Contains(said, records[0], StringComparison.Ordinal);
        }
        Assert.Contains("\"severitytext\":\"DEBUG\"", records[1], StringComparison.Ordinal);
        Assert.DoesNotContain(guard.Lines, static line => line.Contains("canary", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_the_core_says_goes_to_the_hosts_logger_and_to_no_event()
    {
        var said = new Kept();
        var guard = new Guard(null) { Away = true };
        // An audit lane that is not durable is warned of.
        var builder = Builder("lanes: [ { sink: { host: guard }, classes: [audit] } ]");
        builder.Services.AddSingleton<IGovernanceEventSink>(guard);
        builder.Logging.AddProvider(said).AddSinkwell();
        using var host = builder.Build();
        await host.StartAsync().WaitAsync(Long);
        Assert.Contains(said.Records, static record => record.StartsWith("Sinkwell Warning", StringComparison.Ordinal));
        host.Services.GetRequiredService<Emitter>().Emit("com.example.x");
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(500));
        await host.StopAsync(soon.Token).WaitAsync(Long);
        // The host's own records are events, too.
        Assert.Contains(said.Records, static record => record.StartsWith("Sinkwell Warning The lane guard ended with", StringComparison.Ordinal)
            && record.EndsWith("they are in: memory", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Health_says_whether_the_agent_may_go_on()
    {
        var guard = new Guard(null);
        var builder = Builder("lanes: [ { sink: { host: guard }, retry: { initial: 1ms, cap: 1ms }, breaker: { failures: 1, open: 1ms } } ]\n"
            + "governance: { requires_sink: siem }");
        builder.Services.AddSingleton<IGovernanceEventSink>(guard);
        builder.Services.AddHealthChecks().AddSinkwell(tags: ["ready"]);
        using var host = builder.Build();
        var health = host.Services.GetRequiredService<HealthCheckService>();
        Assert.Equal(HealthStatus.Unhealthy, (await health.CheckHealthAsync()).Status);
        await host.StartAsync().WaitAsync(Long);
        var report = await health.CheckHealthAsync();
        Assert.Equal(HealthStatus.Healthy, report.Status);
        Assert.Equal("healthy", report.Entries["sinkwell"].Data["guard"]);

        guard.Away = true;
        host.Services.GetRequiredService<Emitter>().Emit("com.example.x");
        using var bound = new CancellationTokenSource(Long);
        do
        {
            bound.Token.ThrowIfCancellationRequested();
            report = await health.CheckHealthAsync();
        }
        while (report.Status != HealthStatus.Unhealthy);
        Assert.Contains("siem", report.Entries["sinkwell"].Description, StringComparison.Ordinal);
        guard.Away = false;
        while ((await health.CheckHealthAsync()).Status != HealthStatus.Healthy)
        {
            bound.Token.ThrowIfCancellationRequested();
        }
        await host.StopAsync().WaitAsync(Long);
    }

    /// <summary>A host that says nothing on the console.</summary>
    private HostApplicationBuilder Builder(string document)
    {
        var path = Path.Combine(_folder, "sinkwell.yaml");
        File.WriteAllText(path, "agent: { id: a1 }\nheartbeat: off\n" + document + "\n");
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSinkwell(path);
        return builder;
    }

    private sealed class Agent(Emitter emitter) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            emitter.Emit("com.example.starting");
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken)
        {
            emitter.Emit("com.example.stopping");
            return Task.CompletedTask;
        }
    }

    private sealed class Guard(ILogger<Guard>? logger) : IGovernanceEventSink
    {
        private volatile bool _away;

        internal bool Away
        {
            set => _away = value;
        }

        internal ConcurrentQueue<string> Lines { get; } = [];

        public string Name => "guard";

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Siem };

        public Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default)
        {
            logger?.LogError("got one");
            if (_away)
            {
                throw new IOException("away");
            }
            Lines.Enqueue(Encoding.UTF8.GetString(envelope.Bytes.Span));
            return Task.CompletedTask;
        }
    }

    private sealed class Kept : ILoggerProvider
    {
        internal ConcurrentQueue<string> Records { get; } = [];

        public ILogger CreateLogger(string categoryName) => new Keeping(categoryName, Records);

        public void Dispose()
        {
        }

        private sealed class Keeping(string category, ConcurrentQueue<string> records) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull => null;

            public bool IsEnabled(LogLevel logLevel) => true;

            public void Log<TState>(
                LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
                records.Enqueue($"{category} {logLevel} {formatter(state, exception)}");
        }
    }
}
