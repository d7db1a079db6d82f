using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Sinkwell.Interop;

/// <summary>Calls of a host's signer, on the thread pool; every batch is answered once.</summary>
internal sealed class HostSigner(ISigner signer)
{
    internal static unsafe delegate* unmanaged[Cdecl]<ulong, SinkwellBytes*, ulong, SinkwellSignReply*, void> SignCallback => &Sign;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static unsafe void Sign(ulong user, SinkwellBytes* inputs, ulong length, SinkwellSignReply* reply)
    {
        try
        {
            var signer = (HostSigner)GCHandle.FromIntPtr((nint)user).Target!;
            var copies = new ReadOnlyMemory<byte>[length];
            for (var i = 0; i < copies.Length; i++)
            {
                copies[i] = Native.Span(inputs[i]).ToArray();
            }
            ThreadPool.UnsafeQueueUserWorkItem(
                static call => _ = call.Signer.SignAsync(call.Inputs, call.Reply),
                (Signer: signer, Inputs: copies, Reply: (nint)reply),
                preferLocal: false);
        }
        catch (Exception e)
        {
            Fail((nint)reply, e);
        }
    }

    private async Task SignAsync(ReadOnlyMemory<byte>[] inputs, nint reply)
    {
        HostCall.Enter();
        try
        {
            var task = signer.SignAsync(inputs, CancellationToken.None) ?? throw new NoTaskException();
            var signatures = await task.ConfigureAwait(false) ?? throw new NoTaskException();
            Answer(reply, signatures);
        }
        catch (Exception e)
        {
            Fail(reply, e);
        }
    }

    private static unsafe void Answer(nint reply, IReadOnlyList<ReadOnlyMemory<byte>> signatures)
    {
        using var arena = new Arena();
        // Read in full before the reply is taken, so that a failure here is still an answer.
        // Counted once, as the list is the signer's.
        var all = signatures.ToArray();
        var given = arena.Array<SinkwellBytes>(all.Length);
        for (var i = 0; i < all.Length; i++)
        {
            given[i] = arena.Put(all[i].Span);
        }
        var taken = (SinkwellSignReply*)reply;
        var status = NativeMethods.sinkwell_sign_reply(&taken, given, (ulong)all.Length, default, null);
        Debug.Assert(status == 0, "signatures are bytes of any kind");
    }

    private static unsafe void Fail(nint reply, Exception failure)
    {
        using var arena = new Arena();
        var taken = (SinkwellSignReply*)reply;
        var text = Failure.Put(arena, Failure.Detail(failure));
        var status = NativeMethods.sinkwell_sign_reply(&taken, null, 0, text, null);
        Debug.Assert(status == 0, "the text is UTF-8");
    }
}
