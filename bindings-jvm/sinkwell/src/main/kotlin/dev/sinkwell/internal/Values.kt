package dev.sinkwell.internal

import java.math.BigDecimal
import java.math.BigInteger
import java.time.Duration
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
    /** Whether it is about all of the data, and no place in it is to blame. */
    private val ofAll: Boolean = false,
) : RuntimeException(what, cause, false, false) {
    var path: String = ""

    fun under(key: String) = apply { if (!ofAll) path = if (path.isEmpty() || path[0] == '[') key + path else "$key.$path" }

    fun at(index: Int) = apply { if (!ofAll) path = if (path.isEmpty() || path[0] == '[') "[$index]$path" else "[$index].$path" }
}

/** What is said of a text that UTF-8 cannot carry. */
internal const val LONE_SURROGATE: String = "holds a lone surrogate, which UTF-8 cannot carry; replace it before you emit"

/** What data may be: how deep it may nest, and how many bytes its envelope may have. */
internal class Bounds(
    @JvmField val depth: Int,
    bytes: Long,
) {
    @JvmField
    val bytes: Int = bytes.coerceAtMost(Int.MAX_VALUE.toLong()).toInt()

    /**
     * A stream of so many bytes and units is that of too much for certain, long before it is read: nothing takes five times the room
     * there that it takes as JSON.
     */
    @JvmField
    val most: Int = (bytes * 5).coerceAtMost(Int.MAX_VALUE.toLong()).toInt()

    companion object {
        private const val MEGABYTE = 1L shl 20

        /** Of configuration, and of arguments that are no events. */
        val ARGUMENTS = Bounds(512, 8 * MEGABYTE)

        /** Of log records, spans and steps: the core keeps less of them. */
        val SPELLED = Bounds(100, 8 * MEGABYTE)
    }
}

/**
 * Writes values of the JVM as the stream of tags that the core reads (core/src/json/stream.rs).
 *
 * In data, what has no form in JSON is refused. In log records and spans ([spelling]) nothing is: the core spells it.
 *
 * Whatever it is given, a list without an end or a graph of objects that hold each other, it comes to an end: data is refused as soon
 * as it nests too deep or is too large, of a log record or a span the rest is left out.
 */
