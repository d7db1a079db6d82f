package dev.sinkwell.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.langchain4j.agent.tool.P;
import dev.langchain4j.agent.tool.Tool;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.guardrail.InputGuardrail;
import dev.langchain4j.guardrail.InputGuardrailException;
import dev.langchain4j.guardrail.InputGuardrailResult;
import dev.langchain4j.memory.chat.MessageWindowChatMemory;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import dev.langchain4j.model.openai.OpenAiTokenUsage;
import dev.langchain4j.service.AiServices;
import dev.langchain4j.service.TokenStream;
import dev.langchain4j.service.tool.ToolExecutor;
import dev.sinkwell.Emitter;
import dev.sinkwell.OpenOptions;
import dev.sinkwell.RequiredSinkUnavailableException;
import dev.sinkwell.testing.Told;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The scripted run of the integrations (tests/vectors/scripted): two agents, three tools of which one fails and one is denied,
 * streamed model output, usage.
 */
final class WatchTest {
    @TempDir
    Path folder;

    interface Triage {
        TokenStream ask(String question);
    }

    interface Refunds {
        TokenStream ask(String question);
    }

    interface Plain {
        String ask(String question);
    }

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
        String look(@P("q") String q) {
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
        String charge(@P("q") String q) throws IOException {
            ran.add("charge");
            throw new IOException(q);
        }

        @Tool
        String pay(@P("q") String q) {
            throw new PolicyDenied(q);
        }
    }

    /** Says what it is to say, one after the other, streamed or not, each time with the same usage. */
    static final class Model implements ChatModel, StreamingChatModel {
        private final Deque<AiMessage> says;
        private final List<ChatModelListener> listeners;
        CompletableFuture<Void> between = CompletableFuture.completedFuture(null);

        Model(AiMessage... says) {
            this(List.of(), says);
        }

        Model(List<ChatModelListener> listeners, AiMessage... says) {
            this.listeners = listeners;
            this.says = new ArrayDeque<>(List.of(says));
        }

        @Override
        public List<ChatModelListener> listeners() {
            return listeners;
        }

        @Override
        public dev.langchain4j.model.ModelProvider provider() {
            return dev.langchain4j.model.ModelProvider.OTHER;
        }

        @Override
        public Set<dev.langchain4j.model.chat.Capability> supportedCapabilities() {
            return Set.of();
        }

        @Override
        public dev.langchain4j.model.chat.request.ChatRequestParameters defaultRequestParameters() {
            return ChatRequest.builder().messages(UserMessage.from("x")).modelName("small").build().parameters();
        }

        @Override
        public ChatResponse doChat(ChatRequest request) {
            return ChatResponse.builder()
                    .aiMessage(says.remove())
                    .modelName("small-1")
                    .tokenUsage(OpenAiTokenUsage.builder()
                            .inputTokenCount(12)
                            .outputTokenCount(3)
                            .totalTokenCount(15)
                            .inputTokensDetails(OpenAiTokenUsage.InputTokensDetails.builder().cachedTokens(4).build())
                            .outputTokensDetails(OpenAiTokenUsage.OutputTokensDetails.builder().reasoningTokens(2).build())
                            .build())
                    .build();
        }

