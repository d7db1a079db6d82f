using System.Text.Json;
using Microsoft.Extensions.AI;
using Sinkwell.Tests;
using static Sinkwell.Tests.Configurations;

namespace Sinkwell.Extensions.AI.Tests;

/// <summary>
/// The scripted run of the integrations (tests/vectors/scripted): two agents, three tools of which one fails and one is denied,
/// streamed model output, usage.
/// </summary>
public sealed class WatchTests
{
    private static readonly JsonElement Script = JsonDocument.Parse(
        File.ReadAllText(Path.Combine(Project.Root, "tests", "vectors", "scripted", "run.json"))).RootElement;

    [Theory]
    [InlineData("by hand")]
    [InlineData("function invocation")]
    [InlineData("function invocation, streamed")]
    public async Task The_scripted_run_gives_the_same_graph(string how)
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("out");
        var ran = new List<string>();
        await using (var emitter = Emitter.Open(ToFile(path)))
        {
            using var watch = new Watch(emitter, "raw");
            Assert.Equal("MARKER", await Scripted(watch, ran, how));
        }
        Assert.Equal(["look", "charge"], ran);
        var events = Events(path);
        // It has no handoffs: the program's own code runs one agent after the other.
        var wanted = Script.GetProperty("graph").EnumerateArray()
            .Select(static one => one.EnumerateArray().Select(static said => said.GetString()).ToArray())
            .Where(static one => one[0] != "handoff")
            .Select(static one => one[0]!.StartsWith("run.", StringComparison.Ordinal) ? one[..3] : one);
        Assert.Equal(wanted.Select(Line), Graph(events).Select(Line));

