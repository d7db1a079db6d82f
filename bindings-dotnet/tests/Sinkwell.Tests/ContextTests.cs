using System.Text.Json;
using System.Text.Json.Nodes;

namespace Sinkwell.Tests;

/// <summary>What events take from where they are emitted, tools' calls, and the default emitter's life.</summary>
public sealed class ContextTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task An_event_takes_from_around_it_what_it_does_not_say()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("events.ndjson");
        var emitter = Emitter.Open(Configurations.Map(
            ("agent", Configurations.Map(("id", "a1"), ("allow", new object[] { "a1", "a2" }))),
            ("lanes", new object[] { Configurations.Map(("sink", Configurations.Map(("file", Configurations.Map(("path", file)))))) })));
        using (SinkwellContext.Turn(agent: "a2", correlation: "talk"))
        using (SinkwellContext.Run("outer"))
        using (SinkwellContext.Turn("1", attempt: "2"))
        {
            emitter.Emit("run.started");
            await Task.Run(async () =>
            {
                using (SinkwellContext.Run("inner"))
                {
                    await Task.Yield();
                    emitter.Emit("run.started");
                    emitter.Emit("run.progress", new Dictionary<string, object?> { ["parent_run"] = "own" });
                    emitter.Emit("com.example.x");
                    using (SinkwellContext.Run("inner"))
                    {
                        emitter.Emit("run.completed");
                    }
                }
            });
            emitter.Emit("com.example.x", options: new() { Run = "other" });
            emitter.Emit("com.example.x", options: new() { Run = "outer", Turn = "9", Correlation = "said" });
        }
        emitter.Emit("com.example.x");
        await emitter.DisposeAsync();
        Assert.Equal(
            [
                "outer 1 2  a2 talk",
                "inner   outer a2 talk",
                "inner   own a2 talk",
                "inner    a2 talk",
                "inner   outer a2 talk",
                "other    a2 talk",
                "outer 9 2  a2 said",
                "    a1 ",
            ],
            Events(file).Select(static e => string.Join(
                ' ', Text(e, "runid"), Text(e, "turnid"), Text(e, "attemptid"), Text(e.GetProperty("data"), "parent_run"), Text(e, "agentid"), Text(e, "correlationid"))));
        Assert.Null(SinkwellContext.Current);
    }

    [Fact]
    public async Task Context_vectors()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("events.ndjson");
        var emitter = Emitter.Open(Configurations.Map(
            ("agent", Configurations.Map(("id", "a1"), ("allow", new object[] { "*" }))),
            ("lanes", new object[] { Configurations.Map(("sink", Configurations.Map(("file", Configurations.Map(("path", file)))))) })));
        var cases = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(Project.Root, "tests", "vectors", "context", "context.json")))
            .RootElement.GetProperty("cases").EnumerateArray().ToArray();
        Assert.NotEmpty(cases);
        foreach (var one in cases)
        {
            var entered = one.GetProperty("within").EnumerateArray().Select(static call =>
            {
                var of = call.EnumerateObject().Single();
                string? Member(string name) => of.Value.TryGetProperty(name, out var value) ? value.GetString() : null;
                return of.Name == "run"
                    ? SinkwellContext.Run(Member("run"), Member("turn"), Member("attempt"), Member("agent"), Member("causation"), Member("correlation"), Member("parent_run"))
                    : SinkwellContext.Turn(Member("turn"), Member("attempt"), Member("agent"), Member("causation"), Member("correlation"));
            }).ToArray();
            var given = one.GetProperty("event");
            string? Said(string name) => given.TryGetProperty(name, out var value) ? value.GetString() : null;
            EventOptions options = new() { Run = Said("run"), Turn = Said("turn"), Agent = Said("agent") };
            if (given.TryGetProperty("data", out var data))
            {
                emitter.Emit(Said("type")!, data, options);
            }
            else
            {
                emitter.Emit(Said("type")!, options: options);
            }
            foreach (var scope in Enumerable.Reverse(entered))
            {
                scope.Dispose();
            }
        }
        await emitter.DisposeAsync();
        string[] attributes = ["runid", "turnid", "attemptid", "agentid", "causationid", "correlationid"];
        foreach (var (wanted, got) in cases.Zip(Events(file).ToArray()))
        {
            var name = wanted.GetProperty("name").GetString();
            foreach (var attribute in attributes)
            {
                Assert.Equal((name, attribute, Text(wanted.GetProperty("attributes"), attribute)), (name, attribute, Text(got, attribute)));
            }
            Assert.True(JsonNode.DeepEquals(JsonNode.Parse(wanted.GetProperty("data").GetRawText()), JsonNode.Parse(got.GetProperty("data").GetRawText())), name);
        }
    }

    [Fact]
    public async Task A_tools_call_is_told_after_it()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("events.ndjson");
        var emitter = Emitter.Open(Configurations.ToFile(file, folder.HmacKey()));
        // Whatever it is called, its calls are events, and the same in every language.
        Assert.Equal(7, emitter.Tool("pay\n\0", static () => 7));
        Assert.Equal(8, await emitter.ToolAsync("pay", static async () =>
        {
            await Task.Yield();
            return 8;
        }));
        Assert.Throws<InvalidOperationException>(() => emitter.Tool<int>("pay", static () => throw new InvalidOperationException("MARKER")));
        await Assert.ThrowsAsync<TaskCanceledException>(() => emitter.ToolAsync("pay", static () => Task.FromCanceled<int>(new CancellationToken(true))));
        await Assert.ThrowsAsync<TimeoutException>(() => emitter.ToolAsync<int>("pay", static () => throw new TimeoutException("MARKER")));
        // Calls that return nothing.
        var calls = 0;
        emitter.Tool("mail", () => { calls++; });
        await emitter.ToolAsync("mail", async () =>
        {
            await Task.Yield();
            calls++;
        });
        await Assert.ThrowsAsync<TimeoutException>(() => emitter.ToolAsync("mail", static async () =>
        {
            await Task.Yield();
            throw new TimeoutException("MARKER");
        }));
        Assert.Equal(2, calls);
        await emitter.DisposeAsync();
        Assert.False(Emitter.IsInsideSink);
        Assert.Equal(
            [
                "ok ", "ok ", "error System.InvalidOperationException", "cancelled System.Threading.Tasks.TaskCanceledException", "timeout System.TimeoutException",
                "ok ", "ok ", "timeout System.TimeoutException",
            ],
            Events(file).Select(static e => $"{Text(e.GetProperty("data"), "outcome")} {Text(e.GetProperty("data"), "error.type")}"));
        Assert.Equal("pay\n\0", Text(Events(file).First().GetProperty("data"), "tool"));
        Assert.All(Events(file), static e => Assert.False(e.TryGetProperty("subject", out _)));
        Assert.DoesNotContain("MARKER", await File.ReadAllTextAsync(file), StringComparison.Ordinal);
    }

    /// <summary>In one test, as the process has one default emitter.</summary>
    [Fact]
    public async Task The_default_emitter_is_what_it_was_configured_as_and_opens_again()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("events.ndjson");
        Emitter.Configure(Configurations.ToFile(file, folder.HmacKey()));
        for (var n = 1; n <= 2; n++)
        {
            Emitter.Default.Emit("com.example.x");
            Assert.Equal(0, Emitter.FlushDefault(Long)["file"].Pending);
            await Emitter.Default.ShutdownAsync(Long);
            Assert.Equal(n, Events(file).Count());
        }
        Assert.Throws<InvalidConfigException>(() => Emitter.Configure(Configurations.Map(("lanez", 1))));
        // As it was said before.
        Assert.Contains("file", Emitter.Default.Counters());
        Assert.NotEmpty(await Emitter.ShutdownDefaultAsync(Long));
        Assert.Empty(await Emitter.ShutdownDefaultAsync(Long));
        Assert.Empty(Emitter.FlushDefault(Long));
    }

    /// <summary>Configure waits for the sink.</summary>
    [Fact]
    public async Task A_sink_that_emits_while_the_default_emitter_is_replaced_is_answered_at_once()
    {
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var replaced = false;
        Exception? answer = null;
        var sink = new Calling(async envelope =>
        {
            if (envelope.Type == "com.example.first")
            {
                entered.SetResult();
                while ((answer = Record.Exception(() => Emitter.Default.Put("com.example.inside"))) is null && !Volatile.Read(ref replaced))
                {
                    await Task.Yield();
                }
            }
        });
        Emitter.Configure(Configurations.Null(), new() { Sinks = [sink] });
        Emitter.Default.Put("com.example.first");
        await entered.Task.WaitAsync(Long);
        var now = Emitter.Configure(Configurations.Null());
        Volatile.Write(ref replaced, true);
        Assert.IsType<EmitterClosedException>(answer);
        Assert.Same(now, Emitter.Default);
        await Emitter.ShutdownDefaultAsync(Long);
    }

    [Fact]
    public async Task A_logger_that_emits_while_the_default_emitter_opens_opens_no_other()
    {
        using var folder = new TemporaryFolder();
        Exception? answer = null;
        var told = 0;

        void Listen(DiagnosticLevel level, string message)
        {
            if (message.Contains("no lane is durable", StringComparison.Ordinal))
            {
                answer = Record.Exception(() => Emitter.Default.Put("com.example.log"));
                told++;
            }
        }

        SinkwellDiagnostics.Written += Listen;
        try
        {
            var journal = ("journal", (object?)Configurations.Map(("dir", folder.File("journal"))));
            var now = Emitter.Configure(Configurations.Null(journal));
            Assert.True(told > 0);
            Assert.IsType<EmitterClosedException>(answer);
            Assert.Same(now, Emitter.Default);
        }
        finally
        {
            SinkwellDiagnostics.Written -= Listen;
            await Emitter.ShutdownDefaultAsync(Long);
        }
    }

    [Fact]
    public async Task Nothing_is_opened_from_inside_a_sink()
    {
        Exception? used = null, configured = null;
        var sink = new Calling(envelope =>
        {
            used = Record.Exception(() => Emitter.Default);
            configured = Record.Exception(() => Emitter.Configure(Configurations.Null()));
            return Task.CompletedTask;
        });
        await Emitter.ShutdownDefaultAsync(Long);
        await using var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [sink] });
        await emitter.Emit("com.example.x").DeliveredAsync().WaitAsync(Long);
        Assert.IsType<EmitterClosedException>(used);
        Assert.IsType<InvalidArgumentException>(configured);
    }

    private sealed class Calling(Func<SignedGovernanceEvent, Task> call) : IGovernanceEventSink
    {
        public string Name => "calling";

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Debug };

        public Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default) =>
            envelope.IsOwn ? Task.CompletedTask : call(envelope);
    }

    private static IEnumerable<JsonElement> Events(string file) => File.ReadAllLines(file)
        .Select(static line => JsonDocument.Parse(line).RootElement)
        .Where(static envelope => !envelope.TryGetProperty("origin", out _));

    private static string Text(JsonElement of, string member) =>
        of.TryGetProperty(member, out var value) ? value.GetString()! : "";
}
