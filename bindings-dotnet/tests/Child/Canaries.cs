using System.Collections.Concurrent;
using System.Text.Json;

namespace Sinkwell.Tests.Child;

/// <summary>The agent of the canaries, in a process of its own (tests/vectors/README.md).</summary>
internal static class Canaries
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    internal static async Task<int> RunAsync(string path, string folder)
    {
        using var file = JsonDocument.Parse(await File.ReadAllBytesAsync(path));
        var it = file.RootElement;
        string In(string name) => Path.Combine(folder, name);
        Directory.CreateDirectory(In("dead"));
        var log = new ConcurrentQueue<string>();
        SinkwellDiagnostics.Written += (level, message) => log.Enqueue($"{level}: {message}");

        var calls = 0;
        var mine = new ConcurrentQueue<SignedGovernanceEvent>();
        var raised = it.GetProperty("raised").GetString();
        var refusedWith = it.GetProperty("refuses_with").GetString()!;
        IGovernanceEventSink[] sinks =
        [
            new Host("mine", mine.Enqueue),
            new Host("raises", _ =>
            {
                if (++calls <= 2)
                {
                    throw new IOException(raised);
                }
            }),
            new Host("refuses", envelope =>
            {
                if (!envelope.IsOwn)
                {
                    throw new RejectedException(refusedWith);
                }
            }),
        ];
        using var configuration = JsonDocument.Parse(
            it.GetProperty("config").GetRawText().Replace("{dir}", folder, StringComparison.Ordinal));
        var emitter = Emitter.Open(configuration.RootElement, new EmitterOptions { Sinks = sinks });
        List<string> told = [];
        void Tell(params object?[] things)
        {
            foreach (var thing in things)
            {
                told.Add($"{thing}");
            }
        }

        var receipt = Plain.Emit(emitter, it.GetProperty("event"));
        Tell(emitter, receipt, Text(receipt.Lanes), Text(receipt.Evicted));
        Tell(it.GetProperty("event").GetProperty("content").EnumerateArray()
            .Select(static part => new Part(part.GetProperty("class").GetString()!) { Text = part.GetProperty("text").GetString() })
            .Cast<object?>().ToArray());
        foreach (var refused in it.GetProperty("refused").EnumerateArray())
        {
            try
            {
                Plain.Emit(emitter, refused);
                return 4;
            }
            catch (SinkwellException e)
            {
                Tell(e, e.Message, e.Where, Text(e.Data));
            }
        }
        Tell(Text(await receipt.DeliveredAsync().WaitAsync(Long)));
        await File.WriteAllTextAsync(In("health"), Text(emitter.Health()));
        foreach (var name in new[] { "audit.db-wal", "audit.db-shm" })
        {
            File.Copy(In(name), In(name + ".live"));
        }
        Tell(Text(emitter.Counters()), emitter.Prometheus(), Text(emitter.Shutdown(Long)));
        var lines = mine.Select(static envelope => envelope.Bytes.ToArray().Append((byte)'\n')).SelectMany(static line => line);
        await File.WriteAllBytesAsync(In("mine"), [.. lines]);
        await File.WriteAllLinesAsync(In("told"), told);
        await File.WriteAllLinesAsync(In("log"), log);
        return 0;
    }

    private static string Text(System.Collections.IEnumerable things) => string.Join('\n', things.Cast<object?>());

    private sealed class Host(string name, Action<SignedGovernanceEvent> take) : IGovernanceEventSink
    {
        public string Name => name;

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Debug };

        public async Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default)
        {
            await Task.Yield();
            take(envelope);
        }
    }
}
