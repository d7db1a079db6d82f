package dev.sinkwell

import ch.qos.logback.classic.LoggerContext
import ch.qos.logback.classic.joran.JoranConfigurator
import ch.qos.logback.core.status.Status
import dev.sinkwell.integration.Seam
import dev.sinkwell.internal.Diagnostics
import dev.sinkwell.internal.Json
import dev.sinkwell.logging.SinkwellAppender
import dev.sinkwell.logging.SinkwellHandler
import dev.sinkwell.opentelemetry.RecordAllSampler
import dev.sinkwell.opentelemetry.SinkwellSpanProcessor
import io.opentelemetry.api.common.AttributeKey
import io.opentelemetry.api.common.Attributes
import io.opentelemetry.api.trace.SpanContext
import io.opentelemetry.api.trace.SpanKind
import io.opentelemetry.api.trace.TraceFlags
import io.opentelemetry.api.trace.TraceState
import io.opentelemetry.sdk.trace.SdkTracerProvider
import io.opentelemetry.sdk.trace.samplers.Sampler
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource
import java.nio.file.Files
import java.nio.file.Path
import java.time.Instant
import java.util.concurrent.CompletableFuture
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import java.util.logging.Handler
import java.util.logging.Level
import java.util.logging.LogRecord
import java.util.logging.Logger
import kotlin.coroutines.Continuation
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.coroutines.startCoroutine

/** Records of logging libraries and spans, by the core's bridges; and what suspends. */
internal class BridgesTest {
    @TempDir
    lateinit var folder: Path

    private fun emitted(emit: (Emitter) -> Unit): List<Object> {
        Emitter.open(fileLane(folder)).use(emit)
        assertFalse("MARKER" in Files.readString(folder.resolve("events.ndjson")))
        return events(folder.resolve("events.ndjson"))
    }

    @Test
    fun java_util_logging() {
        val events =
            emitted { emitter ->
                val handler = SinkwellHandler(emitter)
                val record = LogRecord(Level.WARNING, "MARKER {0}")
                record.loggerName = "com.example"
                record.parameters = arrayOf("MARKER")
                record.thrown = IllegalStateException("MARKER")
                SinkwellContext.run("r-1").use { handler.publish(record) }
                handler.publish(LogRecord(Level.FINEST, "MARKER").apply { loggerName = "sinkwell" })
            }
        val event = events.single()
        assertEquals("dev.sinkwell.log.record WARN r-1", "${event["type"]} ${event["severitytext"]} ${event["runid"]}")
        val data = event["data"].obj()
        assertEquals("com.example WARNING", "${data["logger"]} ${data["level_name"] ?: data["level"]}")
        assertTrue("java.lang.IllegalStateException" in data.toString(), "$data")
    }

    @ParameterizedTest
    @ValueSource(strings = ["raw", "row"])
    fun a_logging_properties_says_the_permit(permit: String) {
        val properties = folder.resolve("logging.properties")
        val handler = SinkwellHandler::class.java.name
        Files.writeString(properties, "handlers=$handler\n$handler.permit=$permit\n")
        val stderr = folder.resolve("stderr").toFile()
        val child =
            Child.start("logging", options = listOf("-Djava.util.logging.config.file=$properties")) {
                environment()["SINKWELL_LANES"] = "stdout"
                redirectError(stderr)
            }
        val event = child.inputReader().readLines().single { "log.record" in it }
        assertTrue(child.waitFor(60, TimeUnit.SECONDS))
        // The policy is off; what its source permits is said beside it.
        val requested = if (permit == "raw") "raw" else "off"
        assertTrue("\"requested\":\"$requested\"" in event, event)
        val misspelt = "$handler.permit: must be one of off, redacted_summary, content_ref, raw"
        assertEquals(permit == "row", misspelt in stderr.readText(), stderr::readText)
    }

    @Test
    fun logback() {
        val events =
            emitted { emitter ->
                val context = LoggerContext()
                val appender = SinkwellAppender(emitter)
                appender.context = context
                appender.start()
                context.getLogger("ROOT").addAppender(appender)
                val logger = context.getLogger("com.example")
                logger.atError().setCause(IllegalStateException("MARKER")).addKeyValue("key", "MARKER").log("MARKER {}", "MARKER")
                logger.info("MARKER")
            }
        assertEquals(listOf("ERROR", "INFO"), events.map { it["severitytext"] })
        assertEquals("com.example", events[0]["data"].obj()["logger"])
    }

