import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.langchain4j.agent.tool.P;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.ModelProvider;
import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.output.TokenUsage;
import dev.langchain4j.observability.api.event.AiServiceCompletedEvent;
import dev.langchain4j.observability.api.event.AiServiceResponseReceivedEvent;
import dev.langchain4j.observability.api.event.AiServiceStartedEvent;
import dev.langchain4j.observability.api.event.ToolExecutedEvent;
import dev.langchain4j.observability.api.listener.AiServiceCompletedListener;
import dev.langchain4j.observability.api.listener.AiServiceResponseReceivedListener;
import dev.langchain4j.observability.api.listener.AiServiceStartedListener;
import dev.langchain4j.observability.api.listener.ToolExecutedEventListener;
import dev.langchain4j.service.AiServices;
import dev.sinkwell.Emitter;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import io.micrometer.observation.ObservationRegistry;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.slf4j.LoggerFactory;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.messages.ToolResponseMessage;
import org.springframework.ai.chat.metadata.ChatGenerationMetadata;
import org.springframework.ai.chat.metadata.ChatResponseMetadata;
import org.springframework.ai.chat.metadata.DefaultUsage;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.model.Generation;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.model.tool.ToolCallingChatOptions;

/**
 * What sinkwell's integrations of LangChain4j and Spring AI cost a step, beside what the frameworks themselves have for observing:
 * listeners, and Micrometer's observations, that do nothing. One call of an agent is four steps: a run, two answers of a model that
 * answers at once, one tool's call. Five interleaved rounds after warming up; lanes keep nothing. Medians of microseconds a call,
 * and what they are above the framework alone, a step:
 *
 * <pre>
 * java -cp … Integrations
 * </pre>
 */
public final class Integrations {
    private static final int CALLS = Integer.getInteger("calls", 2_000);
    private static final int ROUNDS = Integer.getInteger("rounds", 5);
    private static final int STEPS = 4;

    private Integrations() {}

    /** The tool that the model has called. */
    public static final class Look {
        @dev.langchain4j.agent.tool.Tool
        @org.springframework.ai.tool.annotation.Tool
        public String look(@P("what") String what) {
            return what;
        }
    }

    interface Shop {
        String ask(String question);
    }

    /** Asks for the tool once, and then answers. */
    private static final class Model4j implements dev.langchain4j.model.chat.ChatModel {
        private static final AiMessage CALL = AiMessage.from(
                ToolExecutionRequest.builder().id("c1").name("look").arguments("{\"what\":\"a chair\"}").build());
        private static final AiMessage ANSWER = AiMessage.from("Here is a chair.");

        @Override
        public dev.langchain4j.model.chat.response.ChatResponse doChat(ChatRequest request) {
            var last = request.messages().get(request.messages().size() - 1);
            return dev.langchain4j.model.chat.response.ChatResponse.builder()
                    .aiMessage(last instanceof ToolExecutionResultMessage ? ANSWER : CALL)
                    .modelName("small-1")
                    .tokenUsage(new TokenUsage(12, 3))
                    .build();
        }

        @Override
        public List<ChatModelListener> listeners() {
            return List.of();
        }

        @Override
        public ModelProvider provider() {
            return ModelProvider.OTHER;
        }

        @Override
        public Set<Capability> supportedCapabilities() {
            return Set.of();
        }

        @Override
        public ChatRequestParameters defaultRequestParameters() {
            return ChatRequest.builder().messages(UserMessage.from("x")).modelName("small").build().parameters();
        }
    }

    /** The same, for Spring AI. */
    private static final class ModelOfSpring implements org.springframework.ai.chat.model.ChatModel {
        private static final AssistantMessage CALL = AssistantMessage.builder()
                .content("")
                .toolCalls(List.of(new AssistantMessage.ToolCall("c1", "function", "look", "{\"what\":\"a chair\"}")))
                .build();
        private static final AssistantMessage ANSWER = new AssistantMessage("Here is a chair.");

        @Override
        public ChatOptions getOptions() {
            return ToolCallingChatOptions.builder().model("small").build();
        }

        @Override
        public ChatResponse call(Prompt prompt) {
            var messages = prompt.getInstructions();
            var answer = messages.get(messages.size() - 1) instanceof ToolResponseMessage ? ANSWER : CALL;
            var metadata = ChatResponseMetadata.builder().model("small-1").usage(new DefaultUsage(12, 3)).build();
            return new ChatResponse(List.of(new Generation(answer, ChatGenerationMetadata.NULL)), metadata);
        }
    }

