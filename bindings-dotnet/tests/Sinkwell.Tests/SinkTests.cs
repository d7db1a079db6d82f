using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Sinkwell.Tests;

/// <summary>Sinks and signers of the host's, well-behaved and not.</summary>
public sealed class SinkTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_sink_gets_the_envelope_as_an_object_and_as_its_exact_bytes()
    {
        using var folder = new TemporaryFolder();
        var key = folder.HmacKey();
        var sink = new Recording();
        var configuration = Configurations.ToFile(folder.File("events.ndjson"), key);
        await using (var emitter = Emitter.Open(configuration, new() { Sinks = [sink] }))
        {
            var receipt = emitter.Emit(
                "policy.decision",
                Configurations.Map(("decision", "deny"), ("rule", "no-shell")),
                new() { Subject = "tool:shell", Run = "r-17", Severity = "warn", Time = DateTimeOffset.UnixEpoch.AddTicks(1) });
            var ending = (await receipt.DeliveredAsync())["recording"]!;
            var got = sink.Events.Single(static e => !e.IsOwn);
            Assert.Equal("dev.sinkwell.policy.decision", got.Type);
            Assert.Equal("urn:sinkwell:agent:test", got.AgentId);
            Assert.Equal("deny", got.Data.GetProperty("decision").GetString());
            Assert.Equal(("tool:shell", "r-17", "WARN", 13), (got.Subject, got.RunId, got.SeverityText, got.SeverityNumber));
            Assert.Equal(DateTimeOffset.UnixEpoch.AddTicks(1), got.Time);
            Assert.Equal((receipt.Id, ending.Sequence, ending.Hash, ending.StreamId), (got.Id, got.Sequence, got.IdempotencyKey, got.StreamId));
            Assert.True(got.Verify(new Dictionary<string, TrustedKey> { ["k1"] = "hmac:" + key }));
            Assert.False(got.Verify(new Dictionary<string, TrustedKey> { ["k1"] = TrustedKey.FromBytes((byte[])[.. "hmac:"u8, .. new byte[32]]) }));
            Assert.Equal($"dev.sinkwell.policy.decision {got.Id} {got.StreamId}/{got.Sequence}", got.ToString());
        }
        var report = Verifier.VerifyBytes(
            sink.Events.SelectMany(static e => e.Bytes.ToArray().Append((byte)'\n')).ToArray(),
            new Dictionary<string, TrustedKey> { ["k1"] = "hmac:" + key });
        Assert.Equal("sound", report.Verdict);
    }

    [Fact]
    public async Task A_sink_that_throws_is_tried_again_and_nobody_else_notices()
    {
        var failures = 2;
        var flaky = new Recording("flaky", e => !e.IsOwn && Interlocked.Decrement(ref failures) >= 0 ? throw new IOException("secret text") : Task.CompletedTask);
        var steady = new Recording("steady");
        await using var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [flaky, steady] });
        var receipt = emitter.Emit("com.example.x");
        var endings = await receipt.DeliveredAsync().WaitAsync(Long);
        Assert.Equal("delivered", endings["flaky"]!.State);
        Assert.Equal("delivered", endings["steady"]!.State);
        Assert.True(emitter.Counters()["flaky"].Retried > 0);
        Assert.DoesNotContain(
            steady.Events,
            static e => System.Text.Encoding.UTF8.GetString(e.Bytes.Span).Contains("secret text", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_shutdown_inside_a_sink_does_not_wait_for_itself(bool aside)
    {
        Emitter? emitter = null;
        long pending = -1;
        var opened = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var sink = new Recording("mine", async e =>
        {
            if (!e.IsOwn)
            {
                await opened.Task;
                var limit = TimeSpan.FromMinutes(1);
                var report = aside ? await emitter!.ShutdownAsync(limit) : emitter!.Shutdown(limit);
                pending = report["mine"].Pending;
            }
        });
        emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [sink] });
        opened.SetResult();
        var endings = await emitter.Emit("com.example.x").DeliveredAsync().WaitAsync(Long);
        Assert.Equal("delivered", endings["mine"]!.State);
        Assert.True(pending > 0);
        Assert.Equal(0, (await emitter.ShutdownAsync(Long))["mine"].Pending);
    }

    [Fact]
    public async Task A_shutdown_without_a_timeout_takes_five_seconds_while_a_sink_is_down()
    {
        var released = new TaskCompletionSource();
        var sink = new Recording("mine", e => e.IsOwn ? Task.CompletedTask : released.Task);
        var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [sink] });
        emitter.Emit("com.example.x");
        Assert.True((await emitter.ShutdownAsync().WaitAsync(Long))["mine"].Pending > 0);
        released.SetResult();
    }

    /// <summary>What a batch sink may answer, besides a list of as many answers as events, or null.</summary>
    public static TheoryData<string> Nonsense => ["none", "fewer", "more", "throws", "no task", "unreadable", "counts wrongly"];

    [Theory]
    [MemberData(nameof(Nonsense))]
    public async Task What_is_no_answer_to_a_batch_is_a_failure_and_tried_again(string how)
    {
        var failures = 2;
        var sink = new Batched(events =>
        {
            if (events[^1].IsOwn || Interlocked.Decrement(ref failures) < 0)
            {
                return Task.FromResult<IReadOnlyList<Exception?>?>(null);
            }
            return how switch
            {
                "none" => Task.FromResult<IReadOnlyList<Exception?>?>([]),
                "fewer" => Task.FromResult<IReadOnlyList<Exception?>?>(new Exception?[events.Count - 1]),
                "more" => Task.FromResult<IReadOnlyList<Exception?>?>(new Exception?[events.Count + 1]),
                "throws" => throw new IOException("secret text"),
                "no task" => null!,
                "unreadable" => Task.FromResult<IReadOnlyList<Exception?>?>([.. events.Select(static _ => new Unreadable())]),
                _ => Task.FromResult<IReadOnlyList<Exception?>?>(new Lying()),
            };
        });
        await using var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [sink] });
        var endings = await emitter.Emit("com.example.x").DeliveredAsync().WaitAsync(Long);
        Assert.Equal("delivered", endings["batches"]!.State);
        var counters = emitter.Counters()["batches"];
        Assert.True(counters.Retried > 0, how);
        Assert.Equal(0, counters.Rejected);
    }

    [Fact]
    public async Task An_exception_that_cannot_be_read_holds_no_lane()
    {
        var failures = 2;
        var sink = new Recording("flaky", e => !e.IsOwn && Interlocked.Decrement(ref failures) >= 0 ? throw new Unreadable() : Task.CompletedTask);
        await using var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [sink] });
        var endings = await emitter.Emit("com.example.x").DeliveredAsync().WaitAsync(Long);
        Assert.Equal("delivered", endings["flaky"]!.State);
    }

    private sealed class Unreadable : Exception
    {
        public override string Message => throw new TimeZoneNotFoundException();
    }

    /// <summary>A list that says it has one item, and has none.</summary>
    private sealed class Lying : IReadOnlyList<Exception?>
    {
        public int Count => 1;

        public Exception? this[int index] => throw new TimeZoneNotFoundException();

        public IEnumerator<Exception?> GetEnumerator() => throw new TimeZoneNotFoundException();

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }

    [Fact]
    public async Task Answers_that_grow_while_they_are_read_are_those_that_were_given()
    {
        var sink = new Batched(static events => Task.FromResult<IReadOnlyList<Exception?>?>(new Growing(events.Count)));
        await using var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [sink] });
        var ending = (await emitter.Emit("com.example.x").DeliveredAsync().WaitAsync(Long))["batches"]!;
        Assert.Equal("delivered", ending.State);
    }

    /// <summary>A list that has one item more whenever it is asked for their number, as one that a sink goes on with.</summary>
    private sealed class Growing(int count) : IReadOnlyList<Exception?>
    {
        private int _more;

        public int Count => count + _more++;

        public Exception? this[int index] => new TimeZoneNotFoundException($"{index}");

        public IEnumerator<Exception?> GetEnumerator() => Enumerable.Repeat<Exception?>(null, count).GetEnumerator();

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }

    [Fact]
    public void Keys_that_come_while_they_are_read_are_counted_with_the_others()
    {
        using var folder = new TemporaryFolder();
        var (file, key) = (folder.File("events.ndjson"), folder.HmacKey());
        using (var emitter = Emitter.Open(Configurations.ToFile(file, key)))
        {
            emitter.Emit("com.example.x");
        }
        Assert.Equal("sound", Verifier.Verify(file, new Rotating(key)).Verdict);
    }

    /// <summary>Keys of which one is there and nine have come by the time that they are read.</summary>
    private sealed class Rotating(string file) : IReadOnlyDictionary<string, TrustedKey>
    {
        private readonly Dictionary<string, TrustedKey> _keys =
            Enumerable.Range(0, 10).ToDictionary(static n => $"k{10 - n}", _ => (TrustedKey)("hmac:" + file));

        public int Count => 1;

        public IEnumerable<string> Keys => _keys.Keys;

        public IEnumerable<TrustedKey> Values => _keys.Values;

        public TrustedKey this[string key] => _keys[key];

        public bool ContainsKey(string key) => _keys.ContainsKey(key);

        public bool TryGetValue(string key, [System.Diagnostics.CodeAnalysis.MaybeNullWhen(false)] out TrustedKey value) =>
            _keys.TryGetValue(key, out value);

        public IEnumerator<KeyValuePair<string, TrustedKey>> GetEnumerator() => _keys.GetEnumerator();

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }

    private sealed class Batched(Func<IReadOnlyList<SignedGovernanceEvent>, Task<IReadOnlyList<Exception?>?>> answer)
        : IBatchGovernanceEventSink
    {
        public string Name => "batches";

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Observability };

        public Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default) => Task.CompletedTask;

        public Task<IReadOnlyList<Exception?>?> EmitBatchAsync(
            IReadOnlyList<SignedGovernanceEvent> events, CancellationToken cancellationToken = default) => answer(events);
    }

    [Fact]
    public void Health_has_the_words_of_a_sink_that_fails()
    {
        using var emitter = Emitter.Open(Configurations.Map(("lanes", Array.Empty<object>())), new() { Manual = true, Sinks = [new Sick()] });
        emitter.Emit("com.example.x");
        emitter.Drain("sick");
        Assert.EndsWith("the cable is out", emitter.Health()["sick"].Detail, StringComparison.Ordinal);
    }

    private sealed class Sick : IGovernanceEventSink
    {
        public string Name => "sick";

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Debug };

        public Task EmitAsync(SignedGovernanceEvent governanceEvent, CancellationToken cancellationToken = default) => throw new IOException("no route");

        public Task<SinkHealth> HealthAsync(CancellationToken cancellationToken = default) => Task.FromResult(new SinkHealth(false, "the cable is out"));
    }

    [Fact]
    public async Task A_sink_that_refuses_loses_that_event_only()
    {
        var picky = new Recording("picky", static e => e.Subject == "bad" ? throw new RejectedException("no") : Task.CompletedTask);
        await using var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [picky] });
        var good = emitter.Emit("com.example.x", options: new() { Subject = "good" });
        var bad = emitter.Emit("com.example.x", options: new() { Subject = "bad" });
        var after = emitter.Emit("com.example.x", options: new() { Subject = "good" });
        Assert.Equal("lost", (await bad.DeliveredAsync().WaitAsync(Long))["picky"]!.State);
        Assert.Equal("delivered", (await good.DeliveredAsync().WaitAsync(Long))["picky"]!.State);
        Assert.Equal("delivered", (await after.DeliveredAsync().WaitAsync(Long))["picky"]!.State);
        Assert.Equal(1, emitter.Counters()["picky"].Rejected);
    }

    [Fact]
    public async Task A_sink_that_hangs_holds_up_nobody_and_hears_that_it_was_given_up()
    {
        var givenUp = new TaskCompletionSource();
        var hanging = new Recording("hanging", static _ => Task.CompletedTask, async cancellation =>
        {
            cancellation.Register(givenUp.SetResult);
            await new TaskCompletionSource().Task;
        });
        var steady = new Recording("steady");
        var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [steady] });
        emitter.AddSink(hanging, Configurations.Map(("timeout", "50ms"), ("overflow", "drop_oldest")));
        var receipt = emitter.Emit("com.example.x");
        await givenUp.Task.WaitAsync(Long);
        Assert.Null(receipt.Endings["hanging"]);
        Assert.Equal("memory", emitter.Flush(TimeSpan.Zero)["hanging"].Where);
        emitter.Shutdown(TimeSpan.FromMilliseconds(100));
        Assert.Equal("delivered", receipt.Endings["steady"]!.State);
    }

    [Fact]
    public async Task A_sink_that_returns_null_has_failed()
    {
        var nothing = new Recording("nothing", static _ => null!);
        var emitter = Emitter.Open(Configurations.Null());
        emitter.AddSink(nothing, Configurations.Map(("overflow", "drop_oldest")));
        emitter.Emit("com.example.x");
        await nothing.Called.WaitAsync(Long);
        emitter.Shutdown(TimeSpan.Zero);
        Assert.Equal(0, emitter.Counters()["nothing"].Delivered);
    }

    [Fact]
    public async Task A_batch_sink_answers_for_each()
    {
        var sink = new Batches();
        await using var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [sink] });
        var receipts = Enumerable.Range(0, 10).Select(i => emitter.Emit("com.example.x", options: new() { Subject = i % 2 == 0 ? "even" : "odd" })).ToList();
        for (var i = 0; i < receipts.Count; i++)
        {
            Assert.Equal(i % 2 == 0 ? "delivered" : "lost", (await receipts[i].DeliveredAsync().WaitAsync(Long))["batches"]!.State);
        }
    }

    [Fact]
    public async Task A_sink_may_emit_but_never_waits_for_itself()
    {
        Emitter? emitter = null;
        var seen = new TaskCompletionSource<string>();
        var talkative = new Recording("talkative", e =>
        {
            if (e.Subject == "first")
            {
                try
                {
                    emitter!.Emit("com.example.more");
                    seen.TrySetResult("emitted");
                }
                catch (BackpressureException)
                {
                    seen.TrySetResult("backpressure");
                }
            }
            return Task.CompletedTask;
        });
        emitter = Emitter.Open(Configurations.Null());
        emitter.AddSink(talkative, Configurations.Map(("overflow", "block"), ("queue", Configurations.Map(("events", 2)))));
        await emitter.EmitAsync("com.example.x", options: new() { Subject = "first" });
        Assert.Contains(await seen.Task.WaitAsync(Long), new[] { "emitted", "backpressure" });
        await emitter.DisposeAsync();
    }

    [Fact]
    public void A_required_class_is_satisfied_by_a_sink_given_to_open_and_missed_otherwise()
    {
        var required = Configurations.Null(("governance", Configurations.Map(("requires_sink", "siem"))));
        Assert.Contains("siem", Assert.Throws<RequiredSinkUnavailableException>(() => Emitter.Open(required)).Message, StringComparison.Ordinal);
        var siem = new Recording("defender", classes: SinkClass.Siem);
        using var emitter = Emitter.Open(required, new() { Sinks = [siem] });
        emitter.EnsureReady();
        Assert.Equal("healthy", emitter.Health()["defender"].State);
        Assert.Equal(["siem"], emitter.Health()["defender"].Classes);
    }

    [Fact]
    public async Task A_signer_of_the_hosts_signs_and_while_it_fails_nothing_goes_unsigned()
    {
        var secret = RandomNumberGenerator.GetBytes(32);
        var signer = new Signer(secret);
        var sink = new Recording();
        var configuration = Configurations.Map(
            ("key", Configurations.Map(("id", "kms"), ("alg", "hmac-sha256"), ("signer", "host"))),
            ("lanes", Array.Empty<object>()));
        await using (var emitter = Emitter.Open(configuration, new() { Signer = signer }))
        {
            emitter.AddSink(sink, Configurations.Map(("breaker", Configurations.Map(("open", "1ms")))));
            await emitter.Emit("com.example.x").DeliveredAsync().WaitAsync(Long);
        }
        Assert.True(signer.Failed > 0);
        var keys = new Dictionary<string, TrustedKey> { ["kms"] = TrustedKey.FromBytes((byte[])[.. "hmac:"u8, .. secret]) };
        Assert.Single(sink.Events, static e => !e.IsOwn);
        Assert.All(sink.Events, e => Assert.True(e.Verify(keys)));
    }

    [Theory]
    [InlineData("each", 40, 32)]
    [InlineData("batch", 8, 1)]
    public async Task A_signer_gets_many_messages_of_one_stream_in_one_call(string mode, int most, int atOnce)
    {
        var signer = new Counting(RandomNumberGenerator.GetBytes(32));
        var sink = new Recording();
        var configuration = Configurations.Map(
            ("heartbeat", "off"),
            ("key", Configurations.Map(("id", "kms"), ("alg", "hmac-sha256"), ("signer", "host"), ("sign", mode))),
            ("lanes", Array.Empty<object>()));
        await using (var emitter = Emitter.Open(configuration, new() { Signer = signer }))
        {
            emitter.AddSink(sink, Configurations.Map(("batch", Configurations.Map(("events", 32), ("linger", "1h")))));
            for (var n = 0; n < 32; n++)
            {
                emitter.Emit("com.example.x");
            }
        }
        Assert.Equal(32, sink.Events.Count(static e => !e.IsOwn));
        Assert.InRange(signer.Calls.Sum(), 1, most);
        Assert.InRange(signer.Calls.Count, 1, 8);
        Assert.True(signer.Calls.Max() >= atOnce);
    }

    private sealed class Counting(byte[] secret) : ISigner
    {
        internal ConcurrentQueue<int> Calls { get; } = [];

        public Task<IReadOnlyList<ReadOnlyMemory<byte>>> SignAsync(
            IReadOnlyList<ReadOnlyMemory<byte>> inputs, CancellationToken cancellationToken = default)
        {
            Calls.Enqueue(inputs.Count);
            Assert.All(inputs, static input => Assert.True(input.Length == 49 && input.Span.StartsWith("sinkwell-seal-v1\n"u8)));
            return Task.FromResult<IReadOnlyList<ReadOnlyMemory<byte>>>(
                [.. inputs.Select(input => (ReadOnlyMemory<byte>)HMACSHA256.HashData(secret, input.Span))]);
        }
    }

    private sealed class Recording(
        string name = "recording",
        Func<SignedGovernanceEvent, Task>? first = null,
        Func<CancellationToken, Task>? then = null,
        SinkClass classes = SinkClass.Debug) : IGovernanceEventSink
    {
        private readonly TaskCompletionSource _called = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal ConcurrentQueue<SignedGovernanceEvent> Events { get; } = [];

        internal Task Called => _called.Task;

        public string Name => name;

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { classes };

        public Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default)
        {
            _called.TrySetResult();
            var task = first?.Invoke(envelope) ?? (first is null ? Task.CompletedTask : null);
            if (task is null)
            {
                return null!;
            }
            Events.Enqueue(envelope);
            return then?.Invoke(cancellationToken) ?? task;
        }
    }

    private sealed class Batches : IBatchGovernanceEventSink
    {
        public string Name => "batches";

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Debug };

        public Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException("it takes batches");

        public Task<IReadOnlyList<Exception?>?> EmitBatchAsync(
            IReadOnlyList<SignedGovernanceEvent> events, CancellationToken cancellationToken = default) =>
            Task.FromResult<IReadOnlyList<Exception?>?>(
                [.. events.Select(static e => e.Subject == "odd" ? new RejectedException("odd") : null)]);
    }

    private sealed class Signer(byte[] secret) : ISigner
    {
        private int _failed;

        internal int Failed => _failed;

        public Task<IReadOnlyList<ReadOnlyMemory<byte>>> SignAsync(
            IReadOnlyList<ReadOnlyMemory<byte>> inputs, CancellationToken cancellationToken = default)
        {
            if (Interlocked.CompareExchange(ref _failed, 1, 0) == 0)
            {
                throw new TimeoutException("the KMS is asleep");
            }
            return Task.FromResult<IReadOnlyList<ReadOnlyMemory<byte>>>(
                [.. inputs.Select(input => (ReadOnlyMemory<byte>)HMACSHA256.HashData(secret, input.Span))]);
        }
    }
}