    @Test
    fun spans() {
        val events =
            emitted { emitter ->
                val provider =
                    SdkTracerProvider
                        .builder()
                        .setSampler(RecordAllSampler(Sampler.alwaysOff()))
                        .addSpanProcessor(SinkwellSpanProcessor(emitter))
                        .build()
                val tracer = provider.get("test")
                val span = tracer.spanBuilder("execute_tool search").startSpan()
                span.setAttribute("gen_ai.operation.name", "execute_tool")
                span.setAttribute("gen_ai.tool.name", "search")
                // An event in a span has its trace context.
                span.makeCurrent().use { emitter.put("com.example.x") }
                span.end()
                assertTrue(provider.forceFlush().join(30, java.util.concurrent.TimeUnit.SECONDS).isSuccess)
                provider.close()
            }
        assertEquals(listOf("dev.sinkwell.tool.invocation", "com.example.x").sorted(), events.map { it["type"] as String }.sorted())
        assertEquals(1, events.map { it["traceparent"].toString().split('-')[1] }.toSet().size)
    }

    @Test
    fun kind_links_and_what_happened_travel() {
        val other = SpanContext.create("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", TraceFlags.getSampled(), TraceState.getDefault())
        val words = AttributeKey.stringKey("words")
        val data =
            emitted { emitter ->
                val provider = SdkTracerProvider.builder().addSpanProcessor(SinkwellSpanProcessor(emitter)).build()
                val span =
                    provider
                        .get("test")
                        .spanBuilder("GET /cart")
                        .setSpanKind(SpanKind.SERVER)
                        .addLink(other, Attributes.of(AttributeKey.longKey("link.n"), 1L, words, "MARKER"))
                        .startSpan()
                val happened = Attributes.of(AttributeKey.longKey("cache.size"), 3L, words, "MARKER")
                span.addEvent("cache.miss", happened, Instant.ofEpochSecond(1_700_000_001, 5))
                span.end()
                provider.close()
            }.single()["data"].obj()
        assertEquals("server", data["span_kind"])
        val link = mapOf("trace_id" to other.traceId, "span_id" to other.spanId, "flags" to 1L, "attributes" to mapOf("link.n" to 1L))
        assertEquals(listOf(link), data["span_links"])
        val event = mapOf("name" to "cache.miss", "time" to "2023-11-14T22:13:21.000000005Z", "attributes" to mapOf("cache.size" to 3L))
        assertEquals(listOf(event), data["span_events"])
    }

    @Test
    fun a_default_emitter_that_cannot_be_opened_is_told_once_by_each_bridge_and_breaks_nothing() {
        val stderr = folder.resolve("stderr").toFile()
        val child =
            Child.start("bridges") {
                environment()["SINKWELL_CONFIG"] = folder.resolve("nope.yaml").toString()
                redirectError(stderr)
            }
        val said = child.inputReader().readLines()
        assertEquals(0, child.waitFor(), stderr::readText)
        assertEquals(listOf("true", "true"), said.take(2))
        val why = "are not emitted, as no emitter can be opened: "
        assertEquals(listOf("log records", "log records", "spans").map { "WARNING: $it $why" }, said.drop(2).map { it.substringBefore(why) + why })
        assertTrue(said.drop(2).all { "nope.yaml" in it }, "$said")
    }

    @Test
    fun a_misspelt_permit_is_an_error_where_it_is_said() {
        val ways =
            listOf<(Emitter) -> Any>(
                { SinkwellHandler(it, "row") },
                { SinkwellSpanProcessor(it, "row") },
                { SinkwellAppender(it).apply { permit = "row" } },
                { Seam(it, "row", null, "any", "com.example:any", BridgesTest::class.java) },
            )
        val events =
            emitted { emitter ->
                for (way in ways) {
                    val refused = assertThrows(InvalidArgumentException::class.java) { way(emitter) }
                    assertEquals("permit: must be one of off, redacted_summary, content_ref, raw", refused.message)
                }
                SinkwellAppender(emitter).apply { permit = "raw" }.apply { permit = null }
                SinkwellSpanProcessor(emitter, "content_ref")
                emitter.put("com.example.x")
            }
        assertEquals(listOf("com.example.x"), events.map { it["type"] })
    }

    @Test
    fun logback_says_of_a_misspelt_permit() {
        val context = LoggerContext()
        val xml =
            """<configuration>
                 <appender name="S" class="dev.sinkwell.logging.SinkwellAppender"><permit>row</permit></appender>
                 <root level="info"><appender-ref ref="S"/></root>
               </configuration>"""
        JoranConfigurator().apply { this.context = context }.doConfigure(xml.byteInputStream())
        val said = context.statusManager.copyOfStatusList.filter { it.level >= Status.WARN }
        assertTrue(said.any { "permit" in it.message && "row" in it.message }, "$said")
    }

