using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Sinkwell.Extensions.Hosting.Tests;

/// <summary>The recipe of docs/DEPLOY.md as a process of its own, stopped as a service manager or a person stops it.</summary>
public sealed partial class StoppingTests
{
    [Fact]
    public void The_recipe_is_the_program_that_is_run_here()
    {
        var root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "docs", "DEPLOY.md")))
        {
            root = Path.GetDirectoryName(root)!;
        }
        var program = File.ReadAllText(Path.Combine(root, "bindings-dotnet", "tests", "HostChild", "Program.cs"));
        Assert.Contains("```csharp\n" + program + "```\n", File.ReadAllText(Path.Combine(root, "docs", "DEPLOY.md")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(15, false)]
    [InlineData(2, false)]
    [InlineData(15, true)]
    public async Task A_host_that_is_stopped_loses_nothing(int signal, bool first)
    {
        var folder = Directory.CreateTempSubdirectory("sinkwell-").FullName;
        try
        {
            var key = Path.Combine(folder, "key");
            await File.WriteAllBytesAsync(key, new byte[32]);
            File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            await File.WriteAllTextAsync(Path.Combine(folder, "sinkwell.yaml"), """
                agent: { id: "urn:sinkwell:agent:test" }
                key: { id: k1, hmac_sha256: { file: key } }
                handle_signals: true
                lanes: [ { sink: { file: { path: events.ndjson } }, batch: { linger: 1h } } ]
                """);
            string[] program = [Environment.ProcessPath!, Path.Combine(AppContext.BaseDirectory, "HostChild.dll")];
            // The first process of a namespace, as in a container; its signals come from outside.
            string[] command = first
                ? ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child=KILL", .. program]
                : program;
            var start = new ProcessStartInfo(command[0], command[1..])
            {
                WorkingDirectory = folder,
                RedirectStandardOutput = true,
            };
            using var process = Process.Start(start)!;
            var said = "";
            foreach (var sign in (string[])["Application started", "working"])
            {
                while (!said.Contains(sign, StringComparison.Ordinal) && await process.StandardOutput.ReadLineAsync() is { } line)
                {
                    said += line + "\n";
                }
            }
            var rest = process.StandardOutput.ReadToEndAsync();
            var id = first ? await Child(process.Id) : process.Id;
            Assert.Equal(0, Kill(id, signal));
            await process.WaitForExitAsync(new CancellationTokenSource(TimeSpan.FromMinutes(1)).Token);
            Assert.True(process.ExitCode == 0, said + await rest);
            var events = Path.Combine(folder, "events.ndjson");
            var types = (await File.ReadAllLinesAsync(events)).Where(static line => !line.Contains("\"origin\":\"core\"", StringComparison.Ordinal));
            Assert.Collection(
                types,
                static line => Assert.Contains("run.started", line, StringComparison.Ordinal),
                static line => Assert.Contains("run.completed", line, StringComparison.Ordinal));
            var report = Verifier.Verify(events, new Dictionary<string, TrustedKey> { ["k1"] = "hmac:" + key });
            Assert.Equal(("sound", 0L), (report.Verdict, report.Open));
            // A line of the table of docs/DEPLOY.md, where scripts/hosts.sh asks for it.
            if (Environment.GetEnvironmentVariable("SINKWELL_HOSTS") is { Length: > 0 } table)
            {
                var (host, ran) = first ? ("generic host as process 1", "double (unshare --pid)") : ("generic host", "real");
                await File.AppendAllTextAsync(table, $".NET\t{host}\t{(signal == 2 ? "SIGINT" : "SIGTERM")}\t{ran}\t2\t{types.Count()}\tclosed\t{report.Verdict}\n");
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<int> Child(int parent) =>
        int.Parse((await File.ReadAllTextAsync($"/proc/{parent}/task/{parent}/children")).Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
