using System.Text.Json;
using System.Text.Unicode;

namespace HotModel.Proxy;

internal static class JsonText
{
    /// <summary>A JSON string, quotes included.</summary>
    public static byte[] Quote(string text) =>
    [
        (byte)'"',
        .. JsonEncodedText.Encode(text, ReadableJson.Encoder).EncodedUtf8Bytes,
        (byte)'"',
    ];

    /// <summary>Whether every parser takes it: one unpaired surrogate that is stored would spoil its session.</summary>
    public static bool IsSound(ReadOnlySpan<byte> json)
    {
        if (!Utf8.IsValid(json))
            return false;
        bool mayHaveSurrogates = json.IndexOf("\\u"u8) >= 0;
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = ChatRequestReader.DepthLimit });
            while (reader.Read())
            {
                if (mayHaveSurrogates && reader.ValueIsEscaped)
                    _ = reader.GetString();
            }
            return true;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }
    }
}
