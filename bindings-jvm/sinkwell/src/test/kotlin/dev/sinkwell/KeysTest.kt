package dev.sinkwell

import dev.sinkwell.internal.Json
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.nio.file.Files
import kotlin.concurrent.thread

/**
 * Keys that come again are told the native half once, and an event can be said member by member: both are what a map with its keys
 * is, the first time as the tenth, refusals included.
 */
internal class KeysTest : ToFile() {
    private enum class Key { A }

    @JvmRecord
    private data class Call(
        val tool: String,
        val at: List<Int>,
        val how: Map<String, Any?>,
    )

    private val nested = mapOf("z" to listOf(1, mapOf("b" to "é", "a" to null)), "a" to 0.5, "q\"" to true, "\uD83D\uDE00" to 1, "\uFB33" to 2)
    private val canonical = "{\"a\":0.5,\"q\\\"\":true,\"z\":[1,{\"a\":null,\"b\":\"é\"}],\"\uD83D\uDE00\":1,\"\uFB33\":2}"

    @Test
    fun the_tenth_time_is_as_the_first() {
        repeat(10) {
            emitter.put("com.example.x", nested)
            emitter.emit("com.example.x", Call("pay", listOf(it), mapOf("to" to "x")))
            // Keys of the same text that are other objects.
            emitter.put("com.example.x", nested.mapKeys { (key, _) -> String(key.toCharArray()) })
        }
        val lines = sealed()
        assertEquals(30, lines.size)
        lines.chunked(3).forEachIndexed { i, (map, record, again) ->
            assertEquals(listOf(canonical, "{\"at\":[$i],\"how\":{\"to\":\"x\"},\"tool\":\"pay\"}", canonical), listOf(map, record, again))
        }
    }

    @Test
    fun the_same_keys_are_of_many_types() {
        val types = listOf("com.example.x", "com.example.y", "com.example." + "long".repeat(40), "run.started")
        repeat(6) { n -> types.forEach { emitter.put(it, mapOf("a" to n, "b" to it)) } }
        emitter.flush()
        val lines = Files.readAllLines(folder.resolve("events.ndjson")).filter { "\"b\":" in it }
        assertEquals(6 * types.size, lines.size)
        lines.forEach { line ->
            val event = Json.map(line)
            val data = event["data"] as Map<*, *>
            assertTrue((event["type"] as String).endsWith(data["b"] as String), line)
        }
    }

    @Test
    fun a_type_that_is_no_text_is_refused_each_time() {
        repeat(5) {
            val refused = assertThrows(InvalidEventException::class.java) { emitter.put("com.example.\uD800", mapOf("a" to 1)) }
            assertEquals("type", refused.where)
            assertEquals("type", assertThrows(InvalidEventException::class.java) { emitter.event("").set("a", 1).put() }.where)
        }
    }

    @Test
    fun member_by_member_is_as_the_map() {
        repeat(5) {
            emitter
                .event("com.example.x")
                .set("z", nested["z"])
                .set("a", 0.5)
                .set("q\"", true)
                .set("\uD83D\uDE00", 1L)
                .set("\uFB33", 2)
                .put()
            val none: String? = null
            val receipt = emitter.event("com.example.x").set("text", "x").set("none", none).options(EventOptions().run("r-1")).emit()
            assertTrue(receipt.id.isNotEmpty())
            emitter.event("com.example.x").put()
        }
        sealed().chunked(3).forEach { assertEquals(listOf(canonical, "{\"none\":null,\"text\":\"x\"}", "{}"), it) }
        assertEquals(5, Files.readAllLines(folder.resolve("events.ndjson")).count { "\"runid\":\"r-1\"" in it })
    }

    @Test
    fun an_event_ends_once_and_what_is_refused_ends_it() {
        repeat(5) {
            val ended = emitter.event("com.example.x").set("n", it).also { event -> event.put() }
            assertThrows(InvalidArgumentException::class.java) { ended.put() }
            assertThrows(InvalidArgumentException::class.java) { ended.set("n", 1) }
            val refused = emitter.event("com.example.x").set("n", it)
            val error = assertThrows(InvalidEventException::class.java) { refused.set("a", mapOf("b" to listOf(1, Any()))) }
            assertEquals("data.a.b[1]", error.where)
            assertThrows(InvalidArgumentException::class.java) { refused.put() }
            val twice = assertThrows(InvalidEventException::class.java) { emitter.event("com.example.x").set("a", 1).set("a", 2).put() }
            assertEquals("data.a", twice.where)
        }
        assertEquals(5, sealed().size)
    }

