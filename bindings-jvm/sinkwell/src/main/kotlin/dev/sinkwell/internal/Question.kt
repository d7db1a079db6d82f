package dev.sinkwell.internal

import dev.sinkwell.SinkwellException
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.concurrent.CompletableFuture
import java.util.concurrent.atomic.AtomicLong

/** What is asked for each step, log record, deed and receipt, over JNI; see bindings-jvm/src/ask.rs, which has the same numbers. */
internal object Question {
    const val LOG = 1
    const val SPAN = 2
    const val STEP = 3
    const val STEP_INTENT = 4
    const val STEP_RESULT = 5
    const val INTEND = 6
    const val SETTLE = 7
    const val ACT = 8
    const val SAY = 9
    const val END = 10
    const val WITHDRAW = 11
    const val DROP = 12
    const val NEW_ID = 13
    const val LANES = 14
    const val ENDINGS = 15
    const val ON_DELIVERED = 16
    const val ON_JOURNALED = 17
    const val SALT = 18
    const val WHY = 19

    private val nothing = ByteArray(0)

    /** The answer; null: there is none. An error of the core's is thrown. */
    fun ask(
        what: Int,
        handle: Long,
        bytes: ByteArray = nothing,
        number: Long = 0,
        length: Int = bytes.size,
    ): ByteBuffer? {
        val answer = ByteBuffer.wrap(Fast.ask(what, handle, bytes, length, number) ?: return null).order(ByteOrder.LITTLE_ENDIAN)
        if (answer.get() == 0.toByte()) return answer
        val kind = answer.getInt()
        val place = answer.getInt()
        val name = text(answer, kind)
        val where = if (place < 0) null else text(answer, place)
        throw SinkwellException.of(name, text(answer), where)
    }

    fun bytes(answer: ByteBuffer): ByteArray = ByteArray(answer.remaining()).also { answer.get(it) }

    fun text(
        answer: ByteBuffer,
        length: Int = answer.remaining(),
    ): String = ByteArray(length).also { answer.get(it) }.decodeToString()

    /** A short text after its length; null is one of its own. */
    fun short(
        out: Buffer,
        text: String?,
    ) {
        val bytes = text?.encodeToByteArray()
        out.byte(bytes?.size ?: NONE)
        if (bytes != null) {
            check(bytes.size < NONE) { "too long" }
            out.slice(bytes, 0, bytes.size)
        }
    }

    private const val NONE = 255
}

/** A deed under way, as the native half knows it. Closed before it has ended, it is withdrawn, or ends as it stands. */
internal class HeldDeed private constructor(
    private val held: Held,
    /** The intent's id. */
    val id: String,
    /** For how many milliseconds the act may be held up. */
    val timeoutMs: Long,
) : AutoCloseable {
    private class Held(
        number: Long,
    ) : Runnable {
        private val number = AtomicLong(number)

        /** None is called so. */
        fun number(): Long = number.get()

        override fun run() {
            val left = number.getAndSet(0)
            if (left != 0L) Question.ask(Question.DROP, left)
        }
    }

    private fun ask(
        what: Int,
        bytes: ByteArray = ByteArray(0),
        number: Long = 0,
    ): ByteBuffer? =
        try {
            Question.ask(what, held.number(), bytes, number)
        } finally {
            java.lang.ref.Reference.reachabilityFence(this)
        }

    /** Completes when there is nothing more to wait for; at once where that is so now. */
    fun settled(): CompletableFuture<String> =
        Mailbox.begin { token, future -> if (ask(Question.SETTLE, number = token) != null) future.complete("") }

    /** Lets the act begin, or throws why not. */
    fun act() {
        ask(Question.ACT)
    }

    fun say(result: ByteArray) {
        ask(Question.SAY, result)
    }

    /** Seals the result; null, or for how many milliseconds the caller may wait for room. */
    fun end(
        outcome: String,
        kind: String?,
        waitedMs: Long,
    ): Long? {
        val out = Buffer()
        Question.short(out, outcome)
        val bytes = kind?.encodeToByteArray() ?: ByteArray(0)
        out.slice(bytes, 0, bytes.size)
        return ask(Question.END, out.copy(), waitedMs)?.getLong()
    }

    fun withdraw() {
        ask(Question.WITHDRAW)
    }

    override fun close() = held.run()

    companion object {
        /** From the answer to an intent; null: a blocking lane has no room, and the answer goes on with for how long to wait. */
        fun of(answer: ByteBuffer): HeldDeed? {
            val number = answer.getLong()
            if (number == 0L) return null
            val timeout = answer.getLong()
            val held = Held(number)
            return HeldDeed(held, Question.text(answer), timeout).also { Lifetime.cleaner.register(it, held) }
        }
    }
}
