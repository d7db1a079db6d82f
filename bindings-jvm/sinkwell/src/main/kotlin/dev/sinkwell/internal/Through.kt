package dev.sinkwell.internal

import dev.sinkwell.Emitter
import dev.sinkwell.InvalidArgumentException
import dev.sinkwell.Sinkwell
import dev.sinkwell.SinkwellException
import java.util.concurrent.TimeUnit

/**
 * The emitter that a bridge of somebody else's telemetry emits through: the program's own, or the process's default one. A bridge
 * breaks nothing of what it watches; where the default emitter cannot be opened, the log hears of it once a minute.
 *
 * @param what is not emitted then
 */
internal class Through(
    private val emitter: Emitter?,
    private val what: String,
) {
    /** When it was last said that the default emitter cannot be opened. */
    private var said: Long? = null

    /** Emits by the emitter; of what is refused the core counts and tells. */
    fun emit(emit: (Emitter) -> Unit) {
        val emitter = emitter ?: opened() ?: return
        try {
            emit(emitter)
        } catch (_: SinkwellException) {
            // As above.
        }
    }

    /** The emitter, if there is one: who waits for it opens none. */
    fun open(): Emitter? = emitter ?: Sinkwell.openDefault()

    private fun opened(): Emitter? =
        try {
            Sinkwell.default()
        } catch (e: SinkwellException) {
            null.also { cannotOpen(e) }
        } catch (e: LinkageError) {
            // The native half cannot be loaded.
            null.also { cannotOpen(e.cause ?: e) }
        }

    private fun cannotOpen(why: Throwable) {
        if (!maySay(System.nanoTime())) return
        Diagnostics.log(2, "$what are not emitted, as no emitter can be opened: ${why.message}")
        // A program that ends now has no emitter that would wait for the log.
        Diagnostics.settle()
    }

    @Synchronized
    private fun maySay(now: Long): Boolean = (said?.let { now - it >= AGAIN } ?: true).also { if (it) said = now }

    private companion object {
        val AGAIN = TimeUnit.MINUTES.toNanos(1)
    }
}

/**
 * The most that people's words may be captured, as the program said it once for all of a bridge's events: a name that the core does not
 * know is refused there and then, not with each event.
 */
internal fun permitted(permit: String?): String? {
    if (permit == null) return null
    try {
        Sinkwell.eventsOfSpan(mapOf("name" to "any", "permit" to permit))
    } catch (e: InvalidArgumentException) {
        throw InvalidArgumentException(e.message.orEmpty().removePrefix("${e.where}: "), "permit")
    }
    return permit
}
