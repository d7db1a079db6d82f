package dev.sinkwell

import dev.sinkwell.internal.Json
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assertions.fail
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.MethodSource
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.nio.file.Files
import java.nio.file.Path
import java.time.Duration
import java.util.Base64
import java.util.concurrent.CancellationException
import java.util.concurrent.TimeoutException

/** The conformance vectors, through the public API. Unknown fields fail, and so do no cases. */
internal class VectorsTest {
    @TempDir
    lateinit var folder: Path

    @ParameterizedTest
    @MethodSource("emit")
    fun emit(name: String) {
        val vector = vector("emit", name, "name", "about", "config", "events", "expected")
        Emitter.open(inFolder(vector["config"], folder).obj()).use { emitter ->
            assertFalse(vector["events"].list().isEmpty())
            for (step in vector["events"].objects()) {
                only(step, "event", "error")
                val wanted = step["error"]?.obj()
                if (wanted == null) {
                    Given(step["event"].obj()).emit(emitter)
                    continue
                }
                only(wanted, "kind", "code", "where", "message")
                val error = assertThrows(SinkwellException::class.java, { Given(step["event"].obj()).emit(emitter) }, "$step")
                assertEquals("${wanted["kind"]} ${wanted["code"]}", "${error.kind} ${error.code}")
                wanted["where"]?.let { assertEquals(it, error.where) }
                wanted["message"]?.let { assertTrue(it.text() in error.message!!, error.message) }
            }
        }
        for ((file, lines) in vector["expected"].obj()) {
            assertEquals(lines.list(), Files.readAllLines(folder.resolve(file)))
        }
        record("emit/$name")
    }

    @ParameterizedTest
    @MethodSource("policy")
    fun policy(name: String) {
        val vector = vector("policy", name, "name", "about", "config", "events", "data", "filtered", "conditions", "metrics")
        Emitter.open(inFolder(vector["config"], folder).obj()).use { emitter ->
            vector["events"].objects().forEach { Given(it).emit(emitter) }
            for ((lane, counters) in emitter.counters()) {
                assertJson(vector["filtered"].obj()[lane], counters["filtered_by"], lane)
            }
            assertEquals(vector["conditions"].list(), conditions(emitter))
            vector["metrics"]?.let { wanted ->
                val lines = emitter.prometheus().lines().filter { it.isNotEmpty() && it[0] != '#' && !it.startsWith("sinkwell_") }
                assertEquals(wanted.list(), lines)
            }
        }
        for ((lane, data) in vector["data"].obj()) {
            assertJson(data, events(folder.resolve(lane)).map { it["data"] }, lane)
        }
        record("policy/$name")
    }

    private fun conditions(emitter: Emitter): List<String> =
        emitter
            .policyStatus()["policies"]
            .objects()
            .flatMap { policy ->
                policy["targets"].objects().flatMap { target ->
                    target["conditions"].objects().map { one ->
                        fun Object.said(name: String) = this[name] as String? ?: ""
                        "${policy.said("policy")} ${target.said("kind")}/${target.said("name")}: " +
                            "${one.said("type")}=${one.said("status")} ${one.said("reason")}"
                    }
                }
            }.sorted()

    @ParameterizedTest
    @MethodSource("spans")
    fun spans(name: String) {
        vector("spans", name, "name", "about", "cases")["cases"].objects().forEachIndexed { i, one ->
            only(one, "name", "span", "events", "error")
            val about = one["name"].text()
            val span = one["span"] as? Map<*, *>
            if (span == null) {
                record("spans/$name/$i", "the JVM's types let nothing through for a span that is no object")
                return@forEachIndexed
            }
            record("spans/$name/$i")
            val wanted = one["error"]?.obj()
            if (wanted == null) {
                assertJson(one["events"], Sinkwell.eventsOfSpan(span.obj()), about)
            } else {
                val error = assertThrows(SinkwellException::class.java, { Sinkwell.eventsOfSpan(span.obj()) }, about)
                assertEquals(listOf(wanted["kind"], wanted["where"]), listOf(error.kind, error.where), about)
            }
        }
    }

