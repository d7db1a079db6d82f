using System.Text.Json;
using Sinkwell.Interop;

namespace Sinkwell;

public sealed partial class Emitter
{
    /// <summary>What became of each policy document: <c>{policies: [{policy, source, targets: [{kind, name, conditions}],
    /// counters, rules}]}</c>, as docs/POLICY.md says.</summary>
    public unsafe JsonElement PolicyStatus()
    {
        using var status = JsonDocument.Parse(Ask(&NativeMethods.sinkwell_policy_status));
        return status.RootElement.Clone();
    }

    /// <summary>Reads the telemetry policies again and puts them in force as one set; one that is bad now and was good
    /// before stays in force as it was.</summary>
    /// <exception cref="EmitterClosedException">It has been shut down.</exception>
    public unsafe void ReloadPolicies()
    {
        SinkwellError error = default;
        using var lease = new Lease(_handle);
        Native.Check(NativeMethods.sinkwell_reload_policies(lease.Emitter, &error), ref error);
    }
}
