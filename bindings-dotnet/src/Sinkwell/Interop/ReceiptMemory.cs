using System.Runtime;

namespace Sinkwell.Interop;

/// <summary>
/// What receipts hold of the core's memory, which the garbage collector does not see: to it a receipt is forty bytes,
/// so that those nobody has any more would pile up to hundreds of megabytes before it looks for them.
/// <para>
/// When they hold too much, the youngest generation is collected: a fraction of a millisecond for thousands of
/// receipts. Where that brings too little, as the program still has them, the limit doubles, and
/// falls again with what is freed. <see cref="GC.AddMemoryPressure"/> is not for this: it collects all generations.
/// </para>
/// </summary>
internal static class ReceiptMemory
{
    /// <summary>
    /// Below it nothing is done. 4 MiB is where the runtime itself begins to look at such memory; a server's collector,
    /// which stops more threads and has more memory, is asked more seldom.
    /// </summary>
    private static readonly long Least = GCSettings.IsServerGC ? 32 << 20 : 4 << 20;

    /// <summary>What a receipt holds beside the event's own text.</summary>
    private const int Fixed = 1024;

    private static long s_held;
    private static long s_limit = Least;
    private static int s_collecting;

    /// <summary>What a receipt of an event with so much text holds.</summary>
    internal static int Of(int textBytes) => Math.Min(textBytes, int.MaxValue - Fixed) + Fixed;

    internal static void Take(int bytes)
    {
        var held = Interlocked.Add(ref s_held, bytes);
        if (held > Volatile.Read(ref s_limit) && Interlocked.Exchange(ref s_collecting, 1) == 0)
        {
            Collect(held);
        }
    }

    internal static void Return(int bytes)
    {
        var held = Interlocked.Add(ref s_held, -bytes);
        var limit = Volatile.Read(ref s_limit);
        if (limit > Least && held < limit / 4)
        {
            Interlocked.CompareExchange(ref s_limit, Math.Max(limit / 2, Least), limit);
        }
    }

    private static void Collect(long held)
    {
        // What outlived the last one is in the next generation.
        var generation = Volatile.Read(ref s_limit) > Least ? 1 : 0;
        Volatile.Write(ref s_limit, 2 * held);
        // Who has asked for no collection for a while would lose that by one.
        if (GCSettings.LatencyMode != GCLatencyMode.NoGCRegion)
        {
            GC.Collect(generation, GCCollectionMode.Forced, blocking: true);
        }
        Volatile.Write(ref s_collecting, 0);
    }
}
