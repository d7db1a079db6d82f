using System.Diagnostics;
using Sinkwell.Interop;

namespace Sinkwell;

public sealed partial class Emitter
{
    /// <summary>
    /// Calls a tool and emits what became of it: a <c>tool.invocation</c> with its <c>outcome</c> (<c>ok</c>, <c>error</c>,
    /// <c>timeout</c>, <c>cancelled</c>), <c>duration_ms</c> and, where it failed, <c>error.type</c>. The event comes after the
    /// call and never waits: where a blocking lane has no room, that lane drops it, counted. What the call throws is the
    /// caller's as it is; no text of it is in the event. An event that is refused is a warning.
    /// </summary>
    /// <param name="tool">The tool's name.</param>
    /// <param name="call">The call.</param>
    /// <returns>What the call returns.</returns>
    public T Tool<T>(string tool, Func<T> call)
    {
        ArgumentNullException.ThrowIfNull(call);
        var since = Stopwatch.GetTimestamp();
        try
        {
            var result = call();
            Told(tool, since, null);
            return result;
        }
        catch (Exception e)
        {
            Told(tool, since, e);
            throw;
        }
    }

    /// <inheritdoc cref="Tool{T}(string, Func{T})"/>
    public async Task<T> ToolAsync<T>(string tool, Func<Task<T>> call)
    {
        ArgumentNullException.ThrowIfNull(call);
        var since = Stopwatch.GetTimestamp();
        try
        {
            var result = await Started(call(), nameof(call)).ConfigureAwait(false);
            Told(tool, since, null);
            return result;
        }
        catch (Exception e)
        {
            Told(tool, since, e);
            throw;
        }
    }

    /// <summary>As <see cref="Tool{T}(string, Func{T})"/>, of a call that returns nothing.</summary>
    /// <param name="tool">The tool's name.</param>
    /// <param name="call">The call.</param>
    public void Tool(string tool, Action call)
    {
        ArgumentNullException.ThrowIfNull(call);
        Tool<object?>(tool, () =>
        {
            call();
            return null;
        });
    }

    /// <summary>As <see cref="ToolAsync{T}(string, Func{Task{T}})"/>, of a call that returns nothing.</summary>
    /// <param name="tool">The tool's name.</param>
    /// <param name="call">The call.</param>
    public Task ToolAsync(string tool, Func<Task> call)
    {
        ArgumentNullException.ThrowIfNull(call);
        return ToolAsync<object?>(tool, async () =>
        {
            await Started(call(), nameof(call)).ConfigureAwait(false);
            return null;
        });
    }

    private void Told(string tool, long since, Exception? failure)
    {
        var outcome = OutcomeOf(failure);
        var took = Stopwatch.GetElapsedTime(since).TotalMilliseconds;
        var inside = HostCall.IsInside;
        try
        {
            // What comes after the call waits for nothing.
            HostCall.Enter();
            if (failure is null)
            {
                Put("tool.invocation", [("tool", tool), ("outcome", outcome), ("duration_ms", took)]);
            }
            else
            {
                var kind = KindOf(failure);
                Put("tool.invocation", [("tool", tool), ("outcome", outcome), ("duration_ms", took), ("error.type", kind)]);
            }
        }
        catch (SinkwellException refused)
        {
            SinkwellDiagnostics.Warn($"a tool's call was not emitted: {refused.Message}");
        }
        finally
        {
            if (!inside)
            {
                HostCall.Leave();
            }
        }
    }
}
