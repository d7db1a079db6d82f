using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Sinkwell.Tests;

/// <summary>The cheap ways in say the same as the others, and are refused alike.</summary>
public sealed partial class AttrTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Every_way_in_says_the_same()
    {
        var pairs = new KeyValuePair<string, object?>[]
        {
            new("text", "é"), new("truth", true), new("int", -1), new("long", 9007199254740991L), new("double", 0.1),
            new("list", new object?[] { 1, null, "x" }),
        };
        var said = new Said(pairs[0].Value, pairs[1].Value, -1, 9007199254740991L, 0.1, (object?[])pairs[5].Value!);
        var json = JsonSerializer.SerializeToUtf8Bytes(said, SaidContracts.Default.Said);
        var list = Attr.Of("list", pairs[5].Value);
        var sink = new Kept();
        await using (var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [sink] }))
        {
            emitter.Emit("com.example.x", pairs);
            emitter.Emit("com.example.x", new Dictionary<string, object?>(pairs));
            emitter.Emit("com.example.x", pairs.AsEnumerable().Reverse());
            emitter.Emit(
                "com.example.x",
                [("text", "é"), ("truth", true), ("int", -1), ("long", 9007199254740991L), ("double", 0.1), list]);
            await emitter.EmitAsync("com.example.x", pairs);
            emitter.EmitJson("com.example.x", json);
            emitter.Put("com.example.x", pairs);
            emitter.Put(
                "com.example.x",
                [("text", "é"), ("truth", true), ("int", -1), ("long", 9007199254740991L), ("double", 0.1), list]);
            emitter.PutJson("com.example.x", json);
            emitter.PutJson("com.example.x", said, SaidContracts.Default.Said);
            var element = JsonSerializer.SerializeToElement(said, SaidContracts.Default.Said);
            emitter.Emit("com.example.x", element);
            emitter.Put("com.example.x", element);
            emitter.Flush(Long);
        }
        Assert.Equal(12, sink.Data.Count);
        Assert.Equal(
            ["""{"double":0.1,"int":-1,"list":[1,null,"x"],"long":9007199254740991,"text":"é","truth":true}"""],
            sink.Data.Distinct());
    }

    [Fact]
    public async Task Small_floats_are_their_own_digits_and_arrays_of_several_dimensions_are_nested()
    {
        var sink = new Kept();
        await using (var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [sink] }))
        {
            emitter.Put("com.example.x", Configurations.Map(
                ("a", 0.1f), ("b", (Half)0.1), ("c", new[,] { { 1, 2 }, { 3, 4 } }), ("d", new string[1, 2, 0]), ("e", new float[] { 16777216f, -0.5f })));
            emitter.Put(
                "com.example.x",
                [Attr.Of("a", 0.1f), Attr.Of("b", (Half)0.1), Attr.Of("c", new[,] { { 1, 2 }, { 3, 4 } }), Attr.Of("d", new int[1, 2, 0]), Attr.Of("e", new[] { 16777216f, -0.5f })]);
            Assert.Throws<InvalidEventException>(() => emitter.Put("com.example.x", Configurations.Map(("a", Half.PositiveInfinity))));
            emitter.Flush(Long);
        }
        Assert.Equal(
            ["""{"a":0.1,"b":0.1,"c":[[1,2],[3,4]],"d":[[[],[]]],"e":[16777216,-0.5]}"""],
            sink.Data.Distinct());
    }

    [Fact]
    public async Task Ids_times_decimals_and_enums_are_values()
    {
        var sink = new Kept();
        await using (var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [sink] }))
        {
            var utc = new DateTime(2026, 1, 31, 12, 0, 0, DateTimeKind.Utc).AddTicks(5_000_001);
            emitter.Put("com.example.x", Configurations.Map(
                ("a", Guid.Parse("01890A5D-AC96-774B-BCCE-B302099A8057")),
                ("b", utc),
                ("c", utc.ToLocalTime()),
                ("d", new DateTimeOffset(2026, 1, 31, 13, 30, 0, TimeSpan.FromHours(1.5))),
                ("e", DateTime.SpecifyKind(utc, DateTimeKind.Unspecified)),
                ("f", new DateOnly(2026, 1, 31)),
                ("g", new TimeOnly(12, 0, 1)),
                ("h", new object[] { 1.50m, 0.1m, -3m, 1234567890.1234567m, 0m }),
                ("i", new object[] { DayOfWeek.Monday, AttributeTargets.Class | AttributeTargets.Enum, (DayOfWeek)77 })));
            emitter.Put("com.example.x", [Attr.Of("a", Guid.Empty), Attr.Of("b", DayOfWeek.Friday)]);
            emitter.Flush(Long);
        }
        Assert.Equal(
            [
                """{"a":"01890a5d-ac96-774b-bcce-b302099a8057","b":"2026-01-31T12:00:00.5000001Z","c":"2026-01-31T12:00:00.5000001Z","d":"2026-01-31T12:00:00Z","e":"2026-01-31T12:00:00.5000001","f":"2026-01-31","g":"12:00:01","h":[1.5,0.1,-3,1234567890.1234567,0],"i":["Monday","Class, Enum","77"]}""",
                """{"a":"00000000-0000-0000-0000-000000000000","b":"Friday"}""",
            ],
            sink.Data);
    }

    [Fact]
    public void Severities_and_permits_are_types_and_texts()
    {
        using var emitter = Emitter.Open(Configurations.Null(), new() { Manual = true });
        foreach (var severity in new[] { Severity.Trace, Severity.Debug, Severity.Info, Severity.Warn, Severity.Error, Severity.Fatal, "warn", null })
        {
            emitter.Put("com.example.x", options: new() { Severity = severity });
        }
        foreach (var permit in new[] { Permit.Off, Permit.RedactedSummary, Permit.ContentRef, Permit.Raw, "raw", null })
        {
            emitter.Put("com.example.x", options: new() { Content = [new Part("prompt") { Text = "x", Permit = permit }] });
        }
        Assert.Equal("severity", Assert.Throws<InvalidEventException>(
            () => emitter.Put("com.example.x", options: new() { Severity = "loud" })).Where);
        Assert.Equal("content[0].permit", Assert.Throws<InvalidEventException>(
            () => emitter.Put("com.example.x", options: new() { Content = [new Part("prompt") { Text = "x", Permit = "all" }] })).Where);
    }

    /// <summary>What a request's header brought, ASP.NET hands on as it came.</summary>
    [Theory]
    [InlineData("a=\u0001")]
    [InlineData("a=\u00e9")]
    [InlineData("a=\ud800")]
    [InlineData("")]
    public void A_trace_state_from_outside_costs_no_event(string state)
    {
        using var emitter = Emitter.Open(Configurations.Null(), new() { Manual = true });
        using var activity = new System.Diagnostics.Activity("work").SetIdFormat(System.Diagnostics.ActivityIdFormat.W3C).Start();
        activity.TraceStateString = state;
        emitter.Put("com.example.x");
        emitter.Put("com.example.x", options: new() { Trace = new TraceContext("\ud800", "no", 1, state) });
        Assert.Equal(2, emitter.Counters()["null"].Admitted);
    }

    [Fact]
    public async Task Put_takes_what_else_an_event_says_and_needs_no_data()
    {
        var sink = new Kept();
        await using (var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [sink] }))
        {
            emitter.Put("com.example.x");
            emitter.Put("com.example.x", [("a", (string?)null)], new() { Subject = "tool:x" });
            emitter.Put("com.example.x", ReadOnlySpan<Attr>.Empty);
            emitter.Flush(Long);
            Assert.Equal(3, emitter.Counters()["mine"].Delivered);
        }
        Assert.Equal(["{}", """{"a":null}""", "{}"], sink.Data);
        Assert.Equal([null, "tool:x", null], sink.Subjects);
    }

    /// <summary>Each length and each place of what is not ASCII, as texts are copied many characters at a time.</summary>
    [Fact]
    public async Task Texts_arrive_as_they_were_given()
    {
        string[] odd = ["é", "\u20ac", "😀", "\"", "\\", "\0", "\u007f", "\u2028", "\uffff"];
        var texts = new List<string>();
        for (var length = 0; length <= 40; length++)
        {
            texts.Add(new string('x', length));
            for (var place = 0; place <= length; place++)
            {
                texts.Add(new string('x', place) + odd[texts.Count % odd.Length] + new string('y', length - place));
            }
        }
        var sink = new Kept();
        await using (var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [sink] }))
        {
            foreach (var text in texts)
            {
                emitter.Emit("com.example.x", [($"k{text}", text)]);
            }
            emitter.Flush(Long);
        }
        var arrived = sink.Data.Select(static data => JsonDocument.Parse(data).RootElement.EnumerateObject().Single()).ToList();
        Assert.Equal(texts, arrived.Select(static member => member.Value.GetString()!));
        Assert.Equal(texts, arrived.Select(static member => member.Name[1..]));
    }

    [Fact]
    public void What_cannot_be_sealed_is_refused_by_path()
    {
        using var emitter = Emitter.Open(Configurations.Null(), new EmitterOptions { Manual = true });
        Assert.Equal("data.b", Where([("a", 1), ("b", double.NaN)]));
        Assert.Equal("data.b", Where([("a", 1), ("b", 9007199254740992L)]));
        Assert.Equal("data.b", Where([("a", 1), ("b", 1e20)]));
        Assert.Equal("data.b", Where([("b", "a\ud800")]));
        Assert.Equal("data.b", Where([("b", "more than sixteen characters \udc00 and more of them")]));
        Assert.StartsWith("data", Where([("\ud800", 1)]), StringComparison.Ordinal);
        Assert.Equal("data.b[1].c", Where([Attr.Of("b", new object?[] { 1, Configurations.Map(("c", TimeSpan.Zero)) })]));
        Assert.Throws<InvalidEventException>(() => emitter.Put("com.example.x", [("a", 1), ("a", 2)]));
        Assert.Throws<InvalidEventException>(() => emitter.Put("com.example.x", [((string)null!, 1)]));
        Assert.Throws<InvalidEventException>(() => emitter.Put("com.example.x", [default]));
        emitter.Put("com.example.x", [("a", 1)]);
        Assert.Equal(1, emitter.Counters()["null"].Admitted);

        string? Where(ReadOnlySpan<Attr> data)
        {
            try
            {
                emitter.Put("com.example.x", data);
                return "not refused";
            }
            catch (InvalidEventException refused)
            {
                return refused.Where;
            }
        }
    }

    [Fact]
    public void Put_allocates_nothing_and_says_it_is_closed()
    {
        var emitter = Emitter.Open(Configurations.Null(), new EmitterOptions { Manual = true });
        long Allocated(int events)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var n = 0; n < events; n++)
            {
                emitter.Put("com.example.x", [("tool", "search"), ("n", n), ("ms", 18.25), ("ok", true)]);
            }
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
        // The runtime allocates now and then on a program's thread for itself, as when it compiles anew.
        Assert.Contains(0L, Enumerable.Range(0, 20).Select(_ => Allocated(1000)));
        emitter.Dispose();
        Assert.Throws<EmitterClosedException>(() => emitter.Put("com.example.x", [("n", 1)]));
        Assert.Equal(1, emitter.Refused);
    }

    [Fact]
    public void A_member_shows_its_key_only() => Assert.Equal("Attr(prompt)", ((Attr)("prompt", "a canary")).ToString());

    internal sealed record Said(
        [property: JsonPropertyName("text")] object? Text,
        [property: JsonPropertyName("truth")] object? Truth,
        [property: JsonPropertyName("int")] int Int,
        [property: JsonPropertyName("long")] long Long,
        [property: JsonPropertyName("double")] double Double,
        [property: JsonPropertyName("list")] object?[] List);

    [JsonSerializable(typeof(Said))]
    [JsonSerializable(typeof(string))]
    [JsonSerializable(typeof(bool))]
    [JsonSerializable(typeof(int))]
    internal sealed partial class SaidContracts : JsonSerializerContext;

    /// <summary>Keeps what the program emitted: its data as they were sealed.</summary>
    private sealed class Kept : IGovernanceEventSink
    {
        internal ConcurrentQueue<string> Data { get; } = [];

        internal ConcurrentQueue<string?> Subjects { get; } = [];

        public string Name => "mine";

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Debug };

        public Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default)
        {
            if (!envelope.IsOwn)
            {
                using var document = JsonDocument.Parse(envelope.Bytes);
                Data.Enqueue(document.RootElement.GetProperty("data").GetRawText());
                Subjects.Enqueue(envelope.Subject);
            }
            return Task.CompletedTask;
        }
    }
}
