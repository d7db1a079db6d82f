package dev.sinkwell

import dev.sinkwell.internal.Json
import java.io.IOException
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.TimeUnit
import kotlin.system.exitProcess

/** Programs that tests run in a process of their own. */
internal object Child {
    /** Runs `main` below with these arguments; its output, and how it ended. */
    fun start(
        vararg arguments: String,
        java: String = "${System.getProperty("java.home")}/bin/java",
        options: List<String> = emptyList(),
        prepare: ProcessBuilder.() -> Unit = {},
    ): Process =
        ProcessBuilder(
            listOf(java, "-Xmx256m", "-Dsinkwell.library=${System.getProperty("sinkwell.library")}") + options +
                listOf("-cp", System.getProperty("java.class.path"), "dev.sinkwell.Child") + arguments,
        ).apply(prepare).start()

    @JvmStatic
    fun main(arguments: Array<String>) {
        when (arguments[0]) {
            "canaries" -> canaries(Path.of(arguments[1]), Path.of(arguments[2]))
            "exit" -> exit(arguments[1], arguments[2])
            "keys" -> keys(Path.of(arguments[1]))
            else -> error(arguments[0])
        }
    }

    /** An emitter with a slow sink beside a file, events queued, and then one of the ways in which a program ends. */
    private fun exit(
        how: String,
        folder: String,
    ) {
        val emitter = Emitter.open(fileLane(Path.of(folder), "handle_signals" to (how == "signal")))
        repeat(100) { emitter.put("com.example.n", mapOf("n" to it)) }
        when (how) {
            "return" -> return
            "close" -> emitter.close()
            "exit" -> exitProcess(3)
            "throw" -> error("nobody catches this")
            "halt" -> Runtime.getRuntime().halt(4)
            else -> {
                println("ready")
                Thread.sleep(60_000)
            }
        }
    }

    /** More sets of keys than are known by a number, each so often that it would be. */
    private fun keys(folder: Path) =
        Emitter.open(fileLane(folder)).use { emitter ->
            repeat(1200) { set -> repeat(5) { emitter.put("com.example.x", mapOf("k$set" to it, "a" to "é")) } }
        }

    /** The agent of the canaries (tests/vectors/README.md). */
    private fun canaries(
        path: Path,
        folder: Path,
    ) {
        val vector = Json.map(Files.readAllBytes(path))
        val log = ConcurrentLinkedQueue<String>()
        Files.createDirectory(folder.resolve("dead"))
        java.util.logging.LogManager.getLogManager().reset()
        java.util.logging.Logger.getLogger("sinkwell").addHandler(
            object : java.util.logging.Handler() {
                override fun publish(record: java.util.logging.LogRecord) {
                    log.add("${record.level}: ${record.message}")
                }

                override fun flush() = Unit

                override fun close() = Unit
            },
        )
        val mine = ConcurrentLinkedQueue<SignedGovernanceEvent>()
        var calls = 0
        val sinks =
            arrayOf(
                host("mine") { mine.add(it) },
                host("raises") { if (++calls <= 2) throw IOException(vector["raised"].text()) },
                host("refuses") { if (!it.isOwn) throw RejectedException(vector["refuses_with"].text()) },
            )
        val emitter = Emitter.open(inFolder(vector["config"], folder).obj(), OpenOptions().sinks(*sinks))
        val told = ArrayList<String>()
        val receipt = Given(vector["event"].obj()).emit(emitter)
        told += listOf(emitter, receipt, receipt.lanes, receipt.evicted).map { "$it" }
        told += vector["event"].obj()["content"].objects().map { "${part(it)}" }
        for (refused in vector["refused"].objects()) {
            try {
                Given(refused).emit(emitter)
                exitProcess(4)
            } catch (e: SinkwellException) {
                told += listOf("$e", "${e.message}", "${e.where}", e.stackTraceToString())
            }
        }
        told += "${receipt.delivered().get(30, TimeUnit.SECONDS)}"
        Files.writeString(folder.resolve("health"), "${emitter.health()}")
        for (name in listOf("audit.db-wal", "audit.db-shm")) {
            Files.copy(folder.resolve(name), folder.resolve("$name.live"))
        }
        told += listOf("${emitter.counters()}", emitter.prometheus(), "${emitter.shutdown(LONG)}")
        Files.write(folder.resolve("mine"), mine.flatMap { (it.bytes + '\n'.code.toByte()).asList() }.toByteArray())
        Files.write(folder.resolve("told"), told)
        Files.write(folder.resolve("log"), log)
    }

    private fun host(
        name: String,
        take: (SignedGovernanceEvent) -> Unit,
    ) = object : GovernanceEventSink {
        override val name = name
        override val classes = setOf(SinkClass.DEBUG)

        override fun emit(event: SignedGovernanceEvent) = null.also { take(event) }
    }
}
