package dev.sinkwell

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.Arguments.arguments
import org.junit.jupiter.params.provider.MethodSource
import java.math.BigDecimal
import java.math.BigInteger
import java.nio.file.Path
import java.time.Instant
import java.time.LocalDate
import java.time.LocalDateTime
import java.time.LocalTime
import java.time.OffsetDateTime
import java.time.ZonedDateTime
import java.util.Optional
import java.util.OptionalInt
import java.util.UUID
import kotlin.time.Duration.Companion.seconds

/** Values of the JVM in data: what they become, and what is refused, with path and remedy. */
internal class ValuesTest : ToFile() {
    private fun sealed(value: Any?): String {
        emitter.emit("com.example.x", value)
        return sealed().single()
    }

    internal enum class Weekday { MONDAY }

    internal class Bean(
        val tool: String,
        val isDry: Boolean,
    ) {
        val failing: Int get() = throw IllegalStateException("MARKER")
    }

    internal class Simple(
        val tool: String,
        val isDry: Boolean,
        val urlCount: Int,
    )

    @ParameterizedTest
    @MethodSource("values")
    fun a_value_becomes(
        value: Any?,
        json: String,
    ) = assertEquals("{\"v\":$json}", sealed(mapOf("v" to value)))

    @ParameterizedTest
    @MethodSource("refused")
    fun a_value_is_refused(
        value: Any?,
        remedy: String,
    ) {
        val data = mapOf("a" to mapOf("b" to listOf(1, value)))
        for (emit in listOf<() -> Unit>({ emitter.emit("com.example.x", data) }, { emitter.put("com.example.x", data) })) {
            val error = assertThrows(InvalidEventException::class.java) { emit() }
            assertEquals("invalid_event 2", "${error.kind} ${error.code}")
            assertTrue(error.where!!.startsWith("data.a.b[1]"), error.where)
            assertTrue(remedy in error.message!!, error.message)
        }
        assertEquals("{}", sealed(emptyMap<String, Any?>()))
    }

    @Test
    fun a_lone_surrogate_in_a_key_or_an_attribute() {
        assertTrue(
            "lone surrogate" in assertThrows(InvalidEventException::class.java) { emitter.emit("com.example.x", mapOf("\ud800" to 1)) }.message!!,
        )
        assertEquals("type", assertThrows(InvalidEventException::class.java) { emitter.emit("com.\udc00") }.where)
        val options = EventOptions().subject("a\ud800b")
        assertEquals("subject", assertThrows(InvalidEventException::class.java) { emitter.emit("com.example.x", null, options) }.where)
    }

    @Test
    fun an_object_with_getters_is_its_members() =
        assertEquals("""{"dry":true,"tool":"search","urlCount":2}""", sealed(Simple("search", true, 2)))

    @JvmInline
    internal value class Id(
        val text: String,
    )

    internal class Kotlin(
        val id: Id,
        val other: Id?,
        internal val intern: Int,
        val isDone: Boolean,
    )

    internal class Unsigned(
        val count: UInt,
    )

    internal class Lasting(
        val lasted: kotlin.time.Duration,
    )

    internal object Empty

    @Test
    fun what_kotlin_adds_to_names_is_none_of_them() {
        emitter.emit("com.example.x", Kotlin(Id("z"), null, 1, true))
        emitter.emit("com.example.x", mapOf("ids" to listOf(Id("z")), "one" to Kotlin(Id("z"), Id("y"), 1, false)))
        assertEquals(
            listOf(
                """{"done":true,"id":"z","other":null}""",
                """{"ids":["z"],"one":{"done":false,"id":"z","other":"y"}}""",
            ),
            sealed(),
        )
    }

    @Test
    fun what_a_getter_does_not_tell_is_refused() {
        for ((value, where) in listOf(Unsigned(UInt.MAX_VALUE) to "count", Lasting(5.seconds) to "lasted")) {
            val error = assertThrows(InvalidEventException::class.java) { emitter.emit("com.example.x", mapOf("a" to value)) }
            assertEquals("data.a.$where", error.where)
            assertTrue("send it as a string" in error.message!!, error.message)
        }
    }

    @Test
    fun what_the_host_throws_while_it_is_read_is_an_error_of_ours() {
        val error = assertThrows(InvalidEventException::class.java) { emitter.emit("com.example.x", mapOf("a" to Bean("x", false))) }
        assertEquals("data.a.failing", error.where)
        assertTrue(error.cause is IllegalStateException && "MARKER" !in error.message!!, error.message)
        val own = IllegalStateException("own")
        val list =
            object : AbstractList<Int>() {
                override val size = 1

                override fun get(index: Int) = throw own
            }
        assertSame(own, assertThrows(InvalidEventException::class.java) { emitter.emit("com.example.x", mapOf("a" to list)) }.cause)
    }

    @Test
    fun a_map_that_holds_itself_ends_at_the_depth_limit() {
        val cyclic = HashMap<String, Any?>()
        cyclic["again"] = listOf(cyclic)
        assertTrue("deeper than 64" in assertThrows(InvalidEventException::class.java) { emitter.emit("com.example.x", cyclic) }.message!!)

        fun nested(levels: Int): Any = if (levels == 0) 1 else listOf(nested(levels - 1))
        emitter.emit("com.example.x", mapOf("a" to nested(63)))
        assertThrows(InvalidEventException::class.java) { emitter.emit("com.example.x", mapOf("a" to nested(64))) }
    }

