package dev.sinkwell.springai;

import dev.sinkwell.DeedTerms;
import dev.sinkwell.Emitter;
import dev.sinkwell.integration.Seam;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import org.springframework.ai.chat.client.advisor.api.Advisor;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.support.ToolCallbacks;
import org.springframework.ai.tool.ToolCallback;
import org.springframework.ai.tool.ToolCallbackProvider;

/**
 * One program's use of Spring AI: chat clients whose calls are runs, models whose answers are usages, tools whose calls are deeds.
 * Which step is which event is the core's to say, as in every framework (docs/STEPS.md).
 *
 * <pre>{@code
 * var watch = new Watch(emitter);
 * var shop = ChatClient.builder(model)
 *     .defaultAdvisors(watch.advisors("shop")).defaultTools((Object[]) watch.tools(new Payments())).build();
 * }</pre>
 *
 * <p>Telling never throws and never breaks what it watches. A tool's call is made only once its intent is safe; where it must not
 * be made, the client's call ends with the {@code SinkwellException} that says why.
 */
public final class Watch implements AutoCloseable {
    private final Seam seam;

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
        // The model's artifact has the version in its manifest; all of Spring AI is released as one.
        seam = new Seam(emitter, permit, terms, "spring_ai", "org.springframework.ai:spring-ai-model", ChatModel.class);
    }

    /**
     * What has a chat client's calls told as an agent's runs, and each answer of its model, streamed or not.
     *
     * @param agent the agent's name
     * @return what {@code ChatClient.Builder.defaultAdvisors} takes
     */
    public List<Advisor> advisors(String agent) {
        return List.of(new RunAdvisor(seam, agent), new ModelAdvisor(seam));
    }

    /**
     * The methods of objects that are marked with {@code @Tool}, each call of which is a deed.
     *
     * @param objects the objects
     * @return what {@code ChatClient.Builder.defaultTools} takes
     */
    public ToolCallback[] tools(Object... objects) {
        return tools(ToolCallbacks.from(objects));
    }

    /**
     * The same tools, each call of which is a deed.
     *
     * @param tools the tools
     * @return others, or themselves where they are watched already
     */
    public ToolCallback[] tools(ToolCallback... tools) {
        return Arrays.stream(tools)
                .map(tool -> tool instanceof WatchedTool ? tool : new WatchedTool(seam, tool))
                .toArray(ToolCallback[]::new);
    }

    /**
     * The same provider, as of an MCP server's tools, each call of whose tools is a deed.
     *
     * @param provider the provider
     * @return another
     */
    public ToolCallbackProvider provider(ToolCallbackProvider provider) {
        return () -> tools(provider.getToolCallbacks());
    }

    /**
     * Does something as an agent's run, to which the clients that are called in it on this thread belong.
     *
     * @param agent the agent's name
     * @param body what it does
     * @return what the body answers
     * @throws Exception what the body throws
     */
    public <T> T run(String agent, Callable<T> body) throws Exception {
        return seam.run(agent, body);
    }

    /** Seals that nothing is watched any longer; from now on clients and tools are what they were. */
    @Override
    public void close() {
        seam.close();
    }
}
