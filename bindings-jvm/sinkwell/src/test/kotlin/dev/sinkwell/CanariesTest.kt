package dev.sinkwell

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.MethodSource
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.TimeUnit

/** Canaries: every byte that came out is searched for what must not, and must, be in it (tests/vectors/README.md). */
internal class CanariesTest {
    @ParameterizedTest
    @MethodSource("canaries")
    fun content_is_found_where_policy_says_and_nowhere_else(
        name: String,
        @TempDir folder: Path,
    ) {
        val vector = vector("canaries", name, "name", "about", "config", "raised", "refuses_with", "event", "refused", "markers")
        val stderr = folder.resolve("stderr").toFile()
        val stdout = folder.resolve("stdout").toFile()
        val child =
            Child.start("canaries", "$ROOT/tests/vectors/canaries/$name.json", "$folder") {
                redirectError(stderr)
                redirectOutput(stdout)
            }
        assertTrue(child.waitFor(2, TimeUnit.MINUTES))
        assertEquals(0, child.exitValue(), stderr.readText().takeLast(2000))
        val places = read(folder)
        assertTrue(places.keys.containsAll(listOf("all.ndjson", "blind.ndjson", "mine", "stdout", "audit.db")), "${places.keys}")
        val (finds, wrong) = judge(vector["markers"].objects(), places)
        assertEquals(emptyList<String>(), wrong)
        assertTrue(finds > 0 || vector["markers"].objects().all { it["must"].list().isEmpty() })
        record("canaries/$name")
    }

    @Test
    fun a_leak_is_found() {
        val marker = mapOf("text" to "K1", "forms" to listOf("K1K"), "must" to listOf("told"), "may" to emptyList<String>())
        val places = mapOf("told" to "", "stderr" to "a K1K b")
        assertEquals(listOf("K1 is missing in told", "K1 leaked into stderr"), judge(listOf(marker), places).second)
    }

    /** Every byte that came out, by place, a character for each. */
    private fun read(folder: Path): Map<String, String> {
        val files = Files.walk(folder).use { all -> all.filter { Files.isRegularFile(it) }.toList() }
        return files
            .groupBy { folder.relativize(it).getName(0).toString().let { first -> if (first.startsWith("audit.db")) "audit.db" else first } }
            .mapValues { (_, paths) -> paths.joinToString("") { String(Files.readAllBytes(it), Charsets.ISO_8859_1) } }
    }

    private fun judge(
        markers: List<Object>,
        places: Map<String, String>,
    ): Pair<Int, List<String>> {
        var finds = 0
        val wrong = ArrayList<String>()
        for (marker in markers) {
            val forms = marker["forms"].list().map { String(it.text().encodeToByteArray(), Charsets.ISO_8859_1) }
            val must = marker["must"].list()
            for ((place, bytes) in places) {
                when {
                    forms.none { it in bytes } -> if (place in must) wrong.add("${marker["text"]} is missing in $place")
                    place in must || place in marker["may"].list() -> finds++
                    else -> wrong.add("${marker["text"]} leaked into $place")
                }
            }
        }
        return finds to wrong
    }

    private companion object {
        @JvmStatic fun canaries() = files("canaries").also { assertEquals(9, it.size) }
    }
}