    @ParameterizedTest
    @MethodSource("logs")
    fun logs(name: String) {
        vector("logs", name, "name", "about", "cases")["cases"].objects().forEachIndexed { i, one ->
            record("logs/$name/$i")
            only(one, "name", "record", "event")
            val record = marked(one["record"])
            // What is no object at all has no form of the JVM's that the call takes: it goes as JSON.
            val got = if (record is Map<*, *>) Sinkwell.eventOfLog(record.obj()) else Sinkwell.eventOfLogJson(Json.write(record))
            assertJson(one["event"], got, one["name"].text())
        }
    }

    @ParameterizedTest
    @MethodSource("steps")
    fun steps(name: String) {
        vector("steps", name, "name", "about", "cases")["cases"].objects().forEachIndexed { i, one ->
            only(one, "name", "calls", "events")
            val place = Files.createDirectory(folder.resolve("$i"))
            Emitter.open(fileLane(place)).use { play(it, one["calls"].objects().iterator(), one["name"].text()) }
            assertJson(one["events"], events(place.resolve("events.ndjson")).map(::told), one["name"].text())
            record("steps/$name/$i")
        }
    }

    /** Tells of steps up to the end of a deed, which is the answer: what stands before that is inside of the deed. */
    private fun play(
        emitter: Emitter,
        calls: Iterator<Object>,
        about: String,
    ): Object? {
        for (call in calls) {
            only(call, "emit", "begin", "end", "error")
            call["end"]?.let { return it.obj() }
            val begin = call["begin"]?.obj()
            val tell = {
                if (begin == null) {
                    emitter.emitStep(call["emit"].obj())
                } else {
                    emitter.deedOfStep(begin) { it.ended(play(emitter, calls, about)!!) }
                }
            }
            val wanted = call["error"]?.obj()
            if (wanted == null) {
                tell()
            } else {
                val error = assertThrows(SinkwellException::class.java, { tell() }, about)
                assertEquals(listOf(wanted["kind"], wanted["where"]), listOf(error.kind, error.where), about)
            }
        }
        return null
    }

    /** What the vectors say of an event: no salt, no time, nothing that was measured. */
    private fun told(event: Object): Object {
        val data = event["data"].obj().filterKeys { it != "capture" }.toMutableMap()
        data["content"]?.let { parts ->
            data["content"] = parts.objects().map { part -> part.filterKeys { it in setOf("class", "mediatype", "role", "size") } }
        }
        if (data["phase"] == "result") data.remove("duration_ms")
        val named = listOf("type", "subject", "runid", "causationid", "correlationid", "traceparent", "severitytext")
        return event.filterKeys { it in named } + ("data" to data)
    }

    @ParameterizedTest
    @MethodSource("usage")
    fun usage(name: String) {
        vector("usage", name, "group", "cases")["cases"].objects().forEachIndexed { i, one ->
            only(one, "name", "provider", "request", "answer", "error")
            val request = one["request"]
            val run = {
                when (name) {
                    "model" -> Sinkwell.usageOf(one["provider"].text(), request)
                    "cost" -> Sinkwell.cost(request.obj())
                    else -> Sinkwell.rollUp(request.objects())
                }
            }
            val wanted = one["error"]?.obj()
            if (wanted == null) {
                assertJson(one["answer"], run(), one["name"].text())
            } else {
                val error = assertThrows(SinkwellException::class.java, { run() }, one["name"].text())
                assertEquals(listOf(wanted["kind"], wanted["where"]), listOf(error.kind, error.where), one["name"].text())
            }
            record("usage/$name/$i")
        }
    }

