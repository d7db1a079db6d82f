using System.Runtime.InteropServices;

namespace Sinkwell.Interop;

/// <summary>An emitter of the core. Whoever forgets to dispose of it still has it shut down, off the finalizer.</summary>
internal sealed unsafe class EmitterHandle : SafeHandle
{
    internal EmitterHandle(SinkwellEmitter* emitter)
        : base(0, ownsHandle: true) => SetHandle((nint)emitter);

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        var emitter = (SinkwellEmitter*)handle;
        // The thread that this starts holds the emitter, so that freeing the handle waits for nothing.
        // Without a thread to be had, freeing the handle shuts it down here.
        _ = NativeMethods.sinkwell_shutdown_on(emitter, Lifetime.LimitMilliseconds, 0, &Ended, null);
        NativeMethods.sinkwell_emitter_free(&emitter);
        return true;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static void Ended(ulong token, int status, SinkwellBytes bytes)
    {
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

    public void Dispose()
    {
        if (_held)
        {
            _held = false;
            _handle.DangerousRelease();
        }
    }
}
