using System.Runtime.InteropServices;
using Sinkwell.Interop;

namespace Sinkwell;

/// <summary>
/// The end of the process. Emitters that are open then are shut down within five seconds: when the process
/// ends normally (<see cref="Environment.Exit"/> included), when an exception that nobody caught ends it, and,
/// with <c>handle_signals</c>, on SIGTERM and SIGINT.
/// </summary>
internal static class Lifetime
{
    private static readonly List<WeakReference<Emitter>> Emitters = [];
    private static readonly List<PosixSignalRegistration> Signals = [];

    static Lifetime()
    {
        // The runtime has handlers of its own, so signals are taken through it.
        LimitMilliseconds = NativeMethods.sinkwell_signals_by_host();
        AppDomain.CurrentDomain.ProcessExit += static (_, _) => EndAll();
        AppDomain.CurrentDomain.UnhandledException += static (_, _) => EndAll();
    }

    /// <summary>How long the end may take.</summary>
    internal static ulong LimitMilliseconds { get; }

    internal static TimeSpan Limit => TimeSpan.FromMilliseconds(LimitMilliseconds);

    internal static void Add(Emitter emitter, bool handlesSignals)
    {
        lock (Emitters)
        {
            Emitters.RemoveAll(static known => !known.TryGetTarget(out _));
            Emitters.Add(new WeakReference<Emitter>(emitter));
            if (handlesSignals && Signals.Count == 0)
            {
                // Not cancelled: afterwards the process goes on as it would have.
                Signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, static _ => EndAll(signal: true)));
                Signals.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, static _ => EndAll(signal: true)));
            }
        }
    }

    private static void EndAll(bool signal = false)
    {
        List<Emitter> open = [];
        lock (Emitters)
        {
            foreach (var known in Emitters)
            {
                if (known.TryGetTarget(out var emitter) && (!signal || emitter.HandlesSignals))
                {
                    open.Add(emitter);
                }
            }
        }
        // At once, as one that hangs must not take the time of the others.
        Task.WaitAll([.. open.Select(static emitter => End(emitter))]);
    }

    private static async Task End(Emitter emitter)
    {
        try
        {
            await emitter.ShutdownAsync(Limit).ConfigureAwait(false);
        }
        catch (SinkwellException)
        {
            // Nobody is left to be told.
        }
    }
}
