using System.Text.Json;
using System.Text.Json.Nodes;

namespace Sinkwell.Tests;

/// <summary>
/// The authority boundary: a sink that answers nonsense, changes what it was given, throws, is late, emits and flushes
/// from inside alters no run, no decision and nothing of another lane (docs/LANES.md, "What a sink cannot do").
/// </summary>
public sealed class AuthorityTests
{
    private const int Rounds = 30;

    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_sink_that_tries_everything_changes_nothing_for_anybody_else()
    {
        var request = Configurations.Map(("requested_mode", "raw"), ("class", "prompt"), ("source_permits_content", true));
        var before = ContentPolicy.EvaluateContentCapture(request).GetRawText();
        var alone = await RunAsync(null);
        var unruly = new Unruly();
        var beside = await RunAsync(unruly);
        Assert.Equal(2 * Rounds, alone.Count);
        Assert.Equal(alone, beside);
        Assert.True(unruly.HasTriedAll);
        Assert.Equal(before, ContentPolicy.EvaluateContentCapture(request).GetRawText());
        Assert.Equal(0, Emitter.AuthorityBoundary().GetProperty("may_change").GetArrayLength());
    }

    private static async Task<List<string>> RunAsync(Unruly? unruly)
    {
        using var folder = new TemporaryFolder();
        var (path, key) = (folder.File("events.ndjson"), folder.HmacKey());
        using (var emitter = Emitter.Open(Configurations.ToFile(path, key)))
        {
            if (unruly is not null)
            {
                unruly.Emitter = emitter;
                emitter.AddSink(unruly, Configurations.Map(
                    ("timeout", "10ms"), ("overflow", "drop_oldest"),
                    ("batch", Configurations.Map(("linger", "1ms"), ("events", 3))),
                    ("retry", Configurations.Map(("initial", "1ms"), ("cap", "1ms"))),
                    ("breaker", Configurations.Map(("open", "1ms")))));
            }
            void Put(string type, params (string Key, object? Value)[] data)
            {
                using var receipt = emitter.Emit(type, Configurations.Map(data), new() { Run = "r-1" });
                Assert.Equal("enqueued", receipt.Lanes["file"]);
            }

            for (var n = 0; n < Rounds; n++)
            {
                Put("policy.decision", ("decision", "deny"), ("rule", "no-shell"), ("action", $"{n}"));
                Put("run.failed", ("terminal_status", "failed"));
            }
            using var bound = new CancellationTokenSource(Long);
            while (unruly is { HasTriedAll: false })
            {
                bound.Token.ThrowIfCancellationRequested();
                Put("com.example.inside");
                await Task.Yield();
            }
            emitter.EnsureReady();
            // The unruly one has no say in how long it takes.
            Assert.Equal(0, emitter.Shutdown(TimeSpan.FromSeconds(2))["file"].Pending);
        }
        var keys = new Dictionary<string, TrustedKey> { ["k1"] = "hmac:" + key };
        Assert.Equal("sound", Verifier.Verify(path, keys).Verdict);
        return Seen(path);
    }

    /// <summary>What the file holds of the host's own events, without the stream's own attributes.</summary>
    private static List<string> Seen(string path)
    {
        List<string> seen = [];
        foreach (var line in File.ReadLines(path))
        {
            var envelope = JsonNode.Parse(line)!.AsObject();
            if ((string?)envelope["origin"] == "core" || (string?)envelope["type"] == "com.example.inside")
            {
                continue;
            }
            seen.Add(string.Join(' ', new[] { "type", "data", "runid", "severitytext", "subject" }.Select(name => envelope[name]?.ToJsonString())));
        }
        return seen;
    }

    private sealed class Unruly : IBatchGovernanceEventSink
    {
        private readonly Func<IReadOnlyList<SignedGovernanceEvent>, CancellationToken, Task<IReadOnlyList<Exception?>?>>[] _ways;
        private int _turn;

        internal Unruly() => _ways = [TooMany, Null, Mutates, Throws, ThrowsLater, Refuses, IsLate, Reenters];

        internal Emitter? Emitter { get; set; }

        internal bool HasTriedAll => Volatile.Read(ref _turn) > _ways.Length;

        public string Name => "unruly";

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Debug };

        public Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException("it takes batches");

        public Task<IReadOnlyList<Exception?>?> EmitBatchAsync(
            IReadOnlyList<SignedGovernanceEvent> events, CancellationToken cancellationToken = default)
        {
            var turn = Interlocked.Increment(ref _turn) - 1;
            return turn < _ways.Length ? _ways[turn](events, cancellationToken) : Mutates(events, cancellationToken);
        }

        private static Task<IReadOnlyList<Exception?>?> TooMany(IReadOnlyList<SignedGovernanceEvent> events, CancellationToken _) =>
            Task.FromResult<IReadOnlyList<Exception?>?>(new Exception?[events.Count + 7]);

        private static Task<IReadOnlyList<Exception?>?> Null(IReadOnlyList<SignedGovernanceEvent> events, CancellationToken _) => null!;

        private static Task<IReadOnlyList<Exception?>?> Mutates(IReadOnlyList<SignedGovernanceEvent> events, CancellationToken _)
        {
            foreach (var envelope in events)
            {
                // Through what the type system lets one do, and past it.
                System.Runtime.InteropServices.MemoryMarshal.AsMemory(envelope.Bytes).Span.Clear();
            }
            if (events is SignedGovernanceEvent[] array)
            {
                Array.Clear(array);
            }
            return Task.FromResult<IReadOnlyList<Exception?>?>(null);
        }

        private static Task<IReadOnlyList<Exception?>?> Throws(IReadOnlyList<SignedGovernanceEvent> events, CancellationToken _) =>
            throw new ArithmeticException("unruly");

        private static async Task<IReadOnlyList<Exception?>?> ThrowsLater(IReadOnlyList<SignedGovernanceEvent> events, CancellationToken _)
        {
            await Task.Yield();
            throw new JsonException("unruly");
        }

        private static Task<IReadOnlyList<Exception?>?> Refuses(IReadOnlyList<SignedGovernanceEvent> events, CancellationToken _) =>
            Task.FromException<IReadOnlyList<Exception?>?>(new RejectedException("all of it"));

        private static async Task<IReadOnlyList<Exception?>?> IsLate(IReadOnlyList<SignedGovernanceEvent> events, CancellationToken cancellation)
        {
            // What it says once the lane has given it up, nobody hears.
            var givenUp = new TaskCompletionSource();
            await using (cancellation.Register(givenUp.SetResult))
            {
                await givenUp.Task;
            }
            return [.. events.Select(static _ => new RejectedException("late"))];
        }

        private async Task<IReadOnlyList<Exception?>?> Reenters(IReadOnlyList<SignedGovernanceEvent> events, CancellationToken cancellation)
        {
            Emitter?.Emit("com.example.inside");
            Emitter?.Flush();
            await (Emitter?.FlushAsync(cancellationToken: cancellation) ?? Task.CompletedTask);
            return null;
        }
    }
}
