package dev.sinkwell

/** What the core says went wrong: [kind] and [code] are of one closed list, the same in every language. */
public open class SinkwellException internal constructor(
    /** The kind, as `invalid_event`. */
    public val kind: String,
    /** The kind's number, which never changes meaning. */
    public val code: Int,
    message: String,
    /** A path, a key, a sink; null where there is none. */
    public val where: String?,
) : RuntimeException(if (where == null) message else "$where: $message") {
    internal companion object {
        fun of(
            kind: String,
            message: String,
            where: String?,
        ): SinkwellException =
            when (kind) {
                "invalid_config" -> InvalidConfigException(message, where)
                "invalid_event" -> InvalidEventException(message, where)
                "invalid_argument" -> InvalidArgumentException(message, where)
                "backpressure" -> BackpressureException(message, where)
                "required_sink_unavailable" -> RequiredSinkUnavailableException(message, where)
                "timeout" -> WaitTimeoutException(message, where)
                "closed" -> EmitterClosedException(message, where)
                "sink" -> SinkFailureException(message, where)
                "journal" -> JournalException(message, where)
                "key" -> KeyException(message, where)
                "policy" -> PolicyException(message, where)
                "verification" -> VerificationException(message, where)
                "unsupported" -> UnsupportedException(message, where)
                else -> InternalErrorException(message, where)
            }
    }
}

/** The document cannot be used. */
public class InvalidConfigException internal constructor(message: String, where: String?) : SinkwellException("invalid_config", 1, message, where)

/** The event cannot be sealed as given. */
public class InvalidEventException internal constructor(message: String, where: String?) : SinkwellException("invalid_event", 2, message, where)

/** A call's argument is wrong. */
public class InvalidArgumentException internal constructor(message: String, where: String?) : SinkwellException("invalid_argument", 3, message, where)

/** A blocking lane had no room within its limit. */
public class BackpressureException internal constructor(message: String, where: String?) : SinkwellException("backpressure", 4, message, where)

/** Governance forbids going on. */
public class RequiredSinkUnavailableException internal constructor(message: String, where: String?) :
    SinkwellException("required_sink_unavailable", 5, message, where)

/** Waiting took longer than asked. */
public class WaitTimeoutException internal constructor(message: String, where: String?) : SinkwellException("timeout", 6, message, where)

/** The emitter has been shut down. */
public class EmitterClosedException internal constructor(message: String, where: String?) : SinkwellException("closed", 7, message, where)

/** A sink failed. */
public class SinkFailureException internal constructor(message: String, where: String?) : SinkwellException("sink", 8, message, where)

/** The journal cannot be read or written. */
public class JournalException internal constructor(message: String, where: String?) : SinkwellException("journal", 9, message, where)

/** A key is missing, malformed or refused. */
public class KeyException internal constructor(message: String, where: String?) : SinkwellException("key", 10, message, where)

/** A policy document is invalid. */
public class PolicyException internal constructor(message: String, where: String?) : SinkwellException("policy", 11, message, where)

/** Input to the verifier cannot be read. */
public class VerificationException internal constructor(message: String, where: String?) : SinkwellException("verification", 12, message, where)

/** This build or platform cannot. */
public class UnsupportedException internal constructor(message: String, where: String?) : SinkwellException("unsupported", 13, message, where)

/** A defect of sinkwell: please report. */
public class InternalErrorException internal constructor(message: String, where: String?) : SinkwellException("internal", 255, message, where)
