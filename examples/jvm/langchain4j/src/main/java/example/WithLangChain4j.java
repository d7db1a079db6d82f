package example;

import dev.langchain4j.agent.tool.P;
import dev.langchain4j.agent.tool.Tool;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.service.AiServices;
import dev.sinkwell.Sinkwell;
import dev.sinkwell.langchain4j.Watch;
import java.util.List;
import java.util.Map;

/**
 * A service of LangChain4j whose payment is made only once its intent is on its way; its model is a script, so that it runs offline.
 * LangChain4j reads the names of parameters: compile with -parameters.
 */
public final class WithLangChain4j {
    private WithLangChain4j() {}

    interface Shop {
        String ask(String question);
    }

    static final class Payments {
        @Tool
        String pay(@P("amount") int amount) {
            return "paid " + amount;
        }
    }

    /** Says what it is to say: a call first, then the end. */
    static final class Script implements ChatModel {
        private boolean hasCalled;

        @Override
        public ChatResponse doChat(ChatRequest request) {
            var says = hasCalled
                    ? AiMessage.from("done")
                    : AiMessage.from(ToolExecutionRequest.builder().id("c1").name("pay").arguments("{\"amount\":3}").build());
            hasCalled = true;
            return ChatResponse.builder().aiMessage(says).build();
        }
    }

    /**
     * Runs it.
     *
     * @param events the file that the events go to
     * @return what the service said
     */
    public static String run(String events) {
        var config = Map.of(
                "agent", Map.of("id", "urn:example:shop"),
                "lanes", List.of(Map.of("id", "file", "sink", Map.of("file", Map.of("path", events)))));
        try (var emitter = Sinkwell.open(config);
                var watch = new Watch(emitter)) {
            var shop = watch.on(AiServices.builder(Shop.class).chatModel(new Script()))
                    .tools(watch.tools(new Payments()))
                    .build();
            return shop.ask("pay three");
        }
    }

    public static void main(String[] arguments) {
        System.out.println(run(arguments.length > 0 ? arguments[0] : "events.ndjson"));
    }
}
