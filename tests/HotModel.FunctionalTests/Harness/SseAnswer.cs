using System.Globalization;
using System.Text;

namespace HotModel.FunctionalTests.Harness;

/// <summary>Events as llama-server 0.7.0 words them.</summary>
internal static class SseAnswer
{
    public const string Done = "data: [DONE]\n\n";
    public const string Finish = "data: {\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"delta\":{}}],"
        + "\"created\":1766000000,"
        + "\"id\":\"chatcmpl-1\",\"model\":\"a\",\"system_fingerprint\":\"b11669\",\"object\":\"chat.completion.chunk\"}\n\n";

    /// <summary>About 280 bytes.</summary>
    public static string Word(string word) => "data: {\"choices\":[{\"finish_reason\":null,\"index\":0,\"delta\":{\"content\":\""
        + word + "\"}}],\"created\":1766000000,\"id\":\"chatcmpl-vW0mEe7W2hSJ9XcGzYhUqLxT5n3kRo8d\",\"model\":\"a\","
        + "\"system_fingerprint\":\"b11669-0123456789abcdef\",\"object\":\"chat.completion.chunk\"}\n\n";

    /// <summary>The whole answer, an event after the other.</summary>
    public static string[] Of(params string[] words) => [.. words.Select(Word), Finish, Done];

    /// <summary>With the head of llama-server's answer, each event in a chunk of its own.</summary>
    public static byte[] Wire(IEnumerable<string> events) =>
        [.. Encoding.ASCII.GetBytes(UpstreamScript.EventStreamHead), .. events.SelectMany(UpstreamScript.Chunk),
            .. "0\r\n\r\n"u8];

    /// <summary>An event of so many bytes that adds nothing to an answer, and whose bytes say which it is.</summary>
    public static byte[] Filler(int bytes)
    {
        var begin = "data: {\"choices\":[],\"filler\":\"";
        var fill = string.Concat(Enumerable.Range(0, bytes).Select(i => (char)('a' + (i % 26))));
        return Encoding.ASCII.GetBytes(string.Create(
            CultureInfo.InvariantCulture, $"{begin}{fill.AsSpan(0, bytes - begin.Length - 4)}\"}}\n\n"));
    }

    /// <summary>The last event says that the answer is not whole: clients that know it read no further.</summary>
    public static bool EndsWithError(MemoryStream body)
    {
        var bytes = body.GetBuffer().AsSpan(0, (int)body.Length);
        if (!bytes.EndsWith("}\n\n"u8))
            return false;
        var data = bytes[(bytes[..^2].LastIndexOf((byte)'\n') + 1)..];
        return data.StartsWith("data: {\"error\":"u8) || data.StartsWith("data: {\"type\":\"error\""u8);
    }

    /// <summary>All lines whose end is in these first bytes of an answer.</summary>
    public static string SentLines(ReadOnlySpan<byte> wire)
    {
        var rest = wire[UpstreamScript.EventStreamHead.Length..];
        var data = new List<byte>();
        int lineEnd;
        while ((lineEnd = rest.IndexOf("\r\n"u8)) >= 0)
        {
            var size = Convert.ToInt32(Encoding.ASCII.GetString(rest[..lineEnd]), 16);
            rest = rest[(lineEnd + 2)..];
            data.AddRange(rest[..Math.Min(size, rest.Length)]);
            rest = rest[Math.Min(size + 2, rest.Length)..];
            if (size == 0)
                break;
        }
        return Encoding.UTF8.GetString([.. data[..(data.LastIndexOf((byte)'\n') + 1)]]);
    }
}
