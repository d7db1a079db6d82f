package dev.sinkwell.springai;

import dev.sinkwell.StepCall;
import dev.sinkwell.integration.Seam;
import java.util.HashMap;
import java.util.function.Supplier;
import org.springframework.ai.chat.model.ToolContext;
import org.springframework.ai.model.tool.internal.ToolCallReactiveContextHolder;
import org.springframework.ai.tool.ToolCallback;
import org.springframework.ai.tool.definition.ToolDefinition;
import org.springframework.ai.tool.execution.ToolExecutionException;
import org.springframework.ai.tool.metadata.ToolMetadata;

/** A tool that is called only once the call's intent is safe. */
final class WatchedTool implements ToolCallback {
    private final Seam seam;
    private final ToolCallback tool;

    WatchedTool(Seam seam, ToolCallback tool) {
        this.seam = seam;
        this.tool = tool;
    }

    @Override
    public ToolDefinition getToolDefinition() {
        return tool.getToolDefinition();
    }

    @Override
    public ToolMetadata getToolMetadata() {
        return tool.getToolMetadata();
    }

    @Override
    public String call(String input) {
        return called(input, () -> tool.call(input));
    }

    @Override
    public String call(String input, ToolContext context) {
        return called(input, () -> tool.call(input, context));
    }

    private String called(String input, Supplier<String> act) {
        if (!seam.isWatching()) {
            return act.get();
        }
        var step = seam.step("tool");
        // While it streams, tools run on threads of Reactor's, with its context. A client that a tool calls is deeper in.
        if (ToolCallReactiveContextHolder.getContext().getOrDefault(RunAdvisor.RUN, null) instanceof RunAdvisor.Place place
                && (seam.getInside() == null || seam.getInside().equals(place.around()))) {
            step.put("parent", place.run());
        }
        step.put("name", getToolDefinition().name());
        step.put("input", seam.readJson(input));
        return seam.call(step, call -> acted(call, act));
    }

    private String acted(StepCall call, Supplier<String> act) {
        String result;
        try {
            result = act.get();
        } catch (ToolExecutionException e) {
            // Spring AI's own, around what the tool threw.
            if (e.getCause() != null) {
                call.ended(seam.ended(e.getCause()));
            }
            throw e;
        }
        var end = new HashMap<String, Object>();
        end.put("output", result);
        call.ended(end);
        return result;
    }
}
