package dev.sinkwell.internal

import dev.sinkwell.BatchGovernanceEventSink
import dev.sinkwell.GovernanceEventSink
import dev.sinkwell.InvalidConfigException
import dev.sinkwell.RejectedException
import dev.sinkwell.SignedGovernanceEvent
import dev.sinkwell.Signer
import dev.sinkwell.UncertainException
import java.util.concurrent.CompletionException
import java.util.concurrent.ExecutionException
import java.util.concurrent.TimeUnit

/** A host's sink as the core calls it. */
internal class SinkBridge(
    private val sink: GovernanceEventSink,
) : Hosted {
    override fun deliver(job: DeliverJob) =
        HostCall.within {
            val events = job.envelopes().map { SignedGovernanceEvent(it.bytes, it.hash, it.digest, it.own, it.terminal) }
            if (sink is BatchGovernanceEventSink) batch(sink, events, job) else oneByOne(events, job)
        }

    private fun oneByOne(
        events: List<SignedGovernanceEvent>,
        job: DeliverJob,
    ) {
        val answers = ArrayList<Told>(events.size)
        for (event in events) {
            val failure = failureOf { sink.emit(event)?.toCompletableFuture()?.get(limit(job), TimeUnit.MILLISECONDS) }
            answers.add(told(failure))
            // What comes after one that is tried again must not overtake it.
            if (failure != null && failure !is RejectedException && failure !is UncertainException) break
        }
        job.answerFirst(answers)
    }

    private fun limit(job: DeliverJob) = job.timeoutMs().coerceAtMost(Long.MAX_VALUE.toULong()).toLong()

    private fun batch(
        sink: BatchGovernanceEventSink,
        events: List<SignedGovernanceEvent>,
        job: DeliverJob,
    ) {
        var answers: List<Told>? = null
        // One too many is a failure already.
        val failure = failureOf { answers = sink.emitBatch(events)?.asSequence()?.take(events.size + 1)?.map(::told)?.toList() }
        val given = answers
        if (failure == null && given != null) job.answerEach(given) else job.answerAsOne(told(failure))
    }

    override fun health(job: HealthJob) =
        HostCall.within {
            val failure =
                failureOf {
                    val health = sink.health()
                    job.answer(health.healthy, health.detail?.let(Texts::told))
                }
            failure?.let { job.answer(false, detail(it)) } ?: Unit
        }

    override fun sign(job: SignJob) = job.fail("a sink signs nothing")
}

/** A host's signer as the core calls it. */
internal class SignerBridge(
    private val signer: Signer,
) : Hosted {
    override fun deliver(job: DeliverJob) = Unit

    override fun health(job: HealthJob) = Unit

    override fun sign(job: SignJob) =
        HostCall.within {
            val failure = failureOf { job.answer(signatures(signer.sign(job.inputs()))) }
            failure?.let { job.fail(detail(it)) } ?: Unit
        }

    /** Java may give none, or none for a message. */
    private fun signatures(given: List<*>?): List<ByteArray> =
        checkNotNull(given) { "the signer answered null" }.map { checkNotNull(it) { "the signer answered null for a message" } as ByteArray }
}

private inline fun failureOf(call: () -> Unit): Throwable? =
    try {
        call()
        null
    } catch (e: ExecutionException) {
        e.cause ?: e
    } catch (e: CompletionException) {
        e.cause ?: e
    } catch (e: Throwable) {
        e
    }

/** What the core hears of an exception: its type for sealed records, its text for the host's eyes only. */
private fun told(failure: Throwable?): Told =
    when (failure) {
        null -> Told("taken", "", null)
        is RejectedException -> Told("refused", Texts.nameOf(failure), detail(failure))
        is UncertainException -> Told("uncertain", Texts.nameOf(failure), detail(failure))
        else -> Told("retry", Texts.nameOf(failure), detail(failure))
    }

private fun detail(failure: Throwable): String {
    val name = Texts.nameOf(failure)
    // A lane must not wait for an answer because an exception cannot be read.
    return runCatching { Texts.told("$name: ${failure.message}") }.getOrElse { "$name, whose message cannot be read" }
}

/** What [describe] made: the sinks and the signer as the core takes them, under the numbers of the mailbox. */
internal class Described(
    val sinks: List<HostSink>,
    val signer: ULong?,
) {
    /** The core took nothing of it. */
    fun forget() {
        sinks.forEach { Mailbox.unhost(it.id) }
        signer?.let(Mailbox::unhost)
    }
}

internal fun describe(
    sinks: List<GovernanceEventSink>,
    signer: Signer?,
    lane: Map<String, *>? = null,
): Described {
    val keys = lane?.let { json(it) }
    // What the host's own code may fail in comes before anything is kept.
    val names = sinks.mapIndexed { i, sink -> Texts.argument(sink.name, "sinks[$i].name") }
    val classes = sinks.map { sink -> sink.classes.map { it.wire } }
    val idempotent = sinks.map { it.idempotent }
    return Described(
        sinks.mapIndexed { i, sink -> HostSink(Mailbox.host(SinkBridge(sink)), names[i], classes[i], keys, idempotent[i]) },
        signer?.let { Mailbox.host(SignerBridge(it)) },
    )
}

/** Configuration as JSON. */
internal fun json(value: Any?): String =
    try {
        Json.write(value)
    } catch (e: Refused) {
        throw InvalidConfigException(e.what, e.path.ifEmpty { null })
    }