    @ParameterizedTest
    @MethodSource("content")
    fun content(name: String) {
        vector("content", name, "group", "cases")["cases"].objects().forEachIndexed { i, one ->
            if (name == "sampling" || name == "commitments") {
                record("content/$name/$i", "no call of the packages decides this alone; emit/ and content/modes reach it")
                return@forEachIndexed
            }
            only(one, "name", "request", "answer", "error")
            val wanted = one["error"]?.obj()
            if (wanted == null) {
                assertJson(one["answer"], Sinkwell.evaluateContentCapture(one["request"].obj()), one["name"].text())
            } else {
                val error = assertThrows(SinkwellException::class.java) { Sinkwell.evaluateContentCapture(one["request"].obj()) }
                assertEquals(listOf(wanted["kind"], wanted["where"]), listOf(error.kind, error.where), one["name"].text())
            }
            record("content/$name/$i")
        }
    }

    /** Errors only: what a good document means shows in what its emitter does, not in this API. */
    @ParameterizedTest
    @MethodSource("config")
    fun config(name: String) {
        vector("config", name, "about", "cases")["cases"].objects().forEachIndexed { i, one ->
            only(one, "name", "yaml", "json", "mapping", "env", "files", "error", "facts", "warnings")
            val wanted = one["error"]?.obj()
            val reason =
                when {
                    wanted == null -> "what a good document means shows in no call of the packages"
                    "env" in one -> "needs an environment of its own, which the JVM does not hand to native code"
                    "mapping" in one && one["mapping"] !is Map<*, *> -> "the JVM's types let nothing through that is no map"
                    "SINKWELL_TESTING" in wanted["message"].text() -> "the test process has SINKWELL_TESTING"
                    else -> null
                }
            if (reason != null) {
                record("config/$name/$i", reason)
                return@forEachIndexed
            }
            val place = Files.createDirectory(folder.resolve("$i"))
            val error = assertThrows(SinkwellException::class.java, { open(one, place).close() }, one["name"].text())
            assertEquals(
                "${one["name"]}: ${wanted!!["kind"]} ${wanted["code"]} ${wanted["place"]}",
                "${one["name"]}: ${error.kind} ${error.code} ${error.where?.replace("$place/", "")}",
            )
            assertTrue(wanted["message"].text() in error.message!!, "${one["name"]}: ${error.message}")
            record("config/$name/$i")
        }
    }

    private fun open(
        one: Object,
        place: Path,
    ): Emitter {
        one["files"]?.obj()?.forEach { (file, text) -> Files.writeString(place.resolve(file), text.text()) }

        fun lines(name: String) = one[name]?.list()?.joinToString("\n")
        val kind = if ("json" in one) "sinkwell.json" else "sinkwell.yaml"
        return when {
            one["mapping"] != null -> Emitter.open(one["mapping"].obj())
            "yaml" in one && "files" !in one -> Emitter.openText(lines("yaml")!!, kind)
            else -> Emitter.open(Files.writeString(place.resolve(kind), lines("json") ?: lines("yaml")!!))
        }
    }

    /** Each number and text as the data of an event: in the sealed line it stands in its canonical form. */
    @ParameterizedTest
    @MethodSource("canonical")
    fun canonical(name: String) {
        val vector = vector("canonical", name, "name", "about", "numbers", "texts")
        val wanted = ArrayList<String>()
        Emitter.open(fileLane(folder)).use { emitter ->
            fun emit(
                label: String,
                form: String?,
                emit: () -> Unit,
            ) {
                if (form == null || unsafe(Json.parse(form))) {
                    assertThrows(InvalidEventException::class.java, { emit() }, label)
                } else {
                    emit()
                    wanted.add(form)
                }
                record("canonical/$name/$label")
            }
            vector["numbers"]?.objects()?.forEachIndexed { i, number ->
                only(number, "ieee754", "json")
                val value = Double.fromBits(java.lang.Long.parseUnsignedLong(number["ieee754"].text(), 16))
                emit("numbers/$i", number["json"]?.let { "{\"v\":$it}" }) { emitter.emit("com.example.n", mapOf("v" to value)) }
            }
            vector["texts"]?.objects()?.forEachIndexed { i, text ->
                only(text, "json", "canonical")
                emit("texts/$i", text["canonical"] as String?) { emitter.emitJson("com.example.n", text["json"].text()) }
            }
        }
        // Only refusals: then nothing was written.
        val file = folder.resolve("events.ndjson")
        val lines = if (Files.exists(file)) Files.readAllLines(file).filter { "\"origin\"" !in it } else emptyList()
        assertEquals(wanted.size, lines.size)
        lines.zip(wanted).forEach { (line, form) -> assertTrue("\"data\":$form,\"datacontenttype\"" in line, line) }
    }

