package dev.sinkwell.springai;

import dev.sinkwell.integration.Seam;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CancellationException;
import org.springframework.ai.chat.client.ChatClientRequest;
import org.springframework.ai.chat.client.ChatClientResponse;
import org.springframework.ai.chat.client.advisor.api.CallAdvisor;
import org.springframework.ai.chat.client.advisor.api.CallAdvisorChain;
import org.springframework.ai.chat.client.advisor.api.StreamAdvisor;
import org.springframework.ai.chat.client.advisor.api.StreamAdvisorChain;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.messages.Message;
import org.springframework.ai.chat.messages.MessageType;
import org.springframework.ai.chat.messages.ToolResponseMessage;
import org.springframework.ai.chat.metadata.Usage;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.core.Ordered;
import reactor.core.publisher.Flux;

/** Each answer of a model as a step: below what calls tools, so that each request counts. */
final class ModelAdvisor implements CallAdvisor, StreamAdvisor {
    /** Most characters of a streamed answer that are kept for its content part. */
    private static final int MOST_TEXT = 1 << 20;

    private static final int MOST_CALLS = 1_000;

    private final Seam seam;

    ModelAdvisor(Seam seam) {
        this.seam = seam;
    }

    @Override
    public String getName() {
        return "sinkwell model";
    }

    @Override
    public int getOrder() {
        return Ordered.LOWEST_PRECEDENCE - 1;
    }

    @Override
    public ChatClientResponse adviseCall(ChatClientRequest request, CallAdvisorChain chain) {
        if (!seam.isWatching()) {
            return chain.nextCall(request);
        }
        var answer = new Answer(request);
        ChatClientResponse response;
        try {
            response = chain.nextCall(request);
        } catch (RuntimeException | Error e) {
            answer.ended(e);
            throw e;
        }
        answer.heard(response.chatResponse());
        answer.ended(null);
        return response;
    }

    @Override
    public Flux<ChatClientResponse> adviseStream(ChatClientRequest request, StreamAdvisorChain chain) {
        if (!seam.isWatching()) {
            return chain.nextStream(request);
        }
        return Flux.defer(() -> {
            var answer = new Answer(request);
            return chain.nextStream(request)
                    .doOnNext(piece -> answer.heard(piece.chatResponse()))
                    .doOnComplete(() -> answer.ended(null))
                    .doOnError(answer::ended)
                    // Whoever reads no further has cancelled it.
                    .doOnCancel(() -> answer.ended(new CancellationException()));
        });
    }

    /** An answer, whole or in pieces. */
    private final class Answer {
        private final Map<String, Object> step = seam.step("model");
        private final Map<String, Object> attributes = new HashMap<>();
        private final StringBuilder text = new StringBuilder();
        private final List<Map<String, Object>> calls = new ArrayList<>();

        private Answer(ChatClientRequest request) {
            if (request.context().get(RunAdvisor.RUN) instanceof String run) {
                step.put("parent", run);
            }
            var options = request.prompt().getOptions();
            if (options != null) {
                step.put("name", options.getModel());
            }
            if (seam.hasContent()) {
                var messages = request.prompt().getInstructions();
                step.put("system", messages.stream()
                        .filter(message -> message.getMessageType() == MessageType.SYSTEM)
                        .map(Message::getText)
                        .filter(Objects::nonNull)
                        .filter(said -> !said.isEmpty())
                        .reduce((one, other) -> one + "\n" + other)
                        .orElse(null));
                step.put("input", messages.stream()
                        .filter(message -> message.getMessageType() != MessageType.SYSTEM)
                        .map(ModelAdvisor::message)
                        .toList());
            }
        }

        private void heard(ChatResponse response) {
            if (response == null) {
                return;
            }
            var metadata = response.getMetadata();
            said("gen_ai.response.model", metadata.getModel());
            said("gen_ai.response.id", metadata.getId());
            used(metadata.getUsage());
            if (!seam.hasContent() || response.getResult() == null) {
                return;
            }
            var output = response.getResult().getOutput();
            if (output.getText() != null && text.length() < MOST_TEXT) {
                text.append(output.getText());
            }
            output.getToolCalls().stream().limit(MOST_CALLS - calls.size()).forEach(call -> calls.add(called(call)));
        }

        private void said(String attribute, String value) {
            if (value != null && !value.isEmpty()) {
                attributes.put(attribute, value);
            }
        }

        /** The last usage that is none of nothing: most models send it with the last piece. */
        private void used(Usage usage) {
            if (usage == null || usage.getTotalTokens() == null || usage.getTotalTokens() == 0) {
                return;
            }
            attributes.put("gen_ai.usage.input_tokens", usage.getPromptTokens());
            attributes.put("gen_ai.usage.output_tokens", usage.getCompletionTokens());
            attributes.put("gen_ai.usage.cache_read.input_tokens", usage.getCacheReadInputTokens());
            attributes.put("gen_ai.usage.cache_creation.input_tokens", usage.getCacheWriteInputTokens());
            // Spring AI has no name of its own for them.
            var reasoning = ask(ask(usage.getNativeUsage(), "completionTokensDetails"), "reasoningTokens");
            attributes.put(
                    "gen_ai.usage.reasoning.output_tokens",
                    reasoning == null ? ask(usage.getNativeUsage(), "thoughtsTokenCount") : reasoning);
            attributes.values().removeIf(Objects::isNull);
        }

        private void ended(Throwable failure) {
            step.put("attributes", attributes);
            if (seam.hasContent() && !(text.isEmpty() && calls.isEmpty())) {
                var parts = new ArrayList<Map<String, Object>>();
                if (!text.isEmpty()) {
                    parts.add(text(text.toString()));
                }
                parts.addAll(calls);
                step.put("output", List.of(Map.of("role", "assistant", "content", parts)));
            }
            seam.tellEnd(step, failure);
        }
    }

    private static Object ask(Object of, String name) {
        if (of == null) {
            return null;
        }
        try {
            var found = of.getClass().getMethod(name).invoke(of);
            if (found instanceof Optional<?> one) {
                return one.orElse(null);
            }
            return found instanceof OptionalLong one ? (one.isPresent() ? one.getAsLong() : null) : found;
        } catch (ReflectiveOperationException e) {
            // It has none.
            return null;
        }
    }

    /** A message as chat interfaces have it. */
    private static Map<String, Object> message(Message message) {
        var parts = new ArrayList<Map<String, Object>>();
        if (message instanceof ToolResponseMessage result) {
            result.getResponses().forEach(response -> parts.add(text(response.responseData())));
        } else if (message.getText() != null && !message.getText().isEmpty()) {
            parts.add(text(message.getText()));
        }
        if (message instanceof AssistantMessage answer) {
            answer.getToolCalls().forEach(call -> parts.add(called(call)));
        }
        return Map.of("role", message.getMessageType().getValue(), "content", parts);
    }

    private static Map<String, Object> text(String text) {
        return Map.of("type", "text", "text", text);
    }

    private static Map<String, Object> called(AssistantMessage.ToolCall call) {
        var part = new LinkedHashMap<String, Object>();
        part.put("type", "tool_call");
        part.put("name", call.name());
        part.put("arguments", call.arguments());
        return part;
    }
}
