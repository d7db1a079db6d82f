using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Sinkwell.Data;
using Sinkwell.Interop;

namespace Sinkwell;

public sealed partial class Emitter
{
    /// <summary>
    /// Emits the events of a step: what a framework for agents tells of a run while it goes on (<c>docs/STEPS.md</c> names the
    /// members; all but <c>kind</c> and <c>id</c> are optional). An agent's step is told when it starts and again when it
    /// ends, any other when it ends. All events are tried, even when one is refused.
    /// </summary>
    /// <param name="step">The step, a JSON object as UTF-8.</param>
    /// <returns>How many events were emitted.</returns>
    /// <exception cref="InvalidArgumentException">It is no step; <see cref="SinkwellException.Where"/> names the member.</exception>
    /// <exception cref="SinkwellException">The first refusal of an event, as of <c>Emit</c>.</exception>
    public unsafe int EmitStep(ReadOnlySpan<byte> step)
    {
        SinkwellError error = default;
        ulong emitted = 0;
        using var lease = new Lease(_handle);
        fixed (byte* bytes = step)
        {
            var given = new SinkwellBytes { data = bytes, len = (ulong)step.Length };
            Native.Check(NativeMethods.sinkwell_emit_step(lease.Emitter, given, HostCall.Wait, &emitted, &error), ref error);
        }
        return (int)emitted;
    }

    /// <inheritdoc cref="EmitStep(ReadOnlySpan{byte})"/>
    /// <param name="step">
    /// Its members; those that are null are not said. <c>content</c> is a list of <see cref="Part"/>. Attributes, messages,
    /// arguments and results may hold what JSON cannot carry: the core spells it.
    /// </param>
    public int EmitStep(IEnumerable<KeyValuePair<string, object?>> step)
    {
        ArgumentNullException.ThrowIfNull(step);
        return EmitStep(Written(step));
    }

