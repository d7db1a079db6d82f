package dev.sinkwell.internal

import java.lang.invoke.MethodHandles
import java.lang.invoke.VarHandle
import java.nio.ByteOrder
import java.util.concurrent.atomic.AtomicReferenceArray

private val INT: VarHandle = MethodHandles.byteArrayViewVarHandle(IntArray::class.java, ByteOrder.LITTLE_ENDIAN)
private val LONG: VarHandle = MethodHandles.byteArrayViewVarHandle(LongArray::class.java, ByteOrder.LITTLE_ENDIAN)

/** Bytes that are being written, for the native half. */
internal class Buffer {
    @JvmField
    var bytes: ByteArray = ByteArray(512)

    @JvmField
    var length: Int = 0

    /** The units of the texts that cross apart, one after the other ([apart]). */
    @JvmField
    var units: CharArray = CharArray(1024)

    @JvmField
    var count: Int = 0

    /** Where values begin that may have to be written again. */
    @JvmField
    val marks: IntArray = IntArray(Keyed.MOST)

    private fun room(more: Int) {
        if (bytes.size - length < more) {
            bytes = bytes.copyOf(maxOf(Math.addExact(length, more), bytes.size * 2))
        }
    }

    fun byte(value: Int) {
        room(1)
        bytes[length++] = value.toByte()
    }

    fun int(value: Int) {
        room(4)
        INT.set(bytes, length, value)
        length += 4
    }

    /** A number that was left open at a place. */
    fun int(
        place: Int,
        value: Int,
    ) = INT.set(bytes, place, value)

    /** A part of other bytes, without a length. */
    fun slice(
        from: ByteArray,
        start: Int,
        end: Int,
    ) {
        room(end - start)
        from.copyInto(bytes, length, start, end)
        length += end - start
    }

    /** A byte and 32 bits. */
    fun byteAndInt(
        byte: Int,
        value: Int,
    ) {
        room(5)
        bytes[length] = byte.toByte()
        INT.set(bytes, length + 1, value)
        length += 5
    }

    /** A byte and 64 bits. */
    fun byteAndLong(
        byte: Int,
        value: Long,
    ) {
        room(9)
        bytes[length] = byte.toByte()
        LONG.set(bytes, length + 1, value)
        length += 9
    }

    fun long(value: Long) {
        room(8)
        LONG.set(bytes, length, value)
        length += 8
    }

    fun raw(value: ByteArray) {
        int(value.size)
        room(value.size)
        value.copyInto(bytes, length)
        length += value.size
    }

    /** Its place, for [close]: a length that is not known yet. */
    fun open(): Int {
        int(0)
        return length
    }

    fun close(place: Int) {
        INT.set(bytes, place - 4, length - place)
    }

    /**
     * A text's units, without a length: the native half makes UTF-8 of them, faster than can be done here, where the JVM copies
     * them at once and nothing else does.
     */
    fun apart(value: String) {
        val more = value.length
        if (units.size - count < more) {
            units = units.copyOf(maxOf(Math.addExact(count, more), units.size * 2))
        }
        value.toCharArray(units, count, 0, more)
        count += more
    }

    /**
     * A text as UTF-8 after its length. Where it holds a lone surrogate, which UTF-8 does not have, that stands there as its
     * three bytes, and the answer is false.
     */
    fun text(value: String): Boolean {
        val n = value.length
        room(4 + n)
        val target = bytes
        var at = length + 4
        var i = 0
        while (i < n) {
            val unit = value[i].code
            if (unit >= 0x80) {
                return wide(value, i, at)
            }
            target[at++] = unit.toByte()
            i++
        }
        INT.set(target, length, n)
        length = at
        return true
    }

    private fun wide(
        value: String,
        from: Int,
        place: Int,
    ): Boolean {
        val start = length
        length = place
        room((value.length - from) * 3)
        var good = true
        var i = from
        while (i < value.length) {
            val unit = value[i++].code
            when {
                unit < 0x80 -> {
                    bytes[length++] = unit.toByte()
                }

                unit < 0x800 -> {
                    bytes[length++] = (0xC0 or (unit shr 6)).toByte()
                    bytes[length++] = (0x80 or (unit and 0x3F)).toByte()
                }

                unit in 0xD800..0xDBFF && i < value.length && value[i].isLowSurrogate() -> {
                    val point = Character.toCodePoint(unit.toChar(), value[i++])
                    bytes[length++] = (0xF0 or (point shr 18)).toByte()
                    bytes[length++] = (0x80 or (point shr 12 and 0x3F)).toByte()
                    bytes[length++] = (0x80 or (point shr 6 and 0x3F)).toByte()
                    bytes[length++] = (0x80 or (point and 0x3F)).toByte()
                }

                else -> {
                    good = good && unit !in 0xD800..0xDFFF
                    bytes[length++] = (0xE0 or (unit shr 12)).toByte()
                    bytes[length++] = (0x80 or (unit shr 6 and 0x3F)).toByte()
                    bytes[length++] = (0x80 or (unit and 0x3F)).toByte()
                }
            }
        }
        INT.set(bytes, start, length - start - 4)
        return good
    }

    /** The field of an event's type; none of what has none. */
    fun type(type: String) {
        if (type.isEmpty()) return
        byte(1)
        text(type)
    }

    fun copy(): ByteArray = bytes.copyOf(length)

    private fun clear() {
        length = 0
        count = 0
    }

    companion object {
        /** Beyond it a buffer is not kept. */
        private const val KEPT = 64 * 1024
        private const val STRIPES = 64

        /** Not thread-locals: those would hold on to this class where a server's threads outlive its class loader. */
        private val idle = AtomicReferenceArray<Buffer>(STRIPES)

        fun take(): Buffer = idle.getAndSet(stripe(), null)?.also(Buffer::clear) ?: Buffer()

        fun give(buffer: Buffer) {
            if (buffer.bytes.size <= KEPT && buffer.units.size <= KEPT) {
                idle.setRelease(stripe(), buffer)
            }
        }

        @Suppress("DEPRECATION")
        private fun stripe() = (Thread.currentThread().id and (STRIPES - 1L)).toInt()
    }
}
