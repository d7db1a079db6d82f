using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.Extensions.AI;

namespace Sinkwell.Extensions.AI;

/// <summary>A client whose model's answers are told as usages.</summary>
internal sealed class WatchedClient(Watch watch, IChatClient inner) : DelegatingChatClient(inner)
{
    /// <summary>Most characters of a streamed answer that are kept for its content part.</summary>
    private const int MostText = 1 << 20;

    public override async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (!watch.IsWatching)
        {
            return await base.GetResponseAsync(messages, options, cancellationToken).ConfigureAwait(false);
        }
        // It may be walked once only.
        var given = messages as IReadOnlyList<ChatMessage> ?? [.. messages];
        var step = Asked(given, options);
        ChatResponse response;
        try
        {
            response = await base.GetResponseAsync(given, options, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            step.Ended(e).Tell();
            throw;
        }
        Answered(step, response.ModelId, response.Usage);
        if (watch.HasContent)
        {
            step["output"] = Messages(response.Messages);
        }
        step.Ended(null).Tell();
        return response;
    }

    // Not an iterator itself: what holds where it is called is not what holds where it is read.
    public override IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (!watch.IsWatching)
        {
            return base.GetStreamingResponseAsync(messages, options, cancellationToken);
        }
        var given = messages as IReadOnlyList<ChatMessage> ?? [.. messages];
        return Streamed(Asked(given, options), base.GetStreamingResponseAsync(given, options, cancellationToken), cancellationToken);
    }

    private async IAsyncEnumerable<ChatResponseUpdate> Streamed(
        Step step,
        IAsyncEnumerable<ChatResponseUpdate> updates,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? model = null;
        UsageDetails? usage = null;
        var text = new StringBuilder();
        var calls = new List<AIContent>();
        // Whoever reads no further has cancelled it.
        Exception? failure = new OperationCanceledException();
        var walk = updates.GetAsyncEnumerator(cancellationToken);
        try
        {
            while (true)
            {
                ChatResponseUpdate update;
                try
                {
                    if (!await walk.MoveNextAsync().ConfigureAwait(false))
                    {
                        failure = null;
                        break;
                    }
                    update = walk.Current;
                }
                catch (Exception e)
                {
                    failure = e;
                    throw;
                }
                model ??= update.ModelId;
                foreach (var content in update.Contents)
                {
                    if (content is UsageContent { Details: var details })
                    {
                        (usage ??= new UsageDetails()).Add(details);
                    }
                    else if (watch.HasContent && content is TextContent && text.Length < MostText)
                    {
                        text.Append(content);
                    }
                    else if (watch.HasContent && content is FunctionCallContent && calls.Count < 1_000)
                    {
                        calls.Add(content);
                    }
                }
                yield return update;
            }
        }
        finally
        {
            Answered(step, model, usage);
            if (watch.HasContent)
            {
                step["output"] = Messages([new ChatMessage(ChatRole.Assistant, [new TextContent(text.ToString()), .. calls])]);
            }
            step.Ended(failure).Tell();
            await walk.DisposeAsync().ConfigureAwait(false);
        }
    }

    private Step Asked(IReadOnlyList<ChatMessage> messages, ChatOptions? options)
    {
        var metadata = this.GetService<ChatClientMetadata>();
        return new Step(watch, "model")
        {
            ["name"] = options?.ModelId ?? metadata?.DefaultModelId,
            ["parent"] = watch.Inside,
            ["start_unix_nano"] = Step.Now(),
            ["input"] = watch.HasContent ? Messages(messages) : null,
            ["system"] = watch.HasContent ? options?.Instructions : null,
            ["attributes"] = new Dictionary<string, object?> { ["gen_ai.provider.name"] = metadata?.ProviderName },
        };
    }

    private static void Answered(Step step, string? model, UsageDetails? usage)
    {
        var attributes = (Dictionary<string, object?>)step["attributes"]!;
        attributes["gen_ai.response.model"] = model;
        attributes["gen_ai.usage.input_tokens"] = usage?.InputTokenCount;
        attributes["gen_ai.usage.output_tokens"] = usage?.OutputTokenCount;
        attributes["gen_ai.usage.cache_read.input_tokens"] = usage?.CachedInputTokenCount;
        attributes["gen_ai.usage.reasoning.output_tokens"] = usage?.ReasoningTokenCount;
        step["attributes"] = attributes.Where(static member => member.Value is not null).ToDictionary();
    }

    /// <summary>Messages as chat interfaces have them; reasoning is left out.</summary>
    private static List<object> Messages(IEnumerable<ChatMessage> messages) => messages.Select(static message => (object)new Dictionary<string, object?>
    {
        ["role"] = message.Role.Value,
        ["content"] = message.Contents.Select(Content).OfType<object>().ToList(),
    }).ToList();

    private static Dictionary<string, object?>? Content(AIContent content) => content switch
    {
        TextContent { Text: "" } => null,
        TextContent text => new() { ["type"] = "text", ["text"] = text.Text },
        FunctionCallContent call => new()
        {
            ["type"] = "tool_call",
            ["name"] = call.Name,
            ["arguments"] = call.Arguments is null ? null : new Dictionary<string, object?>(call.Arguments),
        },
        FunctionResultContent result => new() { ["type"] = "text", ["text"] = result.Result?.ToString() ?? "" },
        _ => null,
    };
}
