using System.Diagnostics;
using System.Text;

namespace MeasureRelay;

/// <summary>
/// The events of an answer, as llama-server writes them: all of one length, so that both ends know by counting where
/// they are, with the time of sending where the text of a token stands.
/// </summary>
internal sealed class EventText
{
    public const int Bytes = 280;
    public const int StampBytes = 8;
    // 48 bits of nanoseconds: they begin anew every three days, which the difference does not mind.
    private const long StampMask = (1L << 48) - 1;
    private const string StampHole = "########";
    private const string Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    private static readonly byte[] Encoded = Encoding.ASCII.GetBytes(Digits);
    private static readonly byte[] Decoded = Decoding();

    public static readonly EventText Chat = new(
        """{"choices":[{"finish_reason":null,"index":0,"delta":{"content":" ########"}}],"created":1760000000,"id":"chatcmpl-""",
        """{"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"created":1760000000,"id":"chatcmpl-""",
        "chat.completion.chunk");

    public static readonly EventText Completion = new(
        """{"choices":[{"finish_reason":null,"index":0,"text":" ########"}],"created":1760000000,"id":"chatcmpl-""",
        """{"choices":[{"finish_reason":"stop","index":0,"text":""}],"created":1760000000,"id":"chatcmpl-""",
        "text_completion");

    private EventText(string token, string finish, string kind)
    {
        Token = Padded(token, kind);
        Finish = Padded(finish, kind);
        StampAt = Token.AsSpan().IndexOf(Encoding.ASCII.GetBytes(StampHole));
    }

    /// <summary>What both begin with up to the reason: null, or a text.</summary>
    public static ReadOnlySpan<byte> Start => "data: {\"choices\":[{\"finish_reason\":"u8;

    public static ReadOnlySpan<byte> End => "data: [DONE]\n\n"u8;

    public byte[] Token { get; }

    public byte[] Finish { get; }

    public int StampAt { get; }

    public static bool IsFinish(ReadOnlySpan<byte> text) => text[Start.Length] == '"';

    // Stopwatch counts CLOCK_MONOTONIC in nanoseconds on Linux, the same in every process.
    public static void WriteStamp(Span<byte> target)
    {
        long now = Stopwatch.GetTimestamp();
        for (int i = 0; i < StampBytes; i++, now >>= 6)
            target[i] = Encoded[now & 63];
    }

    public static long NanosecondsSince(ReadOnlySpan<byte> stamp, long now)
    {
        long then = 0;
        for (int i = StampBytes - 1; i >= 0; i--)
            then = then << 6 | Decoded[stamp[i]];
        return (now - then) & StampMask;
    }

    private static byte[] Padded(string text, string kind)
    {
        string rest = $"\",\"model\":\"bench.gguf\",\"system_fingerprint\":\"b1-0000000\",\"object\":\"{kind}\"}}\n\n";
        string start = "data: " + text;
        return Encoding.ASCII.GetBytes(start + new string('x', Bytes - start.Length - rest.Length) + rest);
    }

    private static byte[] Decoding()
    {
        var table = new byte[256];
        for (int i = 0; i < Encoded.Length; i++)
            table[Encoded[i]] = (byte)i;
        return table;
    }
}
