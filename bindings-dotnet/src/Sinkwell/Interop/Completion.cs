using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Sinkwell.Interop;

/// <summary>
/// An operation of the core that calls back once. It costs memory while it waits, and no thread; what awaits
/// it goes on from the thread pool, never on the core's thread.
/// </summary>
internal abstract class Completion
{
    /// <summary>The token to start the operation with; it is freed by <see cref="Abandon"/> or the callback.</summary>
    internal ulong Arm() => (ulong)(nint)GCHandle.ToIntPtr(GCHandle.Alloc(this));

    /// <summary>Frees the token of an operation that did not start.</summary>
    internal static void Abandon(ulong token) => GCHandle.FromIntPtr((nint)token).Free();

    private protected abstract void Succeed(ReadOnlySpan<byte> result);

    private protected abstract void Fail(Exception error);

    internal static unsafe delegate* unmanaged[Cdecl]<ulong, int, SinkwellBytes, void> Callback => &Complete;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Complete(ulong token, int status, SinkwellBytes bytes)
    {
        var handle = GCHandle.FromIntPtr((nint)token);
        var completion = (Completion)handle.Target!;
        handle.Free();
        // Nothing may leave an unmanaged frame.
        try
        {
            if (status == 0)
            {
                completion.Succeed(Native.Span(bytes));
            }
            else
            {
                completion.Fail(ReadError(status, Native.Span(bytes)));
            }
        }
        catch (Exception e)
        {
            completion.Fail(e);
        }
    }

    private static SinkwellException ReadError(int status, ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        using var document = JsonDocument.ParseValue(ref reader);
        var error = document.RootElement;
        return SinkwellException.Of(
            status, error.GetProperty("message").GetString()!, error.GetProperty("where").GetString());
    }
}

/// <summary>A completion whose result is read from the bytes that come with it.</summary>
internal sealed class Completion<T>(Completion<T>.Read read) : Completion
{
    internal delegate T Read(ReadOnlySpan<byte> result);

    private readonly TaskCompletionSource<T> _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal Task<T> Task => _source.Task;

    private protected override void Succeed(ReadOnlySpan<byte> result) => _source.TrySetResult(read(result));

    private protected override void Fail(Exception error) => _source.TrySetException(error);
}
