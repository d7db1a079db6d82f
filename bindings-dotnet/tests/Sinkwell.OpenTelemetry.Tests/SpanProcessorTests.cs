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
        Assert.Equal(["a.n", "duration_ms", "name", "status"], data.EnumerateObject().Select(static one => one.Name));
    }

    [Fact]
    public void A_span_that_cannot_be_emitted_breaks_nothing()
    {
        using var rig = new Rig();
        using var written = new StringWriter();
        using var listener = new TextWriterTraceListener(written);
        Trace.Listeners.Add(listener);
        try
        {
            rig.Emitter.Shutdown();
            rig.Source.StartActivity("late")!.Dispose();
        }
        finally
        {
            Trace.Listeners.Remove(listener);
        }
        listener.Flush();
        Assert.Contains("a span was not emitted", written.ToString(), StringComparison.Ordinal);
    }
}

/// <summary>An emitter to a file, and a tracer provider whose only processor is sinkwell's.</summary>
internal sealed class Rig : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly TracerProvider _provider;
    private readonly string _path;
    private readonly string _key;

    internal Rig(string? permit = null, string? source = null)
    {
        _path = _folder.File("out.ndjson");
        _key = _folder.HmacKey();
        Emitter = Emitter.Open(Configurations.ToFile(_path, _key));
        Source = new ActivitySource(source ?? $"test-{Guid.NewGuid()}");
        _provider = Sdk.CreateTracerProviderBuilder()
            .AddSource(Source.Name)
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
        Verifier.Verify(_path, new Dictionary<string, TrustedKey> { ["k1"] = _key }).Verdict;

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
