using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace Sinkwell.Extensions.AI;

/// <summary>A client whose calls that wait for a person are told as decisions, and what the person says to them.</summary>
internal sealed class ApprovedClient(Watch watch, IChatClient inner) : DelegatingChatClient(inner)
{
    /// <summary>Most requests that are remembered: a conversation's history says again what was said.</summary>
    private const int Most = 10_000;

    private readonly object _lock = new();
    private readonly HashSet<string> _asked = [];
    private readonly HashSet<string> _answered = [];

    public override async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        // It may be walked once only.
        var given = messages as IReadOnlyList<ChatMessage> ?? [.. messages];
        Answered(given);
        var response = await base.GetResponseAsync(given, options, cancellationToken).ConfigureAwait(false);
        foreach (var content in response.Messages.SelectMany(static message => message.Contents))
        {
            Asked(content, options);
        }
        return response;
    }

    public override async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var given = messages as IReadOnlyList<ChatMessage> ?? [.. messages];
        Answered(given);
        await foreach (var update in base.GetStreamingResponseAsync(given, options, cancellationToken).ConfigureAwait(false))
        {
            foreach (var content in update.Contents)
            {
                Asked(content, options);
            }
            yield return update;
        }
    }

    private void Asked(AIContent content, ChatOptions? options)
    {
        if (content is not ToolApprovalRequestContent request || !watch.IsWatching || !First(_asked, request.RequestId))
        {
            return;
        }
        // Where one call of several needs a person, what invokes functions asks about all.
        var function = options?.Tools?.OfType<AIFunction>().FirstOrDefault(one => one.Name == NameOf(request.ToolCall));
        if (function is null || function.GetService<ApprovalRequiredAIFunction>() is not null)
        {
            Decided("ask", request.ToolCall);
        }
        else
        {
            First(_answered, request.RequestId);
        }
    }

    private void Answered(IReadOnlyList<ChatMessage> messages)
    {
        if (!watch.IsWatching)
        {
            return;
        }
        foreach (var answer in messages.SelectMany(static message => message.Contents).OfType<ToolApprovalResponseContent>())
        {
            if (!First(_answered, answer.RequestId))
            {
                continue;
            }
            if (answer.Approved)
            {
                Decided("allow", answer.ToolCall);
                continue;
            }
            // It is not made: a call that was denied, without an intent.
            Ended(new Step(watch, "tool") { ["name"] = NameOf(answer.ToolCall), ["outcome"] = "denied" });
        }
    }

    private bool First(HashSet<string> told, string id)
    {
        lock (_lock)
        {
            if (told.Count >= Most)
            {
                told.Clear();
            }
            return told.Add(id);
        }
    }

    private void Decided(string decision, ToolCallContent call) => Ended(new Step(watch, "decision")
    {
        ["name"] = "tool_approval",
        ["decision"] = decision,
        ["attributes"] = new Dictionary<string, object?> { ["gen_ai.tool.name"] = NameOf(call) },
    });

    private void Ended(Step step)
    {
        step["parent"] = watch.Inside;
        step["start_unix_nano"] = Step.Now();
        step.Ended(null).Tell();
    }

    private static string NameOf(ToolCallContent call) => call switch
    {
        FunctionCallContent function => function.Name,
        McpServerToolCallContent server => server.Name,
        _ => "unknown",
    };
}
