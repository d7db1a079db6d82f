package dev.sinkwell

import dev.sinkwell.internal.Bounds
import dev.sinkwell.internal.Buffer
import dev.sinkwell.internal.Described
import dev.sinkwell.internal.Diagnostics
import dev.sinkwell.internal.Draft
import dev.sinkwell.internal.Fast
import dev.sinkwell.internal.From
import dev.sinkwell.internal.HeldDeed
import dev.sinkwell.internal.HostCall
import dev.sinkwell.internal.Json
import dev.sinkwell.internal.Library
import dev.sinkwell.internal.Lifetime
import dev.sinkwell.internal.Mailbox
import dev.sinkwell.internal.NativeEmitter
import dev.sinkwell.internal.Question
import dev.sinkwell.internal.RawJson
import dev.sinkwell.internal.Refused
import dev.sinkwell.internal.Terms
import dev.sinkwell.internal.Texts
import dev.sinkwell.internal.Values
import dev.sinkwell.internal.core
import dev.sinkwell.internal.describe
import dev.sinkwell.internal.json
import dev.sinkwell.internal.offCarrier
import dev.sinkwell.internal.openEmitter
import java.lang.ref.Reference
import java.nio.file.Path
import java.time.Duration
import java.util.concurrent.Callable
import java.util.concurrent.CancellationException
import java.util.concurrent.CompletableFuture
import java.util.concurrent.TimeUnit
import java.util.concurrent.TimeoutException

/** What an emitter is opened with besides its configuration. */
public class OpenOptions {
    internal var sinks: List<GovernanceEventSink> = emptyList()
    internal var signer: Signer? = null
    internal var manual = false

    /** Host sinks; they count as required sinks. */
    public fun sinks(vararg sinks: GovernanceEventSink): OpenOptions = apply { this.sinks = sinks.asList() }

    /** The signer that `key: { signer: host }` names; where the configuration names none, opening refuses it. */
    public fun signer(signer: Signer?): OpenOptions = apply { this.signer = signer }

    /** No threads: [Emitter.drain] delivers. */
    public fun manual(manual: Boolean): OpenOptions = apply { this.manual = manual }
}

/** What is left in a lane. */
public class LaneReport internal constructor(
    json: Map<String, Any?>,
) {
    /** How many events were delivered. */
    public val delivered: Long = json["delivered"] as Long

    /** How many were not yet. */
    public val pending: Long = json["pending"] as Long

    /** Where those are: `none`, `memory` or `journal`. */
    public val where: String = json["where"] as String

    override fun toString(): String = "$delivered delivered, $pending pending in $where"
}

/** What a drain delivered. */
public class Drained internal constructor(
    json: Map<String, Any?>,
) {
    /** How many. */
    public val count: Long = json["count"] as Long

    /** What happened to the lane meanwhile. */
    public val records: List<Any?> = json["records"] as List<*>
}

