package dev.sinkwell

import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTimeoutPreemptively
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.function.Executable
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.CsvSource
import java.io.File
import java.net.URLClassLoader
import java.nio.file.Files
import java.nio.file.Path
import java.time.Duration
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import kotlin.io.path.listDirectoryEntries

/** How emitters, the process and class loaders end, and what they leave. */
internal class LifetimeTest {
    @TempDir
    lateinit var folder: Path

    @ParameterizedTest
    @CsvSource("return,0", "close,0", "exit,3", "throw,1", "signal,143", "unhandled,143")
    fun what_is_queued_survives_the_end(
        how: String,
        status: Int,
    ) {
        val stderr = folder.resolve("stderr").toFile()
        val child = Child.start("exit", how, "$folder") { redirectError(stderr) }
        if (status == 143) {
            assertEquals("ready", child.inputReader().readLine(), stderr::readText)
            child.destroy()
        }
        assertTrue(child.waitFor(60, TimeUnit.SECONDS))
        assertEquals(status, child.exitValue(), stderr::readText)
        val lines = Files.readAllLines(folder.resolve("events.ndjson"))
        assertEquals(100, lines.count { "\"origin\"" !in it })
        assertTrue("\"action\":\"closed\"" in lines.last(), lines.last())
    }

    @Test
    fun a_program_that_ends_its_emitter_itself_emits_until_then() {
        val stderr = folder.resolve("stderr").toFile()
        val child = Child.start("hook", "$folder") { redirectError(stderr) }
        assertEquals("ready", child.inputReader().readLine(), stderr::readText)
        child.destroy()
        assertTrue(child.waitFor(60, TimeUnit.SECONDS))
        assertEquals(143, child.exitValue(), stderr::readText)
        val lines = Files.readAllLines(folder.resolve("events.ndjson"))
        assertEquals(1, lines.count { "run.completed" in it }, stderr::readText)
        assertTrue("\"action\":\"closed\"" in lines.last(), lines.last())
    }

    @Test
    fun halting_loses_what_no_journal_has() {
        val child = Child.start("exit", "halt", "$folder")
        assertTrue(child.waitFor(60, TimeUnit.SECONDS))
        assertEquals(4, child.exitValue())
        val lines = folder.resolve("events.ndjson").let { if (Files.exists(it)) Files.readAllLines(it) else emptyList() }
        assertFalse(lines.any { "\"action\":\"closed\"" in it })
    }

    @Test
    fun the_next_process_is_told_what_is_unfinished() {
        val config =
            """
            agent: { id: a1 }
            heartbeat: off
            journal: { dir: $folder/journal }
            lanes: [ { id: out, durable: true, sink: { file: { path: $folder/out.ndjson } } } ]
            """.trimIndent()
        val before = Emitter.openText(config)
        assertEquals(emptyList<Any>(), before.unfinished())
        before.deed("tool.invocation", mapOf("tool" to "pay")) { }
        // What it would say of its end finds the emitter closed: for the next one that is a process that died meanwhile.
        val cutOff =
            before.deed("tool.invocation", mapOf("tool" to "pay")) { deed ->
                before.shutdown()
                deed.id
            }
        Emitter.openText(config).use { after ->
            val deed = after.unfinished().single()
            assertEquals(listOf(cutOff, "dev.sinkwell.tool.invocation", "pay"), listOf(deed["id"], deed["type"], deed["tool"]))
        }
    }

    private fun threads() = Path.of("/proc/self/task").listDirectoryEntries().size

    private fun handles() = Path.of("/proc/self/fd").listDirectoryEntries().size

    private fun until(condition: () -> Boolean) {
        val end = System.nanoTime() + LONG.toNanos()
        while (!condition()) {
            assertTrue(System.nanoTime() < end)
            Thread.onSpinWait()
        }
    }

    @Test
    fun a_thousand_emitters_leave_no_thread_and_no_handle() {
        fun one(sink: Boolean) {
            val options = if (sink) OpenOptions().sinks(Quiet()) else OpenOptions()
            Emitter.open(mapOf("lanes" to listOf("null")), options).use { it.put("com.example.x") }
        }
        repeat(20) { one(it % 10 == 0) }
        val threads = threads()
        val handles = handles()
        repeat(1000) { one(it % 10 == 0) }
        until { Thread.getAllStackTraces().keys.none { it.name == "sinkwell-mail" || it.name == "sinkwell-host" } }
        assertTrue(threads() <= threads + 20, "${threads()} after $threads")
        assertTrue(handles() <= handles + 20, "${handles()} after $handles")
    }

    @Test
    fun an_emit_inside_a_sink_never_waits() {
        lateinit var emitter: Emitter
        val seen = CompletableFuture<Map<String, String>>()
        val sink =
            object : GovernanceEventSink {
                override val name = "inner"
                override val classes = setOf(SinkClass.AUDIT)

                override fun emit(event: SignedGovernanceEvent) =
                    null.also {
                        if (!event.isOwn && !seen.isDone) {
                            // More than the lane has room for, with nobody to make some but this sink.
                            repeat(20) { emitter.emit("com.example.inner").lanes["inner"]?.takeIf { "dropped" in it }?.let { seen.complete(mapOf("inner" to it)) } }
                        }
                    }
            }
        val queue = mapOf("events" to 2, "terminal_reserve" to 1)
        emitter = Emitter.open(fileLane(folder))
        emitter.addSink(sink, mapOf("overflow" to "block", "queue" to queue))
        emitter.use {
            it.put("com.example.x")
            assertEquals("dropped: reentrant", seen.get(30, TimeUnit.SECONDS)["inner"])
        }
    }

