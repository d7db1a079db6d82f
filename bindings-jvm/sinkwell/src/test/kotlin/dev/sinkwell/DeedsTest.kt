package dev.sinkwell

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.TimeoutCancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import kotlinx.coroutines.withTimeoutOrNull
import kotlinx.coroutines.yield
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.IOException
import java.nio.file.Files
import java.nio.file.Path
import java.time.Duration
import java.util.concurrent.CancellationException
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionException
import java.util.concurrent.CompletionStage
import java.util.concurrent.CountDownLatch
import java.util.concurrent.ExecutionException
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException

/** Deeds that hold no thread. The vectors have those that do. */
internal class DeedsTest {
    @TempDir
    lateinit var folder: Path

    private val pay = mapOf("tool" to "pay")

    private fun open() =
        Emitter.openText(
            """
            agent: { id: a1 }
            heartbeat: off
            journal: { dir: $folder/journal }
            lanes: [ { id: out, durable: true, sink: { file: { path: $folder/out.ndjson } } } ]
            """.trimIndent(),
        )

    /** The phase of each event of a deed, with the result's outcome in its place. */
    private fun told(): List<String> =
        Files
            .readAllLines(folder.resolve("out.ndjson"))
            .filter { "\"phase\"" in it }
            .map { line -> Regex("\"outcome\":\"(\\w+)\"").find(line)?.groupValues?.get(1) ?: "intent" }

    @Test
    fun an_act_of_a_future_runs_once_its_intent_is_safe_and_ends_with_its_future() {
        open().use { emitter ->
            val act = CompletableFuture<Int>()
            val begun = CompletableFuture<String>()
            val paid =
                emitter.deedAsync("tool.invocation", pay) { deed ->
                    begun.complete(deed.id)
                    deed.result(mapOf("receipt" to "x1"))
                    act
                }
            assertTrue(begun.get(30, TimeUnit.SECONDS).isNotEmpty())
            assertFalse(paid.isDone)
            act.complete(7)
            assertEquals(7, paid.get(30, TimeUnit.SECONDS))
            val failed = emitter.deedAsync<Int>("tool.invocation", pay) { CompletableFuture.failedFuture(IOException("secret words")) }
            assertInstanceOf(IOException::class.java, assertThrows(ExecutionException::class.java) { failed.get(30, TimeUnit.SECONDS) }.cause)
            val threw = emitter.deedAsync<Int>("tool.invocation", pay) { throw IOException("secret words") }
            assertInstanceOf(IOException::class.java, assertThrows(ExecutionException::class.java) { threw.get(30, TimeUnit.SECONDS) }.cause)
        }
        assertEquals(listOf("intent", "ok", "intent", "error", "intent", "error"), told())
    }

    @Test
    fun an_act_that_suspends_is_a_deed() {
        open().use { emitter ->
            runBlocking(Dispatchers.Default) {
                val answer =
                    emitter.deedSuspending("tool.invocation", pay) {
                        yield()
                        7
                    }
                assertEquals(7, answer)
                val acting = CompletableDeferred<Unit>()
                val given =
                    launch {
                        emitter.deedSuspending("tool.invocation", pay) {
                            acting.complete(Unit)
                            awaitCancellation()
                        }
                    }
                acting.await()
                given.cancelAndJoin()
            }
        }
        assertEquals(listOf("intent", "ok", "intent", "cancelled"), told())
    }

    @Test
    fun terms_of_any_length_are_answered_by_the_core() {
        open().use { emitter ->
            // One that only begins as one of them, and one that is longer than what crosses.
            for (until in listOf("now", "journaled" + "x".repeat(200), "é".repeat(300), "\uD800".repeat(300))) {
                val refused = assertThrows(InvalidArgumentException::class.java) { emitter.deed("tool.invocation", pay, null, DeedTerms().until(until)) { error("it must not run") } }
                assertEquals("until", refused.where)
            }
            val forever = DeedTerms().timeout(Duration.ofSeconds(Long.MAX_VALUE))
            assertEquals(7, emitter.deed("tool.invocation", pay, null, forever) { 7 })
            assertEquals(7, emitter.deedAsync("tool.invocation", pay, null, forever) { CompletableFuture.completedFuture(7) }.get(30, TimeUnit.SECONDS))
            assertEquals(0, emitter.flush(Duration.ofSeconds(Long.MAX_VALUE))["out"]!!.pending)
            assertThrows(WaitTimeoutException::class.java) { emitter.deed("tool.invocation", pay, null, DeedTerms().timeout(Duration.ofSeconds(Long.MIN_VALUE))) { error("it must not run") } }
        }
    }

