package example;

import dev.sinkwell.Sinkwell;
import dev.sinkwell.springai.Watch;
import java.util.List;
import java.util.Map;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.model.Generation;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.model.tool.ToolCallingChatOptions;
import org.springframework.ai.tool.annotation.Tool;

/** A chat client of Spring AI whose payment is made only once its intent is on its way; its model is a script, so that it runs offline. */
public final class WithSpringAi {
    private WithSpringAi() {}

    static final class Payments {
        @Tool
        String pay(int amount) {
            return "paid " + amount;
        }
    }

    /** Says what it is to say: a call first, then the end. */
    static final class Script implements ChatModel {
        private boolean hasCalled;

        @Override
        public ChatOptions getOptions() {
            return ToolCallingChatOptions.builder().model("script").build();
        }

        @Override
        public ChatResponse call(Prompt prompt) {
            var says = hasCalled
                    ? new AssistantMessage("done")
                    : AssistantMessage.builder()
                            .content("")
                            .toolCalls(List.of(new AssistantMessage.ToolCall("c1", "function", "pay", "{\"amount\":3}")))
                            .build();
            hasCalled = true;
            return new ChatResponse(List.of(new Generation(says)));
        }
    }

    /**
     * Runs it.
     *
     * @param events the file that the events go to
     * @return what the client said
     */
    public static String run(String events) {
        var config = Map.of(
                "agent", Map.of("id", "urn:example:shop"),
                "lanes", List.of(Map.of("id", "file", "sink", Map.of("file", Map.of("path", events)))));
        try (var emitter = Sinkwell.open(config);
                var watch = new Watch(emitter)) {
            var shop = ChatClient.builder(new Script())
                    .defaultAdvisors(watch.advisors("shop"))
                    .defaultTools((Object[]) watch.tools(new Payments()))
                    .build();
            return shop.prompt("pay three").call().content();
        }
    }

    public static void main(String[] arguments) {
        System.out.println(run(arguments.length > 0 ? arguments[0] : "events.ndjson"));
    }
}
