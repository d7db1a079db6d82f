using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Sinkwell.Tests;

/// <summary>Receipts, waiting, and the rest of an emitter's surface.</summary>
public sealed class ReceiptTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task A_hundred_thousand_outstanding_receipts_pin_no_thread()
    {
        const int count = 100_000;
        var gate = new Gate();
        await using var emitter = Emitter.Open(Configurations.Null());
        emitter.AddSink(gate, Configurations.Map(
            ("overflow", "block"),
            ("timeout", "10m"),
            ("queue", Configurations.Map(("events", 2 * count), ("bytes", "4GiB")))));
        var threads = Process.GetCurrentProcess().Threads.Count;
        var endings = new Task<IReadOnlyDictionary<string, Ending?>>[count];
        for (var i = 0; i < count; i++)
        {
            using var receipt = emitter.Emit("com.example.x");
            endings[i] = receipt.DeliveredAsync();
        }
        Assert.All(endings, static ending => Assert.False(ending.IsCompleted));
        Assert.InRange(Process.GetCurrentProcess().Threads.Count, 1, threads + 20);
        gate.Open();
        Assert.All(await Task.WhenAll(endings).WaitAsync(Long), static ending => Assert.Equal("delivered", ending["gate"]!.State));
    }

    [Fact]
    public async Task A_receipt_may_be_disposed_of_while_it_is_asked()
    {
        await using var emitter = Emitter.Open(Configurations.Null());
        for (var i = 0; i < 200; i++)
        {
            var receipt = emitter.Emit("com.example.x");
            var asking = Task.Run(() =>
            {
                try
                {
                    while (true)
                    {
                        Assert.Equal(36, receipt.Id.Length);
                    }
                }
                catch (ObjectDisposedException)
                {
                    // As it must be, sooner or later.
                }
            });
            var delivered = receipt.DeliveredAsync();
            receipt.Dispose();
            receipt.Dispose();
            Assert.Throws<ObjectDisposedException>(() => receipt.Id);
            await asking.WaitAsync(Long);
            Assert.Equal("delivered", (await delivered.WaitAsync(Long))["null"]!.State);
        }
    }

    [Fact]
    public async Task EmitAsync_waits_for_room_and_says_backpressure_when_there_is_none()
    {
        var gate = new Gate();
        var emitter = Emitter.Open(Configurations.Map(("lanes", Array.Empty<object>())), new() { Manual = false });
        emitter.AddSink(gate, Configurations.Map(
            ("overflow", "block"),
            ("timeout", "10m"),
            ("block_timeout", "10m"),
            ("batch", Configurations.Map(("events", 1), ("linger", "0ms"))),
            ("queue", Configurations.Map(("events", 2), ("terminal_reserve", 1)))));
        var waiting = new List<Task<Receipt>>();
        for (var i = 0; i < 50; i++)
        {
            waiting.Add(emitter.EmitAsync("com.example.x").AsTask());
        }
        Assert.Contains(waiting, static task => !task.IsCompleted);
        // The lane may still be taking events to its sink, so that one finds room; not for ever, as the sink's gate is closed.
        var entered = 0;
        for (; ; entered++)
        {
            using var cancelled = new CancellationTokenSource();
            var given = emitter.EmitAsync("com.example.cancelled", cancellationToken: cancelled.Token).AsTask();
            await cancelled.CancelAsync();
            try
            {
                await given;
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }
        gate.Open();
        await Task.WhenAll(waiting).WaitAsync(Long);
        await emitter.ShutdownAsync();
        Assert.Equal(50 + entered, emitter.Counters()["gate"].Delivered);
    }

    [Fact]
    public async Task Backpressure_comes_after_the_lanes_block_timeout()
    {
        var gate = new Gate();
        var emitter = Emitter.Open(Configurations.Map(("lanes", Array.Empty<object>())));
        emitter.AddSink(gate, Configurations.Map(
            ("overflow", "block"),
            ("timeout", "10m"),
            ("block_timeout", "20ms"),
            ("queue", Configurations.Map(("events", 2), ("terminal_reserve", 1)))));
        async Task Fill()
        {
            for (var i = 0; i < 1000; i++)
            {
                await emitter.EmitAsync("com.example.x");
            }
        }
        Assert.Equal(4, (await Assert.ThrowsAsync<BackpressureException>(Fill)).Code);
        Assert.Throws<BackpressureException>(() => { _ = emitter.Emit("com.example.x"); });
        Assert.Equal(2, emitter.Refused);
        gate.Open();
        await emitter.DisposeAsync();
    }

    [Fact]
    public void Waiting_times_out_by_kind_and_journaled_needs_a_durable_lane()
    {
        using var emitter = Emitter.Open(Configurations.Null(), new() { Manual = true });
        var receipt = emitter.Emit("com.example.x");
        Assert.Equal(6, Assert.Throws<WaitTimeoutException>(() => receipt.Wait(timeout: TimeSpan.Zero)).Code);
        Assert.Throws<UnsupportedException>(() => receipt.Wait(ReceiptStage.Journaled));
        Assert.Equal(1, emitter.Queued("null"));
        Assert.Equal(1, emitter.Drain("null").Count);
        Assert.Equal("delivered", receipt.Wait()["null"]!.State);
        Assert.Equal(3, Assert.Throws<InvalidArgumentException>(() => emitter.Queued("nowhere")).Code);
    }

    [Fact]
    public async Task Journaled_is_an_answer_of_a_durable_lane()
    {
        using var folder = new TemporaryFolder();
        var configuration = Configurations.Map(
            ("journal", Configurations.Map(("dir", folder.File("state")))),
            ("lanes", new object[] { Configurations.Map(("sink", "null"), ("durable", true)) }));
        await using var emitter = Emitter.Open(configuration);
        await emitter.Emit("com.example.x").JournaledAsync().WaitAsync(Long);
        Assert.True(emitter.Counters()["null"].Journaled > 0);
    }

    [Fact]
    public async Task Counters_health_and_reports()
    {
        var emitter = Emitter.Open(Configurations.Null());
        for (var i = 0; i < 10; i++)
        {
            emitter.Emit("com.example.x");
        }
        Assert.Equal(new LaneReport(10, 0, 0, "none"), (await emitter.FlushAsync(Long))["null"]);
        var counters = emitter.Counters()["null"];
        Assert.Equal((10, 10, 0, 0, 0), (counters.Admitted, counters.Delivered, counters.Dropped, counters.Rejected, counters.Pending));
        Assert.Empty(counters.DroppedBy);
        Assert.Equal(0, counters["oldest_pending_ms"]);
        Assert.Equal("healthy", emitter.Health()["null"].State);
        Assert.Contains("sinkwell", emitter.Prometheus(), StringComparison.Ordinal);
        Assert.Equal(System.Text.Json.JsonValueKind.Object, Emitter.AuthorityBoundary().ValueKind);
        await emitter.ShutdownAsync(Long);
        await emitter.DisposeAsync();
        Assert.Equal("closed", emitter.Health()["null"].State);
        Assert.Equal(7, Assert.Throws<EmitterClosedException>(() => emitter.Emit("com.example.x")).Code);
        Assert.Throws<EmitterClosedException>(emitter.EnsureReady);
        Assert.Equal(1, emitter.Refused);
    }

    [Fact]
    public async Task A_key_is_changed_while_running()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("events.ndjson");
        var key = folder.HmacKey();
        var second = folder.File("second");
        File.Copy(key, second);
        File.WriteAllBytes(second, new byte[32]);
        await using (var emitter = Emitter.Open(Configurations.ToFile(file, key)))
        {
            await emitter.Emit("com.example.x").DeliveredAsync();
            emitter.ChangeKey(Configurations.Map(("id", "k2"), ("hmac_sha256", Configurations.Map(("file", second)))));
            emitter.Emit("com.example.x");
        }
        var report = Verifier.Verify(file, new Dictionary<string, TrustedKey> { ["k1"] = "hmac:" + key, ["k2"] = "hmac:" + second });
        Assert.Equal("sound", report.Verdict);
        Assert.Contains(File.ReadLines(file), static line => line.Contains("\"keyid\":\"k2\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_current_activity_is_the_trace_context()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("events.ndjson");
        using var activity = new Activity("work").SetIdFormat(ActivityIdFormat.W3C).Start();
        await using (var emitter = Emitter.Open(Configurations.ToFile(file, folder.HmacKey())))
        {
            emitter.Emit("com.example.x");
        }
        Assert.Contains(File.ReadLines(file), line => line.Contains($"\"traceparent\":\"{activity.Id}\"", StringComparison.Ordinal));
    }

    [Fact]
    public void An_emit_allocates_a_receipt_and_nothing_else()
    {
        using var emitter = Emitter.Open(Configurations.Null());
        var data = Configurations.Map(("tool", "search"), ("outcome", "ok"), ("duration_ms", 3.5), ("n", 17));
        void Run(int times)
        {
            for (var i = 0; i < times; i++)
            {
                emitter.Emit("tool.invocation", data, new() { Subject = "tool:search", Run = "r-17" }).Dispose();
            }
        }
        Run(100);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Run(1000);
        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / 1000, 1, 96);
    }

    /// <summary>A sink that takes nothing until it is opened.</summary>
    private sealed class Gate : IGovernanceEventSink
    {
        private readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Name => "gate";

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Debug };

        internal void Open() => _open.SetResult();

        public Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default) => _open.Task;
    }
}

/// <summary>Alone, as what receipts hold is counted for the whole process.</summary>
[CollectionDefinition(nameof(ReceiptMemoryTests), DisableParallelization = true)]
[Collection(nameof(ReceiptMemoryTests))]
public sealed class ReceiptMemoryTests
{
    [Fact]
    public void Receipts_that_nobody_has_do_not_pile_up()
    {
        using var emitter = Emitter.Open(Configurations.Null(), new EmitterOptions { Manual = true });
        var first = Dropped(emitter);
        // The first generation alone may have room for a million of them, were nobody to ask for a collection.
        for (var emitted = 0; first.IsAlive; emitted++)
        {
            Assert.InRange(emitted, 0, 100_000);
            Dropped(emitter);
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        // Gone is what nobody can reach any more. Its memory comes back a generation later, when nobody may look.
        static WeakReference Dropped(Emitter emitter) => new(emitter.Emit("com.example.x"));
    }
}
