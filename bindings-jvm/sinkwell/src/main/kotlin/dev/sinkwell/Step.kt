package dev.sinkwell

import dev.sinkwell.internal.Diagnostics
import dev.sinkwell.internal.Mailbox
import dev.sinkwell.internal.Values
import java.time.Instant
import java.util.Base64
import java.util.concurrent.CancellationException
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionException
import java.util.concurrent.CompletionStage

/** A tool's call, told as a step. */
public fun interface StepAction<T> {
    /** Makes it. */
    @Throws(Exception::class)
    public fun act(call: StepCall): T
}

/** A tool's call that goes on when its caller has returned. */
public fun interface AsyncStepAction<T> {
    /** Begins it. */
    @Throws(Exception::class)
    public fun act(call: StepCall): CompletionStage<T>
}

/** A tool's call under way, as it sees itself: see [Emitter.deedOfStep]. */
public class StepCall internal constructor(
    /** The step's id, which is that of its intent. */
    public val id: String,
) {
    @Volatile
    internal var said: Map<String, *> = emptyMap<String, Any?>()

    @Volatile
    internal var isRefused = false

    /**
     * Says how it ended: members of a step, `output`, `outcome`, `error_type`, `content` among them; those that are null are not
     * said. Said again, it replaces what was said.
     */
    public fun ended(members: Map<String, *>) {
        said = LinkedHashMap(members)
    }

    /**
     * Says that somebody refused it meanwhile, which was told as a decision of its own: it ends as denied, and no further decision
     * is told.
     */
    public fun refused() {
        isRefused = true
    }
}

/** An event of a step, as the core writes it. */
internal class StepEvent(
    told: Map<String, Any?>,
) {
    val type = told["type"] as String? ?: ""

    @Suppress("UNCHECKED_CAST")
    val data = told["data"] as Map<String, Any?>? ?: emptyMap()
    val run = told["run"] as String?
    val content = (told["content"] as List<*>? ?: emptyList<Any?>()).map { part(it as Map<*, *>) }
    private val trace = told["trace"] as Map<*, *>?
    private val severity = told["severity"]
    private val texts = told

    fun options(content: List<Part>): EventOptions {
        fun text(name: String) = texts[name] as String?
        val options =
            EventOptions()
                .subject(text("subject"))
                .run(run)
                .id(text("id"))
                .causation(text("causation"))
                .correlation(text("correlation"))
                .time(text("time"))
                .content(content)
        if (severity is Long) options.severity(severity.toInt()) else options.severity(severity as String?)
        trace?.let {
            val flags = (it["flags"] as Long? ?: 0).toInt()
            options.trace(TraceContext(it["trace_id"] as String? ?: "", it["span_id"] as String? ?: "", flags, it["state"] as String?))
        }
        return options
    }

    private fun part(given: Map<*, *>): Part {
        val name = given["class"] as String? ?: ""
        val text = given["text"] as String?
        val bytes = given["bytes"] as String?
        val part =
            when {
                text != null -> Part.text(name, text)
                bytes != null -> Part.bytes(name, Base64.getDecoder().decode(bytes))
                else -> Part.of(name)
            }
        (given["tokens"] as Long?)?.let(part::tokens)
        return part
            .mediaType(given["mediatype"] as String?)
            .role(given["role"] as String?)
            .ref(given["ref"] as String?)
            .summary(given["summary"] as String?)
            .permit(given["permit"] as String?)
    }
}

