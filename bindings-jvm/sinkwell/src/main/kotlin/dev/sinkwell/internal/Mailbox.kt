package dev.sinkwell.internal

import dev.sinkwell.SinkwellException
import java.nio.charset.CharacterCodingException
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.FutureTask
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.SynchronousQueue
import java.util.concurrent.ThreadPoolExecutor
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicInteger
import java.util.concurrent.atomic.AtomicLong

/** Something of the host's that the core calls by a number: a sink or a signer. */
internal interface Hosted {
    fun deliver(job: DeliverJob)

    fun health(job: HealthJob)

    fun sign(job: SignJob)
}

/**
 * Fetches what the core has to say (bindings-jvm/src/mail.rs), on one daemon thread that lives while an emitter is open, a
 * host's sink is in use, or somebody waits.
 */
internal object Mailbox {
    private const val LOOK_MS = 500UL
    private val numbers = AtomicLong()
    private val waiting = ConcurrentHashMap<Long, CompletableFuture<String>>()
    private val hosts = ConcurrentHashMap<Long, Hosted>()
    private val emitters = AtomicInteger()
    private var thread: Thread? = null

    /** Runs the host's own code: daemon threads, which end when they have nothing to do. */
    val pool =
        ThreadPoolExecutor(0, Int.MAX_VALUE, 2, TimeUnit.SECONDS, SynchronousQueue()) { run ->
            Thread(run, "sinkwell-host").apply { isDaemon = true }
        }

    /** Starts something that will be told of; the future completes on the mailbox's own thread. */
    fun await(start: (ULong) -> Unit): CompletableFuture<String> = begin { token, _ -> start(token.toULong()) }

    /** [await] of what may be over when it is started: then it completes the future itself, and nothing will be told. */
    fun begin(start: (Long, CompletableFuture<String>) -> Unit): CompletableFuture<String> {
        val token = numbers.incrementAndGet()
        val future = CompletableFuture<String>()
        waiting[token] = future
        run()
        try {
            start(token, future)
        } catch (e: Throwable) {
            waiting.remove(token)
            throw e
        }
        if (future.isDone) waiting.remove(token)
        return future
    }

    fun host(hosted: Hosted): ULong {
        val id = numbers.incrementAndGet()
        hosts[id] = hosted
        run()
        return id.toULong()
    }

    /** The core never took it. */
    fun unhost(id: ULong) {
        hosts.remove(id.toLong())
    }

    fun opened() {
        emitters.incrementAndGet()
        run()
    }

    fun closed() {
        emitters.decrementAndGet()
    }

    @Synchronized
    private fun run() {
        if (thread == null) {
            thread =
                Thread(::fetch, "sinkwell-mail").apply {
                    isDaemon = true
                    start()
                }
        }
    }

    private val idle: Boolean get() = waiting.isEmpty() && hosts.isEmpty() && emitters.get() <= 0

    private fun fetch() {
        while (true) {
            val mail = takeMail(LOOK_MS)
            mail.forEach {
                try {
                    deal(it)
                } catch (e: Throwable) {
                    Diagnostics.log(1, "a message of the core's could not be dealt with: ${e.javaClass.name}")
                }
            }
            if (mail.isEmpty() && idle) {
                synchronized(this) {
                    if (idle) {
                        thread = null
                        return
                    }
                }
            }
        }
    }

    private fun deal(mail: Mail) {
        when (mail) {
            is Mail.Done -> waiting.remove(mail.token.toLong())?.complete(mail.result)
            is Mail.Failed -> waiting.remove(mail.token.toLong())?.completeExceptionally(exception(mail.failure))
            is Mail.Deliver -> hand(mail.sink, mail.job) { it.deliver(mail.job) }
            is Mail.Health -> hand(mail.sink, mail.job) { it.health(mail.job) }
            is Mail.Sign -> hand(mail.signer, mail.job) { it.sign(mail.job) }
            is Mail.Free -> hosts.remove(mail.host.toLong())
            is Mail.Log -> Diagnostics.log(mail.level.toInt(), mail.message)
        }
    }

    private fun hand(
        host: ULong,
        job: AutoCloseable,
        call: (Hosted) -> Unit,
    ) {
        val hosted = hosts[host.toLong()] ?: return job.close()
        // A job that is closed unanswered has failed.
        try {
            pool.execute {
                try {
                    job.use { call(hosted) }
                } catch (e: Throwable) {
                    Diagnostics.log(1, "what a sink or signer answered could not be passed on: ${e.javaClass.name}")
                }
            }
        } catch (e: Throwable) {
            // There is no thread for it.
            job.close()
            throw e
        }
    }

    private fun exception(failure: Failed) = SinkwellException.of(failure.kind, failure.what, failure.place)
}

/**
 * The core's diagnostics, in the host's own logger: on a daemon thread of their own, which ends when there is nothing to say, as a logger
 * may take long, or for ever. So many wait for it; those beyond are counted, and the logger is told how many there were.
 */
internal object Diagnostics {
    private const val WAITING = 1000
    private const val SETTLE_MS = 500L
    private val logger: System.Logger by lazy { System.getLogger("sinkwell") }
    private val leftOut = AtomicLong()
    private val writer =
        ThreadPoolExecutor(
            0,
            1,
            2,
            TimeUnit.SECONDS,
            LinkedBlockingQueue(WAITING),
            { run -> Thread(run, "sinkwell-log").apply { isDaemon = true } },
            { task, _ -> if (task is FutureTask<*>) task.cancel(false) else leftOut.incrementAndGet() },
        )

    fun log(
        level: Int,
        message: String,
    ) {
        // Where there is no thread for it, nobody is left to be told.
        runCatching {
            writer.execute {
                write(level, message)
                val more = leftOut.getAndSet(0)
                if (more > 0) write(2, "$more diagnostics were left out, as the logger did not take those before them")
            }
        }
    }

    /** Waits until the logger has what was said until now; not for a logger that takes long. */
    fun settle() {
        if (HostCall.isInside) return
        val said = FutureTask {}
        runCatching {
            writer.execute(said)
            said.get(SETTLE_MS, TimeUnit.MILLISECONDS)
        }.onFailure { if (it is InterruptedException) Thread.currentThread().interrupt() }
    }

    private fun write(
        level: Int,
        message: String,
    ) {
        val at =
            when (level) {
                1 -> System.Logger.Level.ERROR
                2 -> System.Logger.Level.WARNING
                else -> System.Logger.Level.INFO
            }
        // A handler of ours must not take them for events of the host's.
        HostCall.within { runCatching { logger.log(at, message) } }
    }
}

/** Whether this thread runs something of the host's for the core: an emit there never waits. */
internal object HostCall {
    private val depth = ThreadLocal<Int>()

    val isInside: Boolean get() = depth.get() != null

    inline fun <T> within(run: () -> T): T {
        val before = depth.get()
        depth.set((before ?: 0) + 1)
        try {
            return run()
        } finally {
            if (before == null) depth.remove() else depth.set(before)
        }
    }
}

/** Runs a call of the core; its error becomes an exception. */
internal inline fun <T> core(call: () -> T): T =
    try {
        call()
    } catch (e: Failure.Core) {
        throw SinkwellException.of(e.kind, e.what, e.place)
    } catch (_: CharacterCodingException) {
        throw SinkwellException.of("invalid_argument", "a text ${Texts.REFUSED}", null)
    } catch (e: InternalException) {
        throw SinkwellException.of("internal", "a defect of sinkwell was contained; please report it: ${e.message}", null)
    }
