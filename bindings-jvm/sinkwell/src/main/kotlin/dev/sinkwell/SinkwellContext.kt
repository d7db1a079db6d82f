package dev.sinkwell

import dev.sinkwell.internal.Buffer
import dev.sinkwell.internal.Diagnostics
import dev.sinkwell.internal.Library
import dev.sinkwell.internal.Question
import java.util.concurrent.Callable
import java.util.concurrent.Executor
import java.util.concurrent.atomic.AtomicBoolean

/**
 * What events have in common that are emitted within a run, said once: an event takes from here what it does not say itself.
 * A run within a run has the other as its parent. Entering one emits nothing. It belongs to a thread; [wrap] takes it along,
 * and coroutines keep it by [withRun], [withTurn] and [carrying].
 */
public class SinkwellContext private constructor(
    /** The agent run. */
    public val run: String?,
    /** The run around it. */
    public val parentRun: String?,
    /** The turn in the run. */
    public val turn: String?,
    /** The attempt in the turn. */
    public val attempt: String?,
    /** Another agent than the emitter's. */
    public val agent: String?,
    /** Id of the event that caused what happens here. */
    public val causation: String?,
    /** Id of the whole conversation. */
    public val correlation: String?,
    /** The step of a framework's run that the code here is inside of. */
    internal val step: String?,
) {
    /**
     * Ends a context, on the thread that began it and once those within it have ended. Anywhere else it changes nothing, as
     * OpenTelemetry's does: another context holds there. That is logged, the first time in a process.
     */
    public class Scope internal constructor(
        private val around: SinkwellContext?,
        private val own: SinkwellContext,
    ) : AutoCloseable {
        private val thread = Thread.currentThread()
        private var ended = false

        override fun close() {
            when {
                ended -> return
                Thread.currentThread() !== thread -> ignored("on another thread than began it")
                here.get() !== own -> ignored("while another context holds on its thread, as one that was begun within it")
                else -> {
                    ended = true
                    if (around == null) here.remove() else here.set(around)
                }
            }
        }

        private fun ignored(how: String) {
            if (!misused.getAndSet(true)) {
                Diagnostics.log(2, "a SinkwellContext.Scope was closed $how, which changes nothing: use each in a try-with-resources, or `use`")
            }
        }
    }

    /** What a run or a turn says besides. */
    public class Options {
        internal var turn: String? = null
        internal var attempt: String? = null
        internal var agent: String? = null
        internal var causation: String? = null
        internal var correlation: String? = null
        internal var parentRun: String? = null

        /** The turn in the run. */
        public fun turn(turn: String?): Options = apply { this.turn = turn }

        /** The attempt in the turn. */
        public fun attempt(attempt: String?): Options = apply { this.attempt = attempt }

        /** Another agent than the emitter's. */
        public fun agent(agent: String?): Options = apply { this.agent = agent }

        /** Id of the event that caused it. */
        public fun causation(causation: String?): Options = apply { this.causation = causation }

        /** Id of the whole conversation. */
        public fun correlation(correlation: String?): Options = apply { this.correlation = correlation }

        /** The run that it is part of; by default the run around it. */
        public fun parentRun(parentRun: String?): Options = apply { this.parentRun = parentRun }
    }

    internal fun write(out: Buffer) {
        fun text(
            field: Int,
            value: String?,
        ) {
            if (value != null) {
                out.byte(field)
                out.text(value)
            }
        }
        text(41, run)
        text(42, parentRun)
        text(43, turn)
        text(44, attempt)
        text(45, causation)
        text(46, correlation)
        text(47, agent)
    }

    /** As a log record has it. */
    internal fun members(): Map<String, String> =
        listOf("run" to run, "turn" to turn, "attempt" to attempt, "correlation" to correlation, "causation" to causation, "agent" to agent)
            .mapNotNull { (name, text) -> text?.let { name to it } }
            .toMap()

    override fun toString(): String {
        val said =
            listOf("run" to run, "parentRun" to parentRun, "turn" to turn, "attempt" to attempt)
                .plus(listOf("agent" to agent, "causation" to causation, "correlation" to correlation))
                .mapNotNull { (name, text) -> text?.let { "$name=$it" } }
        return said.joinToString(prefix = "SinkwellContext(", postfix = ")")
    }

    public companion object {
        private val here = ThreadLocal<SinkwellContext>()

        /** A scope was closed where it does not hold, and that was logged. */
        private val misused = AtomicBoolean()

        /** The context that holds here; null outside of every one. */
        @JvmStatic
        public fun current(): SinkwellContext? = here.get()

        /**
         * Has this thread's events belong to a run until the answer is closed. Of the context around it a run takes agent,
         * causation and correlation, unless they are given; turn and attempt are its own.
         *
         * @param run the run's id; null: a new one
         */
        @JvmStatic
        @JvmOverloads
        public fun run(
            run: String? = null,
            options: Options = Options(),
        ): Scope {
            return enter(ofRun(run, options))
        }

        internal fun ofRun(
            run: String?,
            options: Options,
        ): SinkwellContext {
            val around = here.get()
            val id =
                run ?: run {
                    Library.ensure()
                    Question.text(checkNotNull(Question.ask(Question.NEW_ID, 0)))
                }
            return SinkwellContext(
                run = id,
                // The same run entered again is no part of itself.
                parentRun = options.parentRun ?: if (around?.run == id) around.parentRun else around?.run,
                turn = options.turn,
                attempt = options.attempt,
                agent = options.agent ?: around?.agent,
                causation = options.causation ?: around?.causation,
                correlation = options.correlation ?: around?.correlation,
                step = around?.step,
            )
        }

        /**
         * Has this thread's events belong to a turn of the run around, until the answer is closed: what is not given is as
         * around, but for the attempt.
         */
        @JvmStatic
        @JvmOverloads
        public fun turn(
            turn: String? = null,
            options: Options = Options(),
        ): Scope {
            return enter(ofTurn(turn, options))
        }

        internal fun ofTurn(
            turn: String?,
            options: Options,
        ): SinkwellContext {
            val around = here.get()
            return SinkwellContext(
                run = around?.run,
                parentRun = around?.parentRun,
                turn = turn ?: options.turn ?: around?.turn,
                attempt = options.attempt,
                agent = options.agent ?: around?.agent,
                causation = options.causation ?: around?.causation,
                correlation = options.correlation ?: around?.correlation,
                step = around?.step,
            )
        }

        /** What holds inside of a deed: its run, and its intent as the cause. */
        internal fun ofDeed(
            run: String?,
            causation: String,
        ): SinkwellContext {
            val around = here.get()
            val within = around?.takeIf { run == null || run == it.run }
            return SinkwellContext(
                run = run ?: around?.run,
                parentRun = within?.parentRun,
                turn = within?.turn,
                attempt = within?.attempt,
                agent = around?.agent,
                causation = causation,
                correlation = around?.correlation,
                step = causation,
            )
        }

        /** What holds inside of a run that is told as a step. */
        internal fun ofStep(run: String): SinkwellContext {
            val around = here.get()
            return SinkwellContext(
                run = run,
                parentRun = around?.run,
                turn = null,
                attempt = null,
                agent = around?.agent,
                causation = around?.causation,
                correlation = around?.correlation,
                step = run,
            )
        }

        /** A task that runs in the context that holds here, on whatever thread. */
        @JvmStatic
        public fun wrap(task: Runnable): Runnable {
            val carried = here.get()
            return Runnable { within(carried) { task.run() } }
        }

        /** A task that runs in the context that holds here, on whatever thread. */
        @JvmStatic
        public fun <T> wrap(task: Callable<T>): Callable<T> {
            val carried = here.get()
            return Callable { within(carried) { task.call() } }
        }

        /** An executor whose tasks each run in the context that holds where they are given to it: for `CompletableFuture`s. */
        @JvmStatic
        public fun wrap(executor: Executor): Executor = Executor { task -> executor.execute(wrap(task)) }

        /** Has another context hold on this thread; answers with the one that held. */
        internal fun swap(context: SinkwellContext?): SinkwellContext? {
            val around = here.get()
            if (context == null) here.remove() else here.set(context)
            return around
        }

        private fun enter(context: SinkwellContext): Scope = Scope(here.get(), context).also { here.set(context) }

        internal inline fun <T> within(
            context: SinkwellContext?,
            task: () -> T,
        ): T {
            val around = swap(context)
            try {
                return task()
            } finally {
                swap(around)
            }
        }
    }
}
