package dev.sinkwell.langchain4j;

import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.PartialThinkingContext;
import dev.langchain4j.model.chat.response.PartialToolCallContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.UUID;

/**
 * A streaming model of which it is seen when its reader cancels an answer: LangChain4j tells nobody. All else passes through as it
 * is, whichever methods a release has.
 */
final class WatchedStreams {
    private WatchedStreams() {}

    static StreamingChatModel of(StreamingChatModel model, Listeners listeners) {
        return proxy(StreamingChatModel.class, model, given -> {
            var call = given.length > 1 && given[0] instanceof ChatRequest request ? listeners.callOf(request) : null;
            if (call != null && given[given.length - 1] instanceof StreamingChatResponseHandler handler) {
                given[given.length - 1] = handler(handler, call, listeners);
            }
        });
    }

    private static StreamingChatResponseHandler handler(StreamingChatResponseHandler handler, UUID call, Listeners listeners) {
        return proxy(StreamingChatResponseHandler.class, handler, given -> {
            if (given.length != 2) {
                return;
            }
            if (given[1] instanceof PartialResponseContext context) {
                given[1] = new PartialResponseContext(handle(context.streamingHandle(), call, listeners));
            } else if (given[1] instanceof PartialThinkingContext context) {
                given[1] = new PartialThinkingContext(handle(context.streamingHandle(), call, listeners));
            } else if (given[1] instanceof PartialToolCallContext context) {
                given[1] = new PartialToolCallContext(handle(context.streamingHandle(), call, listeners));
            }
        });
    }

    private static StreamingHandle handle(StreamingHandle handle, UUID call, Listeners listeners) {
        return new StreamingHandle() {
            @Override
            public void cancel() {
                // One that cannot be cancelled throws.
                handle.cancel();
                listeners.cancelled(call);
            }

            @Override
            public boolean isCancelled() {
                return handle.isCancelled();
            }
        };
    }

    /** Changes what a call is given. */
    private interface Change {
        void in(Object[] given);
    }

    private static <T> T proxy(Class<T> type, T inner, Change change) {
        InvocationHandler pass = (outer, method, given) -> {
            if (given != null) {
                change.in(given);
            }
            try {
                return method.invoke(inner, given);
            } catch (InvocationTargetException e) {
                throw e.getTargetException();
            }
        };
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, pass));
    }
}
