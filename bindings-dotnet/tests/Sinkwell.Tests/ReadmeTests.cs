using System.Diagnostics;
using System.Net;
using System.Text.RegularExpressions;

namespace Sinkwell.Tests;

/// <summary>The lines of README.md and of docs/FIRST-MINUTES.md, run as they stand there: each block is a program.</summary>
public sealed partial class ReadmeTests
{
    private static readonly string Readme = File.ReadAllText(Path.Combine(Project.Root, "bindings-dotnet", "README.md"));

    /// <summary>What a block takes for granted, and what it must have done: events of the host's in its file, by their types.</summary>
    private static readonly Dictionary<string, (string Before, string After, string[] Types)> Known = new()
    {
        ["The front page/0"] = ("", "", ["tool.invocation"]),
        ["First event/0"] = ("", "", ["tool.invocation"]),
        ["First event/1"] = (Opened, "", ["policy.decision"]),
        ["First event/2"] = (Opened, "", ["tool.invocation"]),
        ["First event/3"] = (
            Opened,
            "static Task<string[]> Search(string what) => Task.FromResult(new[] { what });",
            ["run.started", "tool.invocation", "run.completed"]),
        ["Evidence before the act/0"] = (
            Opened,
            "static Task<string> Pay(CancellationToken token) => Task.FromResult(\"x1\");",
            ["tool.invocation", "tool.invocation"]),
        ["A sink of your own/0"] = ("", "", []),
        ["Waiting for delivery/0"] = (Opened, """
            Console.WriteLine(string.Join(",", endings.Values.Select(ending => ending!.State)));
            """, ["run.completed"]),
        ["Verifying/0"] = (
            "using (var emitter = Emitter.Open(\"sinkwell.yaml\")) { emitter.Put(\"run.started\"); }\n",
            "if (report.Verdict != \"sound\") throw new InvalidOperationException(report.Verdict);\n",
            ["run.started"]),
    };

    private const string Opened = """
        await using var emitter = Emitter.Open("sinkwell.yaml");

        """;