    /** Whether a number in it is one that RFC 8785 can write and an event must not hold (RFC 7493). */
    private fun unsafe(value: Any?): Boolean =
        when (value) {
            is Map<*, *> -> value.values.any(::unsafe)
            is List<*> -> value.any(::unsafe)
            is Number -> value.toDouble().let { it % 1.0 == 0.0 && Math.abs(it) > 9007199254740991.0 }
            else -> false
        }

    @ParameterizedTest
    @MethodSource("seal")
    fun seal(name: String) {
        val vector = vector("seal", name, "name", "about", "keys", "cases")
        val keys = vector["keys"].objects().associate { it["id"].text() to key(it, false) }
        vector["cases"].objects().forEachIndexed { i, one ->
            only(one, "name", "line", "event", "place", "digest", "hash", "signature")
            val path = Files.writeString(folder.resolve("$i.ndjson"), one["line"].text() + "\n")

            fun stream(trusted: Map<String, TrustedKey>) =
                Verifier.verify(path, trusted, VerificationOptions().partial(true)).json["streams"].objects()[0]
            val head = stream(emptyMap())["head"]
            val wanted = one["signature"].text()
            // A signature that is not even base64 is wrong without a key.
            assertTrue(if (head != null) head == one["hash"] else wanted == "wrong", one["name"].text())
            val kinds = stream(keys)["findings"].objects().map { it["kind"] }
            val said =
                when {
                    "unsigned" in kinds -> "none"
                    "altered" in kinds || "unknown_key" in kinds -> "wrong"
                    else -> "good"
                }
            assertEquals(wanted, said, one["name"].text())
            record("seal/$name/$i")
        }
    }

    @ParameterizedTest
    @MethodSource("verify")
    fun verify(name: String) {
        val vector = vector("verify", name, "name", "about", "inputs", "checkpoints", "keys", "options", "expected")
        val inputs = write(vector["inputs"].objects())
        val checkpoints = write(vector["checkpoints"]?.objects() ?: emptyList())
        // What a person gives, he gives at hand or in a file.
        val ways = if (vector["keys"].objects().any { "given_base64" in it }) listOf(false, true) else listOf(false)
        for (inFile in ways) {
            val keys = vector["keys"].objects().associate { it["id"].text() to key(it, inFile) }
            verdict(vector, inputs, checkpoints, keys)
        }
        record("verify/$name")
    }

    private fun verdict(
        vector: Object,
        inputs: List<Path>,
        checkpoints: List<Path>,
        keys: Map<String, TrustedKey>,
    ) {
        val how = vector["options"]?.obj() ?: emptyMap()
        only(how, "strict", "partial", "edges", "silence", "lanes")

        fun flag(name: String) = how[name] == true
        val options =
            VerificationOptions()
                .strict(flag("strict"))
                .partial(flag("partial"))
                .edges(flag("edges"))
                .lanes(*(how["lanes"]?.list() ?: emptyList<Any?>()).map { it.text() }.toTypedArray())
                .checkpoints(*checkpoints.toTypedArray())
                .silence((how["silence"] as String?)?.let { Duration.parse("PT$it") })
        val wanted = vector["expected"].obj()
        if ("error" in wanted) {
            val error = assertThrows(SinkwellException::class.java) { Verifier.verify(inputs, keys, options) }
            assertEquals(wanted["error"], error.kind)
            wanted["message"]?.list()?.forEach { assertTrue(it.text() in error.message!!, error.message) }
            return
        }
        only(wanted, "verdict", "envelopes", "unsigned", "malformed", "open", "lost", "erased", "findings", "streams", "exit", "closed")
        val report = Verifier.verify(inputs, keys, options)
        for ((member, value) in wanted) {
            when (member) {
                "findings" -> assertEquals(findings(value.objects()), findings(report.json["findings"].objects()))
                "streams" -> streams(value.objects(), report.json["streams"].objects())
                "exit" -> {
                    val good = report.verdict == "sound" || (report.verdict == "incomplete" && !flag("strict"))
                    assertEquals(value, if (good) 0L else 1L)
                }
                else -> assertJson(value, report.json[member], member)
            }
        }
    }

