// What sinkwell costs a .NET program beside the OpenTelemetry SDK, loggers to a file, and signing by hand. One run
// of one candidate, in a process of its own; bench/rust asks, counts what arrives, and makes the table:
//
//     dotnet Bench.dll run CANDIDATE LOAD PORT DIR
//     dotnet Bench.dll facts
//     dotnet Bench.dll integrations ROUNDS RUNS    (see Integrations.cs)
using System.Reflection;
using System.Runtime.InteropServices;
using Sinkwell.Bench;

var output = Console.Out;
switch (args)
{
    case ["facts"]:
        string[] peers =
            ["OpenTelemetry", "Microsoft.Extensions.Logging", "Serilog", "Serilog.Sinks.Async", "Serilog.Sinks.File"];
        var versions = peers.Select(name => $"{name} {Version(Assembly.Load(name))}");
        output.WriteLine(string.Join(", ", [RuntimeInformation.FrameworkDescription, .. versions]));
        return 0;
    case ["run", var who, var load, var port, var dir]:
        output.WriteLine(Measure.Run(Candidates.Open(who, port, dir), Load.Read(load)).Line());
        return 0;
    case ["integrations", var rounds, var runs]:
        Integrations.Measure(int.Parse(rounds), int.Parse(runs), output);
        return 0;
    case ["serve", var mode]:
        await Integrations.Serve(mode, Console.In, output);
        return 0;
    default:
        Console.Error.WriteLine("usage: Bench.dll run CANDIDATE LOAD PORT DIR | Bench.dll facts | Bench.dll integrations ROUNDS RUNS");
        return 1;
}

static string? Version(Assembly assembly) =>
    assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0];
