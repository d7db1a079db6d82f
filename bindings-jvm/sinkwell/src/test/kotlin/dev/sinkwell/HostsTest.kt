package dev.sinkwell

import dev.sinkwell.internal.Diagnostics
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.Arguments.arguments
import org.junit.jupiter.params.provider.MethodSource
import java.nio.file.Path
import java.time.Duration
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicInteger
import java.util.logging.Handler
import java.util.logging.LogRecord
import java.util.logging.Logger

/** Sinks, signers and loggers of the host's that do what they should not: nothing of sinkwell's waits for them for ever. */
internal class HostsTest {
    @TempDir
    lateinit var folder: Path

    private open class Sink(
        override val name: String = "host",
        val take: (SignedGovernanceEvent) -> Unit,
    ) : GovernanceEventSink {
        override val classes = setOf(SinkClass.DEBUG)

        override fun emit(event: SignedGovernanceEvent) = null.also { if (!event.isOwn) take(event) }
    }

    private class Message(
        val read: () -> String,
    ) : RuntimeException() {
        override val message get() = read()

        override fun toString() = read()
    }

    private fun until(condition: () -> Boolean) {
        val end = System.nanoTime() + SOON.toNanos()
        while (!condition()) {
            assertTrue(System.nanoTime() < end)
            Thread.onSpinWait()
        }
    }

    @ParameterizedTest
    @MethodSource("failures")
    fun a_lane_goes_on_whatever_an_exception_says(
        failure: Throwable,
        state: String,
    ) {
        val failed = AtomicInteger()
        Emitter.open(fileLane(folder)).use { emitter ->
            emitter.addSink(Sink { if (failed.getAndIncrement() == 0) throw failure }, RETRY)
            assertEquals(state, emitter.emit("com.example.x").await(Stage.DELIVERED, SOON)["host"]!!.state)
            assertEquals("delivered", emitter.emit("com.example.x").await(Stage.DELIVERED, SOON)["host"]!!.state)
        }
    }

    @ParameterizedTest
    @MethodSource("signings")
    fun a_lane_goes_on_whatever_a_signer_does(sign: () -> Any?) {
        val failed = AtomicInteger()
        val signer =
            Signer { messages ->
                @Suppress("UNCHECKED_CAST")
                if (failed.getAndIncrement() == 0) sign() as List<ByteArray> else messages.map { ByteArray(64) }
            }
        val config = fileLane(folder, "key" to mapOf("id" to "k", "alg" to "ed25519", "signer" to "host"))
        Emitter.open(config, OpenOptions().signer(signer)).use {
            assertEquals("delivered", it.emit("com.example.x").await(Stage.DELIVERED, SOON)["file"]!!.state)
        }
    }

    @Test
    fun what_a_host_tells_is_cut_and_well_formed() {
        val ill =
            object : Sink("ill", { throw IllegalStateException("short") }) {
                override fun health() = SinkHealth(false, "\ud800 is down")
            }
        val long = Sink("long") { throw IllegalStateException("\udc00" + "x".repeat(1 shl 20)) }
        Emitter.open(fileLane(folder)).use { emitter ->
            listOf(ill, long).forEach { emitter.addSink(it, RETRY) }
            emitter.put("com.example.x")
            until { "\ufffd is down" in "${emitter.health()["ill"]!!["detail"]}" }
            until { "\ufffdxxx" in "${emitter.health()["long"]!!["detail"]}" }
            emitter.shutdown(Duration.ZERO)
        }
    }

    @Test
    fun answers_of_a_batch_that_are_none_are_a_failure() {
        val failed = AtomicInteger()
        val sink =
            object : BatchGovernanceEventSink {
                override val name = "host"
                override val classes = setOf(SinkClass.DEBUG)

                @Suppress("UNCHECKED_CAST")
                override fun emitBatch(events: List<SignedGovernanceEvent>): List<Throwable?>? =
                    when (failed.getAndIncrement()) {
                        0 -> listOf("no exception") as List<Throwable?>
                        1 ->
                            object : AbstractList<Throwable?>() {
                                override val size get() = Int.MAX_VALUE

                                override fun get(index: Int) = null
                            }
                        else -> null
                    }
            }
        Emitter.open(fileLane(folder)).use { emitter ->
            emitter.addSink(sink, RETRY)
            assertEquals("delivered", emitter.emit("com.example.x").await(Stage.DELIVERED, SOON)["host"]!!.state)
        }
    }

    @Test
    fun texts_that_utf_8_cannot_carry_are_refused_with_their_place() {
        fun refused(
            place: String,
            call: () -> Unit,
        ) = assertEquals(place, assertThrows(SinkwellException::class.java, call).where)
        Emitter.open(fileLane(folder)).use { emitter ->
            refused("data") { emitter.emitJson("com.example.x", "{\"a\":\"\ud800\"}") }
            refused("sinks[0].name") { emitter.addSink(Sink("a\ud800") { }) }
            refused("lane") { emitter.queued("\ud800") }
            refused("lane") { emitter.repair("\ud800", "x", 1) }
            refused("format") { emitter.vacuum(format = "\ud800") }
            refused("path") { Emitter.open("/tmp/\ud800") }
            refused("name") { Emitter.openText("{}", "\ud800") }
            refused("text") { Emitter.openText("\ud800") }
            refused("provider") { Sinkwell.usageOf("\ud800", emptyMap<String, Any?>()) }
            refused("keys.k") { Verifier.verify(ByteArray(0), mapOf("k" to TrustedKey.file("\ud800"))) }
            refused("keys") { Verifier.verify(ByteArray(0), mapOf("\ud800" to TrustedKey.file("x"))) }
            emitter.emitJson("com.example.x", "{\"a\":\"\ud83d\ude00\"}")
        }
        assertEquals(listOf("""{"a":"😀"}"""), dataOf(folder))
        assertEquals("a\ufffd", Sinkwell.eventOfLogJson("{\"logger\":\"a\ud800\"}")["data"].obj()["logger"])
    }