    private fun streams(
        wanted: List<Object>,
        got: List<Object>,
    ) {
        assertEquals(wanted.size, got.size)
        wanted.zip(got).forEach { (stream, reported) ->
            only(stream, "streamid", "verdict", "findings", "envelopes", "closed")
            for ((member, value) in stream) {
                if (member == "findings") {
                    assertEquals(findings(value.objects()), findings(reported[member].objects()))
                } else {
                    assertJson(value, reported[member], member)
                }
            }
        }
    }

    private fun findings(list: List<Object>) =
        list
            .map {
                only(it, "kind", "from", "to", "where", "note")
                "${it["kind"]} ${it["from"]}-${it["to"]} ${(it["where"] as String?)?.replace("$folder/", "")}"
            }.sorted()

    private fun write(files: List<Object>): List<Path> =
        files.map { file ->
            only(file, "name", "lines", "tail")
            val text = file["lines"].list().joinToString("") { "$it\n" } + (file["tail"] ?: "")
            Files.writeString(folder.resolve(file["name"].text()), text)
        }

    private fun key(
        key: Object,
        inFile: Boolean,
    ): TrustedKey {
        only(key, "id", "hmac_base64", "spki_pem", "given_base64", "name", "agent")

        fun decoded(name: String) = Base64.getDecoder().decode(key[name].text())
        val name = key["name"] as String? ?: ""
        val trusted =
            when {
                "given_base64" in key && inFile -> {
                    val file = Files.write(folder.resolve("key-${key["id"].text().hashCode()}"), decoded("given_base64"))
                    TrustedKey.file("$name$file")
                }
                "spki_pem" in key -> TrustedKey.bytes(key["spki_pem"].text().encodeToByteArray())
                "hmac_base64" in key -> TrustedKey.hmac(decoded("hmac_base64"))
                else -> TrustedKey.bytes(name.encodeToByteArray() + decoded("given_base64"))
            }
        return trusted.agent(key["agent"] as String?)
    }

    @ParameterizedTest
    @MethodSource("hostSinks")
    fun hostSinks(name: String) {
        val file = vector("host-sinks", name, "name", "about", "config", "events", "cases")
        file["cases"].objects().forEachIndexed { i, one ->
            only(one, "name", "form", "rules", "how", "first", "timeout_ms", "counters")
            val id = "host-sinks/$name/$i"
            if ("nonsense" in one.toString()) {
                record(id, "the JVM's types let nothing through that is no answer")
                return@forEachIndexed
            }
            val sink = if (one["form"] == "batch") ScriptedBatch(one) else Scripted(one)
            val emitter = Emitter.open(file["config"].obj(), OpenOptions().sinks(sink))
            repeat((file["events"] as Long).toInt()) { emitter.put("com.example.n", mapOf("n" to it)) }
            emitter.flush(Duration.ofMillis(one["timeout_ms"] as Long))
            val counters = emitter.counters()["scripted"]!!
            one["counters"].obj().forEach { (counter, value) -> assertEquals(value, counters[counter], "${one["name"]}: $counter") }
            emitter.shutdown(Duration.ofMillis(1))
            record(id)
        }
    }

