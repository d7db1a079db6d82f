using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Sinkwell.Interop;

namespace Sinkwell;

/// <summary>How much a diagnostic matters.</summary>
public enum DiagnosticLevel
{
    /// <summary>Something is lost or wrong.</summary>
    Error = 1,

    /// <summary>Something should be looked at.</summary>
    Warning = 2,

    /// <summary>For the curious.</summary>
    Information = 3,
}

/// <summary>What the core has to say for itself, for the host's own logger; <c>SINKWELL_LOG</c> sets the level.</summary>
public static class SinkwellDiagnostics
{
    private static readonly object Gate = new();
    private static volatile Action<DiagnosticLevel, string>? s_written;
    private static bool s_installed;

    /// <summary>
    /// Told of each diagnostic, from any thread; it must not block, and an emit from inside it never waits. Without
    /// anybody who listens, diagnostics go to stderr.
    /// </summary>
    public static unsafe event Action<DiagnosticLevel, string>? Written
    {
        add
        {
            lock (Gate)
            {
                s_written += value;
                if (!s_installed)
                {
                    SinkwellError error = default;
                    Native.Check(NativeMethods.sinkwell_set_logger(0, &Tell, &error), ref error);
                    s_installed = true;
                }
            }
        }

        remove
        {
            lock (Gate)
            {
                s_written -= value;
            }
        }
    }

    /// <summary>Says what this package itself has to say, where the core's words go.</summary>
    internal static void Warn(string text) => Say(DiagnosticLevel.Warning, text);

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Tell(ulong user, int level, SinkwellBytes message) =>
        Say((DiagnosticLevel)level, Native.Text(message));

    private static void Say(DiagnosticLevel level, string text)
    {
        var inside = HostCall.IsInside;
        // A logger that throws must not take a lane with it.
        try
        {
            HostCall.Enter();
            if (s_written is { } written)
            {
                written(level, text);
            }
            else
            {
                // Console.Error writes a long line in pieces, between which another process's line may come.
                using var error = Console.OpenStandardError();
                error.Write(Encoding.UTF8.GetBytes($"sinkwell: {text}\n"));
            }
        }
        catch (Exception)
        {
            // Nobody is left to be told.
        }
        finally
        {
            if (!inside)
            {
                HostCall.Leave();
            }
        }
    }
}

/// <summary>Severities of log records.</summary>
public static class LogSeverity
{
    /// <summary>What the core said of each level, as every record asks.</summary>
    private static readonly string?[] Known = new string?[8];

    /// <summary>The severity of a level of <c>Microsoft.Extensions.Logging</c>: <c>Trace</c> 0 … <c>Critical</c> 5.</summary>
    /// <param name="logLevel">The level's number.</param>
    public static string Of(int logLevel) =>
        (uint)logLevel < (uint)Known.Length ? Known[logLevel] ??= Ask(logLevel) : Ask(logLevel);

    private static string Ask(int logLevel) =>
        Native.Text(NativeMethods.sinkwell_severity(NativeConstants.LevelsLogLevel, logLevel));
}
