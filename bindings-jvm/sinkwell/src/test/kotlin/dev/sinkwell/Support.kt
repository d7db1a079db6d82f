package dev.sinkwell

import dev.sinkwell.internal.Json
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.io.TempDir
import java.math.BigDecimal
import java.math.BigInteger
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardOpenOption.APPEND
import java.nio.file.StandardOpenOption.CREATE
import java.time.Duration
import java.util.Base64
import kotlin.io.path.listDirectoryEntries
import kotlin.io.path.nameWithoutExtension

internal typealias Object = Map<String, Any?>

internal val ROOT: Path = Path.of(System.getProperty("sinkwell.root", "..")).toAbsolutePath().normalize()
internal val LONG: Duration = Duration.ofSeconds(30)

@Suppress("UNCHECKED_CAST")
internal fun Any?.obj() = this as Object

internal fun Any?.list() = this as List<*>

internal fun Any?.objects() = list().map { it.obj() }

internal fun Any?.text() = this as String

/** Writes down that a case ran, or why it did not, for tests/vectors/matrix.py. */
internal fun record(
    case: String,
    reason: String = "ran",
) {
    synchronized(ROOT) {
        val file = ROOT.resolve("target/vectors/jvm.tsv")
        Files.createDirectories(file.parent)
        Files.writeString(file, "$case\t$reason\n", CREATE, APPEND)
    }
}

internal fun files(folder: String): List<String> =
    ROOT
        .resolve("tests/vectors/$folder")
        .listDirectoryEntries("*.json")
        .map { it.nameWithoutExtension }
        .sorted()
        .also { check(it.isNotEmpty()) { "no cases in $folder" } }

internal fun vector(
    folder: String,
    name: String,
    vararg known: String,
): Object = Json.map(Files.readAllBytes(ROOT.resolve("tests/vectors/$folder/$name.json"))).also { only(it, *known) }

/** An unknown field fails, so that a typo cannot make a case vacuous. */
internal fun only(
    given: Object,
    vararg known: String,
) = assertTrue(known.toSet().containsAll(given.keys)) { "unknown: ${given.keys - known.toSet()}" }

/** Equal as JSON: numbers by their values; `"*"` stands for anything, where it may. */
internal fun same(
    wanted: Any?,
    got: Any?,
    any: Boolean = false,
): Boolean =
    when {
        any && wanted == "*" -> true
        wanted is Map<*, *> -> got is Map<*, *> && wanted.keys == got.keys && wanted.all { (key, value) -> same(value, got[key], any) }
        wanted is List<*> -> got is List<*> && wanted.size == got.size && wanted.zip(got).all { (a, b) -> same(a, b, any) }
        wanted is Number -> got is Number && BigDecimal(wanted.toString()).compareTo(BigDecimal(got.toString())) == 0
        else -> wanted == got
    }

internal fun assertJson(
    wanted: Any?,
    got: Any?,
    what: String,
    any: Boolean = false,
) = assertTrue(same(wanted, got, any)) { "$what: $got, expected $wanted" }

/** `{dir}` in every text. */
internal fun inFolder(
    value: Any?,
    folder: Path,
): Any? =
    when (value) {
        is Map<*, *> -> value.entries.associate { (key, one) -> key as String to inFolder(one, folder) }
        is List<*> -> value.map { inFolder(it, folder) }
        is String -> value.replace("{dir}", folder.toString())
        else -> value
    }

/** JSON with the values that it has not: a double, an integer of any size, bytes. */
internal fun marked(value: Any?): Any? {
    if (value is Map<*, *>) {
        val only = value.entries.singleOrNull()
        val text = only?.value as? String
        if (text != null) {
            when (only.key) {
                "\$double" -> return if (text.trimStart('-').lowercase().startsWith("inf")) {
                    (if (text[0] == '-') Double.NEGATIVE_INFINITY else Double.POSITIVE_INFINITY)
                } else if (text.lowercase() == "nan") {
                    Double.NaN
                } else {
                    text.toDouble()
                }
                "\$integer" -> return BigInteger(text)
                "\$bytes" -> return Base64.getDecoder().decode(text)
            }
        }
        return value.mapValues { marked(it.value) }
    }
    return if (value is List<*>) value.map(::marked) else value
}

