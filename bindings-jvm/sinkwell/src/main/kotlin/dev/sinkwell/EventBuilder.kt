package dev.sinkwell

import dev.sinkwell.internal.Buffer
import dev.sinkwell.internal.Draft
import dev.sinkwell.internal.Values

/**
 * An event that is said member by member, which spares the map: begun by [Emitter.event], ended by [emit] or [put], once. The
 * members are those of its data; one that is said twice is refused. For one thread.
 */
public class EventBuilder internal constructor(
    private val emitter: Emitter,
    type: String,
) {
    private var buffer: Buffer? = Buffer.take()
    private val values: Values
    private var options: EventOptions? = null

    init {
        val out = open()
        values = Values(out, bounds = emitter.bounds, apart = true)
        values.begin(type)
    }

    /** A text. */
    public fun set(
        key: String,
        value: String?,
    ): EventBuilder = member(key) { values.value(value) }

    /** A whole number. */
    public fun set(
        key: String,
        value: Long,
    ): EventBuilder = member(key) { values.integer(value) }

    /** A whole number. */
    public fun set(
        key: String,
        value: Int,
    ): EventBuilder = member(key) { values.integer(value.toLong()) }

    /** A number. */
    public fun set(
        key: String,
        value: Double,
    ): EventBuilder = member(key) { values.double(value) }

    /** A truth value. */
    public fun set(
        key: String,
        value: Boolean,
    ): EventBuilder = member(key) { values.truth(value) }

    /** Any value that [Emitter.emit] takes in data. */
    public fun set(
        key: String,
        value: Any?,
    ): EventBuilder = member(key) { values.part(value) }

    /** What the event says besides. */
    public fun options(options: EventOptions?): EventBuilder = apply { this.options = options }

    /** Ends it; as [Emitter.emit]. */
    public fun emit(): Receipt = Receipt.of(emitter, end(true))

    /** Ends it; as [Emitter.put]. */
    public fun put() {
        end(false)
    }

    private fun open() = buffer ?: throw InvalidArgumentException("the event has ended; begin another one by Emitter.event", null)

    private inline fun member(
        key: String,
        value: () -> Unit,
    ): EventBuilder {
        open()
        var whole = false
        try {
            Draft.placed {
                values.entry(key)
                values.under(key, value)
            }
            whole = true
        } finally {
            if (!whole) buffer = null
        }
        return this
    }

    private fun end(keep: Boolean): Long {
        val out = open()
        buffer = null
        try {
            Draft.placed { values.end() }
            Draft.besides(out, options)
            return emitter.handOver(out, keep)
        } finally {
            Buffer.give(out)
        }
    }
}
