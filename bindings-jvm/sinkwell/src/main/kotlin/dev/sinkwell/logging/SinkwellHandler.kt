package dev.sinkwell.logging

import dev.sinkwell.Emitter
import dev.sinkwell.InvalidArgumentException
import dev.sinkwell.internal.HostCall
import dev.sinkwell.internal.Through
import dev.sinkwell.internal.permitted
import java.util.logging.ErrorManager
import java.util.logging.Handler
import java.util.logging.Level
import java.util.logging.LogManager
import java.util.logging.LogRecord
import java.util.logging.SimpleFormatter

/**
 * Records of `java.util.logging` as `log.record` events. Message, parameters and an exception's text are people's words: content
 * parts, which leave the process only as far as `permit` and the content policy let them. No record is dropped for what it
 * holds.
 *
 * @param emitter null: the process's default one; where that cannot be opened, the log hears of it once a minute
 * @param permit the most that the words may be captured: `off` (the default), `redacted_summary`, `content_ref`, `raw`. Null: as the
 *   property `dev.sinkwell.logging.SinkwellHandler.permit` of a `logging.properties` says; another word there is told to the handler's
 *   error manager, and it stays `off`
 * @throws dev.sinkwell.InvalidArgumentException `permit` is another
 */
public class SinkwellHandler
    @JvmOverloads
    constructor(
        emitter: Emitter? = null,
        permit: String? = null,
    ) : Handler() {
        private val through = Through(emitter, RECORDS)
        private val permit = permitted(permit) ?: configured()

        override fun publish(record: LogRecord) {
            // What sinkwell itself has to say would feed itself, and so would what a sink of the host's logs.
            if (!isLoggable(record) || record.loggerName == OWN || HostCall.isInside) return
            through.emit { emitter ->
                emitter.emitLog(
                    mapOf(
                        "level" to severity(record.level),
                        "level_name" to record.level.name,
                        "logger" to record.loggerName,
                        "time_unix_nano" to nanoseconds(record.instant.epochSecond, record.instant.nano),
                        "permit" to permit,
                        "message" to readable { SimpleFormatter().formatMessage(record) },
                        "attributes" to (record.parameters?.let { mapOf("parameters" to it) } ?: emptyMap<String, Any?>()),
                        "exception" to record.thrown?.let(::described),
                        "code" to mapOf("module" to record.sourceClassName, "function" to record.sourceMethodName),
                    ),
                )
            }
        }

        private fun configured(): String? =
            try {
                permitted(LogManager.getLogManager().getProperty(PERMIT)?.trim())
            } catch (e: InvalidArgumentException) {
                // As Logback does with what a logback.xml says: a misspelt word stops no program.
                reportError("$PERMIT: ${e.message.orEmpty().removePrefix("${e.where}: ")}", null, ErrorManager.GENERIC_FAILURE)
                null
            }

        /** Nothing is held here; the emitter is its owner's. */
        override fun flush(): Unit = Unit

        /** The emitter is its owner's to end. */
        override fun close(): Unit = Unit

        private fun severity(level: Level): Int =
            when {
                level.intValue() >= Level.SEVERE.intValue() -> 17
                level.intValue() >= Level.WARNING.intValue() -> 13
                level.intValue() >= Level.INFO.intValue() -> 9
                level.intValue() >= Level.FINE.intValue() -> 5
                else -> 1
            }

        private companion object {
            const val PERMIT = "dev.sinkwell.logging.SinkwellHandler.permit"
        }
    }

/** The logger of sinkwell's own diagnostics. */
internal const val OWN = "sinkwell"

/** What is not emitted where no emitter can be opened. */
internal const val RECORDS = "log records"

internal fun nanoseconds(
    seconds: Long,
    nanos: Int,
): String = (java.math.BigInteger.valueOf(seconds) * java.math.BigInteger.valueOf(1_000_000_000) + java.math.BigInteger.valueOf(nanos.toLong())).toString()

internal fun described(thrown: Throwable): Map<String, Any?> =
    mapOf(
        "type" to thrown.javaClass.name,
        "message" to readable { thrown.message },
        "stack" to readable { thrown.stackTraceToString() },
    )

/** A text that the program's own code makes; where that throws, what threw instead. */
internal fun readable(text: () -> String?): String? =
    try {
        text()
    } catch (e: Exception) {
        "[unreadable: it threw ${e.javaClass.simpleName}]"
    } catch (_: StackOverflowError) {
        // Of objects that hold each other.
        "[unreadable: it threw StackOverflowError]"
    }
