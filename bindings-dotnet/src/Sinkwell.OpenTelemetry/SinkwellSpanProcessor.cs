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
public sealed class SinkwellSpanProcessor(Emitter emitter, Permit? permit = null) : BaseProcessor<Activity>
{
    /// <summary>How many spans may be emitted while one is.</summary>
    private const int Nested = 4;

    [ThreadStatic]
    private static int s_nested;

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

    /// <summary>
    /// Instrumentation never breaks what it watches: an activity that stops calls this from the program's own code, and what
    /// left it as an exception would leave <see cref="Activity.Current"/> on the activity that has stopped.
    /// </summary>
    private void Emit(Activity activity, bool ended)
    {
        var current = Activity.Current;
        try
        {
            // An object in a tag may start activities while it is read, whose tags may do so again.
            if (++s_nested > Nested)
            {
                Warn("its tags start activities without end while they are read");
                return;
            }
            _emitter.EmitSpan(SpanRecord.Of(activity, ended, permit?.Name));
        }
        catch (SinkwellException)
        {
            // Of what is refused the core counts and tells (SinkwellDiagnostics).
        }
        catch (Exception e)
        {
            Warn(e.GetType().Name);
        }
        finally
        {
            s_nested--;
            if (Activity.Current != current)
            {
                Activity.Current = current;
            }
        }
    }

    private static void Warn(string why)
    {
        try
        {
            Trace.TraceWarning("sinkwell: a span was not emitted: {0}", why);
        }
        catch (Exception)
        {
            // A listener of the program's that throws; nobody is left to be told.
        }
    }
}
