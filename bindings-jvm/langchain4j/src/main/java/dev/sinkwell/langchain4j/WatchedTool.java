package dev.sinkwell.langchain4j;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.exception.ToolArgumentsException;
import dev.langchain4j.exception.ToolExecutionException;
import dev.langchain4j.invocation.InvocationContext;
import dev.langchain4j.service.tool.ToolExecutionResult;
import dev.langchain4j.service.tool.ToolExecutor;
import dev.sinkwell.StepCall;
import dev.sinkwell.integration.Seam;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;

/** A tool that is called only once the call's intent is safe. */
final class WatchedTool implements ToolExecutor {
    private final Seam seam;
    private final Listeners listeners;
    private final ToolExecutor tool;

    WatchedTool(Seam seam, Listeners listeners, ToolExecutor tool) {
        this.seam = seam;
        this.listeners = listeners;
        this.tool = tool;
    }

    @Override
    public String execute(ToolExecutionRequest request, Object memoryId) {
        return called(request, null, () -> tool.execute(request, memoryId), text -> end(text, false));
    }

    @Override
    public ToolExecutionResult executeWithContext(ToolExecutionRequest request, InvocationContext context) {
        // Its text may be made only when it is asked for, and once more each time.
        return called(
                request, context, () -> tool.executeWithContext(request, context), result -> end(result.resultText(), result.isError()));
    }

    private <T> T called(
            ToolExecutionRequest request, InvocationContext context, Supplier<T> act, Function<T, Map<String, Object>> end) {
        if (!seam.isWatching()) {
            return act.get();
        }
        var step = seam.step("tool");
        var run = context == null ? null : listeners.runOf(context.invocationId());
        if (run != null) {
            step.put("parent", run);
        }
        step.put("name", request.name());
        step.put("input", seam.readJson(request.arguments()));
        if (request.id() != null) {
            // It is the model's, which may give it again.
            step.put("attributes", Map.of("gen_ai.tool.call.id", request.id()));
        }
        return seam.call(step, call -> acted(call, act, end));
    }

    private <T> T acted(StepCall call, Supplier<T> act, Function<T, Map<String, Object>> end) {
        T result;
        try {
            result = act.get();
        } catch (ToolExecutionException | ToolArgumentsException e) {
            // LangChain4j's own, around what the tool threw.
            if (e.getCause() != null) {
                call.ended(seam.ended(e.getCause()));
            }
            throw e;
        }
        call.ended(end.apply(result));
        return result;
    }

    private static Map<String, Object> end(String text, boolean isError) {
        var end = new HashMap<String, Object>();
        end.put("output", text);
        if (isError) {
            end.put("outcome", "error");
            end.put("error_type", "tool_error");
        }
        return end;
    }
}
