package dev.sinkwell

import dev.sinkwell.internal.Json
import dev.sinkwell.internal.NativeVacuum
import dev.sinkwell.internal.core
import dev.sinkwell.internal.offCarrier
import java.io.InputStream
import java.io.OutputStream

/** A log that is being read: events go to the emitter, every other line goes through. */
public class Vacuum internal constructor(
    private val native: NativeVacuum,
) : AutoCloseable {
    /** Takes the next bytes, cut anywhere; answers with what goes through. Waits for room. */
    public fun push(bytes: ByteArray): ByteArray = offCarrier { core { native.push(bytes) } }

    /** Ends the log: answers with what goes through, and the report. Not [whole]: its nonce does not count. */
    @JvmOverloads
    public fun finish(whole: Boolean = true): Drawn {
        val drawn = offCarrier { core { native.finish(whole) } }
        return Drawn(drawn.passed, Json.map(drawn.report))
    }

    /** Reads a log to its end and writes what goes through; answers with the report. */
    public fun draw(
        log: InputStream,
        passed: OutputStream,
    ): Map<String, Any?> {
        var whole = false
        try {
            val buffer = ByteArray(64 * 1024)
            while (true) {
                val n = log.read(buffer)
                if (n < 0) break
                passed.write(push(buffer.copyOf(n)))
            }
            whole = true
        } finally {
            if (!whole) passed.write(finish(false).passed)
        }
        val drawn = finish()
        passed.write(drawn.passed)
        return drawn.report
    }

    /** Gives it up; the nonce of a log that was not finished does not count. */
    override fun close(): Unit = native.close()

    /** How a log ended. */
    public class Drawn internal constructor(
        /** What goes through at the end. */
        public val passed: ByteArray,
        /** `lines`, `events`, `skipped`, `passed`, … */
        public val report: Map<String, Any?>,
    )
}
