using System.Runtime.InteropServices;

namespace Sinkwell.Interop;

/// <summary>What the operating system does with a signal now.</summary>
internal static unsafe partial class Disposition
{
    /// <summary>More than any platform's <c>struct sigaction</c>, which begins with the handler on all of them.</summary>
    private const int ActionSize = 256;

    /// <summary>
    /// Whether it is as the runtime left it at its start: nobody registered for the signal, nobody ignores it. False where that
    /// cannot be found out.
    /// </summary>
    internal static bool IsTheRuntimes(PosixSignal signal)
    {
        var action = stackalloc byte[ActionSize];
        if (sigaction(Number(signal), null, action) != 0)
        {
            return false;
        }
        var handler = *(nint*)action;
        if (handler is 0 or 1)
        {
            return handler == 0;
        }
        // Registrations are System.Native's; the runtime's own handler lies in its core.
        Module module;
        return dladdr(handler, &module) != 0
            && Path.GetFileName(Marshal.PtrToStringUTF8((nint)module.Name)) == "libcoreclr.so";
    }

    /// <summary>The number of SIGINT or SIGTERM, which is everywhere the same.</summary>
    internal static int Number(PosixSignal signal) => signal == PosixSignal.SIGINT ? 2 : 15;

    [LibraryImport("libc")]
    private static partial int sigaction(int signal, byte* action, byte* old);

    [LibraryImport("libc")]
    private static partial int dladdr(nint address, Module* module);

    private struct Module
    {
#pragma warning disable CS0649 // Written by dladdr.
        public byte* Name;
        public nint Base;
        public byte* Symbol;
        public nint Address;
#pragma warning restore CS0649
    }
}
