import ch.qos.logback.classic.AsyncAppender;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.JsonEncoder;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.Appender;
import ch.qos.logback.core.FileAppender;
import dev.sinkwell.Emitter;
import dev.sinkwell.logging.SinkwellAppender;
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.exporter.otlp.http.logs.OtlpHttpLogRecordExporter;
import io.opentelemetry.sdk.logs.SdkLoggerProvider;
import io.opentelemetry.sdk.logs.export.BatchLogRecordProcessor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.LongConsumer;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.slf4j.LoggerFactory;

/**
 * Somebody who is measured.
 *
 * @param emit emits the n-th event
 * @param flush waits until everything so far is delivered
 * @param settle ends it, and tells what it knows
 */
record Candidate(LongConsumer emit, Runnable flush, Callable<Map<String, Number>> settle) {
    private static final String KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    static Candidate open(String name, String port, String dir) throws Exception {
        return switch (name) {
            case "otel" -> openTelemetry(port);
            case "three" -> ours(three(port, dir, Map.of()), Candidate::byEmit);
            case "three-put" -> ours(three(port, dir, Map.of()), Candidate::byPut);
            case "three-attrs" -> ours(three(port, dir, Map.of()), Candidate::byMembers);
            case "three-block" -> ours(three(port, dir, Map.of("overflow", "block")), Candidate::byEmit);
            case "three-logback" -> oursLogged(three(port, dir, Map.of()));
            case "otlp" -> ours(document(List.of(otlp(port, Map.of()))), Candidate::byEmit);
            case "convert" -> ours(document(List.of(otlp(port, Map.of()))), Candidate::byPut);
            case "convert-attrs" -> ours(document(List.of(otlp(port, Map.of()))), Candidate::byMembers);
            case "convert-nothing" ->
                ours(document(List.of(otlp(port, Map.of()))), emitter -> n -> emitter.put(Event.TYPE));
            case "logback" -> logback(dir, false);
            case "logback-async" -> logback(dir, true);
            case "hand" -> byHand(dir);
            default -> throw new IllegalArgumentException("no candidate is called " + name);
        };
    }

    private static Path peerFile(String dir) {
        return Path.of(dir, "peer.ndjson");
    }

    private static Map<String, Object> lane(String id, Map<String, Object> more, Object sink) {
        var lane = new LinkedHashMap<String, Object>(Map.of("id", id, "batch", Map.of("linger", "200ms"), "sink", sink));
        lane.putAll(more);
        return lane;
    }

    private static Map<String, Object> otlp(String port, Map<String, Object> more) {
        return lane("otlp", more, Map.of("otlp", Map.of(
                "endpoint", "http://127.0.0.1:" + port, "protocol", "http/protobuf", "compression", "none")));
    }

    /** Three lanes as the bars ask for: memory, file, OTLP. */
    private static Map<String, Object> three(String port, String dir, Map<String, Object> more) {
        return document(List.of(
                lane("memory", more, "memory"),
                lane("file", more, Map.of("file", Map.of("path", Path.of(dir, "events.ndjson").toString()))),
                otlp(port, more)));
    }

    private static Map<String, Object> document(List<Map<String, Object>> lanes) {
        return Map.of(
                "agent", Map.of("id", "urn:example:agent"),
                "key", Map.of("id", "k1", "hmac_sha256", Map.of("base64", KEY)),
                "lanes", lanes);
    }

    private static Candidate ours(Map<String, Object> config, Function<Emitter, LongConsumer> through) {
        var emitter = Emitter.open(config);
        return new Candidate(through.apply(emitter), emitter::flush, () -> ended(emitter));
    }

    private static Map<String, Number> ended(Emitter emitter) {
        emitter.shutdown(Duration.ofMinutes(1));
        // Of a disabled emitter there are none.
        var counters = emitter.counters().get("otlp");
        if (counters == null) {
            return Map.of();
        }
        return Map.of(
                "otlp_own", (Number) counters.get("own"),
                "otlp_dropped", (Number) counters.get("dropped"),
                "otlp_rejected", (Number) counters.get("rejected"));
    }

    /** As most programs will: a map, and a receipt that nobody looks at. */
    private static LongConsumer byEmit(Emitter emitter) {
        return n -> emitter.emit(Event.TYPE, Event.data(n));
    }

    private static LongConsumer byPut(Emitter emitter) {
        return n -> emitter.put(Event.TYPE, Event.data(n));
    }

    /** Member by member, which is what OpenTelemetry's builder of attributes does. */
    private static LongConsumer byMembers(Emitter emitter) {
        return n -> Event.members(emitter.event(Event.TYPE), n).put();
    }

