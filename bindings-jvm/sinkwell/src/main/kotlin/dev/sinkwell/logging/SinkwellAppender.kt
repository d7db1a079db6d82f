package dev.sinkwell.logging

import ch.qos.logback.classic.spi.ILoggingEvent
import ch.qos.logback.classic.spi.IThrowableProxy
import ch.qos.logback.classic.spi.ThrowableProxy
import ch.qos.logback.classic.spi.ThrowableProxyUtil
import ch.qos.logback.core.UnsynchronizedAppenderBase
import dev.sinkwell.Emitter
import dev.sinkwell.internal.HostCall
import dev.sinkwell.internal.Through
import dev.sinkwell.internal.permitted

/**
 * Logback's records (and so SLF4J's) as `log.record` events; see [SinkwellHandler]. Arguments, key-value pairs, markers and the
 * MDC are attributes. Without an [emitter], as in a `logback.xml`, it takes the process's default one.
 */
public class SinkwellAppender
    @JvmOverloads
    constructor(
        emitter: Emitter? = null,
    ) : UnsynchronizedAppenderBase<ILoggingEvent>() {
        private val through = Through(emitter, RECORDS)

        /**
         * The most that the words may be captured: `off` (the default), `redacted_summary`, `content_ref`, `raw`.
         *
         * @throws dev.sinkwell.InvalidArgumentException it is another; in a `logback.xml` a warning of Logback's own, and it stays `off`
         */
        public var permit: String? = null
            set(value) {
                field = permitted(value)
            }

        override fun append(event: ILoggingEvent) {
            if (event.loggerName == OWN || HostCall.isInside) return
            through.emit { emitter ->
                emitter.emitLog(
                    mapOf(
                        "level" to event.level.levelStr,
                        "level_name" to event.level.levelStr,
                        "logger" to event.loggerName,
                        "time_unix_nano" to event.instant?.let { nanoseconds(it.epochSecond, it.nano) },
                        "permit" to permit,
                        "message" to readable { event.formattedMessage },
                        "attributes" to attributes(event),
                        "exception" to event.throwableProxy?.let(::exception),
                    ),
                )
            }
        }

        private fun attributes(event: ILoggingEvent): Map<String, Any?> {
            val attributes = LinkedHashMap<String, Any?>()

            fun put(
                name: String,
                read: () -> Any?,
            ) {
                // A context without an MDC throws; logging fails nobody.
                val value = runCatching(read).getOrElse { "[unreadable: it threw ${it.javaClass.simpleName}]" }
                if (value != null) attributes[name] = value
            }
            event.keyValuePairs?.forEach { attributes[it.key] = it.value }
            put("arguments") { event.argumentArray?.takeIf { it.isNotEmpty() } }
            put("mdc") { event.mdcPropertyMap?.takeIf { it.isNotEmpty() } }
            put("markers") { event.markerList?.takeIf { it.isNotEmpty() }?.map { it.name } }
            return attributes
        }

        private fun exception(proxy: IThrowableProxy): Map<String, Any?> =
            (proxy as? ThrowableProxy)?.throwable?.let(::described)
                ?: mapOf("type" to proxy.className, "message" to proxy.message, "stack" to ThrowableProxyUtil.asString(proxy))
    }
