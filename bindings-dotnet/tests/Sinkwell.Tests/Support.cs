namespace Sinkwell.Tests;

/// <summary>A folder of a test's own, taken away at its end.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    internal string Path { get; } = Directory.CreateTempSubdirectory("sinkwell-").FullName;

    internal string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>A fresh HMAC key that only its owner can read.</summary>
    internal string HmacKey()
    {
        var path = File("key");
        System.IO.File.WriteAllBytes(path, Enumerable.Range(0, 32).Select(static i => (byte)i).ToArray());
        System.IO.File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return path;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

internal static class Configurations
{
    internal static Dictionary<string, object?> Map(params (string Key, object? Value)[] members) =>
        members.ToDictionary(static member => member.Key, static member => member.Value);

    internal static Dictionary<string, object?> ToFile(string path, string key) => Map(
        ("agent", Map(("id", "urn:sinkwell:agent:test"))),
        ("key", Map(("id", "k1"), ("hmac_sha256", Map(("file", key))))),
        ("lanes", new object[] { Map(("sink", Map(("file", Map(("path", path)))))) }));

    /// <summary>One lane that keeps what it gets in memory.</summary>
    internal static Dictionary<string, object?> Null(params (string Key, object? Value)[] more) => Map(
        [("agent", Map(("id", "urn:sinkwell:agent:test"))), ("lanes", new object[] { "null" }), .. more]);
}

internal static class Project
{
    internal static string Root { get; } = Find();

    private static string Find()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !Directory.Exists(System.IO.Path.Combine(folder.FullName, "tests", "vectors")))
        {
            folder = folder.Parent;
        }
        return folder?.FullName ?? throw new DirectoryNotFoundException("tests/vectors is in no folder above the tests");
    }
}

/// <summary>What the vectors' runners write down for the matrix (tests/vectors/matrix.py).</summary>
internal static class Matrix
{
    private static readonly object Gate = new();

    /// <summary>Writes down that a case ran, or why it did not.</summary>
    internal static void Record(string name, string reason = "ran")
    {
        var file = Path.Combine(Project.Root, "target", "vectors", "dotnet.tsv");
        lock (Gate)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.AppendAllText(file, $"{name}\t{reason}\n");
        }
    }
}
