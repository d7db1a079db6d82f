package dev.sinkwell.internal

import java.math.BigDecimal
import java.math.BigInteger
import java.time.Instant
import java.time.LocalDate
import java.time.LocalDateTime
import java.time.LocalTime
import java.time.OffsetDateTime
import java.time.ZonedDateTime
import java.time.format.DateTimeFormatter
import java.util.Optional
import java.util.UUID

/** A value that has no form in JSON; [path] is where in the data. */
internal class Refused(
    val what: String,
    cause: Throwable? = null,
) : RuntimeException(what, cause, false, false) {
    var path: String = ""

    fun under(key: String) = apply { path = if (path.isEmpty() || path[0] == '[') key + path else "$key.$path" }

    fun at(index: Int) = apply { path = if (path.isEmpty() || path[0] == '[') "[$index]$path" else "[$index].$path" }
}

/**
 * Writes values of the JVM as the stream of tags that the core reads (core/src/json/stream.rs).
 *
 * In data, what has no form in JSON is refused. In log records and spans ([spelling]) nothing is: the core spells it.
 */
internal class Values(
    private val out: Buffer,
    private val spelling: Boolean = false,
    private val limit: Int = 512,
    /** Whether texts stand in the buffer's units, for a crossing that takes them along. */
    private val apart: Boolean = false,
) {
    private var depth = 0

    // Of the data's own object: where its field begins, where its keys so far led, while they are known, and how many they are.
    private var field = 0
    private var place: Keyed.Place? = null
    private var count = 0

    /** Writes the field of an event's data. */
    fun data(value: Any) {
        if (value is Map<*, *>) {
            begin()
            guarded { value.forEach { (key, member) -> entry(keyOf(key), member) } }
            return end()
        }
        val shape = if (value.javaClass.isRecord && value !is Iterable<*> && value !is CharSequence) Shape.of(value.javaClass) else null
        if (shape != null) {
            begin()
            guarded { shape.forEach { (name, read) -> entry(name, read.invoke(value)) } }
            return end()
        }
        // The core says what is wrong with it.
        out.byte(20)
        val start = out.open()
        value(value)
        out.close(start)
    }

    /** Begins the object that is an event's data: its members follow, and [end]. */
    fun begin() {
        field = out.length
        out.byte(22)
        out.int(0)
        out.int(0)
        place = Keyed.root
        count = 0
        depth = 1
    }

    /** A member of the data's own object. */
    private fun entry(
        key: String,
        value: Any?,
    ) {
        entry(key)
        under(key) { value(value) }
    }

    /** Writes a value of a key's, which its refusal names. */
    inline fun under(
        key: String,
        write: () -> Unit,
    ) = try {
        write()
    } catch (e: Refused) {
        throw e.under(key)
    }

    /** The key of such a member, whose value follows. */
    fun entry(key: String) {
        val here = place ?: return key(key)
        val next = if (count < Keyed.MOST) here.next(key) else null
        if (next == null) {
            spread(here)
            return key(key)
        }
        out.marks[count++] = out.length
        place = next
    }

    fun end() {
        val here = place
        val number = here?.number() ?: -1
        if (number >= 0) {
            out.int(field + 5, number)
        } else {
            here?.let(::spread)
            out.byte('}'.code)
        }
        out.close(field + 5)
    }

    /** Writes the members so far again, with their keys: they are none that are known. */
    private fun spread(here: Keyed.Place) {
        val values = out.bytes.copyOfRange(field + 9, out.length)
        val shift = field + 9
        val end = out.length
        place = null
        out.length = field
        out.byte(20)
        out.int(0)
        out.byte('{'.code)
        here.keys().forEachIndexed { i, key ->
            key(key)
            val next = if (i + 1 < count) out.marks[i + 1] else end
            out.slice(values, out.marks[i] - shift, next - shift)
        }
    }

    fun value(value: Any?) {
        when (value) {
            null -> out.byte('n'.code)
            is String -> text(value)
            is Boolean -> truth(value)
            is Int -> integer(value.toLong())
            is Long -> integer(value)
            is Double -> double(value)
            is Map<*, *> -> map(value)
            is List<*> -> list(value)
            else -> other(value)
        }
    }

    private fun text(value: String) {
        if (apart) {
            out.byteAndInt('w'.code, value.length)
            return out.apart(value)
        }
        out.byte('s'.code)
        val start = out.length
        if (!out.text(value)) {
            if (!spelling) {
                throw Refused("holds a lone surrogate, which UTF-8 cannot carry; replace it before you emit")
            }
            out.length = start
            out.raw(illFormed(value))
        }
    }

    fun truth(value: Boolean) = out.byte(if (value) 't'.code else 'f'.code)

    fun integer(value: Long) {
        out.byteAndLong('i'.code, value)
    }

    fun double(value: Double) {
        out.byteAndLong('d'.code, value.toRawBits())
    }

    private fun map(map: Map<*, *>) {
        out.byte('{'.code)
        if (enter()) {
            guarded { map.forEach { (key, value) -> member(keyOf(key), value) } }
        }
        leave('}')
    }

    private fun keyOf(key: Any?): String =
        when {
            key is String -> key
            key is Enum<*> -> key.name
            spelling -> key.toString()
            else -> throw Refused("a key must be a string, not ${nameOf(key)}")
        }

    private fun member(
        key: String,
        value: Any?,
    ) {
        key(key)
        under(key) { value(value) }
    }

    private fun key(key: String) {
        out.byte('k'.code)
        val start = out.length
        if (!out.text(key)) {
            if (!spelling) {
                throw Refused("a key holds a lone surrogate, which UTF-8 cannot carry")
            }
            out.length = start
            out.raw(illFormed(key))
        }
    }

    private fun list(list: Iterable<*>) {
        out.byte('['.code)
        if (enter()) {
            guarded {
                var i = 0
                for (item in list) {
                    item(i++, item)
                }
            }
        }
        leave(']')
    }

    private fun item(
        index: Int,
        value: Any?,
    ) = try {
        value(value)
    } catch (e: Refused) {
        throw e.at(index)
    }

    /** Whether to go on: what is deeper than the limit will be refused, and may have no end. */
    private fun enter() = depth++ <= limit

    private fun leave(bracket: Char) {
        depth--
        out.byte(bracket.code)
    }

    /** What the host's own code throws while it is read is a refusal, with its exception inside. */
    private inline fun guarded(read: () -> Unit) {
        try {
            read()
        } catch (e: Refused) {
            throw e
        } catch (e: Exception) {
            if (!spelling) {
                throw Refused("could not be read: ${e.javaClass.name}", e)
            }
        }
    }

    private fun other(value: Any) {
        when (value) {
            is Short, is Byte -> integer((value as Number).toLong())
            is Float -> double(if (value.isFinite()) value.toString().toDouble() else value.toDouble())
            is BigInteger -> big(value)
            is BigDecimal -> decimal(value)
            is Number -> number(value)
            is CharSequence, is Char -> text(value.toString())
            is Enum<*> -> text(value.name)
            is Optional<*> -> value(value.orElse(null))
            is java.util.OptionalInt -> value(if (value.isPresent) value.asInt else null)
            is java.util.OptionalLong -> value(if (value.isPresent) value.asLong else null)
            is java.util.OptionalDouble -> value(if (value.isPresent) value.asDouble else null)
            is java.util.concurrent.atomic.AtomicBoolean -> value(value.get())
            is java.util.concurrent.atomic.AtomicReference<*> -> value(value.get())
            // A path is an `Iterable` of paths, without end.
            is java.nio.file.Path, is java.io.File, is java.net.URL -> text(value.toString())
            is UUID, is Instant, is LocalDate, is LocalTime, is LocalDateTime, is java.net.URI -> text(moment(value))
            is OffsetDateTime -> text(value.toInstant().toString())
            is ZonedDateTime -> text(value.toInstant().toString())
            is java.util.Date -> text(Instant.ofEpochMilli(value.time).toString())
            is ByteArray -> bytes(value)
            is IntArray -> list(value.asList())
            is LongArray -> list(value.asList())
            is ShortArray -> list(value.asList())
            is DoubleArray -> list(value.asList())
            is FloatArray -> list(value.asList())
            is BooleanArray -> list(value.asList())
            is CharArray -> list(value.asList())
            is Array<*> -> list(value.asList())
            is Iterable<*> -> list(value)
            else -> members(value)
        }
    }

    private fun moment(value: Any): String =
        when (value) {
            is LocalTime -> value.format(DateTimeFormatter.ISO_LOCAL_TIME)
            is LocalDateTime -> value.format(DateTimeFormatter.ISO_LOCAL_DATE_TIME)
            else -> value.toString()
        }

    private fun big(value: BigInteger) {
        if (value.bitLength() < Long.SIZE_BITS) {
            integer(value.toLong())
        } else {
            out.byte('z'.code)
            out.text(value.toString())
        }
    }

    /** A number of JSON's is a double: one that is none is not rounded in silence. */
    private fun decimal(value: BigDecimal) {
        val nearest = value.toDouble()
        if (!nearest.isFinite() || BigDecimal(nearest.toString()).compareTo(value) != 0) {
            if (spelling) {
                return text(value.toString())
            }
            throw Refused("a BigDecimal that no number of JSON's is; send it as a string")
        }
        if (value.scale() <= 0 || value.stripTrailingZeros().scale() <= 0) {
            big(value.toBigIntegerExact())
        } else {
            double(nearest)
        }
    }

    private fun number(value: Number) {
        when (value) {
            is java.util.concurrent.atomic.AtomicInteger,
            is java.util.concurrent.atomic.AtomicLong,
            is java.util.concurrent.atomic.LongAdder,
            is java.util.concurrent.atomic.LongAccumulator,
            -> integer(value.toLong())

            is java.util.concurrent.atomic.DoubleAdder,
            is java.util.concurrent.atomic.DoubleAccumulator,
            -> double(value.toDouble())

            else -> unsendable(value)
        }
    }

    private fun bytes(value: ByteArray) {
        out.byte('b'.code)
        out.raw(value)
    }

    private fun members(value: Any) {
        val shape = Shape.of(value.javaClass) ?: return unsendable(value)
        out.byte('{'.code)
        if (enter()) {
            guarded { shape.forEach { (name, read) -> member(name, read.invoke(value)) } }
        }
        leave('}')
    }

    private fun unsendable(value: Any) {
        if (!spelling) {
            throw Refused("${nameOf(value)} has no form in JSON; send it as a string, a map or a record")
        }
        val said = runCatching { value.toString() }
        said.onSuccess { text(it) }.onFailure {
            out.byte('u'.code)
            out.text(nameOf(value))
        }
    }

    private fun nameOf(value: Any?): String = if (value == null) "null" else value.javaClass.name

    companion object {
        /** A text with a lone surrogate, each of which becomes one byte that is no UTF-8: the core replaces it. */
        fun illFormed(text: String): ByteArray {
            val buffer = java.io.ByteArrayOutputStream(text.length)
            var i = 0
            while (i < text.length) {
                val point = text.codePointAt(i)
                if (point in 0xD800..0xDFFF) buffer.write(0xFF) else buffer.write(String(Character.toChars(point)).encodeToByteArray())
                i += Character.charCount(point)
            }
            return buffer.toByteArray()
        }

        /** A stream of one value. */
        fun of(
            value: Any?,
            spelling: Boolean = false,
        ): ByteArray {
            val buffer = Buffer.take()
            try {
                Values(buffer, spelling).value(value)
                return buffer.copy()
            } finally {
                Buffer.give(buffer)
            }
        }
    }
}
