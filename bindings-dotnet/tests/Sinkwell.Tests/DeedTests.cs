using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;

namespace Sinkwell.Tests;

/// <summary>Deeds: the act runs only once its intent is safe, and what it returns and throws is its own.</summary>
public sealed class DeedTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    private static Dictionary<string, object?> Pay => Configurations.Map(("tool", "pay"), ("amount", 3));

    private static Dictionary<string, object?> Required(params (string Key, object? Value)[] more) => Configurations.Map(
        ("agent", Configurations.Map(("id", "urn:sinkwell:agent:test"))),
        ("heartbeat", "off"),
        ("governance", Configurations.Map(("version", "1"), ("requires_sink", "siem"))),
        ("lanes", new object[]
        {
            Configurations.Map(
            [
                ("id", "siem"),
                ("classes", new object[] { "siem" }),
                ("sink", Configurations.Map(("host", "siem"))),
                ("retry", Configurations.Map(("initial", "1h"), ("cap", "1h"))),
                ("breaker", Configurations.Map(("failures", 1))),
                .. more,
            ]),
        }));

    [Fact]
    public async Task The_act_runs_between_its_intent_and_its_result()
    {
        var sink = new Siem();
        await using var emitter = Emitter.Open(Required(), new() { Sinks = [sink] });
        string? here = null;
        var answer = await emitter.DeedAsync(
            "tool.invocation",
            Pay,
            async (deed, _) =>
            {
                await Task.Yield();
                here = deed.Id;
                Assert.Equal(["intent"], sink.Phases);
                deed.Result(Configurations.Map(("receipt", "x1")), [new Part("tool_result") { Text = "paid" }]);
                return 7;
            },
            new() { Run = "r-1" }).WaitAsync(Long);
        Assert.Equal(7, answer);
        Deed? kept = null;
        await emitter.DeedAsync("tool.invocation", Pay, (deed, _) => Task.FromResult(kept = deed)).WaitAsync(Long);
        Assert.ThrowsAny<Exception>(() => kept!.Result([("receipt", "late")]));
        await emitter.ShutdownAsync();
        Assert.Equal(["intent", "ok", "intent", "ok"], sink.Phases);
        var (intent, result) = (sink.Taken.ElementAt(0), sink.Taken.ElementAt(1));
        Assert.Equal((here, here, "r-1"), (intent.Id, result.CausationId, result.RunId));
        Assert.Equal("x1", result.Data.GetProperty("receipt").GetString());
        Assert.False(result.Data.TryGetProperty("amount", out _));
        Assert.Equal("tool_result", result.Data.GetProperty("content")[0].GetProperty("class").GetString());
    }

    [Fact]
    public async Task The_next_process_is_told_what_is_unfinished()
    {
        var folder = Directory.CreateTempSubdirectory("sinkwell-").FullName;
        var config = Configurations.Map(
            ("agent", Configurations.Map(("id", "a1"))),
            ("heartbeat", "off"),
            ("journal", Configurations.Map(("dir", Path.Combine(folder, "journal")))),
            ("lanes", new object[]
            {
                Configurations.Map(
                    ("id", "out"),
                    ("durable", true),
                    ("sink", Configurations.Map(("file", Configurations.Map(("path", Path.Combine(folder, "out"))))))),
            }));
        var before = Emitter.Open(config);
        Assert.Empty(before.Unfinished());
        await before.DeedAsync("tool.invocation", Pay, (_, _) => Task.CompletedTask).WaitAsync(Long);
        string? cutOff = null;
        // What it would say of its end finds the emitter closed: for the next one that is a process that died meanwhile.
        await before.DeedAsync(
            "tool.invocation",
            Pay,
            async (deed, token) =>
            {
                cutOff = deed.Id;
                await before.ShutdownAsync(cancellationToken: token);
            }).WaitAsync(Long);
        await using (var after = Emitter.Open(config))
        {
            var deed = Assert.Single(after.Unfinished());
            Assert.Equal((cutOff, "dev.sinkwell.tool.invocation", "pay"), (deed.Id, deed.Type, deed.Tool));
            Assert.True(deed.Time > DateTimeOffset.UnixEpoch);
        }
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_deed_that_has_ended_and_an_act_without_a_task_are_errors_of_ours()
    {
        var sink = new Siem();
        await using var emitter = Emitter.Open(Required(), new() { Sinks = [sink] });
        Deed? kept = null;
        await emitter.DeedAsync("tool.invocation", Pay, (deed, _) =>
        {
            kept = deed;
            return Task.CompletedTask;
        }).WaitAsync(Long);
        var late = Assert.Throws<InvalidArgumentException>(() => kept!.Result([("late", 1)]));
        Assert.Contains("has ended", late.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidArgumentException>(() => kept!.Id);
        await Assert.ThrowsAsync<InvalidArgumentException>(() => emitter.DeedAsync("tool.invocation", Pay, (_, _) => null!));
        await Assert.ThrowsAsync<InvalidArgumentException>(() => emitter.DeedAsync<int>("tool.invocation", Pay, (_, _) => null!));
        await Assert.ThrowsAsync<InvalidArgumentException>(() => emitter.ToolAsync<int>("pay", () => null!));
    }

    [Fact]
    public async Task What_the_act_throws_comes_through_and_is_the_outcome()
    {
        var sink = new Siem();
        await using var emitter = Emitter.Open(Required(), new() { Sinks = [sink] });
        foreach (var thrown in (Exception[])[new IOException("secret words"), new TimeoutException("secret words"), new OperationCanceledException("secret words")])
        {
            foreach (var act in (Func<Deed, CancellationToken, Task>[])[(_, _) => throw thrown, async (_, _) => { await Task.Yield(); throw thrown; }])
            {
                var caught = await Record.ExceptionAsync(() => emitter.DeedAsync("tool.invocation", Pay, act));
                Assert.Same(thrown, caught);
            }
        }
        await emitter.ShutdownAsync();
        Assert.Equal(["error", "error", "timeout", "timeout", "cancelled", "cancelled"], sink.Phases.Where(static phase => phase != "intent"));
        Assert.Contains(sink.Taken, static e => e.Data.TryGetProperty("error.type", out var kind) && kind.GetString() == "System.IO.IOException");
        Assert.DoesNotContain(sink.Taken, static e => e.ToString().Contains("secret words", StringComparison.Ordinal));
    }

    [Fact]
    public async Task While_a_required_sink_is_down_no_act_runs()
    {
        var sink = new Siem();
        await using var emitter = Emitter.Open(Required(), new() { Sinks = [sink] });
        var ran = 0;
        Task Act(Deed deed, CancellationToken token) => Task.FromResult(ran++);
        await emitter.DeedAsync("tool.invocation", Pay, Act);
        emitter.Flush();
        sink.Down = true;
        var late = await Assert.ThrowsAsync<WaitTimeoutException>(
            () => emitter.DeedAsync("tool.invocation", Pay, Act, terms: new() { Timeout = TimeSpan.FromMilliseconds(50) }));
        Assert.Equal("siem", late.Where);
        Assert.Contains("the act did not run. health() says", late.Message, StringComparison.Ordinal);
        var down = await Assert.ThrowsAsync<RequiredSinkUnavailableException>(() => emitter.DeedAsync("tool.invocation", Pay, Act));
        Assert.Contains("siem", down.Message, StringComparison.Ordinal);
        Assert.Equal(1, ran);
        emitter.Shutdown(TimeSpan.FromMilliseconds(100));
    }

    [Fact]
    public async Task A_wait_that_is_cancelled_begins_no_act()
    {
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var opened = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var sink = new Siem
        {
            Hold = () =>
            {
                held.TrySetResult();
                return opened.Task;
            },
        };
        await using var emitter = Emitter.Open(Required(), new() { Sinks = [sink] });
        using var source = new CancellationTokenSource();
        static Task Never(Deed deed, CancellationToken token) => throw new InvalidOperationException("the act ran");
        var deed = emitter.DeedAsync("tool.invocation", Pay, Never, cancellationToken: source.Token);
        await held.Task.WaitAsync(Long);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => deed);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => emitter.DeedAsync("tool.invocation", Pay, Never, cancellationToken: source.Token));
        opened.SetResult();
        await emitter.ShutdownAsync();
        Assert.Equal(["intent", "refused"], sink.Phases);
    }

    [Fact]
    public async Task A_result_waits_for_room_and_a_manual_emitter_drains_what_a_deed_waits_for()
    {
        var sink = new Siem();
        await using var emitter = Emitter.Open(
            Required(("queue", Configurations.Map(("events", 1), ("terminal_reserve", 1)))), new() { Sinks = [sink], Manual = true });
        await emitter.DeedAsync("tool.invocation", Pay, (_, _) =>
        {
            Assert.Equal(["intent"], sink.Phases);
            return Task.CompletedTask;
        }).WaitAsync(Long);
        emitter.Drain("siem");
        var enqueued = new DeedTerms { Until = DeedUntil.Enqueued, Timeout = TimeSpan.FromMilliseconds(20) };
        var full = emitter.DeedAsync("tool.invocation", Pay, static (_, _) => Task.CompletedTask, terms: enqueued);
        await Assert.ThrowsAsync<BackpressureException>(
            () => emitter.DeedAsync("tool.invocation", Pay, static (_, _) => throw new InvalidOperationException("the act ran"), terms: enqueued));
        emitter.Drain("siem");
        await full.WaitAsync(Long);
        emitter.Drain("siem");
        Assert.Equal(["intent", "ok", "intent", "ok"], sink.Phases);
    }

    [Fact]
    public async Task A_deed_inside_a_sink_is_told_to_emit_instead()
    {
        Emitter? emitter = null;
        var told = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var sink = new Siem
        {
            Hold = async () => told.TrySetResult(
                await Record.ExceptionAsync(() => emitter!.DeedAsync("com.example.act", null, static (_, _) => Task.CompletedTask))),
        };
        await using var opened = emitter = Emitter.Open(Required(), new() { Sinks = [sink] });
        await emitter.DeedAsync("tool.invocation", Pay, static (_, _) => Task.CompletedTask).WaitAsync(Long);
        Assert.IsType<InvalidArgumentException>(await told.Task.WaitAsync(Long));
    }

    public static TheoryData<string> Cases => [.. Directory.EnumerateFiles(VectorFolder, "*.json").Select(static file => Path.GetFileNameWithoutExtension(file)!).Order(StringComparer.Ordinal)];

    private static string VectorFolder => Path.Combine(Project.Root, "tests", "vectors", "deeds");

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task The_vectors(string name)
    {
        var vector = JsonDocument.Parse(File.ReadAllText(Path.Combine(VectorFolder, name + ".json"))).RootElement;
        Only(vector, "name", "about", "config", "calls", "events");
        using var folder = new TemporaryFolder();
        var text = vector.GetProperty("config").GetRawText().Replace("{dir}", folder.Path, StringComparison.Ordinal);
        var configuration = (IEnumerable<KeyValuePair<string, object?>>)Plain.Value(JsonDocument.Parse(text).RootElement)!;
        var sink = new Siem();
        await using (var emitter = Emitter.Open(configuration, new() { Sinks = text.Contains("\"siem\"", StringComparison.Ordinal) ? [sink] : [] }))
        {
            foreach (var call in vector.GetProperty("calls").EnumerateArray())
            {
                Only(call, "emit", "error", "deed", "down", "unready");
                if (call.TryGetProperty("emit", out var emitted))
                {
                    Compare(call, await Record.ExceptionAsync(() => Task.Run(() => Plain.Emit(emitter, emitted))));
                }
                else if (call.TryGetProperty("deed", out var deed))
                {
                    await Act(emitter, deed);
                }
                else if (call.TryGetProperty("down", out _))
                {
                    sink.Down = true;
                }
                else
                {
                    var bound = Stopwatch.StartNew();
                    while (Record.Exception(emitter.EnsureReady) is null)
                    {
                        Assert.True(bound.Elapsed < Long);
                    }
                }
            }
            emitter.Shutdown(sink.Down ? TimeSpan.FromMilliseconds(500) : Long);
        }
        foreach (var lane in vector.GetProperty("events").EnumerateObject())
        {
            var got = File.ReadLines(folder.File(lane.Name))
                .Select(static line => JsonDocument.Parse(line).RootElement)
                .Where(static line => !line.TryGetProperty("origin", out _))
                .ToArray();
            Assert.Equal(lane.Value.GetArrayLength(), got.Length);
            foreach (var (event_, wanted) in got.Zip(lane.Value.EnumerateArray()))
            {
                Only(wanted, "type", "severity", "of", "data", "attributes");
                Assert.Equal(wanted.GetProperty("type").GetString(), event_.GetProperty("type").GetString());
                Assert.Equal(wanted.GetProperty("severity").GetString(), event_.GetProperty("severitytext").GetString());
                Assert.True(Same(event_.GetProperty("data"), wanted.GetProperty("data")), event_.ToString());
                var attributes = wanted.GetProperty("attributes").EnumerateObject().ToDictionary(static one => one.Name, static one => one.Value.GetString());
                if (wanted.TryGetProperty("of", out var of))
                {
                    attributes["causationid"] = got[of.GetInt32()].GetProperty("id").GetString();
                }
                foreach (var attribute in Attributes)
                {
                    Assert.Equal(
                        (attribute, attributes.GetValueOrDefault(attribute)),
                        (attribute, event_.TryGetProperty(attribute, out var value) ? value.GetString() : null));
                }
            }
        }
        Matrix.Record($"deeds/{name}");
    }

    private static readonly string[] Attributes =
    [
        "subject", "runid", "turnid", "attemptid", "agentid", "tenantid", "correlationid", "causationid", "childid", "traceparent",
        "tracestate",
    ];

    private static async Task Act(Emitter emitter, JsonElement call)
    {
        Only(call, "event", "until", "timeout_ms", "says", "ends", "error");
        var (type, data, options) = Plain.Event(call.GetProperty("event"));
        Exception? thrown = call.TryGetProperty("ends", out var ends)
            ? ends.GetString() switch
            {
                "error" => new IOException("raised"),
                "timeout" => new TimeoutException("raised"),
                _ => new OperationCanceledException("raised"),
            }
            : null;
        var ran = false;
        var terms = new DeedTerms
        {
            Until = call.TryGetProperty("until", out var until) ? until.GetString() : null,
            Timeout = call.TryGetProperty("timeout_ms", out var ms) ? TimeSpan.FromMilliseconds(ms.GetInt64()) : null,
        };
        var caught = await Record.ExceptionAsync(() => emitter.DeedAsync(
            type,
            data,
            (deed, _) =>
            {
                ran = true;
                foreach (var said in call.TryGetProperty("says", out var says) ? says.EnumerateArray() : default)
                {
                    Only(said, "data", "content", "error");
                    var parts = said.TryGetProperty("content", out var content) ? content.EnumerateArray().Select(Plain.Part).ToList() : null;
                    var words = (Dictionary<string, object?>)Plain.Value(said.GetProperty("data"))!;
                    Compare(said, Record.Exception(() => deed.Result(words, parts)));
                }
                return thrown is null ? Task.CompletedTask : throw thrown;
            },
            options,
            terms));
        if (thrown is null)
        {
            Compare(call, caught);
        }
        else
        {
            Assert.Same(thrown, caught);
        }
        Assert.Equal(!call.TryGetProperty("error", out _), ran);
    }

    private static void Compare(JsonElement step, Exception? came)
    {
        if (!step.TryGetProperty("error", out var wanted))
        {
            Assert.Null(came);
            return;
        }
        Only(wanted, "kind", "where", "message");
        var error = Assert.IsAssignableFrom<SinkwellException>(came);
        Assert.Equal(wanted.GetProperty("kind").GetString(), error.Kind);
        if (wanted.GetProperty("where").GetString() is { } where && where != "*")
        {
            Assert.Equal(where, error.Where);
        }
        if (wanted.TryGetProperty("message", out var message))
        {
            Assert.Contains(message.GetString()!, error.Message, StringComparison.Ordinal);
        }
    }

    private static void Only(JsonElement element, params string[] known) =>
        Assert.All(element.EnumerateObject(), member => Assert.Contains(member.Name, known));

    /// <summary><c>"*"</c> stands for anything that is there.</summary>
    private static bool Same(JsonElement got, JsonElement wanted) => wanted.ValueKind switch
    {
        JsonValueKind.String when wanted.GetString() == "*" => true,
        JsonValueKind.Object => got.ValueKind == JsonValueKind.Object
            && got.EnumerateObject().Count() == wanted.EnumerateObject().Count()
            && wanted.EnumerateObject().All(member => got.TryGetProperty(member.Name, out var value) && Same(value, member.Value)),
        JsonValueKind.Array => got.ValueKind == JsonValueKind.Array
            && got.GetArrayLength() == wanted.GetArrayLength()
            && got.EnumerateArray().Zip(wanted.EnumerateArray()).All(static pair => Same(pair.First, pair.Second)),
        JsonValueKind.Number => got.ValueKind == JsonValueKind.Number && got.GetDouble().Equals(wanted.GetDouble()),
        _ => got.ToString() == wanted.ToString() && got.ValueKind == wanted.ValueKind,
    };

    /// <summary>A sink that is down when it is told so.</summary>
    [Fact]
    public async Task A_step_is_a_deed_and_over_however_it_ends()
    {
        var sink = new Siem();
        await using var emitter = Emitter.Open(Required(), new() { Sinks = [sink] });
        Dictionary<string, object?> Step(string id) => Configurations.Map(
            ("id", id), ("name", "pay"), ("run", "r-1"), ("input", Configurations.Map(("to", "secret words"))), ("parent", null));
        Assert.Equal(7, await emitter.DeedOfStepAsync(Step("t-1"), (call, _) =>
        {
            Assert.Equal(["intent"], sink.Phases);
            Assert.Equal(("r-1", call.Id), (SinkwellContext.Current?.RunId, SinkwellContext.Current?.Causation));
            call.Ended(Configurations.Map(("output", "secret words"), ("content", new[] { new Part("message") { Text = "secret words" } })));
            return Task.FromResult(7);
        }));
        Assert.Null(SinkwellContext.Current);
        // It says itself that somebody refused it, which was told elsewhere.
        await emitter.DeedOfStepAsync(Step("t-2"), (call, _) =>
        {
            call.Refused();
            return Task.FromResult(true);
        });
        await Assert.ThrowsAsync<OperationCanceledException>(() => emitter.DeedOfStepAsync<bool>(
            Step("t-3"), static (_, _) => throw new OperationCanceledException("secret words")));
        // Words that are too large for an event are no reason to refuse a call.
        var large = Step("t-4");
        large["content"] = Enumerable.Range(0, 100).Select(static _ => new Part("message") { Text = new string('x', 100_000), Permit = "raw" }).ToArray();
        await emitter.DeedOfStepAsync(large, static (_, _) => Task.FromResult(true));
        await Assert.ThrowsAsync<InvalidArgumentException>(() => emitter.DeedOfStepAsync(
            Configurations.Map(("kind", "model"), ("id", "m-1")), static (_, _) => Task.FromResult(true)));
        Assert.Equal(1, emitter.EmitStep(Configurations.Map(("kind", "tool"), ("id", "t-5"), ("name", "look"), ("start_unix_nano", "1"), ("end_unix_nano", "2"), ("parent", null))));
        await emitter.ShutdownAsync();
        Assert.Equal(["intent", "ok", "intent", "denied", "intent", "cancelled", "intent", "ok", "ok"], sink.Phases);
        // The arguments, and a hundred parts more.
        Assert.Equal(101, sink.Taken.ElementAt(6).Data.GetProperty("content_left_out").GetInt32());
        var (intent, result) = (sink.Taken.ElementAt(0), sink.Taken.ElementAt(1));
        Assert.Equal(("t-1", "t-1", "r-1"), (intent.Id, result.CausationId, result.RunId));
        Assert.Equal(
            ["tool_result", "message"],
            result.Data.GetProperty("content").EnumerateArray().Select(static part => part.GetProperty("class").GetString()));
        Assert.DoesNotContain(sink.Taken, static e => e.ToString().Contains("secret words", StringComparison.Ordinal));
    }

    private sealed class Siem : IGovernanceEventSink
    {
        internal ConcurrentQueue<SignedGovernanceEvent> Taken { get; } = [];

        internal volatile bool Down;

        internal Func<Task>? Hold { get; init; }

        public string Name => "siem";

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Siem };

        internal IEnumerable<string> Phases => Taken.Select(static e =>
            e.Data.TryGetProperty("outcome", out var outcome) ? outcome.GetString()! : e.Data.GetProperty("phase").GetString()!);

        public async Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default)
        {
            if (envelope.IsOwn)
            {
                if (Down)
                {
                    throw new IOException("away");
                }
                return;
            }
            if (Hold is not null && envelope.Data.GetProperty("phase").GetString() == "intent")
            {
                await Hold();
            }
            if (Down)
            {
                throw new IOException("away");
            }
            Taken.Enqueue(envelope);
        }
    }
}
