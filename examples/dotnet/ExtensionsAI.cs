using Microsoft.Extensions.AI;
using Sinkwell;
using Sinkwell.Extensions.AI;

namespace Sinkwell.Examples;

/// <summary>
/// An agent on Microsoft.Extensions.AI with a tool and a scripted model: its run, usage, and the tool as a deed. Offline; packages
/// Sinkwell.Extensions.AI and Microsoft.Extensions.AI.Abstractions. A program with Microsoft.Extensions.AI has
/// <c>UseFunctionInvocation</c> in place of the loop.
/// </summary>
public static class ExtensionsAI
{
    /// <summary>Runs it; the events go to the file.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The model's last words.</returns>
    public static async Task<string> Run(string path)
    {
        await using var emitter = Emitter.Open(new Dictionary<string, object?>
        {
            ["agent"] = new Dictionary<string, object?> { ["id"] = "urn:example:shop" },
            ["lanes"] = new object[] { new Dictionary<string, object?> { ["sink"] = new Dictionary<string, object?> { ["file"] = new Dictionary<string, object?> { ["path"] = path } } } },
        });
        using var watch = new Watch(emitter);
        var pay = AIFunctionFactory.Create((int amount) => $"paid {amount}", "pay"); // it runs only once its intent is safe
        var options = new ChatOptions { Tools = watch.Tools([pay]) };
        using var client = watch.Client(new Model());

        return await watch.RunAsync("shop", async () =>
        {
            List<ChatMessage> history = [new(ChatRole.User, "pay, please")];
            while (true)
            {
                var response = await client.GetResponseAsync(history, options);
                if (response.Messages[^1].Contents.OfType<FunctionCallContent>().FirstOrDefault() is not { } call)
                {
                    return response.Text;
                }
                history.AddRange(response.Messages);
                var function = options.Tools.OfType<AIFunction>().Single(one => one.Name == call.Name);
                var result = await function.InvokeAsync(new AIFunctionArguments(call.Arguments));
                history.Add(new ChatMessage(ChatRole.Tool, [new FunctionResultContent(call.CallId, result)]));
            }
        });
    }

    /// <summary>A model that asks for the tool once.</summary>
    private sealed class Model : IChatClient
    {
        public Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            AIContent content = messages.Any(static one => one.Role == ChatRole.Tool)
                ? new TextContent("paid 3")
                : new FunctionCallContent("call-1", "pay", new Dictionary<string, object?> { ["amount"] = 3 });
            return Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, [content]))
            {
                Usage = new UsageDetails { InputTokenCount = 12, OutputTokenCount = 3 },
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
}