/** An event of a vector as the arguments of a call; an unknown member fails. */
internal class Given(
    event: Object,
) {
    var type: String = ""
    var data: Any? = null
    val options = EventOptions()

    init {
        for ((member, value) in event) {
            when (member) {
                "type" -> type = value.text()
                "data" -> data = value
                "subject" -> options.subject(value.text())
                "severity" -> if (value is Long) options.severity(value.toInt()) else options.severity(value.text())
                "terminal" -> options.terminal(value as Boolean)
                "run" -> options.run(value.text())
                "turn" -> options.turn(value.text())
                "attempt" -> options.attempt(value.text())
                "agent" -> options.agent(value.text())
                "tenant" -> options.tenant(value.text())
                "time" -> options.time(value.text())
                "id" -> options.id(value.text())
                "causation" -> options.causation(value.text())
                "correlation" -> options.correlation(value.text())
                "child" -> options.child(value.text())
                "trace" -> options.trace(trace(value.obj()))
                "content" -> options.content(value.objects().map(::part))
                else -> error("unknown member $member of an event")
            }
        }
    }

    fun emit(emitter: Emitter): Receipt = emitter.emit(type, data, options)

    private fun trace(given: Object) =
        TraceContext(given["trace_id"].text(), given["span_id"].text(), (given["flags"] as Long? ?: 0).toInt(), given["state"] as String?)
}

internal fun part(given: Object): Part {
    only(given, "class", "text", "bytes", "mediatype", "role", "ref", "summary", "permit", "tokens")
    val contentClass = given["class"].text()
    val part =
        when {
            "text" in given -> Part.text(contentClass, given["text"].text())
            "bytes" in given -> Part.bytes(contentClass, Base64.getDecoder().decode(given["bytes"].text()))
            else -> Part.of(contentClass)
        }
    (given["tokens"] as Long?)?.let { part.tokens(it) }
    return part
        .mediaType(given["mediatype"] as String?)
        .role(given["role"] as String?)
        .ref(given["ref"] as String?)
        .summary(given["summary"] as String?)
        .permit(given["permit"] as String?)
}

/** The host's own envelopes in a lane's file. */
internal fun events(file: Path): List<Object> =
    if (Files.exists(file)) Files.readAllLines(file).map { Json.map(it) }.filter { "origin" !in it } else emptyList()

internal fun fileLane(
    folder: Path,
    vararg more: Pair<String, Any?>,
): Object =
    mapOf(
        "agent" to mapOf("id" to "urn:example:agent"),
        "heartbeat" to "off",
        "lanes" to listOf(mapOf("id" to "file", "sink" to mapOf("file" to mapOf("path" to "$folder/events.ndjson")))),
        *more,
    )

/** A test of what events become: an emitter with a file of its own. */
internal abstract class ToFile {
    @TempDir
    lateinit var folder: Path
    protected lateinit var emitter: Emitter

    @BeforeEach
    fun open() {
        emitter = Emitter.open(fileLane(folder))
    }

    @AfterEach
    fun close() = emitter.close()

    /** The data of what was emitted, in order; ends the emitter. */
    protected fun sealed(): List<String> {
        emitter.shutdown()
        return dataOf(folder)
    }
}

/** The data of the host's own events in the file of [fileLane], as it stands there. */
internal fun dataOf(folder: Path): List<String> =
    Files.readAllLines(folder.resolve("events.ndjson")).filter { "\"origin\"" !in it }.map {
        it.substringAfter("\"data\":").substringBefore(",\"datacontenttype\"")
    }
