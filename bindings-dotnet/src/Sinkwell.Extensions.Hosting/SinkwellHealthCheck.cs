using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Sinkwell.Extensions.Hosting;

/// <summary>
/// Unhealthy (or what the registration says) where an emit would be refused; degraded while a lane has failed that
/// nothing requires. Its data are the lanes' states.
/// </summary>
internal sealed class SinkwellHealthCheck(SinkwellHost host) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (host.Current is not { } emitter)
        {
            return Task.FromResult(new HealthCheckResult(context.Registration.FailureStatus, "The emitter is not open yet."));
        }
        var health = emitter.Health();
        var data = health.ToDictionary(static lane => lane.Key, static lane => (object)lane.Value.State);
        try
        {
            emitter.EnsureReady();
        }
        catch (SinkwellException e)
        {
            return Task.FromResult(new HealthCheckResult(context.Registration.FailureStatus, e.Message, e, data));
        }
        var failed = health.Where(static lane => lane.Value.State == "failed").Select(static lane => lane.Key).ToList();
        return Task.FromResult(failed.Count == 0
            ? HealthCheckResult.Healthy(data: data)
            : HealthCheckResult.Degraded($"Failed lanes: {string.Join(", ", failed)}.", data: data));
    }
}
