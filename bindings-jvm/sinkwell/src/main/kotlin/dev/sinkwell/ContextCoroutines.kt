// A class of its own: only who calls it needs kotlinx.coroutines.
@file:JvmName("SinkwellContextCoroutines")

package dev.sinkwell

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.ThreadContextElement
import kotlinx.coroutines.withContext
import kotlin.coroutines.AbstractCoroutineContextElement
import kotlin.coroutines.CoroutineContext

/**
 * A context that holds in a coroutine on whatever thread it goes on, and in those that it launches. What is entered in it by
 * [SinkwellContext.run] holds until it suspends only: there, say [withRun].
 */
private class Carried(
    private val context: SinkwellContext?,
) : AbstractCoroutineContextElement(Carried),
    ThreadContextElement<SinkwellContext?> {
    override fun updateThreadContext(context: CoroutineContext): SinkwellContext? = SinkwellContext.swap(this.context)

    override fun restoreThreadContext(
        context: CoroutineContext,
        oldState: SinkwellContext?,
    ) {
        SinkwellContext.swap(oldState)
    }

    companion object Key : CoroutineContext.Key<Carried>
}

/** The context as a coroutine's element: `launch(SinkwellContext.current().carrying()) { … }`. Null has none hold there. */
public fun SinkwellContext?.carrying(): CoroutineContext = Carried(this)

/** [SinkwellContext.run] that holds for all of the block, however often it suspends. */
public suspend fun <T> withRun(
    run: String? = null,
    options: SinkwellContext.Options = SinkwellContext.Options(),
    block: suspend CoroutineScope.() -> T,
): T = withContext(SinkwellContext.ofRun(run, options).carrying(), block)

/** [SinkwellContext.turn] that holds for all of the block, however often it suspends. */
public suspend fun <T> withTurn(
    turn: String? = null,
    options: SinkwellContext.Options = SinkwellContext.Options(),
    block: suspend CoroutineScope.() -> T,
): T = withContext(SinkwellContext.ofTurn(turn, options).carrying(), block)