/** A tool's call as a deed, from its step to its end. */
internal class StepDeed(
    private val emitter: Emitter,
    step: Map<String, *>,
) {
    private val members = LinkedHashMap<String, Any?>(mapOf("kind" to "tool", "start_unix_nano" to unixNano()))
    private val intent: StepEvent
    private val call: StepCall

    @Volatile
    private var began = false

    init {
        step.forEach { (name, value) -> if (value != null) members[name] = value }
        intent = StepEvent(emitter.stepIntent(written(members)))
        // Of what the intent has said nothing is said again.
        members.remove("input")
        members.remove("content")
        call = StepCall(members["id"] as? String ?: "")
    }

    /** What holds inside of the call; asked where the deed is asked for. */
    val context = SinkwellContext.ofDeed(intent.run, call.id)

    fun draft(): ByteArray = emitter.draft(intent.type, intent.data, intent.options(intent.content))

    /** Where people's words made it too large, it is told without them: they are no reason to refuse an act. */
    fun without(refused: Throwable): ByteArray? {
        if (began || refused !is InvalidEventException || intent.content.isEmpty()) return null
        return emitter.draft(intent.type, intent.data + ("content_left_out" to intent.content.size), intent.options(emptyList()))
    }

    fun <T> act(
        deed: Deed,
        act: StepAction<T>,
    ): T {
        began = true
        return SinkwellContext.within(context) {
            val result =
                try {
                    act.act(call)
                } catch (e: Throwable) {
                    say(deed, e)
                    throw e
                }
            say(deed, null)
            result
        }
    }

    fun <T> actAsync(
        deed: Deed,
        act: AsyncStepAction<T>,
    ): CompletionStage<T> {
        began = true
        val going = Deed.underWay { SinkwellContext.within(context) { act.act(call) } }
        // It may wait: not on whatever thread the act has ended.
        return going.whenCompleteAsync({ _, failure -> say(deed, (failure as? CompletionException)?.cause ?: failure) }, Mailbox.pool)
    }

    suspend fun <T> actSuspending(
        deed: Deed,
        act: suspend (StepCall) -> T,
    ): T {
        began = true
        val result =
            try {
                act(call)
            } catch (e: Throwable) {
                said(deed, e)
                throw e
            }
        said(deed, null)
        return result
    }

    /** It may wait: not where other coroutines do. */
    private suspend fun said(
        deed: Deed,
        failure: Throwable?,
    ) {
        CompletableFuture.runAsync({ say(deed, failure) }, Mailbox.pool).suspended()
    }

    /** Has the deed's result say how the call ended. The act has happened: its record does not break it. */
    private fun say(
        deed: Deed,
        failure: Throwable?,
    ) {
        try {
            val end = LinkedHashMap(members)
            if (failure != null) {
                // What the core does not know by its class is an error.
                end["outcome"] = Deed.outcomeOf(failure).takeUnless { it == "error" }
                end["error_type"] = Deed.kindOf(failure)
            }
            call.said.forEach { (name, value) -> if (value != null) end[name] = value }
            if (call.isRefused) end["outcome"] = "error"
            val result = result(end)
            val data = if (call.isRefused) result.data + ("outcome" to "denied") else result.data
            try {
                deed.result(data, *result.content.toTypedArray())
            } catch (e: InvalidEventException) {
                if (result.content.isEmpty()) throw e
                deed.result(data + ("content_left_out" to result.content.size))
            }
        } catch (e: SinkwellException) {
            Diagnostics.log(2, "what came of a tool's call was not sealed: ${e.message}")
        }
    }

    /** However it ends, and also where it was refused, the step is over for the core, too. */
    fun over() {
        if (began) return
        try {
            result(members + ("outcome" to "error"))
        } catch (_: SinkwellException) {
            // Whoever asked for the deed hears why it did not begin.
        }
    }

    private fun result(step: Map<String, Any?>) =
        StepEvent(emitter.stepResult(written(if (step["end_unix_nano"] == null) step + ("end_unix_nano" to unixNano()) else step)))

    companion object {
        fun <T> perform(
            emitter: Emitter,
            step: Map<String, *>,
            terms: DeedTerms,
            act: StepAction<T>,
        ): T {
            val deed = StepDeed(emitter, step)
            val acting = DeedAction { deed.act(it, act) }
            try {
                return try {
                    Deed.perform(emitter, deed.draft(), terms, acting)
                } catch (e: InvalidEventException) {
                    Deed.perform(emitter, deed.without(e) ?: throw e, terms, acting)
                }
            } finally {
                deed.over()
            }
        }

        fun <T> performAsync(
            emitter: Emitter,
            step: Map<String, *>,
            terms: DeedTerms,
            act: AsyncStepAction<T>,
        ): CompletableFuture<T> {
            val done = CompletableFuture<T>()
            try {
                val deed = StepDeed(emitter, step)
                // What is read on another thread than this one shall belong to this one's context.
                val around = SinkwellContext.current()
                attempt(emitter, deed, deed.draft(), terms, act, done) { SinkwellContext.within(around) { deed.without(it) } }
            } catch (e: SinkwellException) {
                done.completeExceptionally(e)
            }
            return done
        }

        private fun <T> attempt(
            emitter: Emitter,
            deed: StepDeed,
            draft: ByteArray,
            terms: DeedTerms,
            act: AsyncStepAction<T>,
            done: CompletableFuture<T>,
            without: (Throwable) -> ByteArray?,
        ) {
            val going = Deed.performAsync(emitter, draft, terms) { deed.actAsync(it, act) }
            done.whenComplete { _, failure -> if (failure is CancellationException) going.cancel(false) }
            going.whenComplete { value, failure ->
                val smaller = failure?.let(without)
                if (smaller != null) {
                    attempt(emitter, deed, smaller, terms, act, done) { null }
                    return@whenComplete
                }
                deed.over()
                if (failure == null) done.complete(value) else done.completeExceptionally(failure)
            }
        }

        /** A step as the core takes it, without what is null; content parts as JSON has them. */
        fun written(step: Map<String, *>): ByteArray =
            Values.of(
                step.entries.filter { it.value != null }.associate { (name, value) ->
                    name to if (name == "content" && value is Iterable<*>) value.take(Values.SPELLED_VALUES).map { (it as? Part)?.members() ?: it } else value
                },
                spelling = true,
            )

        /** Now, as a step has it. */
        fun unixNano(): String {
            val now = Instant.now()
            return (now.epochSecond * 1_000_000_000 + now.nano).toString()
        }
    }
}