    /// <summary>
    /// Makes a tool's call, told as a step, only once its intent is safe: see <see cref="DeedAsync{T}"/>.
    /// <paramref name="act"/> says by <see cref="StepCall.Ended"/> what came of it; what is emitted in it has the call's id as
    /// its causation. However the call ends, and also where it is refused, the step is over.
    /// </summary>
    /// <param name="step">As of <see cref="EmitStep(IEnumerable{KeyValuePair{string, object}})"/>, without an end.</param>
    /// <param name="act">What to do; it is given the token, too.</param>
    /// <param name="terms">What to wait for, and for how long.</param>
    /// <param name="cancellationToken">Ends the wait, and then the act does not run.</param>
    /// <returns>What the act returns.</returns>
    /// <exception cref="InvalidArgumentException">It is no step of a tool.</exception>
    /// <exception cref="SinkwellException">The act did not run: see <see cref="DeedAsync{T}"/>.</exception>
    public async Task<T> DeedOfStepAsync<T>(
        IEnumerable<KeyValuePair<string, object?>> step,
        Func<StepCall, CancellationToken, Task<T>> act,
        DeedTerms terms = default,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(step);
        ArgumentNullException.ThrowIfNull(act);
        var members = new Dictionary<string, object?> { ["kind"] = "tool", ["start_unix_nano"] = UnixNano() };
        foreach (var (name, value) in step)
        {
            members[name] = value;
        }
        var intent = StepIntent(members);
        // Of what the intent has said nothing is said again.
        members.Remove("input");
        members.Remove("content");
        var call = new StepCall(members.GetValueOrDefault("id") as string ?? "");
        var began = false;

        async Task<T> Act(Deed deed, CancellationToken token)
        {
            began = true;
            T result;
            // It ends with this method.
            SinkwellContext.Within(intent.Options.Run, call.Id);
            try
            {
                result = await Started(act(call, token), nameof(act)).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                Say(deed, members, call, e);
                throw;
            }
            Say(deed, members, call, null);
            return result;
        }

        try
        {
            try
            {
                return await Perform(Draft(intent), Act, terms, cancellationToken).ConfigureAwait(false);
            }
            catch (InvalidEventException) when (!began && intent.Options.Content is { Count: > 0 })
            {
                // What is too large with people's words is told without them: the words are no reason to refuse an act.
                var left = intent.Options.Content!.Count;
                intent = new StepEvent(intent.Type, With(intent.Data, "content_left_out", left), intent.Options with { Content = null });
                return await Perform(Draft(intent), Act, terms, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            if (!began)
            {
                Over(members);
            }
        }
    }

    private EventDraft Draft(StepEvent intent) =>
        Filled(intent, static (draft, given) => draft.Fill(given.Type, given.Options).WithJson(given.Data));

    /// <summary>Has the deed's result say how the call ended. The act has happened: its record does not break it.</summary>
    private void Say(Deed deed, Dictionary<string, object?> members, StepCall call, Exception? failure)
    {
        try
        {
            var end = new Dictionary<string, object?>(members);
            if (failure is not null)
            {
                // What the core does not know by its class is an error.
                end["outcome"] = OutcomeOf(failure) is var outcome and not "error" ? outcome : null;
                end["error_type"] = KindOf(failure);
            }
            foreach (var (name, value) in call.Said)
            {
                end[name] = value ?? end.GetValueOrDefault(name);
            }
            if (call.IsRefused)
            {
                end["outcome"] = "error";
            }
            var result = StepResult(end);
            var data = call.IsRefused ? With(result.Data, "outcome", "denied") : result.Data;
            try
            {
                deed.Say(data, result.Options.Content);
            }
            catch (InvalidEventException) when (result.Options.Content is { Count: > 0 } left)
            {
                deed.Say(With(data, "content_left_out", left.Count), null);
            }
        }
        catch (Exception e) when (e is SinkwellException or ObjectDisposedException)
        {
            SinkwellDiagnostics.Warn($"what came of a tool's call was not sealed: {e.Message}");
        }
    }

    /// <summary>The step is over for the core, too, though its deed never began.</summary>
    private void Over(Dictionary<string, object?> members)
    {
        try
        {
            StepResult(new(members) { ["outcome"] = "error" });
        }
        catch (Exception e) when (e is SinkwellException or ObjectDisposedException)
        {
            // Whoever asked for the deed hears why it did not begin.
        }
    }

    private unsafe StepEvent StepIntent(Dictionary<string, object?> step)
    {
        SinkwellOwned told = default;
        SinkwellError error = default;
        var written = Written(step);
        using var lease = new Lease(_handle);
        fixed (byte* bytes = written)
        {
            var given = new SinkwellBytes { data = bytes, len = (ulong)written.Length };
            Native.Check(NativeMethods.sinkwell_step_intent(lease.Emitter, given, &told, &error), ref error);
        }
        return StepEvent.Read(Reports.Any(Native.Take(ref told)));
    }

    private unsafe StepEvent StepResult(Dictionary<string, object?> step)
    {
        if (step.GetValueOrDefault("end_unix_nano") is null)
        {
            step["end_unix_nano"] = UnixNano();
        }
        SinkwellOwned told = default;
        SinkwellError error = default;
        var written = Written(step);
        using var lease = new Lease(_handle);
        fixed (byte* bytes = written)
        {
            var given = new SinkwellBytes { data = bytes, len = (ulong)written.Length };
            Native.Check(
                NativeMethods.sinkwell_step_result(lease.Emitter, given, HostCall.Wait, &told, &error), ref error);
        }
        return StepEvent.Read(Reports.Any(Native.Take(ref told)));
    }

    /// <summary>A step as the core takes it, without what is null; content parts as JSON has them.</summary>
    private static ReadOnlySpan<byte> Written(IEnumerable<KeyValuePair<string, object?>> step) => new RecordWriter()
        .Write(
            step.Where(static member => member.Value is not null).Select(static member => member.Value is IEnumerable<Part> parts
                ? KeyValuePair.Create(member.Key, (object?)parts.Select(StepEvent.Member).ToArray())
                : member),
            null)
        .Written;

    /// <summary>Now, as a step has it: to 100 ns.</summary>
    private static string UnixNano() =>
        ((DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100).ToString(CultureInfo.InvariantCulture);

    private static byte[] With(byte[] data, string name, JsonNode value)
    {
        var all = JsonNode.Parse(data)!.AsObject();
        all[name] = value;
        return Encoding.UTF8.GetBytes(all.ToJsonString());
    }
}
