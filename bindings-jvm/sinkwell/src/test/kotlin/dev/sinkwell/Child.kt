package dev.sinkwell

import ch.qos.logback.classic.LoggerContext
import dev.sinkwell.internal.Json
import dev.sinkwell.logging.SinkwellAppender
import dev.sinkwell.logging.SinkwellHandler
import dev.sinkwell.opentelemetry.SinkwellSpanProcessor
import io.opentelemetry.sdk.trace.SdkTracerProvider
import java.io.IOException
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.TimeUnit
import java.util.logging.Level
import java.util.logging.LogManager
import java.util.logging.LogRecord
import java.util.logging.Logger
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
            "hook" -> hook(arguments[1])
            "keys" -> keys(Path.of(arguments[1]))
            "bridges" -> bridges()
            "logging" -> Logger.getLogger("com.example").warning("MARKER")
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

    /** A program that finishes its work when the JVM ends, and only then ends its emitter. */
    private fun hook(folder: String) {
        val emitter = Emitter.open(fileLane(Path.of(folder)))
        Sinkwell.shutdownHook(false)
        val finishing =
            Thread {
                emitter.use {
                    // Until every hook has been started, and for longer than one of sinkwell's own would take to end it.
                    while (!hooksAreWaitedFor() || Thread.getAllStackTraces().keys.any { thread -> thread.name == "sinkwell-exit" }) {
                        Thread.onSpinWait()
                    }
                    it.emit("run.completed", mapOf("terminal_status" to "completed"))
                }
            }
        Runtime.getRuntime().addShutdownHook(finishing)
        println("ready")
        Thread.sleep(60_000)
    }

    private fun hooksAreWaitedFor() =
        Thread.getAllStackTraces().values.any { trace ->
            trace.any { it.className == "java.lang.ApplicationShutdownHooks" } && trace.any { it.methodName == "join" }
        }

    /** More sets of keys than are known by a number, each so often that it would be. */
    private fun keys(folder: Path) =
        Emitter.open(fileLane(folder)).use { emitter ->
            repeat(1200) { set -> repeat(5) { emitter.put("com.example.x", mapOf("k$set" to it, "a" to "é")) } }
        }

    /** Bridges to the default emitter, which cannot be opened; prints what they said, and what came of waiting for them. */
    private fun bridges() {
        val log = ConcurrentLinkedQueue<String>()
        val own = diagnostics(log)
        val handler = SinkwellHandler()
        val context = LoggerContext()
        val appender = SinkwellAppender()
        appender.context = context
        appender.start()
        context.getLogger("ROOT").addAppender(appender)
        val provider = SdkTracerProvider.builder().addSpanProcessor(SinkwellSpanProcessor()).build()
        repeat(3) {
            handler.publish(LogRecord(Level.INFO, "x").apply { loggerName = "com.example" })
            context.getLogger("com.example").info("x")
            provider.get("test").spanBuilder("x").startSpan().end()
        }
        println(provider.forceFlush().join(30, TimeUnit.SECONDS).isSuccess)
        println(provider.shutdown().join(30, TimeUnit.SECONDS).isSuccess)
        log.filter { "not emitted" in it }.forEach(::println)
        own.handlers.forEach(own::removeHandler)
    }

    /** What sinkwell says to its log; the logger, which the JVM would forget. */
    private fun diagnostics(log: MutableCollection<String>): Logger {
        LogManager.getLogManager().reset()
        val own = Logger.getLogger("sinkwell")
        own.addHandler(
            object : java.util.logging.Handler() {
                override fun publish(record: LogRecord) {
                    log.add("${record.level}: ${record.message}")
                }

                override fun flush() = Unit

                override fun close() = Unit
            },
        )
        return own
    }

    /** The agent of the canaries (tests/vectors/README.md). */
    private fun canaries(
        path: Path,
        folder: Path,
    ) {
        val vector = Json.map(Files.readAllBytes(path))
        val log = ConcurrentLinkedQueue<String>()
        Files.createDirectory(folder.resolve("dead"))
        val own = diagnostics(log)
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
        own.handlers.forEach(own::removeHandler)
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
