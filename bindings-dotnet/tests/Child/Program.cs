// A process that emits 100 events, which its lane would hold for an hour, and ends in the way that it is told:
// Child CONFIGURATION WAY
// Or the agent of the canaries: Child canaries CASE FOLDER

using System.Runtime.InteropServices;
using Sinkwell;
using Sinkwell.Tests.Child;

if (args[0] == "canaries")
{
    return await Canaries.RunAsync(args[1], args[2]);
}

if (args[1] == "older-handler")
{
    // One that handles signals before sinkwell comes.
    PosixSignalRegistration.Create(PosixSignal.SIGINT, context => (context.Cancel, Older.Got) = (true, 1));
    PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => (context.Cancel, Older.Got) = (true, 1));
}
if (args[1] == "console")
{
    Console.WriteLine("somebody has used the console");
}
var emitter = Emitter.Open(args[0]);
Receipt? last = null;
for (var i = 0; i < 100; i++)
{
    last = emitter.Emit("com.example.step", new Dictionary<string, object?> { ["n"] = i });
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
    case "older-handler":
        Console.WriteLine("ready");
        while (Volatile.Read(ref Older.Got) == 0)
        {
            Thread.Yield();
        }
        emitter.Emit("com.example.step", new Dictionary<string, object?> { ["n"] = 100 });
        await emitter.DisposeAsync();
        return 0;
    case "console":
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
        if (args.Length > 2)
        {
            // Pushed out at once, while the emitter goes on: without that it would take an hour.
            await last!.DeliveredAsync(new CancellationTokenSource(TimeSpan.FromSeconds(20)).Token);
        }
        // A request that is still being finished.
        emitter.Emit("com.example.step", new Dictionary<string, object?> { ["n"] = 100 });
        await emitter.DisposeAsync();
        return 0;
}
return 1;

internal static class Older
{
    internal static int Got;
}
