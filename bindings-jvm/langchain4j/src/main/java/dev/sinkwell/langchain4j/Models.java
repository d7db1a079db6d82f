package dev.sinkwell.langchain4j;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.TokenUsage;
import dev.sinkwell.integration.Seam;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A model's request and answer as a step. */
final class Models {
    private Models() {}

    static Map<String, Object> asked(Seam seam, ChatRequest request, String parent) {
        var step = seam.step("model");
        if (parent != null) {
            step.put("parent", parent);
        }
        step.put("name", request.modelName());
        if (seam.hasContent()) {
            step.put("system", request.messages().stream()
                    .filter(SystemMessage.class::isInstance)
                    .map(message -> ((SystemMessage) message).text())
                    .reduce((one, other) -> one + "\n" + other)
                    .orElse(null));
            step.put("input", request.messages().stream()
                    .filter(message -> !(message instanceof SystemMessage))
                    .map(Models::message)
                    .toList());
        }
        return step;
    }

    static void answered(Seam seam, Map<String, Object> step, ChatResponse response) {
        var attributes = new HashMap<String, Object>();
        if (step.get("attributes") instanceof Map<?, ?> known) {
            known.forEach((name, value) -> attributes.put(String.valueOf(name), value));
        }
        if (response.modelName() != null) {
            attributes.put("gen_ai.response.model", response.modelName());
        }
        if (response.id() != null) {
            attributes.put("gen_ai.response.id", response.id());
        }
        if (response.finishReason() != null) {
            attributes.put("gen_ai.response.finish_reasons", List.of(response.finishReason().name().toLowerCase(java.util.Locale.ROOT)));
        }
        step.put("attributes", attributes);
        used(step, attributes, response.tokenUsage());
        if (seam.hasContent()) {
            step.put("output", List.of(message(response.aiMessage())));
        }
        seam.tellEnd(step, null);
    }

    /** What the answer cost; cached and reasoning tokens each provider's own class has, by names of its own. */
    private static void used(Map<String, Object> step, Map<String, Object> attributes, TokenUsage usage) {
        if (usage == null) {
            return;
        }
        var read = ask(usage, "cacheReadInputTokens");
        var written = ask(usage, "cacheCreationInputTokens");
        if (read != null || written != null) {
            // Anthropic's, whose input tokens are those that no cache had.
            var own = new HashMap<String, Object>();
            own.put("input_tokens", usage.inputTokenCount());
            own.put("output_tokens", usage.outputTokenCount());
            own.put("cache_read_input_tokens", read);
            own.put("cache_creation_input_tokens", written);
            own.values().removeIf(java.util.Objects::isNull);
            step.put("usage", own);
            step.put("usage_of", "anthropic");
            return;
        }
        var cached = first(ask(ask(usage, "inputTokensDetails"), "cachedTokens"), ask(usage, "cachedContentTokenCount"));
        var reasoning = first(ask(ask(usage, "outputTokensDetails"), "reasoningTokens"), ask(usage, "thoughtsTokenCount"));
        attributes.put("gen_ai.usage.input_tokens", usage.inputTokenCount());
        attributes.put("gen_ai.usage.output_tokens", usage.outputTokenCount());
        attributes.put("gen_ai.usage.cache_read.input_tokens", cached);
        attributes.put("gen_ai.usage.reasoning.output_tokens", reasoning);
        attributes.values().removeIf(java.util.Objects::isNull);
    }

    private static Object first(Object one, Object other) {
        return one == null ? other : one;
    }

    private static Object ask(Object of, String name) {
        if (of == null) {
            return null;
        }
        try {
            return of.getClass().getMethod(name).invoke(of);
        } catch (ReflectiveOperationException e) {
            // It has none.
            return null;
        }
    }

    /** A message as chat interfaces have it; what a model thought is left out. */
    private static Map<String, Object> message(ChatMessage message) {
        if (message instanceof AiMessage answer) {
            var parts = new ArrayList<Map<String, Object>>();
            if (answer.text() != null && !answer.text().isEmpty()) {
                parts.add(text(answer.text()));
            }
            answer.toolExecutionRequests().forEach(request -> parts.add(call(request)));
            return Map.of("role", "assistant", "content", parts);
        }
        if (message instanceof ToolExecutionResultMessage result) {
            return Map.of("role", "tool", "content", parts(result.contents()));
        }
        if (message instanceof UserMessage asked) {
            return Map.of("role", "user", "content", parts(asked.contents()));
        }
        return Map.of("role", message.type().name().toLowerCase(java.util.Locale.ROOT), "content", List.of());
    }

    private static List<Map<String, Object>> parts(List<Content> contents) {
        return contents.stream()
                .filter(TextContent.class::isInstance)
                .map(content -> text(((TextContent) content).text()))
                .toList();
    }

    private static Map<String, Object> text(String text) {
        return Map.of("type", "text", "text", text);
    }

    private static Map<String, Object> call(ToolExecutionRequest request) {
        var part = new LinkedHashMap<String, Object>();
        part.put("type", "tool_call");
        part.put("name", request.name());
        part.put("arguments", request.arguments());
        return part;
    }
}
