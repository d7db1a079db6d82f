package dev.sinkwell

import dev.sinkwell.internal.Json
import java.security.MessageDigest
import java.time.Instant
import java.time.OffsetDateTime
import java.util.concurrent.CompletionStage

/** What a sink is for. */
public enum class SinkClass {
    /** Security operations. */
    SIEM,

    /** The audit log. */
    AUDIT,

    /** Dashboards and traces. */
    OBSERVABILITY,

    /** Developers. */
    DEBUG,
    ;

    internal val wire: String get() = name.lowercase()
}

/** How a sink is. */
public class SinkHealth
    @JvmOverloads
    constructor(
        /** Whether it takes events. */
        public val healthy: Boolean,
        /** What the host should know. */
        public val detail: String? = null,
    )

/** A sink of the host's. One that throws, hangs or is slow is contained by its lane. */
public interface GovernanceEventSink {
    /** The lane's id, and what a lane's `sink: { host: NAME }` refers to. */
    public val name: String

    /** What it is for; empty: the configuration's default. */
    public val classes: Set<SinkClass>

    /**
     * Takes an event: returns null, or a stage that completes, once it has it. It may block; it is called for one event at a
     * time, on a daemon thread of sinkwell's. [RejectedException] means that the event is never tried again,
     * [UncertainException] that nobody will know, and any other that it is tried again, and with it those of its batch that
     * come after it.
     */
    @Throws(Exception::class)
    public fun emit(event: SignedGovernanceEvent): CompletionStage<*>?

    /** How it is. */
    @Throws(Exception::class)
    public fun health(): SinkHealth = SinkHealth(true)

    /** Whether a repeat of an event does no harm. */
    public val idempotent: Boolean get() = false
}

/** A sink that takes batches. */
public interface BatchGovernanceEventSink : GovernanceEventSink {
    /**
     * Takes a batch, oldest first. Null: it has all of them. Else an answer for each, in order, null where it has it. What it
     * throws is about all of them; another number of answers is a failure of the sink's.
     */
    @Throws(Exception::class)
    public fun emitBatch(events: List<SignedGovernanceEvent>): List<Throwable?>?

    override fun emit(event: SignedGovernanceEvent): CompletionStage<*>? {
        emitBatch(listOf(event))?.firstOrNull()?.let { throw it }
        return null
    }
}

/** The sink will never take this event. */
public class RejectedException
    @JvmOverloads
    constructor(
        message: String? = null,
        cause: Throwable? = null,
    ) : RuntimeException(message, cause)

/** Nobody will know whether the sink has this event. */
public class UncertainException
    @JvmOverloads
    constructor(
        message: String? = null,
        cause: Throwable? = null,
    ) : RuntimeException(message, cause)

/** A signer of the host's (a KMS, an HSM), for `key: { id, alg, signer: host }`. While it is slow or fails its lanes wait. */
public fun interface Signer {
    /** Signs each message; answers with as many raw signatures, in order. Called from several threads at once. */
    @Throws(Exception::class)
    public fun sign(messages: List<ByteArray>): List<ByteArray>
}

/** A sealed event. */
public class SignedGovernanceEvent internal constructor(
    private val line: ByteArray,
    hash: ByteArray,
    digest: ByteArray,
    /** Whether sinkwell made it about itself. */
    public val isOwn: Boolean,
    /** Whether losing it would falsify a run's outcome. */
    public val isTerminal: Boolean,
) {
    private val root: Map<String, Any?> by lazy { Json.map(line) }

    /** The exact line, RFC 8785, without its newline: a copy. */
    public val bytes: ByteArray get() = line.clone()

    /** The envelope's hash, in hex: a receiver drops a repeat of the same. */
    public val idempotencyKey: String = hex(hash)

    /** SHA-256, in hex, of what happened, without its place: the same in every lane that sealed it in the same form. */
    public val eventDigest: String = hex(digest)

    /** The event's data. */
    @Suppress("UNCHECKED_CAST")
    public val data: Map<String, Any?> get() = root["data"] as Map<String, Any?>

    /** `1.0`. */
    public val specVersion: String get() = text("specversion")!!

    /** The event's id; the same in every lane. */
    public val id: String get() = text("id")!!

    /** The producer. */
    public val source: String get() = text("source")!!

    /** The full type. */
    public val type: String get() = text("type")!!

    /** What it is about. */
    public val subject: String? get() = text("subject")

    /** When it occurred, to the nanosecond. */
    public val time: Instant get() = OffsetDateTime.parse(text("time")!!).toInstant()

    /** When it was sealed. */
    public val recordedTime: Instant get() = OffsetDateTime.parse(text("recordedtime")!!).toInstant()

    /** `application/json`. */
    public val dataContentType: String get() = text("datacontenttype")!!

    /** The schema, with its version. */
    public val dataSchema: String get() = text("dataschema")!!

    /** `core` on sinkwell's own. */
    public val origin: String? get() = text("origin")

    /** The emitting agent. */
    public val agentId: String get() = text("agentid")!!

    /** Tenant scope. */
    public val tenantId: String? get() = text("tenantid")

    /** Version of the policy bundle in force. */
    public val policyVersion: String? get() = text("policyversion")

    /** W3C trace context. */
    public val traceParent: String? get() = text("traceparent")

    /** W3C trace state. */
    public val traceState: String? get() = text("tracestate")

    /** Id of the whole conversation. */
    public val correlationId: String? get() = text("correlationid")

    /** Id of the event that caused this one. */
    public val causationId: String? get() = text("causationid")

    /** `TRACE` … `FATAL`. */
    public val severityText: String get() = text("severitytext")!!

    /** 1 … 21. */
    public val severityNumber: Int get() = (root["severitynumber"] as Number).toInt()

    /** The agent run. */
    public val runId: String? get() = text("runid")

    /** The turn in the run. */
    public val turnId: String? get() = text("turnid")

    /** The attempt in the turn. */
    public val attemptId: String? get() = text("attemptid")

    /** The stream it belongs to. */
    public val streamId: String get() = text("streamid")!!

    /** Its place in the stream. */
    public val sequence: Long get() = text("sequence")!!.toLong()

    /** Hash of the stream's previous envelope, in hex. */
    public val prevHash: String? get() = text("prevhash")

    /** `hmac-sha256` or `ed25519`. */
    public val sigAlg: String? get() = text("sigalg")

    /** Which key; a lookup hint, never itself trusted. */
    public val keyId: String? get() = text("keyid")

    /** Standard base64. */
    public val signature: String? get() = text("signature")

    /** Whether its form, signature and disclosures are good by one of these keys; nothing about its stream. */
    public fun verify(keys: Map<String, TrustedKey>): Boolean = Verifier.verifyEnvelope(line, keys)

    /** The exact line, as text. */
    public val json: String get() = line.decodeToString()

    /** Names the envelope: its type, id, stream and place there; never its data. */
    override fun toString(): String = "$type $id $streamId/$sequence"

    override fun equals(other: Any?): Boolean = other is SignedGovernanceEvent && MessageDigest.isEqual(line, other.line)

    override fun hashCode(): Int = idempotencyKey.hashCode()

    private fun text(name: String) = root[name]?.toString()

    private fun hex(bytes: ByteArray) = java.util.HexFormat.of().formatHex(bytes)
}