    @ParameterizedTest
    @MethodSource("vacuum")
    fun vacuum(name: String) {
        val vector = vector("vacuum", name, "name", "about", "config", "calls", "lanes")
        val ways =
            listOf<(Vacuum, ByteArray) -> Pair<ByteArray, Object>>(
                { vacuum, log ->
                    val passed = vacuum.push(log)
                    val end = vacuum.finish()
                    passed + end.passed to end.report
                },
                { vacuum, log ->
                    val passed = ByteArrayOutputStream()
                    val report = vacuum.draw(ByteArrayInputStream(log), passed)
                    passed.toByteArray() to report
                },
                { vacuum, log ->
                    val passed = ByteArrayOutputStream()
                    log.forEach { passed.write(vacuum.push(byteArrayOf(it))) }
                    val end = vacuum.finish()
                    passed.write(end.passed)
                    passed.toByteArray() to end.report
                },
            )
        ways.forEachIndexed { i, way ->
            val place = Files.createDirectory(folder.resolve("$i"))
            Emitter.open(inFolder(vector["config"], place).obj()).use { emitter ->
                for (call in vector["calls"].objects()) {
                    only(call, "log", "process", "nonce", "format", "passed", "report", "error")
                    val draw = {
                        emitter.vacuum(call["process"] as String?, call["nonce"] as Long?, call["format"] as String?).use {
                            way(it, call["log"].text().encodeToByteArray())
                        }
                    }
                    val wanted = call["error"]?.obj()
                    if (wanted != null) {
                        val error = assertThrows(SinkwellException::class.java) { draw() }
                        assertEquals(listOf(wanted["kind"], wanted["where"]), listOf(error.kind, error.where))
                        continue
                    }
                    val (passed, report) = draw()
                    assertEquals(call["passed"], passed.decodeToString())
                    assertJson(call["report"], report, name)
                }
            }
            for ((lane, wanted) in vector["lanes"].obj()) {
                val got = events(place.resolve(lane))
                assertEquals(wanted.list().size, got.size)
                got.zip(wanted.objects()).forEach { (event, members) ->
                    members.forEach { (member, value) -> assertJson(value, event[member], member) }
                }
            }
        }
        record("vacuum/$name")
    }

    @ParameterizedTest
    @MethodSource("deeds")
    fun deeds(name: String) {
        val vector = vector("deeds", name, "name", "about", "config", "calls", "events")
        val config = inFolder(vector["config"], folder).obj()
        val sink = Siem()
        val options = if ("host=siem" in config.toString()) OpenOptions().sinks(sink) else OpenOptions()
        Emitter.open(config, options).use { emitter ->
            for (call in vector["calls"].objects()) {
                only(call, "emit", "error", "deed", "down", "unready")
                when {
                    "emit" in call -> compare(call, runCatching { Given(call["emit"].obj()).emit(emitter) }.exceptionOrNull())
                    "deed" in call -> deed(emitter, call["deed"].obj())
                    "down" in call -> sink.down = true
                    else -> {
                        val until = System.nanoTime() + LONG.toNanos()
                        while (runCatching { emitter.ensureReady() }.isSuccess) assertTrue(System.nanoTime() < until)
                    }
                }
            }
            emitter.shutdown(if (sink.down) Duration.ofMillis(500) else LONG)
        }
        for ((lane, list) in vector["events"].obj()) {
            val got = events(folder.resolve(lane))
            assertEquals(list.list().size, got.size)
            got.zip(list.objects()).forEach { (event, wanted) ->
                only(wanted, "type", "severity", "of", "data", "attributes")
                assertEquals(listOf(wanted["type"], wanted["severity"]), listOf(event["type"], event["severitytext"]))
                assertJson(wanted["data"], event["data"], name, any = true)
                val of = wanted["of"] as Long?
                val attributes = wanted["attributes"].obj() + if (of == null) emptyMap() else mapOf("causationid" to got[of.toInt()]["id"])
                ATTRIBUTES.forEach { assertEquals(attributes[it], event[it], it) }
            }
        }
        record("deeds/$name")
    }

