package dev.sinkwell.testing;

import dev.sinkwell.Emitter;
import dev.sinkwell.GovernanceEventSink;
import dev.sinkwell.SignedGovernanceEvent;
import dev.sinkwell.SinkClass;
import dev.sinkwell.SinkwellException;
import dev.sinkwell.internal.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What an integration has told into a file, as the scripted run has it (tests/vectors/scripted). */
public final class Told {
    private static final String OURS = "dev.sinkwell.";
    private static final Path ROOT = Path.of(System.getProperty("sinkwell.root", "..")).toAbsolutePath().normalize();

    private final List<Map<String, Object>> events = new ArrayList<>();

    /**
     * Reads what was told.
     *
     * @param folder that of {@link #toFile}
     * @param mayShow whether people's words, which all are MARKER, may be in it
     */
    public Told(Path folder, boolean mayShow) throws IOException {
        for (var line : Files.readAllLines(folder.resolve("events.ndjson"))) {
            if (!mayShow && line.contains("MARKER")) {
                throw new AssertionError("people's words left: " + line);
            }
            var event = Json.INSTANCE.map(line);
            if (!event.containsKey("origin")) {
                events.add(event);
            }
        }
    }

    /** A configuration of one lane, to a file. */
    public static Map<String, Object> toFile(Path folder) {
        return config(List.of(lane(folder)));
    }

    private static Map<String, Object> lane(Path folder) {
        return new LinkedHashMap<>(Map.of(
                "id", "out", "sink", Map.of("file", Map.of("path", folder.resolve("events.ndjson").toString()))));
    }

    private static Map<String, Object> config(List<Map<String, Object>> lanes) {
        return new LinkedHashMap<>(
                Map.of("agent", Map.of("id", "urn:example:agent"), "heartbeat", "off", "lanes", lanes));
    }

    /** A configuration that lets people's words out, raw. */
    public static Map<String, Object> toFileWithContent(Path folder) {
        var lane = lane(folder);
        lane.put("content", Map.of(
                "mode", "raw",
                "classes", List.of("prompt", "completion", "system", "tool_arguments", "tool_result")));
        var config = config(List.of(lane));
        config.put("governance", Map.of("version", "1", "content", Map.of(
                "mode", "raw",
                "retention", Map.of("class", "short", "window", "30d"),
                "limits", Map.of("bytes", "64KiB"),
                "sampling", Map.of("key", "run", "rate", Map.of("numerator", 1, "denominator", 1)),
                "redaction", Map.of("id", "none", "detectors", List.of("card")))));
        return config;
    }

    /** A configuration that demands a sink of the class siem, which is the host's. */
    public static Map<String, Object> withSiem(Path folder) {
        var config = config(List.of(lane(folder), Map.of(
                "id", "siem",
                "classes", List.of("siem"),
                "sink", Map.of("host", "siem"),
                "retry", Map.of("initial", "1h", "cap", "1h"),
                "breaker", Map.of("failures", 1))));
        config.put("governance", Map.of("version", "1", "requires_sink", "siem"));
        return config;
    }

    /** The sink that {@link #withSiem} demands. */
    public static final class Siem implements GovernanceEventSink {
        /** Whether it fails. */
        public volatile boolean isDown;

        @Override
        public String getName() {
            return "siem";
        }

        @Override
        public Set<SinkClass> getClasses() {
            return Set.of(SinkClass.SIEM);
        }

        @Override
        public CompletionStage<?> emit(SignedGovernanceEvent event) {
            return isDown ? CompletableFuture.failedFuture(new IOException("away")) : null;
        }
    }

    /** Returns once the emitter lets nothing through any more. */
    public static void untilNotReady(Emitter emitter) {
        while (true) {
            try {
                emitter.ensureReady();
                Thread.onSpinWait();
            } catch (SinkwellException e) {
                return;
            }
        }
    }

    /** The events. */
    public Stream<Map<String, Object>> all() {
        return events.stream();
    }

