namespace Sinkwell.Tests;

public sealed class FirstEventTests
{
    [Fact]
    public async Task An_event_reaches_a_file_that_the_verifier_calls_sound()
    {
        using var folder = new TemporaryFolder();
        var file = folder.File("events.ndjson");
        var key = folder.HmacKey();
        await using (var emitter = Emitter.Open(Configurations.ToFile(file, key)))
        {
            var receipt = emitter.Emit("tool.invocation", new Dictionary<string, object?> { ["tool"] = "search", ["outcome"] = "ok" });
            Assert.Equal("enqueued", receipt.Lanes["file"]);
            Assert.Equal("delivered", (await receipt.DeliveredAsync())["file"]!.State);
        }
        var report = Verifier.Verify(file, new Dictionary<string, TrustedKey> { ["k1"] = "hmac:" + key });
        Assert.Equal("sound", report.Verdict);
        Assert.Equal(3, report.Envelopes);
    }
}