    public static void main(String[] arguments) throws Exception {
        // Logback would print what the frameworks say for debugging.
        ((Logger) LoggerFactory.getLogger(Logger.ROOT_LOGGER_NAME)).setLevel(Level.OFF);
        // Deeds wait for nothing here: their intent is in memory.
        var emitter = Emitter.open(Map.of("lanes", List.of("memory"), "heartbeat", "off"));
        var own = new dev.sinkwell.langchain4j.Watch(emitter);
        var ofSpring = new dev.sinkwell.springai.Watch(emitter);
        var candidates = new LinkedHashMap<String, Runnable>();
        candidates.put("LangChain4j", calling(service()));
        candidates.put("LangChain4j, listeners that do nothing", calling(service().registerListeners(idle())));
        candidates.put("LangChain4j, sinkwell", calling(own.on(AiServices.builder(Shop.class).chatModel(new Model4j()))
                .tools(own.tools(new Look()))));
        candidates.put("Spring AI", calling(ChatClient.builder(new ModelOfSpring()).defaultTools(new Look()).build()));
        candidates.put("Spring AI, observations that do nothing", calling(
                ChatClient.builder(new ModelOfSpring(), observed(), null, null).defaultTools(new Look()).build()));
        candidates.put("Spring AI, sinkwell", calling(ChatClient.builder(new ModelOfSpring())
                .defaultAdvisors(ofSpring.advisors("shop"))
                .defaultTools((Object[]) ofSpring.tools(new Look()))
                .build()));
        var took = new LinkedHashMap<String, List<Double>>();
        for (var round = -1; round < ROUNDS; round++) {
            for (var candidate : candidates.entrySet()) {
                var each = measure(candidate.getValue());
                emitter.flush();
                if (round >= 0) {
                    took.computeIfAbsent(candidate.getKey(), name -> new ArrayList<>()).add(each);
                }
            }
        }
        System.out.println("| who | µs a call, median | lowest … highest | µs a step above the framework alone |");
        System.out.println("| --- | ---: | ---: | ---: |");
        var alone = 0.0;
        for (var candidate : took.entrySet()) {
            var all = candidate.getValue().stream().sorted().toList();
            var median = all.get(all.size() / 2);
            if (!candidate.getKey().contains(",")) {
                alone = median;
            }
            System.out.printf("| %s | %.1f | %.1f … %.1f | %.1f |%n",
                    candidate.getKey(), median, all.get(0), all.get(all.size() - 1), (median - alone) / STEPS);
        }
        emitter.close();
        // What has answered need not wait for anybody's threads.
        Runtime.getRuntime().halt(0);
    }

    private static AiServices<Shop> service() {
        return AiServices.builder(Shop.class).chatModel(new Model4j()).tools(new Look());
    }

    private static Runnable calling(AiServices<Shop> service) {
        var shop = service.build();
        return () -> check(shop.ask("Is there a chair?"));
    }

    private static Runnable calling(ChatClient client) {
        return () -> check(client.prompt("Is there a chair?").call().content());
    }

    private static void check(String answer) {
        if (!"Here is a chair.".equals(answer)) {
            throw new IllegalStateException(answer);
        }
    }

    /** The median of a round, in microseconds a call. */
    private static double measure(Runnable call) {
        var nanos = new long[CALLS];
        for (var i = 0; i < CALLS; i++) {
            var start = System.nanoTime();
            call.run();
            nanos[i] = System.nanoTime() - start;
        }
        Arrays.sort(nanos);
        return nanos[CALLS / 2] / 1000.0;
    }

    private static List<dev.langchain4j.observability.api.listener.AiServiceListener<?>> idle() {
        return List.of(
                (AiServiceStartedListener) (AiServiceStartedEvent event) -> {},
                (AiServiceResponseReceivedListener) (AiServiceResponseReceivedEvent event) -> {},
                (ToolExecutedEventListener) (ToolExecutedEvent event) -> {},
                (AiServiceCompletedListener) (AiServiceCompletedEvent event) -> {});
    }

    private static ObservationRegistry observed() {
        var registry = ObservationRegistry.create();
        registry.observationConfig().observationHandler(new ObservationHandler<>() {
            @Override
            public boolean supportsContext(Observation.Context context) {
                return true;
            }
        });
        return registry;
    }
}
