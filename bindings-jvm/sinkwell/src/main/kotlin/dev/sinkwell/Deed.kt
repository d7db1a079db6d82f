package dev.sinkwell

import dev.sinkwell.internal.HeldDeed
import dev.sinkwell.internal.Mailbox
import java.time.Duration
import java.util.concurrent.CancellationException
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionException
import java.util.concurrent.CompletionStage
import java.util.concurrent.ExecutionException
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException

/** When an act may begin, and how long it may be held up; what is not said is the core's to decide. */
public class DeedTerms {
    internal var until: String? = null
    internal var timeout: Duration? = null

    /** `journaled`, `delivered` or `enqueued`. */
    public fun until(until: String?): DeedTerms = apply { this.until = until }

    /** By default 10 s. */
    public fun timeout(timeout: Duration?): DeedTerms = apply { this.timeout = timeout }
}

/** An act. */
public fun interface DeedAction<T> {
    /** Does it. */
    @Throws(Exception::class)
    public fun act(deed: Deed): T
}

/** An act that goes on when its caller has returned. */
public fun interface AsyncDeedAction<T> {
    /** Begins it. */
    @Throws(Exception::class)
    public fun act(deed: Deed): CompletionStage<T>
}

/** An act that was let happen, while it happens. */
public class Deed internal constructor(
    private val emitter: Emitter,
    private val native: HeldDeed,
) {
    /** The intent's id. */
    public val id: String = native.id

    /** Says what came of it, for its result, beside `outcome` and `duration_ms`. Said again, it replaces what was said. */
    public fun result(
        data: Any?,
        vararg content: Part,
    ) {
        val draft = emitter.resultOf(data, content.asList())
        native.say(draft)
    }

    internal companion object {
        fun <T> perform(
            emitter: Emitter,
            draft: ByteArray,
            terms: DeedTerms,
            act: DeedAction<T>,
        ): T {
            val since = System.nanoTime()
            // Closed before it has ended, it is withdrawn.
            emitter.intend(draft, terms, since).use { native ->
                begin(native, since)
                val result =
                    try {
                        act.act(Deed(emitter, native))
                    } catch (e: Throwable) {
                        emitter.endDeed(native, outcomeOf(e), kindOf(e))
                        throw e
                    }
                emitter.endDeed(native, outcomeOf(null), null)
                return result
            }
        }

        /** As [perform], without holding a thread while it waits or acts. */
        fun <T> performAsync(
            emitter: Emitter,
            draft: ByteArray,
            terms: DeedTerms,
            act: AsyncDeedAction<T>,
        ): CompletableFuture<T> {
            val done = CompletableFuture<T>()
            // The act runs on another thread, in the context of this one.
            val around = SinkwellContext.current()
            val begun = beginAsync(emitter, draft, terms)
            begun.whenComplete { native, refused ->
                if (refused != null) {
                    done.completeExceptionally(refused)
                    return@whenComplete
                }
                val going = underWay { SinkwellContext.within(around) { act.act(Deed(emitter, native)) } }
                going.whenCompleteAsync({ result, thrown ->
                    val failure = if (thrown is CompletionException) thrown.cause ?: thrown else thrown
                    try {
                        native.use { emitter.endDeed(it, outcomeOf(failure), failure?.let(::kindOf)) }
                    } finally {
                        if (failure == null) done.complete(result) else done.completeExceptionally(failure)
                    }
                }, Mailbox.pool)
            }
            // Before the act has begun, a cancellation is that of the wait; then it is the act's own affair.
            done.whenComplete { _, failure -> if (failure is CancellationException) begun.cancel(false) }
            return done
        }

        /** What an act has begun. One that throws has failed, and so has one of whose end nobody could be told. */
        fun <T> underWay(act: () -> CompletionStage<T>?): CompletionStage<T> =
            try {
                act() ?: throw NullPointerException("the act answered with null in place of a CompletionStage, by which its end is known")
            } catch (e: Throwable) {
                CompletableFuture.failedFuture(e)
            }

        /** A deed whose act may begin; a cancellation before that withdraws its intent. */
        fun beginAsync(
            emitter: Emitter,
            draft: ByteArray,
            terms: DeedTerms,
        ): CompletableFuture<HeldDeed> {
            val begun = CompletableFuture<HeldDeed>()
            val since = System.nanoTime()
            emitter.intendAsync(draft, terms, since).whenComplete { native, failure ->
                if (failure != null) {
                    begun.completeExceptionally(failure)
                    return@whenComplete
                }
                val left = native.timeoutMs - (System.nanoTime() - since) / 1_000_000
                val settled = native.settled()
                settled.orTimeout(left.coerceAtLeast(0), TimeUnit.MILLISECONDS).whenCompleteAsync({ _, _ -> allow(native, emitter, begun) }, Mailbox.pool)
                begun.whenComplete { _, given -> if (given is CancellationException) settled.complete("") }
            }
            return begun
        }

        private fun allow(
            native: HeldDeed,
            emitter: Emitter,
            begun: CompletableFuture<HeldDeed>,
        ) {
            try {
                if (begun.isDone) {
                    // Nobody waits any more.
                    native.use { it.withdraw() }
                    return
                }
                native.act()
                if (!begun.complete(native)) {
                    native.use { emitter.endDeed(it, "refused", "cancelled") }
                }
            } catch (e: Throwable) {
                native.close()
                begun.completeExceptionally(e)
            }
        }

        private fun begin(
            native: HeldDeed,
            since: Long,
        ) {
            try {
                val left = native.timeoutMs - (System.nanoTime() - since) / 1_000_000
                native.settled().get(left.coerceAtLeast(0), TimeUnit.MILLISECONDS)
            } catch (_: TimeoutException) {
                // The core says so, as it knows which lanes it was.
            } catch (_: ExecutionException) {
                // Likewise.
            } catch (e: InterruptedException) {
                native.withdraw()
                Thread.currentThread().interrupt()
                throw CancellationException("the thread was interrupted before the act could begin").apply { initCause(e) }
            }
            native.act()
        }

        /** Its class as Java writes it, a nested one with a dot: as OpenTelemetry does. */
        fun kindOf(failure: Throwable): String = meant(failure).javaClass.let { it.canonicalName ?: it.name }

        /** By its class, or the nearest one above that is known. */
        fun outcomeOf(failure: Throwable?): String {
            if (failure == null) return "ok"
            val kinds = generateSequence<Class<*>>(meant(failure).javaClass) { it.superclass }
            return kinds.firstNotNullOfOrNull { OUTCOMES[it.name] } ?: "error"
        }

        /** What failed, in what futures and executors wrap it in. */
        private fun meant(failure: Throwable): Throwable =
            generateSequence(failure) { around -> around.cause.takeIf { around is ExecutionException || around is CompletionException } }
                .take(WRAPPED)
                .last()

        private const val WRAPPED = 10

        /** By name, as not every program has each. */
        private val OUTCOMES =
            mapOf(
                "java.util.concurrent.CancellationException" to "cancelled",
                "java.lang.InterruptedException" to "cancelled",
                "java.util.concurrent.TimeoutException" to "timeout",
                "java.net.SocketTimeoutException" to "timeout",
                "java.net.http.HttpTimeoutException" to "timeout",
                // One of kotlinx.coroutines' cancellations, but what it says is that time was up.
                "kotlinx.coroutines.TimeoutCancellationException" to "timeout",
            )
    }
}
