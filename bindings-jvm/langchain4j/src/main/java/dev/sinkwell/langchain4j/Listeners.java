package dev.sinkwell.langchain4j;

import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.observability.api.event.AiServiceCompletedEvent;
import dev.langchain4j.observability.api.event.AiServiceErrorEvent;
import dev.langchain4j.observability.api.event.AiServiceEvent;
import dev.langchain4j.observability.api.event.AiServiceRequestIssuedEvent;
import dev.langchain4j.observability.api.event.AiServiceResponseReceivedEvent;
import dev.langchain4j.observability.api.event.AiServiceStartedEvent;
import dev.langchain4j.observability.api.event.GuardrailExecutedEvent;
import dev.langchain4j.observability.api.event.InputGuardrailExecutedEvent;
import dev.langchain4j.observability.api.event.OutputGuardrailExecutedEvent;
import dev.langchain4j.observability.api.listener.AiServiceListener;
import dev.sinkwell.integration.Seam;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;

/** What a service tells of its calls: each event names the call, on whatever thread it comes. */
final class Listeners {
    /** Most calls that are remembered while they go on: a stream that nobody reads to its end tells of no end. */
    private static final int MOST = 10_000;

    private final Seam seam;

    /** The calls that go on. */
    private final Map<UUID, Run> runs = new LinkedHashMap<>() {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<UUID, Run> eldest) {
            return size() > MOST;
        }
    };

    /** A call of a service: its step, and that of the model that it waits for. */
    private static final class Run {
        private final Map<String, Object> step;
        private Map<String, Object> model;
        private ChatRequest request;

        private Run(Map<String, Object> step) {
            this.step = step;
        }
    }

    Listeners(Seam seam) {
        this.seam = seam;
    }

    List<AiServiceListener<?>> all() {
        return List.of(
                listener(AiServiceStartedEvent.class, this::started),
                listener(AiServiceRequestIssuedEvent.class, this::asked),
                listener(AiServiceResponseReceivedEvent.class, this::answered),
                listener(InputGuardrailExecutedEvent.class, this::guarded),
                listener(OutputGuardrailExecutedEvent.class, this::guarded),
                listener(AiServiceCompletedEvent.class, event -> ended(callOf(event), null)),
                listener(AiServiceErrorEvent.class, event -> ended(callOf(event), event.error())));
    }

    private <E extends AiServiceEvent> AiServiceListener<E> listener(Class<E> type, Consumer<E> told) {
        return new AiServiceListener<>() {
            @Override
            public Class<E> getEventClass() {
                return type;
            }

            @Override
            public void onEvent(E event) {
                if (seam.isWatching()) {
                    told.accept(event);
                }
            }
        };
    }

    /** The step of a call of a service; null where nothing is known of it. */
    String runOf(UUID call) {
        synchronized (runs) {
            return runs.containsKey(call) ? call.toString() : null;
        }
    }

    /** The call of a service whose request to the model this is; null where none is known. */
    UUID callOf(ChatRequest request) {
        synchronized (runs) {
            return runs.entrySet().stream()
                    .filter(run -> run.getValue().request == request)
                    .findFirst()
                    .map(Map.Entry::getKey)
                    .orElse(null);
        }
    }

    /** Whoever read the stream of a call's answer reads no further. */
    void cancelled(UUID call) {
        if (seam.isWatching()) {
            ended(call, new CancellationException());
        }
    }

    private static UUID callOf(AiServiceEvent event) {
        return event.invocationContext().invocationId();
    }

    private Run run(AiServiceEvent event) {
        synchronized (runs) {
            return runs.get(callOf(event));
        }
    }

    private void started(AiServiceStartedEvent event) {
        var context = event.invocationContext();
        var step = seam.step("agent", callOf(event).toString());
        step.put("name", simple(context.interfaceName()));
        seam.tell(step);
        synchronized (runs) {
            runs.put(callOf(event), new Run(step));
        }
    }

    /** A class's name without its package and what it is inside of. */
    private static String simple(String name) {
        return name.substring(Math.max(name.lastIndexOf('.'), name.lastIndexOf('$')) + 1);
    }

    private void asked(AiServiceRequestIssuedEvent event) {
        var run = run(event);
        if (run == null) {
            return;
        }
        // What a guardrail has the model asked again tells of no answer to the first.
        over(run, null);
        run.request = event.request();
        run.model = Models.asked(seam, event.request(), callOf(event).toString());
    }

    private void answered(AiServiceResponseReceivedEvent event) {
        var run = run(event);
        if (run == null) {
            return;
        }
        var step = run.model;
        run.model = null;
        Models.answered(seam, step == null ? Models.asked(seam, event.request(), callOf(event).toString()) : step, event.response());
    }

    private void over(Run run, Throwable failure) {
        var step = run.model;
        run.model = null;
        if (step != null) {
            seam.tellEnd(step, failure);
        }
    }

    private <E extends GuardrailExecutedEvent<?, ?, ?>> void guarded(E event) {
        var step = seam.step("decision");
        step.put("parent", runOf(callOf(event)));
        step.put("name", simple(event.guardrailClass().getName()));
        step.put("decision", event.result().isSuccess() ? "allow" : "deny");
        seam.tellEnd(step, null);
    }

    private void ended(UUID call, Throwable failure) {
        Run run;
        synchronized (runs) {
            run = runs.remove(call);
        }
        if (run == null) {
            return;
        }
        over(run, failure);
        seam.tellEnd(run.step, failure);
    }
}
