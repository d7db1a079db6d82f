@file:JvmName("SinkwellCoroutines")

package dev.sinkwell

import java.time.Duration
import java.util.concurrent.CompletionException
import java.util.concurrent.CompletionStage
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException
import kotlin.coroutines.suspendCoroutine

/** [Emitter.emit] that suspends where it would wait for room. */
public suspend fun Emitter.emitSuspending(
    type: String,
    data: Any? = null,
    options: EventOptions? = null,
): Receipt = emitAsync(type, data, options).suspended()

/** Suspends until every lane's sink has the event, or never will. */
public suspend fun Receipt.awaitDelivered(): Map<String, Ending?> = delivered().suspended()

/** Suspends until the event is on disk in every durable lane. */
public suspend fun Receipt.awaitJournaled(): Map<String, Ending?> = journaled().suspended()

/** [Emitter.flush] that suspends. */
public suspend fun Emitter.flushSuspending(timeout: Duration? = null): Map<String, LaneReport> = flushAsync(timeout).suspended()

/** [Emitter.shutdown] that suspends. */
public suspend fun Emitter.shutdownSuspending(timeout: Duration? = null): Map<String, LaneReport> = shutdownAsync(timeout).suspended()

internal suspend fun <T> CompletionStage<T>.suspended(): T =
    suspendCoroutine { continuation ->
        whenComplete { value, failure ->
            if (failure == null) {
                continuation.resume(value)
            } else {
                continuation.resumeWithException((failure as? CompletionException)?.cause ?: failure)
            }
        }
    }
