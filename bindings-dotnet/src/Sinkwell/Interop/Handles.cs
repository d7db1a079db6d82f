using System.Runtime.InteropServices;

namespace Sinkwell.Interop;

/// <summary>An emitter of the core. Whoever forgets to dispose of it still has it shut down, off the finalizer.</summary>
internal sealed unsafe class EmitterHandle : SafeHandle
{
    internal EmitterHandle(SinkwellEmitter* emitter)
        : base(0, ownsHandle: true) => SetHandle((nint)emitter);

    public override bool IsInvalid => handle == 0;

    /// <summary>What is told that a shutdown is over which nobody waits for.</summary>
    internal static delegate* unmanaged[Cdecl]<ulong, int, SinkwellBytes, void> NobodyWaits => &Ended;

    protected override bool ReleaseHandle()
    {
        var emitter = (SinkwellEmitter*)handle;
        // The thread that this starts holds the emitter, so that freeing the handle waits for nothing.
        // Without a thread to be had, freeing the handle shuts it down here.
        _ = NativeMethods.sinkwell_shutdown_on(emitter, Lifetime.LimitMilliseconds, 0, NobodyWaits, null);
        NativeMethods.sinkwell_emitter_free(&emitter);
        return true;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static void Ended(ulong token, int status, SinkwellBytes bytes)
    {
    }
}

/// <summary>A deed of the core. Freed before it has ended, it says that it was given up.</summary>
internal sealed unsafe class DeedHandle : SafeHandle
{
    internal DeedHandle(SinkwellDeed* deed)
        : base(0, ownsHandle: true) => SetHandle((nint)deed);

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        var deed = (SinkwellDeed*)handle;
        NativeMethods.sinkwell_deed_free(&deed);
        return true;
    }

    /// <summary>When there is nothing more to wait for.</summary>
    internal Task Settled()
    {
        var completion = new Completion<bool>(static _ => true);
        var token = completion.Arm();
        SinkwellError error = default;
        using var lease = new Lease(this);
        var status = NativeMethods.sinkwell_deed_on_settled(lease.Deed, token, Completion.Callback, &error);
        if (status != 0)
        {
            Completion.Abandon(token);
            return Task.FromException(Native.TakeError(status, ref error));
        }
        return completion.Task;
    }

    /// <summary>Lets the act begin, or throws why it must not.</summary>
    internal void Act()
    {
        SinkwellError error = default;
        using var lease = new Lease(this);
        Native.Check(NativeMethods.sinkwell_deed_act(lease.Deed, &error), ref error);
    }

    /// <summary>Seals the result; false where there is no room, with how long to wait for it in all.</summary>
    internal bool End(string outcome, string? kind, TimeSpan waited, out TimeSpan limit)
    {
        var said = System.Text.Encoding.UTF8.GetBytes(outcome);
        var type = kind is null ? [] : System.Text.Encoding.UTF8.GetBytes(kind);
        byte ended;
        ulong milliseconds;
        SinkwellError error = default;
        using var lease = new Lease(this);
        fixed (byte* saidAt = said, typeAt = type)
        {
            var status = NativeMethods.sinkwell_deed_end(
                lease.Deed,
                new SinkwellBytes { data = saidAt, len = (ulong)said.Length },
                new SinkwellBytes { data = typeAt, len = (ulong)type.Length },
                (ulong)waited.TotalMilliseconds,
                &ended,
                &milliseconds,
                &error);
            Native.Check(status, ref error);
        }
        limit = TimeSpan.FromMilliseconds(Math.Min(milliseconds, int.MaxValue));
        return ended != 0;
    }
}

/// <summary>Keeps a handle from being freed while a call uses it.</summary>
internal ref struct Lease
{
    private readonly SafeHandle _handle;
    private bool _held;

    internal Lease(SafeHandle handle)
    {
        _handle = handle;
        _handle.DangerousAddRef(ref _held);
    }

    internal readonly unsafe SinkwellEmitter* Emitter => (SinkwellEmitter*)_handle.DangerousGetHandle();

    internal readonly unsafe SinkwellDeed* Deed => (SinkwellDeed*)_handle.DangerousGetHandle();

    public void Dispose()
    {
        if (_held)
        {
            _held = false;
            _handle.DangerousRelease();
        }
    }
}
