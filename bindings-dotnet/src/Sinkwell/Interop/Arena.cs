using System.Runtime.InteropServices;

namespace Sinkwell.Interop;

/// <summary>Unmanaged memory for one call, freed with the arena: for arguments with many parts.</summary>
internal sealed unsafe class Arena : IDisposable
{
    private readonly List<nint> _blocks = [];

    internal T* Array<T>(int count)
        where T : unmanaged
    {
        var block = NativeMemory.AllocZeroed((nuint)Math.Max(count, 1), (nuint)sizeof(T));
        _blocks.Add((nint)block);
        return (T*)block;
    }

    internal SinkwellBytes Put(string? text, string where)
    {
        var utf8 = Utf8Text.Of(text, where);
        return utf8.Bytes is null ? default : Put(utf8.Span);
    }

    internal SinkwellBytes Put(ReadOnlySpan<byte> bytes)
    {
        var block = Array<byte>(bytes.Length);
        bytes.CopyTo(new Span<byte>(block, bytes.Length));
        return new SinkwellBytes { data = block, len = (ulong)bytes.Length };
    }

    public void Dispose()
    {
        foreach (var block in _blocks)
        {
            NativeMemory.Free((void*)block);
        }
        _blocks.Clear();
    }
}
