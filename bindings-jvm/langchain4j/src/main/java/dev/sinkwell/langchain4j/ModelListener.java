package dev.sinkwell.langchain4j;

import dev.langchain4j.model.chat.listener.ChatModelErrorContext;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.listener.ChatModelRequestContext;
import dev.langchain4j.model.chat.listener.ChatModelResponseContext;
import dev.sinkwell.integration.Seam;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** Tells of the answers of a model that no AI service calls. */
final class ModelListener implements ChatModelListener {
    private final Seam seam;

    /** Under which a request's step waits for its answer. */
    private final Object key = new Object();

    ModelListener(Seam seam) {
        this.seam = seam;
    }

    @Override
    public void onRequest(ChatModelRequestContext context) {
        if (!seam.isWatching()) {
            return;
        }
        var step = Models.asked(seam, context.chatRequest(), null);
        if (context.modelProvider() != null) {
            step.put("attributes", Map.of("gen_ai.provider.name", context.modelProvider().name().toLowerCase(Locale.ROOT)));
        }
        context.attributes().put(key, step);
    }

    @Override
    public void onResponse(ChatModelResponseContext context) {
        var step = taken(context.attributes());
        if (step != null) {
            Models.answered(seam, step, context.chatResponse());
        }
    }

    @Override
    public void onError(ChatModelErrorContext context) {
        var step = taken(context.attributes());
        if (step != null) {
            seam.tellEnd(step, context.error());
        }
    }

    private Map<String, Object> taken(Map<Object, Object> attributes) {
        if (!(attributes.remove(key) instanceof Map<?, ?> known)) {
            return null;
        }
        var step = new HashMap<String, Object>();
        known.forEach((name, value) -> step.put(String.valueOf(name), value));
        return step;
    }
}
