using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sinkwell.Interop;

/// <summary>Where the native half is looked for, and what is said where there is none.</summary>
internal static class NativeHalf
{
#pragma warning disable CA2255 // It has to be there before the first call, and calls come from everywhere.
    [ModuleInitializer]
    internal static void Register() => NativeLibrary.SetDllImportResolver(typeof(NativeHalf).Assembly, Find);
#pragma warning restore CA2255

    private static IntPtr Find(string name, Assembly assembly, DllImportSearchPath? path)
    {
        try
        {
            return NativeLibrary.Load(name, assembly, path);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            throw new DllNotFoundException(
                $"The native half of sinkwell ({name}) cannot be loaded for {RuntimeInformation.RuntimeIdentifier}. The package "
                + "Sinkwell brings it for linux-x64 with glibc 2.28 or later, in runtimes/linux-x64/native; other platforms have "
                + "none yet. Where it should be there, publish with `-r linux-x64`, or see the inner exception.",
                e);
        }
    }
}
