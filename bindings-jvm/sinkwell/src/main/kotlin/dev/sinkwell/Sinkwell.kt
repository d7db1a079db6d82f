package dev.sinkwell

import dev.sinkwell.internal.From
import dev.sinkwell.internal.HostCall
import dev.sinkwell.internal.Json
import dev.sinkwell.internal.Library
import dev.sinkwell.internal.Lifetime
import dev.sinkwell.internal.Refused
import dev.sinkwell.internal.Texts
import dev.sinkwell.internal.Values
import dev.sinkwell.internal.auditCall
import dev.sinkwell.internal.configureDefault
import dev.sinkwell.internal.core
import dev.sinkwell.internal.defaultEmitter
import dev.sinkwell.internal.json
import dev.sinkwell.internal.offCarrier
import dev.sinkwell.internal.takeDefault
import java.io.File
import java.nio.file.Path
import java.time.Duration
import java.util.concurrent.locks.ReentrantLock

/** The front door: opening emitters, the process's default one, and what needs none. */
public object Sinkwell {
    @Volatile
    private var default: Emitter? = null

    /** Held while the default emitter is opened or ended. */
    private val changing = ReentrantLock()

    /** Opens an emitter as environment variables say, or with one `console` lane. */
    @JvmStatic
    @JvmOverloads
    public fun open(options: OpenOptions = OpenOptions()): Emitter = Emitter.open(options)

    /** Opens an emitter by a configuration file, YAML or JSON. */
    @JvmStatic
    @JvmOverloads
    public fun open(
        path: String,
        options: OpenOptions = OpenOptions(),
    ): Emitter = Emitter.open(path, options)

    /** Opens an emitter by a configuration file, YAML or JSON. */
    @JvmStatic
    @JvmOverloads
    public fun open(
        path: Path,
        options: OpenOptions = OpenOptions(),
    ): Emitter = Emitter.open(path, options)

    /** Opens an emitter by the configuration as values. */
    @JvmStatic
    @JvmOverloads
    public fun open(
        config: Map<String, *>,
        options: OpenOptions = OpenOptions(),
    ): Emitter = Emitter.open(config, options)

    /** Opens an emitter by a document, YAML or JSON; [name] is what errors call it, and its folder that of relative paths. */
    @JvmStatic
    @JvmOverloads
    public fun openText(
        text: String,
        name: String? = null,
        options: OpenOptions = OpenOptions(),
    ): Emitter = Emitter.openText(text, name, options)

    /**
     * The process's default emitter, opened from the environment on first use, and again after a shutdown. For Java
     * `Sinkwell.defaultEmitter()`, as its language keeps the word.
     */
    @JvmStatic
    @JvmName("defaultEmitter")
    public fun default(): Emitter =
        openDefault() ?: alone {
            openDefault() ?: run {
                Library.ensure()
                Emitter(core { defaultEmitter(Emitter.program()) }, false).also { default = it }
            }
        }

    /** The default emitter, if it is open. */
    internal fun openDefault(): Emitter? = default?.takeUnless { it.isClosed }

    /**
     * Alone among those who open or end the default emitter; not at all if there are others inside a sink, for which they may wait, and
     * in what the program itself runs for that (a sink's name).
     */
    private inline fun <T> alone(change: () -> T): T {
        if (changing.isHeldByCurrentThread) {
            throw EmitterClosedException("the default emitter is being opened or ended, and what runs for that does not wait for it", null)
        }
        if (!HostCall.isInside) {
            changing.lock()
        } else if (!changing.tryLock()) {
            throw EmitterClosedException("the default emitter is being opened or ended, and inside a sink nothing waits for that", null)
        }
        try {
            return change()
        } finally {
            changing.unlock()
        }
    }

    /** Opens the default emitter as the program says: a path (a string, a `Path`, a `File`), a map, or null for the environment. */
    @JvmStatic
    @JvmOverloads
    public fun configure(
        config: Any?,
        options: OpenOptions = OpenOptions(),
    ): Emitter {
        val from =
            when (config) {
                null -> From.Environment
                is Map<*, *> -> From.Mapping(json(config))
                is CharSequence, is Path, is File -> From.Path(config.toString())
                // Options in the place of a configuration, for example.
                else -> throw InvalidArgumentException("config: must be a path, a map or null, not ${config.javaClass.name}", "config")
            }
        return alone { Emitter.opened(from, options) { configureDefault(it) }.also { default = it } }
    }

    /** [Emitter.emit] of the default emitter. */
    @JvmStatic
    @JvmOverloads
    public fun emit(
        type: String,
        data: Any? = null,
        options: EventOptions? = null,
    ): Receipt = default().emit(type, data, options)

    /** [Emitter.flush] of the default emitter, if it is open: this opens none. */
    @JvmStatic
    @JvmOverloads
    public fun flush(timeout: Duration? = null): Map<String, LaneReport> = openDefault()?.flush(timeout) ?: emptyMap()