internal class Values(
    private val out: Buffer,
    private val spelling: Boolean = false,
    private val bounds: Bounds = Bounds.ARGUMENTS,
    /** Whether texts stand in the buffer's units, for a crossing that takes them along. */
    private val apart: Boolean = false,
) {
    private var depth = 0

    /** How many values are in place of others here, as of an `Optional`. */
    private var inPlace = 0

    /** How many values may still come. */
    private var left = if (spelling) SPELLED_VALUES else Int.MAX_VALUE

    // Of the data's own object: its event's type, where its field begins, where its keys so far led, while they are known, and how
    // many they are.
    private var type = ""
    private var field = 0
    private var place: Keyed.Place? = null
    private var count = 0

    /** Writes the fields of an event's type, if it has one, and of its data. */
    fun data(
        type: String,
        value: Any,
    ) {
        if (value is Map<*, *>) {
            begin(type)
            guarded { value.forEach { (key, member) -> entry(keyOf(key), member) } }
            return end()
        }
        val shape = if (value.javaClass.isRecord && value !is Iterable<*> && value !is CharSequence) Shape.of(value.javaClass) else null
        if (shape != null) {
            begin(type)
            guarded { shape.forEach { (name, member) -> entry(name, read(value, name, member)) } }
            return end()
        }
        // The core says what is wrong with it.
        out.type(type)
        out.byte(20)
        val start = out.open()
        value(value)
        out.close(start)
    }

    /** Begins the object that is the data of an event of this type: its members follow, and [end]. */
    fun begin(type: String) {
        this.type = type
        count = 0
        depth = 1
        place = Keyed.root.next(type)
        if (place == null) return spell()
        field = out.length
        out.byte(22)
        out.int(0)
        out.int(0)
    }

    /** Begins it with its type, for members that bring their keys along. */
    private fun spell() {
        out.type(type)
        field = out.length
        out.byte(20)
        out.int(0)
        out.byte('{'.code)
    }

    /** A member of the data's own object. */
    private fun entry(
        key: String,
        value: Any?,
    ) {
        entry(key)
        under(key) { part(value) }
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
        spell()
        here.keys().forEachIndexed { i, key ->
            key(key)
            val next = if (i + 1 < count) out.marks[i + 1] else end
            out.slice(values, out.marks[i] - shift, next - shift)
        }
    }

    fun value(value: Any?) {
        if (isFull || left-- <= 0) return tooMuch()
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

    /** A value within another one: what fails while it is read is its own error, and not that of the other. */
    fun part(value: Any?) {
        val start = out.length
        val here = depth
        val places = inPlace
        val failure =
            try {
                return value(value)
            } catch (e: Refused) {
                throw e
            } catch (e: Exception) {
                e
            } catch (e: StackOverflowError) {
                e
            }
        failed(failure, start)
        depth = here
        inPlace = places
        out.byte('u'.code)
        out.text(nameOf(value))
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
                throw Refused(LONE_SURROGATE)
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

    private val isFull: Boolean get() = out.length + out.count > bounds.most

    private fun tooMuch() {
        if (!spelling) {
            throw Refused("is more than ${bounds.bytes} bytes, the limit; nothing is truncated: send less, or a reference", ofAll = true)
        }
        out.byte('u'.code)
        out.text("too much")
    }

    private fun map(map: Map<*, *>) = held('{', '}', { map.entries.iterator() }) { (key, value), _ -> member(keyOf(key), value) }

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
        under(key) { part(value) }
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

    private fun list(list: Iterable<*>) = held('[', ']', { list.iterator() }) { item, i -> item(i, item) }

    private fun item(
        index: Int,
        value: Any?,
    ) = try {
        part(value)
    } catch (e: Refused) {
        throw e.at(index)
    }

    /**
     * Writes what holds others. What fails while it is read is the end of it: in data a refusal, else what was whole until then is kept.
     */
    private inline fun <T> held(
        open: Char,
        close: Char,
        parts: () -> Iterator<T>,
        write: (T, Int) -> Unit,
    ) {
        out.byte(open.code)
        val here = depth
        val places = inPlace
        if (isIn(here)) {
            depth = here + 1
            var whole = out.length
            try {
                val each = parts()
                var i = 0
                while ((!spelling || left > 0 && !isFull) && each.hasNext()) {
                    write(each.next(), i++)
                    whole = out.length
                }
            } catch (e: Refused) {
                throw e
            } catch (e: Exception) {
                failed(e, whole)
            } catch (e: StackOverflowError) {
                failed(e, whole)
            }
            depth = here
            inPlace = places
        }
        out.byte(close.code)
    }

    /** Whether what holds others is written at this depth. */
    private fun isIn(depth: Int): Boolean {
        if (depth < bounds.depth) return true
        if (spelling) return false
        throw Refused("nested deeper than ${bounds.depth}; flatten the value or send it as a string")
    }

    /** What the host's own code throws while it is read is a refusal, with its exception inside. */
    private fun failed(
        failure: Throwable,
        whole: Int,
    ) {
        if (!spelling) throw unreadable(failure)
        out.length = whole
    }

    /** [failed] of the data's own object. */
    private inline fun guarded(read: () -> Unit) =
        try {
            read()
        } catch (e: Refused) {
            throw e
        } catch (e: Exception) {
            failed(e, 0)
        } catch (e: StackOverflowError) {
            failed(e, 0)
        }

    /** A value that another one only holds, and which may hold itself. */
    private fun inPlace(value: Any?) {
        if (inPlace >= IN_PLACE) {
            if (!spelling) throw Refused("is a reference to a reference, again and again; send what it leads to")
            return tooMuch()
        }
        inPlace++
        value(value)
        inPlace--
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
            is Optional<*> -> inPlace(value.orElse(null))
            is java.util.OptionalInt -> value(if (value.isPresent) value.asInt else null)
            is java.util.OptionalLong -> value(if (value.isPresent) value.asLong else null)
            is java.util.OptionalDouble -> value(if (value.isPresent) value.asDouble else null)
            is java.util.concurrent.atomic.AtomicBoolean -> value(value.get())
            is java.util.concurrent.atomic.AtomicReference<*> -> inPlace(value.get())
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
        Shape.unboxed(value.javaClass)?.let { return inPlace(it.invoke(value)) }
        val shape = Shape.of(value.javaClass) ?: return unsendable(value)
        held('{', '}', { shape.iterator() }) { (name, member), _ -> member(name, read(value, name, member)) }
    }

    /** What a member of an object holds, or a refusal that names it. */
    private fun read(
        value: Any,
        name: String,
        member: Shape.Member,
    ): Any? {
        if (member.isOfKotlin) {
            val what = "an unsigned number or a duration of Kotlin's, which its getter does not tell"
            return if (spelling) "[$what]" else throw Refused("$what; send it as a string, or as a Long").under(name)
        }
        try {
            return member.invoke(value)
        } catch (e: Exception) {
            throw if (spelling) e else unreadable(e).under(name)
        }
    }

    private fun unreadable(failure: Throwable) = Refused("could not be read: ${failure.javaClass.name}", failure)

    private fun unsendable(value: Any) {
        if (!spelling) {
            val instead = if (value is Duration) MILLISECONDS else "send it as a string, a map, a record or an object with getters"
            throw Refused("${nameOf(value)} has no form in JSON; $instead")
        }
        val said = runCatching { value.toString() }
        said.onSuccess { text(it) }.onFailure {
            out.byte('u'.code)
            out.text(nameOf(value))
        }
    }

    private fun nameOf(value: Any?): String = if (value == null) "null" else value.javaClass.name

    companion object {
        /** So many values of a log record, a span or a step are written; the core keeps fewer. */
        const val SPELLED_VALUES = 20_000
        private const val IN_PLACE = 64
        private const val MILLISECONDS = "send its milliseconds, or in a configuration a string as \"30s\""

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
                Values(buffer, spelling, if (spelling) Bounds.SPELLED else Bounds.ARGUMENTS).value(value)
                return buffer.copy()
            } finally {
                Buffer.give(buffer)
            }
        }
    }
}
