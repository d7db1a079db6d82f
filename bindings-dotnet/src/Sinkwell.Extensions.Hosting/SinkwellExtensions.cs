using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Sinkwell;
using Sinkwell.Extensions.Hosting;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>sinkwell in the generic host.</summary>
public static class SinkwellExtensions
{
    /// <summary>
    /// Adds the host's <see cref="Emitter"/>: opened before the first hosted service starts, with every registered
    /// <see cref="IGovernanceEventSink"/> and <see cref="ISigner"/>; shut down after the last one has stopped.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Where the configuration is; without it the environment says.</param>
    public static IServiceCollection AddSinkwell(
        this IServiceCollection services, Action<SinkwellOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        if (configure is not null)
        {
            services.Configure(configure);
        }
        Core(services);
        services.TryAddSingleton(static provider => provider.GetRequiredService<SinkwellHost>().Open());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, SinkwellService>());
        return services;
    }

    /// <inheritdoc cref="AddSinkwell(IServiceCollection, Action{SinkwellOptions}?)"/>
    /// <param name="services">The services.</param>
    /// <param name="path">The configuration's file, YAML or JSON.</param>
    public static IServiceCollection AddSinkwell(this IServiceCollection services, string path) =>
        services.AddSinkwell(options => options.Path = path);

    /// <summary>Has log records become <c>log.record</c> events of the host's emitter, once it is open.</summary>
    /// <param name="logging">The logging.</param>
    /// <param name="configure">How far their words may be captured; without it, not at all.</param>
    public static ILoggingBuilder AddSinkwell(this ILoggingBuilder logging, Action<SinkwellLoggerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(logging);
        logging.Services.AddOptions<SinkwellLoggerOptions>();
        if (configure is not null)
        {
            logging.Services.Configure(configure);
        }
        Core(logging.Services);
        logging.Services.TryAddEnumerable(ServiceDescriptor.Singleton<ILoggerProvider, SinkwellLoggerProvider>());
        return logging;
    }

    /// <summary>
    /// Adds a check of the host's emitter: unhealthy where an emit would be refused, degraded while a lane has failed
    /// that nothing requires.
    /// </summary>
    /// <param name="checks">The checks.</param>
    /// <param name="name">What it is called.</param>
    /// <param name="tags">Its tags, <c>ready</c> for example.</param>
    public static IHealthChecksBuilder AddSinkwell(
        this IHealthChecksBuilder checks, string name = "sinkwell", IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(checks);
        Core(checks.Services);
        return checks.AddCheck<SinkwellHealthCheck>(name, tags: tags ?? []);
    }

    private static void Core(IServiceCollection services)
    {
        services.AddOptions<SinkwellOptions>();
        services.TryAddSingleton<SinkwellHost>();
    }
}