    @Test
    fun suspending() {
        var id: String? = null
        val emitter = Emitter.open(fileLane(folder))
        val done = java.util.concurrent.CompletableFuture<Map<String, LaneReport>>()
        val work: suspend () -> Map<String, LaneReport> = {
            val receipt = emitter.emitSuspending("com.example.x")
            id = receipt.id
            assertEquals("delivered", receipt.awaitDelivered()["file"]!!.state)
            // No lane is durable: what is awaited fails as the future does.
            assertEquals("unsupported", (runCatching { receipt.awaitJournaled() }.exceptionOrNull() as SinkwellException).kind)
            emitter.flushSuspending()
            emitter.shutdownSuspending()
        }
        work.startCoroutine(
            Continuation(EmptyCoroutineContext) { result -> result.fold(done::complete, done::completeExceptionally) },
        )
        assertEquals(0, done.get(30, java.util.concurrent.TimeUnit.SECONDS)["file"]!!.pending)
        assertEquals(id, events(folder.resolve("events.ndjson")).single()["id"])
    }

    @Test
    fun a_scope_that_is_closed_where_it_does_not_hold_changes_nothing_and_is_logged_once() {
        val said = LinkedBlockingQueue<String>()
        val logger = Logger.getLogger("sinkwell")
        val handler =
            object : Handler() {
                override fun publish(record: LogRecord) {
                    if ("Scope" in record.message) said.add(record.message)
                }

                override fun flush() = Unit

                override fun close() = Unit
            }
        logger.addHandler(handler)
        try {
            val run = SinkwellContext.run("r-1")
            val around = SinkwellContext.current()
            val elsewhere =
                CompletableFuture.supplyAsync {
                    run.close()
                    SinkwellContext.run("r-2").use {
                        run.close()
                        SinkwellContext.current()?.run
                    }
                }
            assertEquals("r-2", elsewhere.get(30, TimeUnit.SECONDS))
            // Where the same context was taken to another thread, too.
            SinkwellContext.wrap(Runnable { run.close() }).also { CompletableFuture.runAsync(it).get(30, TimeUnit.SECONDS) }
            assertSame(around, SinkwellContext.current())
            val turn = SinkwellContext.turn("t-1")
            run.close()
            assertEquals("t-1", SinkwellContext.current()?.turn)
            turn.close()
            assertSame(around, SinkwellContext.current())
            repeat(2) { run.close() }
            assertNull(SinkwellContext.current())
            val first = said.poll(30, TimeUnit.SECONDS)
            assertTrue("on another thread than began it" in first, first)
            Diagnostics.settle()
            assertEquals(emptyList<String>(), said.toList())
        } finally {
            logger.removeHandler(handler)
        }
    }

    /** Events in runs and turns, as tests/vectors/context has them. */
    @Test
    fun context() {
        val cases = Json.map(Files.readAllBytes(ROOT.resolve("tests/vectors/context/context.json")))["cases"].objects()
        cases.forEachIndexed { i, one ->
            val place = Files.createDirectory(folder.resolve("$i"))
            val config = fileLane(place) + ("agent" to mapOf("id" to "a1", "allow" to listOf("*")))
            Emitter.open(config).use { emitter ->
                val scopes =
                    one["within"].objects().map { call ->
                        val (kind, given) = call.entries.single()
                        val members = given.obj()
                        only(members, "run", "turn", "attempt", "agent", "causation", "correlation", "parent_run")

                        fun text(name: String) = members[name] as String?
                        val options =
                            SinkwellContext
                                .Options()
                                .attempt(text("attempt"))
                                .agent(text("agent"))
                                .causation(text("causation"))
                                .correlation(text("correlation"))
                                .parentRun(text("parent_run"))
                        if (kind == "run") SinkwellContext.run(text("run"), options.turn(text("turn"))) else SinkwellContext.turn(text("turn"), options)
                    }
                try {
                    Given(one["event"].obj()).emit(emitter)
                } finally {
                    scopes.asReversed().forEach { it.close() }
                }
            }
            val event = events(place.resolve("events.ndjson")).single()
            for (attribute in listOf("runid", "turnid", "attemptid", "agentid", "causationid", "correlationid")) {
                assertEquals(one["attributes"].obj()[attribute], event[attribute], "${one["name"]}: $attribute")
            }
            assertJson(one["data"], event["data"], one["name"].text())
        }
    }
}
