import dev.sinkwell.SinkwellException;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;

/** One load on one candidate. */
final class Measure {
    /** As many as the JVM needs to compile what is hot a second time. */
    private static final int WARM_UP = 30_000;

    private static final int WARM_UP_PART = 500;

    private Measure() {}

    /** How events come: a burst at a time, every so often; without a burst as fast as one thread can. */
    record Load(int events, int burst, long everyNanos) {
        static Load read(String text) {
            var parts = text.split(":");
            var n = Arrays.stream(parts).skip(1).mapToInt(Integer::parseInt).toArray();
            if (parts[0].equals("hot") && n.length == 1) {
                return new Load(n[0], 0, 0);
            }
            if (parts[0].equals("paced") && n.length == 2) {
                return new Load(n[1], 1, 1_000_000_000L / n[0]);
            }
            if (parts[0].equals("bursts") && n.length == 3) {
                return new Load(n[1], Math.max(n[0] * n[2] / 1000, 1), n[2] * 1_000_000L);
            }
            throw new IllegalArgumentException("a load is hot:N, paced:RATE:N or bursts:RATE:N:EVERY_MS, not " + text);
        }

        /** Waits for the n-th event's time. */
        void await(int n, long start) {
            if (burst == 0 || n % burst != 0) {
                return;
            }
            var due = start + everyNanos * (n / burst);
            for (var left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
                LockSupport.parkNanos(left);
            }
        }
    }

    static Map<String, Number> run(Candidate candidate, Load load) throws Exception {
        // In parts, so that nobody loses any of it: an exporter's first call takes long.
        var early = new long[WARM_UP_PART];
        for (var done = 0; done < WARM_UP; done += WARM_UP_PART) {
            var refused = drive(candidate, new Load(WARM_UP_PART, 100, 2_000_000), early);
            if (refused > 0) {
                throw new IllegalStateException(refused + " refused while warming up");
            }
            candidate.flush().run();
        }
        var nanos = new long[load.events()];
        // Not the candidate's memory, and there before it is counted.
        Arrays.fill(nanos, 1);
        System.gc();
        Thread.sleep(200);
        try {
            // The peak is of what follows.
            Files.writeString(Path.of("/proc/self/clear_refs"), "5");
        } catch (IOException e) {
            // Then it is since the process began.
        }
        var idle = resident("VmRSS:");
        var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        var process = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        var cpu = process.getProcessCpuTime();
        var start = System.nanoTime();
        var own = threads.getCurrentThreadCpuTime();
        var allocated = threads.getCurrentThreadAllocatedBytes();
        var refused = drive(candidate, load, nanos);
        allocated = threads.getCurrentThreadAllocatedBytes() - allocated;
        own = threads.getCurrentThreadCpuTime() - own;
        var figures = new LinkedHashMap<String, Number>(candidate.settle().call());
        figures.put("wall_s", (System.nanoTime() - start) / 1e9);
        figures.put("cpu_s", (process.getProcessCpuTime() - cpu) / 1e9);
        figures.put("warm_up", WARM_UP);
        figures.put("offered", load.events());
        figures.put("refused", refused);
        figures.put("idle_kb", idle);
        figures.put("growth_kb", resident("VmHWM:") - idle);
        figures.put("alloc_bytes", (double) allocated / load.events());
        figures.put("caller_cpu_ns", (double) own / load.events());
        figures.put("mean_ns", Arrays.stream(nanos).average().orElse(0));
        Arrays.sort(nanos);
        figures.put("p50_ns", at(nanos, 0.5));
        figures.put("p99_ns", at(nanos, 0.99));
        figures.put("p999_ns", at(nanos, 0.999));
        return figures;
    }

    private static long at(long[] sorted, double share) {
        return sorted[(int) ((sorted.length - 1) * share)];
    }

    /** Emits under the load, and says how many were refused. */
    private static int drive(Candidate candidate, Load load, long[] nanos) {
        var refused = 0;
        var emit = candidate.emit();
        var start = System.nanoTime();
        for (var n = 0; n < load.events(); n++) {
            load.await(n, start);
            var begin = System.nanoTime();
            try {
                emit.accept(n);
            } catch (SinkwellException e) {
                if (refused++ == 0) {
                    System.err.println(e);
                }
            }
            nanos[n] = System.nanoTime() - begin;
        }
        return refused;
    }

    /** A figure of /proc/self/status in kB. */
    private static long resident(String name) throws IOException {
        try (var lines = Files.lines(Path.of("/proc/self/status"))) {
            var line = lines.filter(each -> each.startsWith(name)).findFirst().orElseThrow();
            return Long.parseLong(line.split("\\s+")[1]);
        }
    }
}
