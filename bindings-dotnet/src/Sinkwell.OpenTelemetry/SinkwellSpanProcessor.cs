using System.Diagnostics;
using OpenTelemetry;

namespace Sinkwell.OpenTelemetry;

/// <summary>
/// Emits what each span stands for: add it to a tracer provider, and every instrumented framework is covered. Spans
/// of the GenAI and MCP conventions become <c>run.*</c>, <c>tool.invocation</c> and <c>model.usage</c>, others
/// <c>span</c>; messages, arguments and results become content parts, which leave only through the gates. Which span
/// is which event is the core's to say: here an activity is converted, and that is all.
/// </summary>
/// <param name="emitter">The emitter; its owner ends it.</param>
/// <param name="permit">
/// The most that the content of the spans may be captured, as that of a <see cref="Part"/>; null is <c>off</c>.
/// </param>
public sealed class SinkwellSpanProcessor(Emitter emitter, string? permit = null) : BaseProcessor<Activity>
{
    private readonly Emitter _emitter = emitter ?? throw new ArgumentNullException(nameof(emitter));

    /// <summary>A span that starts: an agent's is a run.</summary>
    /// <param name="data">The span.</param>
    public override void OnStart(Activity data) => Emit(data, ended: false);

    /// <summary>A finished span.</summary>
    /// <param name="data">The span.</param>
    public override void OnEnd(Activity data) => Emit(data, ended: true);

    /// <summary>Waits until every lane has delivered or declared what it was given.</summary>
    /// <param name="timeoutMilliseconds">How long at most.</param>
    /// <returns>Whether nothing is left.</returns>
    protected override bool OnForceFlush(int timeoutMilliseconds) =>
        _emitter.Flush(TimeSpan.FromMilliseconds(timeoutMilliseconds)).Values.All(static lane => lane.Pending == 0);

    private void Emit(Activity activity, bool ended)
    {
        ArgumentNullException.ThrowIfNull(activity);
        try
        {
            _emitter.EmitSpan(SpanJson.Of(activity, ended, permit).WrittenSpan);
        }
        catch (SinkwellException refused)
        {
            // Instrumentation never breaks what it watches; what was refused is counted by the emitter.
            Trace.TraceWarning("sinkwell: a span was not emitted: {0}", refused.Message);
        }
    }
}
