using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Sinkwell;

var builder = Host.CreateApplicationBuilder(args);
builder.Services.AddSinkwell("sinkwell.yaml");
builder.Services.AddHostedService<Worker>();
await builder.Build().RunAsync();

internal sealed class Worker(Emitter emitter, ILogger<Worker> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        emitter.Emit("run.started", options: new() { Run = "r-1" });
        logger.LogInformation("working");
        await Task.Delay(Timeout.Infinite, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // The host is stopping, and waits for this: the run's last word.
        emitter.Emit(
            "run.completed",
            new Dictionary<string, object?> { ["terminal_status"] = "completed" },
            new() { Run = "r-1" });
    }
}
