// The small agent, in .NET: emits the steps of ../agent.json, as it does in every language.
//
// Clock, ids and key are fixed, so that all five write the same bytes to target/examples/LANGUAGE/events.ndjson.
// Run it with SINKWELL_TESTING=1: dotnet run --project examples/dotnet

using System.Text.Json;
using System.Text.Json.Nodes;
using Sinkwell;

var root = Root();
var target = Directory.CreateDirectory(Path.Combine(root, "target", "examples", "dotnet")).FullName;
var events = Path.Combine(target, "events.ndjson");
File.Delete(events);

var example = JsonNode.Parse(File.ReadAllText(Path.Combine(root, "examples", "agent.json")))!;
WriteKey("agent.pem", UnixFileMode.UserRead | UnixFileMode.UserWrite);
WriteKey("agent.pem.pub", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);

var configuration = example["config"]!.AsObject();
configuration["key"] = new JsonObject
{
    ["id"] = (string)example["key"]!["id"]!,
    ["ed25519"] = new JsonObject { ["file"] = Path.Combine(target, "agent.pem") },
};
configuration["lanes"] = new JsonArray(new JsonObject
{
    ["id"] = "file",
    ["sink"] = new JsonObject { ["file"] = new JsonObject { ["path"] = events } },
});
// With an intake (`sinkwell intake`), there as well. A lane's name is part of what fixes its stream's id.
if (Environment.GetEnvironmentVariable("EXAMPLE_INTAKE") is { Length: > 0 } endpoint)
{
    configuration["lanes"]!.AsArray().Add(new JsonObject
    {
        ["id"] = "dotnet",
        ["sink"] = new JsonObject { ["stream"] = new JsonObject { ["endpoint"] = endpoint } },
    });
}

await using var emitter = Emitter.Open(JsonSerializer.SerializeToElement(configuration));
foreach (var step in example["steps"]!.AsArray())
{
    emitter.Emit((string)step!["type"]!, JsonSerializer.SerializeToElement(step["data"]), new()
    {
        Subject = (string?)step["subject"],
        Run = (string?)step["run"],
        Content = [.. (step["content"] as JsonArray ?? []).Select(static part =>
            new Part((string)part!["class"]!) { Text = (string?)part["text"] })],
    });
}

void WriteKey(string name, UnixFileMode mode)
{
    var path = Path.Combine(target, name);
    File.WriteAllText(path, (string)example["key"]![name]!);
    if (!OperatingSystem.IsWindows())
    {
        File.SetUnixFileMode(path, mode);
    }
}

// The project's root, from where the program was built to.
static string Root()
{
    var folder = new DirectoryInfo(AppContext.BaseDirectory);
    while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "examples", "agent.json")))
    {
        folder = folder.Parent;
    }
    return folder?.FullName ?? throw new DirectoryNotFoundException("examples/agent.json is in no folder above the program");
}
