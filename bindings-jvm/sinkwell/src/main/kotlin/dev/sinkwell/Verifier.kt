package dev.sinkwell

import dev.sinkwell.internal.Json
import dev.sinkwell.internal.Key
import dev.sinkwell.internal.Library
import dev.sinkwell.internal.Texts
import dev.sinkwell.internal.Verification
import dev.sinkwell.internal.core
import java.nio.file.Path
import java.time.Duration

/** A key to verify with. */
public class TrustedKey private constructor(
    private val file: String?,
    private val bytes: ByteArray?,
    private val agent: String?,
) {
    /** The same key, trusted only for agents that match, where `*` stands for any text. */
    public fun agent(glob: String?): TrustedKey = TrustedKey(file, bytes, glob)

    internal fun native(id: String) =
        Key(
            Texts.argument(id, "keys"),
            file?.let { Texts.argument(it, "keys.$id") },
            bytes,
            agent?.let { Texts.argument(it, "keys.$id.agent") },
        )

    public companion object {
        /** `hmac:FILE` (the key's bytes as they are), `ed25519:FILE` or a file alone (SPKI PEM). */
        @JvmStatic
        public fun file(named: String): TrustedKey = TrustedKey(named, null, null)

        /** An SPKI PEM. */
        @JvmStatic
        public fun file(path: Path): TrustedKey = file(path.toString())

        /** The key itself: `hmac:` and its bytes, or an SPKI PEM. */
        @JvmStatic
        public fun bytes(bytes: ByteArray): TrustedKey = TrustedKey(null, bytes, null)

        /** A raw HMAC key. */
        @JvmStatic
        public fun hmac(key: ByteArray): TrustedKey = bytes("hmac:".encodeToByteArray() + key)
    }
}

/** How envelopes are verified. */
public class VerificationOptions {
    internal var checkpoints: List<Path> = emptyList()
    internal var lanes: List<String> = emptyList()
    internal var silence: Duration? = null
    internal var edges = false
    internal var strict = false
    internal var partial = false

    /** Checkpoints that were kept beside the envelopes. */
    public fun checkpoints(vararg files: Path): VerificationOptions = apply { checkpoints = files.asList() }

    /** Lanes of which the input should hold something. */
    public fun lanes(vararg lanes: String): VerificationOptions = apply { this.lanes = lanes.asList() }

    /** Streams not heard of for so long are reported. */
    public fun silence(silence: Duration?): VerificationOptions = apply { this.silence = silence }

    /** Authorization edges that lead nowhere are reported. */
    public fun edges(edges: Boolean): VerificationOptions = apply { this.edges = edges }

    /** Notes and declared losses are findings, too. */
    public fun strict(strict: Boolean): VerificationOptions = apply { this.strict = strict }

    /** The input is a part of what was written. */
    public fun partial(partial: Boolean): VerificationOptions = apply { this.partial = partial }
}

/** What `sinkwell verify --format json` prints. */
public class VerificationReport internal constructor(
    text: String,
) {
    /** All of it, by its names there. */
    public val json: Map<String, Any?> = Json.map(text)

    /** `sound`, `incomplete`, `unchecked` or `findings`. */
    public val verdict: String get() = json["verdict"] as String

    /** Whether every signature verified, the chain is whole and nothing is missing. */
    public val isSound: Boolean get() = verdict == "sound"

    override fun toString(): String = verdict
}

/** Says what files of events prove. */
public object Verifier {
    /**
     * Verifies files or folders of envelopes.
     *
     * @param keys whom to trust, by key id; without one nothing is better than `unchecked`
     */
    @JvmStatic
    @JvmOverloads
    public fun verify(
        inputs: List<Path>,
        keys: Map<String, TrustedKey>,
        options: VerificationOptions = VerificationOptions(),
    ): VerificationReport = report(inputs, emptyList(), keys, options)

    /** Verifies a file or a folder of envelopes. */
    @JvmStatic
    @JvmOverloads
    public fun verify(
        input: Path,
        keys: Map<String, TrustedKey>,
        options: VerificationOptions = VerificationOptions(),
    ): VerificationReport = verify(listOf(input), keys, options)

    /** Verifies what a file would hold. */
    @JvmStatic
    @JvmOverloads
    public fun verify(
        lines: ByteArray,
        keys: Map<String, TrustedKey>,
        options: VerificationOptions = VerificationOptions(),
    ): VerificationReport = report(emptyList(), listOf(lines), keys, options)

    private fun report(
        inputs: List<Path>,
        given: List<ByteArray>,
        keys: Map<String, TrustedKey>,
        options: VerificationOptions,
    ): VerificationReport {
        Library.ensure()
        val asked =
            Verification(
                inputs = inputs.mapIndexed { i, path -> Texts.argument(path, "inputs[$i]") },
                given = given,
                keys = keys.map { (id, key) -> key.native(id) },
                checkpoints = options.checkpoints.mapIndexed { i, path -> Texts.argument(path, "checkpoints[$i]") },
                lanes = options.lanes.mapIndexed { i, lane -> Texts.argument(lane, "lanes[$i]") },
                silenceMs = options.silence?.let(::millisOf)?.toULong(),
                edges = options.edges,
                strict = options.strict,
                partial = options.partial,
            )
        return VerificationReport(core { dev.sinkwell.internal.verify(asked) })
    }

    internal fun verifyEnvelope(
        line: ByteArray,
        keys: Map<String, TrustedKey>,
    ): Boolean {
        Library.ensure()
        return core { dev.sinkwell.internal.verifyEnvelope(line, keys.map { (id, key) -> key.native(id) }) }
    }
}
