package dev.sinkwell;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The package as Java sees it. */
class JavaTest {
    @TempDir
    Path folder;

    record Call(String tool, Optional<Integer> tries) {}

    private Map<String, ?> config() {
        return Map.of(
                "agent", Map.of("id", "urn:example:agent", "allow", List.of("*")),
                "heartbeat", "off",
                "lanes", List.of(Map.of("id", "file", "sink", Map.of("file", Map.of("path", folder.resolve("out").toString())))));
    }

    @Test
    void a_record_is_data_and_a_receipt_is_a_future() throws Exception {
        try (var emitter = Sinkwell.open(config())) {
            var receipt = emitter.emit("com.example.call", new Call("search", Optional.of(2)), new EventOptions().run("r-1").severity("warn"));
            var endings = receipt.delivered().get(30, TimeUnit.SECONDS);
            assertEquals("delivered", endings.get("file").getState());
            assertEquals(receipt.endings().get("file").getHash(), endings.get("file").getHash());
            assertEquals(Map.of("file", "enqueued"), receipt.getLanes());
        }
        var lines = Files.readString(folder.resolve("out"));
        assertTrue(lines.contains("\"data\":{\"tool\":\"search\",\"tries\":2}"), lines);
        assertTrue(lines.contains("\"runid\":\"r-1\""), lines);
    }

    @Test
    void errors_are_caught_by_kind() {
        try (var emitter = Sinkwell.open(config())) {
            var refused = assertThrows(InvalidEventException.class, () -> emitter.emit("tool.invocation", Map.of("tool", 1)));
            assertEquals("data.tool", refused.getWhere());
            assertEquals(2, refused.getCode());
            emitter.close();
            assertThrows(EmitterClosedException.class, () -> emitter.emit("com.example.x"));
        }
    }

    @Test
    void a_document_is_configuration_too() {
        var document = "agent: { id: urn:example:agent }\nheartbeat: off\nlanes: ['null']";
        try (var emitter = Sinkwell.openText(document)) {
            assertEquals(Set.of("null"), emitter.emit("com.example.call").getLanes().keySet());
        }
        var refused = assertThrows(InvalidConfigException.class, () -> Sinkwell.openText("lanes: [nul]", "agent.yaml"));
        assertEquals("agent.yaml:1:9 lanes[0]", refused.getWhere());
    }

    @Test
    void what_is_no_configuration_is_refused() {
        // `open` takes options alone.
        var refused = assertThrows(InvalidArgumentException.class, () -> Sinkwell.configure(new OpenOptions()));
        assertEquals("config", refused.getWhere());
        assertTrue(refused.getMessage().contains("not dev.sinkwell.OpenOptions"), refused.getMessage());
        var missing = folder.resolve("missing.yaml");
        assertThrows(InvalidConfigException.class, () -> Sinkwell.configure(missing));
        assertThrows(InvalidConfigException.class, () -> Sinkwell.configure(missing.toFile()));
        assertThrows(InvalidConfigException.class, () -> Sinkwell.configure(missing.toString()));
    }

    @Test
    void a_context_says_what_holds() {
        try (var run = SinkwellContext.run("r-1"); var turn = SinkwellContext.turn("t-1")) {
            assertEquals("SinkwellContext(run=r-1, turn=t-1)", SinkwellContext.current().toString());
        }
    }

    static final class Mine implements GovernanceEventSink {
        final ConcurrentLinkedQueue<SignedGovernanceEvent> taken = new ConcurrentLinkedQueue<>();
        private int failures = 1;

        @Override
        public String getName() {
            return "mine";
        }

        @Override
        public Set<SinkClass> getClasses() {
            return Set.of(SinkClass.DEBUG);
        }

        @Override
        public CompletionStage<?> emit(SignedGovernanceEvent event) throws Exception {
            if (!event.isOwn() && failures-- > 0) {
                throw new IOException("away");
            }
            return CompletableFuture.runAsync(() -> taken.add(event));
        }
    }

    @Test
    void a_sink_of_ones_own_is_tried_again() throws Exception {
        var sink = new Mine();
        try (var emitter = Sinkwell.open(config(), new OpenOptions().sinks(sink))) {
            var receipt = emitter.emit("com.example.x", Map.of("a", 1));
            assertEquals("delivered", receipt.await(Stage.DELIVERED, Duration.ofSeconds(30)).get("mine").getState());
            assertEquals(1L, emitter.counters().get("mine").get("retried"));
            var event = sink.taken.stream().filter(e -> !e.isOwn()).findFirst().orElseThrow();
            assertEquals(Map.of("a", 1L), event.getData());
            assertEquals("urn:example:agent", event.getAgentId());
        }
    }

