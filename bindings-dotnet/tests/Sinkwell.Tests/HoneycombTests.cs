using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;

namespace Sinkwell.Tests;

/// <summary>
/// Honeycomb at the wire: every case of tests/honeycomb/scenarios.json, which says what is what, against
/// tests/honeycomb/double.py in a process of its own.
/// </summary>
public sealed class HoneycombTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(60);
    private static readonly string Folder = Path.Combine(Project.Root, "tests", "honeycomb");
    private static readonly JsonElement Table = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "scenarios.json"))).RootElement;

    private static readonly string[] Members =
    [
        "name", "about", "key", "lane", "says", "emit", "delivers_first", "timeout",
        "counters", "kept", "refused", "requests", "samplerate", "told",
    ];

    public static TheoryData<string> Cases =>
        [.. Table.GetProperty("cases").EnumerateArray().Select(static one => one.GetProperty("name").GetString()!)];

    private sealed class Double : IDisposable
    {
        private readonly Process _process = Process.Start(new ProcessStartInfo("python3", Path.Combine(Folder, "double.py"))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;

        private readonly HttpClient _client = new();

        internal string Url { get; }

        internal Double() => Url = _process.StandardOutput.ReadLine()!;

        internal async Task SayAsync(JsonElement says)
        {
            using var body = new StringContent(says.GetRawText());
            using var answer = await _client.PostAsync(Url + "/_say", body);
            answer.EnsureSuccessStatusCode();
        }

        internal Task<JsonElement> AskAsync(string path) => _client.GetFromJsonAsync<JsonElement>(Url + path);

        public void Dispose()
        {
            _process.StandardInput.Close();
            _process.WaitForExit();
            _process.Dispose();
            _client.Dispose();
        }
    }

    private sealed record Given(Dictionary<string, object?> Data, int? Ahead, int Length);

    private static List<Given> Events(JsonElement emit)
    {
        var events = new List<Given>();
        foreach (var one in emit.EnumerateArray())
        {
            Assert.All(one.EnumerateObject(), static member => Assert.Contains(member.Name, new[] { "data", "times", "fill", "ahead" }));
            int? ahead = one.TryGetProperty("ahead", out var seconds) ? seconds.GetInt32() : null;
            var (count, length) = one.TryGetProperty("fill", out var fill) ? (fill[0].GetInt32(), fill[1].GetInt32()) : (0, 0);
            for (var i = one.TryGetProperty("times", out var times) ? times.GetInt32() : 1; i > 0; i--)
            {
                var data = (Dictionary<string, object?>)Plain.Value(one.GetProperty("data"))!;
                data["n"] = events.Count;
                for (var c = 0; c < count; c++)
                {
                    data[$"c{c}"] = new string('x', length);
                }
                events.Add(new(data, ahead, length));
            }
        }
        return events;
    }

    private static Dictionary<string, object?> Configuration(JsonElement one, string url, string folder, string key)
    {
        var text = Table.GetProperty("config").GetRawText()
            .Replace("{url}", url, StringComparison.Ordinal)
            .Replace("{key}", key, StringComparison.Ordinal)
            .Replace("{dir}", folder, StringComparison.Ordinal);
        var configuration = (Dictionary<string, object?>)Plain.Value(JsonDocument.Parse(text).RootElement)!;
        var lane = (Dictionary<string, object?>)((List<object?>)configuration["lanes"]!)[0]!;
        if (one.TryGetProperty("lane", out var keys))
        {
            foreach (var member in keys.EnumerateObject())
            {
                lane[member.Name] = Plain.Value(member.Value);
            }
        }
        return configuration;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task What_becomes_of_events(string name)
    {
        var one = Table.GetProperty("cases").EnumerateArray().Single(one => one.GetProperty("name").GetString() == name);
        Assert.All(one.EnumerateObject(), static member => Assert.Contains(member.Name, Members));
        var said = new ConcurrentQueue<string>();
        void Hear(DiagnosticLevel level, string text) => said.Enqueue(text);
        SinkwellDiagnostics.Written += Hear;
        try
        {
            await Run(one, said);
        }
        finally
        {
            SinkwellDiagnostics.Written -= Hear;
        }
    }

    private static async Task Run(JsonElement one, ConcurrentQueue<string> said)
    {
        var lane = Table.GetProperty("lane").GetString()!;
        var key = (one.TryGetProperty("key", out var other) ? other : Table.GetProperty("key")).GetString()!;
        var requests = one.TryGetProperty("requests", out var least) ? least.GetInt32() : 1;
        var events = Events(one.GetProperty("emit"));
        using var folder = new TemporaryFolder();
        using var receiver = new Double();
        if (one.TryGetProperty("says", out var says))
        {
            await receiver.SayAsync(says);
        }
        await using var emitter = Emitter.Open(Configuration(one, receiver.Url, folder.Path, key));
        var receipts = events.ConvertAll(given => emitter.Emit(
            Table.GetProperty("type").GetString()!,
            given.Data,
            new() { Time = given.Ahead is { } ahead ? DateTimeOffset.UtcNow.AddSeconds(ahead) : null }));
        if (one.TryGetProperty("delivers_first", out _))
        {
            await receipts[0].DeliveredAsync().WaitAsync(Long);
        }
        var limit = Long;
        if (one.TryGetProperty("timeout", out var timeout))
        {
            limit = TimeSpan.FromMilliseconds(timeout.GetInt32());
            await receiver.AskAsync($"/_wait?{requests}");
        }
        var before = emitter.Health();
        var report = await emitter.ShutdownAsync(limit);
        var counters = emitter.Counters()[lane];
        foreach (var counter in one.GetProperty("counters").EnumerateObject())
        {
            Assert.Equal((counter.Name, counter.Value.GetInt64()), (counter.Name, counters[counter.Name]));
        }
        var kept = await receiver.AskAsync("/_kept");
        var hosts = kept.GetProperty("events").EnumerateArray().Where(static e => e.GetProperty("data").TryGetProperty("n", out _))
            .OrderBy(static e => e.GetProperty("data").GetProperty("n").GetInt32()).ToList();
        Assert.Equal(
            one.TryGetProperty("kept", out var wanted) ? [.. wanted.EnumerateArray().Select(static n => n.GetInt32())] : Enumerable.Range(0, events.Count),
            hosts.Select(static e => e.GetProperty("data").GetProperty("n").GetInt32()));
        var rates = hosts.Where(static e => e.TryGetProperty("samplerate", out _))
            .Select(static e => $"{e.GetProperty("data").GetProperty("n")}: {e.GetProperty("samplerate")}");
        Assert.Equal(one.TryGetProperty("samplerate", out var some) ? some.EnumerateObject().Select(static rate => $"{rate.Name}: {rate.Value}") : [], rates);
        Assert.True(kept.GetProperty("requests").GetInt32() >= requests);
        var dead = string.Concat(Directory.GetFiles(folder.Path, "*", SearchOption.AllDirectories).Select(File.ReadAllText));
        if (one.TryGetProperty("refused", out var refused))
        {
            foreach (var n in refused.EnumerateArray().Select(static n => n.GetInt32()))
            {
                Assert.Contains(receipts[n].Id, dead, StringComparison.Ordinal);
                Assert.Contains(new string('x', events[n].Length), dead, StringComparison.Ordinal);
            }
        }
        var told = string.Join('\n', [.. before.Values, .. emitter.Health().Values, .. report.Values, .. said]);
        Assert.Contains(one.TryGetProperty("told", out var part) ? part.GetString()! : "", told, StringComparison.Ordinal);
        Assert.All([told, dead, kept.GetProperty("events").GetRawText()], text => Assert.DoesNotContain(key, text, StringComparison.Ordinal));
    }
}
