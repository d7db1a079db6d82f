package dev.sinkwell.internal

import java.math.BigInteger
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** JSON of the core's, read into maps, lists, strings, `Long` (else `BigInteger`), `Double`, `Boolean` and null; and JSON for it. */
internal object Json {
    fun parse(bytes: ByteArray): Any? = parse(bytes.decodeToString())

    fun parse(text: String): Any? = Reader(text).document()

    @Suppress("UNCHECKED_CAST")
    fun map(text: String): Map<String, Any?> = parse(text) as Map<String, Any?>

    @Suppress("UNCHECKED_CAST")
    fun map(bytes: ByteArray): Map<String, Any?> = parse(bytes) as Map<String, Any?>

    /** A value as JSON text. */
    fun write(value: Any?): String {
        val out = StringBuilder()
        transcode(ByteBuffer.wrap(Values.of(value)).order(ByteOrder.LITTLE_ENDIAN), out)
        return out.toString()
    }

    /** From a stream of values, of which each was already found to have a form. */
    private fun transcode(
        stream: ByteBuffer,
        out: StringBuilder,
    ) {
        fun counted() = ByteArray(stream.getInt()).also { stream.get(it) }.decodeToString()
        var first = true
        while (stream.hasRemaining()) {
            val tag = stream.get().toInt().toChar()
            if (!first && tag != '}' && tag != ']' && out.last() != ':') {
                out.append(',')
            }
            first = false
            when (tag) {
                '{', '[' -> {
                    out.append(tag)
                    first = true
                }

                '}', ']' -> out.append(tag)

                'k' -> {
                    quoted(counted(), out)
                    out.append(':')
                }

                's' -> quoted(counted(), out)

                'i' -> out.append(stream.getLong())

                'z' -> out.append(counted())

                'd' -> {
                    val number = stream.getDouble()
                    if (!number.isFinite()) {
                        throw Refused("NaN and infinities have no form in JSON; send them as a string")
                    }
                    out.append(number)
                }

                't' -> out.append("true")

                'f' -> out.append("false")

                'n' -> out.append("null")

                else -> throw Refused("bytes have no form in JSON; send them as a string, in base64 for example")
            }
        }
    }

    private fun quoted(
        text: String,
        out: StringBuilder,
    ) {
        out.append('"')
        for (unit in text) {
            when {
                unit == '"' || unit == '\\' -> out.append('\\').append(unit)
                unit < ' ' -> out.append("\\u%04x".format(unit.code))
                else -> out.append(unit)
            }
        }
        out.append('"')
    }

    private class Reader(
        private val text: String,
    ) {
        private var at = 0

        fun document(): Any? {
            val value = value()
            space()
            check(at == text.length) { "JSON goes on behind its end at $at" }
            return value
        }

        private fun space() {
            while (at < text.length && text[at] <= ' ') at++
        }

        private fun take(expected: Char): Boolean {
            space()
            return (at < text.length && text[at] == expected).also { if (it) at++ }
        }

        private fun value(): Any? {
            space()
            return when (val unit = text[at]) {
                '{' -> obj()
                '[' -> list()
                '"' -> string()
                't' -> word("true", true)
                'f' -> word("false", false)
                'n' -> word("null", null)
                else -> if (unit == '-' || unit.isDigit()) number() else error("no JSON at $at")
            }
        }

        private fun word(
            word: String,
            value: Any?,
        ): Any? {
            check(text.startsWith(word, at)) { "no JSON at $at" }
            at += word.length
            return value
        }

        private fun obj(): Map<String, Any?> {
            at++
            val members = LinkedHashMap<String, Any?>()
            if (take('}')) return members
            do {
                space()
                val key = string()
                check(take(':')) { "no colon at $at" }
                members[key] = value()
            } while (take(','))
            check(take('}')) { "no JSON at $at" }
            return members
        }

        private fun list(): List<Any?> {
            at++
            val items = ArrayList<Any?>()
            if (take(']')) return items
            do {
                items.add(value())
            } while (take(','))
            check(take(']')) { "no JSON at $at" }
            return items
        }

        private fun string(): String {
            check(text[at] == '"') { "no string at $at" }
            val end = text.indexOf('"', ++at)
            if (text.indexOf('\\', at).let { it < 0 || it > end }) {
                return text.substring(at, end).also { at = end + 1 }
            }
            val out = StringBuilder()
            while (text[at] != '"') {
                val unit = text[at++]
                if (unit != '\\') {
                    out.append(unit)
                    continue
                }
                when (val escaped = text[at++]) {
                    'n' -> out.append('\n')
                    't' -> out.append('\t')
                    'r' -> out.append('\r')
                    'b' -> out.append('\b')
                    'f' -> out.append('\u000c')
                    'u' -> {
                        out.append(text.substring(at, at + 4).toInt(16).toChar())
                        at += 4
                    }
                    else -> out.append(escaped)
                }
            }
            at++
            return out.toString()
        }

        private fun number(): Any {
            val start = at
            while (at < text.length && (text[at].isDigit() || text[at] in "+-.eE")) at++
            val number = text.substring(start, at)
            if (number.any { it == '.' || it == 'e' || it == 'E' } || number == "-0") return number.toDouble()
            return number.toLongOrNull() ?: BigInteger(number)
        }
    }
}