    /** [Emitter.shutdown] of the default emitter; the next use opens another. */
    @JvmStatic
    @JvmOverloads
    public fun shutdown(timeout: Duration? = null): Map<String, LaneReport> =
        alone {
            Library.ensure()
            val taken = takeDefault()
            val emitter = default ?: taken?.let { Emitter(it, false) } ?: return emptyMap()
            default = null
            emitter.shutdown(timeout)
        }

    /**
     * Ends every emitter, within 5 s, and lets go of the JVM's shutdown hook: for an application that is undeployed while the
     * JVM goes on.
     */
    @JvmStatic
    public fun endAll() {
        Library.ensure()
        offCarrier { dev.sinkwell.internal.endAll() }
        Lifetime.unwatch()
    }

    /**
     * Whether the end of the JVM ends emitters, as it does by default. The JVM runs its shutdown hooks all at once: where the program
     * finishes its work in one of its own (a server that answers the requests that it has), what it emits there is refused as closed.
     * Such a program says false here, when it starts, and ends its emitters itself once that work is done ([Emitter.close],
     * [shutdown], [endAll]). Until then events are delivered as ever; what it does not end is lost as by a kill.
     */
    @JvmStatic
    public fun shutdownHook(wanted: Boolean) {
        Library.ensure()
        Lifetime.hooked(wanted)
    }

    /** The version. */
    @JvmStatic
    public fun version(): String = Library.version

    /** What policy would decide about content, given a request as docs/CONTENT.md has it. */
    @JvmStatic
    public fun evaluateContentCapture(request: Map<String, *>): Map<String, Any?> =
        Json.map(native { dev.sinkwell.internal.evaluateContentCapture(argument(request, null)) })

    /** The data of `model.usage` from what a provider answered: its usage object, or the whole response. */
    @JvmStatic
    public fun usageOf(
        provider: String,
        answer: Any?,
    ): Map<String, Any?> = Json.map(native { dev.sinkwell.internal.usageOfModel(Texts.argument(provider, "provider"), argument(answer, "usage")) })

    /** The data of a cost event: of `cost.corrected` with a `correction_ref`, else of `cost.estimated`. */
    @JvmStatic
    public fun cost(cost: Map<String, *>): Map<String, Any?> = Json.map(native { dev.sinkwell.internal.usageCost(argument(cost, "cost")) })

    /** The data of a parent's `model.usage` from its children's: each `run`, `id` and `data`. */
    @JvmStatic
    public fun rollUp(facts: List<Map<String, *>>): Map<String, Any?> =
        Json.map(native { dev.sinkwell.internal.usageRollUp(argument(facts, "facts")) })

    /** The events that a span stands for, as [Emitter.emitSpan] emits them. */
    @JvmStatic
    @Suppress("UNCHECKED_CAST")
    public fun eventsOfSpan(span: Map<String, *>): List<Map<String, Any?>> =
        Json.parse(native { dev.sinkwell.internal.eventsOfSpan(Values.of(span, spelling = true)) }) as List<Map<String, Any?>>

    /** The event that a log record stands for, as [Emitter.emitLog] emits it. */
    @JvmStatic
    public fun eventOfLog(record: Map<String, *>): Map<String, Any?> =
        Json.map(native { dev.sinkwell.internal.eventOfLog(Values.of(record, spelling = true)) })

    /** [eventOfLog] of a record that is JSON already. */
    @JvmStatic
    public fun eventOfLogJson(json: String): Map<String, Any?> =
        Json.map(native { dev.sinkwell.internal.eventOfLog(if (Texts.isWellFormed(json)) json.encodeToByteArray() else Values.illFormed(json)) })

    /** Asks an audit log: `head`, `prove`, `consistency`, `query`, `verify` (docs/AUDIT.md). */
    @JvmStatic
    @JvmOverloads
    public fun audit(
        path: Path,
        operation: String,
        arguments: Map<String, *> = emptyMap<String, Any?>(),
    ): Any? = Json.parse(native { auditCall(Texts.argument(path, "path"), Texts.argument(operation, "operation"), argument(arguments, null)) })

    /** What sinks can and cannot do, for those who must show it. */
    @JvmStatic
    public fun authorityBoundary(): Map<String, Any?> = Json.map(native { dev.sinkwell.internal.authorityBoundary() })

    private inline fun <T> native(call: () -> T): T {
        Library.ensure()
        return core(call)
    }

    private fun argument(
        value: Any?,
        where: String?,
    ): String =
        try {
            Json.write(value)
        } catch (e: Refused) {
            throw InvalidArgumentException(e.what, listOfNotNull(where, e.path.ifEmpty { null }).joinToString(".").ifEmpty { null })
        }
}
