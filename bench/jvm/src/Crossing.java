import dev.sinkwell.Emitter;
import dev.sinkwell.OpenOptions;
import dev.sinkwell.internal.Bounds;
import dev.sinkwell.internal.Buffer;
import dev.sinkwell.internal.Draft;
import dev.sinkwell.internal.Fast;
import dev.sinkwell.internal.NativeEmitter;
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.logs.SdkLoggerProvider;
import io.opentelemetry.sdk.logs.data.LogRecordData;
import io.opentelemetry.sdk.logs.export.BatchLogRecordProcessor;
import io.opentelemetry.sdk.logs.export.LogRecordExporter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.LongConsumer;

/**
 * What an event costs its caller, by its parts, and OpenTelemetry's SDK with the same twelve attributes into an exporter that keeps
 * nothing: bursts of 256 from a warm thread, in nanoseconds an event: the fastest burst, and the median one. The emitter has no
 * threads, and its lanes are drained between bursts, so that the fastest says something on a machine that others use, too.
 *
 * <pre>
 * java [-Dlanes=1] [-Drounds=20] [-Donly=put,event] -cp … Crossing
 * </pre>
 */
public final class Crossing {
    private static final Bounds BOUNDS = new Bounds(64, 1 << 20);
    private static final int BURST = 256;
    private static final int BURSTS = 60;
    private static final int LANES = Integer.getInteger("lanes", 1);
    private static final int ROUNDS = Integer.getInteger("rounds", 20);

    /** What is made is kept for a moment, so that it is made at all. */
    private static Object made;

    private static long sum;

    private Crossing() {}

    public static void main(String[] arguments) throws Exception {
        var lanes = new ArrayList<Map<String, Object>>();
        for (var i = 0; i < LANES; i++) {
            lanes.add(Map.of("id", "lane-" + i, "sink", "memory"));
        }
        var emitter = Emitter.open(Map.of("lanes", lanes, "heartbeat", "off"), new OpenOptions().manual(true));
        Runnable drain = () -> lanes.forEach(lane -> emitter.drain((String) lane.get("id")));
        var field = Emitter.class.getDeclaredField("native");
        field.setAccessible(true);
        var uniffi = (NativeEmitter) field.get(emitter);
        var address = uniffi.address();
        var map = Event.data(7);
        var whole = buffer(map, true);
        var bare = buffer(null, true);
        var bytes = buffer(map, false).copy();
        var provider = openTelemetry();
        var logger = provider.get("bench");
        Runnable nothing = () -> {};
        Runnable flush = () -> provider.forceFlush().join(10, TimeUnit.SECONDS);
        var candidates = new LinkedHashMap<String, Candidate>();
        candidates.put("a map of twelve members", new Candidate(n -> made = Event.data(n), nothing));
        candidates.put("its values in the buffer", new Candidate(n -> write(map), nothing));
        candidates.put("the crossing, without data", new Candidate(n -> sum += cross(address, bare), drain));
        candidates.put("the crossing, with data", new Candidate(n -> sum += cross(address, whole), drain));
        candidates.put("the same by uniffi", new Candidate(n -> byUniffi(uniffi, bytes), drain));
        candidates.put("put", new Candidate(n -> emitter.put(Event.TYPE, Event.data(n)), drain));
        candidates.put("emit", new Candidate(n -> made = emitter.emit(Event.TYPE, Event.data(n)), drain));
        candidates.put("event", new Candidate(n -> Event.members(emitter.event(Event.TYPE), n).put(), drain));
        candidates.put("a log record", new Candidate(
                n -> emitter.emitLog(Map.of("level", "info", "logger", "shop", "message", "hello")), drain));
        candidates.put("a deed", new Candidate(n -> made = deed(emitter, n), drain));
        candidates.put("OpenTelemetry: attributes", new Candidate(n -> made = Event.attributes(n), nothing));
        candidates.put("OpenTelemetry: the record", new Candidate(
                n -> logger.logRecordBuilder()
                        .setSeverity(Severity.INFO)
                        .setEventName(Event.TYPE)
                        .setAllAttributes(Event.attributes(n))
                        .emit(),
                flush));
        var only = System.getProperty("only");
        if (only != null) {
            candidates.keySet().retainAll(List.of(only.split(",")));
        }
        for (var round = 1; round <= ROUNDS; round++) {
            for (var candidate : candidates.entrySet()) {
                var took = measure(candidate.getValue());
                if (round == ROUNDS) {
                    System.out.printf("%-28s %6d %6d%n", candidate.getKey(), took[0] / BURST, took[BURSTS / 2] / BURST);
                }
            }
        }
        Runtime.getRuntime().halt(0);
    }

    private record Candidate(LongConsumer emit, Runnable after) {}

    private static long[] measure(Candidate candidate) {
        var took = new long[BURSTS];
        for (var burst = 0; burst < BURSTS; burst++) {
            var start = System.nanoTime();
            for (var i = 0; i < BURST; i++) {
                candidate.emit().accept(i);
            }
            took[burst] = System.nanoTime() - start;
            candidate.after().run();
        }
        Arrays.sort(took);
        return took;
    }

    /** An event as it crosses, its keys known: as often as that takes. */
    private static Buffer buffer(Map<String, Object> data, boolean apart) {
        Buffer out = null;
        for (var i = 0; i < 5; i++) {
            out = new Buffer();
            Draft.INSTANCE.write(out, Event.TYPE, data, null, BOUNDS, apart);
        }
        return out;
    }

    private static void write(Map<String, Object> data) {
        var out = Buffer.Companion.take();
        Draft.INSTANCE.write(out, Event.TYPE, data, null, BOUNDS, true);
        sum += out.length;
        Buffer.Companion.give(out);
    }

    private static long cross(long emitter, Buffer buffer) {
        return Fast.emit(emitter, buffer.bytes, buffer.length, buffer.units, buffer.count, false, 0);
    }

    private static void byUniffi(NativeEmitter emitter, byte[] buffer) {
        try {
            emitter.emit(buffer, 0).destroy();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static long deed(Emitter emitter, long n) {
        return emitter.deed(Event.TYPE, Map.of("n", n), null, null, deed -> n);
    }

    private static SdkLoggerProvider openTelemetry() {
        var exporter = new LogRecordExporter() {
            @Override
            public CompletableResultCode export(Collection<LogRecordData> logs) {
                return CompletableResultCode.ofSuccess();
            }

            @Override
            public CompletableResultCode flush() {
                return CompletableResultCode.ofSuccess();
            }

            @Override
            public CompletableResultCode shutdown() {
                return CompletableResultCode.ofSuccess();
            }
        };
        return SdkLoggerProvider.builder()
                .addLogRecordProcessor(BatchLogRecordProcessor.builder(exporter).build())
                .build();
    }
}
