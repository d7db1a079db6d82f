package dev.sinkwell

import dev.sinkwell.internal.Fast
import dev.sinkwell.internal.Json
import dev.sinkwell.internal.Mailbox
import dev.sinkwell.internal.Question
import java.lang.ref.Cleaner
import java.lang.ref.Reference
import java.time.Duration
import java.time.Instant
import java.time.OffsetDateTime
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionException
import java.util.concurrent.ExecutionException
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException

/** How far an event is. */
public enum class Stage {
    /** On disk in every durable lane. */
    JOURNALED,

    /** Every lane's sink has it, or never will. */
    DELIVERED,
}

/** How an event ended in a lane. */
public class Ending internal constructor(
    json: Map<String, Any?>,
) {
    /** `delivered`, `rejected`, `lost`, … */
    public val state: String = json["state"] as String

    /** Why, where it did not arrive. */
    public val reason: String? = json["reason"] as String?

    /** The stream it is sealed in. */
    public val streamId: String? = json["streamid"] as String?

    /** Its place there. */
    public val sequence: Long? = json["sequence"] as Long?

    /** Its envelope's hash, in hex. */
    public val hash: String? = json["hash"] as String?

    /** Its digest, in hex: the same in every lane that sealed it in the same form. */
    public val digest: String? = json["digest"] as String?

    /** When it ended. */
    public val time: Instant = OffsetDateTime.parse(json["when"] as String).toInstant()

    override fun toString(): String = listOfNotNull(state, reason, streamId, sequence, hash).joinToString(" ")
}

/** What a caller holds of an event: what became of it in each lane, now and in the end. */
public class Receipt private constructor(
    private val emitter: Emitter,
    private val held: Held,
) {
    /** The address of what an emit came to, until the receipt is collected. */
    private class Held(
        @JvmField val address: Long,
    ) : Runnable {
        override fun run() = Fast.forget(address)
    }

    private fun ask(
        what: Int,
        number: Long = 0,
    ): ByteArray? =
        try {
            Question.ask(what, held.address, number = number)?.let(Question::bytes)
        } finally {
            Reference.reachabilityFence(this)
        }

    private fun told(what: Int): Map<String, Any?> = Json.map(checkNotNull(ask(what)))

    private val taken: Map<String, Any?> by lazy { told(Question.LANES) }

    /** The event's id. */
    public val id: String get() = taken["id"] as String

    /** By lane, what it did with the event: `enqueued`, `dropped: overflow`, `filtered: …`. */
    @Suppress("UNCHECKED_CAST")
    public val lanes: Map<String, String> get() = taken["lanes"] as Map<String, String>

    /** By lane, how many older events made room for this one. */
    @Suppress("UNCHECKED_CAST")
    public val evicted: Map<String, Long> get() = taken["evicted"] as Map<String, Long>

    /** By lane, how the event ended there so far; null where it has not. */
    public fun endings(): Map<String, Ending?> = read(told(Question.ENDINGS))

    /** Completes once every lane's sink has the event, or never will. A loss is an answer, no exception. */
    public fun delivered(): CompletableFuture<Map<String, Ending?>> = on(Stage.DELIVERED)

    /** Completes once the event is on disk in every durable lane. */
    public fun journaled(): CompletableFuture<Map<String, Ending?>> = on(Stage.JOURNALED)

    /** Completes once the event is that far. */
    public fun on(stage: Stage): CompletableFuture<Map<String, Ending?>> {
        emitter.reachable()
        val question = if (stage == Stage.JOURNALED) Question.ON_JOURNALED else Question.ON_DELIVERED
        return Mailbox.await { token -> ask(question, token.toLong()) }.thenApplyAsync { read(Json.map(it)) }
    }

    /**
     * Waits until the event is that far.
     *
     * @throws WaitTimeoutException it took longer than that
     */
    public fun await(
        stage: Stage,
        timeout: Duration,
    ): Map<String, Ending?> = wait(on(stage), timeout)

    /** The salt of a content part, with which the host can prove what was said: 16 bytes; null: not sealed yet, or no such part. */
    public fun salt(part: Int): ByteArray? = ask(Question.SALT, part.toLong())

    override fun toString(): String = "Receipt($id)"

    internal companion object {
        private val cleaner = Cleaner.create()

        fun of(
            emitter: Emitter,
            address: Long,
        ): Receipt {
            val held = Held(address)
            return Receipt(emitter, held).also { cleaner.register(it, held) }
        }

        @Suppress("UNCHECKED_CAST")
        private fun read(json: Map<String, Any?>) = json.mapValues { (_, ending) -> (ending as Map<String, Any?>?)?.let(::Ending) }

        /** Waits on a virtual thread as on any other: without holding its carrier. */
        fun <T> wait(
            future: CompletableFuture<T>,
            timeout: Duration?,
        ): T =
            try {
                if (timeout == null) future.get() else future.get(nanoseconds(timeout), TimeUnit.NANOSECONDS)
            } catch (e: ExecutionException) {
                throw ((e.cause as? CompletionException)?.cause ?: e.cause) as? SinkwellException ?: e
            } catch (_: TimeoutException) {
                throw WaitTimeoutException("waiting took longer than $timeout", null)
            } catch (e: InterruptedException) {
                Thread.currentThread().interrupt()
                throw WaitTimeoutException("the thread was interrupted while it waited", null).apply { initCause(e) }
            }

        private fun nanoseconds(timeout: Duration) = bounded(timeout, Duration::toNanos)
    }
}

/** A duration in milliseconds; one that is longer than can be counted is for ever, and one below zero no time at all. */
internal fun millisOf(duration: Duration): Long = bounded(duration, Duration::toMillis)

private inline fun bounded(
    duration: Duration,
    count: (Duration) -> Long,
): Long =
    if (duration.isNegative) {
        0
    } else {
        try {
            count(duration)
        } catch (_: ArithmeticException) {
            Long.MAX_VALUE
        }
    }