        @Override
        public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
            var response = doChat(request);
            var text = response.aiMessage().text();
            if (text != null) {
                handler.onPartialResponse(text.substring(0, 1));
                between.join();
                handler.onPartialResponse(text.substring(1));
            }
            handler.onCompleteResponse(response);
        }
    }

    private static AiMessage calls(String tool) {
        return AiMessage.from(ToolExecutionRequest.builder()
                .id("c1")
                .name(tool)
                .arguments("{\"q\":\"MARKER\"}")
                .build());
    }

    private static String answer(TokenStream stream) throws Exception {
        var whole = new CompletableFuture<String>();
        stream.onPartialResponse(piece -> {})
                .onCompleteResponse(response -> whole.complete(response.aiMessage().text()))
                .onError(whole::completeExceptionally)
                .start();
        return whole.get(30, TimeUnit.SECONDS);
    }

    /** Two agents, one after the other, in a run. */
    private static String scripted(Watch watch, List<String> ran) throws Exception {
        var triage = watch.on(AiServices.builder(Triage.class)
                        .streamingChatModel(new Model(calls("look"), AiMessage.from("MARKER")))
                        .systemMessageProvider(memory -> "MARKER"))
                .tools(watch.tools(new Look(ran)))
                .build();
        var refunds = watch.on(AiServices.builder(Refunds.class)
                        .chatMemory(MessageWindowChatMemory.withMaxMessages(20))
                        .streamingChatModel(new Model(calls("charge"), calls("pay"), AiMessage.from("MARKER"))))
                .tools(watch.tools(new Money(ran)))
                .build();
        return watch.run("shop", () -> {
            answer(triage.ask("MARKER"));
            return answer(refunds.ask("MARKER"));
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
                List.of("langchain4j watching", "langchain4j stopped"),
                told.of("coverage").map(data -> data.get("seam") + " " + data.get("state")).toList());
        told.of("coverage").forEach(data -> assertTrue(String.valueOf(data.get("version")).startsWith("1."), data.toString()));
        assertEquals(Set.of("java.io.IOException", PolicyDenied.class.getCanonicalName()), told.errors());
    }

    @Test
    void where_the_policy_lets_them_the_words_go_as_parts() throws Exception {
        try (var emitter = Emitter.open(Told.toFileWithContent(folder));
                var watch = new Watch(emitter, "raw", null)) {
            scripted(watch, new ArrayList<>());
        }
        assertEquals(
                new TreeSet<>(Set.of("completion", "prompt", "system", "tool_arguments", "tool_result")),
                new Told(folder, true).disclosed());
    }

    @Test
    void while_a_required_sink_is_down_no_tool_runs_and_the_service_says_why() throws Exception {
        var siem = new Told.Siem();
        try (var emitter = Emitter.open(Told.withSiem(folder), new OpenOptions().sinks(siem))) {
            siem.isDown = true;
            emitter.emit("com.example.lost");
            Told.untilNotReady(emitter);
            var ran = new ArrayList<String>();
            try (var watch = new Watch(emitter)) {
                var service = watch.on(AiServices.builder(Plain.class).chatModel(new Model(calls("look"), AiMessage.from("done"))))
                        .tools(watch.tools(new Look(ran)))
                        .build();
                var refused = assertThrows(RequiredSinkUnavailableException.class, () -> service.ask("MARKER"));
                assertTrue(refused.getMessage().contains("siem") && refused.getMessage().contains("mend the sink"), refused.getMessage());
            }
            assertEquals(List.of(), ran);
            emitter.shutdown(Duration.ofMillis(100));
        }
    }

    @Test
    void streamed_output_is_not_held_back() throws Exception {
        try (var emitter = Emitter.open(Told.toFile(folder));
                var watch = new Watch(emitter, "raw", null)) {
            var model = new Model(AiMessage.from("MARKER"));
            model.between = new CompletableFuture<>();
            var service = watch.on(AiServices.builder(Triage.class).streamingChatModel(model)).build();
            var whole = new CompletableFuture<ChatResponse>();
            // The model goes on only once its reader has the first piece.
            service.ask("MARKER").onPartialResponse(piece -> model.between.complete(null)).onCompleteResponse(whole::complete).onError(whole::completeExceptionally).start();
            assertEquals("MARKER", whole.get(30, TimeUnit.SECONDS).aiMessage().text());
        }
        var told = new Told(folder, false);
        assertEquals(List.of("15"), told.of("model.usage").filter(data -> data.containsKey("total_tokens")).map(data -> data.get("total_tokens").toString()).toList());
    }

    /** Goes on until its reader has enough. */
    static final class Endless implements StreamingChatModel {
        private boolean isCancelled;

        @Override
        public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
            var handle = new StreamingHandle() {
                @Override
                public void cancel() {
                    isCancelled = true;
                }

                @Override
                public boolean isCancelled() {
                    return isCancelled;
                }
            };
            while (!isCancelled) {
                handler.onPartialResponse(new PartialResponse("x"), new PartialResponseContext(handle));
            }
        }
    }

    @Test
    void a_stream_that_its_reader_cancels_is_a_run_that_was_cancelled() throws Exception {
        try (var emitter = Emitter.open(Told.toFile(folder));
                var watch = new Watch(emitter)) {
            var service = watch.on(AiServices.builder(Triage.class).streamingChatModel(watch.streams(new Endless()))).build();
            var pieces = new ArrayList<String>();
            service.ask("MARKER")
                    .onPartialResponseWithContext((piece, context) -> {
                        pieces.add(piece.text());
                        if (pieces.size() == 3) {
                            context.streamingHandle().cancel();
                            assertTrue(context.streamingHandle().isCancelled());
                        }
                    })
                    .onCompleteResponse(response -> pieces.add("complete"))
                    .onError(failure -> pieces.add(failure.toString()))
                    .start();
            assertEquals(List.of("x", "x", "x"), pieces);
            // What it streams to its end is as it is without.
            var whole = watch.on(AiServices.builder(Triage.class).streamingChatModel(watch.streams(new Model(AiMessage.from("MARKER"))))).build();
            assertEquals("MARKER", answer(whole.ask("MARKER")));
        }
        var told = new Told(folder, false);
        assertEquals(List.of("cancelled"), told.of("run.cancelled").map(data -> data.get("terminal_status")).toList());
        assertEquals(1, told.of("run.completed").count());
        // Of the answer that was not heard to its end there are no tokens.
        assertEquals(
                List.of("null", "15"),
                told.of("model.usage").filter(data -> !"run".equals(data.get("family"))).map(data -> String.valueOf(data.get("total_tokens"))).toList());
    }

    static final class Strict implements InputGuardrail {
        @Override
        public InputGuardrailResult validate(UserMessage message) {
            return message.singleText().contains("forbidden") ? fatal("no") : success();
        }
    }

    @Test
    void guardrails_are_decisions_and_end_the_run_that_they_refuse() throws Exception {
        try (var emitter = Emitter.open(Told.toFile(folder));
                var watch = new Watch(emitter)) {
            var service = watch.on(AiServices.builder(Plain.class)
                            .chatModel(new Model(AiMessage.from("done")))
                            .inputGuardrails(new Strict()))
                    .build();
            assertEquals("done", service.ask("allowed"));
            assertThrows(InputGuardrailException.class, () -> service.ask("forbidden"));
        }
        var told = new Told(folder, false);
        assertEquals(List.of("allow", "deny"), told.of("policy.decision").map(data -> data.get("decision")).toList());
        assertEquals(1, told.of("run.completed").count());
        assertEquals(InputGuardrailException.class.getName(), told.of("run.failed").findFirst().orElseThrow().get("error.type"));
    }

    @Test
    void what_is_emitted_inside_belongs_to_its_call_and_an_agent_in_a_tool_to_the_tool() throws Exception {
        try (var emitter = Emitter.open(Told.toFile(folder))) {
            var watch = new Watch(emitter);
            var expert = watch.on(AiServices.builder(Triage.class).streamingChatModel(new Model(AiMessage.from("known")))).build();
            ToolExecutor inner = (request, memory) -> {
                emitter.emit("com.example.inside");
                try {
                    return answer(expert.ask("x"));
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            };
            var tool = watch.tool(inner);
            // Twice watched is once.
            assertSame(tool, watch.tool(tool));
            var request = ToolExecutionRequest.builder().id("c1").name("ask").arguments("{}").build();
            watch.run("shop", () -> tool.execute(request, null));
            watch.close();
            var direct = watch.tool((one, memory) -> "done");
            assertEquals("done", direct.execute(request, null));
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
    void a_model_that_the_program_calls_itself_tells_by_its_listener() throws Exception {
        try (var emitter = Emitter.open(Told.toFile(folder));
                var watch = new Watch(emitter)) {
            ChatModel model = new Model(List.of(watch.modelListener()), AiMessage.from("MARKER"));
            assertEquals("MARKER", model.chat(List.of(UserMessage.from("MARKER"))).aiMessage().text());
            assertThrows(RuntimeException.class, () -> model.chat(List.of(UserMessage.from("MARKER"))));
        }
        var told = new Told(folder, false).of("model.usage").toList();
        assertEquals("15", told.get(0).get("total_tokens").toString());
        assertFalse(told.stream().skip(1).anyMatch(data -> data.containsKey("total_tokens")));
    }

    @Test
    void the_example_runs_offline() throws Exception {
        assertEquals("done", example.WithLangChain4j.run(folder.resolve("events.ndjson").toString()));
        var told = new Told(folder, false);
        assertEquals(List.of("intent", "result"), told.of("tool.invocation").map(data -> data.get("phase")).toList());
    }
}
