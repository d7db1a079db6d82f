namespace Sinkwell.Interop;

/// <summary>
/// Whether code runs for a call of ours (a sink's delivery, a signer, a logger), on whatever thread it has come to:
/// there nothing may wait for a lane, as the lane waits for it.
/// </summary>
internal static class HostCall
{
    private static readonly AsyncLocal<bool> Inside = new();

    internal static bool IsInside => Inside.Value;

    /// <summary>How an emit waits: inside not at all, as it would wait for itself.</summary>
    internal static int Wait => IsInside ? NativeConstants.Inside : NativeConstants.Wait;

    /// <summary>Holds for what the calling method does from here on, asynchronously too.</summary>
    internal static void Enter() => Inside.Value = true;

    internal static void Leave() => Inside.Value = false;

    /// <summary>How long a flush may wait, in milliseconds.</summary>
    internal static ulong Limit(TimeSpan? timeout) => IsInside ? 0 : Native.Milliseconds(timeout ?? Lifetime.Limit);
}
