package example;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sinkwell.EventOptions;
import dev.sinkwell.Part;
import dev.sinkwell.Sinkwell;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The small agent, in Java: emits the steps of ../agent.json, as it does in every language.
 *
 * <p>Clock, ids and key are fixed, so that all write the same bytes to FOLDER/events.ndjson. Run it with SINKWELL_TESTING=1, the
 * path of agent.json and the folder.
 */
public final class Agent {
    private static final ObjectMapper JSON = new ObjectMapper();

    private Agent() {}

    public static void main(String[] arguments) throws Exception {
        var example = JSON.readTree(Files.readString(Path.of(arguments[0])));
        var folder = Files.createDirectories(Path.of(arguments[1]));
        var events = folder.resolve("events.ndjson");
        Files.deleteIfExists(events);
        var key = example.get("key");
        for (var name : List.of("agent.pem", "agent.pem.pub")) {
            var file = Files.writeString(folder.resolve(name), key.get(name).asText());
            var mode = name.equals("agent.pem") ? "rw-------" : "rw-r--r--";
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(mode));
        }

        var config = new LinkedHashMap<String, Object>(map(example.get("config")));
        config.put("key", Map.of(
                "id", key.get("id").asText(), "ed25519", Map.of("file", folder.resolve("agent.pem").toString())));
        var lanes = new ArrayList<Object>();
        lanes.add(Map.of("id", "file", "sink", Map.of("file", Map.of("path", events.toString()))));
        // With an intake (`sinkwell intake`), there as well. A lane's name is part of what fixes its stream's id.
        var endpoint = System.getenv("EXAMPLE_INTAKE");
        if (endpoint != null) {
            lanes.add(Map.of("id", "jvm", "sink", Map.of("stream", Map.of("endpoint", endpoint))));
        }
        config.put("lanes", lanes);
        try (var emitter = Sinkwell.open(config)) {
            for (var step : example.get("steps")) {
                emitter.emit(step.get("type").asText(), map(step.get("data")), options(step));
            }
        }
    }

    private static EventOptions options(JsonNode step) {
        var options = new EventOptions()
                .subject(step.path("subject").textValue())
                .run(step.path("run").textValue());
        var content = new ArrayList<Part>();
        for (var part : step.path("content")) {
            content.add(Part.text(part.get("class").asText(), part.get("text").asText()));
        }
        return options.content(content);
    }

    private static Map<String, ?> map(JsonNode node) {
        return JSON.convertValue(node, JSON.getTypeFactory().constructMapType(Map.class, String.class, Object.class));
    }
}
