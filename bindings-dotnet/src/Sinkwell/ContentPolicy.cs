using System.Text.Json;
using Sinkwell.Interop;

namespace Sinkwell;

/// <summary>What policy decides about content, as values.</summary>
public static unsafe class ContentPolicy
{
    /// <summary>Decides about the capture of a content part, without emitting anything.</summary>
    /// <param name="request"><c>policy</c>, <c>sink</c>, <c>requested_mode</c>, <c>class</c>, <c>tenant</c>, …</param>
    /// <returns><c>requested</c>, <c>effective</c>, <c>allowed</c>, <c>reason</c>, <c>failed</c>, …</returns>
    public static JsonElement EvaluateContentCapture(IEnumerable<KeyValuePair<string, object?>> request) =>
        Evaluate(Utf8Text.Json(request, ErrorCodes.InvalidArgument));

    /// <inheritdoc cref="EvaluateContentCapture(IEnumerable{KeyValuePair{string, object}})"/>
    public static JsonElement EvaluateContentCapture(JsonElement request) =>
        Evaluate(Utf8Text.Json(request, ErrorCodes.InvalidArgument));

    private static JsonElement Evaluate(Utf8Text request)
    {
        SinkwellOwned decision = default;
        SinkwellError error = default;
        fixed (byte* bytes = request.Bytes)
        {
            Native.Check(
                NativeMethods.sinkwell_evaluate_content_capture(request.At(bytes), &decision, &error), ref error);
        }
        return Reports.Any(Native.Take(ref decision));
    }
}
