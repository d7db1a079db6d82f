using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Sinkwell.Tests;

/// <summary>The conformance vectors, through the public API. Unknown fields fail, and so do no cases.</summary>
/// <remarks>What ran and what was left out, and why, is written down for the matrix (tests/vectors/matrix.py).</remarks>
public sealed class Vectors
{
    private static readonly string Folder = Path.Combine(Project.Root, "tests", "vectors");

    public static TheoryData<string> Verification => Files("verify");

    public static TheoryData<string> Emission => Files("emit");

    public static TheoryData<string> Policies => Files("policy");

    public static TheoryData<string> Decisions => Files("content");

    public static TheoryData<string> Documents => Files("config");

    public static TheoryData<string> Canonicals => Files("canonical");

    public static TheoryData<string> SpanFiles => Files("spans");

    public static TheoryData<string> Seals => Files("seal");

    [Theory]
    [MemberData(nameof(Seals))]
    public void Seal(string name)
    {
        var vector = Read("seal", name, "name", "about", "keys", "cases");
        using var folder = new TemporaryFolder();
        var keys = vector.GetProperty("keys").EnumerateArray().ToDictionary(static key => key.GetProperty("id").GetString()!, static key => Key(key, null));
        var nobody = new Dictionary<string, TrustedKey>();
        Assert.NotEqual(0, vector.GetProperty("cases").GetArrayLength());
        foreach (var (i, one) in Indexed(vector.GetProperty("cases")))
        {
            Only(one, "name", "line", "event", "place", "digest", "hash", "signature");
            var about = one.GetProperty("name").GetString()!;
            var wanted = one.GetProperty("signature").GetString();
            var path = folder.File($"{i}.ndjson");
            File.WriteAllText(path, one.GetProperty("line").GetString() + "\n");
            JsonElement Stream(Dictionary<string, TrustedKey> trusted) =>
                Verifier.Verify([path], trusted, new VerificationOptions { Partial = true }).Json.GetProperty("streams")[0];
            var hashed = Stream(nobody).TryGetProperty("head", out var head);
            // A signature that is not even base64 is wrong without a key.
            Assert.True(hashed ? head.GetString() == one.GetProperty("hash").GetString() : wanted == "wrong", about);
            var kinds = Stream(keys).GetProperty("findings").EnumerateArray()
                .Select(static finding => finding.GetProperty("kind").GetString()).ToHashSet();
            var said = kinds.Contains("unsigned") ? "none" : kinds.Overlaps(["altered", "unknown_key"]) ? "wrong" : "good";
            Assert.Equal((about, wanted), (about, said));
            Matrix.Record($"seal/{name}/{i}");
        }
    }

    [Theory]
    [MemberData(nameof(SpanFiles))]
    public void Spans(string name)
    {
        var cases = Read("spans", name, "name", "about", "cases").GetProperty("cases");
        Assert.NotEqual(0, cases.GetArrayLength());
        var i = 0;
        foreach (var one in cases.EnumerateArray())
        {
            Matrix.Record($"spans/{name}/{i++}");
            Only(one, "name", "span", "events", "error");
            var about = one.GetProperty("name").GetString()!;
            var span = Encoding.UTF8.GetBytes(one.GetProperty("span").GetRawText());
            if (one.TryGetProperty("error", out var wanted))
            {
                var refused = Assert.ThrowsAny<SinkwellException>(() => { SpanEvents.Of(span); });
                Assert.Equal(
                    (about, wanted.GetProperty("kind").GetString(), wanted.GetProperty("where").GetString()),
                    (about, refused.Kind, refused.Where));
                continue;
            }
            AssertJson(one.GetProperty("events"), SpanEvents.Of(span), about);
        }
    }

    public static TheoryData<string> HostSinkFiles => Files("host-sinks");