    @Test
    void a_deed_runs_and_what_it_throws_comes_through() {
        try (var emitter = Sinkwell.open(config())) {
            var terms = new DeedTerms().until("enqueued");
            String got = emitter.deed("tool.invocation", Map.of("tool", "pay"), null, terms, deed -> {
                deed.result(Map.of("receipt", "r"));
                return "paid";
            });
            assertEquals("paid", got);
            var thrown = new IOException("raised");
            assertEquals(thrown, assertThrows(IOException.class, () -> emitter.deed("tool.invocation", Map.of("tool", "pay"), null, terms, deed -> {
                throw thrown;
            })));
        }
    }

    @Test
    void an_act_that_answers_null_has_failed_and_its_future_ends() throws Exception {
        try (var emitter = Sinkwell.open(config())) {
            var deed = emitter.<Integer>deedAsync("tool.invocation", Map.of("tool", "pay"), null, null, act -> null);
            var step = emitter.<Integer>deedOfStepAsync(Map.of("id", "s-1", "name", "pay"), null, call -> null);
            for (var done : List.of(deed, step)) {
                var thrown = assertThrows(ExecutionException.class, () -> done.get(30, TimeUnit.SECONDS));
                assertInstanceOf(NullPointerException.class, thrown.getCause());
            }
        }
        var ends = Files.readAllLines(folder.resolve("out")).stream().filter(line -> line.contains("\"phase\":\"result\"")).toList();
        assertEquals(2, ends.size());
        for (var end : ends) {
            assertTrue(end.contains("\"outcome\":\"error\"") && end.contains("\"error.type\":\"java.lang.NullPointerException\""), end);
        }
    }

    /** With accessors that are no getters, a field that anybody reads, and nothing else. */
    static final class Fluent {
        public final String tool = "search";

        public int tries() {
            return 2;
        }
    }

    @Test
    void what_has_no_getter_is_refused_and_not_sealed_as_nothing() throws Exception {
        try (var emitter = Sinkwell.open(config())) {
            var whole = assertThrows(InvalidEventException.class, () -> emitter.emit("com.example.x", new Fluent()));
            assertEquals("data", whole.getWhere());
            assertTrue(whole.getMessage().contains("send it as a string, a map, a record or an object with getters"), whole.getMessage());
            var inside = assertThrows(InvalidEventException.class, () -> emitter.put("com.example.x", Map.of("a", List.of(new Fluent()))));
            assertEquals("data.a[0]", inside.getWhere());
            emitter.deed("tool.invocation", Map.of("tool", "pay"), deed -> {
                return assertThrows(InvalidEventException.class, () -> deed.result(Map.of("a", new Fluent())));
            });
        }
        assertFalse(Files.readString(folder.resolve("out")).contains("{}"));
    }

    @Test
    void the_default_emitter_is_there_for_java_and_a_flush_opens_none() throws Exception {
        Sinkwell.shutdown();
        assertEquals(Map.of(), Sinkwell.flush());
        Sinkwell.configure(config());
        Sinkwell.defaultEmitter().put("com.example.x", Map.of("n", 1));
        assertEquals(Set.of("file"), Sinkwell.flush().keySet());
        Sinkwell.shutdown();
        assertEquals(Map.of(), Sinkwell.flush());
        assertTrue(Files.readString(folder.resolve("out")).contains("{\"n\":1}"));
    }

    @Test
    void a_run_is_ambient() throws Exception {
        try (var emitter = Sinkwell.open(config())) {
            try (var run = SinkwellContext.run("r-9")) {
                emitter.put("com.example.x");
                var task = SinkwellContext.wrap(() -> emitter.put("com.example.x"));
                CompletableFuture.runAsync(task).get(30, TimeUnit.SECONDS);
                assertEquals(3, emitter.tool("add", () -> 1 + 2));
            }
            emitter.put("com.example.x");
        }
        var events = Files.readAllLines(folder.resolve("out")).stream().filter(line -> !line.contains("\"origin\"")).toList();
        assertEquals(4, events.size());
        assertEquals(3, events.stream().filter(line -> line.contains("\"runid\":\"r-9\"")).count());
    }
}
