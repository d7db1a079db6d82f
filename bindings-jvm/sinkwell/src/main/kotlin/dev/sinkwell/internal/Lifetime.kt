package dev.sinkwell.internal

import java.lang.ref.Cleaner
import java.util.concurrent.atomic.AtomicBoolean

/** That an emitter is open, as the mailbox counts it; said to be over once, by the emitter or by the collector. */
internal class Lifetime : Runnable {
    private val over = AtomicBoolean()

    init {
        Mailbox.opened()
    }

    override fun run() {
        if (!over.getAndSet(true)) Mailbox.closed()
    }

    companion object {
        val cleaner: Cleaner = Cleaner.create()

        fun of(emitter: Any): Lifetime = Lifetime().also { cleaner.register(emitter, it) }

        private var hook: Thread? = null

        /** Whether the JVM's end is that of emitters. */
        private var hooked = true

        /** Whether a hook is wanted, now and for emitters to come. */
        @Synchronized
        fun hooked(wanted: Boolean) {
            hooked = wanted
            if (wanted) watch() else unwatch()
        }

        /** Has what is queued delivered when the JVM ends. */
        @Synchronized
        fun watch() {
            if (hook != null || !hooked) return
            val end = Thread(::endAll, "sinkwell-exit")
            try {
                Runtime.getRuntime().addShutdownHook(end)
                hook = end
            } catch (_: IllegalStateException) {
                // The JVM is ending already; whoever opens an emitter then closes it.
            }
        }

        /** Lets go of the hook, which holds on to this class: for a class loader that goes. */
        @Synchronized
        fun unwatch() {
            val end = hook ?: return
            try {
                Runtime.getRuntime().removeShutdownHook(end)
                hook = null
            } catch (_: IllegalStateException) {
                // It runs.
            }
        }
    }
}

/**
 * Runs a call that may wait in native code: on a virtual thread elsewhere, as it would hold the carrier.
 */
internal inline fun <T> offCarrier(crossinline call: () -> T): T {
    if (!Virtual.isCurrent) return call()
    val future = java.util.concurrent.CompletableFuture<T>()
    val inside = HostCall.isInside
    Mailbox.pool.execute {
        try {
            future.complete(if (inside) HostCall.within { call() } else call())
        } catch (e: Throwable) {
            future.completeExceptionally(e)
        }
    }
    try {
        return future.get()
    } catch (e: java.util.concurrent.ExecutionException) {
        throw e.cause ?: e
    }
}

/** Whether a thread is virtual, where there are such: from Java 21 on. */
internal object Virtual {
    private val isVirtual =
        runCatching {
            java.lang.invoke.MethodHandles.publicLookup().findVirtual(
                Thread::class.java,
                "isVirtual",
                java.lang.invoke.MethodType.methodType(Boolean::class.javaPrimitiveType),
            )
        }.getOrNull()

    val isCurrent: Boolean get() = isVirtual != null && isVirtual.invoke(Thread.currentThread()) as Boolean
}
