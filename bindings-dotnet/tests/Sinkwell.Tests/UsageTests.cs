using System.Text.Json;
using System.Text.Json.Nodes;

namespace Sinkwell.Tests;

/// <summary>Usage and cost: every case of <c>tests/vectors/usage</c>.</summary>
public sealed class UsageTests
{
    private static readonly string Folder = Path.Combine(Project.Root, "tests", "vectors", "usage");

    public static TheoryData<string> Groups => [.. Directory.GetFiles(Folder, "*.json").Select(static path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Groups))]
    public void Cases_of_a_group(string group)
    {
        using var file = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, group + ".json")));
        var cases = file.RootElement.GetProperty("cases");
        Assert.Equal(group, file.RootElement.GetProperty("group").GetString());
        Assert.True(cases.GetArrayLength() > 0);
        foreach (var (i, one) in cases.EnumerateArray().Select(static (item, index) => (index, item)))
        {
            Assert.All(one.EnumerateObject(), static member => Assert.Contains(member.Name, new[] { "name", "provider", "request", "answer", "error" }));
            var name = one.GetProperty("name").GetString();
            if (one.TryGetProperty("error", out var error))
            {
                var e = Assert.ThrowsAny<SinkwellException>(() => { Run(group, one); });
                Assert.Equal((error.GetProperty("kind").GetString(), error.GetProperty("where").GetString()), (e.Kind, e.Where));
                Matrix.Record($"usage/{group}/{i}");
                continue;
            }
            var wanted = JsonNode.Parse(one.GetProperty("answer").GetRawText());
            Assert.True(JsonNode.DeepEquals(wanted, JsonNode.Parse(Run(group, one).GetRawText())), name);
            Matrix.Record($"usage/{group}/{i}");
        }
    }

    [Fact]
    public void Values_of_an_SDK_are_taken_as_they_are()
    {
        var usage = Usage.Model("openai", Configurations.Map(("prompt_tokens", 3), ("completion_tokens", 4L)));
        Assert.Equal(7, usage.GetProperty("total_tokens").GetInt64());
        Assert.Throws<InvalidArgumentException>(() => Usage.Model("openai", Configurations.Map(("prompt_tokens", double.NaN))));
    }

    private static JsonElement Run(string group, JsonElement one)
    {
        var request = one.GetProperty("request");
        return group switch
        {
            "model" => Usage.Model(one.GetProperty("provider").GetString()!, request),
            "cost" => Usage.Cost(new Cost(
                request.GetProperty("amount_micros").GetInt64(),
                request.GetProperty("currency").GetString()!,
                request.GetProperty("rate_table_version").GetString()!)
            {
                Reported = request.TryGetProperty("reported", out var reported) && reported.GetBoolean(),
                CorrectionRef = request.TryGetProperty("correction_ref", out var corrected) ? corrected.GetString() : null,
            }),
            "roll_up" => Usage.RollUp(request.EnumerateArray().Select(static child => new ChildUsage(
                child.GetProperty("run").GetString()!, child.GetProperty("id").GetString()!, child.GetProperty("data")))),
            _ => throw new InvalidOperationException(group),
        };
    }
}