    @Test
    fun an_envelope_prints_its_name_and_never_its_data() {
        val seen = CompletableFuture<SignedGovernanceEvent>()
        Emitter.open(fileLane(folder), OpenOptions().sinks(Sink { seen.complete(it) })).use { it.put("com.example.x", mapOf("a" to "MARKER")) }
        val event = seen.get(30, TimeUnit.SECONDS)
        assertEquals("com.example.x ${event.id} ${event.streamId}/${event.sequence}", "$event")
        assertTrue("MARKER" in event.json)
        assertEquals(event.bytes.decodeToString(), event.json)
    }

    @Test
    fun nothing_waits_inside_a_sink() {
        val emitter = Emitter.open(fileLane(folder))
        val inside = CompletableFuture<List<Map<String, LaneReport>>>()
        emitter.addSink(
            Sink {
                val since = System.nanoTime()
                val reports = listOf(emitter.flush(LONG), emitter.flushAsync(LONG).get(), emitter.shutdown(LONG))
                emitter.close()
                if (System.nanoTime() - since < LONG.toNanos() / 3) inside.complete(reports) else inside.complete(emptyList())
            },
            mapOf("timeout" to "200s"),
        )
        val receipt = emitter.emit("com.example.x")
        // What had not come to its end then is what it was inside of.
        assertEquals(listOf(1L, 1L, 1L), inside.get(200, TimeUnit.SECONDS).map { it["host"]!!.pending })
        // It ended it, and nothing was lost.
        assertEquals("delivered", receipt.await(Stage.DELIVERED, SOON)["host"]!!.state)
        until { emitter.isClosed }
    }

    @Test
    fun an_emit_inside_a_sink_does_not_wait_for_the_end_of_the_default_emitter() {
        lateinit var emitter: Emitter
        val inside = CompletableFuture<Throwable?>()
        val sink =
            Sink {
                until { emitter.isClosed }
                inside.complete(runCatching { Sinkwell.emit("com.example.inside") }.exceptionOrNull())
            }
        emitter = Sinkwell.configure(fileLane(folder), OpenOptions().sinks(sink))
        emitter.put("com.example.x")
        assertEquals(0, Sinkwell.shutdown(SOON)["host"]!!.pending)
        assertTrue(inside.get(30, TimeUnit.SECONDS) is EmitterClosedException, "${inside.get()}")
    }

    @Test
    fun what_runs_for_the_opening_of_the_default_emitter_does_not_wait_for_it() {
        val told = ConcurrentLinkedQueue<String>()
        val sink =
            object : Sink(take = {}) {
                override val name: String
                    get() {
                        told += "${runCatching { Sinkwell.emit("com.example.inside") }.exceptionOrNull()?.javaClass}"
                        return "named"
                    }
            }
        val opening = CompletableFuture.supplyAsync { Sinkwell.configure(fileLane(folder), OpenOptions().sinks(sink)) }
        assertTrue("named" in opening.get(30, TimeUnit.SECONDS).health())
        assertEquals(setOf("${EmitterClosedException::class.java}"), told.toSet())
        Sinkwell.shutdown(SOON)
    }

    /** A handler of `java.util.logging`, where the platform's loggers end up, that holds on to the first record. */
    private class Blocked : Handler() {
        val entered = CountDownLatch(1)
        val open = CountDownLatch(1)
        val said = ConcurrentLinkedQueue<String>()

        override fun publish(record: LogRecord) {
            entered.countDown()
            open.await()
            said += record.message
        }

        override fun flush() = Unit

        override fun close() = Unit
    }

    @Test
    fun nothing_waits_for_a_logger() {
        val logger = Logger.getLogger("sinkwell")
        val blocked = Blocked()
        logger.addHandler(blocked)
        try {
            Diagnostics.log(2, "first")
            assertTrue(blocked.entered.await(30, TimeUnit.SECONDS))
            repeat(1500) { Diagnostics.log(2, "more") }
            Emitter.open(fileLane(folder), OpenOptions().sinks(Sink { })).use { emitter ->
                assertEquals("delivered", emitter.emit("com.example.x").await(Stage.DELIVERED, SOON)["host"]!!.state)
            }
            blocked.open.countDown()
            until { blocked.said.any { "diagnostics were left out" in it } && blocked.said.count { it == "more" } == 1000 }
        } finally {
            blocked.open.countDown()
            logger.removeHandler(blocked)
        }
    }

    private companion object {
        val SOON: Duration = Duration.ofSeconds(20)
        val RETRY = mapOf("retry" to mapOf("initial" to "10ms", "cap" to "20ms"), "batch" to mapOf("linger" to "1ms"))

        @JvmStatic
        fun failures() =
            listOf(
                arguments(IllegalStateException("bad \ud800"), "delivered"),
                arguments(RejectedException("bad \udc00"), "lost"),
                arguments(UncertainException("bad \ud800"), "uncertain"),
                arguments(Message { error("unreadable") }, "delivered"),
                arguments(Message { throw StackOverflowError() }, "delivered"),
                arguments(StackOverflowError("\ud800"), "delivered"),
                arguments(object : java.util.concurrent.ExecutionException("x", null) {
                    override val cause get() = throw IllegalStateException("\ud800")
                }, "delivered"),
            )

        @JvmStatic
        fun signings() =
            listOf<() -> Any?>(
                { error("bad \ud800") },
                { throw Message { error("unreadable") } },
                { null },
                { listOf(null) },
                { listOf("no bytes") },
            )
    }
}
