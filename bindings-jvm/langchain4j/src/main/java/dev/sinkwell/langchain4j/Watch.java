package dev.sinkwell.langchain4j;

import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.service.AiServices;
import dev.langchain4j.service.tool.AiServiceTool;
import dev.langchain4j.service.tool.ToolErrorHandlerResult;
import dev.langchain4j.service.tool.ToolExecutionErrorHandler;
import dev.langchain4j.service.tool.ToolExecutor;
import dev.langchain4j.service.tool.ToolProvider;
import dev.langchain4j.service.tool.ToolProviderRequest;
import dev.langchain4j.service.tool.ToolProviderResult;
import dev.langchain4j.service.tool.ToolService;
import dev.sinkwell.DeedTerms;
import dev.sinkwell.Emitter;
import dev.sinkwell.SinkwellException;
import dev.sinkwell.integration.Seam;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;

/**
 * One program's use of LangChain4j: AI services whose calls are runs, models whose answers are usages, guardrails that are
 * decisions, tools whose calls are deeds. Which step is which event is the core's to say, as in every framework
 * (docs/STEPS.md).
 *
 * <pre>{@code
 * var watch = new Watch(emitter);
 * var shop = watch.on(AiServices.builder(Shop.class).chatModel(model)).tools(watch.tools(new Payments())).build();
 * }</pre>
 *
 * <p>Telling never throws and never breaks what it watches. A tool's call is made only once its intent is safe; where it must not
 * be made, the service's call ends with the {@link SinkwellException} that says why.
 */
public final class Watch implements AutoCloseable {
    private final Seam seam;
    private final Listeners listeners;

    /** Watches from now on, for the process's default emitter and without people's words. */
    public Watch() {
        this(null, null, null);
    }

    /**
     * Watches from now on, without people's words.
     *
     * @param emitter whose events they are
     */
    public Watch(Emitter emitter) {
        this(emitter, null, null);
    }

    /**
     * Watches from now on, which is sealed as a {@code coverage} event.
     *
     * @param emitter whose events they are; null: the process's default one
     * @param permit the most that prompts, completions, arguments and results may be captured: {@code off} (null),
     *     {@code redacted_summary}, {@code content_ref}, {@code raw}
     * @param terms what a tool's call waits for, and for how long; null: as the core says
     */
    public Watch(Emitter emitter, String permit, DeedTerms terms) {
        seam = new Seam(emitter, permit, terms, "langchain4j", "dev.langchain4j:langchain4j", AiServices.class);
        listeners = new Listeners(seam);
    }

    /**
     * Has a service's calls, its models' answers and its guardrails told, and has the service end where sinkwell lets a tool's
     * call not be made: LangChain4j itself would tell the model of it and go on. Any other failure of a tool goes to the model, as
     * it does by LangChain4j's own default.
     *
     * @param service the service that is being built
     * @return the same
     */
    public <T> AiServices<T> on(AiServices<T> service) {
        return on(service, (failure, context) -> {
            var message = failure.getMessage();
            return ToolErrorHandlerResult.text(message == null || message.isBlank() ? failure.getClass().getName() : message);
        });
    }

    /**
     * {@link #on(AiServices)} with a handler of the program's own for what tools throw.
     *
     * @param service the service that is being built
     * @param handler asked for everything but what sinkwell says itself
     * @return the same
     */
    public <T> AiServices<T> on(AiServices<T> service, ToolExecutionErrorHandler handler) {
        return service.registerListeners(listeners.all()).toolExecutionErrorHandler((failure, context) -> {
            for (var cause = failure; cause != null; cause = cause.getCause()) {
                if (cause instanceof SinkwellException refused) {
                    throw refused;
                }
            }
            return handler.handle(failure, context);
        });
    }

    /**
     * The methods of objects that are marked with {@code @Tool}, each call of which is a deed.
     *
     * @param objects the objects
     * @return what {@code AiServices.tools} takes
     */
    public List<AiServiceTool> tools(Object... objects) {
        var watched = new ArrayList<AiServiceTool>();
        for (var object : objects) {
            watched.addAll(tools(ToolService.findTools(object)));
        }
        return watched;
    }

    /**
     * The same tools, each call of which is a deed.
     *
     * @param tools the tools
     * @return what {@code AiServices.tools} takes
     */
    public List<AiServiceTool> tools(List<AiServiceTool> tools) {
        return tools.stream()
                .map(tool -> tool.toBuilder().toolExecutor(tool(tool.toolExecutor())).build())
                .toList();
    }

    /**
     * The same executor, each call of which is a deed.
     *
     * @param executor the executor
     * @return another, or itself where it is watched already
     */
    public ToolExecutor tool(ToolExecutor executor) {
        return executor instanceof WatchedTool ? executor : new WatchedTool(seam, listeners, executor);
    }

    /**
     * The same provider, as of an MCP server's tools, each call of whose tools is a deed.
     *
     * @param provider the provider
     * @return another
     */
    public ToolProvider provider(ToolProvider provider) {
        return new ToolProvider() {
            @Override
            public ToolProviderResult provideTools(ToolProviderRequest request) {
                var provided = provider.provideTools(request);
                return provided == null ? null : new ToolProviderResult(tools(provided.aiServiceTools()));
            }

            @Override
            public boolean isDynamic() {
                return provider.isDynamic();
            }
        };
    }

    /**
     * The same streaming model, for a service that is given to {@link #on}: where a stream's reader cancels it by its
     * {@code StreamingHandle}, of which LangChain4j tells nobody, the run ends as cancelled.
     *
     * @param model the model
     * @return what {@code AiServices.streamingChatModel} takes
     */
    public StreamingChatModel streams(StreamingChatModel model) {
        return WatchedStreams.of(model, listeners);
    }

    /**
     * Tells of a model's answers where no AI service does: for a model that the program calls itself. A model of a service that is
     * watched must not have it, or each answer counts twice.
     *
     * @return what a model's builder takes as one of its listeners
     */
    public ChatModelListener modelListener() {
        return new ModelListener(seam);
    }

    /**
     * Does something as an agent's run, to which the services that are called in it on this thread belong.
     *
     * @param agent the agent's name
     * @param body what it does
     * @return what the body answers
     * @throws Exception what the body throws
     */
    public <T> T run(String agent, Callable<T> body) throws Exception {
        return seam.run(agent, body);
    }

    /** Seals that nothing is watched any longer; from now on services and tools are what they were. */
    @Override
    public void close() {
        seam.close();
    }
}
