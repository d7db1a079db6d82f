using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using OpenTelemetry;
using OpenTelemetry.Trace;
using Sinkwell.Tests;

namespace Sinkwell.OpenTelemetry.Tests;

/// <summary>The processor with the real SDK.</summary>
public sealed class SpanProcessorTests
{
    [Fact]
    public void Spans_of_the_conventions_are_runs_tools_and_usage()
    {
        using var rig = new Rig();
        using (var agent = rig.Source.StartActivity("invoke_agent buyer", ActivityKind.Internal, default(string), [
            new("gen_ai.operation.name", "invoke_agent"), new("gen_ai.conversation.id", "c1")]))
        {
            using (var tool = rig.Source.StartActivity("execute_tool search"))
            {
                tool!.SetTag("gen_ai.operation.name", "execute_tool");
                tool.SetTag("gen_ai.tool.name", "search");
                tool.SetTag("gen_ai.tool.call.arguments", "MARKER");
                tool.AddException(new TimeoutException("MARKER"));
                tool.SetStatus(ActivityStatusCode.Error, "MARKER");
            }
            using var embed = rig.Source.StartActivity("embeddings e");
            embed!.SetTag("gen_ai.operation.name", "embeddings");
            embed.SetTag("gen_ai.usage.input_tokens", 5L);
        }
        using (rig.Source.StartActivity("GET /"))
        {
        }
        var events = rig.Events();
        Assert.Equal(
            ["run.started", "tool.invocation", "model.usage", "run.completed", "span"],
            events.Select(static one => one.Type.Replace("dev.sinkwell.", "", StringComparison.Ordinal)));
        Assert.Equal("timeout", events[1].Data.GetProperty("outcome").GetString());
        Assert.Equal("System.TimeoutException", events[1].Data.GetProperty("error.type").GetString());
        Assert.Equal("tool_arguments", events[1].Data.GetProperty("content")[0].GetProperty("class").GetString());
        Assert.Equal(5, events[2].Data.GetProperty("total_tokens").GetInt32());
        Assert.Equal("c1", events[3].CorrelationId);
        Assert.Equal(events[3].TraceParent![3..35], events[2].RunId);
    }

    [Fact]
    public void Kind_links_and_what_happened_travel()
    {
        using var rig = new Rig();
        var around = rig.Source.StartActivity("around")!;
        around.Dispose();
        ActivityLink[] links = [new(around.Context, new() { ["link.n"] = 1, ["words"] = "MARKER" })];
        using (var span = rig.Source.StartActivity(ActivityKind.Server, links: links, name: "GET /cart"))
        {
            var when = DateTimeOffset.FromUnixTimeSeconds(1_700_000_001);
            span!.AddEvent(new("cache.miss", when, new() { ["cache.size"] = 3, ["words"] = "MARKER" }));
            span.AddEvent(new("MARKER said hello"));
        }
        var data = rig.Events()[1].Data;
        Assert.Equal("server", data.GetProperty("span_kind").GetString());
        var (trace, own) = (around.TraceId.ToHexString(), around.SpanId.ToHexString());
        Assert.Equal(
            $$$"""[{"attributes":{"link.n":1},"flags":1,"span_id":"{{{own}}}","trace_id":"{{{trace}}}"}]""",
            data.GetProperty("span_links").GetRawText());
        Assert.Equal(
            """[{"attributes":{"cache.size":3},"name":"cache.miss","time":"2023-11-14T22:13:21.000000000Z"}]""",
            data.GetProperty("span_events").GetRawText());
        Assert.Equal(1, data.GetProperty("span_events_left_out").GetInt32());
    }

