using System.Collections.Concurrent;
using System.Diagnostics;
using System.Reflection;
using System.Xml.Linq;

namespace Sinkwell.Tests;

/// <summary>What a newcomer runs into says what to do, and what he can name says what it is.</summary>
public sealed class FirstMinutesTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    [Fact]
    public void A_public_key_is_none_to_seal_with()
    {
        using var folder = new TemporaryFolder();
        // RFC 8032, test 1.
        File.WriteAllText(
            folder.File("agent.pem.pub"),
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n");
        var error = Assert.Throws<KeyException>(() =>
            Emitter.OpenText($"key: {{ id: k1, ed25519: {{ file: {folder.File("agent.pem.pub")} }} }}"));
        Assert.Contains("this is a public key", error.Message, StringComparison.Ordinal);
        Assert.Contains("without .pub", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_sink_is_refused_by_name()
    {
        using var emitter = Emitter.Open(Configurations.Null());
        Assert.Throws<ArgumentNullException>("sink", () => emitter.AddSink(null!));
        Assert.Throws<ArgumentNullException>("sink", () => Emitter.Open(Configurations.Null(), new() { Sinks = [null!] }));
        var error = Assert.Throws<InvalidArgumentException>(() => emitter.AddSink(new Held("")));
        Assert.Contains("a sink has no name; give it one", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_timeout_names_the_lane()
    {
        var held = new Held("held");
        await using var emitter = Emitter.Open(Configurations.Null(), new() { Sinks = [held] });
        var receipt = emitter.Emit("com.example.n");
        var error = Assert.Throws<WaitTimeoutException>(() => receipt.Wait(timeout: TimeSpan.FromMilliseconds(100)));
        Assert.Contains("in lane \"held\"", error.Message, StringComparison.Ordinal);
        held.GoOn.SetResult();
        await receipt.DeliveredAsync().WaitAsync(Long);
    }

    [Fact]
    public void Two_emitters_on_one_file_are_warned_of()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("events.ndjson");
        var configuration = Configurations.ToFile(path, folder.HmacKey());
        ConcurrentQueue<string> told = [];
        Action<DiagnosticLevel, string> listener = (_, text) => told.Enqueue(text);
        SinkwellDiagnostics.Written += listener;
        try
        {
            using var first = Emitter.Open(configuration);
            using var second = Emitter.Open(configuration);
            foreach (var emitter in new[] { first, second })
            {
                emitter.Emit("com.example.n").Wait(timeout: Long);
            }
        }
        finally
        {
            SinkwellDiagnostics.Written -= listener;
        }
        Assert.Single(told, text => text.StartsWith($"another emitter of this process writes {path}", StringComparison.Ordinal));
        var report = Verifier.Verify(path);
        Assert.StartsWith(path + ".", Assert.Single(report.Beside), StringComparison.Ordinal);
        Assert.Equal(0, report.Open);
    }

    [Fact]
    public async Task Where_the_native_half_is_missing_the_error_says_so_and_what_to_do()
    {
        using var folder = new TemporaryFolder();
        var start = new ProcessStartInfo(Environment.ProcessPath!, [Path.Combine(AppContext.BaseDirectory, "Child.dll"), folder.File("none"), "return"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Remove("LD_LIBRARY_PATH");
        using var process = Process.Start(start)!;
        var said = await process.StandardError.ReadToEndAsync().WaitAsync(Long);
        await process.WaitForExitAsync();
        Assert.NotEqual(0, process.ExitCode);
        Assert.StartsWith("Unhandled exception. System.DllNotFoundException: The native half of sinkwell", said.TrimStart(), StringComparison.Ordinal);
        Assert.Contains("linux-x64 with glibc 2.28 or later", said, StringComparison.Ordinal);
    }

    /// <summary>The compiler holds that every public name has a comment; this, that every argument has one.</summary>
    [Fact]
    public void Every_public_callable_and_argument_is_documented()
    {
        var assembly = typeof(Emitter).Assembly;
        var documented = XDocument.Load(Path.ChangeExtension(assembly.Location, ".xml")).Descendants("member")
            .ToDictionary(static member => member.Attribute("name")!.Value);
        List<string> missing = [];
        var seen = 0;
        foreach (var type in assembly.GetExportedTypes())
        {
            const BindingFlags Own = BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
            foreach (var method in type.GetMethods(Own).Where(static one => !one.IsSpecialName))
            {
                var name = $"M:{type.FullName!.Replace('+', '.')}.{method.Name}";
                // Overloads are told apart by their arguments; one of them is this method's.
                var of = documented.Where(one => one.Key == name || one.Key.StartsWith(name + "(", StringComparison.Ordinal)
                    || one.Key.StartsWith(name + "`", StringComparison.Ordinal)).Select(static one => one.Value).ToList();
                // What a record or an override brings by itself is not the package's to explain.
                if (of.Count == 0)
                {
                    continue;
                }
                seen++;
                foreach (var argument in method.GetParameters())
                {
                    var told = of.Any(one => one.Element("inheritdoc") is not null
                        || one.Elements("param").Any(param => param.Attribute("name")!.Value == argument.Name && param.Value.Length > 0));
                    if (!told)
                    {
                        missing.Add($"{name}: {argument.Name}");
                    }
                }
            }
        }
        Assert.Empty(missing);
        Assert.True(seen > 60, $"{seen} methods");
    }

    private sealed class Held(string name) : IGovernanceEventSink
    {
        internal TaskCompletionSource GoOn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Name => name;

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Debug };

        public Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default) => GoOn.Task;
    }
}
