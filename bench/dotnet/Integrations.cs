using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.AI;
using OpenTelemetry;
using OpenTelemetry.Trace;
using Sinkwell.Extensions.AI;
using Sinkwell.Extensions.AI.Tests;

namespace Sinkwell.Bench;

/// <summary>
/// What the integration with Microsoft.Extensions.AI costs per step, beside spans: CPU time of the whole process. A run of an
/// agent is four steps: the run, two requests to a model that answers at once, one call of a tool. Three processes take turns
/// (without anything, with spans, with sinkwell); shown are the medians over the rounds, in microseconds of CPU time per step, of
/// all threads. Microsoft's own tracing client is in a package that is not to be had everywhere: the spans are made here, with the
/// same attributes, batched by OpenTelemetry's SDK, and forgotten. Sinkwell seals each event into a file, without a key and
/// without a journal.
/// </summary>
internal static class Integrations
{
    private const int Steps = 4;

    private static readonly string[] Modes = ["without", "spans", "sinkwell"];

    private static readonly ActivitySource Source = new("bench");

    /// <summary>Measures, and prints a line of a table.</summary>
    internal static void Measure(int rounds, int runs, TextWriter output)
    {
        var workers = Modes.Select(Start).ToArray();
        double Ask(int worker)
        {
            workers[worker].StandardInput.WriteLine(runs);
            var micros = double.Parse(workers[worker].StandardOutput.ReadLine()!, CultureInfo.InvariantCulture);
            return micros / runs / Steps;
        }
        List<double>[] found = [[], [], []];
        // The first rounds are those in which code is compiled.
        for (var round = -3; round < rounds; round++)
        {
            for (var worker = 0; worker < workers.Length; worker++)
            {
                var took = Ask(worker);
                if (round >= 0)
                {
                    found[worker].Add(took);
                }
            }
        }
        foreach (var worker in workers)
        {
            worker.StandardInput.Close();
            worker.WaitForExit();
        }
        double Median(int worker) => found[worker].Order().ElementAt(found[worker].Count / 2);
        var without = Median(0);
        output.WriteLine("| framework | without | spans add | sinkwell adds |");
        output.WriteLine("| --- | ---: | ---: | ---: |");
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| Microsoft.Extensions.AI | {without:F0} µs | {Median(1) - without:F0} µs | {Median(2) - without:F0} µs |"));
    }

    private static Process Start(string mode)
    {
        var dll = typeof(Integrations).Assembly.Location;
        return Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [dll, "serve", mode])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
    }

    /// <summary>Runs as often as each line asks for, and answers how much processor time that took.</summary>
    internal static async Task Serve(string mode, TextReader input, TextWriter output)
    {
        var run = Runner(mode);
        while (int.TryParse(await input.ReadLineAsync(), CultureInfo.InvariantCulture, out var runs))
        {
            var before = Process.GetCurrentProcess().TotalProcessorTime;
            for (var i = 0; i < runs; i++)
            {
                await run();
            }
            var taken = Process.GetCurrentProcess().TotalProcessorTime - before;
            await output.WriteLineAsync(taken.TotalMicroseconds.ToString(CultureInfo.InvariantCulture));
            await output.FlushAsync();
        }
    }

    private static Func<Task> Runner(string mode)
    {
        AIFunction pay = AIFunctionFactory.Create((int amount) => $"paid {amount}", "pay");
        switch (mode)
        {
            case "without":
                return () => Ask(new FunctionInvoking(new Scripted()), [pay]);
            case "spans":
                var provider = Sdk.CreateTracerProviderBuilder().AddSource(Source.Name)
                    .AddProcessor(new BatchActivityExportProcessor(new Forget())).Build();
                Held = provider;
                return async () =>
                {
                    using var span = Source.StartActivity("invoke_agent shop");
                    span?.SetTag("gen_ai.operation.name", "invoke_agent").SetTag("gen_ai.agent.name", "shop");
                    await Ask(new FunctionInvoking(new SpannedClient(new Scripted())), [new SpannedFunction(pay)]);
                };
            default:
                var path = Path.Combine(Directory.CreateTempSubdirectory().FullName, "events.ndjson");
                var emitter = Emitter.Open(new Dictionary<string, object?>
                {
                    ["agent"] = new Dictionary<string, object?> { ["id"] = "urn:example:bench" },
                    ["heartbeat"] = "off",
                    ["lanes"] = new[]
                    {
                        new Dictionary<string, object?>
                        {
                            ["id"] = "out",
                            ["sink"] = new Dictionary<string, object?>
                            {
                                ["file"] = new Dictionary<string, object?> { ["path"] = path },
                            },
                        },
                    },
                });
                var watch = new Watch(emitter);
                return () => watch.RunAsync("shop", async () =>
                {
                    await Ask(new FunctionInvoking(watch.Client(new Scripted())), watch.Tools([pay]));
                    return 0;
                });
        }
    }

    /// <summary>Kept as long as the process runs.</summary>
    private static TracerProvider? Held { get; set; }

    private static async Task Ask(IChatClient client, IList<AITool> tools) =>
        await client.GetResponseAsync([new ChatMessage(ChatRole.User, "pay")], new ChatOptions { Tools = tools });

    private sealed class Forget : BaseExporter<Activity>
    {
        public override ExportResult Export(in Batch<Activity> batch) => ExportResult.Success;
    }

    /// <summary>Asks for a payment, and then is done.</summary>
    private sealed class Scripted : IChatClient
    {
        public Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            AIContent said = messages.Last().Role == ChatRole.Tool
                ? new TextContent("done")
                : new FunctionCallContent("c", "pay", new Dictionary<string, object?> { ["amount"] = 3 });
            return Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, [said]))
            {
                ModelId = "small",
                FinishReason = ChatFinishReason.Stop,
                Usage = new UsageDetails { InputTokenCount = 12, OutputTokenCount = 3, TotalTokenCount = 15 },
            });
        }

        public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }

    /// <summary>A span for each request, as OpenTelemetry's conventions for generative AI say it.</summary>
    private sealed class SpannedClient(IChatClient inner) : DelegatingChatClient(inner)
    {
        public override async Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            using var span = Source.StartActivity("chat small", ActivityKind.Client);
            span?.SetTag("gen_ai.operation.name", "chat").SetTag("gen_ai.request.model", "small")
                .SetTag("gen_ai.provider.name", "bench");
            var response = await base.GetResponseAsync(messages, options, cancellationToken);
            span?.SetTag("gen_ai.response.model", response.ModelId)
                .SetTag("gen_ai.response.finish_reasons", new[] { response.FinishReason?.Value })
                .SetTag("gen_ai.usage.input_tokens", response.Usage?.InputTokenCount)
                .SetTag("gen_ai.usage.output_tokens", response.Usage?.OutputTokenCount);
            return response;
        }
    }

    private sealed class SpannedFunction(AIFunction inner) : DelegatingAIFunction(inner)
    {
        protected override async ValueTask<object?> InvokeCoreAsync(
            AIFunctionArguments arguments, CancellationToken cancellationToken)
        {
            using var span = Source.StartActivity($"execute_tool {Name}");
            span?.SetTag("gen_ai.operation.name", "execute_tool").SetTag("gen_ai.tool.name", Name)
                .SetTag("gen_ai.tool.description", Description);
            return await base.InvokeCoreAsync(arguments, cancellationToken);
        }
    }
}