    [Fact]
    public void What_JSON_cannot_say_loses_no_span()
    {
        using var rig = new Rig();
        using (var odd = rig.Source.StartActivity("odd \ud800"))
        {
            odd!.SetTag("a.nan", double.NaN);
            odd.SetTag("a.big", long.MaxValue);
            odd.SetTag("a.huge", 1e300);
            odd.SetTag("a.lone", "\ud800");
            odd.SetTag("a.object", new object());
            odd.SetTag("a.list", new object?[] { 1, null, "x" });
            odd.SetTag("a.n", 7);
        }
        var data = Assert.Single(rig.Events()).Data;
        Assert.Equal(7, data.GetProperty("a.n").GetInt32());
        Assert.Equal(["a.n", "duration_ms", "name", "span_kind", "status"], data.EnumerateObject().Select(static one => one.Name));
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 1)]
    public void What_a_sampler_drops_is_an_event_with_RecordAll(bool all, int events)
    {
        Sampler never = new ParentBasedSampler(new AlwaysOffSampler());
        using var rig = new Rig(sampler: all ? new RecordAllSampler(never) : never);
        using (var tool = rig.Source.StartActivity("execute_tool search"))
        {
            Assert.False(tool?.Recorded ?? false);
            tool?.SetTag("gen_ai.operation.name", "execute_tool");
            tool?.SetTag("gen_ai.tool.name", "search");
        }
        var emitted = rig.Events();
        Assert.Equal(events, emitted.Count);
        Assert.All(emitted, static one => Assert.EndsWith("-00", one.TraceParent!, StringComparison.Ordinal));
    }

    [Fact]
    public void A_tag_that_throws_costs_its_value_and_nothing_else()
    {
        using var rig = new Rig();
        using (var outer = rig.Source.StartActivity("outer"))
        {
            using (var odd = rig.Source.StartActivity("execute_tool odd"))
            {
                odd!.SetTag("gen_ai.operation.name", "execute_tool");
                odd.SetTag("gen_ai.tool.name", new Odd(static () => throw new TimeZoneNotFoundException("MARKER")));
                odd.SetTag("mcp.list", Failing());
                odd.SetTag("mcp.endless", Endless());
                // An object may do anything while it is read: leave the current activity elsewhere, start others.
                odd.SetTag("mcp.wanders", new Odd(() => (Activity.Current = null)?.Id ?? "gone"));
                odd.SetTag("mcp.starts", new Odd(() =>
                {
                    using var more = rig.Source.StartActivity("more");
                    more!.SetTag("again", odd.GetTagItem("mcp.starts"));
                    return "started";
                }));
                Assert.Same(odd, Activity.Current);
            }
            Assert.Same(outer, Activity.Current);
        }
        Assert.Null(Activity.Current);
        var events = rig.Events();
        var tool = Assert.Single(events, static one => one.Type.EndsWith("tool.invocation", StringComparison.Ordinal)).Data;
        Assert.Equal("[unreadable: Odd threw TimeZoneNotFoundException]", tool.GetProperty("tool").GetString());
        Assert.Contains(events, static one => one.Data.TryGetProperty("name", out var name) && name.GetString() == "outer");
    }

    [Fact]
    public void A_listener_that_throws_does_not_reach_the_program()
    {
        using var rig = new Rig();
        using var listener = new Raising();
        var asked = false;
        Action<DiagnosticLevel, string> told = (_, _) =>
        {
            asked = true;
            throw new TimeZoneNotFoundException();
        };
        Trace.Listeners.Add(listener);
        SinkwellDiagnostics.Written += told;
        try
        {
            using var outer = rig.Source.StartActivity("outer");
            using (var endless = rig.Source.StartActivity("endless"))
            {
                endless!.SetTag("mcp.starts", new Odd(() =>
                {
                    using var more = rig.Source.StartActivity("more");
                    more!.SetTag("again", endless.GetTagItem("mcp.starts"));
                    return "started";
                }));
            }
            Assert.Same(outer, Activity.Current);
            rig.Emitter.Shutdown();
            rig.Source.StartActivity("late")!.Dispose();
            Assert.Same(outer, Activity.Current);
        }
        finally
        {
            SinkwellDiagnostics.Written -= told;
            Trace.Listeners.Remove(listener);
        }
        Assert.True(listener.Asked);
        Assert.True(asked);
    }

    private static IEnumerable<int> Failing()
    {
        yield return 1;
        throw new TimeZoneNotFoundException("MARKER");
    }

    private static IEnumerable<int> Endless()
    {
        while (true)
        {
            yield return 1;
        }
    }

    private sealed class Odd(Func<string> text)
    {
        public override string ToString() => text();
    }

    private sealed class Raising : TraceListener
    {
        internal bool Asked { get; private set; }

        public override void Write(string? message) => WriteLine(message);

        public override void WriteLine(string? message)
        {
            Asked = true;
            throw new TimeZoneNotFoundException();
        }
    }

    [Fact]
    public void A_span_that_cannot_be_emitted_breaks_nothing()
    {
        using var rig = new Rig();
        ConcurrentQueue<string> told = [];
        Action<DiagnosticLevel, string> listener = (_, text) => told.Enqueue(text);
        SinkwellDiagnostics.Written += listener;
        try
        {
            rig.Emitter.Shutdown();
            rig.Source.StartActivity("late")!.Dispose();
        }
        finally
        {
            SinkwellDiagnostics.Written -= listener;
        }
        Assert.Contains(told, static text => text.StartsWith("1 event of a span was not emitted (closed): ", StringComparison.Ordinal));
    }
}

/// <summary>An emitter to a file, and a tracer provider whose only processor is sinkwell's.</summary>
internal sealed class Rig : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TracerProvider _provider;
    private readonly string _path;
    private readonly string _key;

    internal Rig(string? permit = null, string? source = null, Sampler? sampler = null)
    {
        _path = _folder.File("out.ndjson");
        _key = _folder.HmacKey();
        Emitter = Emitter.Open(Configurations.ToFile(_path, _key));
        Source = new ActivitySource(source ?? $"test-{Guid.NewGuid()}");
        _provider = Sdk.CreateTracerProviderBuilder()
            .AddSource(Source.Name)
            .SetSampler(sampler ?? new AlwaysOnSampler())
            .AddProcessor(new SinkwellSpanProcessor(Emitter, permit))
            .Build();
    }

    internal Emitter Emitter { get; }

    internal ActivitySource Source { get; }

    /// <summary>Ends the emitter: the host's events, in which there is no word of a MARKER.</summary>
    internal List<Envelope> Events()
    {
        Assert.True(_provider.ForceFlush(10_000));
        // While it writes, the emitter has the file locked, which .NET respects.
        Emitter.Shutdown();
        var text = File.ReadAllText(_path);
        Assert.DoesNotContain("MARKER", text, StringComparison.Ordinal);
        return text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(static line => new Envelope(JsonDocument.Parse(line).RootElement))
            .Where(static one => !one.Json.TryGetProperty("origin", out _))
            .ToList();
    }

    /// <summary>What the verifier says of them.</summary>
    internal string Verdict() =>
        Verifier.Verify(_path, new Dictionary<string, TrustedKey> { ["k1"] = "hmac:" + _key }).Verdict;

    public void Dispose()
    {
        _provider.Dispose();
        Source.Dispose();
        Emitter.Dispose();
        _folder.Dispose();
    }
}

internal sealed record Envelope(JsonElement Json)
{
    internal string Type => Json.GetProperty("type").GetString()!;

    internal string? RunId => Text("runid");

    internal string? CorrelationId => Text("correlationid");

    internal string? TraceParent => Text("traceparent");

    internal JsonElement Data => Json.GetProperty("data");

    private string? Text(string name) => Json.TryGetProperty(name, out var value) ? value.GetString() : null;
}