/** Takes events and hands them to its lanes. All members may be used from any thread. */
public class Emitter internal constructor(
    internal val native: NativeEmitter,
    private val manual: Boolean,
) : AutoCloseable {
    private val address = native.address()
    internal val bounds = Bounds(native.depthLimit().toInt(), native.sizeLimit().coerceAtMost(Int.MAX_VALUE.toULong()).toLong())
    private val lifetime = Lifetime.of(this)

    init {
        Lifetime.watch()
    }

    /**
     * Emits an event: checks it, completes it and hands it to every lane. It waits only where a blocking lane has no room, for
     * that lane's `block_timeout` at most.
     *
     * @param type a built-in type (`tool.invocation`) or one of the host's own in reverse-DNS form
     * @param data a map, a record or an object with getters; null: none
     * @throws InvalidEventException with the place; the event is then in no lane, as with the following
     * @throws BackpressureException no room within the limit
     * @throws RequiredSinkUnavailableException governance forbids going on
     * @throws EmitterClosedException it was shut down
     */
    @JvmOverloads
    public fun emit(
        type: String,
        data: Any? = null,
        options: EventOptions? = null,
    ): Receipt = Receipt.of(this, emitted(type, data, options, true))

    /** [emit] for who needs no receipt: nothing of the event is kept for questions. */
    @JvmOverloads
    public fun put(
        type: String,
        data: Any? = null,
        options: EventOptions? = null,
    ) {
        emitted(type, data, options, false)
    }

    /** Begins an event that is said member by member, without a map: `emitter.event("com.example.called").set("n", 7).put()`. */
    public fun event(type: String): EventBuilder = EventBuilder(this, type)

    /** [emit] with data that is JSON already: an object, as text. */
    @JvmOverloads
    public fun emitJson(
        type: String,
        json: String,
        options: EventOptions? = null,
    ): Receipt = Receipt.of(this, emitted(type, RawJson(json), options, true))

    /** [emit] that waits for room without holding a thread. Cancelled while it waits, the event is in no lane. */
    @JvmOverloads
    public fun emitAsync(
        type: String,
        data: Any? = null,
        options: EventOptions? = null,
    ): CompletableFuture<Receipt> {
        val buffer = Buffer()
        try {
            Draft.write(buffer, type, data, options, bounds, apart = true)
        } catch (e: SinkwellException) {
            return CompletableFuture.failedFuture(e)
        }
        val done = CompletableFuture<Receipt>()
        attempt(buffer, System.nanoTime(), done)
        return done
    }

    private fun attempt(
        buffer: Buffer,
        since: Long,
        done: CompletableFuture<Receipt>,
    ) {
        // Nobody waits any more.
        if (done.isDone) return
        try {
            val address = crossing(buffer, true, waited(since))
            if (address and 1L == 0L) {
                done.complete(Receipt.of(this, address))
                return
            }
            val limit = refused(address)
            val room = onRoom()
            room.orTimeout((limit - waited(since)).coerceAtLeast(0), TimeUnit.MILLISECONDS).whenComplete { _, _ ->
                Mailbox.pool.execute { attempt(buffer, since, done) }
            }
        } catch (e: Throwable) {
            done.completeExceptionally(e)
        }
    }

    /** Why an event is in no lane: throws, or answers for how many milliseconds its caller may wait for room. */
    private fun refused(address: Long): Long = checkNotNull(Question.ask(Question.WHY, address - 1)).getLong()

    /** The address of a receipt; 0 without one. */
    private fun emitted(
        type: String,
        data: Any?,
        options: EventOptions?,
        keep: Boolean,
    ): Long {
        val buffer = Buffer.take()
        try {
            Draft.write(buffer, type, data, options, bounds, apart = true)
            return handOver(buffer, keep)
        } finally {
            Buffer.give(buffer)
        }
    }

    /** As [emitted], of what is written. */
    internal fun handOver(
        buffer: Buffer,
        keep: Boolean,
    ): Long {
        val address = crossing(buffer, keep, 0)
        // An odd one is not yet in the lanes: a failure, or no room.
        return if (address and 1L == 0L) address else slowly(buffer, address, keep)
    }

    private fun crossing(
        buffer: Buffer,
        keep: Boolean,
        waitedMs: Long,
    ): Long =
        try {
            Fast.emit(address, buffer.bytes, buffer.length, buffer.units, buffer.count, keep, waitedMs)
        } finally {
            Reference.reachabilityFence(this)
        }

    private fun slowly(
        buffer: Buffer,
        first: Long,
        keep: Boolean,
    ): Long {
        val since = System.nanoTime()
        var outcome = first
        while (true) {
            val limit = refused(outcome)
            val inside = HostCall.isInside
            if (!inside) pause(limit, since)
            val address = crossing(buffer, keep, if (inside) INSIDE else waited(since))
            if (address and 1L == 0L) return address
            outcome = address
        }
    }

    /** Waits for room, on a virtual thread as on any other without holding its carrier. */
    private fun pause(
        limit: Long,
        since: Long,
    ) {
        try {
            onRoom().get((limit - waited(since)).coerceAtLeast(0), TimeUnit.MILLISECONDS)
        } catch (_: TimeoutException) {
            // The next try says which lanes it was.
        } catch (_: java.util.concurrent.ExecutionException) {
            // The next try says so.
        } catch (e: InterruptedException) {
            Thread.currentThread().interrupt()
            throw CancellationException("the thread was interrupted while it waited for room; the event is in no lane").apply { initCause(e) }
        }
    }

    private fun onRoom(): CompletableFuture<String> = Mailbox.await { core { native.onRoom(it) } }

    private fun waited(since: Long) = (System.nanoTime() - since) / 1_000_000

    internal fun reachable() = Reference.reachabilityFence(this)

    /**
     * Does something only once its intent is safe: the act runs with the intent on disk, or with the sinks that governance
     * requires, and what became of it is sealed as its result. What it throws comes through as it is. A cancellation
     * ([CancellationException], [InterruptedException]) is `cancelled`, what ran out of time ([TimeoutException], those of sockets,
     * of `java.net.http` and of `withTimeout`) `timeout`, anything else `error`; what futures wrap counts by what is inside.
     *
     * @throws SinkwellException why the act must not run; it has not
     */
    @JvmOverloads
    public fun <T> deed(
        type: String,
        data: Any?,
        options: EventOptions? = null,
        terms: DeedTerms? = null,
        act: DeedAction<T>,
    ): T = Deed.perform(this, draft(type, data, options), terms ?: DeedTerms(), act)

    /**
     * [deed] that holds no thread: it answers at once, and the act may go on when it has returned. The future is the act's, or
     * says why the act must not run. Cancelled before the act has begun, its intent is withdrawn and the act does not run.
     * Cancelled later, the act goes on, as with every stage of a future: its own end is what the result says.
     */
    @JvmOverloads
    public fun <T> deedAsync(
        type: String,
        data: Any?,
        options: EventOptions? = null,
        terms: DeedTerms? = null,
        act: AsyncDeedAction<T>,
    ): CompletableFuture<T> {
        val draft =
            try {
                draft(type, data, options)
            } catch (e: SinkwellException) {
                return CompletableFuture.failedFuture(e)
            }
        return Deed.performAsync(this, draft, terms ?: DeedTerms(), act)
    }

    internal fun draft(
        type: String,
        data: Any?,
        options: EventOptions?,
    ): ByteArray = Buffer().also { Draft.write(it, type, data, options, bounds, apart = false) }.copy()

    internal fun intend(
        draft: ByteArray,
        terms: DeedTerms,
        since: Long,
    ): HeldDeed {
        val question = intention(draft, terms)
        while (true) {
            val answer = answered(Question.INTEND, question, if (HostCall.isInside) INSIDE else waited(since))
            HeldDeed.of(answer)?.let { return it }
            pause(answer.getLong(), since)
        }
    }

    private fun intention(
        draft: ByteArray,
        terms: DeedTerms,
    ): ByteArray {
        val out = Buffer()
        // What is longer than any that the core knows is none of them, and neither is how it begins.
        Question.short(out, terms.until?.take(LONGEST_UNTIL))
        out.long(terms.timeout?.let(::millisOf) ?: -1)
        out.slice(draft, 0, draft.size)
        return out.copy()
    }

    /** Asks the native half something that has an answer. */
    private fun answered(
        what: Int,
        bytes: ByteArray,
        number: Long,
    ): java.nio.ByteBuffer = checkNotNull(asked(what, bytes, number))

    private fun asked(
        what: Int,
        bytes: ByteArray,
        number: Long,
    ): java.nio.ByteBuffer? =
        try {
            Question.ask(what, address, bytes, number)
        } finally {
            Reference.reachabilityFence(this)
        }

    /** [asked] what may wait on this thread, but for one that runs something of the host's for the core. */
    private fun bridged(
        what: Int,
        bytes: ByteArray,
    ): java.nio.ByteBuffer? = offCarrier { asked(what, bytes, if (HostCall.isInside) INSIDE else 0) }

    internal fun intendAsync(
        draft: ByteArray,
        terms: DeedTerms,
        since: Long,
    ): CompletableFuture<HeldDeed> {
        val entered = CompletableFuture<HeldDeed>()
        intendAsync(intention(draft, terms), since, if (HostCall.isInside) INSIDE else 0, entered)
        return entered
    }

    private fun intendAsync(
        question: ByteArray,
        since: Long,
        wait: Long,
        entered: CompletableFuture<HeldDeed>,
    ) {
        try {
            val answer = answered(Question.INTEND, question, wait)
            val deed = HeldDeed.of(answer)
            if (deed != null) {
                entered.complete(deed)
                return
            }
            val limit = answer.getLong()
            onRoom().orTimeout((limit - waited(since)).coerceAtLeast(0), TimeUnit.MILLISECONDS).whenComplete { _, _ ->
                Mailbox.pool.execute { intendAsync(question, since, waited(since), entered) }
            }
        } catch (e: Throwable) {
            entered.completeExceptionally(e)
        }
    }

    internal fun endDeed(
        deed: HeldDeed,
        outcome: String,
        kind: String?,
    ) {
        val since = System.nanoTime()
        try {
            while (true) {
                val limit = deed.end(outcome, kind, waited(since)) ?: return
                pause(limit, since)
            }
        } catch (e: SinkwellException) {
            Diagnostics.log(2, "a deed's result was not sealed: ${e.message}")
        } catch (e: CancellationException) {
            Diagnostics.log(2, "a deed's result was not sealed: ${e.message}")
        }
    }

    internal fun resultOf(
        data: Any?,
        content: List<Part>,
    ): ByteArray = Buffer().also { Draft.result(it, data, EventOptions().content(content), bounds) }.copy()

    /**
     * Calls a tool and emits what became of it: a `tool.invocation` with its `outcome`, `duration_ms` and, where it failed,
     * `error.type`. The event comes after the call and never waits. What the call throws is the caller's as it is.
     */
    @Throws(Exception::class)
    public fun <T> tool(
        tool: String,
        call: Callable<T>,
    ): T {
        val since = System.nanoTime()
        try {
            val result = call.call()
            told(tool, since, null)
            return result
        } catch (e: Throwable) {
            told(tool, since, e)
            throw e
        }
    }

    internal fun told(
        tool: String,
        since: Long,
        failure: Throwable?,
    ) {
        val data = LinkedHashMap<String, Any?>()
        data["tool"] = tool
        data["outcome"] = Deed.outcomeOf(failure)
        data["duration_ms"] = (System.nanoTime() - since) / 1e6
        if (failure != null) data["error.type"] = Deed.kindOf(failure)
        try {
            // What comes after the call waits for nothing.
            HostCall.within { put("tool.invocation", data) }
        } catch (e: SinkwellException) {
            Diagnostics.log(2, "a tool's call was not emitted: ${e.message}")
        }
    }

    /**
     * Emits a log record as a `log.record`, whatever it says: `scale`, `level`, `logger`, `message`, `attributes`, `exception`
     * and so on (core/src/bridge/log.rs has the table).
     */
    public fun emitLog(record: Map<String, *>) {
        val place = SinkwellContext.current()
        val whole = if (place == null || "ambient" in record) record else record + ("ambient" to place.members())
        val stream = Values.of(whole, spelling = true)
        bridged(Question.LOG, stream)
    }

    /** Emits the events that a span stands for (`name`, `trace_id`, `attributes`, …); says how many. */
    public fun emitSpan(span: Map<String, *>): Int {
        val stream = Values.of(span, spelling = true)
        return checkNotNull(bridged(Question.SPAN, stream)).getLong().toInt()
    }

    /**
     * Emits the events that a step of a framework's run stands for (docs/STEPS.md has its members; those that are null are not
     * said, `content` is a list of [Part]); says how many. What JSON cannot carry the core spells. All events are tried, even
     * where one is refused.
     *
     * @throws InvalidArgumentException it is no step; [SinkwellException.where] names the member
     */
    public fun emitStep(step: Map<String, *>): Int {
        val stream = StepDeed.written(step)
        return checkNotNull(bridged(Question.STEP, stream)).getLong().toInt()
    }

    /**
     * Makes a tool's call, told as a step without an end, only once its intent is safe: see [deed]. The act says by
     * [StepCall.ended] what came of it; what is emitted in it has the call's id as its cause. However the call ends, and also
     * where it is refused, the step is over.
     *
     * @throws InvalidArgumentException it is no step of a tool
     */
    @JvmOverloads
    public fun <T> deedOfStep(
        step: Map<String, *>,
        terms: DeedTerms? = null,
        act: StepAction<T>,
    ): T = StepDeed.perform(this, step, terms ?: DeedTerms(), act)

    /** [deedOfStep] that holds no thread: see [deedAsync]. Its context holds while the act is begun. */
    @JvmOverloads
    public fun <T> deedOfStepAsync(
        step: Map<String, *>,
        terms: DeedTerms? = null,
        act: AsyncStepAction<T>,
    ): CompletableFuture<T> = StepDeed.performAsync(this, step, terms ?: DeedTerms(), act)

    internal fun stepIntent(step: ByteArray): Map<String, Any?> = Json.map(Question.bytes(answered(Question.STEP_INTENT, step, 0)))

    internal fun stepResult(step: ByteArray): Map<String, Any?> =
        Json.map(Question.bytes(checkNotNull(bridged(Question.STEP_RESULT, step))))

    /** Begins to take the events out of a log; see docs/VACUUM.md. */
    @JvmOverloads
    public fun vacuum(
        process: String? = null,
        nonce: Long? = null,
        format: String? = null,
    ): Vacuum {
        val texts = listOf("process" to process, "format" to format).onEach { (name, text) -> text?.let { Texts.argument(it, name) } }
        val options = (texts + ("nonce" to nonce)).filter { it.second != null }.toMap()
        return Vacuum(core { native.vacuum(Json.write(options)) })
    }

    /** Throws [RequiredSinkUnavailableException] or [EmitterClosedException] where [emit] would. */
    public fun ensureReady(): Unit = core { native.ensureReady() }

    /** By lane, its counters: `admitted`, `delivered`, `dropped`, `rejected`, `pending`, `dropped_by`, … */
    @Suppress("UNCHECKED_CAST")
    public fun counters(): Map<String, Map<String, Any?>> = Json.map(native.counters()) as Map<String, Map<String, Any?>>

    /** By lane, how it is: `state`, `since`, `failure`, `summary`, `detail`, `acked`, `classes`. */
    @Suppress("UNCHECKED_CAST")
    public fun health(): Map<String, Map<String, Any?>> = Json.map(native.health()) as Map<String, Map<String, Any?>>

    /**
     * The deeds of processes before this one that have an intent and no result, the oldest first: what the journals hold that
     * this process took over. Each has `id`, `type`, `time`, `agentid`, `streamid`, `sequence`, `where`, and where the intent
     * has them `subject`, `runid`, `tool`. Whether such an act was done, only the world outside can tell.
     */
    @Suppress("UNCHECKED_CAST")
    public fun unfinished(): List<Map<String, Any?>> = Json.parse(core { native.unfinished() }) as List<Map<String, Any?>>

    /** What became of each policy document. */
    public fun policyStatus(): Map<String, Any?> = Json.map(native.policyStatus())

    /** Reads the telemetry policies again and puts them in force as one set. */
    public fun reloadPolicies(): Unit = core { native.reloadPolicies() }

    /** Counters and states as Prometheus text. */
    public fun prometheus(): String = native.prometheus()

    /** The same as instruments for a meter: `metrics`, each with `name`, `kind`, `unit`, `description`, `points`. */
    public fun metrics(): Map<String, Any?> = Json.map(native.metrics())

    /** How many events [emit] turned away. */
    public val refused: Long get() = native.refused().toLong()

    /** How many events wait in a lane to be sealed. */
    public fun queued(lane: String): Long = core { native.queued(Texts.argument(lane, "lane")) }.toLong()

    /** Delivers on this thread what a lane of a manual emitter holds. */
    public fun drain(lane: String): Drained = offCarrier { Drained(Json.map(core { native.drain(Texts.argument(lane, "lane")) })) }

    /** Adds a lane for a host's sink; [lane] are any keys of a lane. */
    @JvmOverloads
    public fun addSink(
        sink: GovernanceEventSink,
        lane: Map<String, *>? = null,
    ) {
        val described = describe(listOf(sink), null, lane)
        taking(described) { offCarrier { core { native.addSink(described.sinks.single()) } } }
    }

    /** Seals with another key from the next envelope on: [key] is a `key:` section as in the configuration. */
    @JvmOverloads
    public fun changeKey(
        key: Map<String, *>,
        signer: Signer? = null,
    ) {
        val section = json(key)
        val described = describe(emptyList(), signer)
        taking(described) { offCarrier { core { native.changeKey(section, described.signer) } } }
    }

    /** Has a durable lane send again what its journal holds, from that envelope on. */
    public fun repair(
        lane: String,
        streamId: String,
        sequence: Long,
    ): Unit = core { native.repair(Texts.argument(lane, "lane"), Texts.argument(streamId, "stream_id"), sequence.toULong()) }

    /**
     * Waits until every lane has delivered what it was given, or the time is over (null: 5 s). Inside a sink, a signer or a logger of
     * the host's it does not wait, as it would wait for itself.
     */
    @JvmOverloads
    public fun flush(timeout: Duration? = null): Map<String, LaneReport> =
        when {
            HostCall.isInside -> now()
            manual -> reports(core { native.flushHere(milliseconds(timeout)) }.decodeToString())
            else -> Receipt.wait(flushAsync(timeout), null)
        }

    /** What is left in each lane now. */
    private fun now() = reports(core { native.flushHere(0UL) }.decodeToString())

    /** [flush] without holding a thread. */
    @JvmOverloads
    public fun flushAsync(timeout: Duration? = null): CompletableFuture<Map<String, LaneReport>> =
        if (HostCall.isInside) {
            CompletableFuture.completedFuture(now())
        } else if (manual) {
            CompletableFuture.supplyAsync { flush(timeout) }
        } else {
            Mailbox.await { core { native.flush(milliseconds(timeout), it) } }.thenApplyAsync(::reports)
        }

    /**
     * Delivers what is queued, closes every stream, and says per lane what is left; within 5 s unless said otherwise. Inside a sink, a
     * signer or a logger of the host's it begins to, and says what is left now, as it would wait for itself.
     */
    @JvmOverloads
    public fun shutdown(timeout: Duration? = null): Map<String, LaneReport> =
        when {
            HostCall.isInside -> now().also { shutdownAsync(timeout) }
            manual -> reports(core { native.shutdownHere(milliseconds(timeout)) }.decodeToString()).also { lifetime.run() }
            else -> Receipt.wait(shutdownAsync(timeout), null)
        }

    /** [shutdown] without holding a thread. */
    @JvmOverloads
    public fun shutdownAsync(timeout: Duration? = null): CompletableFuture<Map<String, LaneReport>> =
        if (manual) {
            CompletableFuture.supplyAsync { shutdown(timeout) }
        } else {
            Mailbox.await { core { native.shutdown(milliseconds(timeout), it) } }.thenApplyAsync {
                lifetime.run()
                // What was said of the end is in the host's log when it is over.
                Diagnostics.settle()
                reports(it)
            }
        }

    /** Whether it was shut down. */
    public val isClosed: Boolean get() = native.isClosed()

    /** [shutdown] within 5 s. */
    override fun close() {
        shutdown(null)
    }

    private fun milliseconds(timeout: Duration?) = timeout?.let(::millisOf)?.toULong()

    @Suppress("UNCHECKED_CAST")
    private fun reports(json: String) = Json.map(json).mapValues { (_, report) -> LaneReport(report as Map<String, Any?>) }

    public companion object {
        private const val INSIDE = -1L

        private const val LONGEST_UNTIL = 60

        /** Opens an emitter as environment variables say, or with one `console` lane. */
        @JvmStatic
        @JvmOverloads
        public fun open(options: OpenOptions = OpenOptions()): Emitter = open(From.Environment, options)

        /** Opens an emitter by a configuration file, YAML or JSON. */
        @JvmStatic
        @JvmOverloads
        public fun open(
            path: String,
            options: OpenOptions = OpenOptions(),
        ): Emitter = open(From.Path(path), options)

        /** Opens an emitter by a configuration file, YAML or JSON. */
        @JvmStatic
        @JvmOverloads
        public fun open(
            path: Path,
            options: OpenOptions = OpenOptions(),
        ): Emitter = open(path.toString(), options)

        /** Opens an emitter by the configuration as values. */
        @JvmStatic
        @JvmOverloads
        public fun open(
            config: Map<String, *>,
            options: OpenOptions = OpenOptions(),
        ): Emitter = open(From.Mapping(json(config)), options)

        /** Opens an emitter by a document, YAML or JSON; [name] is what errors call it, and its folder that of relative paths. */
        @JvmStatic
        @JvmOverloads
        public fun openText(
            text: String,
            name: String? = null,
            options: OpenOptions = OpenOptions(),
        ): Emitter = open(From.Text(text, name), options)

        private fun open(
            from: From,
            options: OpenOptions,
        ): Emitter = opened(from, options) { openEmitter(it) }

        internal fun opened(
            from: From,
            options: OpenOptions,
            call: (Terms) -> NativeEmitter,
        ): Emitter {
            when (from) {
                is From.Path -> Texts.config(from.path, "path")
                is From.Text -> {
                    from.name?.let { Texts.config(it, "name") }
                    Texts.config(from.text, from.name ?: "text")
                }
                else -> {}
            }
            Library.ensure()
            val described = describe(options.sinks, options.signer)
            val terms = Terms(from, described.sinks, described.signer, options.manual, program())
            return taking(described) { Emitter(offCarrier { core { call(terms) } }, options.manual) }
        }

        /** What the core did not take is forgotten. */
        private inline fun <T> taking(
            described: Described,
            call: () -> T,
        ): T =
            try {
                call()
            } catch (e: Throwable) {
                described.forget()
                throw e
            }

        /** The main class or jar, where the operating system knows only `java`. */
        internal fun program(): String? =
            System.getProperty("sun.java.command")?.substringBefore(' ')?.substringAfterLast('/')?.removeSuffix(".jar")?.ifEmpty { null }?.let(Texts::told)
    }
}
