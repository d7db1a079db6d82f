package dev.sinkwell.internal

import dev.sinkwell.UnsupportedException
import java.io.IOException
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardCopyOption
import java.nio.file.attribute.PosixFilePermissions

/**
 * Loads the native half, once per class loader: each has a copy of its own, and so emitters of its own.
 *
 * The file is that of the system property `sinkwell.library`, or else lies in the jar of the platform. That one is unpacked
 * into a folder that only this user can enter, and deleted as soon as it is loaded.
 */
internal object Library {
    /** The version of the native half. */
    val version: String = load()

    /** Called first by everything that calls the native half. */
    fun ensure() = Unit

    private fun load(): String {
        val given = System.getProperty("sinkwell.library")?.let { Path.of(it).toAbsolutePath() }
        if (given != null) {
            // Another class loader may have loaded this very file: then this one takes a copy.
            runCatching { bind(given) }.exceptionOrNull()?.let { failure ->
                if (failure !is UnsatisfiedLinkError || !Files.isReadable(given) || "another classloader" !in "${failure.message}") {
                    throw unsupported("the file that sinkwell.library names cannot be loaded: $given", failure)
                }
                unpacked { target -> Files.copy(given, target, StandardCopyOption.REPLACE_EXISTING) }
            }
            return begin()
        }
        val name = "/dev/sinkwell/native/$platform/libsinkwell_jvm.so"
        val own = Library::class.java
        // On a module path a class sees what is in its own jar, and its loader what is in the others.
        val packed =
            own.getResourceAsStream(name) ?: own.classLoader?.getResourceAsStream(name.substring(1))
                ?: throw unsupported(
                    "there is no native library for $platform on the class path or the module path; add dev.sinkwell:sinkwell-$platform, " +
                        "or name the file with -Dsinkwell.library=PATH",
                    null,
                )
        packed.use { unpacked { target -> Files.copy(it, target, StandardCopyOption.REPLACE_EXISTING) } }
        return begin()
    }

    private fun unpacked(write: (Path) -> Unit) {
        val folder = Files.createTempDirectory("sinkwell-", PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")))
        val file = folder.resolve("libsinkwell_jvm.so")
        try {
            Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))
            Files.newOutputStream(file).close()
            write(file)
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"))
            bind(file)
        } catch (e: IOException) {
            throw unsupported("the native library cannot be unpacked into $folder; set java.io.tmpdir, or sinkwell.library", e)
        } catch (e: UnsatisfiedLinkError) {
            throw unsupported(
                "the native library cannot be loaded from $folder (a file system mounted noexec?); set java.io.tmpdir, or sinkwell.library",
                e,
            )
        } finally {
            // What is loaded stays in memory.
            Files.deleteIfExists(file)
            Files.deleteIfExists(folder)
        }
    }

    @Suppress("UnsafeDynamicallyLoadedCode")
    private fun bind(file: Path) {
        System.load(file.toString())
        System.setProperty("uniffi.component.sinkwell.libraryOverride", file.toString())
        try {
            uniffiEnsureInitialized()
        } finally {
            System.clearProperty("uniffi.component.sinkwell.libraryOverride")
        }
    }

    private val platform: String
        get() {
            val system = System.getProperty("os.name").lowercase()
            val machine =
                when (val arch = System.getProperty("os.arch").lowercase()) {
                    "amd64", "x86_64" -> "x86-64"
                    else -> arch
                }
            return "${if ("linux" in system) "linux" else system.replace(' ', '-')}-$machine"
        }

    private fun unsupported(
        what: String,
        cause: Throwable?,
    ) = UnsupportedException(if (cause == null) what else "$what: ${cause.message}", "library").apply { initCause(cause) }
}

/** The calls that have to be cheap, over JNI; see bindings-jvm/src/emit.rs, keys.rs and ask.rs. */
internal object Fast {
    /** 0, or the address that [Question] tells about. */
    @JvmStatic
    external fun emit(
        emitter: Long,
        buffer: ByteArray,
        length: Int,
        units: CharArray,
        count: Int,
        keep: Boolean,
        waitedMs: Long,
    ): Long

    /** Makes keys known; their number, or -1. */
    @JvmStatic
    external fun know(
        keys: ByteArray,
        length: Int,
    ): Int

    /** See [Question]. */
    @JvmStatic
    external fun ask(
        what: Int,
        handle: Long,
        bytes: ByteArray,
        length: Int,
        number: Long,
    ): ByteArray?

    /** Drops what an emit came to. */
    @JvmStatic
    external fun forget(address: Long)
}
