// A class of its own: only who calls it needs kotlinx.coroutines.
@file:JvmName("SinkwellCoroutines")

package dev.sinkwell

import kotlinx.coroutines.suspendCancellableCoroutine
import java.time.Duration
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionException
import java.util.concurrent.CompletionStage
import kotlin.coroutines.suspendCoroutine

/** [Emitter.emit] that suspends where it would wait for room. Cancelled while it waits, the event is in no lane. */
public suspend fun Emitter.emitSuspending(
    type: String,
    data: Any? = null,
    options: EventOptions? = null,
): Receipt = emitAsync(type, data, options).awaited { it.cancel(false) }

/** Suspends until every lane's sink has the event, or never will. */
public suspend fun Receipt.awaitDelivered(): Map<String, Ending?> = delivered().awaited()

/** Suspends until the event is on disk in every durable lane. */
public suspend fun Receipt.awaitJournaled(): Map<String, Ending?> = journaled().awaited()

/** [Emitter.flush] that suspends. A cancellation is that of the wait. */
public suspend fun Emitter.flushSuspending(timeout: Duration? = null): Map<String, LaneReport> = flushAsync(timeout).awaited()

/** [Emitter.shutdown] that suspends. A cancellation is that of the wait: the emitter shuts down. */
public suspend fun Emitter.shutdownSuspending(timeout: Duration? = null): Map<String, LaneReport> = shutdownAsync(timeout).awaited()

/** [Emitter.tool] whose call suspends. What the call throws, a cancellation too, is the caller's as it is. */
public suspend fun <T> Emitter.toolSuspending(
    tool: String,
    call: suspend () -> T,
): T {
    val since = System.nanoTime()
    val result =
        try {
            call()
        } catch (e: Throwable) {
            told(tool, since, e)
            throw e
        }
    told(tool, since, null)
    return result
}

/** Waits until it is there, or the coroutine is cancelled; then nobody waits for what [cancelled] is told of. */
private suspend fun <T> CompletableFuture<T>.awaited(cancelled: (CompletableFuture<T>) -> Unit = {}): T =
    suspendCancellableCoroutine { continuation ->
        continuation.invokeOnCancellation { cancelled(this) }
        whenComplete { value, failure -> continuation.resumeWith(outcome(value, failure)) }
    }

/** Waits until it is there, also in a coroutine that is cancelled. */
internal suspend fun <T> CompletionStage<T>.suspended(): T =
    suspendCoroutine { continuation -> whenComplete { value, failure -> continuation.resumeWith(outcome(value, failure)) } }

private fun <T> outcome(
    value: T,
    failure: Throwable?,
): Result<T> = if (failure == null) Result.success(value) else Result.failure((failure as? CompletionException)?.cause ?: failure)
