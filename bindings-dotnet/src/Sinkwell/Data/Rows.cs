namespace Sinkwell.Data;

/// <summary>An array of several dimensions as lists of lists, which is what it is in JSON.</summary>
internal static class Rows
{
    internal static IEnumerable<object?> Of(Array array) => Of(array, []);

    private static IEnumerable<object?> Of(Array array, int[] at)
    {
        for (var i = array.GetLowerBound(at.Length); i <= array.GetUpperBound(at.Length); i++)
        {
            int[] next = [.. at, i];
            yield return next.Length == array.Rank ? array.GetValue(next) : Of(array, next);
        }
    }
}
