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

    /// <summary>What a collection of the program's holds, counted once, as it may change while it is read.</summary>
    internal T* Each<TItem, T>(IEnumerable<TItem> items, Func<TItem, T> read, out ulong count)
        where T : unmanaged
    {
        var all = new List<TItem>();
        foreach (var item in items)
        {
            all.Add(item);
        }
        var given = Array<T>(all.Count);
        for (var i = 0; i < all.Count; i++)
        {
            given[i] = read(all[i]);
        }
        count = (ulong)all.Count;
        return given;
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
