using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Sinkwell.Tests;

/// <summary>Events out of logs: every case of tests/vectors/vacuum, and a log that breaks.</summary>
public sealed class VacuumTests
{
    private static readonly string Folder = Path.Combine(Project.Root, "tests", "vectors", "vacuum");

    public static TheoryData<string> Cases => new(Directory.GetFiles(Folder, "*.json").Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal)!);

    /// <summary>A stream that gives one byte at a time.</summary>
    private sealed class Trickle(byte[] bytes) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..1], cancellationToken);
    }

    private sealed class Broken(byte[] bytes) : MemoryStream(bytes)
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            await base.ReadAsync(buffer, cancellationToken) is var n and > 0 ? n : throw new IOException("the disk is gone");
    }

    private static bool Same(JsonElement a, JsonElement b) =>
        JsonNode.DeepEquals(JsonNode.Parse(a.GetRawText()), JsonNode.Parse(b.GetRawText()));

    private static void Only(JsonElement element, params string[] known)
    {
        foreach (var member in element.EnumerateObject())
        {
            Assert.Contains(member.Name, known);
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Vacuum(string name)
    {
        var vector = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, name + ".json"))).RootElement;
        Only(vector, "name", "about", "config", "calls", "lanes");
        Func<Emitter, string, VacuumOptions, Task<Vacuumed>>[] ways =
        [
            static (emitter, log, options) => Task.FromResult(emitter.Vacuum(log, options)),
            static (emitter, log, options) => emitter.VacuumAsync(new MemoryStream(Encoding.UTF8.GetBytes(log)), options: options),
            static (emitter, log, options) => emitter.VacuumAsync(new Trickle(Encoding.UTF8.GetBytes(log)), options: options),
            static (emitter, log, options) => emitter.VacuumAsync(new StringReader(log), options: options),
        ];
        foreach (var way in ways)
        {
            using var folder = new TemporaryFolder();
            var text = vector.GetProperty("config").GetRawText().Replace("{dir}", folder.Path, StringComparison.Ordinal);
            var configuration = (IEnumerable<KeyValuePair<string, object?>>)Plain.Value(JsonDocument.Parse(text).RootElement)!;
            await using (var emitter = Emitter.Open(configuration))
            {
                foreach (var call in vector.GetProperty("calls").EnumerateArray())
                {
                    Only(call, "log", "process", "nonce", "format", "passed", "report", "error");
                    var options = new VacuumOptions(
                        call.TryGetProperty("process", out var process) ? process.GetString() : null,
                        call.TryGetProperty("nonce", out var nonce) ? nonce.GetInt64() : null,
                        call.TryGetProperty("format", out var format) ? format.GetString() : null);
                    var log = call.GetProperty("log").GetString()!;
                    if (call.TryGetProperty("error", out var error))
                    {
                        var thrown = await Assert.ThrowsAnyAsync<SinkwellException>(() => way(emitter, log, options));
                        Assert.IsType<InvalidArgumentException>(thrown);
                        Assert.Equal("invalid_argument", error.GetProperty("kind").GetString());
                        Assert.Equal(error.GetProperty("where").GetString(), thrown.Where);
                        continue;
                    }
                    var done = await way(emitter, log, options);
                    Assert.Equal(call.GetProperty("passed").GetString(), Encoding.UTF8.GetString(done.Passed.Span));
                    Assert.True(Same(call.GetProperty("report"), done.Report), done.Report.GetRawText());
                }
            }
            foreach (var lane in vector.GetProperty("lanes").EnumerateObject())
            {
                var file = folder.File(lane.Name);
                var lines = File.Exists(file) ? File.ReadAllLines(file) : [];
                var events = lines.Select(static line => JsonDocument.Parse(line).RootElement)
                    .Where(static line => !line.TryGetProperty("origin", out _)).ToArray();
                Assert.Equal(lane.Value.GetArrayLength(), events.Length);
                foreach (var (got, wanted) in events.Zip(lane.Value.EnumerateArray()))
                {
                    foreach (var member in wanted.EnumerateObject())
                    {
                        Assert.True(Same(member.Value, got.GetProperty(member.Name)), got.GetRawText());
                    }
                }
            }
        }
        Matrix.Record($"vacuum/{name}");
    }

    [Fact]
    public async Task A_log_that_breaks_does_not_count()
    {
        using var folder = new TemporaryFolder();
        await using var emitter = Emitter.Open(Configurations.Map(
            ("vacuum", Configurations.Map(("cursors", folder.File("cursors.db")))),
            ("lanes", new object[] { "null" })));
        var options = new VacuumOptions("p", 1);
        using var passed = new MemoryStream();
        await Assert.ThrowsAsync<IOException>(() => emitter.VacuumAsync(new Broken("a\n{\"_e\":1}\ntorn"u8.ToArray()), passed, options));
        Assert.Equal("a\ntorn", Encoding.UTF8.GetString(passed.ToArray()));
        Assert.Equal(1, emitter.Vacuum("{\"_e\":1}\n"u8, options).Report.GetProperty("events").GetInt32());
    }
}
