using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.AI;

namespace Sinkwell.Extensions.AI;

/// <summary>
/// One program's use of Microsoft.Extensions.AI: clients whose models' answers are usages, tools whose calls are deeds, runs of
/// agents. Which step is which event is the core's to say, as in every framework (<c>docs/STEPS.md</c>).
/// <para>
/// Telling of a step never throws and never breaks what it watches; what is refused the emitter counts and says to its log. A call
/// of a tool is made only once its intent is safe.
/// </para>
/// </summary>
public sealed class Watch : IDisposable
{
    private const string Seam = "microsoft_extensions_ai";

    private const string Package = "Microsoft.Extensions.AI.Abstractions";

    /// <summary>The step that the calling code is inside.</summary>
    private readonly AsyncLocal<string?> _inside = new();
    private readonly Emitter? _emitter;
    private readonly Permit _permit;
    private readonly DeedTerms _terms;
    private string? _since;

    /// <summary>Watches from now on, which is sealed as a <c>coverage</c> event.</summary>
    /// <param name="emitter">Whose events they are; null: the process's default one.</param>
    /// <param name="permit">The most that prompts, completions, arguments and results may be captured; default: not at all.</param>
    /// <param name="terms">What a tool's call waits for, and for how long.</param>
    public Watch(Emitter? emitter = null, Permit permit = default, DeedTerms terms = default)
    {
        _emitter = emitter;
        _permit = permit;
        _terms = terms;
        _since = Guid.NewGuid().ToString();
        Cover("watching", new EventOptions { Id = _since });
    }

    internal bool IsWatching => Volatile.Read(ref _since) is not null;

    /// <summary>Whether anything of people's words could leave at all.</summary>
    internal bool HasContent => _permit.Name is not (null or "off");

    internal string? Inside => _inside.Value;

    private Emitter Emitter => _emitter ?? Emitter.Default;

    /// <summary>
    /// A client around this one, each answer of which, streamed or not, is told as a <c>model.usage</c>. Put it below what invokes
    /// functions, so that each request to the model counts.
    /// </summary>
    /// <param name="client">The client.</param>
    public IChatClient Client(IChatClient client) => new WatchedClient(this, client);

    /// <summary>
    /// A client around this one, in which a call that waits for a person's approval is told as a decision, and so is what the person
    /// says. Put it above what invokes functions, which makes the requests and takes the answers.
    /// </summary>
    /// <param name="client">The client.</param>
    public IChatClient Approvals(IChatClient client) => new ApprovedClient(this, client);

    /// <summary>The same tools, where each call of a function is a deed; others stay as they are.</summary>
    /// <param name="tools">The tools.</param>
    public IList<AITool> Tools(IEnumerable<AITool> tools)
    {
        ArgumentNullException.ThrowIfNull(tools);
        return tools.Select(tool => tool is AIFunction function ? Function(function) : tool).ToList();
    }

    /// <summary>The same function, each call of which is a deed.</summary>
    /// <param name="function">The function.</param>
    public AIFunction Function(AIFunction function) =>
        function is WatchedFunction ? function : new WatchedFunction(this, function);

    /// <summary>
    /// Calls <paramref name="body"/> as an agent's run, to which what is emitted in it belongs. A run within a run, or within a
    /// tool, has that one as its parent. It ends when the body has: where it streams, read the stream in it to its end.
    /// </summary>
    /// <param name="name">The agent's name.</param>
    /// <param name="body">What the agent does.</param>
    public Task RunAsync(string name, Func<Task> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        return RunAsync<object?>(name, async () =>
        {
            await body().ConfigureAwait(false);
            return null;
        });
    }

    /// <inheritdoc cref="RunAsync(string, Func{Task})"/>
    /// <returns>What the body returns.</returns>
    public async Task<T> RunAsync<T>(string name, Func<Task<T>> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        if (!IsWatching)
        {
            return await body().ConfigureAwait(false);
        }
        var id = Guid.NewGuid().ToString();
        var step = new Step(this, "agent", id) { ["name"] = name, ["parent"] = Inside, ["start_unix_nano"] = Step.Now() };
        step.Tell();
        T result;
        try
        {
            // Both end with this method.
            _inside.Value = id;
            using (SinkwellContext.Run(id))
            {
                result = await body().ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            step.Ended(e).Tell();
            throw;
        }
        step.Ended(null).Tell();
        return result;
    }

    /// <summary>Seals that nothing is watched any longer; from now on clients and tools are what they were.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _since, null) is { } since)
        {
            Cover("stopped", new EventOptions { Causation = since });
        }
    }

    /// <summary>A tool's call as a deed.</summary>
    internal Task<T> Call<T>(
        Step step, Func<StepCall, CancellationToken, Task<T>> act, CancellationToken cancellationToken) =>
        Emitter.DeedOfStepAsync(
            step,
            (call, token) =>
            {
                _inside.Value = call.Id;
                return act(call, token);
            },
            _terms,
            cancellationToken);

    internal void Tell(Step step)
    {
        try
        {
            Emitter.EmitStep(step);
        }
        catch (SinkwellException)
        {
            // An integration never breaks what it watches; of what is refused the core counts and tells the log.
        }
        catch (ObjectDisposedException)
        {
            // The emitter has ended before its program did.
        }
    }

    /// <summary>What is the same of all that is told: the run around, what may be captured.</summary>
    internal void Complete(Step step)
    {
        step["run"] = SinkwellContext.Current?.RunId;
        step["permit"] = _permit.Name;
    }

    private void Cover(string state, EventOptions options)
    {
        var assembly = typeof(IChatClient).Assembly;
        var version = assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
            ?? assembly.GetName().Version?.ToString(3) ?? "unknown";
        try
        {
            Emitter.Emit(
                "coverage",
                new Dictionary<string, object?> { ["seam"] = Seam, ["package"] = Package, ["version"] = version, ["state"] = state },
                options);
        }
        catch (Exception e) when (e is SinkwellException or ObjectDisposedException)
        {
            // As for every step.
        }
    }
}

/// <summary>A step, as <c>docs/STEPS.md</c> has it.</summary>
internal sealed class Step : Dictionary<string, object?>
{
    private readonly Watch _watch;

    internal Step(Watch watch, string kind, string? id = null)
    {
        _watch = watch;
        watch.Complete(this);
        this["kind"] = kind;
        this["id"] = id ?? Guid.NewGuid().ToString();
    }

    internal static string Now() =>
        ((DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100).ToString(CultureInfo.InvariantCulture);

    internal Step Ended(Exception? failure)
    {
        this["end_unix_nano"] = Now();
        if (failure is not null)
        {
            this["error_type"] = failure.GetType().FullName;
            this["outcome"] = failure switch
            {
                OperationCanceledException => "cancelled",
                TimeoutException => "timeout",
                _ => null,
            };
        }
        return this;
    }

    internal void Tell() => _watch.Tell(this);
}
