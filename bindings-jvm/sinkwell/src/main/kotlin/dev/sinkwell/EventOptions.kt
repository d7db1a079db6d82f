package dev.sinkwell

import dev.sinkwell.internal.Buffer
import java.time.Instant
import java.time.OffsetDateTime
import java.util.Base64

/** What an event says beside its type and data; what is not set, the event does not say. Each call sets one and answers this. */
public class EventOptions {
    private val texts = arrayOfNulls<String>(TEXTS)
    private var terminal: Boolean? = null
    private var content: List<Part> = emptyList()
    private var trace: TraceContext? = null

    /** What it is about, as `tool:search`. */
    public fun subject(subject: String?): EventOptions = set(2, subject)

    /** `trace` … `fatal`; by default as the type says. */
    public fun severity(severity: String?): EventOptions = set(3, severity)

    /** OpenTelemetry's severity number. */
    public fun severity(number: Int): EventOptions = set(3, number.toString())

    /** The agent run. */
    public fun run(run: String?): EventOptions = set(4, run)

    /** The turn in the run. */
    public fun turn(turn: String?): EventOptions = set(6, turn)

    /** The attempt in the turn. */
    public fun attempt(attempt: String?): EventOptions = set(7, attempt)

    /** Another agent than the emitter's; `agent.allow` must let it. */
    public fun agent(agent: String?): EventOptions = set(8, agent)

    /** Another tenant than the emitter's. */
    public fun tenant(tenant: String?): EventOptions = set(9, tenant)

    /** When it occurred, as RFC 3339; by default now. */
    public fun time(time: String?): EventOptions = set(10, time)

    /** When it occurred; by default now. */
    public fun time(time: Instant): EventOptions = set(10, time.toString())

    /** When it occurred; by default now. */
    public fun time(time: OffsetDateTime): EventOptions = time(time.toInstant())

    /** The host's own id, 1 to 128 printable ASCII characters; by default a new UUID of version 7. */
    public fun id(id: String?): EventOptions = set(11, id)

    /** Id of the event that caused it. */
    public fun causation(causation: String?): EventOptions = set(12, causation)

    /** Id of the whole conversation. */
    public fun correlation(correlation: String?): EventOptions = set(13, correlation)

    /** For content: the child agent or extension that it comes from. */
    public fun child(child: String?): EventOptions = set(14, child)

    /** For a type of the host's own: whether losing it would falsify a run. */
    public fun terminal(terminal: Boolean?): EventOptions = apply { this.terminal = terminal }

    /** People's words, which leave the process only as far as the content policy lets them. */
    public fun content(vararg parts: Part): EventOptions = apply { content = parts.asList() }

    /** People's words, which leave the process only as far as the content policy lets them. */
    public fun content(parts: List<Part>): EventOptions = apply { content = parts }

    /** The trace context; by default that of OpenTelemetry's current span, where the program uses OpenTelemetry. */
    public fun trace(trace: TraceContext?): EventOptions = apply { this.trace = trace }

    private fun set(
        field: Int,
        value: String?,
    ) = apply { texts[field] = value }

    internal val hasTrace: Boolean get() = trace != null

    internal fun write(out: Buffer) {
        for (field in 2 until TEXTS) {
            val text = texts[field] ?: continue
            out.byte(field)
            out.text(text)
        }
        trace?.write(out)
        terminal?.let {
            out.byte(19)
            out.int(1)
            out.byte(if (it) 1 else 0)
        }
        for (part in content) {
            part.write(out)
        }
    }

    private companion object {
        const val TEXTS = 15
    }
}

/** A W3C trace context. One that is none is left out of the event. */
public class TraceContext
    @JvmOverloads
    constructor(
        /** 32 hex digits. */
        public val traceId: String,
        /** 16 hex digits. */
        public val spanId: String,
        /** Trace flags, 0 to 255. */
        public val flags: Int = 0,
        /** `tracestate`. */
        public val state: String? = null,
    ) {
        internal fun write(out: Buffer) {
            out.byte(15)
            out.text(traceId)
            out.byte(16)
            out.text(spanId)
            state?.let {
                out.byte(17)
                out.text(it)
            }
            out.byte(18)
            out.int(1)
            out.byte(flags)
        }
    }

/** A content part: people's words. Made by [text] or [bytes]. It does not print them. */
public class Part private constructor(
    private val contentClass: String?,
    private val text: String?,
    private val bytes: ByteArray?,
) {
    private val members = arrayOfNulls<String>(MEMBERS)
    private var tokens: Long? = null

    /** The media type. */
    public fun mediaType(mediaType: String?): Part = set(32, mediaType)

    /** `user`, `assistant`, … */
    public fun role(role: String?): Part = set(33, role)

    /** A reference into the host's own content store. */
    public fun ref(ref: String?): Part = set(34, ref)

    /** What may be said of it instead. */
    public fun summary(summary: String?): Part = set(35, summary)

    /** The most that its source permits: `off`, `redacted_summary`, `content_ref`, `raw`. */
    public fun permit(permit: String?): Part = set(36, permit)

    /** Its tokens. */
    public fun tokens(tokens: Long): Part = apply { this.tokens = tokens }

    private fun set(
        field: Int,
        value: String?,
    ) = apply { members[field - 31] = value }

    internal fun write(out: Buffer) {
        out.byte(30)
        out.int(0)
        contentClass?.let {
            out.byte(31)
            out.text(it)
        }
        members.forEachIndexed { i, member ->
            if (member != null) {
                out.byte(31 + i)
                out.text(member)
            }
        }
        text?.let {
            out.byte(37)
            out.text(it)
        }
        bytes?.let {
            out.byte(38)
            out.raw(it)
        }
        tokens?.let {
            out.byte(39)
            out.int(8)
            out.long(it)
        }
    }

    /** As JSON has it. */
    internal fun members(): Map<String, Any> {
        val said = LinkedHashMap<String, Any>()
        contentClass?.let { said["class"] = it }
        NAMES.forEachIndexed { i, name -> members[i + 1]?.let { said[name] = it } }
        text?.let { said["text"] = it }
        bytes?.let { said["bytes"] = Base64.getEncoder().encodeToString(it) }
        tokens?.let { said["tokens"] = it }
        return said
    }

    override fun toString(): String = "Part($contentClass)"

    public companion object {
        private const val MEMBERS = 6
        private val NAMES = listOf("mediatype", "role", "ref", "summary", "permit")

        /** A part of text. */
        @JvmStatic
        public fun text(
            contentClass: String,
            text: String,
        ): Part = Part(contentClass, text, null)

        /** A part that is no text. */
        @JvmStatic
        public fun bytes(
            contentClass: String,
            bytes: ByteArray,
        ): Part = Part(contentClass, null, bytes)

        /** A part of which only what is set besides is known. */
        @JvmStatic
        public fun of(contentClass: String): Part = Part(contentClass, null, null)
    }
}
