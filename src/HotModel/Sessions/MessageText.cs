using System.Buffers;
using System.Text;
using System.Text.Json;

namespace HotModel.Sessions;

/// <summary>A JSON string's value as UTF-8, without a managed string where no escape has to be undone.</summary>
internal ref struct MessageText : IDisposable
{
    private byte[]? rented;

    /// <param name="reader">Stands on a string or a property name.</param>
    public MessageText(ref readonly Utf8JsonReader reader)
    {
        Bytes = reader.ValueSpan;
        if (!reader.ValueIsEscaped)
            return;
        rented = ArrayPool<byte>.Shared.Rent(reader.ValueSpan.Length);
        try
        {
            Bytes = rented.AsSpan(0, reader.CopyString(rented));
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair (a client cut an emoji in two) is valid JSON and no valid text: left as it came.
            Bytes = reader.ValueSpan;
        }
    }

    public ReadOnlySpan<byte> Bytes { get; }

    /// <summary>Unicode code points of UTF-8 text.</summary>
    public static int CountChars(ReadOnlySpan<byte> utf8)
    {
        var count = 0;
        foreach (var unit in utf8)
            count += (unit & 0xC0) == 0x80 ? 0 : 1;
        return count;
    }

    /// <summary>Without the white space (as Unicode has it) at both ends.</summary>
    public static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> utf8)
    {
        while (Rune.DecodeFromUtf8(utf8, out var first, out var length) == OperationStatus.Done
            && Rune.IsWhiteSpace(first))
            utf8 = utf8[length..];
        while (Rune.DecodeLastFromUtf8(utf8, out var last, out var length) == OperationStatus.Done
            && Rune.IsWhiteSpace(last))
            utf8 = utf8[..^length];
        return utf8;
    }

    public void Dispose()
    {
        if (rented is not null)
            ArrayPool<byte>.Shared.Return(rented);
        rented = null;
    }
}
