using Microsoft.Extensions.AI;

namespace Sinkwell.Extensions.AI;

/// <summary>A function that is called only once the call's intent is safe.</summary>
internal sealed class WatchedFunction(Watch watch, AIFunction function) : DelegatingAIFunction(function)
{
    protected override async ValueTask<object?> InvokeCoreAsync(
        AIFunctionArguments arguments, CancellationToken cancellationToken)
    {
        if (!watch.IsWatching)
        {
            return await base.InvokeCoreAsync(arguments, cancellationToken).ConfigureAwait(false);
        }
        var step = new Step(watch, "tool")
        {
            ["name"] = Name,
            ["parent"] = watch.Inside,
            ["input"] = arguments is null ? null : new Dictionary<string, object?>(arguments),
        };
        return await watch.Call(
            step,
            async (call, token) =>
            {
                var output = await base.InvokeCoreAsync(arguments!, token).ConfigureAwait(false);
                call.Ended([KeyValuePair.Create("output", output)]);
                return output;
            },
            cancellationToken).ConfigureAwait(false);
    }
}
