using System.Runtime.InteropServices;
using Sinkwell.Interop;

namespace Sinkwell;

/// <summary>
/// The end of the process. Emitters that are open then are shut down within five seconds: when the process
/// ends normally (<see cref="Environment.Exit"/> included), and when an exception that nobody caught ends it. With
/// <c>handle_signals</c>, SIGTERM and SIGINT push out what is queued at once, and every emitter goes on accepting: a host
/// that finishes its requests (the generic host) is in charge of the end, which is the process's own.
/// </summary>
/// <remarks>
/// A process that leaves a signal to the runtime ends without another word (before .NET 10, SIGTERM ended it as
/// <see cref="Environment.Exit"/> does, which is seen here by itself). Handlers are called newest first, so whoever
/// registered after this class has had his say when this one's turn comes; whether somebody registered before it is known
/// where nobody had touched the signal by then. Where somebody may have, everything is delivered before it is his turn, and
/// nothing is closed.
/// </remarks>
internal static class Lifetime
{
    private static readonly List<WeakReference<Emitter>> Emitters = [];
    private static readonly List<PosixSignalRegistration> Signals = [];

    /// <summary>The signals for which nobody registered before this class did.</summary>
    private static readonly HashSet<PosixSignal> Oldest = [];

    private static ulong s_limit;

    /// <summary>How long the end may take.</summary>
    internal static ulong LimitMilliseconds => Volatile.Read(ref s_limit) is var limit and not 0 ? limit : Start();

    // Not as a static constructor: what goes wrong in the first call to the library is then the caller's to see.
    private static ulong Start()
    {
        lock (Emitters)
        {
            if (s_limit == 0)
            {
                // The runtime has handlers of its own, so signals are taken through it.
                var limit = NativeMethods.sinkwell_signals_by_host();
                AppDomain.CurrentDomain.ProcessExit += static (_, _) => EndAll();
                AppDomain.CurrentDomain.UnhandledException += static (_, _) => EndAll();
                Volatile.Write(ref s_limit, limit);
            }
            return s_limit;
        }
    }

    internal static TimeSpan Limit => TimeSpan.FromMilliseconds(LimitMilliseconds);

    internal static void Add(Emitter emitter, bool handlesSignals)
    {
        lock (Emitters)
        {
            Emitters.RemoveAll(static known => !known.TryGetTarget(out _));
            Emitters.Add(new WeakReference<Emitter>(emitter));
            if (handlesSignals && Signals.Count == 0)
            {
                PosixSignal[] taken = [PosixSignal.SIGTERM, PosixSignal.SIGINT];
                Oldest.UnionWith(taken.Where(Disposition.IsTheRuntimes));
                // Never cancelled here: where nobody else does, the process goes on as it would have.
                Signals.AddRange(taken.Select(static signal => PosixSignalRegistration.Create(signal, OnSignal)));
            }
        }
    }

    private static void OnSignal(PosixSignalContext context)
    {
        NativeMethods.sinkwell_push_on_signal();
        var endsByExit = context.Signal == PosixSignal.SIGTERM && Environment.Version.Major < 10;
        if (endsByExit || context.Cancel || HasHost())
        {
            return;
        }
        if (!Oldest.Contains(context.Signal))
        {
            Task.WaitAll([.. Open(signal: true).Select(static emitter => Deliver(emitter))]);
            return;
        }
        EndAll(signal: true);
        if (Environment.ProcessId == 1)
        {
            // The kernel gives no default action to the first process of a container.
            Environment.Exit(128 + Disposition.Number(context.Signal));
        }
    }

    private static bool HasHost() =>
        AppDomain.CurrentDomain.GetAssemblies().Any(static one => one.GetName().Name == "Microsoft.Extensions.Hosting");

    private static List<Emitter> Open(bool signal)
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
        return open;
    }

    // At once, as one that hangs must not take the time of the others.
    private static void EndAll(bool signal = false) =>
        Task.WaitAll([.. Open(signal).Select(static emitter => End(emitter))]);

    private static async Task Deliver(Emitter emitter)
    {
        try
        {
            await emitter.FlushAsync(Limit).ConfigureAwait(false);
        }
        catch (SinkwellException)
        {
            // The emitter's health says so, to who asks.
        }
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
