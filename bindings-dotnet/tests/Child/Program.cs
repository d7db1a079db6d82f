// A process that emits 100 events, which its lane would hold for an hour, and ends in the way that it is told:
// Child CONFIGURATION WAY
// Or the agent of the canaries: Child canaries CASE FOLDER

using Sinkwell;
using Sinkwell.Tests.Child;

if (args[0] == "canaries")
{
    return await Canaries.RunAsync(args[1], args[2]);
}

var emitter = Emitter.Open(args[0]);
for (var i = 0; i < 100; i++)
{
    emitter.Emit("com.example.step", new Dictionary<string, object?> { ["n"] = i });
}
switch (args[1])
{
    case "return":
        return 0;
    case "exit":
        Environment.Exit(3);
        break;
    case "throw":
        throw new InvalidOperationException("nobody catches this");
    case "dispose":
        await emitter.DisposeAsync();
        return 0;
    case "fail-fast":
        Environment.FailFast("no chance to do anything");
        break;
    case "signal":
        Console.WriteLine("ready");
        Thread.Sleep(Timeout.Infinite);
        break;
    case "stop-at-signal":
        var stopped = new TaskCompletionSource();
        using (System.Runtime.InteropServices.PosixSignalRegistration.Create(
            System.Runtime.InteropServices.PosixSignal.SIGTERM,
            context =>
            {
                context.Cancel = true;
                stopped.SetResult();
            }))
        {
            Console.WriteLine("ready");
            await stopped.Task;
        }
        await emitter.DisposeAsync();
        return 0;
}
return 1;
