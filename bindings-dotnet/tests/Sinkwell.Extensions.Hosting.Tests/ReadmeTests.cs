using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Sinkwell.Extensions.Hosting.Tests;

/// <summary>The lines of the package's README.md, which stand here as they do there, and run.</summary>
public sealed class ReadmeTests
{
    [Fact]
    public async Task The_readmes_lines_run()
    {
        // Where the process is, as the README's path is relative.
        await File.WriteAllTextAsync("sinkwell.yaml", "agent: { id: a1 }\nheartbeat: off\nlanes: []\n");
        try
        {
            await Run([]).WaitAsync(TimeSpan.FromSeconds(30));
        }
        finally
        {
            File.Delete("sinkwell.yaml");
        }
        Assert.Contains("dev.sinkwell.log.record", Defender.Types);
    }

    private static async Task Run(string[] args)
    {
        var builder = Host.CreateApplicationBuilder(args);
        builder.Services.AddSinkwell("sinkwell.yaml");
        builder.Services.AddSingleton<IGovernanceEventSink, Defender>();
        builder.Logging.AddSinkwell();
        builder.Services.AddHealthChecks().AddSinkwell();
        builder.Services.AddHostedService<Ends>();
        await builder.Build().RunAsync();
    }

    [Fact]
    public void The_lines_here_are_those_of_the_readme()
    {
        var root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "docs", "DEPLOY.md")))
        {
            root = Path.GetDirectoryName(root)!;
        }
        var dotnet = Path.Combine(root, "bindings-dotnet");
        var readme = File.ReadAllText(Path.Combine(dotnet, "src", "Sinkwell.Extensions.Hosting", "README.md"));
        var here = File.ReadAllLines(Path.Combine(dotnet, "tests", "Sinkwell.Extensions.Hosting.Tests", "ReadmeTests.cs"));
        var lines = Regex.Match(readme, "```csharp\n(.*?)```", RegexOptions.Singleline).Groups[1].Value
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(static line => line.Split("  //")[0].Trim());
        Assert.Equal(6, lines.Count());
        Assert.Empty(lines.Except(here.Select(static line => line.Trim())));
    }

    /// <summary>Ends the host when it has started.</summary>
    private sealed class Ends(IHostApplicationLifetime lifetime, ILogger<Ends> logger) : BackgroundService
    {
        protected override Task ExecuteAsync(CancellationToken stoppingToken)
        {
            logger.LogWarning("running");
            lifetime.StopApplication();
            return Task.CompletedTask;
        }
    }

    private sealed class Defender : IGovernanceEventSink
    {
        internal static readonly System.Collections.Concurrent.ConcurrentQueue<string> Types = [];

        public string Name => "defender";

        public IReadOnlySet<SinkClass> Classes { get; } = new HashSet<SinkClass> { SinkClass.Siem };

        public Task EmitAsync(SignedGovernanceEvent envelope, CancellationToken cancellationToken = default)
        {
            Types.Enqueue(envelope.Type);
            return Task.CompletedTask;
        }
    }
}
