package dev.sinkwell.opentelemetry

import dev.sinkwell.Emitter
import dev.sinkwell.Sinkwell
import dev.sinkwell.SinkwellException
import dev.sinkwell.internal.Diagnostics
import io.opentelemetry.api.common.Attributes
import io.opentelemetry.context.Context
import io.opentelemetry.sdk.common.CompletableResultCode
import io.opentelemetry.sdk.trace.ReadWriteSpan
import io.opentelemetry.sdk.trace.ReadableSpan
import io.opentelemetry.sdk.trace.SpanProcessor
import io.opentelemetry.sdk.trace.data.SpanData
import java.time.Duration

/**
 * Emits what each span stands for: add it to a tracer provider, and every instrumented framework is covered. Spans of the GenAI
 * and MCP conventions become `run.*`, `tool.invocation` and `model.usage`, others `span`; messages, arguments and results become
 * content parts. Which span is which event is the core's to say.
 *
 * @param emitter null: the process's default one; its owner ends it
 * @param permit the most that the content of the spans may be captured; null is `off`
 */
public class SinkwellSpanProcessor
    @JvmOverloads
    constructor(
        private val emitter: Emitter? = null,
        private val permit: String? = null,
    ) : SpanProcessor {
        /** A span that starts: an agent's is a run. */
        override fun onStart(
            parentContext: Context,
            span: ReadWriteSpan,
        ): Unit = emit(span.toSpanData())

        override fun isStartRequired(): Boolean = true

        /** A finished span. */
        override fun onEnd(span: ReadableSpan): Unit = emit(span.toSpanData())

        override fun isEndRequired(): Boolean = true

        /** Completes once every lane has delivered what it was given; a failure where something is left after 30 s. */
        override fun forceFlush(): CompletableResultCode = flushed(Duration.ofSeconds(30))

        /** Waits, five seconds at most, until every lane has delivered. The emitter is its owner's to end. */
        override fun shutdown(): CompletableResultCode = flushed(Duration.ofSeconds(5))

        private fun flushed(timeout: Duration): CompletableResultCode {
            val result = CompletableResultCode()
            (emitter ?: Sinkwell.default()).flushAsync(timeout).whenComplete { report, failure ->
                if (failure == null && report.values.all { it.pending == 0L }) result.succeed() else result.fail()
            }
            return result
        }

        /** Instrumentation never breaks what it watches. */
        private fun emit(span: SpanData) {
            try {
                (emitter ?: Sinkwell.default()).emitSpan(described(span))
            } catch (_: SinkwellException) {
                // Of what is refused the core counts and tells.
            } catch (e: Exception) {
                Diagnostics.log(2, "a span was not emitted: reading it threw ${e.javaClass.name}")
            }
        }

        private fun described(span: SpanData): Map<String, Any?> {
            val described = LinkedHashMap<String, Any?>()
            val context = span.spanContext
            described["name"] = span.name
            described["trace_id"] = context.traceId
            described["span_id"] = context.spanId
            described["flags"] = context.traceFlags.asByte().toInt() and 0xFF
            described["state"] = context.traceState.asMap().entries.joinToString(",") { (key, value) -> "$key=$value" }
            if (span.parentSpanContext.isValid) {
                described["parent_span_id"] = span.parentSpanId
                described["parent_is_remote"] = span.parentSpanContext.isRemote
            }
            described["start_unix_nano"] = span.startEpochNanos.toString()
            if (span.hasEnded()) described["end_unix_nano"] = span.endEpochNanos.toString()
            described["status"] = span.status.statusCode.name.lowercase()
            described["permit"] = permit
            described["events"] = span.events.map { mapOf("name" to it.name, "attributes" to attributes(it.attributes)) }
            described["attributes"] = attributes(span.attributes)
            return described
        }

        private fun attributes(attributes: Attributes) = attributes.asMap().entries.associate { (key, value) -> key.key to value }
    }