    [Theory]
    [MemberData(nameof(HostSinkFiles))]
    public void HostSinks(string name)
    {
        var file = Read("host-sinks", name, "name", "about", "config", "events", "cases");
        Assert.NotEqual(0, file.GetProperty("cases").GetArrayLength());
        var i = 0;
        foreach (var one in file.GetProperty("cases").EnumerateArray())
        {
            Only(one, "name", "form", "rules", "how", "first", "timeout_ms", "counters");
            var id = $"host-sinks/{name}/{i++}";
            if (one.GetRawText().Contains("\"nonsense\"", StringComparison.Ordinal))
            {
                Matrix.Record(id, ".NET's types let nothing through that is no answer");
                continue;
            }
            Matrix.Record(id);
            IGovernanceEventSink sink = one.GetProperty("form").GetString() == "batch" ? new ScriptedBatch(one) : new Scripted(one);
            var emitter = Emitter.Open(file.GetProperty("config"), new EmitterOptions { Sinks = [sink] });
            for (var n = 0; n < file.GetProperty("events").GetInt32(); n++)
            {
                emitter.Put("com.example.n", (Attr[])[("n", n)]);
            }
            emitter.Flush(TimeSpan.FromMilliseconds(one.GetProperty("timeout_ms").GetInt32()));
            var counters = emitter.Counters()["scripted"];
            var got = new Dictionary<string, long>
            {
                ["admitted"] = counters.Admitted,
                ["delivered"] = counters.Delivered,
                ["rejected"] = counters.Rejected,
                ["dropped"] = counters.Dropped,
                ["pending"] = counters.Pending,
            };
            Assert.All(one.GetProperty("counters").EnumerateObject(), counter =>
                Assert.Equal((one.GetProperty("name").GetString(), counter.Name, counter.Value.GetInt64()), (one.GetProperty("name").GetString(), counter.Name, got[counter.Name])));
            emitter.Shutdown(TimeSpan.FromMilliseconds(1));
        }
    }

    /// <summary>A sink that answers by a script.</summary>
    private class Scripted(JsonElement script) : IGovernanceEventSink
    {
        private readonly Dictionary<int, string[]> _rules = script.GetProperty("rules").EnumerateArray().ToDictionary(
            static rule => rule.GetProperty("event").GetInt32(),
            static rule => rule.GetProperty("answers").EnumerateArray().Select(static word => word.GetString()!).ToArray());

        private readonly Dictionary<int, int> _given = [];

        public string Name => "scripted";

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Debug };

