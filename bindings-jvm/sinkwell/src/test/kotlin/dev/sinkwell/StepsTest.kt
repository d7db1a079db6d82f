package dev.sinkwell

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.IOException
import java.nio.file.Path
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ExecutionException
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit

/** Calls of tools that are told as steps, in each of their forms, and what holds inside of them. The vectors have the rest. */
internal class StepsTest {
    @TempDir
    lateinit var folder: Path

    private fun open(vararg more: Pair<String, Any?>) = Emitter.open(fileLane(folder, *more))

    private fun told() = events(folder.resolve("events.ndjson"))

    private fun step(
        id: String,
        vararg more: Pair<String, Any?>,
    ) = mapOf("id" to id, "name" to "pay", "run" to "r-1", "parent" to null, *more)

    private fun outcomes() = told().mapNotNull { it["data"].obj()["outcome"] }

    @Test
    fun each_form_has_its_intent_its_result_and_what_was_emitted_inside() {
        open().use { emitter ->
            assertEquals(1, emitter.deedOfStep(step("s-1")) { emitter.put("com.example.inside").let { 1 } })
            val going =
                emitter.deedOfStepAsync(step("s-2")) { call ->
                    emitter.put("com.example.inside")
                    CompletableFuture.supplyAsync { call.ended(mapOf("output" to "done")).let { 2 } }
                }
            assertEquals(2, going.get(30, TimeUnit.SECONDS))
            runBlocking {
                val answer =
                    emitter.deedOfStepSuspending(step("s-3")) {
                        withContext(Dispatchers.IO) { emitter.put("com.example.inside") }
                        3
                    }
                assertEquals(3, answer)
            }
            assertNull(SinkwellContext.current())
        }
        val events = told()
        for (id in listOf("s-1", "s-2", "s-3")) {
            assertEquals("pay", events.single { it["id"] == id }["data"].obj()["tool"])
            val caused = events.filter { it["causationid"] == id }
            assertEquals(listOf("com.example.inside", "dev.sinkwell.tool.invocation"), caused.map { it["type"] })
            assertEquals(setOf("r-1"), caused.map { it["runid"] }.toSet())
            assertEquals("ok", caused[1]["data"].obj()["outcome"])
        }
    }

    @Test
    fun each_form_tells_of_failure_cancellation_and_refusal_and_passes_them_on() {
        open().use { emitter ->
            assertThrows(IOException::class.java) { emitter.deedOfStep<Unit>(step("a-1")) { throw IOException("MARKER") } }
            val failed = emitter.deedOfStepAsync<Unit>(step("a-2")) { CompletableFuture.failedFuture(IOException("MARKER")) }
            assertTrue(assertThrows(ExecutionException::class.java) { failed.get(30, TimeUnit.SECONDS) }.cause is IOException)
            runBlocking {
                assertThrows(IOException::class.java) {
                    runBlocking { emitter.deedOfStepSuspending<Unit>(step("a-3")) { throw IOException("MARKER") } }
                }
                val acting = CompletableDeferred<Unit>()
                val given =
                    launch(Dispatchers.Default) {
                        emitter.deedOfStepSuspending(step("a-4")) { acting.complete(Unit).also { awaitCancellation() } }
                    }
                acting.await()
                given.cancelAndJoin()
            }
            emitter.deedOfStep(step("a-5")) { it.refused() }
            emitter.deedOfStep(step("a-6")) { it.ended(mapOf("outcome" to "denied")) }
        }
        assertEquals(listOf("error", "error", "error", "cancelled", "denied", "denied"), outcomes())
        assertEquals(setOf(IOException::class.java.name), told().mapNotNull { it["data"].obj()["error.type"] }.filter { "IO" in it.toString() }.toSet())
        // What was refused by somebody else was told by them; what the tool's own end says is told here.
        assertEquals(listOf("a-6"), told().filter { it["type"] == "dev.sinkwell.policy.decision" }.map { it["causationid"] })
        assertTrue(told().none { "MARKER" in it.toString() })
    }

    @Test
    fun words_that_make_an_event_too_large_refuse_no_act_in_any_form() {
        val large = "x".repeat(LARGE)
        open("limits" to mapOf("envelope" to "64KiB")).use { emitter ->
            emitter.deedOfStep(step("l-1", "input" to large)) { it.ended(mapOf("output" to "done")) }
            emitter.deedOfStepAsync(step("l-2", "input" to large)) { CompletableFuture.completedFuture(Unit) }.get(30, TimeUnit.SECONDS)
            runBlocking { emitter.deedOfStepSuspending(step("l-3", "input" to large)) { it.ended(mapOf("output" to "done")) } }
        }
        assertEquals(listOf(1L, 1L, 1L), told().mapNotNull { it["data"].obj()["content_left_out"] })
        assertEquals(listOf("ok", "ok", "ok"), outcomes())
    }

    @Test
    fun a_context_holds_in_a_coroutine_on_whatever_thread_it_goes_on() {
        open().use { emitter ->
            runBlocking(Dispatchers.Default) {
                val runs =
                    (1..20).map { n ->
                        async {
                            withRun("r-$n") {
                                withContext(Dispatchers.IO) { emitter.put("com.example.one", mapOf("n" to n)) }
                                withTurn("t-$n") {
                                    launch(Dispatchers.IO) { emitter.put("com.example.two", mapOf("n" to n)) }
                                }
                                withRun("inner-$n") { emitter.put("com.example.three", mapOf("n" to n)) }
                                launch(null.carrying()) { emitter.put("com.example.four", mapOf("n" to n)) }.join()
                            }
                            assertNull(SinkwellContext.current())
                        }
                    }
                runs.forEach { it.await() }
            }
        }
        val events = told()
        assertEquals(80, events.size)
        for (event in events) {
            val n = event["data"].obj()["n"]
            val wanted =
                when (event["type"]) {
                    "com.example.one" -> listOf("r-$n", null)
                    "com.example.two" -> listOf("r-$n", "t-$n")
                    "com.example.three" -> listOf("inner-$n", null)
                    else -> listOf(null, null)
                }
            assertEquals(wanted, listOf(event["runid"], event["turnid"]))
        }
    }

    @Test
    fun an_executor_that_is_wrapped_has_futures_run_where_they_were_asked_for() {
        val pool = Executors.newFixedThreadPool(2)
        open().use { emitter ->
            val wrapped = SinkwellContext.wrap(pool)
            SinkwellContext.run("r-1").use {
                val first = CompletableFuture.runAsync({ emitter.put("com.example.one") }, wrapped)
                first.thenRunAsync({ emitter.put("com.example.two") }, wrapped).get(30, TimeUnit.SECONDS)
                val deed = emitter.deedAsync("tool.invocation", mapOf("tool" to "pay")) {
                    emitter.put("com.example.three")
                    CompletableFuture.completedFuture(1)
                }
                deed.get(30, TimeUnit.SECONDS)
            }
            pool.submit { emitter.put("com.example.four") }.get(30, TimeUnit.SECONDS)
        }
        pool.shutdown()
        val runs = told().filter { "example" in it["type"].text() }.map { it["runid"] }
        assertEquals(listOf("r-1", "r-1", "r-1", null), runs)
    }

    private companion object {
        const val LARGE = 100_000
    }
}
