using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace Sinkwell.Extensions.Hosting;

/// <summary>
/// Log records as <c>log.record</c> events. The message is the words of people: it travels as a content part, and
/// leaves the process only as far as the content policy lets it.
/// </summary>
[ProviderAlias("Sinkwell")]
internal sealed class SinkwellLoggerProvider(SinkwellHost host) : ILoggerProvider
{
    /// <summary>What sinkwell itself has to say; as events they would feed themselves.</summary>
    internal const string OwnCategory = "Sinkwell";

    public ILogger CreateLogger(string categoryName) => new Logger(host, categoryName);

    public void Dispose()
    {
    }

    private sealed class Logger(SinkwellHost host, string category) : ILogger
    {
        private readonly bool _own = category == OwnCategory;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) =>
            logLevel != LogLevel.None && !_own && host.Current is not null && !Emitter.IsInsideSink;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel) || host.Current is not { } emitter)
            {
                return;
            }
            var data = default(Members);
            var count = 0;
            data[count++] = ("logger", category);
            data[count++] = ("level", logLevel.ToString());
            if (eventId != default)
            {
                data[count++] = ("event_id", eventId.Id);
            }
            if (eventId.Name is { } name)
            {
                data[count++] = ("event_name", name);
            }
            if (exception is not null)
            {
                data[count++] = ("error.type", exception.GetType().FullName);
            }
            var options = new EventOptions
            {
                Severity = LogSeverity.Of((int)logLevel),
                Content = [new Part("message") { Text = Text(state, exception, formatter) }],
            };
            try
            {
                emitter.Put("log.record", data[..count], options);
            }
            catch (SinkwellException)
            {
                // Logging fails nobody; how many were refused, the emitter counts.
            }
        }

        /// <summary>The message; where the program's own code throws while it is made, what threw instead.</summary>
        private static string Text<TState>(TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            try
            {
                return formatter(state, exception);
            }
            catch (Exception e)
            {
                return $"(the message could not be made: {e.GetType().Name})";
            }
        }

        /// <summary>The most members that a record has, without an allocation.</summary>
        [InlineArray(5)]
        private struct Members
        {
            private Attr _first;
        }
    }
}
