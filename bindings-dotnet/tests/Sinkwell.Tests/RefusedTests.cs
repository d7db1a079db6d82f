using System.Numerics;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Sinkwell.Tests;

/// <summary>What cannot be sealed is refused with kind and place, and the emitter goes on as if it had not come.</summary>
public sealed partial class RefusedTests : IDisposable
{
    private const string AsString = "send it as a string";

    private readonly Emitter _emitter = Emitter.Open(Configurations.Null(), new EmitterOptions { Manual = true });

    public static TheoryData<string, object?, string> Values => new()
    {
        { "NaN", double.NaN, "NaN" },
        { "infinity", double.NegativeInfinity, "infinities" },
        { "single infinity", float.PositiveInfinity, "infinities" },
        { "2^53", 9007199254740992L, AsString },
        { "-2^53", -9007199254740992L, AsString },
        { "ulong", ulong.MaxValue, AsString },
        { "BigInteger", BigInteger.Pow(10, 30), AsString },
        { "a whole double", 1e20, AsString },
        { "a high surrogate", "a\ud800", "lone surrogate" },
        { "a low surrogate", "\udc00a", "lone surrogate" },
        { "a decimal of more digits than a double has", 1.2345678901234567890123m, AsString },
        { "a decimal beyond 2^53", 9007199254740992m, AsString },
        { "TimeSpan", TimeSpan.FromSeconds(1), "a TimeSpan has no JSON form; send its milliseconds as a number" },
        { "bytes", new byte[] { 1 }, AsString },
        { "an object", new object(), "a Object has no JSON form; send a dictionary of its members" },
        { "an anonymous object", new { Tool = "search" }, "an anonymous type has no JSON form; send a dictionary of its members" },
        { "a task", Task.FromResult(1), "a Task has no JSON form; await it" },
        { "a function", () => 1, "a Func has no JSON form; send it as a string" },
        { "integer keys", new Dictionary<int, string> { [1] = "a" }, "a key must be a string" },
    };

    [Theory]
    [MemberData(nameof(Values))]
    public void Values_are_refused_by_path_and_remedy(string what, object? value, string remedy)
    {
        var data = Configurations.Map(("a", Configurations.Map(("b", new object?[] { 1, value }))));
        var error = Assert.Throws<InvalidEventException>(() => _emitter.Emit("com.example.x", data));
        Assert.Equal(2, error.Code);
        Assert.Equal("invalid_event", error.Kind);
        Assert.StartsWith("data.a.b[1]", error.Where, StringComparison.Ordinal);
        Assert.True(error.Message.Contains(remedy, StringComparison.Ordinal), $"{what}: {error.Message}");
        AssertGoesOn();
    }