    /** Blocks until it is told otherwise. */
    private class Held : GovernanceEventSink {
        val open = CountDownLatch(1)
        val types = ConcurrentLinkedQueue<String>()
        override val name = "held"
        override val classes = setOf(SinkClass.AUDIT)

        override fun emit(event: SignedGovernanceEvent) =
            null.also {
                if (!event.isOwn) {
                    open.await()
                    types.add(event.type)
                }
            }
    }

    private class Quiet : GovernanceEventSink {
        override val name = "quiet"
        override val classes = setOf(SinkClass.DEBUG)

        override fun emit(event: SignedGovernanceEvent) = null
    }

    private fun full(held: Held): Emitter {
        val emitter = Emitter.open(mapOf("lanes" to listOf("null")))
        val queue = mapOf("events" to 2, "terminal_reserve" to 1)
        emitter.addSink(held, mapOf("overflow" to "block", "queue" to queue, "block_timeout" to "10s"))
        return emitter
    }

    @Test
    fun a_full_lane_makes_an_emit_wait_and_backpressure_says_so() {
        val held = Held()
        val queue = mapOf("events" to 2, "terminal_reserve" to 1)
        val emitter = Emitter.open(mapOf("lanes" to listOf("null")))
        emitter.addSink(held, mapOf("overflow" to "block", "queue" to queue, "block_timeout" to "100ms"))
        emitter.use {
            val error = assertThrows(BackpressureException::class.java) { repeat(100) { emitter.put("com.example.x") } }
            assertTrue("held" in error.message!!, error.message)
            held.open.countDown()
        }
    }

    @Test
    fun emit_async_waits_without_a_thread() {
        val held = Held()
        full(held).use { emitter ->
            val receipts = (1..50).map { emitter.emitAsync("com.example.x") }
            assertFalse(receipts.last().isDone)
            held.open.countDown()
            receipts.forEach { assertNotNull(it.get(30, TimeUnit.SECONDS).id) }
        }
    }

    @Test
    fun a_coroutine_that_waits_can_be_cancelled_and_what_had_no_room_is_in_no_lane() {
        val held = Held()
        full(held).use { emitter ->
            val all = Executable {
                runBlocking(Dispatchers.Default) {
                    val receipts = List(50) { emitter.emitAsync("com.example.x") }
                    for (wait in listOf<suspend () -> Any>({ receipts[0].get().awaitDelivered() }, { emitter.flushSuspending(LONG) })) {
                        launch(start = CoroutineStart.UNDISPATCHED) { wait() }.cancelAndJoin()
                    }
                    var hadRoom = -1
                    do {
                        hadRoom++
                        val late = launch(start = CoroutineStart.UNDISPATCHED) { emitter.emitSuspending("com.example.late") }
                        val waits = late.isActive
                        late.cancelAndJoin()
                    } while (!waits)
                    held.open.countDown()
                    receipts.forEach { it.get(30, TimeUnit.SECONDS) }
                    emitter.flushSuspending(LONG)
                    assertEquals(50 to hadRoom, held.types.count { it == "com.example.x" } to held.types.count { it == "com.example.late" })
                }
            }
            assertTimeoutPreemptively(LONG, all)
        }
    }

    @Test
    fun virtual_threads_let_go_of_their_carriers_while_they_wait() {
        val start = runCatching { Thread::class.java.getMethod("startVirtualThread", Runnable::class.java) }.getOrNull()
        assumeTrue(start != null, "no virtual threads before Java 21")
        val held = Held()
        full(held).use { emitter ->
            // Far more than there are carriers: if one were held, none of the others would come to wait.
            val waiting = CountDownLatch(200)
            val done = CountDownLatch(200)
            repeat(200) {
                start!!.invoke(
                    null,
                    Runnable {
                        waiting.countDown()
                        emitter.put("com.example.x")
                        done.countDown()
                    },
                )
            }
            assertTrue(waiting.await(30, TimeUnit.SECONDS))
            assertTrue(done.count > 0)
            held.open.countDown()
            assertTrue(done.await(30, TimeUnit.SECONDS))
        }
    }

    /** Another class loader has another copy of it all, which ends by itself. */
    @Test
    fun a_second_class_loader_has_a_copy_of_its_own() {
        val urls = System.getProperty("java.class.path").split(File.pathSeparator).map { File(it).toURI().toURL() }
        URLClassLoader(urls.toTypedArray(), ClassLoader.getPlatformClassLoader()).use { loader ->
            val sinkwell = loader.loadClass("dev.sinkwell.Sinkwell")
            assertFalse(sinkwell === Sinkwell::class.java)
            val emitter = sinkwell.getMethod("open", Map::class.java).invoke(null, fileLane(folder)) as AutoCloseable
            emitter.javaClass.getMethod("put", String::class.java).invoke(emitter, "com.example.x")
            Emitter.open(mapOf("lanes" to listOf("null"))).use { own ->
                sinkwell.getMethod("endAll").invoke(null)
                assertFalse(own.isClosed)
            }
            assertTrue(emitter.javaClass.getMethod("isClosed").invoke(emitter) as Boolean)
            assertEquals(1, events(folder.resolve("events.ndjson")).size)
        }
    }

    @Test
    fun a_wait_that_takes_too_long_says_so() {
        val held = Held()
        full(held).use { emitter ->
            val receipt = emitter.emit("com.example.x")
            assertThrows(WaitTimeoutException::class.java) { receipt.await(Stage.DELIVERED, Duration.ofMillis(10)) }
            held.open.countDown()
        }
    }

    @Test
    fun kinds_have_frozen_codes() {
        assertEquals(emptyList<String>(), dev.sinkwell.internal.errorKinds().filter { (kind, code) -> SinkwellException.of(kind, "", null).run { this.kind != kind || this.code != code.toInt() } }.keys.toList())
    }
}
