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
}