    @Test
    fun refusals_are_the_same_each_time() {
        repeat(5) {
            for ((data, where) in listOf(
                mapOf("b" to 1, "a" to Double.NaN) to "data.a",
                mapOf("b" to 1, "a" to listOf(mapOf("c" to (1L shl 53)))) to "data.a[0].c",
                mapOf("b" to 1, "a" to listOf("\uD800")) to "data.a[0]",
                mapOf("b" to 1, "\uDC00" to 2) to "data",
                mapOf<Any, Any>("A" to 1, Key.A to 2) to "data.A",
                mapOf("b" to 1, 7 to 2) to "data",
            )) {
                assertEquals(where, assertThrows(InvalidEventException::class.java, { emitter.put("com.example.x", data) }, "$data").where, "$data")
            }
            assertEquals("data.tool", assertThrows(InvalidEventException::class.java) { emitter.put("tool.invocation", mapOf("tool" to 1)) }.where)
        }
        assertEquals(emptyList<String>(), sealed())
    }

    @Test
    fun of_two_values_that_are_wrong_the_first_is_named() {
        repeat(5) {
            // In canonical order it is the second.
            val data = linkedMapOf("z" to 1, "b" to listOf(Double.NaN), "a" to (1L shl 53))
            assertEquals("data.b[0]", assertThrows(InvalidEventException::class.java) { emitter.put("com.example.x", data) }.where)
            val texts = linkedMapOf("b" to "\uD800", "a" to Double.NaN)
            assertEquals("data.b", assertThrows(InvalidEventException::class.java) { emitter.put("com.example.x", texts) }.where)
        }
    }

    @Test
    fun texts_of_every_kind_and_length() {
        val texts =
            listOf("", "x", "é", "say \"x\"\n", "\u0000\u001f\u007f\u0080", "\uFFFF\u20AC", "a\uD83D\uDE00\\", "0123456789abcdef".repeat(8)) +
                listOf("a".repeat(1024), "b".repeat(70_000), "\u4F60\u597D".repeat(3000), "\"".repeat(300))
        repeat(4) {
            for (text in texts) {
                emitter.put("com.example.x", linkedMapOf("t" to text, "in" to listOf(text, mapOf("k" to text)), "n" to 1))
                emitter.emitAsync("com.example.x", linkedMapOf("t" to text, "n" to 1)).get()
                // With keys that are too many to be known.
                emitter.put("com.example.x", (0..70).associate { "k$it" to if (it == 35) text else "x" })
            }
        }
        val lines = sealed().map { Json.map(it) }
        assertEquals(4 * 3 * texts.size, lines.size)
        lines.chunked(3).forEachIndexed { i, (put, later, many) ->
            val text = texts[i % texts.size]
            assertEquals(mapOf("t" to text, "in" to listOf(text, mapOf("k" to text)), "n" to 1L), put)
            assertEquals(mapOf("t" to text, "n" to 1L), later)
            assertEquals(text, many["k35"])
        }
    }

    @Test
    fun more_sets_of_keys_than_are_known() {
        val own = Files.createDirectory(folder.resolve("child"))
        val child = Child.start("keys", "$own") { redirectErrorStream(true) }
        val said = child.inputStream.readAllBytes().decodeToString()
        assertEquals(0, child.waitFor(), said)
        val sets = dataOf(own).chunked(5)
        assertEquals(1200, sets.size, said)
        sets.forEachIndexed { set, lines -> assertEquals(List(5) { "{\"a\":\"é\",\"k$set\":$it}" }, lines) }
    }

    @Test
    fun many_keys_and_keys_that_never_come_again() {
        val many = (0..99).associate { "k%02d".format(it) to it }
        val long = mapOf("x".repeat(500) to 1, "a" to 2)
        repeat(4) {
            emitter.put("com.example.x", many)
            emitter.put("com.example.x", long)
        }
        // More than are remembered.
        repeat(6000) { emitter.put("com.example.x", mapOf("n" to it, "once-$it" to mapOf("also-$it" to it))) }
        repeat(4) { emitter.put("com.example.x", nested) }
        val lines = sealed()
        lines.take(8).chunked(2).forEach { (first, second) ->
            assertEquals(many, Json.map(first).mapValues { (_, value) -> (value as Long).toInt() })
            assertEquals("{\"a\":2,\"${"x".repeat(500)}\":1}", second)
        }
        lines.drop(8).take(6000).forEachIndexed { i, line -> assertEquals("{\"n\":$i,\"once-$i\":{\"also-$i\":$i}}", line) }
        assertEquals(List(4) { canonical }, lines.drop(6008))
    }

    @Test
    fun threads_share_what_is_known() {
        val threads =
            List(8) { who ->
                thread {
                    repeat(200) { n ->
                        emitter.put("com.example.x", mapOf("who" to who, "n" to n, "v${n % 20}" to n))
                        emitter.event("com.example.x").set("v${n % 20}", n).set("n", n).set("who", who).put()
                    }
                }
            }
        threads.forEach(Thread::join)
        val wanted = List(8) { who -> List(200) { n -> List(2) { "{\"n\":$n,\"v${n % 20}\":$n,\"who\":$who}" } }.flatten() }.flatten()
        assertEquals(wanted.sorted(), sealed().sorted())
    }
}
