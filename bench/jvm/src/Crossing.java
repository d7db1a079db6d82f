import dev.sinkwell.Emitter;
import dev.sinkwell.internal.Fast;
import dev.sinkwell.internal.NativeEmitter;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.logs.Logger;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.logs.SdkLoggerProvider;
import io.opentelemetry.sdk.logs.data.LogRecordData;
import io.opentelemetry.sdk.logs.export.BatchLogRecordProcessor;
import io.opentelemetry.sdk.logs.export.LogRecordExporter;
import java.lang.reflect.Field;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;

/**
 * What an event costs its caller: by {@code put} (values, then JNI), the same buffer by JNI and by uniffi, and OpenTelemetry's SDK
 * with the same twelve attributes into an exporter that keeps nothing. Five interleaved rounds after one to warm up; p50 and p90 in
 * nanoseconds.
 */
public final class Crossing {
    private static final int EVENTS = Integer.getInteger("events", 20_000);

    private Crossing() {}

    public static void main(String[] arguments) throws Exception {
        var emitter = Emitter.open(Map.of("lanes", List.of("memory"), "heartbeat", "off"));
        Field field = Emitter.class.getDeclaredField("native");
        field.setAccessible(true);
        var nativeEmitter = (NativeEmitter) field.get(emitter);
        var buffer = buffer();
        var address = nativeEmitter.address();
        var candidates = new LinkedHashMap<String, LongConsumer>();
        candidates.put("put", n -> emitter.put("com.example.called", data(n)));
        candidates.put("emit", n -> emitter.emit("com.example.called", data(n)));
        candidates.put("buffer by JNI", n -> Fast.emit(address, buffer, buffer.length, false, 0));
        candidates.put("buffer by uniffi", n -> byUniffi(nativeEmitter, buffer));
        var logger = openTelemetry();
        candidates.put("OpenTelemetry", n -> logger.logRecordBuilder().setEventName("com.example.called").setAllAttributes(attributes(n)).emit());
        for (var round = 0; round <= 5; round++) {
            for (var candidate : candidates.entrySet()) {
                var took = measure(candidate.getValue());
                emitter.flush();
                if (round > 0) {
                    System.out.printf("%d\t%s\t%d\t%d%n", round, candidate.getKey(), took[EVENTS / 2], took[EVENTS * 9 / 10]);
                }
            }
        }
        emitter.close();
    }

    private static void byUniffi(NativeEmitter emitter, byte[] buffer) {
        try {
            emitter.emit(buffer, 0);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static long[] measure(LongConsumer emit) {
        var took = new long[EVENTS];
        for (var i = 0; i < EVENTS; i++) {
            var start = System.nanoTime();
            emit.accept(i);
            took[i] = System.nanoTime() - start;
        }
        Arrays.sort(took);
        return took;
    }

    private static Map<String, Object> data(long n) {
        var data = new LinkedHashMap<String, Object>();
        data.put("agent.version", "2.4.1");
        data.put("decision", "allow");
        data.put("gen_ai.request.model", "small-1");
        data.put("policy", "tools-by-name");
        data.put("resource", "tool:search");
        data.put("session.id", "0198c0de-0000-7000-8000-000000000001");
        data.put("summary", "searched the catalogue for a blue chair");
        data.put("tool.name", "search");
        data.put("usage.call", n);
        data.put("usage.duration_ms", 18.25);
        data.put("usage.input_tokens", 1843L);
        data.put("user.confirmed", true);
        return data;
    }

    private static Attributes attributes(long n) {
        return Attributes.builder()
                .put("agent.version", "2.4.1")
                .put("decision", "allow")
                .put("gen_ai.request.model", "small-1")
                .put("policy", "tools-by-name")
                .put("resource", "tool:search")
                .put("session.id", "0198c0de-0000-7000-8000-000000000001")
                .put("summary", "searched the catalogue for a blue chair")
                .put("tool.name", "search")
                .put("usage.call", n)
                .put("usage.duration_ms", 18.25)
                .put("usage.input_tokens", 1843L)
                .put("user.confirmed", true)
                .build();
    }

    /** The event's fields: its type, and an object of one member. */
    private static byte[] buffer() {
        var type = "com.example.called".getBytes();
        var out = java.nio.ByteBuffer.allocate(256).order(java.nio.ByteOrder.LITTLE_ENDIAN);
        out.put((byte) 1).putInt(type.length).put(type);
        out.put((byte) 20).putInt(1 + 1 + 4 + 1 + 9 + 1).put((byte) '{').put((byte) 'k').putInt(1).put((byte) 'n');
        out.put((byte) 'i').putLong(7).put((byte) '}');
        return Arrays.copyOf(out.array(), out.position());
    }

    private static Logger openTelemetry() {
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
                .build()
                .get("bench");
    }
}