    /** The data of those of a built-in type. */
    public Stream<Map<String, Object>> of(String type) {
        return all().filter(one -> one.get("type").equals(OURS + type)).map(Told::data);
    }

    /** The data of an event. */
    @SuppressWarnings("unchecked")
    public static Map<String, Object> data(Map<String, Object> event) {
        return (Map<String, Object>) event.get("data");
    }

    /** The ids of those of a phase. */
    public List<Object> ids(String phase) {
        return all().filter(one -> phase.equals(data(one).get("phase"))).map(one -> one.get("id")).toList();
    }

    /** The causes of those of a phase. */
    public List<Object> causes(String phase) {
        return all().filter(one -> phase.equals(data(one).get("phase"))).map(one -> one.get("causationid")).toList();
    }

    /** Every error.type. */
    public Set<Object> errors() {
        return all().map(one -> data(one).get("error.type")).filter(type -> type != null).collect(Collectors.toSet());
    }

    /** The classes of the parts in which people's words were shown; they must be nowhere else. */
    public Set<String> disclosed() {
        var shown = new TreeSet<String>();
        for (var event : events) {
            var data = data(event);
            if (!(data.get("disclosures") instanceof List<?> disclosures)) {
                if (event.toString().contains("MARKER")) {
                    throw new AssertionError("people's words are in no part: " + event);
                }
                continue;
            }
            for (var disclosure : disclosures) {
                if (disclosure instanceof Map<?, ?> one && one.toString().contains("MARKER")) {
                    var part = ((List<?>) data.get("content")).get(((Number) one.get("part")).intValue());
                    shown.add(String.valueOf(((Map<?, ?>) part).get("class")));
                }
            }
        }
        return shown;
    }

    /** The graph of the scripted run, without what the framework does not have. */
    public static List<String> script(String... without) throws IOException {
        var script = Json.INSTANCE.map(Files.readString(ROOT.resolve("tests/vectors/scripted/run.json")));
        return ((List<?>) script.get("graph"))
                .stream()
                        .map(one -> new ArrayList<>((List<?>) one))
                        .filter(one -> !List.of(without).contains(one.get(0)))
                        .peek(one -> {
                            if (List.of(without).contains("handoff")) {
                                one.remove("caused by the handoff");
                            }
                        })
                        .map(Object::toString)
                        .toList();
    }

    /** What the events say, by the names of runs. */
    public List<String> graph() throws IOException {
        var usage = (Map<?, ?>) Json.INSTANCE
                .map(Files.readString(ROOT.resolve("tests/vectors/scripted/run.json")))
                .get("usage");
        var names = new HashMap<Object, Object>();
        var found = new ArrayList<List<Object>>();
        for (var event : events) {
            var data = data(event);
            var type = String.valueOf(event.get("type")).replace(OURS, "");
            if (type.equals("run.started")) {
                names.put(event.get("runid"), String.valueOf(data.get("gen_ai.agent.name")).toLowerCase(java.util.Locale.ROOT));
            }
            var run = names.getOrDefault(event.get("runid"), event.get("runid"));
            var line = new ArrayList<Object>();
            line.add(type);
            line.add(run);
            switch (type) {
                case "run.started", "run.completed", "run.failed" -> line.add(names.get(data.get("parent_run")));
                case "model.usage" -> {
                    var isSame = usage.entrySet().stream().allMatch(one -> one.getValue().equals(data.get(one.getKey())));
                    line.add(isSame ? "usage" : "other usage " + data);
                }
                case "tool.invocation" -> {
                    if (!"result".equals(data.get("phase"))) {
                        continue;
                    }
                    line.set(0, "tool");
                    line.add(data.get("tool"));
                    line.add(data.get("outcome"));
                }
                case "policy.decision" -> {
                    line.set(0, "decision");
                    line.add(data.get("decision"));
                    line.add(String.valueOf(event.get("subject")).replace("tool:", ""));
                }
                default -> {
                    continue;
                }
            }
            found.add(line);
        }
        return found.stream().map(Object::toString).toList();
    }
}