    @Test
    fun what_ran_out_of_time_or_was_given_up_is_told_so_whatever_wraps_it() {
        val late = TimeoutException("secret words")
        val thrown =
            listOf(
                late to "timeout java.util.concurrent.TimeoutException",
                ExecutionException(CompletionException(late)) to "timeout java.util.concurrent.TimeoutException",
                java.net.http.HttpConnectTimeoutException("secret words") to "timeout java.net.http.HttpConnectTimeoutException",
                java.net.SocketTimeoutException() to "timeout java.net.SocketTimeoutException",
                CancellationException() to "cancelled java.util.concurrent.CancellationException",
                InterruptedException() to "cancelled java.lang.InterruptedException",
                ExecutionException("secret words", null) to "error java.util.concurrent.ExecutionException",
                CompletionException(IOException()) to "error java.io.IOException",
            )
        open().use { emitter ->
            for ((failure, _) in thrown) {
                assertSame(failure, assertThrows(Exception::class.java) { emitter.tool<Unit>("pay") { throw failure } })
                assertSame(failure, assertThrows(Exception::class.java) { emitter.deed<Unit>("tool.invocation", pay) { throw failure } })
            }
            runBlocking {
                val never: suspend () -> Unit = { awaitCancellation() }
                assertEquals(null, withTimeoutOrNull(1) { emitter.toolSuspending("pay", never) })
                val deed = runCatching { emitter.deedSuspending<Unit>("tool.invocation", pay) { withTimeout(1) { never() } } }
                assertInstanceOf(TimeoutCancellationException::class.java, deed.exceptionOrNull())
                assertEquals(7, emitter.toolSuspending("pay") { yield().let { 7 } })
            }
        }
        val within = "timeout kotlinx.coroutines.TimeoutCancellationException"
        assertEquals(thrown.flatMap { (_, wanted) -> listOf(wanted, wanted) } + listOf(within, within, "ok null"), ends())
    }

    /** The outcome of what ended, and what failed, in order. */
    private fun ends(): List<String> =
        events(folder.resolve("out.ndjson")).map { it["data"].obj() }.filter { it["phase"] != "intent" }.map { "${it["outcome"]} ${it["error.type"]}" }

    /** A required sink that does not answer: its deeds wait. */
    private class Silent : GovernanceEventSink {
        val asked = CountDownLatch(1)
        val answer = CountDownLatch(1)
        override val name = "siem"
        override val classes = setOf(SinkClass.SIEM)

        override fun emit(event: SignedGovernanceEvent): CompletionStage<*>? {
            if (event.data["phase"] == "intent") {
                asked.countDown()
                answer.await()
            }
            return null
        }
    }

    @Test
    fun who_gives_the_wait_up_begins_no_act() {
        val sink = Silent()
        val config =
            """
            agent: { id: a1 }
            heartbeat: off
            governance: { version: "1", requires_sink: siem }
            lanes:
              - { id: siem, classes: [siem], sink: { host: siem }, batch: { linger: 0s } }
              - { id: out, sink: { file: { path: $folder/out.ndjson } } }
            """.trimIndent()
        Emitter.openText(config, null, OpenOptions().sinks(sink)).use { emitter ->
            var acted = false
            val terms = DeedTerms().until("delivered").timeout(Duration.ofSeconds(60))
            runBlocking(Dispatchers.Default) {
                val waiting = launch { emitter.deedSuspending("tool.invocation", pay, terms = terms) { acted = true } }
                sink.asked.await()
                waiting.cancelAndJoin()
            }
            val future = emitter.deedAsync<Unit>("tool.invocation", pay, null, terms) { throw IllegalStateException() }
            assertTrue(future.cancel(false))
            sink.answer.countDown()
            emitter.flush(Duration.ofSeconds(30))
            assertFalse(acted)
        }
        assertEquals(listOf("intent", "intent", "refused", "refused"), told().sorted())
    }
}
