package dev.sinkwell.springai;

import dev.sinkwell.integration.Seam;
import java.util.Map;
import java.util.concurrent.CancellationException;
import org.springframework.ai.chat.client.ChatClientRequest;
import org.springframework.ai.chat.client.ChatClientResponse;
import org.springframework.ai.chat.client.advisor.api.CallAdvisor;
import org.springframework.ai.chat.client.advisor.api.CallAdvisorChain;
import org.springframework.ai.chat.client.advisor.api.StreamAdvisor;
import org.springframework.ai.chat.client.advisor.api.StreamAdvisorChain;
import org.springframework.core.Ordered;
import reactor.core.publisher.Flux;

/** A chat client's call as an agent's run: around all other advisors. */
final class RunAdvisor implements CallAdvisor, StreamAdvisor {
    /** By which name what is inside of the run knows it: its id in a request's context, a {@link Place} in Reactor's. */
    static final String RUN = "dev.sinkwell.run";

    /**
     * Where a stream's tools are.
     *
     * @param run the run
     * @param around the step that the run itself is inside of
     */
    record Place(String run, String around) {}

    private final Seam seam;
    private final String agent;

    RunAdvisor(Seam seam, String agent) {
        this.seam = seam;
        this.agent = agent;
    }

    @Override
    public String getName() {
        return "sinkwell run";
    }

    @Override
    public int getOrder() {
        return Ordered.HIGHEST_PRECEDENCE;
    }

    private Map<String, Object> begun() {
        var step = seam.step("agent");
        step.put("name", agent);
        seam.tell(step);
        return step;
    }

    private static ChatClientRequest within(ChatClientRequest request, String run) {
        return request.mutate().context(RUN, run).build();
    }

    @Override
    public ChatClientResponse adviseCall(ChatClientRequest request, CallAdvisorChain chain) {
        if (!seam.isWatching()) {
            return chain.nextCall(request);
        }
        var step = begun();
        var run = (String) step.get("id");
        ChatClientResponse response;
        try {
            response = seam.within(run, () -> chain.nextCall(within(request, run)));
        } catch (RuntimeException | Error e) {
            seam.tellEnd(step, e);
            throw e;
        }
        seam.tellEnd(step, null);
        return response;
    }

    @Override
    public Flux<ChatClientResponse> adviseStream(ChatClientRequest request, StreamAdvisorChain chain) {
        if (!seam.isWatching()) {
            return chain.nextStream(request);
        }
        return Flux.defer(() -> {
            var around = seam.getInside();
            var step = begun();
            var run = (String) step.get("id");
            return chain.nextStream(within(request, run))
                    .contextWrite(context -> context.put(RUN, new Place(run, around)))
                    .doOnComplete(() -> seam.tellEnd(step, null))
                    .doOnError(failure -> seam.tellEnd(step, failure))
                    // Whoever reads no further has cancelled it.
                    .doOnCancel(() -> seam.tellEnd(step, new CancellationException()));
        });
    }
}
