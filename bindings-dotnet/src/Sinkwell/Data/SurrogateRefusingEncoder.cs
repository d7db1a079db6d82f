using System.Buffers;
using System.Text.Encodings.Web;

namespace Sinkwell.Data;

/// <summary>
/// The encoder of every JSON writer here: it escapes only what JSON must, and refuses lone surrogates, which
/// any other encoder replaces in silence.
/// </summary>
internal sealed unsafe class SurrogateRefusingEncoder : JavaScriptEncoder
{
    internal static readonly SurrogateRefusingEncoder Instance = new();

    /// <summary>All 2,048; a search for them allocates nothing, where one for a range does.</summary>
    private static readonly SearchValues<char> Surrogates = SearchValues.Create(
        [.. Enumerable.Range(0xd800, 0x800).Select(static unit => (char)unit)]);

    private static readonly JavaScriptEncoder Inner = UnsafeRelaxedJsonEscaping;

    public override int MaxOutputCharactersPerInputCharacter => Inner.MaxOutputCharactersPerInputCharacter;

    /// <summary>The writer asks this of every text first.</summary>
    public override int FindFirstCharacterToEncode(char* text, int textLength)
    {
        Refuse(new ReadOnlySpan<char>(text, textLength));
        return Inner.FindFirstCharacterToEncode(text, textLength);
    }

    public override bool TryEncodeUnicodeScalar(
        int unicodeScalar, char* buffer, int bufferLength, out int numberOfCharactersWritten) =>
        Inner.TryEncodeUnicodeScalar(unicodeScalar, buffer, bufferLength, out numberOfCharactersWritten);

    public override bool WillEncode(int unicodeScalar) => Inner.WillEncode(unicodeScalar);

    internal static void Refuse(ReadOnlySpan<char> text)
    {
        var at = text.IndexOfAny(Surrogates);
        while (at >= 0)
        {
            text = text[at..];
            if (text.Length < 2 || !char.IsSurrogatePair(text[0], text[1]))
            {
                throw new LoneSurrogateException();
            }
            text = text[2..];
            at = text.IndexOfAny(Surrogates);
        }
    }
}

/// <summary>Caught where the place in the data is known.</summary>
internal sealed class LoneSurrogateException : Exception;
