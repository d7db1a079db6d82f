using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace Sinkwell.Tests;

/// <summary>Repair, salts, emits from inside, answers that nobody can know, a required sink that dies.</summary>
public sealed class SurfaceTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Repair_exports_again_what_the_journal_holds()
    {
        using var folder = new TemporaryFolder();
        var sink = new Host("mine");
        await using var emitter = Emitter.Open(Configurations.Map(
            ("agent", Configurations.Map(("id", "a1"))),
            ("journal", Configurations.Map(("dir", folder.File("journal")), ("floor", 0))),
            ("lanes", new object[] { "null" })));
        emitter.AddSink(sink, Configurations.Map(("durable", true)));
        Ending? ending = null;
        for (var n = 0; n < 3; n++)
        {
            ending = (await emitter.Emit("com.example.x").DeliveredAsync().WaitAsync(Long))["mine"];
        }
        var before = sink.Hosts.ToArray();
        emitter.Repair("mine", new ExportCursor(ending!.StreamId!, "2", 0));
        emitter.Flush(Long);
        var again = sink.Hosts.Skip(before.Length).ToArray();
        Assert.NotEmpty(again);
        Assert.Equal(before.TakeLast(again.Length), again);

        var cursor = new ExportCursor(ending.StreamId!, "2", 0);
        Assert.Throws<InvalidArgumentException>(() => emitter.Repair("nosuch", cursor));
        Assert.Throws<UnsupportedException>(() => emitter.Repair("null", cursor));
        Assert.Equal("from.streamid", Assert.Throws<InvalidArgumentException>(() => emitter.Repair("mine", cursor with { StreamId = "x" })).Where);
        Assert.Equal("from.sequence", Assert.Throws<InvalidArgumentException>(() => emitter.Repair("mine", cursor with { Sequence = "x" })).Where);
    }

    [Fact]
    public async Task A_salt_proves_what_was_said()
    {
        var sink = new Host("mine");
        await using var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [sink] });
        var receipt = emitter.Emit("com.example.x", options: new() { Content = [new Part("prompt") { Text = "what was said" }] });
        await receipt.DeliveredAsync().WaitAsync(Long);
        var salt = receipt.Salt(0)!;
        Assert.Equal(16, salt.Length);
        Assert.Null(receipt.Salt(1));
        byte[] committed = [.. "sinkwell-part-v1\n"u8, .. salt, .. "what was said"u8];
        Assert.Contains(Convert.ToHexString(SHA256.HashData(committed)), sink.Hosts.Single(), StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_emit_from_inside_a_sink_never_waits_on_whatever_thread(bool awaitable)
    {
        Emitter? emitter = null;
        var inner = new List<string>();
        var sink = new Host("mine", async envelope =>
        {
            if (envelope.Type != "com.example.first")
            {
                return;
            }
            // Another thread of the pool, as after any await.
            await Task.Run(async () =>
            {
                for (var i = 0; i < 4; i++)
                {
                    var receipt = awaitable ? await emitter!.EmitAsync("com.example.inner") : emitter!.Emit("com.example.inner");
                    inner.Add(receipt.Lanes["mine"]);
                }
                // It would wait for itself.
                emitter!.Flush();
                await emitter.FlushAsync();
            });
        });
        emitter = Emitter.Open(Configurations.Null());
        emitter.AddSink(sink, Configurations.Map(
            ("overflow", "block"), ("block_timeout", "1h"), ("timeout", "1h"),
            ("queue", Configurations.Map(("events", 2), ("terminal_reserve", 1)))));
        await emitter.Emit("com.example.first").DeliveredAsync().WaitAsync(Long);
        Assert.Equal(["enqueued", "dropped: reentrant", "dropped: reentrant", "dropped: reentrant"], inner);
        await emitter.DisposeAsync().AsTask().WaitAsync(Long);
    }

    [Fact]
    public async Task What_a_sink_cannot_know_is_uncertain()
    {
        var sink = new Host("mine", static envelope =>
            envelope.Subject == "odd" ? throw new UncertainException("a canary") : Task.CompletedTask);
        await using var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [sink] });
        var states = new List<string>();
        foreach (var subject in new[] { "even", "odd", "even" })
        {
            var receipt = emitter.Emit("com.example.x", options: new() { Subject = subject });
            states.Add((await receipt.DeliveredAsync().WaitAsync(Long))["mine"]!.State);
        }
        Assert.Equal(["delivered", "uncertain", "delivered"], states);
        Assert.Equal(1, emitter.Counters()["mine"].RejectedBy["uncertain"]);
    }

    [Fact]
    public async Task A_required_sink_dies_and_comes_back()
    {
        using var folder = new TemporaryFolder();
        var away = false;
        var guard = new Host(
            "guard", _ => Volatile.Read(ref away) ? throw new IOException("the SIEM is away") : Task.CompletedTask, SinkClass.Siem);
        var witness = new Witness();
        var path = folder.File("events.ndjson");
        await using var emitter = Emitter.Open(
            Configurations.Map(
                ("agent", Configurations.Map(("id", "a1"))),
                ("governance", Configurations.Map(("requires_sink", "siem"))),
                ("lanes", new object[]
                {
                    Configurations.Map(("sink", Configurations.Map(("file", Configurations.Map(("path", path)))))),
                    Configurations.Map(
                        ("sink", Configurations.Map(("host", "guard"))),
                        ("retry", Configurations.Map(("initial", "1ms"), ("cap", "1ms"))),
                        ("breaker", Configurations.Map(("failures", 1), ("open", "1ms")))),
                })),
            new() { Sinks = [guard, witness] });
        emitter.Emit("com.example.x");
        Volatile.Write(ref away, true);
        // Until the lane has noticed, events are still taken.
        RequiredSinkUnavailableException? stopped = null;
        using var bound = new CancellationTokenSource(Long);
        while (stopped is null)
        {
            bound.Token.ThrowIfCancellationRequested();
            try
            {
                emitter.Emit("com.example.x");
            }
            catch (RequiredSinkUnavailableException e)
            {
                stopped = e;
            }
        }
        Assert.Equal(5, stopped.Code);
        Assert.Contains("siem", stopped.Message, StringComparison.Ordinal);
        Assert.Contains("guard", stopped.Message, StringComparison.Ordinal);
        Assert.Contains("mend the sink", stopped.Message, StringComparison.Ordinal);
        Assert.Throws<RequiredSinkUnavailableException>(emitter.EnsureReady);

        // A change of state that a lane was not told of yet merges with the next one.
        await witness.Failed.Task.WaitAsync(Long);
        Volatile.Write(ref away, false);
        while (true)
        {
            bound.Token.ThrowIfCancellationRequested();
            try
            {
                emitter.EnsureReady();
                break;
            }
            catch (RequiredSinkUnavailableException)
            {
                await Task.Yield();
            }
        }
        emitter.Emit("com.example.x");
        await emitter.ShutdownAsync(Long);
        var lines = await File.ReadAllTextAsync(path);
        Assert.Contains("sink.recovered", lines, StringComparison.Ordinal);
        Assert.DoesNotContain("the SIEM is away", lines, StringComparison.Ordinal);
    }

    /// <summary>Has seen that another lane failed.</summary>
    private sealed class Witness : IGovernanceEventSink
    {
        internal TaskCompletionSource Failed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Name => "witness";

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Debug };

        public Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default)
        {
            if (envelope.Type.EndsWith("sink.failed", StringComparison.Ordinal))
            {
                Failed.TrySetResult();
            }
            return Task.CompletedTask;
        }
    }

    private sealed class Host(string name, Func<SignedGovernanceEvent, Task>? answer = null, SinkClass of = SinkClass.Debug)
        : IGovernanceEventSink
    {
        /// <summary>What the program emitted, line by line.</summary>
        internal ConcurrentQueue<string> Hosts { get; } = [];

        public string Name => name;

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { of };

        public async Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default)
        {
            if (answer is not null && (!envelope.IsOwn || of == SinkClass.Siem))
            {
                await answer(envelope);
            }
            if (!envelope.IsOwn)
            {
                Hosts.Enqueue(Encoding.UTF8.GetString(envelope.Bytes.Span));
            }
        }
    }
}
