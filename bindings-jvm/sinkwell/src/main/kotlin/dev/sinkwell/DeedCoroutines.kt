// A class of its own: only who calls it needs kotlinx.coroutines.
@file:JvmName("SinkwellDeedCoroutines")

package dev.sinkwell

import dev.sinkwell.internal.HeldDeed
import dev.sinkwell.internal.Mailbox
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.coroutines.withContext
import java.util.concurrent.CompletableFuture
import kotlin.coroutines.resumeWithException

/**
 * [Emitter.deed] whose act suspends. A cancellation while it waits withdraws the intent, and the act does not run; one in the act is
 * the act's outcome. Needs `kotlinx-coroutines`, which the host's own coroutines have brought.
 */
public suspend fun <T> Emitter.deedSuspending(
    type: String,
    data: Any? = null,
    options: EventOptions? = null,
    terms: DeedTerms? = null,
    act: suspend (Deed) -> T,
): T = performSuspending(draft(type, data, options), terms ?: DeedTerms(), act)

/** [Emitter.deedOfStep] whose act suspends, see [deedSuspending]. What is emitted in it has the call's id as its cause. */
public suspend fun <T> Emitter.deedOfStepSuspending(
    step: Map<String, *>,
    terms: DeedTerms? = null,
    act: suspend (StepCall) -> T,
): T {
    val deed = StepDeed(this, step)
    val acting: suspend (Deed) -> T = { begun -> withContext(deed.context.carrying()) { deed.actSuspending(begun, act) } }
    try {
        return try {
            performSuspending(deed.draft(), terms ?: DeedTerms(), acting)
        } catch (e: InvalidEventException) {
            performSuspending(deed.without(e) ?: throw e, terms ?: DeedTerms(), acting)
        }
    } finally {
        deed.over()
    }
}

private suspend fun <T> Emitter.performSuspending(
    draft: ByteArray,
    terms: DeedTerms,
    act: suspend (Deed) -> T,
): T {
    val begun = Deed.beginAsync(this, draft, terms)
    val native =
        suspendCancellableCoroutine { continuation ->
            continuation.invokeOnCancellation { begun.cancel(false) }
            begun.whenComplete { native, failure ->
                if (failure == null) {
                    continuation.resume(native) { _, late, _ -> late.use { endDeed(it, "refused", "cancelled") } }
                } else {
                    continuation.resumeWithException(failure)
                }
            }
        }
    return native.use {
        val result =
            try {
                act(Deed(this, native))
            } catch (e: Throwable) {
                ended(native, Deed.outcomeOf(e), Deed.kindOf(e))
                throw e
            }
        ended(native, Deed.outcomeOf(null), null)
        result
    }
}

/** Waits for room where other threads wait, and also in a coroutine that is cancelled: the act has happened. */
private suspend fun Emitter.ended(
    native: HeldDeed,
    outcome: String,
    kind: String?,
) {
    CompletableFuture.runAsync({ endDeed(native, outcome, kind) }, Mailbox.pool).suspended()
}