    /** Through Logback. Of a record sinkwell seals its logger, level and time, and the rest as content. */
    private static Candidate oursLogged(Map<String, Object> config) {
        var emitter = Emitter.open(config);
        return logged(new SinkwellAppender(emitter), emitter::flush, () -> ended(emitter));
    }

    /** The SDK's batch processor and OTLP exporter as they are by default. */
    private static Candidate openTelemetry(String port) {
        var exporter = OtlpHttpLogRecordExporter.builder()
                .setEndpoint("http://127.0.0.1:" + port + "/v1/logs")
                .build();
        var provider = SdkLoggerProvider.builder()
                .addLogRecordProcessor(BatchLogRecordProcessor.builder(exporter).build())
                .build();
        var logger = provider.get("bench");
        return new Candidate(
                n -> logger.logRecordBuilder()
                        .setSeverity(Severity.INFO)
                        .setEventName(Event.TYPE)
                        .setAllAttributes(Event.attributes(n))
                        .emit(),
                () -> provider.forceFlush().join(1, TimeUnit.MINUTES),
                () -> {
                    provider.shutdown().join(1, TimeUnit.MINUTES);
                    return Map.of();
                });
    }

    /** Logback as JSON to a file, on the caller's thread or by its own queue, both as they are by default. */
    private static Candidate logback(String dir, boolean isAsync) {
        var context = loggers();
        var encoder = new JsonEncoder();
        encoder.setContext(context);
        encoder.start();
        var file = new FileAppender<ILoggingEvent>();
        file.setContext(context);
        file.setFile(peerFile(dir).toString());
        file.setEncoder(encoder);
        file.start();
        Appender<ILoggingEvent> appender = file;
        if (isAsync) {
            var queue = new AsyncAppender();
            queue.addAppender(file);
            appender = queue;
        }
        return logged(context, appender, () -> {}, Map::of);
    }

    /** SLF4J's own, without what Logback puts in by default. */
    private static LoggerContext loggers() {
        var context = (LoggerContext) LoggerFactory.getILoggerFactory();
        context.reset();
        return context;
    }

    private static Candidate logged(Appender<ILoggingEvent> appender, Runnable flush, Callable<Map<String, Number>> settle) {
        return logged(loggers(), appender, flush, settle);
    }

    private static Candidate logged(
            LoggerContext context, Appender<ILoggingEvent> appender, Runnable flush, Callable<Map<String, Number>> settle) {
        appender.setContext(context);
        if (!appender.isStarted()) {
            appender.start();
        }
        var logger = context.getLogger("bench");
        logger.addAppender(appender);
        return new Candidate(n -> Event.log(logger.atInfo(), n), flush, () -> {
            context.stop();
            return settle.call();
        });
    }

    /**
     * Signs each event where it happens, as toolkits for agents do: sorted JSON, the hash of the one before, HMAC, append.
     */
    private static Candidate byHand(String dir) throws Exception {
        var file = Files.newOutputStream(peerFile(dir), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        var mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(Base64.getDecoder().decode(KEY), "HmacSHA256"));
        var digest = MessageDigest.getInstance("SHA-256");
        var chain = new Object() {
            String previous = "";
            long sequence;
        };
        return new Candidate(
                n -> {
                    var signed = new TreeMap<String, Object>(Map.of(
                            "id", UUID.randomUUID().toString(),
                            "type", Event.TYPE,
                            "source", "urn:example:agent",
                            "time", Instant.now().toString(),
                            "sequence", ++chain.sequence,
                            "previous", chain.previous,
                            "data", Event.sorted(n)));
                    signed.put("signature", HexFormat.of().formatHex(mac.doFinal(json(signed))));
                    var line = json(signed);
                    chain.previous = HexFormat.of().formatHex(digest.digest(line));
                    try {
                        file.write(line);
                        file.write('\n');
                    } catch (IOException e) {
                        throw new IllegalStateException(e);
                    }
                },
                () -> {},
                () -> {
                    file.close();
                    return Map.of();
                });
    }

    /** JSON of what is measured here: nothing in it needs an escape. */
    private static byte[] json(Map<String, Object> object) {
        var out = new StringBuilder(1024);
        write(out, object);
        return out.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static void write(StringBuilder out, Object value) {
        if (value instanceof Map<?, ?> object) {
            var first = true;
            for (var member : object.entrySet()) {
                out.append(first ? '{' : ',').append('"').append(member.getKey()).append("\":");
                write(out, member.getValue());
                first = false;
            }
            out.append('}');
        } else if (value instanceof String text) {
            out.append('"').append(text).append('"');
        } else {
            out.append(value);
        }
    }
}
