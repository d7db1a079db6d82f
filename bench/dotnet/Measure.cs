using System.Diagnostics;
using System.Globalization;

namespace Sinkwell.Bench;

/// <summary>The answer of a run: one line of <c>name=value</c> pairs.</summary>
internal sealed class Figures : Dictionary<string, double>
{
    public string Line() => string.Join(' ', this.Select(f => string.Create(CultureInfo.InvariantCulture, $"{f.Key}={f.Value}")));
}

/// <summary>How events come: a burst at a time, every so often; without a burst as fast as one thread can.</summary>
internal readonly record struct Load(int Events, int Burst, TimeSpan Every)
{
    public static Load Read(string text)
    {
        var parts = text.Split(':');
        var n = parts[1..].Select(part => int.Parse(part, CultureInfo.InvariantCulture)).ToArray();
        return (parts[0], n) switch
        {
            ("hot", [var events]) => new(events, 0, default),
            ("paced", [var rate, var events]) => new(events, 1, TimeSpan.FromSeconds(1) / rate),
            ("bursts", [var rate, var events, var every]) =>
                new(events, Math.Max(rate * every / 1000, 1), TimeSpan.FromMilliseconds(every)),
            _ => throw new ArgumentException($"a load is hot:N, paced:RATE:N or bursts:RATE:N:EVERY_MS, not {text}"),
        };
    }

    /// <summary>Waits for the n-th event's time.</summary>
    public void Await(int n, long start)
    {
        if (Burst == 0 || n % Burst != 0)
        {
            return;
        }
        var due = Every * (n / Burst);
        // Thread.Sleep knows milliseconds only; the rest of a shorter wait is given to whoever wants to run.
        for (var left = due - Stopwatch.GetElapsedTime(start); left > TimeSpan.Zero; left = due - Stopwatch.GetElapsedTime(start))
        {
            Thread.Sleep(left >= TimeSpan.FromMilliseconds(1) ? 1 : 0);
        }
    }
}

internal static class Measure
{
    /// <summary>As many as the runtime needs to compile what is hot a second time.</summary>
    private const int WarmUp = 5_000;

    private const int WarmUpPart = 500;

    public static Figures Run(Candidate candidate, Load load)
    {
        // In parts, so that nobody loses any of it: an exporter's first call takes long.
        var warm = new uint[WarmUpPart];
        for (var part = 0; part < WarmUp / WarmUpPart; part++)
        {
            if (Drive(candidate, new(WarmUpPart, 50, TimeSpan.FromMilliseconds(5)), warm) is > 0 and var early)
            {
                throw new InvalidOperationException($"{early} refused while warming up");
            }
            candidate.Flush();
        }
        var nanos = new uint[load.Events];
        // Not the candidate's memory, and there before it is counted.
        Array.Fill(nanos, 1u);
        GC.Collect();
        Thread.Sleep(200);
        try
        {
            // The peak is of what follows.
            File.WriteAllText("/proc/self/clear_refs", "5");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Then it is since the process began.
        }
        var idle = Resident("VmRSS:");
        var cpu = Environment.CpuUsage.TotalTime;
        var start = Stopwatch.GetTimestamp();
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var refused = Drive(candidate, load, nanos);
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        var figures = candidate.Settle();
        figures["wall_s"] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        figures["cpu_s"] = (Environment.CpuUsage.TotalTime - cpu).TotalSeconds;
        figures["warm_up"] = WarmUp;
        figures["offered"] = load.Events;
        figures["refused"] = refused;
        figures["idle_kb"] = idle;
        figures["growth_kb"] = Resident("VmHWM:") - idle;
        figures["alloc_bytes"] = (double)allocated / load.Events;
        figures["mean_ns"] = nanos.Average(each => (double)each);
        Array.Sort(nanos);
        double At(double share) => nanos[(int)((nanos.Length - 1) * share)];
        figures["p50_ns"] = At(0.5);
        figures["p99_ns"] = At(0.99);
        figures["p999_ns"] = At(0.999);
        return figures;
    }

    /// <summary>Emits under the load, and says how many were refused.</summary>
    private static int Drive(Candidate candidate, Load load, uint[] nanos)
    {
        var refused = 0;
        var start = Stopwatch.GetTimestamp();
        for (var n = 0; n < load.Events; n++)
        {
            load.Await(n, start);
            var begin = Stopwatch.GetTimestamp();
            try
            {
                candidate.Emit(n);
            }
            catch (SinkwellException e)
            {
                if (refused++ == 0)
                {
                    Console.Error.WriteLine(e.Message);
                }
            }
            nanos[n] = (uint)Math.Min((Stopwatch.GetTimestamp() - begin) * (1_000_000_000 / Stopwatch.Frequency), uint.MaxValue);
        }
        return refused;
    }

    /// <summary>A figure of /proc/self/status in kB.</summary>
    private static double Resident(string name)
    {
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith(name, StringComparison.Ordinal));
        return double.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
