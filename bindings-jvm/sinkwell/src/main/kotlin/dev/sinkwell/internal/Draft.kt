package dev.sinkwell.internal

import dev.sinkwell.EventOptions
import dev.sinkwell.InvalidEventException
import dev.sinkwell.SinkwellContext

/** An event as the native half takes it (bindings-jvm/src/event.rs). */
internal object Draft {
    /** Texts of its data stand [apart] where the buffer crosses with its units. */
    fun write(
        out: Buffer,
        type: String,
        data: Any?,
        options: EventOptions?,
        bounds: Bounds,
        apart: Boolean,
    ) {
        data(out, type, data, bounds, apart)
        besides(out, options)
    }

    /** What an event says beside its type and data. */
    fun besides(
        out: Buffer,
        options: EventOptions?,
    ) {
        options?.write(out)
        if (options == null || !options.hasTrace) {
            ActiveSpan.write(out)
        }
        SinkwellContext.current()?.write(out)
    }

    /** Writes of an event's data, and says where in it a refusal is. */
    inline fun placed(write: () -> Unit) =
        try {
            write()
        } catch (e: Refused) {
            val where = if (e.path.isEmpty()) "data" else if (e.path[0] == '[') "data" + e.path else "data.${e.path}"
            throw InvalidEventException(e.what, where).apply { initCause(e.cause) }
        }

    /** What is said of an act: data and content. */
    fun result(
        out: Buffer,
        data: Any?,
        options: EventOptions,
        bounds: Bounds,
    ) {
        data(out, "", data, bounds, false)
        options.write(out)
    }

    private fun data(
        out: Buffer,
        type: String,
        data: Any?,
        bounds: Bounds,
        apart: Boolean,
    ) {
        when (data) {
            null -> out.type(type)
            is RawJson -> {
                out.type(type)
                out.byte(21)
                if (!out.text(data.text)) placed { throw Refused(LONE_SURROGATE) }
            }
            else -> placed { Values(out, bounds = bounds, apart = apart).data(type, data) }
        }
    }
}

/** Data that is JSON already. */
internal class RawJson(
    val text: String,
)

/** The current span of OpenTelemetry, where the program has its API. */
internal object ActiveSpan {
    private val isThere =
        runCatching { Class.forName("io.opentelemetry.api.trace.Span", false, ActiveSpan::class.java.classLoader) }.isSuccess

    fun write(out: Buffer) {
        if (isThere) OpenTelemetrySpan.current()?.write(out)
    }
}

/** Loaded only where OpenTelemetry's API is. */
internal object OpenTelemetrySpan {
    fun current(): dev.sinkwell.TraceContext? {
        val context = io.opentelemetry.api.trace.Span.current().spanContext
        if (!context.isValid) return null
        val state = context.traceState
        val text = if (state.isEmpty) null else state.asMap().entries.joinToString(",") { (key, value) -> "$key=$value" }
        return dev.sinkwell.TraceContext(context.traceId, context.spanId, context.traceFlags.asByte().toInt() and 0xFF, text)
    }
}
