using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

namespace Sinkwell.Extensions.AI.Tests;

/// <summary>
/// What <c>FunctionInvokingChatClient</c> of the package Microsoft.Extensions.AI does, as far as an integration can tell: that
/// package is not among those that the tests may have, its abstractions are. It asks the model, calls what the model asks for, and
/// asks again; streamed pieces go on as they come; a function that throws is an answer for the model, three times in a row; a
/// cancellation goes through; where one call needs a person, all calls of the answer wait; what was rejected is an answer, too.
/// </summary>
internal sealed class FunctionInvoking(IChatClient inner) : DelegatingChatClient(inner)
{
    private const int MostErrors = 3;

    private const int MostRounds = 40;

    public override async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var (history, answers) = await Answered([.. messages], options, cancellationToken);
        List<ChatMessage> said = [.. answers];
        UsageDetails usage = new();
        var errors = 0;
        for (var round = 0; round < MostRounds; round++)
        {
            var response = await base.GetResponseAsync(history, options, cancellationToken);
            usage.Add(response.Usage ?? new());
            var waits = Asking(response.Messages, options);
            said.AddRange(response.Messages);
            history.AddRange(response.Messages);
            var calls = response.Messages.SelectMany(static one => one.Contents).OfType<FunctionCallContent>().ToArray();
            if (waits || calls.Length == 0)
            {
                break;
            }
            var results = await Called(calls, options, cancellationToken);
            errors = Counted(errors, results);
            said.Add(results);
            history.Add(results);
        }
        return new ChatResponse(said) { Usage = usage };
    }

    public override async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var (history, answers) = await Answered([.. messages], options, cancellationToken);
        foreach (var answer in answers)
        {
            yield return new ChatResponseUpdate(answer.Role, answer.Contents);
        }
        var errors = 0;
        for (var round = 0; round < MostRounds; round++)
        {
            List<ChatResponseUpdate> updates = [];
            await foreach (var update in base.GetStreamingResponseAsync(history, options, cancellationToken))
            {
                updates.Add(update);
                if (!AsksOf(update.Contents, options))
                {
                    yield return update;
                }
            }
            var response = updates.ToChatResponse().Messages;
            if (Asking(response, options))
            {
                foreach (var message in response)
                {
                    yield return new ChatResponseUpdate(message.Role, message.Contents);
                }
                yield break;
            }
            history.AddRange(response);
            var calls = response.SelectMany(static one => one.Contents).OfType<FunctionCallContent>().ToArray();
            if (calls.Length == 0)
            {
                yield break;
            }
            var results = await Called(calls, options, cancellationToken);
            errors = Counted(errors, results);
            history.Add(results);
            yield return new ChatResponseUpdate(results.Role, results.Contents);
        }
    }

    /// <summary>Makes the calls that a person has answered: the model hears of calls and results, and of no questions.</summary>
    private static async Task<(List<ChatMessage> History, List<ChatMessage> Answers)> Answered(
        List<ChatMessage> messages, ChatOptions? options, CancellationToken cancellationToken)
    {
        var answers = messages.SelectMany(static one => one.Contents).OfType<ToolApprovalResponseContent>().ToArray();
        if (answers.Length == 0)
        {
            return (messages, []);
        }
        var history = messages.Where(static one => !one.Contents.Any(static content => content is ToolApprovalRequestContent or ToolApprovalResponseContent)).ToList();
        var calls = answers.Select(static answer => (FunctionCallContent)answer.ToolCall).ToArray();
        history.Add(new ChatMessage(ChatRole.Assistant, [.. calls]));
        var results = new ChatMessage(ChatRole.Tool, [.. answers.Where(static one => !one.Approved).Select(static one =>
            new FunctionResultContent(one.ToolCall.CallId, "Tool call invocation rejected."))]);
        var approved = answers.Where(static one => one.Approved).Select(static one => (FunctionCallContent)one.ToolCall).ToArray();
        foreach (var content in (await Called(approved, options, cancellationToken)).Contents)
        {
            results.Contents.Add(content);
        }
        history.Add(results);
        return (history, [results]);
    }

    private static bool Needs(FunctionCallContent call, ChatOptions? options) =>
        Find(call, options)?.GetService<ApprovalRequiredAIFunction>() is not null;

    private static bool AsksOf(IEnumerable<AIContent> contents, ChatOptions? options) =>
        contents.OfType<FunctionCallContent>().Any(call => Needs(call, options));

    /// <summary>Makes requests of an answer's calls where one of them needs a person.</summary>
    private static bool Asking(IList<ChatMessage> response, ChatOptions? options)
    {
        if (!response.Any(message => AsksOf(message.Contents, options)))
        {
            return false;
        }
        foreach (var message in response)
        {
            for (var i = 0; i < message.Contents.Count; i++)
            {
                if (message.Contents[i] is FunctionCallContent call)
                {
                    message.Contents[i] = new ToolApprovalRequestContent(call.CallId, call);
                }
            }
        }
        return true;
    }

    private static AIFunction? Find(FunctionCallContent call, ChatOptions? options) =>
        options?.Tools?.OfType<AIFunction>().FirstOrDefault(one => one.Name == call.Name);

    private static async Task<ChatMessage> Called(
        IReadOnlyList<FunctionCallContent> calls, ChatOptions? options, CancellationToken cancellationToken)
    {
        var results = new ChatMessage(ChatRole.Tool, []);
        foreach (var call in calls)
        {
            var function = Find(call, options);
            if (function is null)
            {
                results.Contents.Add(new FunctionResultContent(call.CallId, $"Error: Requested function \"{call.Name}\" not found."));
                continue;
            }
            try
            {
                var result = await function.InvokeAsync(new AIFunctionArguments(call.Arguments), cancellationToken);
                results.Contents.Add(new FunctionResultContent(call.CallId, result));
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                results.Contents.Add(new FunctionResultContent(call.CallId, "Error: Function failed.") { Exception = e });
            }
        }
        return results;
    }

    private static int Counted(int errors, ChatMessage results)
    {
        var failed = results.Contents.OfType<FunctionResultContent>().Select(static one => one.Exception).OfType<Exception>().ToArray();
        errors = failed.Length > 0 ? errors + 1 : 0;
        return errors > MostErrors ? throw failed[0] : errors;
    }
}
