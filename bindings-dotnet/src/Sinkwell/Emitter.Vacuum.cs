using System.Buffers;
using System.Text;
using System.Text.Json;
using Sinkwell.Interop;

namespace Sinkwell;

/// <summary>What a log is, beside its text.</summary>
/// <param name="Process">Whose log it is.</param>
/// <param name="Nonce">The message, block or batch that it is of, from 0 to 2^53-1.</param>
/// <param name="Format">What carries the lines: auto, plain, docker, cri, lambda or journald; null: auto.</param>
public sealed record VacuumOptions(string? Process = null, long? Nonce = null, string? Format = null);

/// <summary>What became of a log.</summary>
/// <param name="Passed">What went through, byte for byte; empty where it was written elsewhere.</param>
/// <param name="Report">
/// Counts: <c>lines</c>, <c>events</c>, <c>skipped</c> (events that every lane has already), <c>passed</c>, <c>too_large</c>,
/// <c>too_deep</c>, <c>refused</c>, <c>unsent</c>, <c>integers_as_strings</c>, <c>formats</c>, and as they apply
/// <c>skipped_by</c>, <c>first_refusal</c>, <c>first_unsent</c>.
/// </param>
public sealed record Vacuumed(ReadOnlyMemory<byte> Passed, JsonElement Report);

public sealed partial class Emitter
{
    /// <summary>
    /// Takes the events out of a log; every other line goes through, byte for byte. With a process and a nonce the same line
    /// has the same id, and a lane that has the nonce is not sent it again. Off, and everything goes through, until the
    /// configuration (<c>vacuum</c>) or SINKWELL_VACUUM_TRANSPORTS says otherwise.
    /// </summary>
    /// <param name="log">The log.</param>
    /// <param name="options">What it is.</param>
    public Vacuumed Vacuum(string log, VacuumOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(log);
        return Vacuum(Encoding.UTF8.GetBytes(log), options);
    }

    /// <inheritdoc cref="Vacuum(string, VacuumOptions?)"/>
    public Vacuumed Vacuum(ReadOnlySpan<byte> log, VacuumOptions? options = null)
    {
        using var drawing = new Drawing(_handle, options);
        var passed = new ArrayBufferWriter<byte>();
        passed.Write(drawing.Push(log));
        var report = drawing.Finish(true, out var rest);
        passed.Write(rest);
        return new Vacuumed(passed.WrittenMemory, report);
    }

    /// <inheritdoc cref="Vacuum(string, VacuumOptions?)"/>
    /// <param name="log">The log, read to its end; an error of it ends the call, and the nonce does not count then.</param>
    /// <param name="passed">Where what goes through is written; null: it is kept and answered.</param>
    /// <param name="options">What the log is.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public async Task<Vacuumed> VacuumAsync(
        Stream log, Stream? passed = null, VacuumOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(log);
        var kept = passed is null ? new MemoryStream() : null;
        var to = passed ?? kept!;
        using var drawing = new Drawing(_handle, options);
        var buffer = new byte[256 << 10];
        byte[] rest;
        JsonElement report;
        var whole = false;
        try
        {
            int n;
            while ((n = await log.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
            {
                // An event may have to wait for room: not on the caller's context.
                var read = n;
                var through = await Task.Run(() => drawing.Push(buffer.AsSpan(0, read)), CancellationToken.None).ConfigureAwait(false);
                await to.WriteAsync(through, cancellationToken).ConfigureAwait(false);
            }
            whole = true;
        }
        finally
        {
            report = drawing.Finish(whole, out rest);
            await to.WriteAsync(rest, CancellationToken.None).ConfigureAwait(false);
        }
        return new Vacuumed(kept is null ? default : kept.ToArray(), report);
    }

    /// <inheritdoc cref="VacuumAsync(Stream, Stream?, VacuumOptions?, CancellationToken)"/>
    public async Task<Vacuumed> VacuumAsync(
        TextReader log, Stream? passed = null, VacuumOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(log);
        await using var stream = new TextStream(log);
        return await VacuumAsync(stream, passed, options, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A log that is being read.</summary>
    private sealed unsafe class Drawing : IDisposable
    {
        private SinkwellVacuum* _vacuum;

        internal Drawing(EmitterHandle handle, VacuumOptions? options)
        {
            using var text = new MemoryStream();
            using (var json = new Utf8JsonWriter(text))
            {
                json.WriteStartObject();
                json.WriteString("process", options?.Process);
                if (options?.Nonce is { } nonce)
                {
                    json.WriteNumber("nonce", nonce);
                }
                json.WriteString("format", options?.Format);
                json.WriteEndObject();
            }
            SinkwellError error = default;
            SinkwellVacuum* vacuum = null;
            using var lease = new Lease(handle);
            fixed (byte* bytes = text.ToArray())
            {
                var given = new SinkwellBytes { data = bytes, len = (ulong)text.Length };
                Native.Check(NativeMethods.sinkwell_vacuum_start(lease.Emitter, given, &vacuum, &error), ref error);
            }
            _vacuum = vacuum;
        }

        internal byte[] Push(ReadOnlySpan<byte> log)
        {
            SinkwellOwned passed = default;
            SinkwellError error = default;
            fixed (byte* bytes = log)
            {
                var given = new SinkwellBytes { data = bytes, len = (ulong)log.Length };
                Native.Check(NativeMethods.sinkwell_vacuum_push(_vacuum, given, HostCall.Wait, &passed, &error), ref error);
            }
            return Native.Take(ref passed);
        }

        internal JsonElement Finish(bool whole, out byte[] passed)
        {
            SinkwellOwned through = default;
            SinkwellOwned report = default;
            SinkwellError error = default;
            Native.Check(
                NativeMethods.sinkwell_vacuum_finish(_vacuum, whole ? (byte)1 : (byte)0, HostCall.Wait, &through, &report, &error),
                ref error);
            passed = Native.Take(ref through);
            return Reports.Any(Native.Take(ref report));
        }

        public void Dispose()
        {
            fixed (SinkwellVacuum** vacuum = &_vacuum)
            {
                NativeMethods.sinkwell_vacuum_free(vacuum);
            }
        }
    }

    /// <summary>The text of a reader, as UTF-8.</summary>
    private sealed class TextStream(TextReader reader) : Stream
    {
        private readonly Encoder _encoder = Encoding.UTF8.GetEncoder();
        private readonly char[] _text = new char[16 << 10];

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            // No character needs more than three bytes, and one that was begun before at most four.
            var room = Math.Min(_text.Length, (buffer.Length - 4) / 3);
            int bytes;
            int n;
            do
            {
                n = await reader.ReadAsync(_text.AsMemory(0, room), cancellationToken).ConfigureAwait(false);
                bytes = _encoder.GetBytes(_text.AsSpan(0, n), buffer.Span, flush: n == 0);
            }
            while (bytes == 0 && n > 0);
            return bytes;
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
