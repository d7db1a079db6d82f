package dev.sinkwell.opentelemetry

import dev.sinkwell.Emitter
import dev.sinkwell.SinkwellException
import dev.sinkwell.internal.Diagnostics
import dev.sinkwell.internal.Through
import dev.sinkwell.internal.permitted
import io.opentelemetry.api.common.Attributes
import io.opentelemetry.api.trace.SpanContext
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
 * @param emitter null: the process's default one; its owner ends it. Where that cannot be opened, the log hears of it once a minute
 * @param permit the most that the content of the spans may be captured: `off` (null), `redacted_summary`, `content_ref`, `raw`
 * @throws dev.sinkwell.InvalidArgumentException `permit` is another
 */
public class SinkwellSpanProcessor
    @JvmOverloads
    constructor(
        emitter: Emitter? = null,
        permit: String? = null,
    ) : SpanProcessor {
        private val through = Through(emitter, "spans")
        private val permit = permitted(permit)

        /** A span that starts: an agent's is a run. */
        override fun onStart(
            parentContext: Context,
            span: ReadWriteSpan,
        ): Unit = emit(span.toSpanData())

        override fun isStartRequired(): Boolean = true

        /** A finished span. */
        override fun onEnd(span: ReadableSpan): Unit = emit(span.toSpanData())

        override fun isEndRequired(): Boolean = true

        /** Completes once every lane has delivered what it was given; a failure where something is left after 30 s. It opens no emitter. */
        override fun forceFlush(): CompletableResultCode = flushed(Duration.ofSeconds(30))

        /** Waits, five seconds at most, until every lane has delivered. The emitter is its owner's to end. */
        override fun shutdown(): CompletableResultCode = flushed(Duration.ofSeconds(5))

        private fun flushed(timeout: Duration): CompletableResultCode {
            val emitter = through.open() ?: return CompletableResultCode.ofSuccess()
            val result = CompletableResultCode()
            try {
                emitter.flushAsync(timeout).whenComplete { report, failure ->
                    if (failure == null && report.values.all { it.pending == 0L }) result.succeed() else result.fail()
                }
            } catch (_: SinkwellException) {
                result.fail()
            }
            return result
        }

        /** Instrumentation never breaks what it watches. */
        private fun emit(span: SpanData) {
            try {
                through.emit { it.emitSpan(described(span)) }
            } catch (e: Exception) {
                Diagnostics.log(2, "a span was not emitted: reading it threw ${e.javaClass.name}")
            }
        }

        private fun described(span: SpanData): Map<String, Any?> {
            val described = LinkedHashMap<String, Any?>()
            described["name"] = span.name
            described["kind"] = span.kind.name.lowercase()
            described += identified(span.spanContext)
            if (span.parentSpanContext.isValid) {
                described["parent_span_id"] = span.parentSpanId
                described["parent_is_remote"] = span.parentSpanContext.isRemote
            }
            described["start_unix_nano"] = unixNano(span.startEpochNanos)
            if (span.hasEnded()) described["end_unix_nano"] = unixNano(span.endEpochNanos)
            described["status"] = span.status.statusCode.name.lowercase()
            described["permit"] = permit
            described["events"] =
                span.events.map {
                    mapOf("name" to it.name, "time_unix_nano" to unixNano(it.epochNanos), "attributes" to attributes(it.attributes))
                }
            described["links"] = span.links.map { identified(it.spanContext) + ("attributes" to attributes(it.attributes)) }
            described["attributes"] = attributes(span.attributes)
            return described
        }

        private fun identified(context: SpanContext): Map<String, Any?> =
            mapOf(
                "trace_id" to context.traceId,
                "span_id" to context.spanId,
                "flags" to (context.traceFlags.asByte().toInt() and 0xFF),
                "state" to context.traceState.asMap().entries.joinToString(",") { (key, value) -> "$key=$value" },
            )

        private fun unixNano(nanos: Long) = nanos.coerceAtLeast(0).toString()

        private fun attributes(attributes: Attributes) = attributes.asMap().entries.associate { (key, value) -> key.key to value }
    }
