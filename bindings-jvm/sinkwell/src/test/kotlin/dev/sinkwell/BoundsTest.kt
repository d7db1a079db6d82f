package dev.sinkwell

import dev.sinkwell.logging.SinkwellHandler
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTimeoutPreemptively
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test
import java.time.Duration
import java.util.logging.Level
import java.util.logging.LogRecord
import java.util.concurrent.atomic.AtomicReference

/** Values without an end: whatever they are, what they cost is bounded. */
internal class BoundsTest : ToFile() {
    private val graph = HashMap<String, Any?>()
    private val twice = ArrayList<Any?>()
    private val endless = Iterable { generateSequence { 1 }.iterator() }
    private val itself = AtomicReference<Any?>()

    /** No cycle, and 2^60 ways through it. */
    private val shared = (1..60).fold(listOf<Any?>(1)) { inner, _ -> listOf(inner, inner) }

    private val overflowing =
        object : AbstractMap<String, Any?>() {
            override val entries: Set<Map.Entry<String, Any?>> get() = throw StackOverflowError()
        }

    private val unreadable =
        object : CharSequence {
            override val length = 1

            override fun get(index: Int) = 'x'

            override fun subSequence(
                startIndex: Int,
                endIndex: Int,
            ) = this

            override fun toString(): String = error("unreadable")
        }

    @BeforeEach
    fun tie() {
        graph["children"] = List(3) { mapOf("parent" to graph) }
        repeat(2) { twice.add(twice) }
        itself.set(itself)
    }

    private fun <T> soon(call: () -> T): T = assertTimeoutPreemptively(Duration.ofSeconds(20), call)

    private fun refusal(value: Any?): InvalidEventException =
        soon { assertThrows(InvalidEventException::class.java) { emitter.emit("com.example.x", mapOf("a" to value)) } }

    @Test
    fun data_is_refused() {
        for (value in listOf(graph, twice)) {
            val refusal = refusal(value)
            assertTrue("nested deeper than 64" in refusal.message!!, refusal.message)
            assertTrue(refusal.where!!.startsWith("data.a"), refusal.where)
        }
        for (value in listOf(endless, shared)) {
            val refusal = refusal(value)
            assertTrue("1048576 bytes" in refusal.message!!, refusal.message)
            assertEquals("data", refusal.where)
        }
        assertTrue("reference" in refusal(itself).message!!)
        assertEquals("data.a", refusal(overflowing).where)
        assertTrue(refusal(overflowing).cause is StackOverflowError)
        soon { assertThrows(InvalidEventException::class.java) { emitter.event("com.example.x").set("a", graph) } }
        // What is said of an event is small, and what it may be is not.
        emitter.emit("com.example.x", mapOf("a" to List(150_000) { 1 }, "b" to List(10_000) { 0.5 }))
        assertThrows(InvalidEventException::class.java) { emitter.emit("com.example.x", mapOf("a" to "x".repeat(1 shl 20))) }
        assertEquals(1, sealed().size)
    }

    @Test
    fun arguments_are_refused() {
        for (value in listOf(graph, shared, endless)) {
            soon { assertThrows(InvalidConfigException::class.java) { Emitter.open(mapOf("agent" to value)) } }
            soon { assertThrows(InvalidArgumentException::class.java) { Sinkwell.evaluateContentCapture(mapOf("a" to value)) } }
        }
    }

    @Test
    fun of_logs_spans_and_steps_the_rest_is_left_out() {
        for (value in listOf(graph, twice, endless, shared, itself, overflowing)) {
            val attributes = mapOf("a" to value, "z" to 1)
            val event = soon { Sinkwell.eventOfLog(mapOf("message" to "m", "logger" to "l", "attributes" to attributes)) }
            assertEquals("l", event["data"].obj()["logger"])
            soon { emitter.emitLog(mapOf("message" to "m", "attributes" to attributes)) }
            soon { emitter.emitSpan(span + ("attributes" to attributes)) }
            soon { emitter.emitStep(step + ("input" to value)) }
        }
        // Its text overflows the stack.
        soon { SinkwellHandler(emitter).publish(LogRecord(Level.INFO, "{0}").apply { parameters = arrayOf(graph) }) }
        soon { runCatching { emitter.emitStep(step + ("content" to endless)) } }
        assertTrue(sealed().size >= 13)
    }

    /** What a value throws is its own error: what comes before and after it is there. */
    @Test
    fun one_that_cannot_be_read_leaves_the_others() {
        val attributes = mapOf("a" to overflowing, "b" to listOf(1, unreadable, 2), "z" to 1)
        val event = Sinkwell.eventOfLog(mapOf("message" to "m", "attributes" to attributes))
        assertTrue("""{"a":{},"b":[1,"[unreadable: ${unreadable.javaClass.name}]",2],"z":1}""" in "${event["content"]}", "$event")
        assertEquals("data.b[1]", assertThrows(InvalidEventException::class.java) { emitter.emit("com.example.x", attributes - "a") }.where)
        val builder = emitter.event("com.example.x")
        assertEquals("data.a", assertThrows(InvalidEventException::class.java) { builder.set("a", unreadable) }.where)
    }

    private companion object {
        val step = mapOf("id" to "t-1", "kind" to "tool", "name" to "pay", "end_unix_nano" to "1")
        val span =
            mapOf(
                "name" to "x",
                "trace_id" to "0af7651916cd43dd8448eb211c80319c",
                "span_id" to "b7ad6b7169203331",
                "start_unix_nano" to "1",
                "end_unix_nano" to "2",
            )
    }
}