        var intents = events.Where(static one => Phase(one) == "intent").Select(static one => Text(one, "id"));
        var results = events.Where(static one => Phase(one) == "result").Select(static one => Text(one, "causationid"));
        Assert.Equal(intents, results);
        var states = events.Where(static one => Text(one, "type")!.EndsWith("coverage", StringComparison.Ordinal)).Select(static one => Data(one));
        Assert.Equal(
            [("microsoft_extensions_ai", "10.11.0", "watching"), ("microsoft_extensions_ai", "10.11.0", "stopped")],
            states.Select(static data => (Text(data, "seam"), Text(data, "version"), Text(data, "state"))!));
    }

    [Fact]
    public async Task Where_the_policy_lets_them_the_words_go_as_parts()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("out");
        string[] classes = ["prompt", "completion", "tool_arguments", "tool_result"];
        var configuration = ToFile(path, ("content", Map(("mode", "raw"), ("classes", classes))));
        configuration["governance"] = Map(("version", "1"), ("content", Map(
            ("mode", "raw"),
            ("retention", Map(("class", "short"), ("window", "30d"))),
            ("limits", Map(("bytes", "64KiB"))),
            ("sampling", Map(("key", "run"), ("rate", Map(("numerator", 1), ("denominator", 1))))),
            ("redaction", Map(("id", "none"), ("detectors", new[] { "card" }))))));
        await using (var emitter = Emitter.Open(configuration))
        {
            using var watch = new Watch(emitter, Permit.Raw);
            await Scripted(watch, []);
        }
        var shown = new SortedSet<string>();
        foreach (var one in Events(path, "MARKER"))
        {
            if (!Data(one).TryGetProperty("disclosures", out var disclosures))
            {
                Assert.DoesNotContain("MARKER", one.GetRawText(), StringComparison.Ordinal);
                continue;
            }
            foreach (var disclosed in disclosures.EnumerateArray().Where(static each => each.GetRawText().Contains("MARKER", StringComparison.Ordinal)))
            {
                shown.Add(Text(Data(one).GetProperty("content")[disclosed.GetProperty("part").GetInt32()], "class")!);
            }
        }
        Assert.Equal(classes.Order(StringComparer.Ordinal), shown);
    }

    [Fact]
    public async Task While_a_required_sink_is_down_no_tool_runs()
    {
        using var folder = new TemporaryFolder();
        var siem = new Siem();
        var configuration = ToFile(folder.File("out"));
        configuration["governance"] = Map(("version", "1"), ("requires_sink", "siem"));
        configuration["lanes"] = new[] { ((object[])configuration["lanes"]!)[0], Map(
            ("id", "siem"),
            ("classes", new[] { "siem" }),
            ("sink", Map(("host", "siem"))),
            ("retry", Map(("initial", "1h"), ("cap", "1h"))),
            ("breaker", Map(("failures", 1)))) };
        await using var emitter = Emitter.Open(configuration, new() { Sinks = [siem] });
        siem.IsDown = true;
        emitter.Emit("com.example.lost");
        while (Record.Exception(emitter.EnsureReady) is null)
        {
            await Task.Yield();
        }
        using var watch = new Watch(emitter);
        var ran = new List<string>();
        var refused = await Assert.ThrowsAsync<RequiredSinkUnavailableException>(() => Scripted(watch, ran));
        Assert.Contains("siem", refused.Message, StringComparison.Ordinal);
        Assert.Contains("mend the sink", refused.Message, StringComparison.Ordinal);
        Assert.Empty(ran);
        await emitter.ShutdownAsync(TimeSpan.FromMilliseconds(100));
    }

    [Fact]
    public async Task Streamed_output_is_not_held_back_and_who_reads_no_further_is_told()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("out");
        await using (var emitter = Emitter.Open(ToFile(path)))
        {
            using var watch = new Watch(emitter, Permit.Raw);
            var gate = new TaskCompletionSource();
            using var client = watch.Client(new Model([new TextContent("one"), new TextContent("two")]) { Between = gate.Task });
            var pieces = new List<string>();
            await foreach (var update in client.GetStreamingResponseAsync([new(ChatRole.User, "MARKER")]))
            {
                pieces.Add(update.Text);
                // The model goes on only once its reader has the first piece.
                gate.TrySetResult();
            }
            Assert.Equal("onetwo", string.Concat(pieces));
            await foreach (var _ in watch.Client(new Model([new TextContent("one"), new TextContent("two")])).GetStreamingResponseAsync([]))
            {
                break;
            }
        }
        var usages = Events(path).Where(static one => Text(one, "type") == "dev.sinkwell.model.usage").Select(Data).ToArray();
        Assert.Equal(15, usages[0].GetProperty("total_tokens").GetInt64());
        Assert.False(usages[1].TryGetProperty("total_tokens", out var _));
    }

    [Fact]
    public async Task What_is_emitted_inside_belongs_to_its_call_and_its_run()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("out");
        await using (var emitter = Emitter.Open(ToFile(path)))
        {
            var watch = new Watch(emitter);
            var act = watch.Function(AIFunctionFactory.Create(
                async () =>
                {
                    await Task.Yield();
                    emitter.Emit("com.example.inside");
                    return await watch.RunAsync("expert", () => Task.FromResult("known"));
                },
                "ask"));
            // Twice watched is once.
            Assert.Same(act, watch.Function(act));
            await watch.RunAsync("shop", async () =>
            {
                emitter.Emit("com.example.own");
                return await act.InvokeAsync();
            });
            watch.Dispose();
            await act.InvokeAsync();
        }
        var events = Events(path);
        JsonElement Of(string type) => events.First(one => Text(one, "type") == type);
        var intent = events.Single(static one => Phase(one) == "intent");
        Assert.Equal((Text(intent, "id"), Text(intent, "runid")), (Text(Of("com.example.inside"), "causationid"), Text(Of("com.example.inside"), "runid")));
        Assert.Equal(Text(intent, "runid"), Text(Of("com.example.own"), "runid"));
        var expert = events.Where(static one => Text(one, "type") == "dev.sinkwell.run.started").ElementAt(1);
        Assert.Equal((Text(intent, "id"), Text(intent, "runid")), (Text(expert, "causationid"), Text(Data(expert), "parent_run")));
    }

    [Fact]
    public async Task The_example_runs_offline()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("out");
        Assert.Equal("paid 3", await Examples.ExtensionsAI.Run(path));
        Assert.Equal(["intent", "result"], Events(path).Select(Phase).OfType<string>());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_call_that_waits_for_approval_is_a_decision_and_so_is_the_answer(bool streamed)
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("out");
        var ran = new List<string>();
        await using (var emitter = Emitter.Open(ToFile(path)))
        {
            using var watch = new Watch(emitter, Permit.Raw);
            var look = AIFunctionFactory.Create((string q) => { ran.Add("look"); return q; }, "look");
            var pay = new ApprovalRequiredAIFunction(AIFunctionFactory.Create((string q) => { ran.Add("pay"); return q; }, "pay"));
            var options = new ChatOptions { Tools = watch.Tools([look, pay]) };
            foreach (var approved in new[] { true, false })
            {
                using var client = watch.Approvals(new FunctionInvoking(watch.Client(new Model([Call("look", "c1"), Call("pay", "c2")], [new TextContent("done")]) { IsWhole = !streamed })));
                List<ChatMessage> history = [new(ChatRole.User, "MARKER")];
                history.AddRange((await watch.RunAsync("shop", () => Asked(client, history, options, streamed))).Messages);
                // The call beside it waits, too, and needs nobody.
                var requests = history.SelectMany(static one => one.Contents).OfType<ToolApprovalRequestContent>().ToArray();
                Assert.Equal(["c1", "c2"], requests.Select(static one => one.RequestId));
                history.Add(new ChatMessage(ChatRole.User, [.. requests.Select(one => one.CreateResponse(approved || one.RequestId == "c1"))]));
                Assert.Equal("done", (await watch.RunAsync("shop", () => Asked(client, history, options, streamed))).Text);
            }
        }
        Assert.Equal(["look", "pay", "look"], ran);
        var told = Graph(Events(path)).Where(static one => !one[0]!.StartsWith("run.", StringComparison.Ordinal) && one[0] != "model.usage");
        Assert.Equal(
            [
                "decision shop ask pay", "decision shop allow pay", "tool shop look ok", "tool shop pay ok",
                "decision shop ask pay", "decision shop deny pay", "tool shop pay denied", "tool shop look ok",
            ],
            told.Select(Line));
    }

    [Theory]
    [InlineData("late", "timeout", "completed")]
    [InlineData("cancelled", "cancelled", "cancelled")]
    public async Task A_call_that_is_cut_off_has_ended_so(string how, string outcome, string end)
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("out");
        using var cancel = new CancellationTokenSource();
        await using (var emitter = Emitter.Open(ToFile(path)))
        {
            using var watch = new Watch(emitter);
            var act = AIFunctionFactory.Create(
                async (CancellationToken token) =>
                {
                    if (how == "late")
                    {
                        throw new TimeoutException();
                    }
                    await cancel.CancelAsync();
                    await Task.Delay(Timeout.Infinite, token);
                },
                "act");
            using var client = new FunctionInvoking(watch.Client(new Model([Call("act", "c")], [new TextContent("done")])));
            var options = new ChatOptions { Tools = watch.Tools([act]) };
            // A run that returns nothing.
            var failure = await Record.ExceptionAsync(() => watch.RunAsync(
                "shop", async () => { await Asked(client, [new(ChatRole.User, "x")], options, streamed: true, cancel.Token); }));
            Assert.Equal(how == "cancelled", failure is OperationCanceledException);
        }
        var events = Events(path);
        Assert.Equal(outcome, Text(Data(events.Single(static one => Phase(one) == "result")), "outcome"));
        Assert.Equal(end, events.Select(static one => Text(Data(one), "terminal_status")).OfType<string>().Single());
    }

    private static FunctionCallContent Call(string name, string id) => new(id, name, new Dictionary<string, object?> { ["q"] = "MARKER" });

    private static async Task<ChatResponse> Asked(
        IChatClient client, List<ChatMessage> history, ChatOptions options, bool streamed, CancellationToken cancellationToken = default) => streamed
        ? await client.GetStreamingResponseAsync(history, options, cancellationToken).ToChatResponseAsync(cancellationToken)
        : await client.GetResponseAsync(history, options, cancellationToken);

    /// <summary>Two agents, one after the other, in a run.</summary>
    private static async Task<string> Scripted(Watch watch, List<string> ran, string how = "by hand")
    {
        var look = AIFunctionFactory.Create((string q) => { ran.Add("look"); return q; }, "look");
        var charge = AIFunctionFactory.Create(string (string q) => { ran.Add("charge"); throw new InvalidOperationException(q); }, "charge");
        var pay = AIFunctionFactory.Create(string (string q) => throw new PolicyDenied(q), "pay");
        return await watch.RunAsync("shop", async () =>
        {
            await Agent(watch, "triage", [Call("look", "c1"), new TextContent("MARKER")], [look], how);
            return await Agent(watch, "refunds", [Call("charge", "c2"), Call("pay", "c3"), new TextContent("MARKER")], [charge, pay], how);
        });
    }

    /// <summary>A model, streamed, and its tools, until it is done.</summary>
    private static Task<string> Agent(Watch watch, string name, AIContent[] script, AIFunction[] tools, string how) => watch.RunAsync(name, async () =>
    {
        if (how != "by hand")
        {
            var streamed = how.EndsWith("streamed", StringComparison.Ordinal);
            using var model = new Model([.. script.Select(static one => new[] { one })]) { IsWhole = !streamed };
            using var invoking = new FunctionInvoking(watch.Client(model));
            return (await Asked(invoking, [new(ChatRole.User, "MARKER")], new ChatOptions { Tools = watch.Tools(tools) }, streamed)).Text;
        }
        var watched = watch.Tools(tools).OfType<AIFunction>().ToArray();
        List<ChatMessage> history = [new(ChatRole.User, "MARKER")];
        for (var i = 0; ; i++)
        {
            using var client = watch.Client(new Model([script[i]]));
            var response = await client.GetStreamingResponseAsync(history).ToChatResponseAsync();
            history.AddRange(response.Messages);
            if (script[i] is not FunctionCallContent call)
            {
                return response.Text;
            }
            object? result;
            try
            {
                result = await watched.Single(one => one.Name == call.Name).InvokeAsync(new AIFunctionArguments(call.Arguments));
            }
            catch (Exception e) when (e is InvalidOperationException or PolicyDenied)
            {
                result = e.Message;
            }
            history.Add(new ChatMessage(ChatRole.Tool, [new FunctionResultContent(call.CallId, result)]));
        }
    });

    /// <summary>Says, each time it is asked, the next of what it is to say, with the same usage.</summary>
    private sealed class Model(params AIContent[][] answers) : IChatClient
    {
        private readonly Queue<AIContent[]> _answers = new(answers);

        internal Task Between { get; init; } = Task.CompletedTask;

        /// <summary>Whether it answers as a whole, and does not stream.</summary>
        internal bool IsWhole { get; init; }

        public async Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            Assert.True(IsWhole);
            List<ChatResponseUpdate> updates = [];
            await foreach (var update in Streamed())
            {
                updates.Add(update);
            }
            return updates.ToChatResponse();
        }

        public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            Assert.False(IsWhole);
            return Streamed();
        }

        private async IAsyncEnumerable<ChatResponseUpdate> Streamed()
        {
            foreach (var content in _answers.Dequeue())
            {
                yield return new ChatResponseUpdate(ChatRole.Assistant, [content]);
                await Between;
            }
            yield return new ChatResponseUpdate(ChatRole.Assistant, [new UsageContent(new UsageDetails
            {
                InputTokenCount = 12,
                OutputTokenCount = 3,
                CachedInputTokenCount = 4,
                ReasoningTokenCount = 2,
            })]);
        }

        public object? GetService(Type serviceType, object? serviceKey = null) =>
            serviceType == typeof(ChatClientMetadata) ? new ChatClientMetadata("example", null, "small") : null;

        public void Dispose()
        {
        }
    }

    private sealed class Siem : IGovernanceEventSink
    {
        internal volatile bool IsDown;

        public string Name => "siem";

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Siem };

        public Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default) =>
            IsDown ? Task.FromException(new IOException("away")) : Task.CompletedTask;
    }

    private static Dictionary<string, object?> ToFile(string path, params (string Key, object? Value)[] more) => Map(
        ("agent", Map(("id", "urn:example:agent"))),
        ("heartbeat", "off"),
        ("lanes", new object[] { Map([("id", "out"), ("sink", Map(("file", Map(("path", path))))), .. more]) }));

    private static List<JsonElement> Events(string path, string? marker = null)
    {
        var text = File.ReadAllText(path);
        if (marker is null)
        {
            Assert.DoesNotContain("MARKER", text, StringComparison.Ordinal);
        }
        return text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(static line => JsonDocument.Parse(line).RootElement)
            .Where(static one => !one.TryGetProperty("origin", out _))
            .ToList();
    }

    private static JsonElement Data(JsonElement one) => one.GetProperty("data");

    private static string? Phase(JsonElement one) => Text(Data(one), "phase");

    private static string? Text(JsonElement of, string name) => of.TryGetProperty(name, out var member) ? member.GetString() : null;

    private static string Line(string?[] one) => string.Join(' ', one.Select(static said => said ?? "-"));

    /// <summary>What the events say, by the names of runs.</summary>
    private static List<string?[]> Graph(List<JsonElement> events)
    {
        var names = new Dictionary<string, string>();
        string? Name(string? id) => id is not null && names.TryGetValue(id, out var name) ? name : id;
        var found = new List<string?[]>();
        foreach (var one in events)
        {
            var data = Data(one);
            var kind = Text(one, "type")!.Replace("dev.sinkwell.", "", StringComparison.Ordinal);
            if (kind == "run.started")
            {
                names[Text(one, "runid")!] = Text(data, "gen_ai.agent.name")!;
            }
            var run = Name(Text(one, "runid"));
            switch (kind)
            {
                case "run.started" or "run.completed" or "run.failed":
                    found.Add([kind, run, Name(Text(data, "parent_run"))]);
                    break;
                case "model.usage":
                    var same = Script.GetProperty("usage").EnumerateObject()
                        .All(member => data.GetProperty(member.Name).GetInt64() == member.Value.GetInt64());
                    found.Add([kind, run, same ? "usage" : "other usage"]);
                    break;
                case "tool.invocation" when Phase(one) != "intent":
                    found.Add(["tool", run, Text(data, "tool"), Text(data, "outcome")]);
                    break;
                case "policy.decision":
                    found.Add(["decision", run, Text(data, "decision"), Text(one, "subject")!.Replace("tool:", "", StringComparison.Ordinal)]);
                    break;
            }
        }
        return found;
    }
}

/// <summary>As a program's own policy refuses a call.</summary>
internal sealed class PolicyDenied(string message) : Exception(message);
