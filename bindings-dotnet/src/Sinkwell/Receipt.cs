using Sinkwell.Interop;

namespace Sinkwell;

/// <summary>How far an event has come.</summary>
public enum ReceiptStage
{
    /// <summary>Every durable lane has it on disk.</summary>
    Journaled = 0,

    /// <summary>Every lane's sink has it, or never will.</summary>
    Delivered = 1,
}

/// <summary>
/// What became of one event. It can be dropped at any time: the event goes its way without it. All members may
/// be used from any thread.
/// </summary>
public sealed class Receipt : IDisposable
{
    private const int Ended = 1;
    private const int Use = 2;

    // Its own handle: one object instead of two for each event.
    private unsafe SinkwellReceipt* _receipt;
    private Admission? _admission;
    /// <summary>Calls under way, times <see cref="Use"/>; and <see cref="Ended"/> once it was disposed of.</summary>
    private int _state;
    private readonly int _bytes;

    /// <summary>Owns a receipt of the core.</summary>
    /// <param name="receipt">The receipt.</param>
    /// <param name="textBytes">How long the event is that it holds.</param>
    internal unsafe Receipt(SinkwellReceipt* receipt, int textBytes)
    {
        _receipt = receipt;
        _bytes = ReceiptMemory.Of(textBytes);
        ReceiptMemory.Take(_bytes);
    }

    /// <summary>Frees what it holds, which the event does not need.</summary>
    ~Receipt() => Free();

    /// <summary>The event's id as it is sealed: a UUIDv7, or the host's own.</summary>
    public unsafe string Id
    {
        get
        {
            // SINKWELL_ID_MAX
            var id = stackalloc byte[128];
            ulong length = 0;
            SinkwellError error = default;
            using var lease = new Held(this);
            Native.Check(NativeMethods.sinkwell_receipt_id(lease.Receipt, id, &length, &error), ref error);
            return Native.Text(id, length);
        }
    }

    /// <summary>What each lane did with it: <c>enqueued</c>, <c>filtered</c>, or <c>dropped: </c> and the reason.</summary>
    public IReadOnlyDictionary<string, string> Lanes => Admitted.Lanes;

    /// <summary>How many other events it evicted, by lane.</summary>
    public IReadOnlyDictionary<string, long> Evicted => Admitted.Evicted;

    /// <summary>How it ended in each lane so far; null where it has not.</summary>
    public unsafe IReadOnlyDictionary<string, Ending?> Endings
    {
        get
        {
            SinkwellOwned bytes = default;
            SinkwellError error = default;
            using var lease = new Held(this);
            Native.Check(NativeMethods.sinkwell_receipt_endings(lease.Receipt, &bytes, &error), ref error);
            return Reports.Endings(Native.Take(ref bytes));
        }
    }

    /// <summary>The salt of a content part, with which you can prove what was said.</summary>
    /// <param name="part">Its place among the event's parts.</param>
    /// <returns>16 bytes; null while the event is not sealed, and where there is no such part.</returns>
    public unsafe byte[]? Salt(int part)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(part);
        var salt = new byte[16];
        byte known;
        SinkwellError error = default;
        using var lease = new Held(this);
        fixed (byte* bytes = salt)
        {
            Native.Check(
                NativeMethods.sinkwell_receipt_salt(lease.Receipt, (ulong)part, bytes, &known, &error), ref error);
        }
        return known == 0 ? null : salt;
    }

    private unsafe Admission Admitted
    {
        get
        {
            if (_admission is not null)
            {
                return _admission;
            }
            SinkwellOwned bytes = default;
            SinkwellError error = default;
            using var lease = new Held(this);
            Native.Check(NativeMethods.sinkwell_receipt_lanes(lease.Receipt, &bytes, &error), ref error);
            return _admission = Reports.Admission(Native.Take(ref bytes));
        }
    }

    /// <summary>
    /// When every lane's sink has it, or never will: how it ended in each. A loss is an answer, not an exception.
    /// </summary>
    /// <param name="cancellationToken">Ends the wait, not the delivery.</param>
    public Task<IReadOnlyDictionary<string, Ending?>> DeliveredAsync(CancellationToken cancellationToken = default) =>
        ReachedAsync(ReceiptStage.Delivered, cancellationToken);

    /// <summary>When every durable lane has it on disk.</summary>
    /// <param name="cancellationToken">Ends the wait, not the writing.</param>
    /// <exception cref="UnsupportedException">No durable lane took it.</exception>
    public Task<IReadOnlyDictionary<string, Ending?>> JournaledAsync(CancellationToken cancellationToken = default) =>
        ReachedAsync(ReceiptStage.Journaled, cancellationToken);

    /// <summary>Waits on this thread.</summary>
    /// <param name="stage">What for.</param>
    /// <param name="timeout">How long at most; null: as long as it takes.</param>
    /// <exception cref="WaitTimeoutException">It took longer.</exception>
    public unsafe IReadOnlyDictionary<string, Ending?> Wait(
        ReceiptStage stage = ReceiptStage.Delivered, TimeSpan? timeout = null)
    {
        SinkwellError error = default;
        using var lease = new Held(this);
        var status = NativeMethods.sinkwell_receipt_wait(
            lease.Receipt, (int)stage, Native.Milliseconds(timeout), &error);
        Native.Check(status, ref error);
        return Endings;
    }

    /// <summary>Frees what it holds now rather than later.</summary>
    public void Dispose()
    {
        // The last call that is under way frees it, if there is one.
        if (Interlocked.Or(ref _state, Ended) == 0)
        {
            Free();
        }
        GC.SuppressFinalize(this);
    }

    private unsafe void Free()
    {
        fixed (SinkwellReceipt** receipt = &_receipt)
        {
            NativeMethods.sinkwell_receipt_free(receipt);
        }
        ReceiptMemory.Return(_bytes);
    }

    private unsafe Task<IReadOnlyDictionary<string, Ending?>> ReachedAsync(
        ReceiptStage stage, CancellationToken cancellationToken)
    {
        var completion = new Completion<IReadOnlyDictionary<string, Ending?>>(static bytes => Reports.Endings(bytes));
        var token = completion.Arm();
        SinkwellError error = default;
        using var lease = new Held(this);
        var status = NativeMethods.sinkwell_receipt_on(
            lease.Receipt, (int)stage, token, Completion.Callback, &error);
        if (status != 0)
        {
            Completion.Abandon(token);
            return Task.FromException<IReadOnlyDictionary<string, Ending?>>(Native.TakeError(status, ref error));
        }
        return cancellationToken.CanBeCanceled ? completion.Task.WaitAsync(cancellationToken) : completion.Task;
    }

    /// <summary>Keeps the receipt from being freed while a call uses it.</summary>
    private readonly ref struct Held
    {
        private readonly Receipt _receipt;

        internal Held(Receipt receipt)
        {
            _receipt = receipt;
            int state;
            do
            {
                state = Volatile.Read(ref receipt._state);
                ObjectDisposedException.ThrowIf((state & Ended) != 0, receipt);
            }
            while (Interlocked.CompareExchange(ref receipt._state, state + Use, state) != state);
        }

        internal unsafe SinkwellReceipt* Receipt => _receipt._receipt;

        public void Dispose()
        {
            if (Interlocked.Add(ref _receipt._state, -Use) == Ended)
            {
                _receipt.Free();
            }
            GC.KeepAlive(_receipt);
        }
    }
}
