using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Sinkwell.Extensions.Hosting;

/// <summary>
/// Log records as <c>log.record</c> events. What a record says (its message, its structured state, the scopes that it was
/// written in, an exception's text) is the words of people: it travels as content parts, and leaves the process only as far as
/// <see cref="SinkwellLoggerOptions.Permit"/> and the content policy let it. No record is dropped for what it holds.
/// </summary>
[ProviderAlias("Sinkwell")]
internal sealed class SinkwellLoggerProvider(SinkwellHost host, IOptions<SinkwellLoggerOptions> options)
    : ILoggerProvider, ISupportExternalScope
{
    /// <summary>What sinkwell itself has to say; as events they would feed themselves.</summary>
    internal const string OwnCategory = "Sinkwell";

    private readonly SinkwellLoggerOptions _options = options.Value;
    private IExternalScopeProvider _scopes = new LoggerExternalScopeProvider();

    public ILogger CreateLogger(string categoryName) => new Logger(this, host, categoryName);

    public void SetScopeProvider(IExternalScopeProvider scopeProvider) => _scopes = scopeProvider;

    public void Dispose()
    {
    }

    private sealed class Logger(SinkwellLoggerProvider provider, SinkwellHost host, string category) : ILogger
    {
        private readonly bool _own = category == OwnCategory;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => provider._scopes.Push(state);

        public bool IsEnabled(LogLevel logLevel) =>
            logLevel != LogLevel.None && !_own && host.Current is not null && !Emitter.IsInsideSink;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel) || host.Current is not { } emitter)
            {
                return;
            }
            var record = new List<KeyValuePair<string, object?>>(10)
            {
                new("scale", "loglevel"),
                new("level", (int)logLevel),
                new("level_name", logLevel.ToString()),
                new("logger", category),
                new("permit", provider._options.Permit?.Name),
                new("message", Read(() => formatter(state, exception))),
                new("attributes", Attributes(state)),
            };
            if (eventId.Id != 0)
            {
                record.Add(new("event_id", eventId.Id));
            }
            if (eventId.Name is { } name)
            {
                record.Add(new("event_name", name));
            }
            if (exception is not null)
            {
                record.Add(new("exception", new KeyValuePair<string, object?>[]
                {
                    new("type", exception.GetType().FullName),
                    new("message", Read(() => exception.Message)),
                    new("stack", Read(exception.ToString)),
                }));
            }
            try
            {
                emitter.EmitLog(record);
            }
            catch (SinkwellException)
            {
                // Logging fails nobody; of what is refused the core counts and tells (SinkwellDiagnostics).
            }
        }

        /// <summary>The structured state, and the scopes, the outermost first: each its members, or its text.</summary>
        private List<KeyValuePair<string, object?>> Attributes<TState>(TState state)
        {
            var attributes = new List<KeyValuePair<string, object?>>();
            if (state is IEnumerable<KeyValuePair<string, object?>> members)
            {
                try
                {
                    attributes.AddRange(members);
                }
                catch (Exception e)
                {
                    // The program's own code: a state that throws while it is walked.
                    attributes.Add(new("state", Unreadable(e)));
                }
            }
            else if (state is not null and not string)
            {
                attributes.Add(new("state", state));
            }
            var scopes = new List<object?>();
            provider._scopes.ForEachScope(static (scope, all) => all.Add(scope), scopes);
            if (scopes.Count > 0)
            {
                attributes.Add(new("scopes", scopes));
            }
            return attributes;
        }

        /// <summary>A text that the program's own code makes; where that throws, what threw instead.</summary>
        private static string? Read(Func<string?> text)
        {
            try
            {
                return text();
            }
            catch (Exception e)
            {
                return Unreadable(e);
            }
        }

        private static string Unreadable(Exception e) =>
            string.Create(CultureInfo.InvariantCulture, $"[unreadable: it threw {e.GetType().Name}]");
    }
}
