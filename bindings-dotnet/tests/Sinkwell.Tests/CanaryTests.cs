using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Xunit.Abstractions;

namespace Sinkwell.Tests;

/// <summary>
/// Canaries: every byte that came out is searched for what must not, and must, be in it (tests/vectors/README.md).
/// </summary>
public sealed class CanaryTests(ITestOutputHelper output)
{
    private static readonly string Vectors = Path.Combine(Project.Root, "tests", "vectors", "canaries");

    private static readonly string[] Members = ["name", "about", "config", "raised", "refuses_with", "event", "refused", "markers"];

    public static TheoryData<string> Cases =>
        [.. Directory.GetFiles(Vectors, "*.json").Select(static path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)];

    [Fact]
    public void Every_gate_is_shut_once() => Assert.Equal(9, Directory.GetFiles(Vectors, "*.json").Length);

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Content_is_found_where_policy_says_and_nowhere_else(string name)
    {
        var path = Path.Combine(Vectors, name + ".json");
        using var file = JsonDocument.Parse(await File.ReadAllBytesAsync(path));
        Assert.All(file.RootElement.EnumerateObject(), static member => Assert.Contains(member.Name, Members));
        using var folder = new TemporaryFolder();
        await Run(path, folder);
        var places = Read(folder.Path);
        Assert.All(new[] { "all.ndjson", "blind.ndjson", "mine", "stdout", "audit.db" }, place => Assert.Contains(place, places.Keys));
        var markers = file.RootElement.GetProperty("markers").EnumerateArray().ToList();
        var (finds, wrong) = Judge(markers, places);
        output.WriteLine(
            $"canaries {name}: {places.Count} places, {places.Values.Sum(static bytes => bytes.Length)} bytes, {finds} finds, {wrong.Count} wrong");
        Assert.Empty(wrong);
        Assert.True(finds > 0 || markers.TrueForAll(static marker => marker.GetProperty("must").GetArrayLength() == 0));
        Matrix.Record($"canaries/{name}");
    }

    [Fact]
    public void A_leak_is_found()
    {
        using var marker = JsonDocument.Parse("""{ "text": "K1", "forms": ["K1K"], "must": ["told"], "may": [] }""");
        var places = new Dictionary<string, byte[]> { ["told"] = [], ["stderr"] = Encoding.UTF8.GetBytes("a K1K b") };
        Assert.Equal(["K1 is missing in told", "K1 leaked into stderr"], Judge([marker.RootElement], places).Wrong);
    }

    private static async Task Run(string path, TemporaryFolder folder)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in new[] { Path.Combine(AppContext.BaseDirectory, "Child.dll"), "canaries", path, folder.Path })
        {
            start.ArgumentList.Add(argument);
        }
        using var process = Process.Start(start)!;
        using var stdout = new MemoryStream();
        using var stderr = new MemoryStream();
        await Task.WhenAll(
            process.StandardOutput.BaseStream.CopyToAsync(stdout), process.StandardError.BaseStream.CopyToAsync(stderr));
        await process.WaitForExitAsync(new CancellationTokenSource(TimeSpan.FromMinutes(2)).Token);
        Assert.True(process.ExitCode == 0, Encoding.UTF8.GetString(stderr.ToArray().TakeLast(2000).ToArray()));
        await File.WriteAllBytesAsync(folder.File("stdout"), stdout.ToArray());
        await File.WriteAllBytesAsync(folder.File("stderr"), stderr.ToArray());
    }

    /// <summary>Every byte that came out, by place.</summary>
    private static Dictionary<string, byte[]> Read(string folder) =>
        Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .GroupBy(path => Place(Path.GetRelativePath(folder, path)))
            .ToDictionary(static group => group.Key, static group => group.SelectMany(File.ReadAllBytes).ToArray());

    private static string Place(string path)
    {
        var first = path.Split(Path.DirectorySeparatorChar)[0];
        return first.StartsWith("audit.db", StringComparison.Ordinal) ? "audit.db" : first;
    }

    /// <summary>How often a marker was found where it must or may be, and what is wrong.</summary>
    private static (int Finds, List<string> Wrong) Judge(IEnumerable<JsonElement> markers, Dictionary<string, byte[]> places)
    {
        var finds = 0;
        List<string> wrong = [];
        foreach (var marker in markers)
        {
            var text = marker.GetProperty("text").GetString();
            List<string> Texts(string name) => [.. marker.GetProperty(name).EnumerateArray().Select(static one => one.GetString()!)];
            var forms = Texts("forms").ConvertAll(Encoding.UTF8.GetBytes);
            var (must, may) = (Texts("must"), Texts("may"));
            foreach (var (place, bytes) in places)
            {
                if (!forms.Exists(form => bytes.AsSpan().IndexOf(form) >= 0))
                {
                    if (must.Contains(place))
                    {
                        wrong.Add($"{text} is missing in {place}");
                    }
                }
                else if (must.Contains(place) || may.Contains(place))
                {
                    finds++;
                }
                else
                {
                    wrong.Add($"{text} leaked into {place}");
                }
            }
        }
        return (finds, wrong);
    }
}