    [GeneratedRegex("```(\\w+)\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex AnyBlock();

    private static Dictionary<string, string> Blocks()
    {
        var front = File.ReadAllText(Path.Combine(Project.Root, "README.md"));
        var blocks = new Dictionary<string, string>
        {
            ["The front page/0"] = AnyBlock().Matches(front).Single(static found => found.Groups[1].Value == "csharp").Groups[2].Value,
        };
        var (heading, n) = ("", 0);
        foreach (Match found in Regex.Matches(Readme, @"^## ([^\n]*)$|^```csharp\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline))
        {
            if (found.Groups[1].Success)
            {
                (heading, n) = (found.Groups[1].Value, 0);
            }
            else
            {
                blocks[$"{heading}/{n++}"] = found.Groups[2].Value;
            }
        }
        return blocks;
    }

    [Fact]
    public async Task Every_block_of_the_readme_is_a_program()
    {
        var blocks = Blocks();
        Assert.Equal(Known.Keys.Order(), blocks.Keys.Order());
        var config = AnyBlock().Matches(Readme).First(static found => found.Groups[1].Value == "yaml").Groups[2].Value;
        using var receiver = new HttpListener();
        var port = Free();
        receiver.Prefixes.Add($"http://127.0.0.1:{port}/");
        receiver.Start();
        var received = Receive(receiver);
        using var folder = new TemporaryFolder();
        await Shell(folder, "sinkwell keys new agent.pem");
        // A durable lane, so that waiting for the journal has something to wait for.
        await File.WriteAllTextAsync(folder.File("sinkwell.yaml"), config + "    durable: true\njournal: { dir: state }\n");
        // One program of all, each block a function of it with its types behind, as a build takes long.
        var (functions, types, calls) = ("", "", "");
        foreach (var ((name, block), n) in blocks.Select(static (block, n) => (block, n)))
        {
            var (before, after, _) = Known[name];
            var body = block.Replace("using Sinkwell;\n", "", StringComparison.Ordinal).Replace("https://soc.example", $"http://127.0.0.1:{port}", StringComparison.Ordinal);
            var own = body.IndexOf("\nsealed class", StringComparison.Ordinal);
            functions += $"static async Task Block{n}()\n{{\n{before}{(own < 0 ? body : body[..own])}{after}\n}}\n";
            types += own < 0 ? "" : body[own..];
            calls += $"    \"{name}\" => Block{n}(),\n";
        }
        Program(folder, "main.cs", $"using Sinkwell;\n\nawait (args[0] switch\n{{\n{calls}    _ => throw new ArgumentException(args[0]),\n}});\n\n{functions}{types}");
        foreach (var name in blocks.Keys)
        {
            File.Delete(folder.File("events.ndjson"));
            var (exit, output) = await Shell(folder, $"dotnet run main.cs -- '{name}'");
            Assert.True(exit == 0, $"{name}:\n{output}");
            var lines = (await File.ReadAllLinesAsync(folder.File("events.ndjson")))
                .Where(static line => !line.Contains("\"origin\":\"core\"", StringComparison.Ordinal));
            Assert.Equal(Known[name].Types.Select(static type => "dev.sinkwell." + type), lines.Select(TypeOf));
        }
        receiver.Stop();
        // The stream of the block's own sink: opened, closed.
        Assert.True(await received >= 2);
    }

    private static string TypeOf(string line) =>
        System.Text.Json.JsonDocument.Parse(line).RootElement.GetProperty("type").GetString()!;

    private static async Task<int> Receive(HttpListener receiver)
    {
        var events = 0;
        while (true)
        {
            try
            {
                var context = await receiver.GetContextAsync();
                using var reader = new StreamReader(context.Request.InputStream);
                events += (await reader.ReadToEndAsync()).StartsWith("{\"agentid\":", StringComparison.Ordinal) ? 1 : 0;
                context.Response.Close();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return events;
            }
        }
    }

    private static int Free()
    {
        var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        return port;
    }

    /// <summary>What its sentences name is there: types, and members of any public type.</summary>
    [Fact]
    public void Every_name_that_the_readme_tells_of_exists()
    {
        string[] assemblies = ["Sinkwell", "Sinkwell.Extensions.AI", "Sinkwell.OpenTelemetry", "Sinkwell.Extensions.Hosting"];
        var sources = assemblies.SelectMany(static name =>
            Directory.GetFiles(Path.Combine(Project.Root, "bindings-dotnet", "src", name), "*.cs", SearchOption.AllDirectories));
        var code = string.Concat(sources.Select(File.ReadAllText));
        var types = typeof(Emitter).Assembly.GetExportedTypes();
        var names = types.SelectMany(static type => type.GetMembers().Select(static member => member.Name).Append(type.Name)).ToHashSet();
        // Of .NET itself, and of packages that the sentences speak of.
        string[] others =
        [
            "Activity", "Current", "Guid", "DateTimeOffset", "DateTime", "DateOnly", "TimeOnly", "Main", "Environment", "Exit", "FailFast",
            "DisposeAsync", "Dispose", "SIGTERM", "SIGINT", "SIGKILL", "AddProcessor", "SetSampler", "Context", "Default", "Value", "ISigner",
            "NativeMethods", "Sinkwell", "OpenTelemetry", "Extensions", "AI", "Hosting", "HMAC",
        ];
        var prose = AnyBlock().Replace(Readme, "");
        List<string> missing = [];
        var seen = 0;
        foreach (Match span in Regex.Matches(prose, "`([^`\n]+)`"))
        {
            foreach (Match word in Regex.Matches(Regex.Replace(span.Groups[1].Value, "\"[^\"]*\"", ""), @"(?<![\w/.-])[A-Z]\w*|(?<=\.)[A-Z]\w*"))
            {
                seen++;
                var known = names.Contains(word.Value) || others.Contains(word.Value)
                    || Regex.IsMatch(code, $@"public [^\n=;]*\b{word.Value}\b");
                if (!known)
                {
                    missing.Add(word.Value);
                }
            }
        }
        Assert.Empty(missing);
        Assert.True(seen > 60, $"{seen} names");
    }

    /// <summary>docs/FIRST-MINUTES.md, with <c>…</c> for what differs from run to run.</summary>
    [Fact]
    public async Task The_first_ten_minutes_are_as_they_are_told()
    {
        var page = await File.ReadAllTextAsync(Path.Combine(Project.Root, "docs", "FIRST-MINUTES.md"));
        var section = page.Split("\n## .NET\n")[1].Split("\n## ")[0];
        using var folder = new TemporaryFolder();
        var ran = 0;
        foreach (Match found in AnyBlock().Matches(section))
        {
            var block = found.Groups[2].Value;
            if (found.Groups[1].Value == "csharp")
            {
                var end = block.IndexOf('\n', StringComparison.Ordinal);
                Program(folder, block[..end].Replace("// ", "", StringComparison.Ordinal), block[(end + 1)..]);
                continue;
            }
            foreach (var step in ("\n" + block).Split("\n$ ")[1..])
            {
                var end = step.IndexOf('\n', StringComparison.Ordinal);
                var (command, expected) = end < 0 ? (step, "") : (step[..end], step[(end + 1)..]);
                var (_, output) = await Shell(folder, command);
                var pattern = Regex.Escape(expected.TrimEnd('\n')).Replace("…", ".*", StringComparison.Ordinal);
                Assert.True(Regex.IsMatch(output.TrimEnd('\n'), $"^{pattern}$"), $"$ {command}\n{output}\nis not\n{expected}");
                ran++;
            }
        }
        Assert.True(ran >= 8, $"{ran} commands");
    }

    /// <summary>A file that is a program, as an SDK of .NET 10 has it, with the package as it was built here.</summary>
    private static void Program(TemporaryFolder folder, string name, string code)
    {
        File.WriteAllText(folder.File(name), Regex.Replace(code, @"^#:package Sinkwell@.*\n", "", RegexOptions.Multiline));
        File.WriteAllText(folder.File("Directory.Build.props"), $"""
            <Project>
              <ItemGroup>
                <Reference Include="{typeof(Emitter).Assembly.Location}" />
              </ItemGroup>
            </Project>
            """);
    }

    /// <summary>What a command says on both of its outputs.</summary>
    private static async Task<(int Exit, string Output)> Shell(TemporaryFolder folder, string command)
    {
        var tools = Path.Combine(Project.Root, "target", "debug");
        Assert.True(File.Exists(Path.Combine(tools, "sinkwell")), "cargo build -p sinkwell-cli makes the command");
        // Compiling ahead of time, which only publishing does, would ask a registry for its compiler.
        var line = command.Replace("dotnet run ", "dotnet run -p:PublishAot=false ", StringComparison.Ordinal);
        var start = new ProcessStartInfo("bash", ["-c", $"{{ {line}; }} 2>&1"])
        {
            WorkingDirectory = folder.Path,
            RedirectStandardOutput = true,
        };
        start.Environment["PATH"] = $"{tools}:{Path.GetDirectoryName(Environment.ProcessPath)}:{start.Environment["PATH"]}";
        start.Environment["NO_COLOR"] = "1";
        start.Environment["SINKWELL_CONFIG"] = folder.File("sinkwell.yaml");
        // Where the SDK builds files that are programs.
        start.Environment["XDG_DATA_HOME"] = Directory.CreateDirectory(folder.File("built")).FullName;
        start.Environment["DOTNET_NOLOGO"] = "1";
        // What tests of this process were told to load has no meaning there.
        foreach (var name in (string[])["MSBUILD_EXE_PATH", "MSBuildSDKsPath", "MSBuildExtensionsPath", "VSTEST_CONNECTION_TIMEOUT"])
        {
            start.Environment.Remove(name);
        }
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output);
    }
}
