package dev.sinkwell.internal

import dev.sinkwell.InvalidArgumentException
import dev.sinkwell.InvalidConfigException
import java.nio.file.Path

/**
 * Texts of the host's on their way to the core, which has UTF-8. A text of the JVM's may hold lone surrogates, which UTF-8 does not have:
 * what the host asks for is refused then; what it tells of itself, as the message of an exception, is passed on as well as it can be.
 */
internal object Texts {
    /** The core shows less. */
    private const val LONGEST = 1024

    /** A text that says what happened: U+FFFD in place of a lone surrogate, and cut where it is long. */
    fun told(text: String): String {
        val cut = if (text.length > LONGEST) text.substring(0, LONGEST) + "…" else text
        return if (isWellFormed(cut)) cut else repaired(cut)
    }

    /** The name of a class, as [told]. */
    fun nameOf(value: Any): String = runCatching { told(value.javaClass.simpleName) }.getOrDefault("?")

    /** An argument of a call; a lone surrogate is refused. */
    fun argument(
        text: String,
        place: String,
    ): String = if (isWellFormed(text)) text else throw InvalidArgumentException(REFUSED, told(place))

    /** A path, as [argument]. */
    fun argument(
        path: Path,
        place: String,
    ): String = argument(path.toString(), place)

    /** Where configuration comes from, or what it is, as [argument]. */
    fun config(
        text: String,
        place: String,
    ): String = if (isWellFormed(text)) text else throw InvalidConfigException(REFUSED, told(place))

    fun isWellFormed(text: String): Boolean {
        var i = 0
        while (i < text.length) {
            val unit = text[i++]
            if (unit.isSurrogate()) {
                if (unit.isLowSurrogate() || i == text.length || !text[i].isLowSurrogate()) return false
                i++
            }
        }
        return true
    }

    private fun repaired(text: String): String {
        val out = StringBuilder(text.length)
        var i = 0
        while (i < text.length) {
            val point = text.codePointAt(i)
            out.appendCodePoint(if (point in 0xD800..0xDFFF) 0xFFFD else point)
            i += Character.charCount(point)
        }
        return out.toString()
    }

    const val REFUSED: String = "holds a lone surrogate, which UTF-8 cannot carry"
}
