using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Sinkwell.Tests;

/// <summary>
/// What survives the end of a process with events queued: the table of the README. The child's lane would hold
/// its 100 events for an hour.
/// </summary>
public sealed partial class ExitTests
{
    private const int Sigint = 2;
    private const int Sigterm = 15;

    [Theory]
    [InlineData("return", 0)]
    [InlineData("exit", 3)]
    [InlineData("dispose", 0)]
    [InlineData("throw", 134)]
    public async Task Everything_survives(string way, int status)
    {
        using var folder = new TemporaryFolder();
        var (exit, _) = await Run(folder, way, handlesSignals: false);
        Assert.Equal(status, exit);
        AssertWritten(folder, closed: true);
    }

    [Fact]
    public async Task Nothing_queued_survives_fail_fast()
    {
        using var folder = new TemporaryFolder();
        var (exit, _) = await Run(folder, "fail-fast", handlesSignals: false);
        Assert.Equal(134, exit);
        Assert.Empty(Sequences(folder));
    }

    [Fact]
    public async Task Everything_survives_sigterm_with_handle_signals()
    {
        using var folder = new TemporaryFolder();
        var (exit, _) = await Run(folder, "signal", handlesSignals: true);
        Assert.Equal(128 + Sigterm, exit);
        AssertWritten(folder, closed: true);
    }

    [Fact]
    public async Task Everything_survives_an_interrupt_with_handle_signals()
    {
        using var folder = new TemporaryFolder();
        var (exit, _) = await Run(folder, "signal", handlesSignals: true, Sigint);
        Assert.Equal(128 + Sigint, exit);
        AssertWritten(folder, closed: true);
    }

    /// <summary>Who may have a handler of his own is left in charge, so nothing is closed.</summary>
    [Fact]
    public async Task Everything_survives_an_interrupt_where_somebody_may_handle_it()
    {
        using var folder = new TemporaryFolder();
        var (exit, _) = await Run(folder, "console", handlesSignals: true, Sigint);
        Assert.Equal(128 + Sigint, exit);
        AssertWritten(folder, closed: false);
    }

    [Theory]
    [InlineData(Sigint)]
    [InlineData(Sigterm)]
    public async Task A_handler_that_was_there_before_is_in_charge(int signal)
    {
        using var folder = new TemporaryFolder();
        var (exit, errors) = await Run(folder, "older-handler", handlesSignals: true, signal);
        Assert.True(exit == 0, errors);
        AssertWritten(folder, closed: true, events: 101);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_host_that_stops_at_sigterm_by_itself_finishes_its_requests(bool handlesSignals)
    {
        using var folder = new TemporaryFolder();
        var (exit, errors) = await Run(folder, "stop-at-signal", handlesSignals);
        Assert.True(exit == 0, errors);
        AssertWritten(folder, closed: true, events: 101);
    }

    [Fact]
    public async Task The_example_is_sound()
    {
        var (exit, errors) = await Start("Agent.dll");
        Assert.True(exit == 0, errors);
        var target = Path.Combine(Project.Root, "target", "examples", "dotnet");
        var report = Verifier.Verify(
            Path.Combine(target, "events.ndjson"),
            new Dictionary<string, TrustedKey> { ["k1"] = Path.Combine(target, "agent.pem.pub") });
        Assert.Equal("sound", report.Verdict);
        Assert.Equal(13, report.Envelopes);
    }

    private static void AssertWritten(TemporaryFolder folder, bool closed, int events = 100)
    {
        Assert.Equal(Enumerable.Range(0, events), Sequences(folder));
        var report = Verifier.Verify(folder.File("events.ndjson"), new Dictionary<string, TrustedKey> { ["k1"] = "hmac:" + folder.File("key") });
        Assert.Equal("sound", report.Verdict);
        Assert.Equal(closed, report.Json.GetProperty("streams")[0].GetProperty("closed").GetBoolean());
    }

    private static List<int> Sequences(TemporaryFolder folder)
    {
        var file = folder.File("events.ndjson");
        return !File.Exists(file) ? [] : [.. File.ReadLines(file)
            .Select(static line => System.Text.Json.JsonDocument.Parse(line).RootElement)
            .Where(static envelope => envelope.GetProperty("type").GetString() == "com.example.step")
            .Select(static envelope => envelope.GetProperty("data").GetProperty("n").GetInt32())];
    }

    private static async Task<(int Exit, string Errors)> Run(
        TemporaryFolder folder, string way, bool handlesSignals, int signal = Sigterm)
    {
        var configuration = folder.File("sinkwell.yaml");
        await File.WriteAllTextAsync(configuration, $$"""
            agent: { id: "urn:sinkwell:agent:test" }
            key: { id: k1, hmac_sha256: { file: "{{folder.HmacKey()}}" } }
            handle_signals: {{(handlesSignals ? "true" : "false")}}
            lanes:
              - sink: { file: { path: "{{folder.File("events.ndjson")}}" } }
                batch: { linger: 1h }
            """);
        return await Start("Child.dll", signal, [configuration, way, .. handlesSignals ? ["pushed"] : Array.Empty<string>()]);
    }

    private static Task<(int Exit, string Errors)> Start(string program, params string[] arguments) =>
        Start(program, Sigterm, arguments);

    private static async Task<(int Exit, string Errors)> Start(string program, int signal, string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, program));
        Array.ForEach(arguments, start.ArgumentList.Add);
        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var limit = new CancellationTokenSource(TimeSpan.FromMinutes(3)).Token;
        try
        {
            while (await process.StandardOutput.ReadLineAsync(limit) is { } line)
            {
                if (line == "ready")
                {
                    Assert.Equal(0, Kill(process.Id, signal));
                }
            }
            await process.WaitForExitAsync(limit);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            Assert.Fail($"{program} {string.Join(' ', arguments)} did not end; a job in a shell's background ignores interrupts");
        }
        return (process.ExitCode, await errors);
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
