package dev.sinkwell.opentelemetry

import io.opentelemetry.api.common.Attributes
import io.opentelemetry.api.trace.SpanKind
import io.opentelemetry.api.trace.TraceState
import io.opentelemetry.context.Context
import io.opentelemetry.sdk.trace.data.LinkData
import io.opentelemetry.sdk.trace.samplers.Sampler
import io.opentelemetry.sdk.trace.samplers.SamplingDecision
import io.opentelemetry.sdk.trace.samplers.SamplingResult

/**
 * Has every span recorded, whatever [sampler] decides: what it drops reaches no processor, so that the tool calls of a trace
 * that is not sampled would be no events, uncounted. Such a span stays unsampled: exporters leave it out.
 */
public class RecordAllSampler(
    private val sampler: Sampler,
) : Sampler {
    override fun shouldSample(
        parentContext: Context,
        traceId: String,
        name: String,
        spanKind: SpanKind,
        attributes: Attributes,
        parentLinks: List<LinkData>,
    ): SamplingResult {
        val result = sampler.shouldSample(parentContext, traceId, name, spanKind, attributes, parentLinks)
        if (result.decision != SamplingDecision.DROP) return result
        return object : SamplingResult {
            override fun getDecision() = SamplingDecision.RECORD_ONLY

            override fun getAttributes() = result.attributes

            override fun getUpdatedTraceState(parentTraceState: TraceState) = result.getUpdatedTraceState(parentTraceState)
        }
    }

    override fun getDescription(): String = "RecordAll{${sampler.description}}"
}
