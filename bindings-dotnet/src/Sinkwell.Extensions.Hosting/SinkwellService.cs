using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Sinkwell.Extensions.Hosting;

/// <summary>
/// The emitter's life in the host's: open before the first hosted service starts, shut down after the last one has
/// stopped.
/// </summary>
internal sealed partial class SinkwellService : IHostedLifecycleService, IDisposable
{
    private readonly SinkwellHost _host;
    private readonly ILogger _logger;

    public SinkwellService(SinkwellHost host, ILoggerFactory loggers)
    {
        _host = host;
        _logger = loggers.CreateLogger(SinkwellLoggerProvider.OwnCategory);
        SinkwellDiagnostics.Written += Write;
    }

    // Opening waits for required sinks, so not on this thread: a host may start its services on one that they need.
    public Task StartingAsync(CancellationToken cancellationToken) =>
        Task.Run(_host.Open, CancellationToken.None).WaitAsync(cancellationToken);

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        if (_host.Current is not { } emitter)
        {
            return;
        }
        var ending = emitter.ShutdownAsync(cancellationToken: CancellationToken.None);
        try
        {
            await ending.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The host's time is over; what is left stays where the reading says.
        }
        _host.Stopped = true;
        var report = ending.IsCompletedSuccessfully ? await ending.ConfigureAwait(false) : emitter.Flush(TimeSpan.Zero);
        foreach (var (lane, left) in report)
        {
            if (left.Pending > 0)
            {
                Left(lane, left.Pending, left.Where);
            }
        }
    }

    public void Dispose() => SinkwellDiagnostics.Written -= Write;

    private void Write(DiagnosticLevel level, string message)
    {
        var at = level switch
        {
            DiagnosticLevel.Error => LogLevel.Error,
            DiagnosticLevel.Warning => LogLevel.Warning,
            _ => LogLevel.Information,
        };
        Said(at, message);
    }

    [LoggerMessage(EventId = 1, Message = "{Message}")]
    private partial void Said(LogLevel level, string message);

    [LoggerMessage(
        EventId = 2,
        Level = LogLevel.Warning,
        Message = "The lane {Lane} ended with {Pending} events undelivered; they are in: {Where}")]
    private partial void Left(string lane, long pending, string where);
}
