// Prints events for `sinkwell vacuum`: see docs/VACUUM.md.
#:property PublishAot=false
using System.Text.Json.Nodes;

Emit(new JsonObject { ["action"] = "transfer", ["value"] = 7, ["note"] = "a \"quoted\"\nline, ü 🌍" });

// Prints one event, on a line of its own.
static void Emit(JsonObject data)
{
    data["_e"] = 1;
    Console.WriteLine(data.ToJsonString());
}
