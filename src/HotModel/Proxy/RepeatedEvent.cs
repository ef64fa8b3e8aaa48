using System.Buffers;

namespace HotModel.Proxy;

/// <summary>The last event read, to tell that the next one differs from it in nothing but its text.</summary>
/// <remarks>
/// Nearly all events of an answer are such, and comparing bytes takes a fraction of what parsing does. Only plain text
/// counts: a quote, an escape or a control character in its place, and the event is parsed.
/// </remarks>
internal sealed class RepeatedEvent
{
    // What JSON does not allow in a string, and what has a meaning there.
    private static readonly SearchValues<byte> NotPlain = SearchValues.Create(
        [(byte)'"', (byte)'\\', .. Enumerable.Range(0, ' ').Select(value => (byte)value)]);

    private byte[] bytes = [];
    private int length;
    private int textStart;
    private int textEnd;

    /// <param name="data">A JSON object.</param>
    /// <param name="start">Of its text, behind the quote.</param>
    /// <param name="end">Before the closing quote.</param>
    public void Learn(ReadOnlySpan<byte> data, int start, int end)
    {
        if (bytes.Length < data.Length)
            bytes = new byte[data.Length];
        data.CopyTo(bytes);
        (length, textStart, textEnd) = (data.Length, start, end);
    }

    public void Forget() => length = 0;

    /// <summary>The new text, where that is all that is new.</summary>
    public bool IsRepeatedBy(ReadOnlySpan<byte> data, out ReadOnlySpan<byte> text)
    {
        text = default;
        int around = length - (textEnd - textStart);
        if (length == 0 || data.Length < around || !data.StartsWith(bytes.AsSpan(0, textStart))
            || !data.EndsWith(bytes.AsSpan(textEnd, length - textEnd)))
            return false;
        text = data.Slice(textStart, data.Length - around);
        return !text.ContainsAny(NotPlain);
    }
}
