package dev.sinkwell.integration

import dev.sinkwell.Deed
import dev.sinkwell.DeedTerms
import dev.sinkwell.Emitter
import dev.sinkwell.EventOptions
import dev.sinkwell.Sinkwell
import dev.sinkwell.SinkwellContext
import dev.sinkwell.StepAction
import dev.sinkwell.StepDeed
import dev.sinkwell.internal.Json
import dev.sinkwell.internal.Through
import dev.sinkwell.internal.permitted
import java.util.Properties
import java.util.UUID
import java.util.concurrent.Callable
import java.util.concurrent.atomic.AtomicReference
import java.util.function.Supplier

/**
 * What the integrations of frameworks share: they tell of steps (docs/STEPS.md) and have tools' calls made as deeds, from when they
 * are put in, which is sealed as a `coverage` event, until they are closed, which is another.
 *
 * Telling of a step never throws and never breaks what is watched; what is refused the emitter counts and says to its log. A call of
 * a tool is made only once its intent is safe.
 */
public class Seam
    /**
     * @param emitter whose events they are; null: the process's default one
     * @param permit the most that prompts, completions, arguments and results may be captured; null: not at all
     * @param terms what a tool's call waits for, and for how long
     * @param name what the seam is called in `coverage` events
     * @param framework the framework's artifact, as `group:artifact`
     * @param beside a class of the framework's
     */
    constructor(
        emitter: Emitter?,
        permit: String?,
        private val terms: DeedTerms?,
        private val name: String,
        private val framework: String,
        beside: Class<*>,
    ) : AutoCloseable {
        private val given = emitter
        private val permit = permitted(permit)
        private val through = Through(emitter, "$name's steps")
        private val version = versionOf(framework, beside)
        private val since = AtomicReference<String?>(UUID.randomUUID().toString())

        init {
            cover("watching", EventOptions().id(since.get()))
        }

        /** Whether anybody watches still. */
        public val isWatching: Boolean get() = since.get() != null

        /** Whether anything of people's words could leave at all. */
        @get:JvmName("hasContent")
        public val hasContent: Boolean get() = permit != null && permit != "off"

        /** The step that the calling code is inside of; null: none. */
        public val inside: String? get() = SinkwellContext.current()?.step

        /** The members of a step that begins now, to which others are added. */
        @JvmOverloads
        public fun step(
            kind: String,
            id: String = UUID.randomUUID().toString(),
        ): MutableMap<String, Any?> =
            linkedMapOf(
                "kind" to kind,
                "id" to id,
                "parent" to inside,
                "run" to SinkwellContext.current()?.run,
                "permit" to permit,
                "start_unix_nano" to StepDeed.unixNano(),
            )

        /** Tells of a step. */
        public fun tell(step: Map<String, *>) {
            through.emit { it.emitStep(step) }
        }

        /** Tells of the end of a step, of which at least its kind and id are known. */
        public fun tellEnd(
            step: MutableMap<String, Any?>,
            failure: Throwable?,
        ) {
            step["end_unix_nano"] = StepDeed.unixNano()
            if (failure != null) step.putAll(ended(failure))
            tell(step)
        }

        /** What a failure says of the step that it has ended: never its text. */
        public fun ended(failure: Throwable): Map<String, Any?> =
            mapOf("error_type" to Deed.kindOf(failure), "outcome" to Deed.outcomeOf(failure).takeUnless { it == "error" })

        /** What JSON text says, as of a call's arguments; the text itself where it is none, or nests too deep to be any tool's. */
        public fun readJson(text: String?): Any? {
            var depth = 0
            var deepest = 0
            text?.forEach {
                if (it == '{' || it == '[') deepest = maxOf(deepest, ++depth)
                if (it == '}' || it == ']') depth--
            }
            if (text == null || deepest > DEEPEST) return text
            return runCatching { Json.parse(text) }.getOrDefault(text)
        }

        /** Makes a tool's call as a deed. What it throws comes through; where it must not be made, why not. */
        public fun <T> call(
            step: Map<String, *>,
            act: StepAction<T>,
        ): T = (given ?: Sinkwell.default()).deedOfStep(step, terms, act)

        /**
         * Does something as an agent's run, to which what is emitted in it on this thread belongs. A run within a run, or within a
         * tool, has that one as its parent. It ends when the body has: where that streams, read the stream in it to its end.
         */
        @Throws(Exception::class)
        public fun <T> run(
            agent: String,
            body: Callable<T>,
        ): T {
            if (!isWatching) return body.call()
            val step = step("agent").also { it["name"] = agent }
            tell(step)
            val result =
                try {
                    SinkwellContext.within(SinkwellContext.ofStep(step["id"] as String)) { body.call() }
                } catch (e: Throwable) {
                    tellEnd(step, e)
                    throw e
                }
            tellEnd(step, null)
            return result
        }

        /** Does something inside of a run that is told as a step: what is emitted in it on this thread belongs to the run. */
        public fun <T> within(
            run: String,
            body: Supplier<T>,
        ): T = SinkwellContext.within(SinkwellContext.ofStep(run)) { body.get() }

        /** Seals that nothing is watched any longer; from now on nothing is told. */
        override fun close() {
            val begun = since.getAndSet(null) ?: return
            cover("stopped", EventOptions().causation(begun))
        }

        private fun cover(
            state: String,
            options: EventOptions,
        ) {
            val data = mapOf("seam" to name, "package" to framework, "version" to version, "state" to state)
            through.emit { it.put("coverage", data, options) }
        }

        private companion object {
            const val DEEPEST = 100

            /** As the jar says, in its manifest or as Maven has written it there. */
            fun versionOf(
                framework: String,
                beside: Class<*>,
            ): String {
                beside.`package`?.implementationVersion?.let { return it }
                val (group, artifact) = framework.split(':')
                val file = beside.getResourceAsStream("/META-INF/maven/$group/$artifact/pom.properties") ?: return "unknown"
                return file.use { Properties().apply { load(it) } }.getProperty("version") ?: "unknown"
            }
        }
    }