    [Fact]
    public void A_sequence_without_an_end_by_the_most_that_an_event_may_be()
    {
        static IEnumerable<object?> Endless()
        {
            while (true)
            {
                yield return 1;
            }
        }

        static IEnumerable<KeyValuePair<string, object?>> Members()
        {
            for (var i = 0; ; i++)
            {
                yield return new($"m{i}", i);
            }
        }

        var before = 0;
        foreach (var data in (object?[])[Endless(), Members(), new object?[] { Endless() }])
        {
            var error = Assert.Throws<InvalidEventException>(() => _emitter.Emit("com.example.x", Configurations.Map(("a", data))));
            Assert.Equal("data", error.Where);
            Assert.Contains("without an end", error.Message, StringComparison.Ordinal);
            Assert.Null(error.InnerException);
            AssertGoesOn(before++);
        }
        var refused = Assert.Throws<InvalidConfigException>(() => Emitter.Open(Configurations.Map(("lanes", Endless()))));
        Assert.Contains("without an end", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Data_are_written_no_further_than_the_configured_limit_allows()
    {
        const int limit = 64 << 10;
        var configuration = Configurations.Null(("limits", Configurations.Map(("envelope", limit))));
        await using var emitter = Emitter.Open(configuration, new EmitterOptions { Manual = true });
        var read = 0;

        IEnumerable<object?> Endless()
        {
            while (true)
            {
                read++;
                yield return 1;
            }
        }

        var error = Assert.Throws<InvalidEventException>(() => emitter.Put("com.example.x", Configurations.Map(("a", Endless()))));
        Assert.Equal("data", error.Where);
        Assert.Contains($"more than {limit} bytes", error.Message, StringComparison.Ordinal);
        Assert.InRange(read, limit / 2, limit);
        var small = JsonDocument.Parse($"[{string.Join(',', Enumerable.Repeat(1, 30_000))}]").RootElement;
        foreach (var fits in (object?[])[Enumerable.Repeat<object?>(1, 30_000), Enumerable.Repeat<object?>("", 20_000), new string('x', 60_000), small])
        {
            emitter.Put("com.example.x", Configurations.Map(("a", fits)));
        }
        // What only the core's count keeps out is refused there.
        error = Assert.Throws<InvalidEventException>(() => emitter.Put("com.example.x", Configurations.Map(("a", new string('x', limit)))));
        Assert.Contains($"over the limit of {limit}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_lone_surrogate_in_a_key()
    {
        var error = Assert.Throws<InvalidEventException>(() => _emitter.Emit("com.example.x", Configurations.Map(("\ud800", 1))));
        Assert.Contains("lone surrogate", error.Message, StringComparison.Ordinal);
        AssertGoesOn();
    }

    [Theory]
    [InlineData("subject")]
    [InlineData("type")]
    public void A_lone_surrogate_in_an_attribute(string place)
    {
        var error = Assert.Throws<InvalidEventException>(() => place == "type"
            ? _emitter.Emit("com.\ud800")
            : _emitter.Emit("com.example.x", options: new() { Subject = "\ud800" }));
        Assert.Equal(place, error.Where);
        AssertGoesOn();
    }

    [Fact]
    public void A_cyclic_object_by_the_depth_limit()
    {
        var cyclic = new Dictionary<string, object?>();
        cyclic["again"] = new object[] { cyclic, cyclic };
        var error = Assert.Throws<InvalidEventException>(() => _emitter.Emit("com.example.x", cyclic));
        Assert.Contains("deeper than 64", error.Message, StringComparison.Ordinal);
        AssertGoesOn();
    }

    [Fact]
    public void Depth_64_is_the_last_that_goes()
    {
        static object Nested(int levels) => levels == 0 ? 1 : new List<object> { Nested(levels - 1) };
        _emitter.Emit("com.example.x", Configurations.Map(("a", Nested(63))));
        Assert.Throws<InvalidEventException>(() => _emitter.Emit("com.example.x", Configurations.Map(("a", Nested(64)))));
    }

    [Theory]
    [InlineData("{\"a\":1,\"a\":2}")]
    [InlineData("{\"a\":\"\\ud800\"}")]
    [InlineData("[1]")]
    [InlineData("{\"a\":1e400}")]
    public void Parsed_json_keeps_what_the_core_must_refuse(string json)
    {
        Assert.Throws<InvalidEventException>(() => _emitter.Emit("com.example.x", JsonDocument.Parse(json).RootElement));
        AssertGoesOn();
    }

    [Fact]
    public void A_contract_cannot_hide_a_lone_surrogate_or_NaN()
    {
        Assert.Contains("lone surrogate", Assert.Throws<InvalidEventException>(
            () => _emitter.EmitJson("com.example.x", new Measured("\ud800", 1), Contracts.Default.Measured)).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidEventException>(
            () => _emitter.EmitJson("com.example.x", new Measured("a", double.NaN), Contracts.Default.Measured));
        _emitter.EmitJson("com.example.x", new Measured("😀", 0.5), Contracts.Default.Measured);
        AssertGoesOn(1);
    }

    [Fact]
    public void What_the_host_throws_while_it_is_read_is_an_error_of_ours()
    {
        static IEnumerable<KeyValuePair<string, object?>> Failing()
        {
            yield return new("a", 1);
            throw new TimeZoneNotFoundException("MARKER");
        }
        foreach (var emit in new Action[]
        {
            () => _emitter.Emit("com.example.x", Failing()),
            () => _emitter.Put("com.example.x", Configurations.Map(("a", Failing()))),
            () => _emitter.Put("com.example.x", [Attr.Of("a", Failing())]),
            () => _emitter.EmitJson("com.example.x", new Throwing(), Contracts.Default.Throwing),
        })
        {
            var error = Assert.Throws<InvalidEventException>(emit);
            Assert.StartsWith("data", error.Where, StringComparison.Ordinal);
            Assert.IsType<TimeZoneNotFoundException>(error.InnerException);
            Assert.DoesNotContain("MARKER", error.Message, StringComparison.Ordinal);
        }
        AssertGoesOn();
    }

    [Fact]
    public void What_an_enumerator_of_the_host_emits_itself_is_not_taken_for_this_event()
    {
        IEnumerable<object?> Emitting()
        {
            _emitter.Put("com.example.other", Configurations.Map(("b", double.NaN)));
            yield break;
        }

        var error = Assert.Throws<InvalidEventException>(() => _emitter.Put("com.example.x", Configurations.Map(("a", Emitting()))));
        Assert.Equal("data.a", error.Where);
        Assert.Equal("data.b", Assert.IsType<InvalidEventException>(error.InnerException).Where);
        AssertGoesOn();
    }

    [Fact]
    public void What_a_converter_of_the_host_throws_is_not_quoted()
    {
        foreach (var thrown in new Exception[] { new ArgumentException("MARKER"), new NotSupportedException("MARKER"), new JsonException("MARKER") })
        {
            var error = Assert.Throws<InvalidEventException>(
                () => _emitter.EmitJson("com.example.x", new Converted(thrown), Contracts.Default.Converted));
            Assert.Contains(thrown.GetType().Name, error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("MARKER", error.Message, StringComparison.Ordinal);
        }
        AssertGoesOn();
    }

    [Fact]
    public async Task The_awaitable_form_refuses_alike()
    {
        var refused = await Assert.ThrowsAsync<InvalidEventException>(
            async () => await _emitter.EmitAsync("com.example.x", Configurations.Map(("a", new byte[1]))));
        Assert.Equal("data.a", refused.Where);
        await Assert.ThrowsAsync<InvalidEventException>(async () => await _emitter.EmitAsync("with space"));
        AssertGoesOn();
    }

    [Fact]
    public void Configurations_name_the_key_and_the_nearest_known_one()
    {
        var error = Assert.Throws<InvalidConfigException>(() => Emitter.Open(Configurations.Map(("lanse", new[] { "null" }))));
        Assert.Contains("did you mean `lanes`?", error.Message, StringComparison.Ordinal);
        Assert.Equal("lanse", error.Where);
        Assert.Throws<InvalidConfigException>(() => Emitter.Open("/nowhere/sinkwell.yaml"));
    }

    [Fact]
    public void Keys_of_31_bytes_or_that_others_can_read()
    {
        using var folder = new TemporaryFolder();
        var key = folder.HmacKey();
        File.WriteAllBytes(key, new byte[31]);
        Assert.Throws<KeyException>(() => Emitter.Open(Configurations.ToFile(folder.File("events"), key)));
        File.WriteAllBytes(key, new byte[32]);
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.GroupRead);
        Assert.Throws<KeyException>(() => Emitter.Open(Configurations.ToFile(folder.File("events"), key)));
    }

    public void Dispose() => _emitter.Dispose();

    private void AssertGoesOn(long before = 0)
    {
        _emitter.Emit("com.example.x", Configurations.Map(("text", "NUL \0, 😀, \u2028"), ("n", 0.1f), ("list", new List<int> { 1 })));
        Assert.Equal(before + 1, _emitter.Counters()["null"].Admitted);
    }

    internal sealed record Measured(string Name, double Value);

    internal sealed class Throwing
    {
        private readonly string _text = "MARKER";

        public string Value => throw new TimeZoneNotFoundException(_text);
    }

    [JsonConverter(typeof(Converter))]
    internal sealed record Converted(Exception Thrown);

    internal sealed class Converter : JsonConverter<Converted>
    {
        public override Converted? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => null;

        public override void Write(Utf8JsonWriter writer, Converted value, JsonSerializerOptions options) => throw value.Thrown;
    }

    [JsonSerializable(typeof(Measured))]
    [JsonSerializable(typeof(Throwing))]
    [JsonSerializable(typeof(Converted))]
    internal sealed partial class Contracts : JsonSerializerContext;
}