    private fun deed(
        emitter: Emitter,
        call: Object,
    ) {
        only(call, "event", "until", "timeout_ms", "says", "ends", "error")
        val given = Given(call["event"].obj())
        val thrown =
            when (call["ends"]) {
                null -> null
                "error" -> IOException("raised")
                "timeout" -> TimeoutException("raised")
                else -> CancellationException("raised")
            }
        var ran = false
        val terms = DeedTerms().until(call["until"] as String?).timeout((call["timeout_ms"] as Long?)?.let(Duration::ofMillis))
        val caught =
            runCatching {
                emitter.deed(given.type, given.data, given.options, terms) { deed ->
                    ran = true
                    for (said in call["says"]?.objects() ?: emptyList()) {
                        only(said, "data", "content", "error")
                        val parts = said["content"]?.objects()?.map(::part) ?: emptyList()
                        compare(said, runCatching { deed.result(said["data"], *parts.toTypedArray()) }.exceptionOrNull())
                    }
                    if (thrown != null) throw thrown
                }
            }.exceptionOrNull()
        if (thrown == null) compare(call, caught) else assertSame(thrown, caught)
        assertEquals("error" !in call, ran)
    }

    private fun compare(
        step: Object,
        came: Throwable?,
    ) {
        val wanted = step["error"]?.obj()
        if (wanted == null) {
            assertNull(came)
            return
        }
        only(wanted, "kind", "where", "message")
        val error = came as? SinkwellException ?: fail("$came instead of $wanted", came)
        assertEquals(wanted["kind"], error.kind)
        wanted["where"]?.takeUnless { it == "*" }?.let { assertEquals(it, error.where) }
        wanted["message"]?.let { assertTrue(it.text() in error.message!!, error.message) }
    }

    /** A sink that answers by a script. */
    private open class Scripted(
        script: Object,
    ) : GovernanceEventSink {
        private val rules = script["rules"].objects().associate { it["event"] as Long to it["answers"].list().map { word -> word.text() } }
        private val given = HashMap<Long, Int>()

        override val name = "scripted"
        override val classes = setOf(SinkClass.DEBUG)

        override fun emit(event: SignedGovernanceEvent) = says(event)?.let { throw it }

        protected fun says(event: SignedGovernanceEvent): Throwable? {
            if (event.isOwn) return null
            val n = event.data["n"] as Long
            val words = rules[n] ?: return null
            val times = given.merge(n, 1, Int::plus)!! - 1
            return when (words[minOf(times, words.size - 1)]) {
                "refuse" -> RejectedException("no")
                "uncertain" -> UncertainException("who knows")
                "retry" -> IOException("away")
                else -> null
            }
        }
    }

    private class ScriptedBatch(
        script: Object,
    ) : Scripted(script),
        BatchGovernanceEventSink {
        private val raises = script["how"] == "raise"
        private var first = script["first"] as String?

        override fun emit(event: SignedGovernanceEvent) = error("it takes batches")

        override fun emitBatch(events: List<SignedGovernanceEvent>): List<Throwable?> {
            val answers = events.map(::says)
            val once = first
            if (once != null && events.any { !it.isOwn }) {
                first = null
                return if (once == "short") answers.drop(1) else answers + null
            }
            if (raises) answers.firstOrNull { it != null }?.let { throw it }
            return answers
        }
    }

    /** A sink that is down when it is told so. */
    private class Siem : GovernanceEventSink {
        @Volatile
        var down = false

        override val name = "siem"
        override val classes = setOf(SinkClass.SIEM)

        override fun emit(event: SignedGovernanceEvent) = if (down) throw IOException("away") else null
    }

    private companion object {
        val ATTRIBUTES =
            listOf(
                "subject", "runid", "turnid", "attemptid", "agentid", "tenantid", "correlationid", "causationid", "childid", "traceparent",
                "tracestate",
            )

        @JvmStatic fun emit() = files("emit")

        @JvmStatic fun policy() = files("policy")

        @JvmStatic fun spans() = files("spans")

        @JvmStatic fun logs() = files("logs")

        @JvmStatic fun steps() = files("steps")

        @JvmStatic fun usage() = files("usage")

        @JvmStatic fun content() = files("content")

        @JvmStatic fun config() = files("config")

        @JvmStatic fun canonical() = files("canonical")

        @JvmStatic fun seal() = files("seal")

        @JvmStatic fun verify() = files("verify")

        @JvmStatic fun hostSinks() = files("host-sinks")

        @JvmStatic fun vacuum() = files("vacuum")

        @JvmStatic fun deeds() = files("deeds")
    }
}
