package dev.sinkwell

import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Files
import java.nio.file.Path

/** docs/FIRST-MINUTES.md: files are written, commands run, and what they print is what stands there, with `…` for what differs. */
internal class FirstMinutesTest {
    @Test
    fun the_first_ten_minutes_are_as_they_are_told(
        @TempDir folder: Path,
    ) {
        val command = ROOT.resolve("target/debug/sinkwell")
        check(Files.isExecutable(command)) { "cargo build -p sinkwell-cli makes the command" }
        val programs = Files.createDirectory(folder.resolve("bin"))
        Files.createSymbolicLink(programs.resolve("sinkwell"), command)
        // In place of the jars, what these tests run on; English, whatever the machine speaks.
        val java =
            """
            |#!/bin/sh
            |exec "${'$'}REAL_JAVA" -Duser.language=en "-Dsinkwell.library=${'$'}LIBRARY" -cp "${'$'}JARS" "${'$'}3"
            |
            """.trimMargin()
        Files.writeString(programs.resolve("java"), java)
        check(programs.resolve("java").toFile().setExecutable(true))
        var ran = 0
        val section = Files.readString(ROOT.resolve("docs/FIRST-MINUTES.md")).substringAfter("\n## Java\n").substringBefore("\n## ")
        for ((kind, block) in Regex("```(\\w+)\n(.*?)```", RegexOption.DOT_MATCHES_ALL).findAll(section).map { it.destructured }) {
            if (kind == "java") {
                Files.writeString(folder.resolve(block.lineSequence().first().removePrefix("// ")), block)
                continue
            }
            for (step in "\n$block".split("\n$ ").drop(1)) {
                val told = step.substringAfter("\n", "").trimEnd('\n')
                val shell = ProcessBuilder("bash", "-c", step.substringBefore("\n")).directory(folder.toFile()).redirectErrorStream(true)
                shell.environment().also {
                    it["PATH"] = "$programs:${it["PATH"]}"
                    it["REAL_JAVA"] = "${System.getProperty("java.home")}/bin/java"
                    it["JARS"] = System.getProperty("java.class.path")
                    it["LIBRARY"] = System.getProperty("sinkwell.library")
                }
                val said = shell.start().run { inputReader().readText().trimEnd('\n').also { waitFor() } }
                val pattern = told.split("…").joinToString("[^\n]*") { Regex.escape(it) }
                assertTrue(Regex(pattern).matches(said), "$ ${step.substringBefore("\n")}\n$said\nis not\n$told")
                ran++
            }
        }
        assertTrue(ran >= 7, "$ran")
    }
}
