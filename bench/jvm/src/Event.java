import dev.sinkwell.EventBuilder;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import java.util.Map;
import java.util.TreeMap;
import org.slf4j.spi.LoggingEventBuilder;

/** The event that everybody emits: a dozen attributes, about 500 bytes as JSON, one different each time. */
final class Event {
    static final String TYPE = "com.example.tool.called";

    private static final String VERSION = "2026.11.3";
    private static final String DECISION = "allowed";
    private static final String MODEL = "example-model-large-2026-10-01";
    private static final String POLICY = "urn:example:policy/tools/read-only";
    private static final String RESOURCE = "https://tickets.example.com/api/v2/tickets/483920/comments";
    private static final String SESSION = "0193f9a2-7c1e-7b52-a1f4-5d0c2f6e8b91";
    private static final String SUMMARY =
            "Looked up the comments of a ticket to find out which release the customer runs; 14 found";
    private static final String TOOL = "ticket_comments";

    private static final AttributeKey<String> VERSION_KEY = AttributeKey.stringKey("agent.version");
    private static final AttributeKey<String> DECISION_KEY = AttributeKey.stringKey("decision");
    private static final AttributeKey<String> MODEL_KEY = AttributeKey.stringKey("gen_ai.request.model");
    private static final AttributeKey<String> POLICY_KEY = AttributeKey.stringKey("policy");
    private static final AttributeKey<String> RESOURCE_KEY = AttributeKey.stringKey("resource");
    private static final AttributeKey<String> SESSION_KEY = AttributeKey.stringKey("session.id");
    private static final AttributeKey<String> SUMMARY_KEY = AttributeKey.stringKey("summary");
    private static final AttributeKey<String> TOOL_KEY = AttributeKey.stringKey("tool.name");
    private static final AttributeKey<Long> CALL_KEY = AttributeKey.longKey("usage.call");
    private static final AttributeKey<Double> DURATION_KEY = AttributeKey.doubleKey("usage.duration_ms");
    private static final AttributeKey<Long> INPUT_KEY = AttributeKey.longKey("usage.input_tokens");
    private static final AttributeKey<Boolean> CONFIRMED_KEY = AttributeKey.booleanKey("user.confirmed");

    private Event() {}

    /** As most programs write a map. */
    static Map<String, Object> data(long n) {
        return Map.ofEntries(
                Map.entry("agent.version", VERSION),
                Map.entry("decision", DECISION),
                Map.entry("gen_ai.request.model", MODEL),
                Map.entry("policy", POLICY),
                Map.entry("resource", RESOURCE),
                Map.entry("session.id", SESSION),
                Map.entry("summary", SUMMARY),
                Map.entry("tool.name", TOOL),
                Map.entry("usage.call", n),
                Map.entry("usage.duration_ms", 18.25),
                Map.entry("usage.input_tokens", 1843),
                Map.entry("user.confirmed", true));
    }

    static EventBuilder members(EventBuilder event, long n) {
        return event.set("agent.version", VERSION)
                .set("decision", DECISION)
                .set("gen_ai.request.model", MODEL)
                .set("policy", POLICY)
                .set("resource", RESOURCE)
                .set("session.id", SESSION)
                .set("summary", SUMMARY)
                .set("tool.name", TOOL)
                .set("usage.call", n)
                .set("usage.duration_ms", 18.25)
                .set("usage.input_tokens", 1843)
                .set("user.confirmed", true);
    }

    static Map<String, Object> sorted(long n) {
        return new TreeMap<>(data(n));
    }

    /** As OpenTelemetry's own guide has it: by keys that are made once, which is what it does fastest. */
    static Attributes attributes(long n) {
        return Attributes.builder()
                .put(VERSION_KEY, VERSION)
                .put(DECISION_KEY, DECISION)
                .put(MODEL_KEY, MODEL)
                .put(POLICY_KEY, POLICY)
                .put(RESOURCE_KEY, RESOURCE)
                .put(SESSION_KEY, SESSION)
                .put(SUMMARY_KEY, SUMMARY)
                .put(TOOL_KEY, TOOL)
                .put(CALL_KEY, n)
                .put(DURATION_KEY, 18.25)
                .put(INPUT_KEY, 1843L)
                .put(CONFIRMED_KEY, true)
                .build();
    }

    /** By SLF4J's fluent interface. */
    static void log(LoggingEventBuilder builder, long n) {
        builder.addKeyValue("agent.version", VERSION)
                .addKeyValue("decision", DECISION)
                .addKeyValue("gen_ai.request.model", MODEL)
                .addKeyValue("policy", POLICY)
                .addKeyValue("resource", RESOURCE)
                .addKeyValue("session.id", SESSION)
                .addKeyValue("summary", SUMMARY)
                .addKeyValue("tool.name", TOOL)
                .addKeyValue("usage.call", n)
                .addKeyValue("usage.duration_ms", 18.25)
                .addKeyValue("usage.input_tokens", 1843)
                .addKeyValue("user.confirmed", true)
                .log(TYPE);
    }
}
