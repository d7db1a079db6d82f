package dev.sinkwell.springai;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.sinkwell.Emitter;
import dev.sinkwell.OpenOptions;
import dev.sinkwell.RequiredSinkUnavailableException;
import dev.sinkwell.testing.Told;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.metadata.ChatGenerationMetadata;
import org.springframework.ai.chat.metadata.ChatResponseMetadata;
import org.springframework.ai.chat.metadata.DefaultUsage;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.model.Generation;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.model.tool.ToolCallingChatOptions;
import org.springframework.ai.tool.ToolCallback;
import org.springframework.ai.tool.annotation.Tool;
import org.springframework.ai.tool.function.FunctionToolCallback;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/**
 * The scripted run of the integrations (tests/vectors/scripted): two agents, three tools of which one fails and one is denied,
 * streamed model output, usage.
 */
final class WatchTest {
    @TempDir
    Path folder;

    /** As a program's own policy refuses a call. */
    static final class PolicyDenied extends RuntimeException {
        private static final long serialVersionUID = 1L;

        PolicyDenied(String message) {
            super(message);
        }
    }

    static final class Look {
        private final List<String> ran;

        Look(List<String> ran) {
            this.ran = ran;
        }

        @Tool
        String look(String q) {
            ran.add("look");
            return q;
        }
    }

    static final class Money {
        private final List<String> ran;

        Money(List<String> ran) {
            this.ran = ran;
        }

        @Tool
        String charge(String q) {
            ran.add("charge");
            throw new IllegalStateException(q);
        }

        @Tool
        String pay(String q) {
            throw new PolicyDenied(q);
        }
    }

    /** What a provider's own usage is like. */
    public record Native(Optional<Details> completionTokensDetails) {}

    /** Of its own, too. */
    public record Details(Optional<Long> reasoningTokens) {}

    /** Says what it is to say, one after the other, streamed or not, each time with the same usage. */
    static final class Model implements ChatModel {
        private final Deque<AssistantMessage> says;
        Mono<?> between = Mono.empty();

        Model(AssistantMessage... says) {
            this.says = new ArrayDeque<>(List.of(says));
        }

        @Override
        public ChatOptions getOptions() {
            return ToolCallingChatOptions.builder().model("small").build();
        }

        @Override
        public ChatResponse call(Prompt prompt) {
            return response(says.remove(), true);
        }

        @Override
        public Flux<ChatResponse> stream(Prompt prompt) {
            var message = says.remove();
            var text = message.getText();
            if (text == null || text.isEmpty()) {
                return Flux.just(response(message, true));
            }
            return Flux.just(response(new AssistantMessage(text.substring(0, 1)), false))
                    .concatWith(between.then(Mono.just(response(new AssistantMessage(text.substring(1)), true))));
        }

        private static ChatResponse response(AssistantMessage message, boolean isLast) {
            var metadata = ChatResponseMetadata.builder().model("small-1");
            if (isLast) {
                metadata.usage(new DefaultUsage(12, 3, 15, new Native(Optional.of(new Details(Optional.of(2L)))), 4L, null));
            }
            return new ChatResponse(List.of(new Generation(message, ChatGenerationMetadata.NULL)), metadata.build());
        }
    }

    private static AssistantMessage calls(String tool) {
        return AssistantMessage.builder()
                .content("")
                .toolCalls(List.of(new AssistantMessage.ToolCall("c1", "function", tool, "{\"q\":\"MARKER\"}")))
                .build();
    }

    private static AssistantMessage says(String text) {
        return new AssistantMessage(text);
    }

    private static String streamed(ChatClient client) {
        return String.join("", client.prompt("MARKER").stream().content().collectList().block(Duration.ofSeconds(30)));
    }

    private static ChatClient client(Watch watch, String agent, Model model, ToolCallback... tools) {
        return ChatClient.builder(model).defaultAdvisors(watch.advisors(agent)).defaultTools((Object[]) tools).build();
    }

    /** Two agents, one after the other, in a run. */
    private static String scripted(Watch watch, List<String> ran) throws Exception {
        var triage = client(watch, "triage", new Model(calls("look"), says("MARKER")), watch.tools(new Look(ran)));
        var refunds = client(
                watch, "refunds", new Model(calls("charge"), calls("pay"), says("MARKER")), watch.tools(new Money(ran)));
        return watch.run("shop", () -> {
            streamed(triage);
            return streamed(refunds);
        });
    }

    @Test
    void the_scripted_run_gives_the_same_graph() throws Exception {
        var ran = new ArrayList<String>();
        try (var emitter = Emitter.open(Told.toFile(folder));
                var watch = new Watch(emitter, "raw", null)) {
            assertEquals("MARKER", scripted(watch, ran));
        }
        assertEquals(List.of("look", "charge"), ran);
        var told = new Told(folder, false);
        // It has no handoffs: the program's own code runs one agent after the other.
        assertEquals(Told.script("handoff"), told.graph());
        assertEquals(told.ids("intent"), told.causes("result"));
        assertEquals(
                List.of("spring_ai watching", "spring_ai stopped"),
                told.of("coverage").map(data -> data.get("seam") + " " + data.get("state")).toList());
        told.of("coverage").forEach(data -> assertTrue(String.valueOf(data.get("version")).startsWith("2.0."), data.toString()));
        assertEquals(Set.of(IllegalStateException.class.getName(), PolicyDenied.class.getCanonicalName()), told.errors());
    }

