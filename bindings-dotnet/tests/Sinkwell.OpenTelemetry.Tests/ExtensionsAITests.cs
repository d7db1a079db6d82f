using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Sinkwell.OpenTelemetry.Tests;

/// <summary>
/// Microsoft.Extensions.AI, whose abstractions come without their own instrumentation: the test's middleware writes
/// the spans that <c>UseOpenTelemetry</c> and <c>UseFunctionInvocation</c> write, by the GenAI conventions.
/// </summary>
public sealed class ExtensionsAITests
{
    [Fact]
    public async Task A_chat_client_with_a_tool_is_a_run_with_usage_and_an_invocation()
    {
        using var rig = new Rig(permit: "raw", source: "Experimental.Microsoft.Extensions.AI");
        var weather = AIFunctionFactory.Create((string city) => $"MARKER sunny in {city}", "weather");
        using IChatClient client = new Tools(new Instrumented(new Scripted(), rig.Source), rig.Source);
        var answer = await client.GetResponseAsync(
            [new ChatMessage(ChatRole.User, "MARKER How is Rome?")], new ChatOptions { ModelId = "small", Tools = [weather] });
        Assert.Equal("MARKER It is sunny.", answer.Text);

        var events = rig.Events();
        Assert.Equal(
            ["run.started", "model.usage", "tool.invocation", "model.usage", "run.completed"],
            events.Select(static one => one.Type.Replace("dev.sinkwell.", "", StringComparison.Ordinal)));
        Assert.Single(events.Select(static one => one.RunId).Distinct());
        var usage = events[1].Data;
        Assert.Equal((12, 3, 15), (Count(usage, "input_tokens"), Count(usage, "output_tokens"), Count(usage, "total_tokens")));
        Assert.Equal(("scripted-1", "scripted"), (usage.GetProperty("model").GetString(), usage.GetProperty("provider").GetString()));
        Assert.Equal("prompt", usage.GetProperty("content")[0].GetProperty("class").GetString());
        Assert.Equal(("weather", "ok"), (events[2].Data.GetProperty("tool").GetString(), events[2].Data.GetProperty("outcome").GetString()));
        Assert.Equal("sound", rig.Verdict());
    }

    private static int Count(JsonElement data, string name) => data.GetProperty(name).GetInt32();

    /// <summary>A model that asks for a tool once.</summary>
    private sealed class Scripted : IChatClient
    {
        public Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            var asked = messages.Any(static one => one.Role == ChatRole.Tool);
            AIContent content = asked
                ? new TextContent("MARKER It is sunny.")
                : new FunctionCallContent("c1", "weather", new Dictionary<string, object?> { ["city"] = "Rome" });
            return Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, [content]))
            {
                ModelId = "scripted-1",
                ResponseId = "r1",
                FinishReason = asked ? ChatFinishReason.Stop : ChatFinishReason.ToolCalls,
                Usage = new UsageDetails { InputTokenCount = 12, OutputTokenCount = 3, TotalTokenCount = 15 },
            });
        }

        public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();

        public object? GetService(Type serviceType, object? serviceKey = null) =>
            serviceType == typeof(ChatClientMetadata) ? new ChatClientMetadata("scripted", null, "small") : null;

        public void Dispose()
        {
        }
    }

    /// <summary>A span for each call of the model.</summary>
    private sealed class Instrumented(IChatClient inner, ActivitySource source) : DelegatingChatClient(inner)
    {
        public override async Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            var metadata = this.GetService<ChatClientMetadata>();
            using var activity = source.StartActivity($"chat {options?.ModelId}", ActivityKind.Client);
            activity?.SetTag("gen_ai.operation.name", "chat");
            activity?.SetTag("gen_ai.provider.name", metadata?.ProviderName);
            activity?.SetTag("gen_ai.request.model", options?.ModelId);
            activity?.SetTag("gen_ai.input.messages", Text(messages));
            var response = await base.GetResponseAsync(messages, options, cancellationToken);
            activity?.SetTag("gen_ai.response.model", response.ModelId);
            activity?.SetTag("gen_ai.response.finish_reasons", new[] { response.FinishReason?.Value });
            activity?.SetTag("gen_ai.usage.input_tokens", response.Usage?.InputTokenCount);
            activity?.SetTag("gen_ai.usage.output_tokens", response.Usage?.OutputTokenCount);
            activity?.SetTag("gen_ai.output.messages", Text(response.Messages));
            return response;
        }

        private static string Text(IEnumerable<ChatMessage> messages) => JsonSerializer.Serialize(messages.Select(
            static one => new { role = one.Role.Value, parts = new[] { new { type = "text", content = one.Text } } }));
    }

    /// <summary>Calls tools until the model is done: an agent's run, and a span for each tool.</summary>
    private sealed class Tools(IChatClient inner, ActivitySource source) : DelegatingChatClient(inner)
    {
        public override async Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            var history = messages.ToList();
            using var run = source.StartActivity("invoke_agent", ActivityKind.Internal, default(string), [
                new("gen_ai.operation.name", "invoke_agent")]);
            while (true)
            {
                var response = await base.GetResponseAsync(history, options, cancellationToken);
                var calls = response.Messages.SelectMany(static one => one.Contents).OfType<FunctionCallContent>().ToList();
                if (calls.Count == 0)
                {
                    return response;
                }
                history.AddRange(response.Messages);
                foreach (var call in calls)
                {
                    history.Add(new ChatMessage(ChatRole.Tool, [await Invoke(call, options, cancellationToken)]));
                }
            }
        }

        private async Task<AIContent> Invoke(FunctionCallContent call, ChatOptions? options, CancellationToken cancellationToken)
        {
            using var activity = source.StartActivity($"execute_tool {call.Name}");
            activity?.SetTag("gen_ai.operation.name", "execute_tool");
            activity?.SetTag("gen_ai.tool.name", call.Name);
            activity?.SetTag("gen_ai.tool.call.id", call.CallId);
            var tool = options!.Tools!.OfType<AIFunction>().Single(one => one.Name == call.Name);
            var result = await tool.InvokeAsync(new AIFunctionArguments(call.Arguments), cancellationToken);
            activity?.SetTag("gen_ai.tool.call.result", result?.ToString());
            return new FunctionResultContent(call.CallId, result);
        }
    }
}
