package dev.sinkwell.internal

import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicInteger

/**
 * Objects whose keys came before, in the same order and in an event of the same type: the native half has been told type and
 * keys, under a number, and only their values are written (bindings-jvm/src/keys.rs).
 *
 * Known keys are found by walking a tree from the type to a key, and from key to key; at each place the key of last time is
 * looked at first, and by its identity, as most keys are constants of the program's. How many places are remembered is bounded;
 * so are the lengths of types and keys.
 */
internal object Keyed {
    /** More keys, and longer ones, are brought along. */
    const val MOST: Int = 64
    private const val LONGEST = 128
    private const val PLACES = 4096

    /** So many events without room for another place, and all are forgotten: the keys of today may be others. */
    private const val FORGOTTEN_AFTER = 1 shl 16

    /** As often keys come before the native half is told: what comes once is not worth it. */
    private const val TOLD_AFTER = 2

    /** A key, and where it leads. */
    private class Step(
        @JvmField val key: String,
        @JvmField val to: Place,
    )

    /** A place in the tree: the keys so far are those on the way there. What threads do here at once, one of them does in vain. */
    internal class Place(
        private val before: Place?,
        private val last: String,
    ) {
        private var latest: Step? = null

        @Volatile
        private var more: ConcurrentHashMap<String, Step>? = null

        /** The number of the keys that end here. */
        @Volatile
        private var number = UNTOLD
        private var seen = 0

        /** Where a key leads; nowhere if that cannot be remembered. */
        fun next(key: String): Place? {
            val step = latest
            return if (step != null && step.key === key) step.to else turn(key)
        }

        private fun turn(key: String): Place? {
            val known = latest?.takeIf { it.key == key } ?: more?.get(key)
            if (known != null) {
                // The same text, but perhaps another object: that is the one to look for the next time.
                latest = if (known.key === key) known else Step(key, known.to)
                return known.to
            }
            if (key.length > LONGEST || !isRoom()) return null
            val steps = more ?: synchronized(this) { more ?: ConcurrentHashMap<String, Step>().also { more = it } }
            return steps.computeIfAbsent(key) { Step(it, Place(this, it)) }.also { latest = it }.to
        }

        /** The number of the keys up to here; below 0 if there is none. */
        fun number(): Int {
            if (number == UNTOLD && ++seen > TOLD_AFTER) {
                synchronized(this) { if (number == UNTOLD) number = tell(whole()) }
            }
            return number
        }

        /** The type, and the keys up to here, in order. */
        private fun whole(): List<String> =
            generateSequence(this) { it.before }.takeWhile { it.before != null }.map { it.last }.toList().asReversed()

        /** The keys up to here, in order. */
        fun keys(): List<String> = whole().drop(1)
    }

    private const val UNTOLD = -2
    private const val NEVER = -1

    @Volatile
    var root: Place = Place(null, "")
        private set
    private val places = AtomicInteger()
    private val inVain = AtomicInteger()

    private fun isRoom(): Boolean {
        if (places.get() < PLACES) {
            places.incrementAndGet()
            return true
        }
        if (inVain.incrementAndGet() >= FORGOTTEN_AFTER) {
            inVain.set(0)
            places.set(0)
            root = Place(null, "")
        }
        return false
    }

    /** The type of an event, and its keys. */
    private fun tell(whole: List<String>): Int {
        val told = Buffer()
        val keys = whole.drop(1)
        // A lone surrogate is refused where its event is, and so is a key that is there twice.
        val good = keys.toSet().size == keys.size && whole.all(told::text)
        return if (good) Fast.know(told.bytes, told.length) else NEVER
    }
}
