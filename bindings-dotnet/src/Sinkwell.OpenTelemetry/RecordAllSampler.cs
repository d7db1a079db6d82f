using OpenTelemetry.Trace;

namespace Sinkwell.OpenTelemetry;

/// <summary>
/// Has every span recorded, whatever a sampler decides: what it drops reaches no processor, so that the tool calls of a
/// trace that is not sampled would be no events, uncounted. Such a span stays unsampled (exporters leave it out, its
/// <c>traceparent</c> says so); <see cref="SinkwellSpanProcessor"/> takes it like any other.
/// </summary>
/// <example><c>SetSampler(new RecordAllSampler(new ParentBasedSampler(new TraceIdRatioBasedSampler(0.1))))</c></example>
/// <param name="sampler">Who decides what is sampled.</param>
public sealed class RecordAllSampler(Sampler sampler) : Sampler
{
    private readonly Sampler _sampler = sampler ?? throw new ArgumentNullException(nameof(sampler));

    /// <summary>As the sampler decides, but that nothing is dropped.</summary>
    /// <param name="samplingParameters">What is known of the span.</param>
    public override SamplingResult ShouldSample(in SamplingParameters samplingParameters)
    {
        var result = _sampler.ShouldSample(samplingParameters);
        return result.Decision == SamplingDecision.Drop
            ? new SamplingResult(SamplingDecision.RecordOnly, result.Attributes, result.TraceStateString)
            : result;
    }
}