    @Test
    fun data_that_is_no_object_is_refused() {
        assertEquals("data", assertThrows(InvalidEventException::class.java) { emitter.emit("com.example.x", listOf(1)) }.where)
        assertEquals("data", assertThrows(InvalidEventException::class.java) { emitter.emit("com.example.x", "text") }.where)
    }

    @Test
    fun json_keeps_what_the_core_must_refuse() {
        for (json in listOf("""{"a":1,"a":2}""", """{"a":"\ud800"}""", "[1]", """{"a":1e400}""")) {
            assertThrows(InvalidEventException::class.java, { emitter.emitJson("com.example.x", json) }, json)
        }
    }

    @Test
    fun configuration_has_the_same_rules() {
        val error = assertThrows(InvalidConfigException::class.java) { Emitter.open(mapOf("lanes" to listOf(Double.NaN))) }
        assertTrue("NaN" in error.message!!, error.message)
        val surrogate = assertThrows(InvalidConfigException::class.java) { Emitter.open(mapOf("agent" to mapOf("id" to "\ud800"))) }
        assertEquals("agent.id", surrogate.where)
        val timeout = assertThrows(InvalidConfigException::class.java) { Emitter.open(mapOf("heartbeat" to java.time.Duration.ofSeconds(30))) }
        assertEquals("heartbeat", timeout.where)
        assertTrue("\"30s\"" in timeout.message!!, timeout.message)
    }

    private companion object {
        @JvmStatic
        fun values() =
            listOf(
                arguments(null, "null"),
                arguments(1.toByte(), "1"),
                arguments(-2.toShort(), "-2"),
                arguments(9007199254740991L, "9007199254740991"),
                arguments(0.1f, "0.1"),
                arguments(-0.0, "0"),
                arguments(1e-7, "1e-7"),
                arguments('ä', "\"ä\""),
                arguments("café ☕ 😀", "\"café ☕ 😀\""),
                arguments(StringBuilder("built"), "\"built\""),
                arguments(BigDecimal("12.50"), "12.5"),
                arguments(BigDecimal("1E+3"), "1000"),
                arguments(BigInteger.TEN, "10"),
                arguments(Optional.of("there"), "\"there\""),
                arguments(Optional.empty<String>(), "null"),
                arguments(OptionalInt.of(3), "3"),
                arguments(Weekday.MONDAY, "\"MONDAY\""),
                arguments(intArrayOf(1, 2), "[1,2]"),
                arguments(arrayOf("a", null), "[\"a\",null]"),
                arguments(linkedSetOf(1, 2), "[1,2]"),
                arguments(mapOf(Weekday.MONDAY to 1), "{\"MONDAY\":1}"),
                arguments(Path.of("a", "b"), "\"a/b\""),
                arguments(Path.of("a", "b").toFile(), "\"a/b\""),
                arguments(UUID(0, 1), "\"00000000-0000-0000-0000-000000000001\""),
                arguments(Instant.parse("2026-01-01T00:00:00.5Z"), "\"2026-01-01T00:00:00.500Z\""),
                arguments(OffsetDateTime.parse("2026-01-01T02:00:00+02:00"), "\"2026-01-01T00:00:00Z\""),
                arguments(ZonedDateTime.parse("2026-01-01T01:00:00+01:00[Europe/Paris]"), "\"2026-01-01T00:00:00Z\""),
                arguments(LocalDate.of(2026, 1, 2), "\"2026-01-02\""),
                arguments(LocalTime.of(3, 4), "\"03:04:00\""),
                arguments(LocalDateTime.of(2026, 1, 2, 3, 4, 5), "\"2026-01-02T03:04:05\""),
                arguments(java.util.concurrent.atomic.AtomicLong(7), "7"),
            )

        private const val AS_STRING = "send it as a string"

        @JvmStatic
        fun refused() =
            listOf(
                arguments(Double.NaN, "NaN"),
                arguments(Double.NEGATIVE_INFINITY, "infinities"),
                arguments(Float.POSITIVE_INFINITY, "infinities"),
                arguments(9007199254740992L, AS_STRING),
                arguments(Long.MIN_VALUE, AS_STRING),
                arguments(BigInteger.TEN.pow(30), AS_STRING),
                arguments(1e20, AS_STRING),
                arguments("a\ud800", "lone surrogate"),
                arguments("\udc00a", "lone surrogate"),
                arguments(BigDecimal("1.2345678901234567890123"), AS_STRING),
                arguments(BigDecimal("9007199254740992"), AS_STRING),
                arguments(BigDecimal("1E+400"), AS_STRING),
                arguments(byteArrayOf(1), "string"),
                arguments(Any(), AS_STRING),
                arguments(Empty, AS_STRING),
                arguments(UInt.MAX_VALUE, AS_STRING),
                arguments(java.time.Duration.ofSeconds(30), "send its milliseconds, or in a configuration a string as \"30s\""),
                arguments({ 1 }, AS_STRING),
                arguments(Thread.currentThread(), AS_STRING),
                arguments(mapOf(1 to "a"), "a key must be a string"),
            )
    }
}