    @Test
    void the_scripted_run_without_streams_gives_it_too() throws Exception {
        var ran = new ArrayList<String>();
        try (var emitter = Emitter.open(Told.toFile(folder));
                var watch = new Watch(emitter)) {
            var triage = client(watch, "triage", new Model(calls("look"), says("MARKER")), watch.tools(new Look(ran)));
            var refunds = client(
                    watch, "refunds", new Model(calls("charge"), calls("pay"), says("MARKER")), watch.tools(new Money(ran)));
            watch.run("shop", () -> {
                triage.prompt("MARKER").call().content();
                return refunds.prompt("MARKER").call().content();
            });
        }
        assertEquals(Told.script("handoff"), new Told(folder, false).graph());
    }

    @Test
    void where_the_policy_lets_them_the_words_go_as_parts() throws Exception {
        try (var emitter = Emitter.open(Told.toFileWithContent(folder));
                var watch = new Watch(emitter, "raw", null)) {
            scripted(watch, new ArrayList<>());
        }
        assertEquals(
                new TreeSet<>(Set.of("completion", "prompt", "tool_arguments", "tool_result")), new Told(folder, true).disclosed());
    }

    @Test
    void while_a_required_sink_is_down_no_tool_runs_and_the_client_says_why() throws Exception {
        var siem = new Told.Siem();
        try (var emitter = Emitter.open(Told.withSiem(folder), new OpenOptions().sinks(siem))) {
            siem.isDown = true;
            emitter.emit("com.example.lost");
            Told.untilNotReady(emitter);
            var ran = new ArrayList<String>();
            try (var watch = new Watch(emitter)) {
                var client = client(watch, "shop", new Model(calls("look"), calls("look")), watch.tools(new Look(ran)));
                var refused = assertThrows(RequiredSinkUnavailableException.class, () -> client.prompt("MARKER").call().content());
                assertTrue(refused.getMessage().contains("siem") && refused.getMessage().contains("mend the sink"), refused.getMessage());
                assertThrows(RequiredSinkUnavailableException.class, () -> streamed(client));
            }
            assertEquals(List.of(), ran);
            emitter.shutdown(Duration.ofMillis(100));
        }
    }

    @Test
    void streamed_output_is_not_held_back_and_who_reads_no_further_is_told() throws Exception {
        try (var emitter = Emitter.open(Told.toFile(folder));
                var watch = new Watch(emitter, "raw", null)) {
            var gate = new CompletableFuture<String>();
            var model = new Model(says("MARKER"), says("MARKER"));
            model.between = Mono.fromFuture(gate);
            var client = client(watch, "shop", model);
            // The model goes on only once its reader has the first piece.
            var pieces = client.prompt("MARKER").stream().content().doOnNext(piece -> gate.complete("")).collectList();
            assertEquals("MARKER", String.join("", pieces.block(Duration.ofSeconds(30))));
            assertEquals("M", client.prompt("MARKER").stream().content().blockFirst(Duration.ofSeconds(30)));
        }
        var told = new Told(folder, false);
        var usages = told.of("model.usage").filter(data -> !"run".equals(data.get("family"))).toList();
        assertEquals("15", usages.get(0).get("total_tokens").toString());
        assertFalse(usages.get(1).containsKey("total_tokens"));
        assertEquals(1, told.of("run.cancelled").count());
    }

    @Test
    void what_is_emitted_inside_belongs_to_its_call_and_an_agent_in_a_tool_to_the_tool() throws Exception {
        try (var emitter = Emitter.open(Told.toFile(folder))) {
            var watch = new Watch(emitter);
            var expert = client(watch, "expert", new Model(says("known")));
            var ask = FunctionToolCallback.builder("ask", (String q) -> {
                        emitter.emit("com.example.inside");
                        return expert.prompt(q).call().content();
                    })
                    .inputType(String.class)
                    .build();
            var tool = watch.tools(ask)[0];
            // Twice watched is once.
            assertSame(tool, watch.tools(tool)[0]);
            watch.run("shop", () -> tool.call("\"x\""));
            watch.close();
            assertTrue(watch.tools(FunctionToolCallback.builder("plain", (String q) -> "done").inputType(String.class).build())[0]
                    .call("\"x\"")
                    .contains("done"));
        }
        var told = new Told(folder, false);
        var intent = told.all().filter(one -> "intent".equals(Told.data(one).get("phase"))).findFirst().orElseThrow();
        var inside = told.all().filter(one -> "com.example.inside".equals(one.get("type"))).findFirst().orElseThrow();
        assertEquals(List.of(intent.get("id"), intent.get("runid")), List.of(inside.get("causationid"), inside.get("runid")));
        var started = told.all().filter(one -> String.valueOf(one.get("type")).endsWith("run.started")).skip(1).findFirst().orElseThrow();
        assertEquals(List.of(intent.get("id"), intent.get("runid")), List.of(started.get("causationid"), Told.data(started).get("parent_run")));
        assertEquals(1, told.ids("intent").size());
    }

    @Test
    void the_example_runs_offline() throws Exception {
        assertEquals("done", example.WithSpringAi.run(folder.resolve("events.ndjson").toString()));
        var told = new Told(folder, false);
        assertEquals(List.of("intent", "result"), told.of("tool.invocation").map(data -> data.get("phase")).toList());
    }
}