        public Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default) =>
            Says(envelope) is { } failure ? Task.FromException(failure) : Task.CompletedTask;

        protected Exception? Says(SignedGovernanceEvent envelope)
        {
            if (envelope.IsOwn || !_rules.TryGetValue(envelope.Data.GetProperty("n").GetInt32(), out var words))
            {
                return null;
            }
            var n = envelope.Data.GetProperty("n").GetInt32();
            var times = _given.GetValueOrDefault(n);
            _given[n] = times + 1;
            return words[Math.Min(times, words.Length - 1)] switch
            {
                "refuse" => new RejectedException("no"),
                "uncertain" => new UncertainException("who knows"),
                "retry" => new IOException("away"),
                _ => null,
            };
        }
    }

    private sealed class ScriptedBatch(JsonElement script) : Scripted(script), IBatchGovernanceEventSink
    {
        private readonly bool _raises = script.GetProperty("how").GetString() == "raise";
        private string? _first = script.TryGetProperty("first", out var first) ? first.GetString() : null;

        public Task<IReadOnlyList<Exception?>?> EmitBatchAsync(
            IReadOnlyList<SignedGovernanceEvent> events, CancellationToken cancellationToken = default)
        {
            List<Exception?> answers = [.. events.Select(Says)];
            if (_first is { } once && events.Any(static one => !one.IsOwn))
            {
                _first = null;
                answers = once == "short" ? answers[1..] : [.. answers, null];
            }
            else if (_raises && answers.Find(static answer => answer is not null) is { } raised)
            {
                throw raised;
            }
            return Task.FromResult<IReadOnlyList<Exception?>?>(answers);
        }
    }

    public static TheoryData<string> LogFiles => Files("logs");

    [Theory]
    [MemberData(nameof(LogFiles))]
    public void Logs(string name)
    {
        var cases = Read("logs", name, "name", "about", "cases").GetProperty("cases");
        Assert.NotEqual(0, cases.GetArrayLength());
        var i = 0;
        foreach (var one in cases.EnumerateArray())
        {
            Matrix.Record($"logs/{name}/{i++}");
            Only(one, "name", "record", "event");
            var given = one.GetProperty("record");
            // What is no object at all has no form of .NET's that the call takes: it goes as JSON.
            var got = Plain.Marked(given) is Dictionary<string, object?> record
                ? LogRecords.EventOf(record)
                : LogRecords.EventOf(Encoding.UTF8.GetBytes(given.GetRawText()));
            AssertJson(one.GetProperty("event"), got, one.GetProperty("name").GetString()!);
        }
    }

    public static TheoryData<string> StepFiles => Files("steps");

    [Theory]
    [MemberData(nameof(StepFiles))]
    public async Task Steps(string name)
    {
        var cases = Read("steps", name, "name", "about", "cases").GetProperty("cases");
        Assert.NotEqual(0, cases.GetArrayLength());
        var i = -1;
        foreach (var one in cases.EnumerateArray())
        {
            i++;
            Only(one, "name", "calls", "events");
            var calls = one.GetProperty("calls").EnumerateArray().ToArray();
            var deeds = new Dictionary<string, (TaskCompletionSource<JsonElement> End, Task Over)>();
            Matrix.Record($"steps/{name}/{i}");
            using var folder = new TemporaryFolder();
            var path = folder.File("events");
            await using (var emitter = Emitter.Open(Configurations.Map(
                ("agent", Configurations.Map(("id", "urn:example:agent"))),
                ("heartbeat", "off"),
                ("lanes", new object[] { Configurations.Map(("id", "out"), ("sink", Configurations.Map(("file", Configurations.Map(("path", path)))))) }))))
            {
                foreach (var call in calls)
                {
                    Only(call, "emit", "begin", "end", "error");
                    var refusal = call.TryGetProperty("error", out var wanted) ? wanted : default(JsonElement?);
                    if (call.TryGetProperty("end", out var end))
                    {
                        var (ending, over) = deeds[end.GetProperty("id").GetString()!];
                        ending.SetResult(end);
                        await over;
                    }
                    else if (call.TryGetProperty("begin", out var begin))
                    {
                        if (refusal is { } expected)
                        {
                            Same(expected, await Assert.ThrowsAnyAsync<SinkwellException>(
                                () => emitter.DeedOfStepAsync(Members(begin), static (_, _) => Task.FromResult(true))));
                            continue;
                        }
                        deeds[begin.GetProperty("id").GetString()!] = await Begin(emitter, begin);
                    }
                    else
                    {
                        var step = Encoding.UTF8.GetBytes(call.GetProperty("emit").GetRawText());
                        if (refusal is { } expected)
                        {
                            Same(expected, Assert.ThrowsAny<SinkwellException>(() => emitter.EmitStep(step)));
                        }
                        else
                        {
                            emitter.EmitStep(step);
                        }
                    }
                }
            }
            var told = File.ReadLines(path).Select(static line => JsonNode.Parse(line)!.AsObject())
                .Where(static sealedEvent => !sealedEvent.ContainsKey("origin")).Select(Told).ToArray();
            AssertJson(one.GetProperty("events"), JsonSerializer.SerializeToElement(new JsonArray(told)), one.GetProperty("name").GetString()!);
        }
    }

    /// <summary>Begins a deed of a step that ends as it is told later.</summary>
    private static async Task<(TaskCompletionSource<JsonElement> End, Task Over)> Begin(Emitter emitter, JsonElement begin)
    {
        var (began, end) = (new TaskCompletionSource(), new TaskCompletionSource<JsonElement>());
        var over = emitter.DeedOfStepAsync(Members(begin), async (call, _) =>
        {
            began.SetResult();
            call.Ended(Members(await end.Task));
            return true;
        });
        await Task.WhenAny(began.Task, over);
        Assert.True(began.Task.IsCompleted, over.Exception?.Message);
        return (end, over);
    }

    private static IEnumerable<KeyValuePair<string, object?>> Members(JsonElement step) =>
        step.EnumerateObject().Select(static member => KeyValuePair.Create(
            member.Name, member.Value.ValueKind == JsonValueKind.String ? member.Value.GetString() : (object?)member.Value));

    private static void Same(JsonElement wanted, SinkwellException error)
    {
        Assert.Equal(wanted.GetProperty("kind").GetString(), error.Kind);
        Assert.Equal(wanted.GetProperty("where").GetString(), error.Where);
    }

    /// <summary>What the vectors say of an event: no salt, and nothing that differs each time.</summary>
    private static JsonNode Told(JsonObject sealedEvent)
    {
        var data = sealedEvent["data"]!.DeepClone().AsObject();
        data.Remove("capture");
        if (data["phase"]?.GetValue<string>() == "result")
        {
            data.Remove("duration_ms");
        }
        foreach (var part in data["content"] as JsonArray ?? [])
        {
            foreach (var other in part!.AsObject().Select(static member => member.Key).Except(["class", "mediatype", "role", "size"]).ToArray())
            {
                part.AsObject().Remove(other);
            }
        }
        var told = new JsonObject { ["type"] = sealedEvent["type"]!.DeepClone(), ["data"] = data };
        foreach (var name in (string[])["subject", "runid", "causationid", "correlationid", "traceparent", "severitytext"])
        {
            if (sealedEvent[name] is { } value)
            {
                told[name] = value.DeepClone();
            }
        }
        return told;
    }

    [Theory]
    [MemberData(nameof(Verification))]
    public void Verify(string name)
    {
        var vector = Read("verify", name, "name", "about", "inputs", "checkpoints", "keys", "options", "expected");
        using var folder = new TemporaryFolder();
        var inputs = Write(folder, vector.GetProperty("inputs"));
        var checkpoints = vector.TryGetProperty("checkpoints", out var given) ? Write(folder, given) : [];
        // What a person gives, he gives at hand or in a file.
        var inFile = vector.GetProperty("keys").EnumerateArray().Any(static key => key.TryGetProperty("given_base64", out _));
        foreach (var file in inFile ? new[] { false, true } : [false])
        {
            var keys = vector.GetProperty("keys").EnumerateArray()
                .ToDictionary(static key => key.GetProperty("id").GetString()!, key => Key(key, file ? folder : null));
            AssertVerdict(vector, inputs, checkpoints, keys, folder);
        }
        Matrix.Record($"verify/{name}");
    }

    private static void AssertVerdict(
        JsonElement vector, List<string> inputs, List<string> checkpoints, Dictionary<string, TrustedKey> keys, TemporaryFolder folder)
    {
        var how = vector.TryGetProperty("options", out var options) ? options : default;
        var wanted = vector.GetProperty("expected");
        VerificationReport Run() => Verifier.Verify(inputs, keys, Options(how, checkpoints));

        if (wanted.TryGetProperty("error", out var kind))
        {
            var error = Assert.ThrowsAny<SinkwellException>(() => { Run(); });
            Assert.Equal(kind.GetString(), error.Kind);
            foreach (var part in wanted.TryGetProperty("message", out var parts) ? parts.EnumerateArray() : default)
            {
                Assert.Contains(part.GetString()!, error.Message, StringComparison.Ordinal);
            }
            return;
        }
        Only(wanted, "verdict", "envelopes", "unsigned", "malformed", "open", "lost", "erased", "findings", "streams", "exit", "closed");
        var report = Run();
        var where = folder.Path + "/";
        foreach (var member in wanted.EnumerateObject())
        {
            switch (member.Name)
            {
                case "findings":
                    AssertFindings(member.Value, report.Json.GetProperty("findings"), where);
                    break;
                case "streams":
                    AssertStreams(member.Value, report.Json.GetProperty("streams"), where);
                    break;
                case "exit":
                    var strict = how.ValueKind == JsonValueKind.Object && how.TryGetProperty("strict", out var asked) && asked.GetBoolean();
                    var good = report.Verdict == "sound" || (report.Verdict == "incomplete" && !strict);
                    Assert.Equal(member.Value.GetInt32(), good ? 0 : 1);
                    break;
                default:
                    AssertJson(member.Value, report.Json.GetProperty(member.Name), member.Name);
                    break;
            }
        }
    }

    private static string[] Conditions(Emitter emitter)
    {
        static string Text(JsonElement element, string name) =>
            element.TryGetProperty(name, out var value) ? value.GetString()! : "";
        var all =
            from policy in emitter.PolicyStatus().GetProperty("policies").EnumerateArray()
            from target in policy.GetProperty("targets").EnumerateArray()
            from one in target.GetProperty("conditions").EnumerateArray()
            select $"{Text(policy, "policy")} {Text(target, "kind")}/{Text(target, "name")}: {Text(one, "type")}={Text(one, "status")} {Text(one, "reason")}";
        return [.. all.Order(StringComparer.Ordinal)];
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public async Task Policy(string name)
    {
        var vector = Read("policy", name, "name", "about", "config", "events", "data", "filtered", "conditions", "metrics");
        using var folder = new TemporaryFolder();
        var text = vector.GetProperty("config").GetRawText().Replace("{dir}", folder.Path, StringComparison.Ordinal);
        var configuration = (IEnumerable<KeyValuePair<string, object?>>)Plain.Value(JsonDocument.Parse(text).RootElement)!;
        var conditions = vector.GetProperty("conditions").EnumerateArray().Select(static one => one.GetString()!);
        await using (var emitter = Emitter.Open(configuration))
        {
            foreach (var step in vector.GetProperty("events").EnumerateArray())
            {
                Plain.Emit(emitter, step);
            }
            foreach (var (lane, counters) in emitter.Counters())
            {
                var wanted = vector.GetProperty("filtered").GetProperty(lane).EnumerateObject()
                    .ToDictionary(static reason => reason.Name, static reason => reason.Value.GetInt64());
                Assert.Equal(wanted.OrderBy(static reason => reason.Key), counters.FilteredBy.OrderBy(static reason => reason.Key));
            }
            Assert.Equal(conditions, Conditions(emitter));
            if (vector.TryGetProperty("metrics", out var metrics))
            {
                var lines = emitter.Prometheus().Split('\n', StringSplitOptions.RemoveEmptyEntries)
                    .Where(static line => line[0] != '#' && !line.StartsWith("sinkwell_", StringComparison.Ordinal));
                Assert.Equal(metrics.EnumerateArray().Select(static line => line.GetString()!), lines);
            }
            emitter.ReloadPolicies();
            Assert.Equal(conditions, Conditions(emitter));
        }
        foreach (var lane in vector.GetProperty("data").EnumerateObject())
        {
            var data = File.ReadLines(folder.File(lane.Name))
                .Select(static line => JsonDocument.Parse(line).RootElement)
                .Where(static line => !line.TryGetProperty("origin", out _))
                .Select(static line => line.GetProperty("data"))
                .ToArray();
            Assert.Equal(lane.Value.GetArrayLength(), data.Length);
            foreach (var (got, wanted) in data.Zip(lane.Value.EnumerateArray()))
            {
                AssertJson(wanted, got, lane.Name);
            }
        }
        Matrix.Record($"policy/{name}");
    }

    [Theory]
    [MemberData(nameof(Emission))]
    public async Task Emit(string name)
    {
        var vector = Read("emit", name, "name", "about", "config", "events", "expected");
        using var folder = new TemporaryFolder();
        var text = vector.GetProperty("config").GetRawText().Replace("{dir}", folder.Path, StringComparison.Ordinal);
        var configuration = (IEnumerable<KeyValuePair<string, object?>>)Plain.Value(JsonDocument.Parse(text).RootElement)!;
        await using (var emitter = Emitter.Open(configuration))
        {
            Assert.NotEqual(0, vector.GetProperty("events").GetArrayLength());
            foreach (var step in vector.GetProperty("events").EnumerateArray())
            {
                Only(step, "event", "error");
                if (!step.TryGetProperty("error", out var wanted))
                {
                    Plain.Emit(emitter, step.GetProperty("event"));
                    continue;
                }
                Only(wanted, "kind", "code", "where", "message");
                var error = Assert.ThrowsAny<SinkwellException>(() => Plain.Emit(emitter, step.GetProperty("event")));
                Assert.Equal(wanted.GetProperty("kind").GetString(), error.Kind);
                Assert.Equal(wanted.GetProperty("code").GetInt32(), error.Code);
                if (wanted.GetProperty("where").GetString() is { } place)
                {
                    Assert.Equal(place, error.Where);
                }
                if (wanted.TryGetProperty("message", out var part))
                {
                    Assert.Contains(part.GetString()!, error.Message, StringComparison.Ordinal);
                }
            }
        }
        foreach (var file in vector.GetProperty("expected").EnumerateObject())
        {
            Assert.Equal(file.Value.EnumerateArray().Select(static line => line.GetString()), File.ReadLines(folder.File(file.Name)));
        }
        Matrix.Record($"emit/{name}");
    }

    [Theory]
    [MemberData(nameof(Decisions))]
    public void Content(string name)
    {
        var vector = Read("content", name, "group", "cases");
        var cases = vector.GetProperty("cases");
        Assert.NotEqual(0, cases.GetArrayLength());
        foreach (var (i, one) in Indexed(cases))
        {
            if (name is "sampling" or "commitments")
            {
                Matrix.Record($"content/{name}/{i}", "no call of the packages decides this alone; emit/ and content/modes reach it");
                continue;
            }
            Only(one, "name", "request", "answer", "error");
            var request = (IEnumerable<KeyValuePair<string, object?>>)Plain.Value(one.GetProperty("request"))!;
            if (one.TryGetProperty("error", out var wanted))
            {
                var error = Assert.ThrowsAny<SinkwellException>(() => ContentPolicy.EvaluateContentCapture(request));
                Assert.Equal(wanted.GetProperty("kind").GetString(), error.Kind);
                Assert.Equal(wanted.GetProperty("where").GetString(), error.Where);
                Matrix.Record($"content/{name}/{i}");
                continue;
            }
            AssertJson(one.GetProperty("answer"), ContentPolicy.EvaluateContentCapture(request), one.GetProperty("name").GetString()!);
            Matrix.Record($"content/{name}/{i}");
        }
    }

    /// <summary>Errors only: what a good document means shows in what its emitter does, not in this API.</summary>
    [Theory]
    [MemberData(nameof(Documents))]
    public void Configuration_errors(string name)
    {
        var vector = Read("config", name, "about", "cases");
        var cases = vector.GetProperty("cases");
        Assert.NotEqual(0, cases.GetArrayLength());
        foreach (var (i, one) in Indexed(cases))
        {
            Only(one, "name", "yaml", "json", "mapping", "env", "files", "error", "facts", "warnings");
            var label = one.GetProperty("name").GetString();
            var reason = !one.TryGetProperty("error", out var wanted) ? "what a good document means shows in no call of the packages"
                : one.TryGetProperty("env", out _) ? "needs an environment of its own, which .NET does not hand to native code"
                : wanted.GetProperty("message").GetString()!.Contains("SINKWELL_TESTING", StringComparison.Ordinal) ? "the test process has SINKWELL_TESTING"
                : null;
            if (reason is not null)
            {
                Matrix.Record($"config/{name}/{i}", reason);
                continue;
            }
            using var folder = new TemporaryFolder();
            var failure = Record.Exception(() => Open(one, folder));
            Assert.True(failure is SinkwellException, $"{label}: {failure}");
            var error = (SinkwellException)failure;
            Assert.Equal(
                $"{label}: {wanted.GetProperty("kind")} {wanted.GetProperty("code")} {wanted.GetProperty("place")}",
                $"{label}: {error.Kind} {error.Code} {error.Where?.Replace(folder.Path + "/", "", StringComparison.Ordinal)}");
            Assert.Contains(wanted.GetProperty("message").GetString()!, error.Message, StringComparison.Ordinal);
            Matrix.Record($"config/{name}/{i}");
        }
    }

    /// <summary>Each number and text as the data of an event: in the sealed line it stands in its canonical form.</summary>
    [Theory]
    [MemberData(nameof(Canonicals))]
    public async Task Canonical(string name)
    {
        var vector = Read("canonical", name, "name", "about", "numbers", "texts");
        using var folder = new TemporaryFolder();
        var configuration = Configurations.Map(
            ("agent", Configurations.Map(("id", "a"))),
            ("heartbeat", "off"),
            ("lanes", new object[] { Configurations.Map(("sink", Configurations.Map(("file", Configurations.Map(("path", folder.File("out.ndjson"))))))) }));
        var wanted = new List<string>();
        var labels = new List<string>();
        await using (var emitter = Emitter.Open(configuration))
        {
            void Emit(string label, string? form, Action emit)
            {
                if (form is null || Unsafe(JsonDocument.Parse(form).RootElement))
                {
                    Assert.Throws<InvalidEventException>(emit);
                }
                else
                {
                    emit();
                    wanted.Add(form);
                }
                labels.Add($"canonical/{name}/{label}");
            }
            foreach (var (i, number) in Members(vector, "numbers"))
            {
                Only(number, "ieee754", "json");
                var bits = long.Parse(number.GetProperty("ieee754").GetString()!, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                var form = number.GetProperty("json").GetString() is { } json ? $"{{\"v\":{json}}}" : null;
                var data = new Dictionary<string, object?> { ["v"] = BitConverter.Int64BitsToDouble(bits) };
                Emit($"numbers/{i}", form, () => emitter.Emit("com.example.n", data));
            }
            foreach (var (i, text) in Members(vector, "texts"))
            {
                Only(text, "json", "canonical");
                var json = Encoding.UTF8.GetBytes(text.GetProperty("json").GetString()!);
                Emit($"texts/{i}", text.GetProperty("canonical").GetString(), () => emitter.EmitJson("com.example.n", json));
            }
        }
        // `opened` comes first, `closed` last.
        var lines = File.Exists(folder.File("out.ndjson")) ? File.ReadAllLines(folder.File("out.ndjson"))[1..^1] : [];
        Assert.Equal(wanted.Count, lines.Length);
        foreach (var (line, form) in lines.Zip(wanted))
        {
            Assert.Contains($"\"data\":{form},\"datacontenttype\"", line, StringComparison.Ordinal);
        }
        labels.ForEach(static label => Matrix.Record(label));
    }

    private static IEnumerable<(int Index, JsonElement Item)> Members(JsonElement vector, string name) =>
        vector.TryGetProperty(name, out var members) ? Indexed(members) : [];

    private static IEnumerable<(int Index, JsonElement Item)> Indexed(JsonElement list) =>
        list.EnumerateArray().Select(static (item, index) => (index, item));

    /// <summary>Whether a number in it is one that RFC 8785 can write and an event must not hold (RFC 7493).</summary>
    private static bool Unsafe(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().Any(static member => Unsafe(member.Value)),
        JsonValueKind.Array => element.EnumerateArray().Any(Unsafe),
        JsonValueKind.Number => double.IsInteger(element.GetDouble()) && Math.Abs(element.GetDouble()) > 9007199254740991,
        _ => false,
    };

    private static void Open(JsonElement one, TemporaryFolder folder)
    {
        string Lines(JsonElement lines) => string.Join('\n', lines.EnumerateArray().Select(static line => line.GetString()));
        if (one.TryGetProperty("files", out var files))
        {
            foreach (var file in files.EnumerateObject())
            {
                File.WriteAllText(folder.File(file.Name), file.Value.GetString());
            }
        }
        // A document that names files has a folder; the others are given as text. A text is YAML; only a file's name says
        // that it is JSON.
        var kind = one.TryGetProperty("json", out var json) ? "sinkwell.json" : "sinkwell.yaml";
        var mapping = one.TryGetProperty("mapping", out var given);
        if (mapping)
        {
            Emitter.Open(given).Dispose();
        }
        else if (one.TryGetProperty("yaml", out var yaml) && files.ValueKind == JsonValueKind.Undefined)
        {
            Emitter.OpenText(Lines(yaml), kind).Dispose();
        }
        else
        {
            File.WriteAllText(folder.File(kind), Lines(json.ValueKind == JsonValueKind.Undefined ? yaml : json));
            Emitter.Open(folder.File(kind)).Dispose();
        }
    }

    private static TheoryData<string> Files(string folder, params string[] skipped)
    {
        var names = Directory.GetFiles(Path.Combine(Folder, folder), "*.json")
            .Select(static path => Path.GetFileNameWithoutExtension(path)!)
            .Except(skipped)
            .Order(StringComparer.Ordinal)
            .ToList();
        return names.Count > 0 ? [.. names] : throw new InvalidOperationException($"no cases in {folder}");
    }

    private static JsonElement Read(string folder, string name, params string[] known)
    {
        var vector = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, folder, name + ".json")), new JsonDocumentOptions { MaxDepth = 200 }).RootElement;
        Only(vector, known);
        return vector;
    }

    private static void Only(JsonElement element, params string[] known)
    {
        foreach (var member in element.EnumerateObject())
        {
            Assert.Contains(member.Name, known);
        }
    }

    private static List<string> Write(TemporaryFolder folder, JsonElement files)
    {
        var paths = new List<string>();
        foreach (var file in files.EnumerateArray())
        {
            Only(file, "name", "lines", "tail");
            var path = folder.File(file.GetProperty("name").GetString()!);
            var lines = string.Concat(file.GetProperty("lines").EnumerateArray().Select(static line => line.GetString() + "\n"));
            File.WriteAllText(path, lines + (file.TryGetProperty("tail", out var tail) ? tail.GetString() : ""));
            paths.Add(path);
        }
        return paths;
    }

    /// <summary>A key; what a person gives, in a file of the folder where there is one, else at hand.</summary>
    private static TrustedKey Key(JsonElement key, TemporaryFolder? folder)
    {
        Only(key, "id", "hmac_base64", "spki_pem", "given_base64", "name", "agent");
        byte[] Named(string name, byte[] bytes) => [.. Encoding.UTF8.GetBytes(name), .. bytes];
        var name = key.TryGetProperty("name", out var said) ? said.GetString()! : "";
        TrustedKey trusted;
        if (key.TryGetProperty("given_base64", out var given) && folder is not null)
        {
            File.WriteAllBytes(folder.File("key"), given.GetBytesFromBase64());
            trusted = name + folder.File("key");
        }
        else
        {
            trusted = TrustedKey.FromBytes(
                key.TryGetProperty("spki_pem", out var pem) ? Encoding.UTF8.GetBytes(pem.GetString()!)
                : key.TryGetProperty("hmac_base64", out var raw) ? Named("hmac:", raw.GetBytesFromBase64())
                : Named(name, given.GetBytesFromBase64()));
        }
        return trusted with { Agent = key.TryGetProperty("agent", out var agent) ? agent.GetString() : null };
    }

    private static VerificationOptions Options(JsonElement given, IReadOnlyList<string> checkpoints)
    {
        var options = new VerificationOptions { Checkpoints = checkpoints };
        if (given.ValueKind != JsonValueKind.Object)
        {
            return options;
        }
        Only(given, "strict", "partial", "edges", "silence", "lanes");
        bool Flag(string name) => given.TryGetProperty(name, out var flag) && flag.GetBoolean();
        return options with
        {
            Strict = Flag("strict"),
            Partial = Flag("partial"),
            Edges = Flag("edges"),
            Lanes = given.TryGetProperty("lanes", out var lanes) ? [.. lanes.EnumerateArray().Select(lane => lane.GetString()!)] : [],
            Silence = given.TryGetProperty("silence", out var silence) ? Duration(silence.GetString()!) : null,
        };
    }

    private static TimeSpan Duration(string text)
    {
        var number = int.Parse(text[..^1], System.Globalization.CultureInfo.InvariantCulture);
        return text[^1] switch
        {
            's' => TimeSpan.FromSeconds(number),
            'm' => TimeSpan.FromMinutes(number),
            'h' => TimeSpan.FromHours(number),
            _ => throw new FormatException(text),
        };
    }

    private static void AssertStreams(JsonElement wanted, JsonElement given, string folder)
    {
        Assert.Equal(wanted.GetArrayLength(), given.GetArrayLength());
        foreach (var (stream, reported) in wanted.EnumerateArray().Zip(given.EnumerateArray()))
        {
            Only(stream, "streamid", "verdict", "findings", "envelopes", "closed");
            foreach (var member in stream.EnumerateObject())
            {
                if (member.Name == "findings")
                {
                    AssertFindings(member.Value, reported.GetProperty("findings"), folder);
                }
                else
                {
                    AssertJson(member.Value, reported.GetProperty(member.Name), member.Name);
                }
            }
        }
    }

    private static void AssertFindings(JsonElement wanted, JsonElement given, string folder)
    {
        static string? Member(JsonElement finding, string name) =>
            finding.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value.ToString() : null;
        List<string> Read(JsonElement findings) => [.. findings.EnumerateArray().Select(finding =>
        {
            Only(finding, "kind", "from", "to", "where", "note");
            var where = Member(finding, "where")?.Replace(folder, "", StringComparison.Ordinal);
            return $"{Member(finding, "kind")} {Member(finding, "from")}-{Member(finding, "to")} {where}";
        }).Order(StringComparer.Ordinal)];
        Assert.Equal(Read(wanted), Read(given));
    }

    private static void AssertJson(JsonElement wanted, JsonElement given, string what) =>
        Assert.True(
            System.Text.Json.Nodes.JsonNode.DeepEquals(Node(wanted), Node(given)), $"{what}: {given}, expected {wanted}");

    private static System.Text.Json.Nodes.JsonNode? Node(JsonElement element) =>
        System.Text.Json.Nodes.JsonNode.Parse(element.GetRawText());
}
