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
        var answers: List<Throwable?>? = null
        val failure = failureOf { answers = sink.emitBatch(events) }
        val given = answers
        if (failure == null && given != null) job.answerEach(given.map(::told)) else job.answerAsOne(told(failure))
    }

    override fun health(job: HealthJob) =
        HostCall.within {
            val failure =
                failureOf {
                    val health = sink.health()
                    job.answer(health.healthy, health.detail)
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
            val failure = failureOf { job.answer(signer.sign(job.inputs())) }
            failure?.let { job.fail(detail(it)) } ?: Unit
        }
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
        is RejectedException -> Told("refused", failure.javaClass.simpleName, detail(failure))
        is UncertainException -> Told("uncertain", failure.javaClass.simpleName, detail(failure))
        else -> Told("retry", failure.javaClass.simpleName, detail(failure))
    }

private fun detail(failure: Throwable): String {
    val name = failure.javaClass.simpleName
    // A lane must not wait for an answer because an exception cannot be read.
    return runCatching { "$name: ${failure.message}" }.getOrElse { "$name, whose message cannot be read" }
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
    return Described(
        sinks.map { sink ->
            val classes = sink.classes.map { it.wire }
            HostSink(Mailbox.host(SinkBridge(sink)), sink.name, classes, keys, sink.idempotent)
        },
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
